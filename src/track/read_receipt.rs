//! What one look at a conversation shows of a message: its status, and whether the recipient has replied since.

use jiff::Timestamp;

use crate::codes;
use crate::ledger::TrackedMessage;
use crate::livedesk::{Direction, ObservedMessage, Sender};
use crate::opt_out::OptOutWords;
use crate::receipt::{MessageStatus, Receipt, StatusUpdate};
use crate::state::ContactId;

/// The message is there no more.
pub(super) fn gone(now: Timestamp) -> Receipt {
    Receipt { checked_at: Some(now), is_gone: true, ..Receipt::default() }
}

/// What the messages of its conversation, from this one on, show of a message.
pub(super) fn receipt(
    messages: &[ObservedMessage],
    tracked: &TrackedMessage,
    words: &OptOutWords,
    now: Timestamp,
) -> Receipt {
    let own = messages.iter().find(|message| message.id == tracked.message_id);
    let receipt = Receipt {
        seen: own.and_then(|message| seen(message, now)),
        checked_at: Some(now),
        is_gone: own.is_none(),
        ..replies(messages.iter(), tracked, words, now)
    };
    receipt.with_opt_out_by_code()
}

/// What the messages of another conversation of its recipient show: whether this one was replied to there.
pub(super) fn replies_elsewhere(
    messages: &[ObservedMessage],
    contact: ContactId,
    tracked: &TrackedMessage,
    words: &OptOutWords,
) -> Receipt {
    let is_theirs = |message: &&ObservedMessage| match message.sender {
        Some(Sender::Contact(sender)) => sender == contact,
        _ => true,
    };
    replies(messages.iter().filter(is_theirs), tracked, words, Timestamp::now())
}

fn replies<'m>(
    messages: impl Iterator<Item = &'m ObservedMessage> + Clone,
    tracked: &TrackedMessage,
    words: &OptOutWords,
    now: Timestamp,
) -> Receipt {
    let is_reply = |message: &&ObservedMessage| {
        message.direction == Direction::Incoming && message.id > tracked.message_id && !message.is_private
    };
    let replies = messages.filter(is_reply);
    Receipt {
        replied_at: replies.clone().map(|reply| reply.created_at.unwrap_or(now)).min(),
        opted_out: replies.filter_map(|reply| words.classify(reply.content.as_deref()?)).max(),
        ..Receipt::default()
    }
}

fn seen(message: &ObservedMessage, now: Timestamp) -> Option<StatusUpdate> {
    let status = message.status?;
    let mut seen = StatusUpdate::new(status, now);
    if status == MessageStatus::Failed {
        let text = message.external_error.clone();
        seen.code = text.as_deref().and_then(codes::code_in).map(|code| code.to_string());
        seen.error = text;
    }
    Some(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Position;
    use crate::receipt::OptOut;
    use crate::state::{ConversationId, MessageId};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn tracked() -> TrackedMessage {
        TrackedMessage {
            position: Position::new(1),
            conversation_id: ConversationId(7),
            message_id: MessageId(10),
            contact_id: None,
            accepted_at: NOW,
            receipt: Receipt::default(),
            next_look: None,
        }
    }

    fn message(id: u64, direction: Direction, status: Option<MessageStatus>, content: &str) -> ObservedMessage {
        ObservedMessage {
            id: MessageId(id),
            conversation_id: Some(ConversationId(7)),
            direction,
            sender: None,
            status,
            external_error: (status == Some(MessageStatus::Failed)).then(|| "131050: opted out".to_owned()),
            source_id: None,
            created_at: Timestamp::from_second(i64::try_from(id).unwrap()).ok(),
            content: Some(content.to_owned()),
            is_private: false,
            is_deleted: false,
        }
    }

    fn shown(messages: &[ObservedMessage]) -> Receipt {
        receipt(messages, &tracked(), &OptOutWords::default(), NOW)
    }

    #[test]
    fn status_and_replies_are_those_of_this_message() {
        let receipt = shown(&[
            message(10, Direction::Outgoing, Some(MessageStatus::Read), "Hello"),
            message(11, Direction::Outgoing, Some(MessageStatus::Failed), "another campaign's"),
            message(13, Direction::Incoming, Some(MessageStatus::Sent), "STOP"),
            message(12, Direction::Incoming, Some(MessageStatus::Sent), "thanks"),
            message(14, Direction::Activity, None, "stop"),
        ]);
        assert_eq!(receipt.status(), Some(MessageStatus::Read));
        assert_eq!((receipt.replied_at, receipt.opted_out), (Timestamp::from_second(12).ok(), Some(OptOut::Yes)));
    }

    #[test]
    fn an_unknown_status_says_nothing_and_a_missing_message_is_gone() {
        let receipt = shown(&[message(10, Direction::Outgoing, None, "Hello")]);
        assert_eq!((receipt.seen, receipt.is_gone, receipt.checked_at), (None, false, Some(NOW)));
        assert!(shown(&[message(11, Direction::Outgoing, None, "another")]).is_gone);
        assert!(shown(&[]).is_gone);
    }

    #[test]
    fn a_failure_has_its_code_and_whatsapps_opt_out_counts() {
        let receipt = shown(&[message(10, Direction::Outgoing, Some(MessageStatus::Failed), "Hello")]);
        assert_eq!(receipt.opted_out, Some(OptOut::Yes));
        assert_eq!(receipt.seen.unwrap().code.as_deref(), Some(codes::OPTED_OUT));
    }
}
