//! An accepted message that is followed to its end, and what was seen of it.

use std::time::Duration;

use jiff::Timestamp;

use super::delivery::{Lease, Position};
use crate::receipt::Receipt;
use crate::state::{ContactId, ConversationId, MessageId};

/// An accepted message that can be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedMessage {
    /// The place of its delivery in the order of enrolment.
    pub position: Position,
    /// The conversation that it is in.
    pub conversation_id: ConversationId,
    /// Its own id.
    pub message_id: MessageId,
    /// The recipient, where they are known.
    pub contact_id: Option<ContactId>,
    /// When LiveDesk accepted it, by our clock.
    pub accepted_at: Timestamp,
    /// What has been seen of it so far.
    pub receipt: Receipt,
    /// When to look at it next; `None` if never again.
    pub next_look: Option<Timestamp>,
}

/// Which messages are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackQuery {
    /// Those whose next look is due at this time.
    DueBy(Timestamp),
    /// All those that will be looked at again, and those that have failed: they may have arrived since.
    Open,
    /// All those of the canary ([`CanaryRecord`](super::CanaryRecord)), whatever is known of them.
    Canary,
}

/// What one look at a message has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The place of the delivery.
    pub position: Position,
    /// The message that was looked at. If the delivery has another one by now, the look counts for nothing.
    pub message_id: MessageId,
    /// What it showed.
    pub receipt: Receipt,
    /// When to look next; `None` if never again.
    pub next_look: Option<Timestamp>,
    /// Whose the message's conversation is, where the look showed it: contacts are merged, and of some messages it was not
    /// known. By this contact [`Track::tracked_in`](super::Track::tracked_in) finds it from now on.
    pub contact_id: Option<ContactId>,
}

/// A delivery of which nobody knows whether LiveDesk accepted it.
#[derive(Debug)]
pub struct UnknownDelivery {
    /// The delivery; its conversation is the one that the message was sent into.
    pub lease: Lease,
    /// When it was claimed, by our clock.
    pub claimed_at: Timestamp,
}

/// How to settle an unknown delivery, by what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The place of the delivery.
    pub position: Position,
    /// The message, if there is one; otherwise none was accepted and the next run sends it.
    pub message_id: Option<MessageId>,
    /// What was seen; kept on record.
    pub note: String,
}

/// When a message that was accepted and not delivered is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryUndelivered {
    /// So long after its failure was first seen, and after a look that was as late and still showed the failure.
    pub after: Duration,
    /// Only if its message is not the one that failed.
    pub if_message_changed: bool,
}
