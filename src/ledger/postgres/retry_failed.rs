//! Failed deliveries, and accepted ones that were not delivered, that become pending again. Which those are is decided by the caller; for some only if their message has
//! changed, which is known once the list was read.

use tokio_postgres::Client;

use crate::ledger::values::now;
use crate::ledger::{LedgerError, RetryIf, RetryRules, RetryUndelivered};
use crate::state::{OperatorAction, State};

/// Will be retried.
const YES: i64 = 1;
/// Will be retried if the message is not the one that failed.
const IF_CHANGED: i64 = 2;

/// Marks the failed deliveries that may be retried.
pub(super) async fn mark(client: &Client, ledger: i32, retry: &RetryRules) -> Result<(), LedgerError> {
    for (code, condition) in &retry.codes {
        let (mark, failed_by) = match condition {
            RetryIf::FailedBy(time) => (YES, time.as_millisecond()),
            RetryIf::MessageChanged => (IF_CHANGED, i64::MAX),
        };
        client
            .execute(
                "UPDATE delivery SET again = $2
                 WHERE ledger = $1 AND state = 'failed' AND coalesce(error_code, '') = $3 AND settled_at <= $4
                    AND ($5::text[] IS NULL OR key = ANY($5))",
                &[&ledger, &mark, code, &failed_by, &retry.only],
            )
            .await?;
    }
    // A look as late as the new message still showed the failure: it did not arrive meanwhile.
    for (code, RetryUndelivered { after, if_message_changed }) in &retry.undelivered {
        let mark = if *if_message_changed { IF_CHANGED } else { YES };
        let wait = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        let sql = "UPDATE delivery SET again = $2
             WHERE ledger = $1 AND state = 'accepted' AND ($6::text[] IS NULL OR key = ANY($6)) AND id IN (
                SELECT delivery FROM receipt WHERE ledger = $1 AND status = 'failed' AND opted_out IS NULL
                    AND coalesce(code, '') = $3
                    AND $4::bigint - status_at >= $5 AND checked_at - status_at >= $5)";
        client.execute(sql, &[&ledger, &mark, code, &now(), &wait, &retry.only]).await?;
    }
    Ok(())
}

/// Makes those who are marked and on the list pending again. How they had ended before stays on record.
pub(super) async fn take_up(client: &Client, ledger: i32, enrolment: i64) -> Result<u64, LedgerError> {
    const { assert!(State::Failed.can_become(State::Pending) && State::Accepted.can_become(State::Pending)) };
    client
        .execute(
            "INSERT INTO history (ledger, delivery, at, outcome, error_code, error, message_id, claimed_at, word)
             SELECT d.ledger, id, $2, 'failed', CASE WHEN state = 'failed' THEN error_code ELSE code END,
                CASE WHEN state = 'failed' THEN d.error ELSE r.error END, d.message_id, coalesce(left_at, claimed_at), $4
             FROM delivery d LEFT JOIN receipt r ON r.delivery = d.id
             WHERE d.ledger = $1 AND again = 1 AND enrolment = $3 ORDER BY id",
            &[&ledger, &now(), &enrolment, &OperatorAction::Retried.word()],
        )
        .await?;
    // The id of the message that failed is kept: LiveDesk may be asked to send that very message again.
    let taken = client
        .execute(
            "UPDATE delivery SET state = 'pending', settled_at = NULL, error_code = NULL, error = NULL,
                livedesk_status = NULL
             WHERE ledger = $1 AND again = 1 AND enrolment = $2",
            &[&ledger, &enrolment],
        )
        .await?;
    client.execute("UPDATE delivery SET again = 0 WHERE ledger = $1 AND again > 0", &[&ledger]).await?;
    Ok(taken)
}
