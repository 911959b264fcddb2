//! Failed deliveries that become pending again. Which those are is decided by the caller; for some only if their message has
//! changed, which is known once the list was read.

use rusqlite::{Connection, params};

use super::values::{key_list, now};
use crate::ledger::{LedgerError, Retry, RetryIf};
use crate::state::{OperatorAction, State};

/// Will be retried.
const YES: i64 = 1;
/// Will be retried if the message is not the one that failed.
const IF_CHANGED: i64 = 2;

/// Marks the failed deliveries that may be retried.
pub(super) fn mark(connection: &Connection, retry: &Retry) -> Result<(), LedgerError> {
    let only = key_list(retry.only.as_deref());
    for (code, condition) in &retry.codes {
        let (mark, failed_by) = match condition {
            RetryIf::FailedBy(time) => (YES, time.as_millisecond()),
            RetryIf::MessageChanged => (IF_CHANGED, i64::MAX),
        };
        connection.execute(
            "UPDATE delivery SET again = ?1
             WHERE state = 'failed' AND coalesce(error_code, '') = ?2 AND settled_at <= ?3
                AND (?4 IS NULL OR key IN (SELECT value FROM json_each(?4)))",
            params![mark, code, failed_by, only],
        )?;
    }
    Ok(())
}

/// Makes those who are marked and on the list pending again. How they had ended before stays on record.
pub(super) fn take_up(connection: &Connection, enrolment: i64) -> Result<u64, LedgerError> {
    const { assert!(State::Failed.can_become(State::Pending)) };
    connection.execute(
        "INSERT INTO history (delivery, at, outcome, error_code, error, message_id, claimed_at, word)
         SELECT id, ?1, state, error_code, error, message_id, coalesce(left_at, claimed_at), ?3 FROM delivery
         WHERE again = 1 AND enrolment = ?2",
        params![now(), enrolment, OperatorAction::Retried.word()],
    )?;
    // The id of the message that failed is kept: LiveDesk may be asked to send that very message again.
    let taken = connection.execute(
        "UPDATE delivery SET state = 'pending', settled_at = NULL, error_code = NULL, error = NULL, livedesk_status = NULL
         WHERE again = 1 AND enrolment = ?1",
        [enrolment],
    )?;
    connection.execute("UPDATE delivery SET again = 0 WHERE again > 0", [])?;
    Ok(taken as u64)
}
