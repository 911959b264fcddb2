//! Proofs: messages to an operator's own address, which show what a recipient would get.

use jiff::Timestamp;

use crate::state::{ConversationId, MessageId, State};

/// A proof, and what became of it. It is no delivery: the recipient whose row it shows stays as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// When it was begun.
    pub at: Timestamp,
    /// Who sent it.
    pub by: String,
    /// The line of the row that it shows.
    pub line: u64,
    /// The key of that row.
    pub key: String,
    /// The address that it went to, masked.
    pub to: String,
    /// `pending` if it certainly did not leave; `claimed` while its answer is awaited, and for ever if the process died then.
    pub state: State,
    /// When it left, or was about to; `None` if it did not.
    pub left_at: Option<Timestamp>,
    /// The conversation that it went to.
    pub conversation_id: Option<ConversationId>,
    /// Its message.
    pub message_id: Option<MessageId>,
    /// LiveDesk's own word for the message's state.
    pub livedesk_status: Option<String>,
    /// The code of its failure or doubt.
    pub error_code: Option<String>,
    /// The same in words.
    pub error: Option<String>,
}

/// The number of a proof in its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProofNumber(pub(super) i64);

impl ProofNumber {
    /// The proof with this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }
}

/// The proofs of a ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proofs {
    /// How many have left, or may have.
    pub count: u64,
    /// The last of them.
    pub last: Option<Proof>,
}
