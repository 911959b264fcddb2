//! `campaign run`: check, enroll, plan, ask, send, report.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use tokio::signal;

use super::check::{manner, missing, named, survey};
use super::exit::{Exit, Fault};
use super::flags::RunArgs;
use super::output::{Output, counted, grouped};
use super::reports::Targets;
use super::sandbox::Inside;
use super::workspace::{self, Opened};
use super::{ask, dry_run, environment, summary};
use crate::enroll::Survey;
use crate::ledger::{Again, Frozen, Ledger, Sqlite, Totals};
use crate::livedesk::{Client, Credentials, Timeouts};
use crate::pace::Pace;
use crate::plan::{Judge, Judgement, forecast, in_words, requests_each};
use crate::problem::{Place, Problem, Problems};
use crate::progress::Progress;
use crate::run::{End, Patience, Run, Selection, Stop, With};
use crate::secret::Secret;
use crate::spec::{Source, Spec, Speed};
use crate::state::State;

pub(super) async fn run(args: &RunArgs, output: &Output) -> Result<Exit, Fault> {
    let spec = workspace::spec(&args.list.file, &args.list.vars)?;
    let targets = targets(args, &spec)?;
    let campaign = Campaign::open(args, spec, output).await?;
    if args.dry_run {
        dry_run::show(&campaign.ledger, &campaign.judge, args, output).await?;
        output.say(&dry_run::closing(campaign.to_send()));
        return Ok(Exit::Done);
    }
    targets.prepare()?;
    let end = campaign.send(args, output).await?;
    campaign.close(&end, &targets, output).await
}

fn targets(args: &RunArgs, spec: &Spec) -> Result<Targets, Fault> {
    let targets = match (args.report.is_empty(), args.sandbox) {
        (false, _) => Targets::new(args.report.clone())?,
        (true, false) => Targets::of_spec(spec),
        (true, true) => Targets::of_spec(spec).for_sandbox(),
    };
    targets.spare(&workspace::inputs(spec))?;
    Ok(targets)
}

/// A campaign whose list is enrolled: what is to be sent is known.
struct Campaign {
    spec: Arc<Spec>,
    ledger: Sqlite,
    judge: Judge,
    totals: Totals,
    /// Pending deliveries among those who are selected.
    pending: u64,
    selection: Selection,
}

impl Campaign {
    /// Opens the ledger and takes the list in. Shows the plan.
    async fn open(args: &RunArgs, spec: Arc<Spec>, output: &Output) -> Result<Self, Fault> {
        let path = workspace::ledger(&spec, args.ledger.as_deref())?;
        let known = path.exists() && !args.sandbox;
        let opened = workspace::list(&spec)?;
        let rows = match opened {
            Opened::Rows(rows) => Some(rows),
            Opened::Missing(list) if !known => return Err(missing(&list)),
            Opened::Missing(list) => {
                output.say(&format!("{list}: nothing there; continuing from the ledger"));
                None
            }
        };
        let judge = workspace::judge(&spec, rows.as_ref().and_then(|rows| rows.columns.as_deref()))?;
        output.aside(&judge.templates.warnings().to_vec().into());
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
        let frozen = ledger.frozen().await?;
        if let Some(frozen) = &frozen {
            same_people(&spec, frozen, &ledger.totals().await?)?;
        }
        let only = (!args.list.only.is_empty()).then(|| args.list.only.clone());
        let again = args.retry_failed.then(|| Again { only: only.clone() });
        let (survey, retried) = match rows {
            Some(rows) => {
                let survey = survey(&ledger, &judge, rows, manner(&args.list, again, output), output).await?;
                output.aside(&survey.warnings);
                let retried = survey.enrolment.map_or(0, |change| change.retried);
                (survey, retried)
            }
            None => (Survey::default(), without_list(&ledger, &judge, again).await?),
        };
        let named = named(&ledger, &args.list.only).await?;
        let only: Option<HashSet<String>> = only.map(HashSet::from_iter);
        let selection = Selection { only, limit: args.list.limit };
        let totals = ledger.totals().await?;
        let pending = named.unwrap_or_else(|| totals.of(State::Pending));
        let campaign = Self { spec, ledger, judge, totals, pending, selection };
        if let Some(frozen) = frozen {
            campaign.show_changes(&frozen, output);
        }
        if args.retry_failed {
            output.say(&summary::sent_again(retried, &campaign.totals));
        }
        let to = if args.sandbox { "the sandbox" } else { campaign.spec.livedesk.base_url.as_str() };
        campaign.show_plan(&survey, to, output);
        Ok(campaign)
    }

    /// Messages that this run would send.
    fn to_send(&self) -> u64 {
        self.pending.min(self.selection.limit.unwrap_or(u64::MAX))
    }

    fn show_changes(&self, earlier: &Frozen, output: &Output) {
        let mut changed = self.spec.differences(&earlier.spec);
        let vars: IndexMap<String, String> = serde_json::from_str(&earlier.vars).unwrap_or_default();
        let differs = |name: &&String| vars.get(*name) != self.spec.vars.get(*name);
        changed.extend(self.spec.vars.keys().filter(differs).map(|name| format!("vars.{name}")));
        changed.dedup();
        if !changed.is_empty() && self.totals.settled() > 0 {
            output.say(&format!(
                "the spec has changed since the last run: {}; those who are still pending get the new version",
                changed.join(", ")
            ));
        }
    }

    fn show_plan(&self, survey: &Survey, to: &str, output: &Output) {
        let spec = &self.spec;
        let title = spec.description.as_ref().map_or_else(String::new, |text| format!(": {text}"));
        output.say(&format!("{}{title}", spec.name));
        if survey.rows > 0 {
            let reasons: Vec<String> =
                survey.left_out.iter().map(|(reason, count)| format!("{reason} {}", grouped(*count))).collect();
            let left_out =
                if reasons.is_empty() { String::new() } else { format!("; left out: {}", reasons.join(", ")) };
            output.say(&format!("  list     {}: {}{left_out}", self.judge.list, counted(survey.rows, "row")));
        }
        if let Some(change) = survey.enrolment.filter(|change| change.again) {
            output.say(&format!(
                "  since    the last run: {} new, {} changed, {} gone",
                grouped(change.new),
                grouped(change.changed),
                grouped(change.gone)
            ));
        }
        let settled = self.totals.settled();
        if settled > 0 {
            output.say(&format!("  settled  {} by earlier runs; never repeated", counted(settled, "message")));
        }
        let (messages, each) = (self.to_send(), requests_each(spec));
        let requests = counted(messages * each, "request");
        output.say(&format!("  to send  {}, {requests} to {to}", counted(messages, "message")));
        output.say(&format!("  limits   {}", limits(spec)));
        let forecast = forecast(&spec.send, messages, each);
        let by = forecast.bound_by.map_or_else(String::new, |setting| format!(", by {setting}"));
        output.say(&format!("  takes    {}{by}", in_words(forecast.duration)));
    }

    /// Sends, in one go or in two with a canary.
    async fn send(&self, args: &RunArgs, output: &Output) -> Result<End, Fault> {
        let messages = self.to_send();
        let inside = if args.sandbox { Some(Inside::start()?) } else { None };
        let progress = Rc::new(Progress::new(output.moving, output.privacy()));
        let watcher = Rc::clone(&progress);
        let client = self.client(inside.as_ref())?;
        let client = if args.verbose { client.watched_by(Box::new(move |line| watcher.line(line))) } else { client };
        if messages > 0 && output.interactive && !args.sandbox && !args.yes && !ask::for_the_number(messages) {
            output.say("not confirmed; nothing was sent");
            return Ok(End::Interrupted);
        }
        self.ledger.begin_run().await?;
        let pace = self.pace().await?;
        let began = Instant::now();
        let patience = if args.no_wait { Patience::End } else { Patience::Wait };
        let stop = Stop::new();
        let tell = |event| progress.tell(&event);
        let run = Run::new(With {
            ledger: &self.ledger,
            client: &client,
            judge: &self.judge,
            spec: &self.spec,
            pace: &pace,
            patience,
            stop: stop.clone(),
            tell: &tell,
        });
        let end = tokio::select! {
            end = self.in_stages(&run, &progress, args, output) => end?,
            () = interrupted_twice(&stop, &progress) => End::Interrupted,
        };
        progress.end();
        if let Some(text) = summary::held_by_server(pace.paused_for(), began.elapsed(), &self.spec.send) {
            output.say(&text);
        }
        Ok(end)
    }

    /// Everybody; or the first few alone, where the spec asks for a canary and they have not been sent yet.
    async fn in_stages(
        &self,
        run: &Run<'_, Sqlite>,
        progress: &Progress,
        args: &RunArgs,
        output: &Output,
    ) -> Result<End, Fault> {
        let messages = self.to_send();
        let stage = async |selection: &Selection, messages: u64| {
            progress.begin(messages);
            let end = run.send(selection).await;
            progress.end();
            end
        };
        let canary = self.spec.send.canary.and_then(|canary| canary.checked_sub(self.totals.settled()));
        let Some(canary) = canary.filter(|canary| (1..messages).contains(canary)) else {
            return Ok(stage(&self.selection, messages).await?);
        };
        let first = Selection { limit: Some(canary), ..self.selection.clone() };
        let end = stage(&first, canary).await?;
        if end != End::Done {
            return Ok(end);
        }
        output.say(&summary::text(&self.spec.name, &self.ledger.totals().await?));
        let question = format!("The canary of {} is sent. Send the rest?", grouped(canary));
        if !(args.yes || output.interactive && ask::yes(question).await) {
            return Ok(End::Guard(format!("the canary of {} is sent; run again for the rest", grouped(canary))));
        }
        let rest = Selection { limit: self.selection.limit.map(|limit| limit - canary), ..self.selection.clone() };
        Ok(stage(&rest, messages - canary).await?)
    }

    fn client(&self, inside: Option<&Inside>) -> Result<Client, Fault> {
        let send = &self.spec.send;
        let timeouts = Timeouts { answer: send.timeout, connect: send.connect_timeout };
        let (base_url, credentials) = match inside {
            Some(inside) => {
                let any = || Secret::new("sandbox".to_owned());
                (inside.base_url.as_str(), Credentials { key: any(), secret: any() })
            }
            None => (self.spec.livedesk.base_url.as_str(), environment::credentials(&self.spec)?),
        };
        Client::new(base_url, credentials, timeouts)
            .map_err(|error| Fault::Environment(format!("no connection can be prepared: {error}")))
    }

    /// The limits, with the quotas as full as earlier runs have left them.
    async fn pace(&self) -> Result<Pace, Fault> {
        let mut claimed = Vec::new();
        for quota in &self.spec.send.quota {
            claimed.push(self.ledger.claimed_within(quota.per, quota.count.get()).await?);
        }
        let since_last = self.ledger.last_claim().await?;
        // A claim of the future (the clock was set back) counts as one of now.
        let since_last =
            since_last.map(|last| Timestamp::now().duration_since(last).max(SignedDuration::ZERO).unsigned_abs());
        Ok(Pace::new(&self.spec.send, claimed, since_last))
    }

    /// Reports, sums up, and says how to go on.
    async fn close(self, end: &End, targets: &Targets, output: &Output) -> Result<Exit, Fault> {
        self.ledger.settle_what_is_left().await?;
        targets.write(&self.ledger, &self.spec, &[], output).await?;
        let totals = self.ledger.totals().await?;
        if output.is_json() {
            output.json(&summary::data(&self.spec.name, &totals));
        } else {
            output.result(&summary::text(&self.spec.name, &totals));
        }
        let (mendable, opted_out) = (summary::can_be_helped(&totals), summary::opted_out(&totals));
        if opted_out > 0 {
            let (what, file) = (counted(opted_out, "recipient"), &self.spec.source.name);
            let command = format!("campaign report {file} --only opted-out -o opted-out.csv");
            output.say(&format!("{what} stopped marketing: `{command}` writes a list for `recipients.suppress`"));
        }
        if mendable > 0 {
            let what = counted(mendable, "failed message");
            let file = &self.spec.source.name;
            output.say(&format!("{what} may be helped by sending again: `campaign run {file} --retry-failed`"));
        }
        let pending = totals.of(State::Pending);
        let go_on = || format!("{} still pending; run the same command again to go on", counted(pending, "message"));
        if totals.of(State::Unknown) > 0 {
            output.say(&format!(
                "unknown: whether these were sent cannot be told from here and they are never repeated; look them up in \
                 LiveDesk, then `campaign resolve {} --key KEY --sent` or `--not-sent`",
                self.spec.source.name
            ));
        }
        Ok(match end {
            End::Interrupted => {
                output.say(&format!("interrupted: {}", go_on()));
                Exit::Interrupted
            }
            End::Environment(why) => {
                output.error(&format!("{why}\n{}", go_on()));
                Exit::Environment
            }
            End::Guard(why) => {
                output.say(&format!("stopped: {why}\n{}", go_on()));
                Exit::Stopped
            }
            End::Done => {
                if pending > 0 {
                    output.say(&go_on());
                }
                summary::exit(&totals)
            }
        })
    }
}

/// The list is gone, so the ledger's own rows are judged anew: templates, `where` and suppression lists may have changed
/// since they were enrolled. Gives how many of the failed are pending again.
async fn without_list(ledger: &Sqlite, judge: &Judge, again: Option<Again>) -> Result<u64, Fault> {
    let retried = match again {
        Some(again) => ledger.retry_failed(again).await?,
        None => 0,
    };
    let (mut found, mut left_out, mut after) = (Problems::default(), Vec::new(), None);
    loop {
        let page = ledger.lease(after, 1_000).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.position());
        for lease in page {
            match judge.judge(&lease.row) {
                Judgement::Deliver(_) => {}
                Judgement::LeftOut { reason, .. } => left_out.push((lease, reason)),
                Judgement::Invalid(problems) => found.extend(problems),
            }
        }
    }
    if !found.is_empty() {
        return Err(found.into());
    }
    ledger.leave_out(left_out).await?;
    Ok(retried)
}

/// Once messages are settled, the keys must go on meaning the same people: by another rule everybody would be new, and
/// get it twice.
fn same_people(spec: &Spec, frozen: &Frozen, totals: &Totals) -> Result<(), Fault> {
    let source = Source { name: spec.source.name.clone(), text: frozen.spec.clone() };
    let Ok(earlier) = Spec::parse(&source, spec.folder.clone(), &[]) else { return Ok(()) };
    let (old, new) = (earlier.key_rule(), spec.key_rule());
    if totals.settled() == 0 || old.starts_with(&new) || new.starts_with(&old) {
        return Ok(());
    }
    let what = format!("recipients were known by `{old}` and would now be known by `{new}`: all would get it again");
    let problem = Problem::error("key-rule-changed", Place::file(&spec.source.name), what);
    Err(vec![problem.hint("set `recipients.key` to what it was, or give a new campaign a new name")].into())
}

fn limits(spec: &Spec) -> String {
    let send = &spec.send;
    let mut parts = vec![match send.rate {
        Speed::Unlimited => "messages unlimited".to_owned(),
        Speed::Limited(rate) => format!("{rate} messages"),
    }];
    parts.push(format!("{} requests", send.requests));
    parts.extend(send.quota.iter().map(|quota| format!("at most {quota}")));
    parts.push(format!("{} in flight", send.concurrency));
    parts.extend((send.burst.get() > 1).then(|| format!("{} back to back", send.burst)));
    parts.extend(send.canary.map(|canary| format!("a canary of {canary}")));
    parts.extend(send.not_before.map(|time| format!("not before {time}")));
    parts.extend(send.not_after.map(|time| format!("not after {time}")));
    parts.join(", ")
}

/// The first signal asks the run to end in good order; the second ends it at once.
async fn interrupted_twice(stop: &Stop, progress: &Progress) {
    asked_to_stop().await;
    progress.line("stopping: finishing what is in flight (again to leave at once)");
    stop.because(End::Interrupted);
    asked_to_stop().await;
}

/// Ctrl-C, or where there is such a thing, SIGTERM.
async fn asked_to_stop() {
    #[cfg(unix)]
    {
        if let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) {
            tokio::select! {
                _ = signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = signal::ctrl_c().await;
}
