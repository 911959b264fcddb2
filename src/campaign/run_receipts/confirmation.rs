//! Waiting for the receipts of a canary. The messages are the ledger's, whichever run has sent them, so a wait that was
//! interrupted goes on with the next run.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout_at};

use super::sample::failure;
use super::{Look, RunReceipts};
use crate::campaign::CampaignError;
use crate::codes::explain;
use crate::humanize::{duration, grouped};
use crate::ledger::{Ledger, LedgerError, TrackQuery, TrackedMessage};
use crate::receipt::MessageStatus;
use crate::run::{End, Event, Stop};
use crate::specification::CanaryConfirmation;

/// Between two looks at a canary, at first and at most.
const FIRST_POLL: Duration = Duration::from_millis(250);
const MAX_POLL: Duration = Duration::from_secs(10);

/// What the receipts of a canary say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::campaign) enum Confirmation {
    /// As many have arrived as must: the rest may follow.
    Confirmed,
    /// Why the rest must not follow by itself.
    NotConfirmed(String),
    /// The run ends meanwhile.
    Ended(End),
}

/// How far a canary is.
enum CanaryState {
    Confirmed,
    Open(String),
    Lost(String),
}

impl CanaryState {
    fn of(messages: &[TrackedMessage], wanted: CanaryConfirmation) -> Self {
        let with = |of: fn(MessageStatus) -> bool| {
            messages.iter().filter(|message| message.receipt.status().is_some_and(of)).count() as u64
        };
        let arrived = with(|status| matches!(status, MessageStatus::Delivered | MessageStatus::Read));
        let failed = with(|status| status == MessageStatus::Failed);
        let unseen = messages.iter().filter(|message| is_awaited(message)).count() as u64;
        let total = arrived + failed + unseen;
        // A share such as 0.9 has no exact form; the dust of it is nobody's message.
        let is_enough = |messages: u64| messages as f64 + 1e-9 >= total as f64 * wanted.confirmed;
        let why = last_failure(messages).map_or_else(String::new, |why| format!("; the last: {why}"));
        if messages.is_empty() {
            Self::Lost("none of its messages was accepted".to_owned())
        } else if total == 0 {
            Self::Lost("LiveDesk has none of its messages any more".to_owned())
        } else if is_enough(arrived) {
            Self::Confirmed
        } else if !is_enough(total - failed) {
            Self::Lost(format!("{} of {} were not delivered{why}", grouped(failed), grouped(total)))
        } else {
            Self::Open(format!("{} of {} were confirmed{why}", grouped(arrived), grouped(total)))
        }
    }
}

/// Whether nothing is known of a message that may still be.
fn is_awaited(message: &TrackedMessage) -> bool {
    !message.receipt.is_gone && matches!(message.receipt.status(), None | Some(MessageStatus::Sent))
}

fn last_failure(messages: &[TrackedMessage]) -> Option<String> {
    let seen = messages.iter().filter_map(|message| message.receipt.seen.as_ref());
    let last = seen.filter(|seen| seen.status == MessageStatus::Failed).max_by_key(|seen| seen.at)?;
    Some(explain(&failure(last)))
}

impl<L: Ledger> RunReceipts<'_, L> {
    /// Waits for the receipts of the canary, for as long after its last message as the spec says.
    ///
    /// # Errors
    /// The ledger's.
    pub(in crate::campaign) async fn confirm_canary(
        &self,
        wanted: CanaryConfirmation,
        stop: &Stop,
    ) -> Result<Confirmation, CampaignError> {
        let mut messages = self.ledger.tracked(TrackQuery::Canary, None, usize::MAX).await?;
        let (left, until) = time_left(&messages, wanted.within);
        let (end, mut poll) = (Instant::now() + left, FIRST_POLL);
        loop {
            tokio::select! {
                looked = self.look_at_all(&mut messages, end) => looked?,
                end = stop.asked_to() => return Ok(Confirmation::Ended(end)),
            }
            let progress = match CanaryState::of(&messages, wanted) {
                CanaryState::Confirmed => return Ok(Confirmation::Confirmed),
                CanaryState::Lost(why) => return Ok(Confirmation::NotConfirmed(why)),
                CanaryState::Open(progress) => progress,
            };
            if let Some(why) = &*self.unavailable.borrow() {
                return Ok(Confirmation::NotConfirmed(format!("its receipts cannot be read here ({why})")));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let within = duration(wanted.within);
                return Ok(Confirmation::NotConfirmed(format!("only {progress} within {within}")));
            }
            (self.emit)(Event::Paused { why: format!("waiting for receipts: {progress}"), until });
            tokio::select! {
                () = sleep(poll.min(left)) => {}
                end = stop.asked_to() => return Ok(Confirmation::Ended(end)),
            }
            poll = (poll * 3 / 2).min(MAX_POLL);
        }
    }

    /// One look at each message that is waited for, until the time is over; at one of them in any case.
    async fn look_at_all(&self, messages: &mut [TrackedMessage], end: Instant) -> Result<(), LedgerError> {
        for (at, message) in messages.iter_mut().filter(|message| is_awaited(message)).enumerate() {
            let look = self.look(message);
            let looked =
                if at == 0 { look.await? } else { timeout_at(end, look).await.unwrap_or(Ok(Look::NoAnswer))? };
            if matches!(looked, Look::Unavailable) || Instant::now() >= end {
                break;
            }
        }
        Ok(())
    }
}

/// How long receipts are waited for, and until when that is.
fn time_left(messages: &[TrackedMessage], within: Duration) -> (Duration, Timestamp) {
    let now = Timestamp::now();
    // By a clock that was set back since, the wait is as long as from now.
    let last = messages.iter().map(|message| message.accepted_at.min(now)).max().unwrap_or(now);
    let until = last.checked_add(within).unwrap_or(Timestamp::MAX);
    (Duration::try_from(until.duration_since(now)).unwrap_or_default(), until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Position;
    use crate::receipt::{Receipt, StatusUpdate};
    use crate::state::{ConversationId, MessageId};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn message(status: Option<MessageStatus>, is_gone: bool) -> TrackedMessage {
        let failed = |status| StatusUpdate { code: Some("131026".to_owned()), ..StatusUpdate::new(status, NOW) };
        TrackedMessage {
            position: Position::new(1),
            conversation_id: ConversationId(1),
            message_id: MessageId(1),
            contact_id: None,
            accepted_at: NOW,
            receipt: Receipt { seen: status.map(failed), is_gone, ..Receipt::default() },
            next_look: None,
        }
    }

    fn state(confirmed: f64, counts: &[(usize, Option<MessageStatus>)]) -> String {
        let messages = counts.iter().flat_map(|(count, status)| vec![message(*status, false); *count]);
        let messages: Vec<TrackedMessage> = messages.chain([message(None, true)]).collect();
        let within = Duration::from_secs(30);
        match CanaryState::of(&messages, CanaryConfirmation { confirmed, within }) {
            CanaryState::Confirmed => "confirmed".to_owned(),
            CanaryState::Open(text) | CanaryState::Lost(text) => text,
        }
    }

    #[test]
    fn a_canary_is_confirmed_by_its_share_and_lost_when_that_is_out_of_reach() {
        use MessageStatus::{Delivered, Failed, Read};
        assert_eq!(state(0.9, &[(7, Some(Delivered)), (1, Some(Read)), (2, None)]), "8 of 10 were confirmed");
        let nine_can_arrive = state(0.9, &[(8, Some(Delivered)), (1, Some(Failed)), (1, None)]);
        assert!(nine_can_arrive.starts_with("8 of 10 were confirmed; the last: "), "{nine_can_arrive}");
        assert_eq!(state(0.8, &[(8, Some(Delivered)), (1, Some(Failed)), (1, None)]), "confirmed");
        let lost = state(0.9, &[(8, Some(Delivered)), (2, Some(Failed))]);
        assert!(lost.starts_with("2 of 10 were not delivered; the last: "), "{lost}");
        assert_eq!(state(0.5, &[]), "LiveDesk has none of its messages any more");
    }
}
