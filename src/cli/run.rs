//! `campaign run`: check, enroll, plan, ask, send, report.

use std::sync::Arc;

use crate::campaign::{self, Confirmed, EnrolmentOptions, Inputs, Invalid, Mode, Options, RetryFailed, Sent};
use crate::ledger::Ledger;
use crate::livedesk::Client;
use crate::metrics::Metrics;
use crate::run::{End, OnHold, Selection, Stop};

use super::args::{ListArgs, RunArgs};
use super::client::{client_of_run, sandbox_script, start_sandbox};
use super::credentials::with_base_url;
use super::error::CliError;
use super::exit::Exit;
use super::ledger_address::ledger_address;
use super::notify::{RunEnd, RunNotifier};
use super::operator::{Observers, Terminal};
use super::output::Output;
use super::signals::{Signals, cannot_listen, interrupted_twice};
use super::{dry_run, ephemeral, plan, preview, proof, summary};

pub(super) async fn run(args: &RunArgs, metrics: Option<&Arc<Metrics>>, output: &Output) -> Result<Exit, CliError> {
    let options = options(args, output)?;
    // A rehearsal and a proof are nobody's news.
    let is_real = !args.dry_run && !args.sandbox && args.proof_to.is_empty();
    let inputs = match Inputs::read(&args.file, &args.list.vars, &options.enrolment).await {
        Ok(inputs) => inputs,
        Err(error) => {
            let error = CliError::from(error);
            // It may be the list that cannot be read, and then the spec says whom to notify.
            if is_real && let Ok(spec) = campaign::read_spec(&args.file, &args.list.vars) {
                notify_of(Err(&error), RunNotifier::new(&spec, output)?.as_ref(), output).await;
            }
            return Err(error);
        }
    };
    let notifier = if is_real { RunNotifier::new(&inputs.spec, output)? } else { None };
    let observers = Observers { metrics, notifier: notifier.as_ref() };
    let ended = Box::pin(carry_out(args, inputs, options, observers, output)).await;
    notify_of(ended.as_ref(), notifier.as_ref(), output).await;
    Ok(ended?.exit)
}

async fn notify_of(ended: Result<&RunEnd, &CliError>, notifier: Option<&RunNotifier>, output: &Output) {
    let Some(notifier) = notifier else { return };
    match ended {
        Ok(end) => notifier.ended(end, output).await,
        Err(error) => notifier.ended(&RunEnd::early(error.exit()), output).await,
    }
}

/// From the inputs to the report.
async fn carry_out(
    args: &RunArgs,
    mut inputs: Inputs,
    options: Options,
    observers: Observers<'_>,
    output: &Output,
) -> Result<RunEnd, CliError> {
    let proof = if args.proof_to.is_empty() { None } else { Some(proof::request(args)?) };
    if !args.sandbox {
        inputs.set_spec(with_base_url(inputs.spec.clone(), !args.dry_run, output)?);
    }
    let spec = inputs.spec.clone();
    preview::check_not_inputs(args, &spec)?;
    output.show_read_progress(inputs.read_progress());
    let operator = Terminal::new(args, &spec, observers, output);
    if let Some(request) = proof {
        return Ok(RunEnd::early(Box::pin(proof::prove(inputs, options, request, &operator)).await?));
    }
    let script = if args.sandbox { sandbox_script(&args.file)? } else { None };
    let campaign = campaign::open(inputs, options, &operator).await?;
    operator.count(campaign.totals());
    if args.dry_run {
        return Ok(RunEnd::early(dry_run::show(&campaign, args, output).await?));
    }
    plan::show(campaign.plan(), output);
    if let Some((path, _)) = &script {
        output.say(&format!("  sandbox  plays {}", path.display()));
    }
    ephemeral::warn(campaign.plan(), output);
    let confirmed = campaign.confirm(&operator).await?;
    let sandbox = if args.sandbox { Some(start_sandbox(script.map(|(_, script)| script))?) } else { None };
    let client = client_of_run(&spec, sandbox.as_ref(), output)?;
    let client = operator.observe(client);
    let sent = send(&confirmed, &client, &operator, output).await?;
    // Those of the run have done their work, and whoever sends one now does not want to wait for a report.
    let mut signals = Signals::listen().map_err(cannot_listen)?;
    if let (Some(sandbox), true) = (&sandbox, sent.end != End::Interrupted) {
        confirmed.read_sandbox_receipts(&client, sandbox.receipts_end_after, signals.next(), &operator).await?;
    }
    let outcome = confirmed.report(sent, signals.next(), &operator).await?;
    operator.count(&outcome.totals);
    Ok(RunEnd::concluded(outcome, |outcome| summary::conclude(&spec, outcome, output)))
}

/// What the flags ask for.
fn options(args: &RunArgs, output: &Output) -> Result<Options, CliError> {
    let selection = selection(&args.list);
    let retry = args.retry_failed.then(|| RetryFailed { only: selection.only.clone().map(Vec::from_iter) });
    let shows_others = args.preview.is_some() || output.is_json();
    Ok(Options {
        mode: match (args.dry_run, args.sandbox) {
            (true, _) => Mode::DryRun,
            (_, true) => Mode::Sandbox,
            _ => Mode::Send,
        },
        ledger: if args.sandbox { None } else { ledger_address(args.ledger.as_deref())? },
        acknowledged: args.acknowledged(),
        selection,
        enrolment: EnrolmentOptions { retry, ..enrolment(&args.list, output) },
        samples: args.dry_run && (args.html.is_some() || !shows_others),
        reports: args.report.clone(),
        on_hold: if args.no_wait { OnHold::Stop } else { OnHold::Wait },
    })
}

pub(super) fn selection(args: &ListArgs) -> Selection {
    Selection { only: (!args.only.is_empty()).then(|| args.only.iter().cloned().collect()), limit: args.limit }
}

pub(super) const fn enrolment(args: &ListArgs, output: &Output) -> EnrolmentOptions {
    EnrolmentOptions {
        invalid: if args.skip_invalid { Invalid::Skip } else { Invalid::Stop },
        retry: None,
        keep: output.keep,
        fingerprint: false,
    }
}

async fn send(
    confirmed: &Confirmed<impl Ledger>,
    client: &Client,
    operator: &Terminal<'_>,
    output: &Output,
) -> Result<Sent, CliError> {
    output.never_wait();
    let signals = Signals::listen().map_err(cannot_listen)?;
    let stop = Stop::new();
    let abort = interrupted_twice(signals, &stop, operator.progress());
    let sent = confirmed.send(client, &stop, abort, operator).await?;
    if let Some(text) = summary::held_by_server(sent.rate_limited_for, sent.took, &confirmed.spec().send) {
        output.say(&text);
    }
    Ok(sent)
}
