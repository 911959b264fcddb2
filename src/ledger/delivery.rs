//! A delivery on its way: leased, claimed, and how a claim ends.

use jiff::Timestamp;

use crate::message::Delivery;
use crate::recipients::Row;
use crate::state::{ContactId, ConversationId, MessageId, Outcome};

/// The place of a delivery in the order of enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(i64);

impl Position {
    /// The place with this number. Numbers need not be consecutive.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// A pending delivery as a ledger keeps it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its place in the order of enrolment, which no other delivery has.
    pub position: Position,
    /// What makes it this delivery.
    pub key: String,
    /// The recipient's row, as enrolled.
    pub row: Row,
    /// How many requests for its message were made.
    pub attempts: u32,
    /// The contact, if an earlier attempt found or made it.
    pub contact_id: Option<ContactId>,
    /// The conversation, if an earlier attempt made it.
    pub conversation_id: Option<ConversationId>,
    /// The fingerprint of the address for which contact and conversation were made.
    pub address: Option<String>,
    /// The fingerprint of the message that was last claimed.
    pub message: Option<String>,
    /// The message that LiveDesk has of it, and that failed at once.
    pub failed_message: Option<MessageId>,
}

/// A pending delivery in the hands of this run. Nothing is at stake yet: dropping it leaves it pending.
#[derive(Debug)]
pub struct Lease {
    position: Position,
    /// What makes it this delivery.
    pub key: String,
    /// The recipient's row, as enrolled.
    pub row: Row,
    /// How many requests for its message were made, the one that is about to be claimed included.
    pub attempts: u32,
    /// The contact, if it is known.
    pub contact_id: Option<ContactId>,
    /// The conversation, if one was made by an earlier attempt.
    pub conversation_id: Option<ConversationId>,
    /// Whether the contact's id comes from an earlier attempt, and may be dead by now.
    contact_is_kept: bool,
    /// The same for the conversation's.
    conversation_is_kept: bool,
    address: Option<String>,
    message: Option<String>,
    /// The message that LiveDesk has of it, and that failed at once: it can be asked to send that one again.
    pub failed_message: Option<MessageId>,
}

impl From<Stored> for Lease {
    fn from(stored: Stored) -> Self {
        Self {
            position: stored.position,
            key: stored.key,
            row: stored.row,
            attempts: stored.attempts,
            contact_is_kept: stored.contact_id.is_some(),
            conversation_is_kept: stored.conversation_id.is_some(),
            contact_id: stored.contact_id,
            conversation_id: stored.conversation_id,
            address: stored.address,
            message: stored.message,
            failed_message: stored.failed_message,
        }
    }
}

impl Lease {
    /// From now on for this address and with this message. Ids that an earlier attempt has made for another one (the
    /// row or the spec has been corrected since) are forgotten: they would lead to the wrong person, or send the old
    /// text.
    pub fn retarget(&mut self, delivery: &Delivery) {
        self.target(delivery.address.fingerprint(), delivery.message.fingerprint());
    }

    /// The same with the fingerprints of address and message.
    pub fn target(&mut self, address: String, message: String) {
        let same_address = self.address.as_ref() == Some(&address);
        if !same_address {
            self.forget(Gone::Contact);
        }
        if !same_address || self.message.as_ref() != Some(&message) {
            self.failed_message = None;
        }
        self.address = Some(address);
        self.message = Some(message);
    }

    /// The fingerprint of the address that it is for.
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// The fingerprint of the message that it is for.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Whether the contact was found or made by an earlier attempt, so that LiveDesk may have lost it since.
    pub const fn has_kept_contact(&self) -> bool {
        self.contact_is_kept && self.contact_id.is_some()
    }

    /// The same for the conversation.
    pub const fn has_kept_conversation(&self) -> bool {
        self.conversation_is_kept && self.conversation_id.is_some()
    }

    /// What was found or made just now is not kept from an earlier attempt.
    pub(super) const fn mark_found(&mut self, found: Found) {
        match found {
            Found::Contact(id) => (self.contact_id, self.contact_is_kept) = (Some(id), false),
            Found::Conversation(id) => (self.conversation_id, self.conversation_is_kept) = (Some(id), false),
        }
    }

    /// Forgets an id, and those that depend on it.
    pub(super) const fn forget(&mut self, gone: Gone) {
        self.failed_message = None;
        if matches!(gone, Gone::Contact | Gone::Conversation) {
            (self.conversation_id, self.conversation_is_kept) = (None, false);
        }
        if matches!(gone, Gone::Contact) {
            (self.contact_id, self.contact_is_kept) = (None, false);
        }
    }

    /// Its place in the order of enrolment.
    pub const fn position(&self) -> Position {
        self.position
    }
}

/// The right to send one message once: the intent is on disk. Only [`Deliver::claim`](super::Deliver::claim) makes one.
///
/// ```compile_fail
/// let claim = campaign::ledger::Claim { lease: todo!(), conversation_id: todo!() };
/// ```
#[derive(Debug)]
#[must_use = "a claim that is not settled is `unknown` for the next run"]
pub struct Claim {
    lease: Lease,
    conversation_id: ConversationId,
    left_at: Option<Timestamp>,
}

impl Claim {
    /// The intent was recorded just now.
    pub(super) const fn recorded(mut lease: Lease, conversation_id: ConversationId) -> Self {
        lease.conversation_id = Some(conversation_id);
        Self { lease, conversation_id, left_at: None }
    }

    /// The message leaves now: limits count from then on.
    pub const fn leaves(&mut self, at: Timestamp) {
        self.left_at = Some(at);
    }

    /// When the message left; `None` if it did not.
    pub const fn left_at(&self) -> Option<Timestamp> {
        self.left_at
    }

    /// The delivery that is claimed.
    pub const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The conversation that the message goes to.
    pub const fn conversation_id(&self) -> ConversationId {
        self.conversation_id
    }

    /// The delivery, which is no longer claimed.
    pub(super) fn into_lease(self) -> Lease {
        self.lease
    }
}

/// How a claim ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimEnd {
    /// Nothing was sent: the attempt does not count.
    Withdrawn,
    /// Something was sent, and certainly not taken.
    Released,
    /// The delivery is settled.
    Settled(Outcome),
}

/// An id that was found on the way to a message, worth keeping for the next attempt.
#[derive(Debug, Clone, Copy)]
pub enum Found {
    /// The contact was made or found.
    Contact(ContactId),
    /// The conversation was made.
    Conversation(ConversationId),
}

/// What LiveDesk does not know any more, though an earlier attempt found or made it. A conversation goes with its
/// contact, and a message with its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The contact: deleted, or merged into another one.
    Contact,
    /// The conversation.
    Conversation,
    /// The message that failed.
    Message,
}
