//! Reads at the rate of `track.requests`, each tried again while that can help.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::livedesk::{Client, ConversationPage, MessagePage, ObservedConversation, ObservedMessage, ReadError};
use crate::specification::Speed;
use crate::state::{ConversationId, InboxId, MessageId};

/// How often a read is tried that had no answer, and how long to wait before the second time; each wait is twice as long.
const TRIES: u32 = 4;
const BACKOFF: Duration = Duration::from_secs(1);
/// The server is not left alone for longer, whatever it asks for.
const MAX_REST: Duration = Duration::from_secs(300);
/// The messages of a conversation are not read any further: a person has to look there.
const MAX_PAGES: u32 = 50;

/// Reads, one after the other.
#[derive(Debug)]
pub struct Reader<'a> {
    client: &'a Client,
    interval: Duration,
    next: Instant,
    tries: u32,
}

/// The messages of a conversation, from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// In ascending order.
    pub messages: Vec<ObservedMessage>,
    /// Why these may not be all.
    pub gap: Option<Gap>,
}

/// Why some messages of a conversation were not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// There are too many.
    TooLong,
    /// The server does not give them page by page.
    NoPages,
    /// Some could not be understood.
    Unreadable,
}

impl<'a> Reader<'a> {
    /// At this rate.
    pub fn new(client: &'a Client, rate: Speed) -> Self {
        Self { client, interval: rate.interval().unwrap_or_default(), next: Instant::now(), tries: TRIES }
    }

    /// The same with one try for each read, for those who have other things to do than to wait for an answer.
    #[must_use]
    pub(super) fn without_retries(self) -> Self {
        Self { tries: 1, ..self }
    }

    /// The messages of a conversation from `first` on, as many as come with one read.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn messages_from(
        &mut self,
        conversation: ConversationId,
        first: MessageId,
    ) -> Result<Vec<ObservedMessage>, ReadError> {
        Ok(self.messages(conversation, first).await?.messages)
    }

    async fn messages(&mut self, conversation: ConversationId, first: MessageId) -> Result<MessagePage, ReadError> {
        let client = self.client;
        self.tried(|| client.messages_page(conversation, first)).await
    }

    /// A page of the conversations of an inbox.
    pub(super) async fn conversations(&mut self, inbox: InboxId, page: u32) -> Result<ConversationPage, ReadError> {
        let client = self.client;
        self.tried(|| client.conversations_page(inbox, page)).await
    }

    /// The conversations that have changed within the last `span`. Asked once: a server that takes long for it is not helped by
    /// asking again.
    pub(super) async fn changed(
        &mut self,
        span: Duration,
        inbox: Option<InboxId>,
    ) -> Result<Vec<ObservedConversation>, ReadError> {
        self.turn().await;
        self.client.conversations_updated_within(span, inbox).await
    }

    /// All messages of a conversation. How many come with one read is not relied on: the end is where none follow.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn thread(&mut self, conversation: ConversationId) -> Result<Thread, ReadError> {
        let mut thread = Thread { messages: Vec::new(), gap: None };
        let mut first = MessageId(1);
        for _ in 0..MAX_PAGES {
            let page = self.messages(conversation, first).await?;
            if page.unreadable > 0 {
                thread.gap = Some(Gap::Unreadable);
            }
            if page.messages.first().is_some_and(|message| message.id < first) {
                thread.gap = Some(Gap::NoPages);
                return Ok(thread);
            }
            let Some(last) = page.messages.last() else { return Ok(thread) };
            first = MessageId(last.id.0.saturating_add(1));
            thread.messages.extend(page.messages);
        }
        thread.gap = Some(Gap::TooLong);
        Ok(thread)
    }

    async fn tried<T, F>(&mut self, ask: impl Fn() -> F) -> Result<T, ReadError>
    where
        F: Future<Output = Result<T, ReadError>>,
    {
        let mut wait = BACKOFF;
        for _ in 1..self.tries {
            self.turn().await;
            match ask().await {
                Err(ReadError::RateLimited { retry_after, .. }) => {
                    sleep(retry_after.unwrap_or(wait).min(MAX_REST)).await;
                }
                Err(ReadError::Failed { .. }) => sleep(wait).await,
                result => return result,
            }
            wait *= 2;
        }
        self.turn().await;
        ask().await
    }

    async fn turn(&mut self) {
        sleep_until(self.next).await;
        self.next = Instant::now() + self.interval;
    }
}
