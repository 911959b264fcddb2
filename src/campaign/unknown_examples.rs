//! The first deliveries whose outcome is unknown, for whoever has to look them up.

use super::first_records::first_records;
use crate::ledger::{Inspect, LedgerError, RecordQuery, Totals};
use crate::report::Record;
use crate::state::State;

/// So many are named.
const EXAMPLES: usize = 3;

/// Deliveries whose outcome is unknown, as the report has them.
pub type UnknownExamples = Vec<Record>;

/// The first few.
pub(super) async fn first_unknown(ledger: &impl Inspect, totals: &Totals) -> Result<UnknownExamples, LedgerError> {
    if totals.of(State::Unknown) == 0 {
        return Ok(UnknownExamples::new());
    }
    let query = RecordQuery { only: vec![State::Unknown], with_rows: false };
    first_records(ledger, &query, EXAMPLES, Some).await
}
