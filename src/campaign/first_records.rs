//! The first few records of a ledger that somebody has a use for: reading ends as soon as there are enough.

use crate::ledger::{Inspect, LedgerError, RecordQuery};
use crate::report::Record;

/// Why reading ends early.
enum EarlyExit {
    LimitReached,
    Failed(LedgerError),
}

impl From<LedgerError> for EarlyExit {
    fn from(error: LedgerError) -> Self {
        Self::Failed(error)
    }
}

/// What `pick` makes of the first records of which it makes anything, at most `most`.
///
/// # Errors
/// The ledger's.
pub(super) async fn first_records<T>(
    ledger: &impl Inspect,
    query: &RecordQuery,
    most: usize,
    mut pick: impl FnMut(Record) -> Option<T>,
) -> Result<Vec<T>, LedgerError> {
    let mut found = Vec::new();
    let each = |record| {
        found.extend(pick(record));
        if found.len() < most { Ok(()) } else { Err(EarlyExit::LimitReached) }
    };
    match ledger.records(query, each).await {
        Ok(()) | Err(EarlyExit::LimitReached) => Ok(found),
        Err(EarlyExit::Failed(error)) => Err(error),
    }
}
