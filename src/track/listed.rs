//! What a list of conversations shows of messages: each conversation comes with its last message and the last one that
//! somebody wrote.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{TrackError, Tracker, observation, read_receipt};
use crate::ledger::{Observation, Track as TrackLedger, TrackQuery, TrackedMessage};
use crate::livedesk::{Direction, ObservedConversation, ObservedMessage};
use crate::receipt::{MessageStatus, Receipt};
use crate::state::{ConversationId, MessageId};

/// While a conversation is so, there is nothing new in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ConversationState {
    newest: MessageId,
    updated_at: Timestamp,
}

/// What a list came to.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// How many messages it showed.
    pub(super) looked: u64,
    /// Those in listed conversations that it did not show.
    pub(super) hidden: Vec<TrackedMessage>,
    /// Whether it showed a status of a message that was not known before.
    pub(super) has_new_status: bool,
}

impl<L: TrackLedger> Tracker<'_, L> {
    /// Records what a list shows of the messages that are asked for.
    pub(super) async fn look_at_listed(
        &mut self,
        listed: &[ObservedConversation],
        which: TrackQuery,
    ) -> Result<Listed, TrackError> {
        let by_id: HashMap<ConversationId, &ObservedConversation> =
            listed.iter().map(|conversation| (conversation.id, conversation)).collect();
        let contacts = listed.iter().filter_map(|conversation| conversation.contact_id).collect();
        let mut tracked = self.ledger.tracked_in(by_id.keys().copied().collect(), contacts).await?;
        // Those that were seen on an earlier page are asked for no more, but a later page may have a reply to them.
        tracked.retain(|message| is_asked_for(message, which) || self.listed.contains(&message.message_id));
        for message in &mut tracked {
            let now = by_id.get(&message.conversation_id).and_then(|conversation| conversation.contact_id);
            message.contact_id = now.or(message.contact_id);
        }
        self.look_for_replies(listed, &tracked).await?;
        let mut result = Listed::default();
        let mut seen = Vec::new();
        for message in tracked {
            let Some(conversation) = by_id.get(&message.conversation_id) else { continue };
            let Some(receipt) = self.shown(&message, conversation) else {
                result.hidden.push(message);
                continue;
            };
            let status = receipt.status().filter(|status| *status != MessageStatus::Sent);
            result.has_new_status |= status.is_some() && status != message.receipt.status();
            self.listed.insert(message.message_id);
            let contact_id = conversation.contact_id;
            seen.push(Observation { contact_id, ..observation(&message, receipt, self.settings.until) });
        }
        result.looked = seen.len() as u64;
        self.record(seen).await?;
        Ok(result)
    }

    /// What a list shows of a message; `None` if something newer hides it, or follows it.
    fn shown(&self, message: &TrackedMessage, conversation: &ObservedConversation) -> Option<Receipt> {
        let last = last_written(conversation).filter(|last| last.id == message.message_id)?;
        Some(read_receipt::receipt(std::slice::from_ref(last), message, &self.words, Timestamp::now()))
    }
}

/// Conversations whose messages were read, as they were then: lists of changes overlap, and lists are read again and again.
#[derive(Debug, Default)]
pub(super) struct ReadConversations(HashMap<ConversationId, ConversationState>);

impl ReadConversations {
    /// Whether a conversation is as it was when it was read.
    pub(super) fn has(&self, conversation: &ObservedConversation) -> bool {
        let state = ConversationState::of(conversation);
        state.is_some() && self.0.get(&conversation.id).copied() == state
    }

    /// The messages of this conversation were read.
    pub(super) fn insert(&mut self, conversation: &ObservedConversation) {
        self.0.extend(ConversationState::of(conversation).map(|state| (conversation.id, state)));
    }
}

impl ConversationState {
    /// `None` where the list does not say.
    fn of(conversation: &ObservedConversation) -> Option<Self> {
        Some(Self { newest: conversation.newest()?.id, updated_at: conversation.updated_at? })
    }
}

/// The last message of a conversation that is not the system's.
pub(super) fn last_written(conversation: &ObservedConversation) -> Option<&ObservedMessage> {
    conversation.messages.iter().rfind(|message| message.direction != Direction::Activity)
}

fn is_asked_for(message: &TrackedMessage, which: TrackQuery) -> bool {
    match which {
        TrackQuery::Canary => true,
        TrackQuery::DueBy(time) => message.next_look.is_some_and(|look| look <= time),
        TrackQuery::Open => {
            let has_failed = message.receipt.status() == Some(MessageStatus::Failed) && !message.receipt.is_gone;
            message.next_look.is_some() || has_failed
        }
    }
}
