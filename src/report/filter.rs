//! Which rows a report is about, when it is not about all of them.

use std::str::FromStr;

use super::Record;
use crate::receipt::ReceiptState;
use crate::state::State;

/// Rows of one kind: those with an outcome, or accepted messages of which something is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Rows with this outcome.
    Outcome(State),
    /// Delivered, and as far as is known not yet read.
    Delivered,
    /// Read.
    Read,
    /// Accepted by LiveDesk, and not delivered.
    Undelivered,
    /// Accepted, and no receipt came until `track.until`.
    NoReceipt,
    /// The recipient has replied.
    Replied,
}

impl Filter {
    /// Filters by what became of an accepted message, with the words for them.
    const RECEIPTS: [(&'static str, Self); 5] = [
        ("delivered", Self::Delivered),
        ("read", Self::Read),
        ("undelivered", Self::Undelivered),
        ("no-receipt", Self::NoReceipt),
        ("replied", Self::Replied),
    ];

    /// The only outcome that its rows have.
    #[must_use]
    pub fn outcome(self) -> State {
        match self {
            Self::Outcome(state) => state,
            Self::Delivered | Self::Read | Self::Undelivered | Self::NoReceipt | Self::Replied => State::Accepted,
        }
    }

    /// Whether a row is of this kind.
    #[must_use]
    pub fn matches(self, record: &Record) -> bool {
        let receipt = |state| record.receipt.receipt == Some(state);
        record.outcome == self.outcome()
            && match self {
                Self::Outcome(_) => true,
                Self::Delivered => receipt(ReceiptState::Delivered),
                Self::Read => receipt(ReceiptState::Read),
                Self::Undelivered => receipt(ReceiptState::Failed),
                Self::NoReceipt => receipt(ReceiptState::None),
                Self::Replied => record.receipt.replied_at.is_some(),
            }
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if let Some((_, filter)) = Self::RECEIPTS.into_iter().find(|(name, _)| *name == word) {
            return Ok(filter);
        }
        let others = Self::RECEIPTS.map(|(name, _)| name).join(", ");
        word.parse().map(Self::Outcome).map_err(|error| format!("{error}, {others}, opted-out"))
    }
}
