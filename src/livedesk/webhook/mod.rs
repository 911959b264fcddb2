//! LiveDesk's webhooks: what an event is about (`event`, pure), whether it is LiveDesk's (`signature`, pure), and taking it
//! (`receiver`).
//!
//! LiveDesk documents one event, and its message events have no status. So an event is believed only as a hint: it says
//! which conversation to look at, and the read says what is true. Whoever forges one causes a read and nothing else.

mod event;
mod receiver;
mod signature;

pub use event::conversation_of;
pub use receiver::{Event, Receiver};
pub use signature::{Invalid, Signatures};
