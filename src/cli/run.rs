//! `campaign run`: check, enroll, plan, ask, send, report.

use std::rc::Rc;
use std::time::Instant;

use jiff::Timestamp;

use super::campaign::Campaign;
use super::exit::{CliError, Exit};
use super::flags::RunArgs;
use super::output::{Output, counted, grouped};
use super::plan::claimed;
use super::ready::Ready;
use super::reports::Targets;
use super::sandbox::Inside;
use super::signals::Signals;
use super::{dry_run, environment, preview, prompt, summary, workspace};
use crate::ledger::Sqlite;
use crate::livedesk::{Client, Credentials, Timeouts};
use crate::pace::{Earlier, Pace};
use crate::progress::Progress;
use crate::run::{End, OnHold, Run, RunConfig, Selection, Stop};
use crate::secret::Secret;
use crate::specification::Spec;
use crate::state::State;

pub(super) async fn run(args: &RunArgs, output: &Output) -> Result<Exit, CliError> {
    let ready = Ready::read(&args.list, output).await?;
    let targets = targets(args, &ready.spec)?;
    preview::spare_inputs(args, &ready.spec)?;
    let campaign = Campaign::open(args, ready, &targets, output).await?;
    if args.dry_run {
        dry_run::show(&campaign, args, output).await?;
        return Ok(Exit::Done);
    }
    if !campaign.is_confirmed(args, output) {
        campaign.forget().await;
        return Err(CliError::Declined);
    }
    if let Err(fault) = targets.prepare() {
        campaign.forget().await;
        return Err(fault);
    }
    campaign.keep().await?;
    let end = campaign.send(args, output).await?;
    campaign.close(&end, &targets, output).await
}

fn targets(args: &RunArgs, spec: &Spec) -> Result<Targets, CliError> {
    let targets = match (args.report.is_empty(), args.sandbox) {
        (false, _) => Targets::new("--report", args.report.clone())?,
        (true, false) => Targets::of_spec(spec),
        (true, true) => Targets::of_spec(spec).for_sandbox(),
    };
    targets.spare(&workspace::inputs(spec))?;
    targets.check()?;
    Ok(targets)
}

impl Campaign {
    /// Whether somebody who can be asked wants it.
    fn is_confirmed(&self, args: &RunArgs, output: &Output) -> bool {
        let asks = !args.yes && !args.sandbox && prompt::is_possible(&self.spec.recipients.file, output);
        let messages = self.to_send();
        messages == 0 || !asks || prompt::for_the_number(messages, output)
    }

    /// Sends, in one go or in two with a canary.
    async fn send(&self, args: &RunArgs, output: &Output) -> Result<End, CliError> {
        let inside = if args.sandbox { Some(Inside::start()?) } else { None };
        let progress = Rc::new(Progress::new(output.messages(), output.moving, output.privacy()));
        let watcher = Rc::clone(&progress);
        let client = self.client(inside.as_ref(), output)?;
        let client = if args.verbose { client.watched_by(Box::new(move |line| watcher.line(line))) } else { client };
        output.never_wait();
        let signals = Signals::listen().map_err(|error| CliError::caused("cannot listen for signals", error))?;
        let last_request = self.ledger.begin_run().await?;
        let pace = self.pace(last_request).await?;
        let began = Instant::now();
        let on_hold = if args.no_wait { OnHold::Stop } else { OnHold::Wait };
        let stop = Stop::new();
        let emit = |event| progress.tell(&event);
        let run = Run::new(RunConfig {
            ledger: &self.ledger,
            attachments: self.attachments.clone(),
            client: &client,
            evaluator: &self.evaluator,
            spec: &self.spec,
            pace: &pace,
            on_hold,
            stop: stop.clone(),
            emit: &emit,
        });
        let end = tokio::select! {
            end = self.in_stages(&run, &progress, args, output) => end?,
            lost = self.ledger.lost() => return Err(lost.into()),
            () = interrupted_twice(signals, &stop, &progress) => End::Interrupted,
        };
        progress.end();
        self.ledger.end_run(pace.now()).await?;
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
    ) -> Result<End, CliError> {
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
        let asks = prompt::is_possible(&self.spec.recipients.file, output);
        if !(args.yes || asks && prompt::yes(&question, output).await) {
            return Ok(End::Guard(format!("the canary of {} is sent; run again for the rest", grouped(canary))));
        }
        let rest = Selection { limit: self.selection.limit.map(|limit| limit - canary), ..self.selection.clone() };
        Ok(stage(&rest, messages - canary).await?)
    }

    fn client(&self, inside: Option<&Inside>, output: &Output) -> Result<Client, CliError> {
        let send = &self.spec.send;
        let timeouts = Timeouts { answer: send.timeout, connect: send.connect_timeout };
        let (base_url, credentials) = match inside {
            Some(inside) => {
                let any = || Secret::new("sandbox".to_owned());
                (inside.base_url.as_str(), Credentials { key: any(), secret: any() })
            }
            None => (self.spec.livedesk.base_url.as_str(), environment::credentials(&self.spec, output)?),
        };
        Client::new(base_url, credentials, timeouts)
            .map_err(|error| CliError::caused("the HTTP client cannot be set up", error))
    }

    /// The limits, with the quotas as full as earlier runs have left them.
    async fn pace(&self, last_request: Option<Timestamp>) -> Result<Pace, CliError> {
        let quotas = claimed(&self.spec, &self.ledger).await?;
        let last_message = self.ledger.last_departure().await?;
        Ok(Pace::new(&self.spec.send, Earlier { quotas, last_message, last_request }))
    }

    /// Reports, sums up, and says how to go on.
    async fn close(self, end: &End, targets: &Targets, output: &Output) -> Result<Exit, CliError> {
        self.ledger.settle_interrupted().await?;
        let reported = targets.write(&self.ledger, &self.spec, &[], output).await;
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
        if let Err(fault) = reported {
            fault.show(output);
            let command = format!("campaign report {} -o FILE", self.spec.source.name);
            output.say(&format!("the ledger is complete; write the report later: `{command}`"));
            return Ok(Exit::Environment);
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
            End::Paused(why) => {
                output.say(&format!("{why}\n{}", go_on()));
                Exit::Paused
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

/// The first signal asks the run to end in good order; the second ends it at once.
async fn interrupted_twice(mut signals: Signals, stop: &Stop, progress: &Progress) {
    signals.next().await;
    progress.line("stopping: finishing what is in flight (again to leave at once)");
    stop.because(End::Interrupted);
    signals.next().await;
}
