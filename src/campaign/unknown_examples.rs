//! The first deliveries whose outcome is unknown, for whoever has to look them up.

use crate::ledger::{Inspect, LedgerError, RecordQuery, Totals};
use crate::report::Record;
use crate::state::State;

/// So many are named.
const EXAMPLES: usize = 3;

/// Deliveries whose outcome is unknown, as the report has them.
pub type UnknownExamples = Vec<Record>;

/// Why reading ends early.
enum EarlyExit {
    Found,
    Failed(LedgerError),
}

impl From<LedgerError> for EarlyExit {
    fn from(error: LedgerError) -> Self {
        Self::Failed(error)
    }
}

/// The first few.
pub(super) async fn first_unknown(ledger: &impl Inspect, totals: &Totals) -> Result<UnknownExamples, LedgerError> {
    let mut found = Vec::new();
    if totals.of(State::Unknown) == 0 {
        return Ok(found);
    }
    let query = RecordQuery { only: vec![State::Unknown], with_rows: false };
    let each = |record| {
        found.push(record);
        if found.len() < EXAMPLES { Ok(()) } else { Err(EarlyExit::Found) }
    };
    match ledger.records(&query, each).await {
        Ok(()) | Err(EarlyExit::Found) => Ok(found),
        Err(EarlyExit::Failed(error)) => Err(error),
    }
}
