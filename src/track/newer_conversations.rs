//! Replies in another conversation: when ours was resolved, what its contact writes opens a new one. Lists show these beside
//! ours, so they cost nothing until one of them has something to read.

use std::time::Duration;

use super::listed::last_written;
use super::{REFUSED_IN_A_ROW, TrackError, Tracker, read_receipt};
use crate::ledger::{Observation, Track as TrackLedger, TrackedMessage};
use crate::livedesk::{Direction, ObservedConversation, ObservedMessage, ReadError, Sender};
use crate::receipt::Receipt;
use crate::state::{ContactId, ConversationId, MessageId};

/// A program that makes a conversation sends its first message at once; people take longer to answer.
const FIRST_MESSAGE_WITHIN: Duration = Duration::from_secs(10);

impl<L: TrackLedger> Tracker<'_, L> {
    /// Reads the listed conversations in which contacts may have replied to messages of other conversations.
    pub(super) async fn look_for_replies(
        &mut self,
        listed: &[ObservedConversation],
        tracked: &[TrackedMessage],
    ) -> Result<(), TrackError> {
        for conversation in listed {
            let Some(contact) = conversation.contact_id else { continue };
            let to: Vec<&TrackedMessage> =
                tracked.iter().filter(|message| may_be_replied_to(message, contact, conversation)).collect();
            let Some(first) = to.iter().map(|message| message.message_id).min() else { continue };
            if self.read_for_replies.has(conversation) {
                continue;
            }
            let messages = self.replies_in(conversation.id, first).await?;
            let seen = to.iter().filter_map(|message| self.reply_seen(message, contact, &messages)).collect();
            self.ledger.observe(seen).await?;
            self.read_for_replies.insert(conversation);
        }
        Ok(())
    }

    /// Its messages after this one.
    async fn replies_in(&mut self, id: ConversationId, after: MessageId) -> Result<Vec<ObservedMessage>, TrackError> {
        match self.reader.messages_from(id, MessageId(after.0.saturating_add(1))).await {
            Ok(messages) => {
                self.refused = 0;
                Ok(messages)
            }
            Err(ReadError::Gone { .. }) => Ok(Vec::new()),
            Err(error) if error.may_pass() => Err(TrackError::NoAnswer(error.to_string())),
            Err(error) => {
                self.refused += 1;
                let is_over = self.refused >= REFUSED_IN_A_ROW;
                if is_over { Err(TrackError::Unavailable(error.to_string())) } else { Ok(Vec::new()) }
            }
        }
    }

    /// A reply to a message, and nothing about the message itself.
    fn reply_seen(
        &self,
        message: &TrackedMessage,
        contact: ContactId,
        messages: &[ObservedMessage],
    ) -> Option<Observation> {
        let receipt = read_receipt::replies_elsewhere(messages, contact, message, &self.words);
        if receipt == Receipt::default() {
            return None;
        }
        let (position, message_id, next_look) = (message.position, message.message_id, message.next_look);
        Some(Observation { position, message_id, receipt, next_look, contact_id: None })
    }
}

/// Whether a conversation may have a reply to a message of another one.
fn may_be_replied_to(message: &TrackedMessage, contact: ContactId, conversation: &ObservedConversation) -> bool {
    let is_elsewhere = message.contact_id == Some(contact) && message.conversation_id != conversation.id;
    is_elsewhere
        && last_written(conversation)
            .is_some_and(|last| last.id > message.message_id && !is_opening(last, conversation))
}

/// Whether a message is what its conversation was made for, as by another campaign: nobody has replied there yet.
fn is_opening(last: &ObservedMessage, conversation: &ObservedConversation) -> bool {
    let is_by_user = last.direction == Direction::Outgoing && last.sender == Some(Sender::User);
    let (Some(sent), Some(made)) = (last.created_at, conversation.created_at) else { return false };
    is_by_user && sent.duration_since(made).unsigned_abs() <= FIRST_MESSAGE_WITHIN
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::Position;

    fn tracked() -> TrackedMessage {
        TrackedMessage {
            position: Position::new(1),
            conversation_id: ConversationId(7),
            message_id: MessageId(10),
            contact_id: Some(ContactId(5)),
            accepted_at: Timestamp::UNIX_EPOCH,
            receipt: Receipt::default(),
            next_look: None,
        }
    }

    fn conversation(id: u64, direction: Direction, sender: Option<Sender>, seconds: i64) -> ObservedConversation {
        let last = ObservedMessage {
            id: MessageId(11),
            conversation_id: None,
            direction,
            sender,
            status: None,
            external_error: None,
            source_id: None,
            created_at: Timestamp::from_second(seconds).ok(),
            content: None,
            is_private: false,
            is_deleted: false,
        };
        ObservedConversation {
            id: ConversationId(id),
            contact_id: Some(ContactId(5)),
            inbox_id: None,
            messages: vec![last],
            created_at: Some(Timestamp::UNIX_EPOCH),
            updated_at: None,
        }
    }

    #[test]
    fn only_a_conversation_that_may_have_a_reply_is_read() {
        let may = |conversation: &ObservedConversation| may_be_replied_to(&tracked(), ContactId(5), conversation);
        let (incoming, outgoing) = (Direction::Incoming, Direction::Outgoing);
        assert!(may(&conversation(8, incoming, None, 0)));
        assert!(!may(&conversation(7, incoming, None, 0)), "its own");
        assert!(!may(&conversation(8, outgoing, Some(Sender::User), 1)), "another campaign's");
        assert!(may(&conversation(8, outgoing, Some(Sender::User), 60)), "an agent has answered something");
        assert!(may(&conversation(8, outgoing, Some(Sender::Other), 1)), "a bot has");
        assert!(may(&conversation(8, Direction::Template, Some(Sender::User), 1)), "a greeting");
        let older = ObservedConversation { messages: Vec::new(), ..conversation(8, incoming, None, 0) };
        assert!(!may(&older));
        assert!(!may_be_replied_to(&tracked(), ContactId(6), &conversation(8, incoming, None, 0)));
        let later = TrackedMessage { message_id: MessageId(12), ..tracked() };
        assert!(!may_be_replied_to(&later, ContactId(5), &conversation(8, incoming, None, 0)), "before ours");
    }
}
