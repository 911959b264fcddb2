//! A sample of what a run sends, looked at a few times: failures that receipts tell count for `send.stop_when` as those of
//! answers do.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::{Look, REST, RunReceipts};
use crate::ledger::{Ledger, LedgerError, TrackedMessage};
use crate::receipt::{MessageStatus, Receipt, StatusUpdate};
use crate::run::{End, Guard, Stop, Stopped, StoppedBy};
use crate::specification::StopWhen;
use crate::state::{Failure, MessageId, Outcome};

/// When a message is looked at, after it was accepted. Whatever is not known then is left to be tracked.
const LOOKS: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(60), Duration::from_secs(300)];
/// Messages that are waited for at a time.
const SIZE: usize = 200;
/// Between two looks, whatever `track.requests` allows: each takes a turn that a message could have had.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// The code of a failure that names none.
const NO_CODE: &str = "failed";

/// A message whose receipt is waited for.
#[derive(Debug, Clone)]
struct Awaited {
    message: TrackedMessage,
    accepted: Instant,
    looks: usize,
}

impl Awaited {
    fn due(&self) -> Option<Instant> {
        LOOKS.get(self.looks).map(|after| self.accepted + *after)
    }
}

/// The messages that are waited for, and what those before have shown.
#[derive(Debug)]
pub(super) struct Sample {
    awaited: Vec<Awaited>,
    guard: Guard,
}

impl Sample {
    pub(super) fn new(stop_when: StopWhen) -> Self {
        Self { awaited: Vec::new(), guard: Guard::new(stop_when) }
    }

    fn expect(&mut self, message: TrackedMessage) {
        if self.awaited.len() < SIZE {
            self.awaited.push(Awaited { message, accepted: Instant::now(), looks: 0 });
        }
    }

    /// Takes the message that is due first; otherwise says when one will be.
    fn take_due(&mut self, now: Instant) -> Result<Awaited, Option<Instant>> {
        let dues = self.awaited.iter().enumerate().filter_map(|(at, message)| Some((message.due()?, at)));
        match dues.min() {
            Some((due, at)) if due <= now => Ok(self.awaited.swap_remove(at)),
            Some((due, _)) => Err(Some(due)),
            None => Err(None),
        }
    }

    /// Takes note of a look; says why to stop, if it is time to.
    fn note(&mut self, mut looked: Awaited) -> Option<String> {
        looked.looks += 1;
        match outcome(looked.message.message_id, &looked.message.receipt) {
            Some(outcome) => self.guard.observe(&outcome),
            None => {
                if !looked.message.receipt.is_gone && looked.looks < LOOKS.len() {
                    self.awaited.push(looked);
                }
                None
            }
        }
    }
}

/// What a receipt says that counts like an answer; `None` while it says nothing yet.
fn outcome(message_id: MessageId, receipt: &Receipt) -> Option<Outcome> {
    match receipt.status()? {
        MessageStatus::Sent => None,
        MessageStatus::Delivered | MessageStatus::Read => {
            Some(Outcome::Accepted { message_id, livedesk_status: String::new() })
        }
        MessageStatus::Failed => receipt.seen.as_ref().map(failure).map(Outcome::Failed),
    }
}

/// Why a message was not delivered.
pub(super) fn failure(seen: &StatusUpdate) -> Failure {
    let text = seen.error.clone().unwrap_or_else(|| "no reason given".to_owned());
    Failure::new(seen.code.clone().unwrap_or_else(|| NO_CODE.to_owned()), text)
}

impl<L: Ledger> RunReceipts<'_, L> {
    /// A message was accepted.
    pub(in crate::campaign) fn expect(&self, message: TrackedMessage) {
        if !self.is_unavailable() {
            self.sample.borrow_mut().expect(message);
        }
    }

    /// Looks at the sample while messages are sent, and stops the run when it is time to. Never ends without an error.
    ///
    /// # Errors
    /// The ledger's.
    pub(in crate::campaign) async fn follow_sample(&self, stop: &Stop) -> Result<Infallible, LedgerError> {
        while !self.is_unavailable() {
            let next = self.sample.borrow_mut().take_due(Instant::now());
            let mut awaited = match next {
                Ok(awaited) => awaited,
                Err(due) => {
                    // A message that is accepted meanwhile is not due before that.
                    sleep_until(due.unwrap_or_else(|| Instant::now() + LOOKS[0])).await;
                    continue;
                }
            };
            match self.look(&mut awaited.message).await? {
                Look::Seen => {
                    let why = self.sample.borrow_mut().note(awaited);
                    if let Some(why) = why {
                        let why = format!("by receipts, {why}");
                        stop.because(End::Guard(Stopped::by(StoppedBy::StopWhen, why)));
                    }
                    sleep(BETWEEN_LOOKS).await;
                }
                Look::NoAnswer => {
                    self.sample.borrow_mut().awaited.push(awaited);
                    sleep(REST).await;
                }
                Look::Unavailable => {}
            }
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::Position;
    use crate::state::ConversationId;

    const WHEN: StopWhen = StopWhen { failed: 0.1, after: 10, same_error: 3 };

    fn sample(messages: u64) -> Sample {
        let mut sample = Sample::new(WHEN);
        for id in 0..messages {
            sample.expect(TrackedMessage {
                position: Position::new(0),
                conversation_id: ConversationId(id),
                message_id: MessageId(id),
                contact_id: None,
                accepted_at: Timestamp::UNIX_EPOCH,
                receipt: Receipt::default(),
                next_look: None,
            });
        }
        sample
    }

    /// A look that shows the failure of a message.
    fn see_failure(sample: &mut Sample, code: &str) -> Option<String> {
        let mut looked = sample.awaited.pop().unwrap();
        let seen = StatusUpdate::new(MessageStatus::Failed, Timestamp::UNIX_EPOCH);
        looked.message.receipt.seen = Some(StatusUpdate { code: Some(code.to_owned()), ..seen });
        sample.note(looked)
    }

    #[test]
    fn failures_that_receipts_tell_stop_a_run_like_those_of_answers() {
        let mut sample = sample(100);
        assert!((0..50).all(|_| see_failure(&mut sample, "131026").is_none()), "the recipients' own");
        let stopped = (1..10).find(|_| see_failure(&mut sample, "132001").is_some());
        assert_eq!(stopped, Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn the_sample_is_bounded_and_each_message_is_looked_at_a_few_times() {
        let mut sample = sample(1_000);
        assert_eq!(sample.awaited.len(), SIZE);
        assert!(matches!(sample.take_due(Instant::now()), Err(Some(due)) if due > Instant::now()));
        tokio::time::advance(LOOKS[0]).await;
        let mut looks = 0;
        while let Ok(looked) = sample.take_due(Instant::now()) {
            sample.note(looked);
            looks += 1;
        }
        assert_eq!(looks, SIZE);
        tokio::time::advance(LOOKS[2]).await;
        while let Ok(looked) = sample.take_due(Instant::now()) {
            sample.note(looked);
            looks += 1;
        }
        assert_eq!(looks, 3 * SIZE);
        assert!(matches!(sample.take_due(Instant::now()), Err(None)));
        assert!(sample.awaited.is_empty(), "there is room for others");
    }
}
