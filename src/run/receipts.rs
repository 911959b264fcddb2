//! Receipts while a run is under way: `sent` only says that a message is queued, and most of what goes wrong with WhatsApp
//! goes wrong seconds later. So a run looks again at its canary and at a sample of what it sends, within `track.requests`;
//! failures count for `send.stop_when` as those of answers do.
//!
//! It decides nothing about a delivery: what becomes of each message in the end is `campaign track`'s to find out. Where
//! receipts cannot be read it says so once, and the run goes on by answers alone.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until};

use super::guard::Guard;
use super::{End, Event, Run, Stopped, StoppedBy};
use crate::codes::{self, explain};
use crate::humanize::{duration, grouped};
use crate::ledger::{Deliver, RequestKind};
use crate::livedesk::{ObservedMessage, ReadError};
use crate::message::Message;
use crate::receipt::MessageStatus;
use crate::specification::{CanaryConfirmation, MessageType, Send, StopWhen};
use crate::state::{ConversationId, Failure, MessageId, Outcome};

/// When a message of the sample is looked at, after it was accepted. Whatever is not known then is left to be tracked.
const LOOKS: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(60), Duration::from_secs(300)];
/// Messages of the sample that are waited for at a time.
const SAMPLE: usize = 200;
/// Between two looks at the sample, whatever `track.requests` allows: each takes a turn that a message could have had.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// Between two looks at a canary, at first and at most.
const FIRST_POLL: Duration = Duration::from_millis(250);
const MAX_POLL: Duration = Duration::from_secs(10);
/// After a read that failed, or was too fast for the server.
const REST: Duration = Duration::from_secs(30);
/// The code of a failure that names none.
const NO_CODE: &str = "failed";

/// A message whose receipt is waited for.
#[derive(Debug, Clone, Copy)]
struct Awaited {
    conversation_id: ConversationId,
    message_id: MessageId,
    accepted: Instant,
    looks: usize,
}

impl Awaited {
    fn due(&self) -> Option<Instant> {
        LOOKS.get(self.looks).map(|after| self.accepted + *after)
    }
}

/// What is known of the messages of this run.
#[derive(Debug)]
pub(super) struct Receipts {
    awaited: Vec<Awaited>,
    capacity: usize,
    /// Whether a message is waited for until its receipt is there: the canary's.
    keeps_all: bool,
    arrived: u64,
    failed: u64,
    last_failure: Option<Failure>,
    guard: Guard,
    /// When the next read may begin.
    next_read: Instant,
    /// Why receipts cannot be read here.
    unavailable: Option<String>,
}

impl Receipts {
    /// With a canary that waits for receipts, none of its messages is left out.
    pub(super) fn new(send: &Send) -> Self {
        let canary = send.canary.filter(|_| send.canary_confirmation.is_some());
        Self::with(send.stop_when, canary)
    }

    fn with(stop_when: StopWhen, canary: Option<u64>) -> Self {
        let keeps_all = canary.is_some();
        let canary = usize::try_from(canary.unwrap_or_default()).unwrap_or(usize::MAX);
        Self {
            awaited: Vec::new(),
            capacity: canary.max(SAMPLE),
            keeps_all,
            arrived: 0,
            failed: 0,
            last_failure: None,
            guard: Guard::new(stop_when),
            next_read: Instant::now(),
            unavailable: None,
        }
    }

    /// A message was accepted.
    pub(super) fn expect(&mut self, conversation_id: ConversationId, message_id: MessageId) {
        if self.awaited.len() < self.capacity && self.unavailable.is_none() {
            self.awaited.push(Awaited { conversation_id, message_id, accepted: Instant::now(), looks: 0 });
        }
    }

    /// The message that is due first, or when one will be.
    fn next_due(&self, now: Instant) -> Result<Awaited, Option<Instant>> {
        let dues = self.awaited.iter().filter_map(|message| Some((message.due()?, message)));
        match dues.min_by_key(|(due, _)| *due) {
            Some((due, message)) if due <= now => Ok(*message),
            Some((due, _)) => Err(Some(due)),
            None => Err(None),
        }
    }

    /// Takes note of what a look has shown; says why to stop, if it is time to.
    fn note(&mut self, mut message: Awaited, seen: Arrival) -> Option<String> {
        self.awaited.retain(|awaited| awaited.message_id != message.message_id);
        let outcome = match seen {
            Arrival::Nothing => {
                message.looks += 1;
                if self.keeps_all || message.looks < LOOKS.len() {
                    self.awaited.push(message);
                }
                return None;
            }
            Arrival::Gone => return None,
            Arrival::Arrived => {
                self.arrived += 1;
                Outcome::Accepted { message_id: message.message_id, livedesk_status: String::new() }
            }
            Arrival::Failed(failure) => {
                self.failed += 1;
                self.last_failure = Some(failure.clone());
                Outcome::Failed(failure)
            }
        };
        self.guard.observe(&outcome)
    }

    fn canary(&self, wanted: CanaryConfirmation) -> CanaryState {
        let total = self.arrived + self.failed + self.awaited.len() as u64;
        // A share such as 0.9 has no exact form; the dust of it is nobody's message.
        let is_enough = |messages: u64| messages as f64 + 1e-9 >= total as f64 * wanted.confirmed;
        let why =
            self.last_failure.as_ref().map_or_else(String::new, |failure| format!("; the last: {}", explain(failure)));
        if total == 0 {
            CanaryState::Lost("none of its messages was accepted".to_owned())
        } else if let Some(unavailable) = &self.unavailable {
            CanaryState::Lost(format!("its receipts cannot be read here ({unavailable})"))
        } else if is_enough(self.arrived) {
            CanaryState::Confirmed
        } else if !is_enough(total - self.failed) {
            let (failed, total) = (grouped(self.failed), grouped(total));
            CanaryState::Lost(format!("{failed} of {total} were not delivered{why}"))
        } else {
            let (arrived, total) = (grouped(self.arrived), grouped(total));
            CanaryState::Open(format!("{arrived} of {total} were confirmed{why}"))
        }
    }
}

/// What a look has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Arrival {
    Nothing,
    Gone,
    Arrived,
    Failed(Failure),
}

impl Arrival {
    fn of(messages: Vec<ObservedMessage>, wanted: MessageId) -> Self {
        let Some(message) = messages.into_iter().find(|message| message.id == wanted) else { return Self::Gone };
        match message.status {
            Some(MessageStatus::Delivered | MessageStatus::Read) => Self::Arrived,
            Some(MessageStatus::Failed) => {
                let text = message.external_error.unwrap_or_else(|| "no reason given".to_owned());
                let code = codes::code_in(&text).map_or_else(|| NO_CODE.to_owned(), |code| code.to_string());
                Self::Failed(Failure::new(code, text))
            }
            Some(MessageStatus::Sent) | None => Self::Nothing,
        }
    }
}

/// How far a canary is.
enum CanaryState {
    Confirmed,
    Open(String),
    Lost(String),
}

/// What the receipts of a canary say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// As many have arrived as must: the rest may follow.
    Confirmed,
    /// Why the rest must not follow by itself.
    NotConfirmed(String),
    /// The run ends meanwhile.
    Ended(End),
}

/// Whether somebody gets it, so that there is anything to wait for.
pub(super) fn has_receipt(message: &Message) -> bool {
    message.private != Some(true) && message.message_type != Some(MessageType::Incoming)
}

impl<L: Deliver> Run<'_, L> {
    /// Waits for the receipts of the messages that this run has sent so far: its canary.
    pub async fn confirm_canary(&self, wanted: CanaryConfirmation) -> Confirmation {
        let confirmation = self.wait_for_receipts(wanted).await;
        self.receipts.borrow_mut().keeps_all = false;
        confirmation
    }

    async fn wait_for_receipts(&self, wanted: CanaryConfirmation) -> Confirmation {
        let (began, mut poll) = (Instant::now(), FIRST_POLL);
        let end = began + wanted.within;
        let until = Timestamp::now().checked_add(wanted.within).unwrap_or(Timestamp::MAX);
        loop {
            tokio::select! {
                () = self.look_at_all(end) => {}
                end = self.stop.asked_to() => return Confirmation::Ended(end),
            }
            let state = self.receipts.borrow().canary(wanted);
            let progress = match state {
                CanaryState::Confirmed => return Confirmation::Confirmed,
                CanaryState::Lost(why) => return Confirmation::NotConfirmed(why),
                CanaryState::Open(progress) => progress,
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let within = duration(wanted.within);
                return Confirmation::NotConfirmed(format!("only {progress} within {within}"));
            }
            (self.emit)(Event::Paused { why: format!("waiting for receipts: {progress}"), until });
            tokio::select! {
                () = sleep(poll.min(left)) => {}
                end = self.stop.asked_to() => return Confirmation::Ended(end),
            }
            poll = (poll * 3 / 2).min(MAX_POLL);
        }
    }

    /// One look at each message that is waited for.
    async fn look_at_all(&self, end: Instant) {
        let awaited = self.receipts.borrow().awaited.clone();
        for message in awaited {
            if Instant::now() >= end || self.receipts.borrow().unavailable.is_some() {
                return;
            }
            if let Ok(seen) = self.look(message).await {
                self.receipts.borrow_mut().note(message, seen);
            }
        }
    }

    /// Looks at the sample while messages are sent, and stops the run when it is time to.
    pub(super) async fn follow_receipts(&self) -> Infallible {
        while self.receipts.borrow().unavailable.is_none() {
            let next = self.receipts.borrow().next_due(Instant::now());
            let message = match next {
                Ok(message) => message,
                Err(due) => {
                    // A message that is accepted meanwhile is not due before that.
                    sleep_until(due.unwrap_or_else(|| Instant::now() + LOOKS[0])).await;
                    continue;
                }
            };
            match self.look(message).await {
                Ok(seen) => {
                    let stop = self.receipts.borrow_mut().note(message, seen);
                    if let Some(why) = stop {
                        let why = format!("by receipts, {why}");
                        self.stop.because(End::Guard(Stopped::by(StoppedBy::StopWhen, why)));
                    }
                    sleep(BETWEEN_LOOKS).await;
                }
                Err(rest) => sleep(rest).await,
            }
        }
        std::future::pending().await
    }

    /// One look at one message.
    ///
    /// # Errors
    /// There was no answer: how long to leave the server alone.
    async fn look(&self, message: Awaited) -> Result<Arrival, Duration> {
        let at = self.receipts.borrow().next_read;
        sleep_until(at).await;
        self.pace
            .request(async || self.ledger.wait_for_limits(RequestKind::Other, self.limits).await)
            .await
            .map_err(|_| REST)?;
        let interval = self.spec.track.requests.interval().unwrap_or_default();
        self.receipts.borrow_mut().next_read = Instant::now() + interval;
        match self.client.messages_from(message.conversation_id, message.message_id).await {
            Ok(messages) => Ok(Arrival::of(messages, message.message_id)),
            Err(ReadError::Gone { .. }) => Ok(Arrival::Gone),
            Err(ReadError::RateLimited { retry_after, .. }) => Err(retry_after.unwrap_or(REST)),
            Err(ReadError::Failed { .. }) => Err(REST),
            Err(error @ (ReadError::Unavailable { .. } | ReadError::TooLarge)) => {
                self.receipts_unavailable(&error);
                Err(REST)
            }
        }
    }

    fn receipts_unavailable(&self, error: &ReadError) {
        let text = format!("receipts cannot be read here ({error}): `send.stop_when` sees answers only");
        self.receipts.borrow_mut().unavailable = Some(error.to_string());
        (self.emit)(Event::Noted(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHEN: StopWhen = StopWhen { failed: 0.1, after: 10, same_error: 3 };

    fn receipts(messages: u64) -> Receipts {
        let mut receipts = Receipts::with(WHEN, None);
        (0..messages).for_each(|id| receipts.expect(ConversationId(id), MessageId(id)));
        receipts
    }

    fn failure(code: &str) -> Arrival {
        Arrival::Failed(Failure::new(code, "text"))
    }

    fn see(receipts: &mut Receipts, seen: Arrival) -> Option<String> {
        let message = *receipts.awaited.last().unwrap();
        receipts.note(message, seen)
    }

    fn state(receipts: &Receipts, confirmed: f64) -> String {
        match receipts.canary(CanaryConfirmation { confirmed, within: REST }) {
            CanaryState::Confirmed => "confirmed".to_owned(),
            CanaryState::Open(text) | CanaryState::Lost(text) => text,
        }
    }

    #[test]
    fn a_canary_is_confirmed_by_its_share_and_lost_when_that_is_out_of_reach() {
        let mut receipts = receipts(10);
        (0..8).for_each(|_| drop(see(&mut receipts, Arrival::Arrived)));
        assert_eq!(state(&receipts, 0.9), "8 of 10 were confirmed");
        see(&mut receipts, failure("131026"));
        assert!(state(&receipts, 0.9).starts_with("8 of 10 were confirmed; the last: "), "nine can still arrive");
        assert_eq!(state(&receipts, 0.8), "confirmed");
        see(&mut receipts, failure("131026"));
        assert!(state(&receipts, 0.9).starts_with("2 of 10 were not delivered; the last: "));
        assert_eq!(state(&super::tests::receipts(0), 0.5), "none of its messages was accepted");
    }

    #[test]
    fn failures_that_receipts_tell_stop_a_run_like_those_of_answers() {
        let mut receipts = receipts(100);
        assert!((0..50).all(|_| see(&mut receipts, failure("131026")).is_none()), "the recipients' own");
        let stopped = (1..10).find(|_| see(&mut receipts, failure("132001")).is_some());
        assert_eq!(stopped, Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn the_sample_is_bounded_and_each_message_is_looked_at_a_few_times() {
        let mut receipts = receipts(1_000);
        assert_eq!(receipts.awaited.len(), SAMPLE);
        assert!(matches!(receipts.next_due(Instant::now()), Err(Some(due)) if due > Instant::now()));
        tokio::time::advance(LOOKS[0]).await;
        let mut looks = 0;
        while let Ok(message) = receipts.next_due(Instant::now()) {
            receipts.note(message, Arrival::Nothing);
            looks += 1;
        }
        assert_eq!(looks, SAMPLE);
        tokio::time::advance(LOOKS[2]).await;
        while let Ok(message) = receipts.next_due(Instant::now()) {
            receipts.note(message, Arrival::Nothing);
            looks += 1;
        }
        assert_eq!(looks, 3 * SAMPLE);
        assert!(matches!(receipts.next_due(Instant::now()), Err(None)));
        assert!(receipts.awaited.is_empty(), "there is room for others");
    }

    #[test]
    fn a_canary_waits_for_each_of_its_messages() {
        let mut receipts = Receipts::with(WHEN, Some(1_000));
        (0..1_000).for_each(|id| receipts.expect(ConversationId(id), MessageId(id)));
        (0..10).for_each(|_| drop(see(&mut receipts, Arrival::Nothing)));
        assert_eq!(receipts.awaited.len(), 1_000);
    }
}
