//! The cheaper way: the inbox's list of conversations shows 25 of them at a time, each with its last messages. Where ours is
//! the last one, that is a look at it; for the others the conversation itself is read.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{TrackError, Tracker, observation, read_receipt};
use crate::ledger::{Track as TrackLedger, TrackQuery, TrackedMessage};
use crate::livedesk::{Direction, ObservedConversation};
use crate::receipt::{MessageStatus, Receipt};
use crate::state::{ConversationId, InboxId};

/// Fewer messages are read one by one.
const MIN_MESSAGES: usize = 10;
/// Conversations on a page.
const CONVERSATIONS_PER_PAGE: u64 = 25;

impl<L: TrackLedger> Tracker<'_, L> {
    /// Looks through the inbox, if that is cheaper than reading so many conversations. `due` are all messages that are due,
    /// or the first of them.
    pub(super) async fn sweep(&mut self, inbox: InboxId, which: TrackQuery, due: usize) -> Result<u64, TrackError> {
        let mut looked = 0;
        if due < MIN_MESSAGES {
            return Ok(looked);
        }
        let mut before: Vec<ConversationId> = Vec::new();
        for number in 1.. {
            let page = match self.reader.conversations(inbox, number).await {
                Ok(page) => page,
                Err(error) => {
                    self.sweep_refused = Some(error.to_string());
                    break;
                }
            };
            let is_dearer = |all: u64| due < super::LEDGER_BATCH && all / CONVERSATIONS_PER_PAGE > due as u64;
            if page.listed == 0 || page.all_count.is_some_and(is_dearer) {
                break;
            }
            // A server that knows no pages gives the same one for ever.
            let shown: Vec<ConversationId> = page.conversations.iter().map(|conversation| conversation.id).collect();
            if shown.is_empty() || shown == before {
                self.sweep_refused = Some("its pages cannot be told apart".to_owned());
                break;
            }
            before = shown;
            looked += self.look_at_listed(&page.conversations, which).await?;
        }
        Ok(looked)
    }

    async fn look_at_listed(&mut self, listed: &[ObservedConversation], which: TrackQuery) -> Result<u64, TrackError> {
        let by_id: HashMap<ConversationId, &ObservedConversation> =
            listed.iter().map(|conversation| (conversation.id, conversation)).collect();
        let tracked = self.ledger.tracked_in(by_id.keys().copied().collect(), Vec::new()).await?;
        let mut seen = Vec::new();
        for message in tracked.iter().filter(|message| is_asked_for(message, which)) {
            let shown = by_id.get(&message.conversation_id).and_then(|conversation| self.shown(message, conversation));
            if let Some(receipt) = shown {
                self.swept.insert(message.position);
                seen.push(observation(message, receipt, self.settings.until));
            }
        }
        let looked = seen.len() as u64;
        self.ledger.observe(seen).await?;
        Ok(looked)
    }

    /// What a list shows of a message; `None` if something newer hides it, or follows it.
    fn shown(&self, message: &TrackedMessage, conversation: &ObservedConversation) -> Option<Receipt> {
        let written = |shown: &&_| -> bool {
            let shown: &crate::livedesk::ObservedMessage = shown;
            shown.direction != Direction::Activity
        };
        let last = conversation.messages.iter().rfind(written)?;
        if last.id != message.message_id {
            return None;
        }
        Some(read_receipt::receipt(std::slice::from_ref(last), message, &self.words, Timestamp::now()))
    }
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
