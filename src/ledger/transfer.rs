//! What a copy of a campaign leaves in its two ledgers, so that at any time at most one of them can be used.
//!
//! Knows no database.

use super::error::LedgerError;

/// A mark in a ledger. One without a mark is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transfer {
    /// The copy; the same in both ledgers.
    pub(super) id: String,
    pub(super) kind: TransferKind,
    /// Where the campaign was moved to, or arrives from.
    pub(super) place: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransferKind {
    /// The campaign continues at another place.
    Moved,
    /// A copy that is not complete, or whose original is not yet marked.
    Arriving,
}

impl TransferKind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Arriving => "arriving",
        }
    }

    pub(super) fn parse(word: &str) -> Result<Self, LedgerError> {
        [Self::Moved, Self::Arriving]
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(|| LedgerError::damaged(format!("`{word}` is no mark of a copy")))
    }
}

impl Transfer {
    /// Why a ledger with this mark is not used.
    pub(super) fn refusal(self) -> LedgerError {
        match self.kind {
            TransferKind::Moved => LedgerError::Moved { path: None, to: self.place },
            TransferKind::Arriving => LedgerError::Arriving { path: None, from: self.place },
        }
    }
}
