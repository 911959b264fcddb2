//! What LiveDesk says about a contact or a conversation that a message may not reach.

use std::fmt;

/// Why a message may not reach anybody, or may not be wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// The contact is blocked.
    Blocked,
    /// The conversation is muted.
    Muted,
    /// The conversation is not open; LiveDesk's word for it.
    Inactive(&'static str),
    /// The channel takes only templates in it now.
    OnlyTemplates,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked => f.write_str("the contact is blocked"),
            Self::Muted => f.write_str("the conversation is muted"),
            Self::Inactive(status) => write!(f, "the conversation is {status}"),
            Self::OnlyTemplates => f.write_str("the channel accepts only templates now (`can_reply: false`)"),
        }
    }
}
