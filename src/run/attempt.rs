//! How one attempt at a delivery ends, and what follows.

use jiff::Timestamp;

use super::recent_answers::Request;
use crate::ledger::{Gone, LedgerError};
use crate::livedesk::RetryReason;
use crate::state::Failure;

/// Why a delivery is not settled by this try.
pub(super) enum AttemptError {
    /// Refused for good, by the answer to a request or before any was made.
    Refused(Failure, Option<Request>),
    /// Certainly not taken.
    Retry(Box<RetryReason>, Request),
    /// A contact or conversation may have been made; trying again does no harm.
    Unknown(Failure),
    /// LiveDesk does not have what an earlier attempt found or made; it is made anew.
    Gone(Gone),
    /// Everybody must wait, and a claim should not wait with them.
    Paused,
    /// The recipient's window is closed until then.
    WindowClosed(Timestamp),
    /// The run is ending.
    Stopped,
    /// The ledger failed.
    Ledger(LedgerError),
}

impl From<LedgerError> for AttemptError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

/// Whether a delivery is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Requeue {
    Now,
    Never,
}
