//! Following accepted messages to their end: which to look at, what a look shows, and when to look again.
//!
//! It reads and never sends. It changes no outcome: what it records is beside the deliveries. Receipts of one message
//! merge in any order, so it may be run beside a run and beside itself.
//!
//! Three reads show receipts, the cheapest first: what has changed (`delta`), the inbox's list of conversations (`sweep`), and
//! the messages of one conversation. What a list shows of messages is read in `listed`.

mod delta;
mod evidence;
mod listed;
mod newer_conversations;
mod read_receipt;
mod reader;
mod schedule;
mod sweep;

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

pub use delta::CHANGES_EVERY;
pub use evidence::{Baseline, Doubt, Finding, Wanted, find, find_all, is_shown};
pub use reader::{Gap, Reader, Thread};

use self::delta::Changes;
use self::listed::ReadConversations;
use crate::ledger::{LedgerError, Observation, Track as TrackLedger, TrackQuery, TrackedMessage};
use crate::livedesk::{Client, ReadError};
use crate::opt_out::OptOutWords;
use crate::receipt::Receipt;
use crate::specification::Track;
use crate::state::{ConversationId, InboxId, MessageId};

/// Messages that are taken from the ledger together.
const LEDGER_BATCH: usize = 500;
/// Observations that are recorded together: what an interruption loses is read again.
const BATCH: usize = 25;
/// So many reads in a row that are refused mean that receipts cannot be read here.
const REFUSED_IN_A_ROW: u32 = 3;

/// Looks at messages.
pub struct Tracker<'a, L> {
    ledger: &'a L,
    reader: Reader<'a>,
    settings: &'a Track,
    words: OptOutWords,
    /// The inbox that all messages left through, where it is known.
    inbox: Option<InboxId>,
    refused: u32,
    /// Those that this round has seen in a list of conversations.
    listed: HashSet<MessageId>,
    /// Conversations that were read because a list of changes did not show our message.
    read: ReadConversations,
    /// Those that were read because they may have a reply to a message of another one.
    read_for_replies: ReadConversations,
    /// What is known of changes, for whoever goes on looking.
    changes: Option<Changes>,
    is_sweep_refused: bool,
    fallbacks: Vec<Fallback>,
}

/// A read that does not work here, so that a dearer one is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fallback {
    /// Conversations that have changed cannot be asked for.
    Changes {
        /// What was answered.
        why: String,
        /// Whether it is tried again later.
        may_pass: bool,
    },
    /// The inbox's list of conversations cannot be read.
    List {
        /// What was answered.
        why: String,
    },
}

impl<L> std::fmt::Debug for Tracker<'_, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracker").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// The ledger's.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The server does not have the read, or does not allow it.
    #[error("receipts cannot be read here: {0}")]
    Unavailable(String),
    /// The server did not answer.
    #[error("LiveDesk did not answer: {0}")]
    NoAnswer(String),
}

impl<'a, L: TrackLedger> Tracker<'a, L> {
    /// A tracker with the known opt-outs, the spec's own, and those of its buttons.
    pub fn new(ledger: &'a L, client: &'a Client, settings: &'a Track, words: OptOutWords) -> Self {
        Self {
            ledger,
            reader: Reader::new(client, settings.requests),
            settings,
            words,
            inbox: None,
            refused: 0,
            listed: HashSet::new(),
            read: ReadConversations::default(),
            read_for_replies: ReadConversations::default(),
            changes: None,
            is_sweep_refused: false,
            fallbacks: Vec::new(),
        }
    }

    /// The same with one try for each read.
    #[must_use]
    pub fn without_retries(self) -> Self {
        Self { reader: self.reader.without_retries(), ..self }
    }

    /// The same for messages that all left through one inbox: its list of conversations shows many of them at a time.
    #[must_use]
    pub fn in_inbox(self, inbox: Option<InboxId>) -> Self {
        Self { inbox, ..self }
    }

    /// The reads that were found not to work since the last call.
    pub fn take_fallbacks(&mut self) -> Vec<Fallback> {
        std::mem::take(&mut self.fallbacks)
    }

    /// Looks at all messages that are asked for, each once. Gives how many.
    ///
    /// # Errors
    /// See [`TrackError`]. What was seen before is recorded.
    pub async fn round(&mut self, which: TrackQuery) -> Result<u64, TrackError> {
        let (mut after, mut looked) = (None, 0);
        self.listed.clear();
        if let (Some(inbox), false) = (self.inbox, self.is_sweep_refused) {
            let due = self.ledger.tracked(which, None, LEDGER_BATCH).await?.len();
            looked += self.sweep(inbox, which, due).await?;
        }
        loop {
            let page = self.ledger.tracked(which, after, LEDGER_BATCH).await?;
            let Some(last) = page.last() else { return Ok(looked) };
            after = Some(last.position);
            for messages in page.chunks(BATCH) {
                self.keep_up().await?;
                let messages = messages.iter().filter(|message| !self.listed.contains(&message.message_id));
                let messages: Vec<TrackedMessage> = messages.cloned().collect();
                looked += messages.len() as u64;
                self.look_at(messages).await?;
            }
        }
    }

    /// Looks at the messages in a conversation of which something was heard. Gives how many.
    ///
    /// # Errors
    /// See [`TrackError`].
    pub async fn conversation(&mut self, id: ConversationId) -> Result<u64, TrackError> {
        let tracked = self.ledger.tracked_in(vec![id], Vec::new()).await?;
        let looked = tracked.len() as u64;
        self.look_at(tracked).await?;
        Ok(looked)
    }

    /// Looks at one message. What is seen is recorded, and merged with what `message` knew.
    ///
    /// # Errors
    /// See [`TrackError`].
    pub async fn look(&mut self, message: &mut TrackedMessage) -> Result<(), TrackError> {
        let receipt = match self.read(message).await {
            Ok(receipt) => receipt,
            Err(TrackError::Unavailable(_)) if self.refused < REFUSED_IN_A_ROW => return Ok(()),
            Err(error) => return Err(error),
        };
        self.ledger.observe(vec![observation(message, receipt.clone(), self.settings.until)]).await?;
        message.receipt = std::mem::take(&mut message.receipt).merge(receipt);
        Ok(())
    }

    async fn look_at(&mut self, messages: Vec<TrackedMessage>) -> Result<(), TrackError> {
        let (mut seen, mut refused) = (Vec::new(), Vec::new());
        let mut end = Ok(());
        for message in messages {
            match self.read(&message).await {
                Ok(receipt) => seen.push(observation(&message, receipt, self.settings.until)),
                // What is refused for one conversation may be right for the others.
                Err(TrackError::Unavailable(_)) if self.refused < REFUSED_IN_A_ROW => refused.push(message),
                Err(error) => {
                    end = Err(error);
                    break;
                }
            }
            if seen.len() == BATCH {
                self.record(std::mem::take(&mut seen)).await?;
            }
        }
        self.record(seen).await?;
        if end.is_ok() {
            self.close(refused).await?;
        }
        end
    }

    /// Nobody looks again at a message that cannot be read when its time is over: nothing is known of it.
    async fn close(&self, refused: Vec<TrackedMessage>) -> Result<(), LedgerError> {
        let closed = refused.iter().map(|message| observation(message, Receipt::default(), self.settings.until));
        self.ledger.observe(closed.filter(|closed| closed.next_look.is_none()).collect()).await
    }

    /// Records looks at messages.
    async fn record(&mut self, seen: Vec<Observation>) -> Result<(), LedgerError> {
        let ids: Vec<MessageId> = seen.iter().map(|observation| observation.message_id).collect();
        self.ledger.observe(seen).await?;
        if let Some(changes) = &mut self.changes {
            changes.looked_at(ids);
        }
        Ok(())
    }

    /// One look at one message.
    async fn read(&mut self, message: &TrackedMessage) -> Result<Receipt, TrackError> {
        let read = self.reader.messages_from(message.conversation_id, message.message_id).await;
        match read {
            Ok(messages) => {
                self.refused = 0;
                Ok(read_receipt::receipt(&messages, message, &self.words, Timestamp::now()))
            }
            Err(ReadError::Gone { .. }) => {
                self.refused = 0;
                Ok(read_receipt::gone(Timestamp::now()))
            }
            Err(error @ (ReadError::Unavailable { .. } | ReadError::TooLarge)) => {
                self.refused += 1;
                Err(TrackError::Unavailable(error.to_string()))
            }
            Err(error) => Err(TrackError::NoAnswer(error.to_string())),
        }
    }
}

fn observation(message: &TrackedMessage, receipt: Receipt, until: Duration) -> Observation {
    let next_look = if receipt.is_gone || message.receipt.is_gone {
        None
    } else {
        schedule::next_look(message.accepted_at, Timestamp::now(), until)
    };
    Observation { position: message.position, message_id: message.message_id, receipt, next_look, contact_id: None }
}
