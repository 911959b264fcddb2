//! A campaign with its list taken in: what `run` begins with, rehearsed or in earnest.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use url::Url;

use super::changes::{self, Changes};
use super::check::{known_before, manner, named, survey};
use super::exit::CliError;
use super::flags::RunArgs;
use super::output::{Output, counted};
use super::plan::Plan;
use super::ready::Ready;
use super::reports::Targets;
use super::workspace::{self, List};
use super::{earlier_runs, summary};
use crate::attachment::Contents;
use crate::enroll::EnrolmentReport;
use crate::ledger::{RetryFailed, Sqlite, Totals, is_first_run};
use crate::pending_scan::{PendingScan, each_pending, pending_scan};
use crate::plan::{Decision, RowEvaluator};
use crate::problem::Problems;
use crate::run::Selection;
use crate::specification::Spec;
use crate::state::State;

/// A campaign whose list is enrolled: what is to be sent is known.
pub(super) struct Campaign {
    pub(super) spec: Arc<Spec>,
    pub(super) ledger: Sqlite,
    pub(super) evaluator: RowEvaluator,
    pub(super) totals: Totals,
    /// Pending deliveries among those who are selected.
    pending: u64,
    pub(super) selection: Selection,
    /// What a look at the pending ones shows, as far as it was asked for.
    pub(super) pending_scan: PendingScan,
    /// What the attachments held when the list was taken in.
    pub(super) attachments: Contents,
    /// The lines of the plan.
    pub(super) plan: Vec<String>,
    /// Whether the spec as it is now is the version that the ledger is to know: nobody has to accept a change first.
    is_this_version: bool,
}

impl Campaign {
    /// Opens the ledger and takes the list in, which [`Campaign::keep`] keeps. Shows the plan.
    pub(super) async fn open(
        args: &RunArgs,
        ready: Ready,
        reports: &Targets,
        output: &Output,
    ) -> Result<Self, CliError> {
        let Ready { spec, list, evaluator } = ready;
        let path = workspace::ledger(&spec, args.ledger.as_deref())?;
        let first_run = args.sandbox || is_first_run(&path, args.acknowledged())?;
        may_begin(args, &spec, &path, first_run, reports)?;
        let list = match list {
            Ok(list) => Some(list),
            Err(missing) if first_run => return Err(missing.into()),
            Err(missing) => {
                output.say(&format!("{}: nothing there; continuing from the ledger", missing.name));
                None
            }
        };
        output.aside(&known_before(&spec, &evaluator));
        let ledger = match (args.dry_run, args.sandbox) {
            (true, _) => Sqlite::scratch_copy(&path, args.acknowledged())?,
            (_, true) => Sqlite::temporary()?,
            _ => Sqlite::open(&path, args.acknowledged())?,
        };
        let mut campaign = Self {
            ledger,
            evaluator,
            totals: Totals::default(),
            pending: 0,
            selection: Selection { only: only(&args.list.only), limit: args.list.limit },
            pending_scan: PendingScan::default(),
            attachments: Contents::new(),
            plan: Vec::new(),
            is_this_version: false,
            spec: if args.sandbox { Arc::new(spec.at_any_time()) } else { spec },
        };
        if first_run && !args.sandbox {
            campaign.plan.push(Plan::of_first_run(&path));
            let local = Url::parse(&campaign.spec.livedesk.base_url).is_ok_and(|url| url.scheme() == "http");
            // Against a desk on this machine nothing is at stake: other addresses are never plain `http`.
            if let Some(warning) = earlier_runs::may_vanish(&path).filter(|_| !local && !args.dry_run) {
                output.say(&warning);
            }
        }
        match campaign.prepare(list, args, reports, output).await {
            Ok(()) => Ok(campaign),
            Err(fault) => {
                campaign.forget().await;
                Err(fault)
            }
        }
    }

    /// Everything up to the plan. Nothing of it is kept yet.
    async fn prepare(
        &mut self,
        list: Option<List>,
        args: &RunArgs,
        reports: &Targets,
        output: &Output,
    ) -> Result<(), CliError> {
        self.ledger.belongs_to(&self.spec.name).await?;
        if self.ledger.interrupted() > 0 {
            let what = counted(self.ledger.interrupted() as u64, "message");
            output.say(&format!("{what} in flight when the last run ended: unknown now, see `campaign resolve`"));
        }
        let mut changes = changes::since_last(&self.spec, &self.ledger).await?;
        let (survey, retried) = self.take_in(list, args, output).await?;
        if !args.sandbox && !args.first_run && !args.accept_older_ledger {
            earlier_runs::nobody_again(&self.ledger, reports).await?;
        }
        self.attachments.clone_from(&survey.attachments);
        let others = self.totals.of(State::Pending).saturating_sub(retried);
        self.is_this_version = changes.may_go_on(others, args, &self.spec.recipients.file, output).await?;
        self.look_ahead(args, output).await?;
        self.show_plan(&survey, &changes, args, output).await
    }

    /// Keeps the list as it was taken in. From here on the ledger is changed.
    pub(super) async fn keep(&self) -> Result<(), CliError> {
        if self.is_this_version {
            self.ledger.set_attachments(self.attachments.clone()).await?;
        }
        Ok(self.ledger.keep_enrolment(self.is_this_version.then_some(&*self.spec)).await?)
    }

    /// The ledger is as it was before: a run that was declined leaves no trace.
    pub(super) async fn forget(self) {
        // Without a transaction there is nothing to take back, and what stands in the way was said already.
        let _ = self.ledger.abandon_enrolment().await;
        self.ledger.discard_if_new();
    }

    /// Takes the list in, or judges the ledger's own rows anew where it is gone. Gives how many failed ones are sent again.
    async fn take_in(
        &mut self,
        list: Option<List>,
        args: &RunArgs,
        output: &Output,
    ) -> Result<(EnrolmentReport, u64), CliError> {
        let again = args.retry_failed.then(|| RetryFailed { only: self.selection.only.clone().map(Vec::from_iter) });
        let (survey, retried) = match list {
            Some(list) => {
                let manner = manner(&args.list, again, output);
                let survey = survey(&self.ledger, &self.evaluator, list, manner, output).await?;
                output.aside(&survey.warnings);
                let retried = survey.enrolment.as_ref().map_or(0, |change| change.retried);
                (survey, retried)
            }
            None => {
                let attachments = changes::attachments_now(&self.spec, &self.ledger).await?;
                let survey = EnrolmentReport { attachments, ..EnrolmentReport::default() };
                (survey, without_list(&self.ledger, &self.evaluator, again).await?)
            }
        };
        let named = named(&self.ledger, &args.list.only).await?;
        self.totals = self.ledger.totals().await?;
        self.pending = named.unwrap_or_else(|| self.totals.of(State::Pending));
        if args.retry_failed {
            output.say(&summary::sent_again(retried, &self.totals));
        }
        Ok((survey, retried))
    }

    /// Looks at those who are pending, where there is something to see: previews of a dry run, the hours of many zones.
    async fn look_ahead(&mut self, args: &RunArgs, output: &Output) -> Result<(), CliError> {
        let asked_for_others = args.preview.is_some() || output.is_json();
        let previews = args.dry_run && (args.html.is_some() || !asked_for_others);
        if previews || self.spec.send.window.is_some() {
            self.pending_scan = pending_scan(&self.ledger, &self.evaluator, &self.selection, previews).await?;
        }
        Ok(())
    }

    /// Messages that this run would send.
    pub(super) fn to_send(&self) -> u64 {
        self.pending.min(self.selection.limit.unwrap_or(u64::MAX))
    }

    async fn show_plan(
        &mut self,
        survey: &EnrolmentReport,
        changes: &Changes,
        args: &RunArgs,
        output: &Output,
    ) -> Result<(), CliError> {
        let to = if args.sandbox { "the sandbox" } else { self.spec.livedesk.base_url.as_str() };
        let plan = Plan { spec: &self.spec, messages: self.to_send(), zones: self.pending_scan.zones.clone() };
        let title = self.spec.description.as_ref().map_or_else(String::new, |text| format!(": {text}"));
        output.say(&format!("{}{title}", self.spec.name));
        let mut lines = Plan::of_list(&self.evaluator, survey);
        lines.append(&mut self.plan);
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

/// Whether there is the ledger that there should be.
fn may_begin(args: &RunArgs, spec: &Spec, ledger: &Path, first_run: bool, reports: &Targets) -> Result<(), CliError> {
    if args.sandbox {
        return Ok(());
    }
    match (first_run, args.first_run) {
        (true, false) => earlier_runs::no_earlier_run(spec, ledger, args.ledger.is_none(), reports),
        (false, true) => Err(CliError::environment(format!(
            "there is a ledger at {}, so this is not the first run; leave `--first-run` out",
            ledger.display()
        ))),
        _ => Ok(()),
    }
}

fn only(keys: &[String]) -> Option<HashSet<String>> {
    (!keys.is_empty()).then(|| keys.iter().cloned().collect())
}

/// The list is gone, so the ledger's own rows are judged anew: templates, `where` and suppression lists may have changed
/// since they were enrolled. Gives how many of the failed are pending again.
async fn without_list(ledger: &Sqlite, evaluator: &RowEvaluator, again: Option<RetryFailed>) -> Result<u64, CliError> {
    ledger.begin_without_list().await?;
    let retried = match again {
        Some(again) => ledger.retry_failed(again).await?,
        None => 0,
    };
    let (mut found, mut left_out) = (Problems::default(), Vec::new());
    each_pending(ledger, &Selection::default(), |lease| {
        match evaluator.evaluate(&lease.row) {
            Decision::Deliver(_) => {}
            Decision::LeftOut { reason, .. } => left_out.push((lease, reason)),
            Decision::Invalid(problems) => found.extend(problems),
        }
        Ok::<_, CliError>(())
    })
    .await?;
    if !found.is_empty() {
        return Err(found.into());
    }
    ledger.leave_out(left_out).await?;
    Ok(retried)
}
