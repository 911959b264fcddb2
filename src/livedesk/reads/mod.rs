//! Reading back what became of a message: the messages of a conversation, and conversations with their last messages.
//!
//! LiveDesk documents none of these reads. Its ancestor has them, so they are tried, and an answer may be anything: a 404, a
//! login page, ids as texts, statuses that nobody knows, a body that is cut off or huge. What cannot be read is left out and
//! what is not known is `None`; nothing is guessed. [`ReadError`] says whether asking again can help.
//!
//! Knows nothing of schedules and of what a reader makes of it.

mod error;
mod inbox;
mod observed;

use std::time::Duration;

pub use error::ReadError;
pub use inbox::{Inbox, InboxButton, InboxTemplate};
pub use observed::{ConversationPage, Direction, MessagePage, ObservedConversation, ObservedMessage, Sender};

use jiff::Timestamp;

use super::answer::Exchange;
use super::client::Client;
use super::request;
use crate::state::{ConversationId, InboxId, MessageId};

/// One read brings no more messages than this: with as many there may be more, after the last of them.
pub const MESSAGES_PER_READ: usize = 100;

/// What an answer shows of the server, whatever it is about.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// Whether the server answers, and accepts the credentials.
    pub access: Result<(), ReadError>,
    /// By how much the server's clock is ahead of ours, to the second; negative where it is behind.
    pub clock_ahead: Option<jiff::SignedDuration>,
    /// Headers that name limits, in lower case, with their values.
    pub limits: Vec<(String, String)>,
}

impl Client {
    /// Asks for something harmless, and looks at the answer.
    pub async fn server_info(&self) -> ServerInfo {
        let exchange = self.exchange(request::probe(), Vec::new()).await;
        let (mut clock_ahead, mut limits) = (None, Vec::new());
        if let Exchange::Answered(answer) = &exchange {
            let date = answer.date.as_deref().and_then(|date| httpdate::parse_http_date(date).ok());
            let date = date.and_then(|date| Timestamp::try_from(date).ok());
            clock_ahead = date.map(|date| date.duration_since(answer.came)).map(whole_seconds);
            limits.clone_from(&answer.limits);
        }
        ServerInfo { access: observed::success(exchange).map(drop), clock_ahead, limits }
    }

    /// An inbox.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn inbox(&self, id: InboxId) -> Result<Inbox, ReadError> {
        self.exchange(request::read_inbox(id), Vec::new()).await.inbox(id)
    }

    /// The messages of a conversation from `first` on, itself included, in ascending order: at most
    /// [`MESSAGES_PER_READ`].
    ///
    /// # Errors
    /// See [`ReadError`]; [`ReadError::Gone`] if there is no such conversation.
    pub async fn messages_from(
        &self,
        conversation_id: ConversationId,
        first: MessageId,
    ) -> Result<Vec<ObservedMessage>, ReadError> {
        Ok(self.messages_page(conversation_id, first).await?.messages)
    }

    /// The same, with how many there were that could not be read.
    ///
    /// # Errors
    /// As [`messages_from`](Self::messages_from).
    pub async fn messages_page(
        &self,
        conversation_id: ConversationId,
        first: MessageId,
    ) -> Result<MessagePage, ReadError> {
        let request = request::read_messages(conversation_id, MessageId(first.0.saturating_sub(1)));
        self.exchange(request, Vec::new()).await.message_page(conversation_id)
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

/// A `Date` has no fractions: what is less than a second off is not off.
fn whole_seconds(duration: jiff::SignedDuration) -> jiff::SignedDuration {
    jiff::SignedDuration::from_secs(duration.as_secs())
}
