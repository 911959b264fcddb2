//! What a run does to its deliveries: each change is one statement that names the state it starts from.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use rusqlite::{Connection, Row as SqlRow, ToSql, params};
use serde_json::Value;

use super::handle::Sqlite;
use super::{canary, format};
use crate::clock::ClockMark;
use crate::ledger::values::{ColumnsOfRows, json, now, stored, time, unstored};
use crate::ledger::{CanaryVerdict, Claim, ClaimEnd, Deliver, Lease, LedgerError, Position, Stored};
use crate::recipients::{Columns, Row};
use crate::state::{ContactId, ConversationId, Failure, MessageId, Outcome, State};

type Values = Vec<Box<dyn ToSql + Send>>;

/// Boxes the values of a statement, which travel to the writing thread.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$(Box::new($value) as Box<dyn ToSql + Send>),*] };
}

impl Deliver for Sqlite {
    async fn begin_run(&self) -> Result<Option<Timestamp>, LedgerError> {
        let (run, last_request) = self.alone(begin_run).await?;
        self.run.store(run, Ordering::Relaxed);
        Ok(last_request.and_then(time))
    }

    async fn end_run(&self, last_request: Timestamp) -> Result<(), LedgerError> {
        self.alone(move |connection| {
            connection.execute("UPDATE campaign SET last_request_at = ?1", [last_request.as_millisecond()])?;
            Ok(())
        })
        .await
    }

    fn interrupted(&self) -> u64 {
        self.kept.interrupted
    }

    async fn settle_interrupted(&self) -> Result<u64, LedgerError> {
        self.alone(|connection| format::settle_interrupted(connection)).await
    }

    async fn decide_canary(&self, verdict: CanaryVerdict) -> Result<(), LedgerError> {
        self.alone(move |connection| canary::decide(connection, verdict)).await
    }

    async fn lost(&self) -> LedgerError {
        let mut lost = self.lost.clone();
        match lost.wait_for(Option::is_some).await {
            Ok(error) => error.clone().unwrap_or(LedgerError::Closed),
            Err(_) => LedgerError::Closed,
        }
    }

    async fn lease(&self, after: Option<Position>, limit: usize) -> Result<Vec<Lease>, LedgerError> {
        let after = after.map_or(0, Position::number);
        self.alone(move |connection| pending(connection, after, limit)).await
    }

    async fn refuse(&self, lease: Lease, failure: Failure) -> Result<(), LedgerError> {
        const { assert!(State::Pending.can_become(State::Failed)) };
        self.step(
            &lease.key,
            "UPDATE delivery SET state = 'failed', run = ?2, attempts = ?6, error_code = ?3, error = ?4,
                first_attempt_at = coalesce(first_attempt_at, ?5), settled_at = ?5, message_id = ?7, livedesk_status = ?8
             WHERE id = ?1 AND state = 'pending'",
            values![
                id(&lease),
                self.this_run(),
                failure.code,
                failure.text,
                now(),
                lease.attempts,
                failure.message_id.map(|id| stored(id.0)),
                failure.livedesk_status
            ],
            Counts::No,
        )
        .await
    }

    async fn record_claim(&self, lease: &Lease, conversation_id: ConversationId) -> Result<(), LedgerError> {
        const { assert!(State::Pending.can_become(State::Claimed)) };
        self.step(
            &lease.key,
            "UPDATE delivery SET state = 'claimed', run = ?2, attempts = ?3, claimed_at = ?4,
                first_attempt_at = coalesce(first_attempt_at, ?4), contact_id = ?5, conversation_id = ?6, made_for = ?7,
                sent_as = ?8
             WHERE id = ?1 AND state = 'pending'",
            values![
                id(lease),
                self.this_run(),
                lease.attempts,
                now(),
                lease.contact_id.map(|id| stored(id.0)),
                stored(conversation_id.0),
                lease.address().map(str::to_owned),
                lease.message().map(str::to_owned)
            ],
            Counts::AsClaim,
        )
        .await?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn record_ids(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.step(
            &lease.key,
            "UPDATE delivery SET contact_id = ?2, conversation_id = ?3, message_id = ?4, made_for = ?5
             WHERE id = ?1 AND state = 'pending'",
            values![
                id(lease),
                lease.contact_id.map(|id| stored(id.0)),
                lease.conversation_id.map(|id| stored(id.0)),
                lease.failed_message.map(|id| stored(id.0)),
                lease.address().map(str::to_owned)
            ],
            Counts::No,
        )
        .await
    }

    async fn record_end(&self, claim: &Claim, end: ClaimEnd) -> Result<(), LedgerError> {
        let (id, run) = (id(claim.lease()), self.this_run());
        let left_at = claim.left_at().map(Timestamp::as_millisecond);
        let (sql, values): (_, Values) = match end {
            ClaimEnd::Withdrawn => (WITHDRAW, values![id, run]),
            ClaimEnd::Released => (RELEASE, values![id, run, left_at]),
            ClaimEnd::Settled(outcome) => (SETTLE, settlement(id, run, left_at, outcome)),
        };
        self.step(&claim.lease().key, sql, values, Counts::No).await?;
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
}

const WITHDRAW: &str = {
    assert!(State::Claimed.can_become(State::Pending));
    "UPDATE delivery SET state = 'pending', attempts = attempts - 1,
        first_attempt_at = iif(attempts = 1, NULL, first_attempt_at)
     WHERE id = ?1 AND state = 'claimed' AND run = ?2"
};

const RELEASE: &str = {
    assert!(State::Claimed.can_become(State::Pending));
    "UPDATE delivery SET state = 'pending', left_at = coalesce(?3, left_at)
     WHERE id = ?1 AND state = 'claimed' AND run = ?2"
};

const SETTLE: &str = {
    assert!(State::Claimed.can_become(State::Accepted) && State::Claimed.can_become(State::Failed));
    assert!(State::Claimed.can_become(State::Unknown));
    "UPDATE delivery SET state = ?3, message_id = ?4, livedesk_status = ?5, error_code = ?6, error = ?7,
        settled_at = ?8, left_at = coalesce(?9, left_at)
     WHERE id = ?1 AND state = 'claimed' AND run = ?2"
};

/// The values of [`SETTLE`].
fn settlement(id: i64, run: i64, left_at: Option<i64>, outcome: Outcome) -> Values {
    let state = outcome.state().word();
    let (message_id, status, code, text) = match outcome {
        Outcome::Accepted { message_id, livedesk_status } => (Some(message_id), Some(livedesk_status), None, None),
        Outcome::Failed(failure) | Outcome::Unknown(failure) => {
            (failure.message_id, failure.livedesk_status, Some(failure.code), Some(failure.text))
        }
    };
    values![id, run, state, message_id.map(|id| stored(id.0)), status, code, text, now(), left_at]
}

/// Whether a step is a claim, which the counter beside the ledger counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    AsClaim,
    No,
}

impl Sqlite {
    /// One statement on one delivery; if it finds none in the state that it starts from, somebody else was there.
    async fn step(&self, key: &str, sql: &'static str, values: Values, counts: Counts) -> Result<(), LedgerError> {
        let key = key.to_owned();
        self.change(counts == Counts::AsClaim, move |connection| {
            let values = values.iter().map(|value| value.as_ref() as &dyn ToSql);
            let changed = connection.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))?;
            if changed == 1 { Ok(()) } else { Err(LedgerError::Conflict(key)) }
        })
        .await
    }

    fn this_run(&self) -> i64 {
        self.run.load(Ordering::Relaxed)
    }
}

const fn id(lease: &Lease) -> i64 {
    lease.position().number()
}

/// Counts the runs; gives this one's number, and when the last request left.
fn begin_run(connection: &mut Connection) -> Result<(i64, Option<i64>), LedgerError> {
    let transaction = connection.transaction()?;
    follow_clock(&transaction)?;
    let (run, last_request): (i64, Option<i64>) =
        transaction.query_row("SELECT run, last_request_at FROM campaign", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // A run that was killed does not say when its last request left: not after now.
    let last_request = if run == 0 { None } else { Some(last_request.unwrap_or_else(now)) };
    let clock = ClockMark::now().and_then(|mark| serde_json::to_string(&mark).ok());
    transaction.execute("UPDATE campaign SET run = run + 1, last_request_at = NULL, clock = ?1", params![clock])?;
    transaction.commit()?;
    Ok((run + 1, last_request))
}

/// Sets times of departure by as much as the clock was set since the last run began.
fn follow_clock(connection: &Connection) -> Result<(), LedgerError> {
    let earlier: Option<String> = connection.query_row("SELECT clock FROM campaign", [], |row| row.get(0))?;
    let earlier: Option<ClockMark> = earlier.and_then(|text| serde_json::from_str(&text).ok());
    let set = ClockMark::now().zip(earlier).map(|(now, earlier)| now.set_forward_since(&earlier));
    let Some(set) = set.filter(|set| !set.is_zero()).and_then(|set| i64::try_from(set.as_millis()).ok()) else {
        return Ok(());
    };
    connection.execute(
        "UPDATE delivery SET left_at = coalesce(left_at, claimed_at) + ?1 WHERE claimed_at IS NOT NULL",
        [set],
    )?;
    connection.execute("UPDATE history SET claimed_at = claimed_at + ?1", [set])?;
    connection.execute("UPDATE proof SET left_at = left_at + ?1 WHERE left_at IS NOT NULL", [set])?;
    connection.execute("UPDATE campaign SET last_request_at = last_request_at + ?1", [set])?;
    Ok(())
}

/// Pending deliveries of the list as last read, after the id `after`.
fn pending(connection: &Connection, after: i64, limit: usize) -> Result<Vec<Lease>, LedgerError> {
    leases(
        connection,
        "d.state = 'pending' AND d.id > ?1 AND d.enrolment = (SELECT enrolment FROM campaign) ORDER BY d.id LIMIT ?2",
        params![after, i64::try_from(limit).unwrap_or(i64::MAX)],
    )
}

/// Deliveries that fulfil a condition.
pub(super) fn leases(
    connection: &Connection,
    condition: &str,
    values: &[&dyn ToSql],
) -> Result<Vec<Lease>, LedgerError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT d.id, d.key, d.line, c.names, d.cells, d.attempts, d.contact_id, d.conversation_id,
                d.made_for, d.sent_as, d.message_id
         FROM delivery d JOIN columns c ON c.id = d.columns WHERE {condition}"
    ))?;
    let mut columns = ColumnsOfRows::default();
    let mut rows = statement.query(values)?;
    let mut leases = Vec::new();
    while let Some(row) = rows.next()? {
        leases.push(delivery(row, columns.read(row.get(3)?)?)?.into());
    }
    Ok(leases)
}

fn delivery(row: &SqlRow<'_>, columns: Arc<Columns>) -> Result<Stored, LedgerError> {
    let cells: Vec<Value> = json(&row.get::<_, String>(4)?)?;
    let id = |at: usize| row.get::<_, Option<i64>>(at).map(|id| id.map(unstored));
    Ok(Stored {
        position: Position::new(row.get(0)?),
        key: row.get(1)?,
        row: Row::new(unstored(row.get(2)?), columns, cells.into()),
        attempts: row.get(5)?,
        contact_id: id(6)?.map(ContactId),
        conversation_id: id(7)?.map(ConversationId),
        address: row.get(8)?,
        message: row.get(9)?,
        failed_message: id(10)?.map(MessageId),
    })
}
