//! A campaign with its list taken in: what `run` begins with, rehearsed or in earnest.

use std::collections::HashSet;
use std::sync::Arc;

use super::changes::{self, Changes};
use super::check::{known_before, manner, missing, named, survey};
use super::exit::Fault;
use super::flags::RunArgs;
use super::output::{Output, counted};
use super::plan::Plan;
use super::ready::Ready;
use super::summary;
use super::workspace::{self, List};
use crate::enroll::Survey;
use crate::ledger::{Again, Sqlite, Totals};
use crate::outlook::{Outlook, each_pending, outlook};
use crate::plan::{Judge, Judgement};
use crate::problem::Problems;
use crate::run::Selection;
use crate::spec::Spec;
use crate::state::State;

/// A campaign whose list is enrolled: what is to be sent is known.
pub(super) struct Campaign {
    pub(super) spec: Arc<Spec>,
    pub(super) ledger: Sqlite,
    pub(super) judge: Judge,
    pub(super) totals: Totals,
    /// Pending deliveries among those who are selected.
    pending: u64,
    pub(super) selection: Selection,
    /// What a look at the pending ones shows, as far as it was asked for.
    pub(super) outlook: Outlook,
    /// The lines of the plan.
    pub(super) plan: Vec<String>,
}

impl Campaign {
    /// Opens the ledger and takes the list in. Shows the plan.
    pub(super) async fn open(args: &RunArgs, ready: Ready, output: &Output) -> Result<Self, Fault> {
        let Ready { spec, list, judge } = ready;
        let path = workspace::ledger(&spec, args.ledger.as_deref())?;
        let known = path.exists() && !args.sandbox;
        let list = match list {
            Ok(list) => Some(list),
            Err(name) if !known => return Err(missing(&name)),
            Err(name) => {
                output.say(&format!("{name}: nothing there; continuing from the ledger"));
                None
            }
        };
        output.aside(&known_before(&spec, &judge));
        let ledger = match (args.dry_run, args.sandbox) {
            (true, _) => Sqlite::rehearsal(Some(&path))?,
            (_, true) => Sqlite::throw_away()?,
            _ => Sqlite::open(&path)?,
        };
        ledger.belongs_to(&spec.name).await?;
        if ledger.cut_off() > 0 {
            let what = counted(ledger.cut_off() as u64, "message");
            output.say(&format!("{what} in flight when the last run ended: unknown now, see `campaign resolve`"));
        }
        let mut changes = changes::since_last(&spec, &ledger).await?;
        changes.may_go_on(args, &spec.recipients.file, output).await?;
        let mut campaign = Self {
            ledger,
            judge,
            totals: Totals::default(),
            pending: 0,
            selection: Selection { only: only(&args.list.only), limit: args.list.limit },
            outlook: Outlook::default(),
            plan: Vec::new(),
            spec: if args.sandbox { Arc::new(spec.at_any_time()) } else { spec },
        };
        let survey = campaign.take_in(list, args, output).await?;
        campaign.look_ahead(args, output).await?;
        campaign.show_plan(&survey, &changes, args, output).await?;
        Ok(campaign)
    }

    /// Takes the list in, or judges the ledger's own rows anew where it is gone.
    async fn take_in(&mut self, list: Option<List>, args: &RunArgs, output: &Output) -> Result<Survey, Fault> {
        let again = args.retry_failed.then(|| Again { only: self.selection.only.clone().map(Vec::from_iter) });
        let (survey, retried) = match list {
            Some(list) => {
                let manner = manner(&args.list, again, output);
                let survey = survey(&self.ledger, &self.judge, list, manner, output).await?;
                output.aside(&survey.warnings);
                let retried = survey.enrolment.as_ref().map_or(0, |change| change.retried);
                (survey, retried)
            }
            None => (Survey::default(), without_list(&self.ledger, &self.judge, again).await?),
        };
        let named = named(&self.ledger, &args.list.only).await?;
        self.totals = self.ledger.totals().await?;
        self.pending = named.unwrap_or_else(|| self.totals.of(State::Pending));
        if args.retry_failed {
            output.say(&summary::sent_again(retried, &self.totals));
        }
        Ok(survey)
    }

    /// Looks at those who are pending, where there is something to see: previews of a dry run, the hours of many zones.
    async fn look_ahead(&mut self, args: &RunArgs, output: &Output) -> Result<(), Fault> {
        let asked_for_others = args.preview.is_some() || output.is_json();
        let previews = args.dry_run && (args.html.is_some() || !asked_for_others);
        if previews || self.spec.send.window.is_some() {
            self.outlook = outlook(&self.ledger, &self.judge, &self.selection, previews).await?;
        }
        Ok(())
    }

    /// Messages that this run would send.
    pub(super) fn to_send(&self) -> u64 {
        self.pending.min(self.selection.limit.unwrap_or(u64::MAX))
    }

    async fn show_plan(
        &mut self,
        survey: &Survey,
        changes: &Changes,
        args: &RunArgs,
        output: &Output,
    ) -> Result<(), Fault> {
        let to = if args.sandbox { "the sandbox" } else { self.spec.livedesk.base_url.as_str() };
        let plan = Plan { spec: &self.spec, messages: self.to_send(), zones: self.outlook.zones.clone() };
        let title = self.spec.description.as_ref().map_or_else(String::new, |text| format!(": {text}"));
        output.say(&format!("{}{title}", self.spec.name));
        let mut lines = Plan::of_list(&self.judge, survey);
        lines.extend(changes.lines(self.totals.of(State::Pending)));
        lines.extend(Plan::of_settled(&self.totals));
        lines.push(plan.to(to));
        lines.extend(plan.limits(&self.ledger).await?);
        for line in &lines {
            output.say(line);
        }
        self.plan = lines;
        Ok(())
    }
}

fn only(keys: &[String]) -> Option<HashSet<String>> {
    (!keys.is_empty()).then(|| keys.iter().cloned().collect())
}

/// The list is gone, so the ledger's own rows are judged anew: templates, `where` and suppression lists may have changed
/// since they were enrolled. Gives how many of the failed are pending again.
async fn without_list(ledger: &Sqlite, judge: &Judge, again: Option<Again>) -> Result<u64, Fault> {
    let retried = match again {
        Some(again) => ledger.retry_failed(again).await?,
        None => 0,
    };
    let (mut found, mut left_out) = (Problems::default(), Vec::new());
    each_pending(ledger, &Selection::default(), |lease| {
        match judge.judge(&lease.row) {
            Judgement::Deliver(_) => {}
            Judgement::LeftOut { reason, .. } => left_out.push((lease, reason)),
            Judgement::Invalid(problems) => found.extend(problems),
        }
        Ok::<_, Fault>(())
    })
    .await?;
    if !found.is_empty() {
        return Err(found.into());
    }
    ledger.leave_out(left_out).await?;
    Ok(retried)
}
