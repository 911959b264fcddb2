//! Failed deliveries, and accepted ones that were not delivered, that become pending again. Which those are is decided by the caller; for some only if their message has
//! changed, which is known once the list was read.

use rusqlite::{Connection, params};

use crate::ledger::values::{key_list, now};
use crate::ledger::{LedgerError, RetryIf, RetryRules, RetryUndelivered};
use crate::state::{OperatorAction, State};

/// Will be retried.
const YES: i64 = 1;
/// Will be retried if the message is not the one that failed.
const IF_CHANGED: i64 = 2;

/// Marks the failed deliveries that may be retried.
pub(super) fn mark(connection: &Connection, retry: &RetryRules) -> Result<(), LedgerError> {
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
    // A look as late as the new message still showed the failure: it did not arrive meanwhile.
    for (code, RetryUndelivered { after, if_message_changed }) in &retry.undelivered {
        let wait = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        connection.execute(
            "UPDATE delivery SET again = ?1
             WHERE state = 'accepted' AND (?5 IS NULL OR key IN (SELECT value FROM json_each(?5))) AND id IN (
                SELECT delivery FROM receipt WHERE status = 'failed' AND opted_out IS NULL AND coalesce(code, '') = ?2
                    AND ?3 - status_at >= ?4 AND checked_at - status_at >= ?4)",
            params![if *if_message_changed { IF_CHANGED } else { YES }, code, now(), wait, only],
        )?;
    }
    Ok(())
}

/// Makes those who are marked and on the list pending again. How they had ended before stays on record.
pub(super) fn take_up(connection: &Connection, enrolment: i64) -> Result<u64, LedgerError> {
    const { assert!(State::Failed.can_become(State::Pending) && State::Accepted.can_become(State::Pending)) };
    connection.execute(
        "INSERT INTO history (delivery, at, outcome, error_code, error, message_id, claimed_at, word)
         SELECT id, ?1, 'failed', iif(state = 'failed', error_code, code), iif(state = 'failed', d.error, r.error),
            d.message_id, coalesce(left_at, claimed_at), ?3
         FROM delivery d LEFT JOIN receipt r ON r.delivery = d.id
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
