//! `notify` of a spec: what is said about a run, and to whom. Counts and codes only: nothing here repeats what a row or a
//! server says.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use super::credentials::webhook_url;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use crate::campaign::Outcome;
use crate::codes;
use crate::humanize::{counted, duration, grouped};
use crate::ledger::{ErrorCount, Totals};
use crate::mask::masked;
use crate::notify::{Notification, Notifier};
use crate::run::{End, Stopped};
use crate::specification::{Notify, NotifyEvent, Spec};
use crate::state::State;

/// Codes that are named at most.
const MAX_CODES: usize = 10;

/// Notifies of one run.
pub(super) struct RunNotifier {
    name: String,
    wanted: Notify,
    notifier: Arc<Notifier>,
    outage: RefCell<Outage>,
    /// Other workers are still at work: the last one says that the campaign is finished.
    others_go_on: Cell<bool>,
}

/// The outage that LiveDesk is in.
#[derive(Default)]
struct Outage {
    lasted: Duration,
    is_notified: bool,
    sending: Vec<JoinHandle<Vec<String>>>,
}

/// How a run ended, without anything that a row says.
pub(super) struct RunEnd {
    pub(super) exit: Exit,
    stopped: Option<Stopped>,
    totals: Option<Totals>,
}

impl RunEnd {
    /// It came to an end. `conclude` shows the outcome and gives the exit code.
    pub(super) fn concluded(outcome: Outcome, conclude: impl FnOnce(Outcome) -> Exit) -> Self {
        let stopped = match &outcome.end {
            End::Guard(stopped) => Some(stopped.clone()),
            _ => None,
        };
        let totals = Some(outcome.totals.clone());
        Self { exit: conclude(outcome), stopped, totals }
    }

    /// It ended before anything was sent.
    pub(super) const fn early(exit: Exit) -> Self {
        Self { exit, stopped: None, totals: None }
    }

    /// What to notify of; `None` for what somebody has done themselves, and for what time alone will mend.
    const fn event(&self) -> Option<NotifyEvent> {
        match self.exit {
            Exit::Done | Exit::SomeFailed | Exit::SomeUnknown => Some(NotifyEvent::Finish),
            Exit::Environment | Exit::InvalidInput => Some(NotifyEvent::Failure),
            Exit::Stopped => Some(NotifyEvent::Guard),
            Exit::InUse | Exit::Paused | Exit::NotBegun | Exit::Interrupted => None,
        }
    }
}

impl RunNotifier {
    /// For the people whom the spec names, if any.
    ///
    /// # Errors
    /// The webhook's address is not set, or is none.
    pub(super) fn new(spec: &Spec, output: &Output) -> Result<Option<Self>, CliError> {
        let Some(wanted) = spec.notify.clone() else { return Ok(None) };
        let webhook = match &wanted.webhook {
            Some((variable, format)) => Some((webhook_url(variable, spec, output)?, *format)),
            None => None,
        };
        let livedesk = &spec.livedesk;
        let names =
            [Some(&livedesk.api_key), Some(&livedesk.api_secret), wanted.webhook.as_ref().map(|(name, _)| name)];
        let notifier = Notifier {
            exec: wanted.exec.clone(),
            folder: spec.folder.clone(),
            hidden: names.into_iter().flatten().cloned().collect(),
            webhook,
            timeout: wanted.timeout,
        };
        let (name, notifier) = (spec.name.clone(), Arc::new(notifier));
        Ok(Some(Self { name, wanted, notifier, outage: RefCell::default(), others_go_on: Cell::default() }))
    }

    /// Other workers are still at work.
    pub(super) fn others_go_on(&self) {
        self.others_go_on.set(true);
    }

    /// LiveDesk is away, since so long. Notifies once an outage; the run does not wait for it.
    pub(super) fn away(&self, lasted: Duration) {
        let mut outage = self.outage.borrow_mut();
        if lasted < outage.lasted {
            outage.is_notified = false;
        }
        outage.lasted = lasted;
        if outage.is_notified || lasted < self.wanted.outage || !self.wanted.on.contains(&NotifyEvent::Outage) {
            return;
        }
        outage.is_notified = true;
        let text = format!("Campaign {}: no answer from LiveDesk for {}; the run waits", self.name, duration(lasted));
        let data = Map::from_iter([("seconds".to_owned(), json!(lasted.as_secs()))]);
        let notification = Notification { event: NotifyEvent::Outage, campaign: self.name.clone(), text, data };
        let notifier = Arc::clone(&self.notifier);
        outage.sending.push(tokio::spawn(async move { notifier.send(&notification).await }));
    }

    /// The run has ended. Waits until everybody is notified or their time is over.
    pub(super) async fn ended(&self, end: &RunEnd, output: &Output) {
        let mut failed = Vec::new();
        let is_wanted = |event: &NotifyEvent| {
            self.wanted.on.contains(event) && !(*event == NotifyEvent::Finish && self.others_go_on.get())
        };
        if let Some(event) = end.event().filter(is_wanted) {
            failed.extend(self.notifier.send(&self.notification(event, end)).await);
        }
        let sending = std::mem::take(&mut self.outage.borrow_mut().sending);
        for notification in sending {
            failed.extend(notification.await.unwrap_or_default());
        }
        for why in failed {
            output.say(&format!("warning: a notification was not delivered: {}", masked(&why)));
        }
    }

    fn notification(&self, event: NotifyEvent, end: &RunEnd) -> Notification {
        let name = &self.name;
        let code = end.exit as u8;
        let what = match (event, &end.stopped) {
            (NotifyEvent::Guard, Some(stopped)) => format!("stopped by {}, and a person must look", stopped.by.key()),
            (NotifyEvent::Guard, None) => "stopped, and a person must look".to_owned(),
            (NotifyEvent::Failure, _) => "failed; its output says why".to_owned(),
            (NotifyEvent::Finish | NotifyEvent::Outage, _) => "finished".to_owned(),
        };
        let counts = end.totals.as_ref().map_or_else(String::new, |totals| format!(": {}", counts(totals)));
        let mut data = Map::from_iter([("exit_code".to_owned(), json!(code))]);
        if let Some(stopped) = &end.stopped {
            data.insert("stopped_by".to_owned(), json!(stopped.by));
        }
        if let Some(totals) = &end.totals {
            let outcomes = State::ALL.into_iter().map(|state| (state.word().to_owned(), json!(totals.of(state))));
            data.insert("outcomes".to_owned(), Value::Object(outcomes.collect()));
            data.insert("errors".to_owned(), totals.errors.iter().take(MAX_CODES).map(error).collect());
        }
        let text = format!("Campaign {name} {what}{counts} (exit code {code})");
        Notification { event, campaign: name.clone(), text, data }
    }
}

/// A kind of failure by its code. Codes are the server's, so what is longer than any code is none.
fn error(ErrorCount { state, code, count, .. }: &ErrorCount) -> Value {
    const MAX_LENGTH: usize = 40;
    let is_code = code.len() <= MAX_LENGTH && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let code = if is_code { masked(code).into_owned() } else { "other".to_owned() };
    json!({ "outcome": state, "error_code": code, "meaning": codes::meaning(&code).map(|meaning| meaning.words), "count": count })
}

/// `297 accepted, 1 unknown of 300 recipients`.
fn counts(totals: &Totals) -> String {
    let states = State::ALL.into_iter().filter(|state| totals.of(*state) > 0);
    let counts: Vec<String> = states.map(|state| format!("{} {}", grouped(totals.of(state)), state.word())).collect();
    format!("{} of {}", counts.join(", "), counted(totals.all(), "recipient"))
}
