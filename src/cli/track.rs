//! `campaign track`: what became of the accepted messages.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::args::TrackArgs;
use super::client::client;
use super::credentials::{webhook_secret, with_base_url};
use super::error::CliError;
use super::exit::Exit;
use super::json_results::TrackResult;
use super::ledger_address::ledger_address;
use super::output::Output;
use super::signals::Signals;
use crate::campaign::{self, read_spec};
use crate::codes::meaning;
use crate::humanize::{counted, grouped};
use crate::ledger::{Inspect, Ledger, Totals, TrackQuery};
use crate::livedesk::webhook::{Event, Receiver, Signatures};
use crate::metrics::{Metrics, RequestCounter};
use crate::specification::Spec;
use crate::state::State;
use crate::track::{CHANGES_EVERY, Fallback, TrackError, Tracker};

/// Between the first two rounds of `--now`, after which most receipts come; each further time is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(3);
/// Events that wait at most. More are dropped: the next round looks anyway.
const MAX_EVENTS: usize = 10_000;

pub(super) async fn track(args: &TrackArgs, metrics: Option<&Arc<Metrics>>, output: &Output) -> Result<Exit, CliError> {
    let spec = with_base_url(read_spec(&args.file, &[])?, true, output)?;
    let ledger = campaign::open_to_track(&spec, ledger_address(args.ledger.as_deref())?.as_deref()).await?;
    let client = client(&spec, output)?;
    let client = match metrics {
        Some(metrics) => {
            metrics.name(&spec.name);
            metrics.totals(&ledger.totals().await?);
            client.observed_by(RequestCounter(Arc::clone(metrics)))
        }
        None => client,
    };
    let mut tracker = Tracker::new(&ledger, &client, &spec.track, campaign::opt_out_words(&spec))
        .in_inbox(campaign::only_inbox(&spec));
    let events = listen(args, &spec, output).await?;
    let mut signals = Signals::listen().map_err(|error| CliError::caused("cannot listen for signals", error))?;
    let end = tokio::select! {
        end = look(&mut tracker, &ledger, args, Follow { metrics, events, output, is_away: false }) => end,
        () = signals.next() => Ok(true),
    };
    say_fallbacks(&mut tracker, output);
    let totals = ledger.totals().await?;
    if let Some(metrics) = metrics {
        metrics.totals(&totals);
    }
    show(&spec, &totals, output);
    unknown(args, &totals, output);
    opted_out(&ledger, &spec, output).await?;
    match end {
        Err(error) => Err(CliError::environment(error.to_string())),
        Ok(true) => Ok(Exit::Interrupted),
        Ok(false) => Ok(exit(&totals)),
    }
}

/// Looks, once or until nothing is open. Gives whether it was interrupted: never, by itself.
async fn look<L: Ledger>(
    tracker: &mut Tracker<'_, L>,
    ledger: &L,
    args: &TrackArgs,
    follow: Follow<'_>,
) -> Result<bool, TrackError> {
    let due = || if args.now { TrackQuery::Open } else { TrackQuery::DueBy(Timestamp::now()) };
    if !args.follow && follow.events.is_none() {
        tracker.round(due()).await?;
        return Ok(false);
    }
    let mut wait = if args.now { FIRST_WAIT } else { CHANGES_EVERY };
    let mut follow = follow;
    loop {
        let round = tracker.next_round(due()).await;
        say_fallbacks(tracker, follow.output);
        if follow.survives(round)? && is_final(ledger, follow.metrics).await? {
            return Ok(false);
        }
        let rest = tokio::time::sleep(wait);
        wait = (wait * 2).min(CHANGES_EVERY);
        tokio::pin!(rest);
        loop {
            let event = tokio::select! {
                () = &mut rest => break,
                Some(event) = next(&mut follow.events) => event,
            };
            if let Event::Happened(conversation) = event {
                let looked = tracker.conversation(conversation).await;
                if follow.survives(looked)? && is_final(ledger, follow.metrics).await? {
                    return Ok(false);
                }
            }
        }
    }
}

/// What goes on until nothing is open needs.
struct Follow<'a> {
    metrics: Option<&'a Arc<Metrics>>,
    events: Option<mpsc::Receiver<Event>>,
    output: &'a Output,
    is_away: bool,
}

impl Follow<'_> {
    /// Whether LiveDesk answered. That it does not is said once, and it is asked again in the next round.
    fn survives(&mut self, looked: Result<u64, TrackError>) -> Result<bool, TrackError> {
        match looked {
            Ok(_) => {
                self.is_away = false;
                Ok(true)
            }
            Err(error @ TrackError::NoAnswer(_)) => {
                if !self.is_away {
                    self.output.say(&format!("{error}; trying again until it does"));
                }
                self.is_away = true;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

async fn is_final(ledger: &impl Inspect, metrics: Option<&Arc<Metrics>>) -> Result<bool, TrackError> {
    let totals = ledger.totals().await?;
    if let Some(metrics) = metrics {
        metrics.totals(&totals);
    }
    Ok(totals.receipts.open == 0)
}

fn say_fallbacks<L: Ledger>(tracker: &mut Tracker<'_, L>, output: &Output) {
    for fallback in tracker.take_fallbacks() {
        output.say(&match fallback {
            Fallback::Changes { why, may_pass: false } => {
                format!("conversations that changed cannot be asked for here ({why}): looking at those that are due instead")
            }
            Fallback::Changes { why, may_pass: true } => {
                format!("conversations that changed cannot be read now ({why}): looking at those that are due until they can")
            }
            Fallback::List { why } => {
                format!("the list of conversations cannot be read here ({why}): each conversation is read by itself")
            }
        });
    }
}

/// The next event; never, where nobody listens.
async fn next(events: &mut Option<mpsc::Receiver<Event>>) -> Option<Event> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

async fn listen(args: &TrackArgs, spec: &Spec, output: &Output) -> Result<Option<mpsc::Receiver<Event>>, CliError> {
    let Some(address) = args.listen else { return Ok(None) };
    let signatures = webhook_secret(spec, output)?.map(|secret| Signatures::new(&secret));
    let is_signed = signatures.is_some();
    let cannot = |error: std::io::Error| CliError::caused(format!("cannot listen on {address}"), error);
    let receiver = Receiver::bind(address, signatures).await.map_err(cannot)?;
    let bound = receiver.local_addr().map_err(cannot)?;
    let (sender, events) = mpsc::channel(MAX_EVENTS);
    tokio::spawn(receiver.serve(sender));
    let belief = if is_signed { "only signed ones are believed" } else { "each is a hint where to look" };
    output.say(&format!("webhooks: listening on http://{bound}; {belief}"));
    Ok(Some(events))
}

fn exit(totals: &Totals) -> Exit {
    match (totals.receipts.open, totals.receipts.undelivered) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::SomeFailed,
        _ => Exit::Paused,
    }
}

fn show(spec: &Spec, totals: &Totals, output: &Output) {
    let receipts = &totals.receipts;
    if output.is_json() {
        output.json(&TrackResult::new(&spec.name, totals));
        return;
    }
    output.result(&format!("{}: {} accepted", spec.name, grouped(receipts.accepted())));
    for (word, count) in [
        ("delivered", receipts.delivered),
        ("read", receipts.read),
        ("not delivered", receipts.undelivered),
        ("no receipt", receipts.no_receipt),
        ("still open", receipts.open),
    ] {
        output.result(&format!("  {word:<14} {}", grouped(count)));
    }
    for error in &totals.undelivered {
        let words = meaning(&error.code).map_or(error.text.as_str(), |meaning| meaning.words);
        output.result(&format!("  {} not delivered: {} {words}", grouped(error.count), error.code));
    }
    output.result(&format!(
        "{} replied, {} opted out, {} to be read by a person",
        grouped(receipts.replied),
        grouped(receipts.opted_out),
        grouped(receipts.maybe_opted_out)
    ));
}

/// Rounds are about accepted messages.
fn unknown(args: &TrackArgs, totals: &Totals, output: &Output) {
    let count = totals.of(State::Unknown);
    if count > 0 {
        let (messages, file) = (counted(count, "message"), args.file.display());
        output.say(&format!(
            "{messages} more may have been sent: `campaign resolve {file} --by-evidence` looks for them"
        ));
    }
}

async fn opted_out(ledger: &impl Inspect, spec: &Arc<Spec>, output: &Output) -> Result<(), CliError> {
    if let Some((path, people)) = campaign::write_opted_out(ledger, spec).await? {
        output.say(&format!("{}: {} who opted out", path.display(), counted(people, "recipient")));
    }
    Ok(())
}
