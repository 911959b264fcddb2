//! What a run does to its deliveries: each change is one statement that names the state it starts from.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row as SqlRow;
use tokio_postgres::types::ToSql;

use super::groups::Values;
use super::handle::Postgres;
use super::reconnect::Role;
use super::session::Session;
use super::{canary, workers};
use crate::ledger::values::{ColumnsOfRows, json, now, stored, time, unstored};
use crate::ledger::{CanaryVerdict, Claim, ClaimEnd, Deliver, Lease, LedgerError, Position, Stored};
use crate::recipients::{Columns, Row};
use crate::state::{ContactId, ConversationId, Failure, MessageId, Outcome, State};

/// Boxes the values of a statement, which travel to the thread of the connection.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$(Box::new($value) as Box<dyn ToSql + Sync + Send>),*] };
}

impl Deliver for Postgres {
    async fn begin_run(&self) -> Result<Option<Timestamp>, LedgerError> {
        let longest_transaction = self.heartbeat.as_ref().map(|heartbeat| heartbeat.longest_transaction());
        let (ledger, run, last_request) = self
            .alone(move |session| async move {
                if let Some(limit) = longest_transaction {
                    let sql = format!("SET idle_in_transaction_session_timeout TO {limit}");
                    session.client.batch_execute(&sql).await?;
                }
                let (run, last_request) = begin_run(&session).await?;
                Ok((session.ledger, run, last_request))
            })
            .await?;
        if let Some(worker) = self.kept.worker {
            let (is_alone, is_checked) = (self.heartbeat.is_none(), self.kept.is_durable);
            self.reconnect.begin(Role { ledger, run, worker, is_alone, is_checked, longest_transaction });
        }
        Ok(last_request.and_then(time))
    }

    async fn end_run(&self, last_request: Timestamp) -> Result<(), LedgerError> {
        self.reconnect.end();
        self.retried(move |session| async move {
            let sql = "UPDATE ledger SET last_request_at = greatest(last_request_at, $2) WHERE id = $1";
            session.client.execute(sql, &[&session.ledger, &last_request.as_millisecond()]).await?;
            Ok(())
        })
        .await
    }

    fn interrupted(&self) -> u64 {
        self.kept.interrupted
    }

    async fn settle_interrupted(&self) -> Result<u64, LedgerError> {
        let worker = self.kept.worker;
        self.retried(move |session| async move {
            workers::settle_interrupted(&session.client, session.ledger, worker).await
        })
        .await
    }

    async fn decide_canary(&self, verdict: CanaryVerdict) -> Result<(), LedgerError> {
        self.retried(move |session| async move { canary::decide(&session, verdict).await }).await
    }

    async fn lost(&self) -> LedgerError {
        let mut lost = self.reconnect.lost().subscribe();
        match lost.wait_for(Option::is_some).await {
            Ok(error) => error.clone().unwrap_or(LedgerError::Closed),
            Err(_) => LedgerError::Closed,
        }
    }

    async fn lease(&self, after: Option<Position>, limit: usize) -> Result<Vec<Lease>, LedgerError> {
        let after = after.map_or(0, Position::number);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let worker = self.kept.worker;
        self.retried(move |session| async move {
            let condition = "d.state = 'pending' AND d.id > $2
                AND d.enrolment = (SELECT enrolment FROM ledger WHERE id = $1)
                AND ($4::bigint IS NULL OR d.leased_by IS NULL OR d.leased_by = $4
                    OR NOT EXISTS (SELECT FROM worker w WHERE w.id = d.leased_by)) ORDER BY d.id LIMIT $3";
            leases(&session, condition, &[&session.ledger, &after, &limit, &worker]).await
        })
        .await
    }

    async fn refuse(&self, lease: Lease, failure: Failure) -> Result<(), LedgerError> {
        let values = values![
            self.this_run(),
            failure.code,
            failure.text,
            now(),
            i64::from(lease.attempts),
            failure.message_id.map(|id| stored(id.0)),
            failure.livedesk_status,
            self.kept.worker
        ];
        self.step(&lease, REFUSE, values).await?;
        self.count_settled();
        Ok(())
    }

    async fn record_claim(&self, lease: &Lease, conversation_id: ConversationId) -> Result<(), LedgerError> {
        let values = values![
            self.this_run(),
            i64::from(lease.attempts),
            now(),
            lease.contact_id.map(|id| stored(id.0)),
            stored(conversation_id.0),
            lease.address().map(str::to_owned),
            lease.message().map(str::to_owned),
            self.kept.worker
        ];
        self.step(lease, CLAIM, values).await
    }

    async fn record_ids(&self, lease: &Lease) -> Result<(), LedgerError> {
        let values = values![
            lease.contact_id.map(|id| stored(id.0)),
            lease.conversation_id.map(|id| stored(id.0)),
            lease.failed_message.map(|id| stored(id.0)),
            lease.address().map(str::to_owned),
            self.kept.worker
        ];
        self.step(lease, KEEP_IDS, values).await
    }

    async fn record_end(&self, claim: &Claim, end: ClaimEnd) -> Result<(), LedgerError> {
        let run = self.this_run();
        let left_at = claim.left_at().map(Timestamp::as_millisecond);
        let (sql, values): (_, Values) = match end {
            ClaimEnd::Withdrawn => (WITHDRAW, values![run]),
            ClaimEnd::Released => (RELEASE, values![run, left_at]),
            ClaimEnd::Settled(outcome) => (SETTLE, settlement(run, left_at, outcome)),
        };
        let settles = sql == SETTLE;
        self.step(claim.lease(), sql, values).await?;
        if settles {
            self.count_settled();
        }
        Ok(())
    }
}

/// A pending delivery that is this worker's to change (`$worker`): nobody else has taken it, and the others have not taken this
/// worker for dead.
macro_rules! pending_of {
    ($worker:literal) => {
        concat!(
            "state = 'pending' AND (leased_by IS NULL OR leased_by = ",
            $worker,
            ") AND EXISTS (SELECT FROM worker w WHERE w.id = ",
            $worker,
            ")"
        )
    };
}

/// A claim of the run `$3`; also one that others took for a dead worker's.
macro_rules! claim_of_run {
    () => {
        "run = $3 AND (state = 'claimed' OR state = 'unknown' AND error_code = 'cut-off')"
    };
}

const REFUSE: &str = {
    assert!(State::Pending.can_become(State::Failed));
    concat!(
        "UPDATE delivery SET changed_by = $1, state = 'failed', run = $3, attempts = $7, error_code = $4, error = $5,
            first_attempt_at = coalesce(first_attempt_at, $6), settled_at = $6, message_id = $8, livedesk_status = $9
         WHERE id = $2 AND ",
        pending_of!("$10")
    )
};

const CLAIM: &str = {
    assert!(State::Pending.can_become(State::Claimed));
    concat!(
        "UPDATE delivery SET changed_by = $1, state = 'claimed', run = $3, attempts = $4, claimed_at = $5,
            first_attempt_at = coalesce(first_attempt_at, $5), contact_id = $6, conversation_id = $7, made_for = $8,
            sent_as = $9, worker = $10
         WHERE id = $2 AND ",
        pending_of!("$10")
    )
};

const KEEP_IDS: &str = concat!(
    "UPDATE delivery SET changed_by = $1, contact_id = $3, conversation_id = $4, message_id = $5, made_for = $6 WHERE id = $2 AND ",
    pending_of!("$7")
);

const WITHDRAW: &str = {
    assert!(State::Claimed.can_become(State::Pending));
    concat!(
        "UPDATE delivery SET changed_by = $1, state = 'pending', attempts = attempts - 1, settled_at = NULL, error_code = NULL, error = NULL,
            first_attempt_at = CASE WHEN attempts = 1 THEN NULL ELSE first_attempt_at END
         WHERE id = $2 AND ",
        claim_of_run!()
    )
};

const RELEASE: &str = {
    assert!(State::Claimed.can_become(State::Pending));
    concat!(
        "UPDATE delivery SET changed_by = $1, state = 'pending', left_at = coalesce($4, left_at), settled_at = NULL, error_code = NULL,
            error = NULL
         WHERE id = $2 AND ",
        claim_of_run!()
    )
};

const SETTLE: &str = {
    assert!(State::Claimed.can_become(State::Accepted) && State::Claimed.can_become(State::Failed));
    assert!(State::Claimed.can_become(State::Unknown));
    concat!(
        "UPDATE delivery SET changed_by = $1, state = $4, message_id = $5, livedesk_status = $6, error_code = $7, error = $8,
            settled_at = $9, left_at = coalesce($10, left_at)
         WHERE id = $2 AND ",
        claim_of_run!()
    )
};

/// The values of [`SETTLE`] after the first two.
fn settlement(run: i64, left_at: Option<i64>, outcome: Outcome) -> Values {
    let state = outcome.state().word();
    let (message_id, status, code, text) = match outcome {
        Outcome::Accepted { message_id, livedesk_status } => (Some(message_id), Some(livedesk_status), None, None),
        Outcome::Failed(failure) | Outcome::Unknown(failure) => {
            (failure.message_id, failure.livedesk_status, Some(failure.code), Some(failure.text))
        }
    };
    values![run, state, message_id.map(|id| stored(id.0)), status, code, text, now(), left_at]
}

impl Postgres {
    /// One more of this worker's, for whoever looks.
    fn count_settled(&self) {
        if let Some(heartbeat) = &self.heartbeat {
            heartbeat.messages.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn this_run(&self) -> i64 {
        self.reconnect.run()
    }
}

/// Counts the runs; gives this one's number, and when the last request left.
async fn begin_run(session: &Session) -> Result<(i64, Option<i64>), LedgerError> {
    let sql = "UPDATE ledger new SET run = new.run + 1, last_request_at = NULL
         FROM (SELECT id, run, last_request_at FROM ledger WHERE id = $1 FOR UPDATE) old WHERE new.id = old.id
         RETURNING old.run, old.last_request_at";
    let row = session.client.query_one(sql, &[&session.ledger]).await?;
    let (run, last_request): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    // A run that was killed does not say when its last request left: not after now.
    let last_request = if run == 0 { None } else { Some(last_request.unwrap_or_else(now)) };
    Ok((run + 1, last_request))
}

/// Deliveries of the ledger `$1` that fulfil a condition.
pub(super) async fn leases(
    session: &Session,
    condition: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Lease>, LedgerError> {
    let sql = format!(
        "SELECT d.id, d.key, d.line, c.names, d.cells, d.attempts, d.contact_id, d.conversation_id,
                d.made_for, d.sent_as, d.message_id
         FROM delivery d JOIN columns c ON c.id = d.columns WHERE d.ledger = $1 AND {condition}"
    );
    let (mut columns, mut leases) = (ColumnsOfRows::default(), Vec::new());
    for row in session.client.query(&sql, values).await? {
        leases.push(delivery(&row, columns.read(row.try_get(3)?)?)?.into());
    }
    Ok(leases)
}

fn delivery(row: &SqlRow, columns: Arc<Columns>) -> Result<Stored, LedgerError> {
    let cells: Vec<Value> = json(row.try_get(4)?)?;
    let id = |at: usize| row.try_get::<_, Option<i64>>(at).map(|id| id.map(unstored));
    let attempts: i64 = row.try_get(5)?;
    Ok(Stored {
        position: Position::new(row.try_get(0)?),
        key: row.try_get(1)?,
        row: Row::new(unstored(row.try_get(2)?), columns, cells.into()),
        attempts: u32::try_from(attempts).map_err(LedgerError::damaged)?,
        contact_id: id(6)?.map(ContactId),
        conversation_id: id(7)?.map(ConversationId),
        address: row.try_get(8)?,
        message: row.try_get(9)?,
        failed_message: id(10)?.map(MessageId),
    })
}
