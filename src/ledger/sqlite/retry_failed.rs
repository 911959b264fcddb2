//! `run --retry-failed`: failed deliveries that sending again can help are pending again. Whether it can is said by their
//! codes; for some only if the message has changed, which is known once the list was read.

use rusqlite::{Connection, params};

use super::Sqlite;
use super::send::now;
use crate::codes::{Remedy, remedy};
use crate::ledger::LedgerError;
use crate::state::State;

/// Which failed deliveries are to be sent again.
#[derive(Debug, Clone, Default)]
pub struct RetryFailed {
    /// Only these keys; everybody if `None`.
    pub only: Option<Vec<String>>,
}

/// Will be sent again.
const YES: i64 = 1;
/// Will be sent again if the message is not the one that failed.
const IF_CHANGED: i64 = 2;

impl Sqlite {
    /// Takes failed deliveries up without reading a list. Those that need another message are left: their rows are what
    /// they were. Gives how many are pending again.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn retry_failed(&self, again: RetryFailed) -> Result<u64, LedgerError> {
        self.alone(move |connection| {
            let transaction = connection.savepoint()?;
            mark(&transaction, &again)?;
            let enrolment = transaction.query_row("SELECT enrolment FROM campaign", [], |row| row.get(0))?;
            let taken = take_up(&transaction, enrolment)?;
            transaction.commit()?;
            Ok(taken as u64)
        })
        .await
    }
}

/// Marks the failed deliveries that may be taken up.
pub(super) fn mark(connection: &Connection, again: &RetryFailed) -> Result<(), LedgerError> {
    let only = again.only.as_ref().map(|keys| serde_json::to_string(keys).unwrap_or_default());
    let mut statement =
        connection.prepare("SELECT DISTINCT coalesce(error_code, '') FROM delivery WHERE state = 'failed'")?;
    let codes = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    for code in codes {
        let (mark, settled_before) = match remedy(&code) {
            Remedy::Never => continue,
            Remedy::Later(wait) => (YES, now().saturating_sub(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))),
            Remedy::Mended => (YES, i64::MAX),
            Remedy::Changed => (IF_CHANGED, i64::MAX),
        };
        connection.execute(
            "UPDATE delivery SET again = ?1
             WHERE state = 'failed' AND coalesce(error_code, '') = ?2 AND settled_at <= ?3
                AND (?4 IS NULL OR key IN (SELECT value FROM json_each(?4)))",
            params![mark, code, settled_before, only],
        )?;
    }
    Ok(())
}

/// Makes those who are marked and on the list pending again. What became of them before stays on record.
pub(super) fn take_up(connection: &Connection, enrolment: i64) -> Result<usize, LedgerError> {
    const { assert!(State::Failed.can_become(State::Pending)) };
    connection.execute(
        "INSERT INTO history (delivery, at, outcome, error_code, error, message_id, claimed_at, word)
         SELECT id, ?1, state, error_code, error, message_id, coalesce(left_at, claimed_at), 'sent again' FROM delivery
         WHERE again = 1 AND enrolment = ?2",
        params![now(), enrolment],
    )?;
    // The id of the message that failed is kept: LiveDesk may be asked to send that very message again.
    let taken = connection.execute(
        "UPDATE delivery SET state = 'pending', settled_at = NULL, error_code = NULL, error = NULL, livedesk_status = NULL
         WHERE again = 1 AND enrolment = ?1",
        [enrolment],
    )?;
    connection.execute("UPDATE delivery SET again = 0 WHERE again > 0", [])?;
    Ok(taken)
}
