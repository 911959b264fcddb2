//! Reading back what became of a message: the messages of a conversation, and conversations with their last messages.
//!
//! LiveDesk documents none of these reads. Its ancestor has them, so they are tried, and an answer may be anything: a 404, a
//! login page, ids as texts, statuses that nobody knows, a body that is cut off or huge. What cannot be read is left out and
//! what is not known is `None`; nothing is guessed. [`ReadError`] says whether asking again can help.
//!
//! Knows nothing of schedules and of what a reader makes of it.

mod error;
mod observed;

use std::time::Duration;

pub use error::ReadError;
pub use observed::{ConversationPage, Direction, ObservedConversation, ObservedMessage};

use super::client::Client;
use super::request;
use crate::state::{ConversationId, InboxId, MessageId};

/// One read brings no more messages than this: with as many there may be more, after the last of them.
pub const MESSAGES_A_READ: usize = 100;

impl Client {
    /// The messages of a conversation from `first` on, itself included, in ascending order: at most
    /// [`MESSAGES_A_READ`].
    ///
    /// # Errors
    /// See [`ReadError`]; [`ReadError::Gone`] if there is no such conversation.
    pub async fn messages_from(
        &self,
        conversation_id: ConversationId,
        first: MessageId,
    ) -> Result<Vec<ObservedMessage>, ReadError> {
        let request = request::read_messages(conversation_id, MessageId(first.0.saturating_sub(1)));
        self.exchange(request, Vec::new()).await.observed_messages(conversation_id)
    }

    /// A page of the conversations of an inbox, the oldest first; pages count from 1, and one after the last is empty.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn conversations_page(&self, inbox_id: InboxId, page: u32) -> Result<ConversationPage, ReadError> {
        self.exchange(request::list_conversations(inbox_id, page), Vec::new()).await.observed_conversations()
    }

    /// All conversations in which something has changed within the last `span`, in any or in one inbox.
    ///
    /// # Errors
    /// See [`ReadError`]; [`ReadError::TooLarge`] if they are too many for one answer.
    pub async fn conversations_updated_within(
        &self,
        span: Duration,
        inbox_id: Option<InboxId>,
    ) -> Result<Vec<ObservedConversation>, ReadError> {
        let seconds = span.as_secs().max(1);
        let request = request::list_updated_conversations(inbox_id, seconds);
        Ok(self.exchange(request, Vec::new()).await.observed_conversations()?.conversations)
    }
}
