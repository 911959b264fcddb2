//! The canary as a ledger knows it: what was sent of the message that counts now, and what was decided about it.

use super::totals::Totals;

/// The canary of the message that counts now: all that was sent since a changed message was last accepted, or from the
/// beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CanaryRecord {
    /// What was decided; `None` while nobody has decided anything.
    pub verdict: Option<CanaryVerdict>,
    /// Its deliveries. Rows that are left out are in no canary.
    pub totals: Totals,
}

/// What was decided about a canary. It stays decided until the message changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryVerdict {
    /// The rest may be sent: a person has said so, or its receipts have.
    Approved,
    /// Its receipts did not confirm it in time: a person must look.
    NotConfirmed,
}

impl CanaryVerdict {
    /// The word that ledgers keep.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::NotConfirmed => "not confirmed",
        }
    }

    /// The verdict of a word.
    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::Approved, Self::NotConfirmed].into_iter().find(|verdict| verdict.word() == word)
    }
}
