//! What a run does to its deliveries: each change is one statement that names the state it starts from.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use rusqlite::{Connection, Row as SqlRow, ToSql, params};
use serde_json::Value;

use super::Sqlite;
use crate::clock::ClockMark;
use crate::ledger::{Claim, Found, Gone, Lease, Ledger, LedgerError, Position};
use crate::recipients::{Columns, Row};
use crate::state::{ContactId, ConversationId, Failure, MessageId, Outcome, State};

/// Boxes the values of a statement, which travel to the writing thread.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$(Box::new($value) as Box<dyn ToSql + Send>),*] };
}

impl Sqlite {
    /// Begins a run: its number is the fence of its claims. If the clock was set since the last one began, times of
    /// departure are set with it, so that limits count what has really passed. Gives when the last request left.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn begin_run(&self) -> Result<Option<Timestamp>, LedgerError> {
        let (run, last_request) = self
            .alone(|connection| {
                let transaction = connection.transaction()?;
                follow_clock(&transaction)?;
                let (run, last_request): (i64, Option<i64>) =
                    transaction.query_row("SELECT run, last_request_at FROM campaign", [], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })?;
                // A run that was killed does not say when its last request left: not after now.
                let last_request = if run == 0 { None } else { Some(last_request.unwrap_or_else(now)) };
                let clock = ClockMark::now().and_then(|mark| serde_json::to_string(&mark).ok());
                transaction
                    .execute("UPDATE campaign SET run = run + 1, last_request_at = NULL, clock = ?1", params![clock])?;
                transaction.commit()?;
                Ok((run + 1, last_request))
            })
            .await?;
        self.run.store(run, Ordering::Relaxed);
        Ok(last_request.and_then(|at| Timestamp::from_millisecond(at).ok()))
    }

    /// The run ends in good order; its last request left then.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn end_run(&self, last_request: Timestamp) -> Result<(), LedgerError> {
        self.alone(move |connection| {
            connection.execute("UPDATE campaign SET last_request_at = ?1", [last_request.as_millisecond()])?;
            Ok(())
        })
        .await
    }

    /// One statement on one delivery; if it finds none in the state that it starts from, somebody else was there.
    async fn step(&self, key: &str, sql: &'static str, values: Vec<Box<dyn ToSql + Send>>) -> Result<(), LedgerError> {
        self.step_of(key, sql, values, false).await
    }

    async fn step_of(
        &self,
        key: &str,
        sql: &'static str,
        values: Vec<Box<dyn ToSql + Send>>,
        claims: bool,
    ) -> Result<(), LedgerError> {
        let key = key.to_owned();
        self.change(claims, move |connection| {
            let changed = connection
                .prepare_cached(sql)?
                .execute(rusqlite::params_from_iter(values.iter().map(|value| value.as_ref() as &dyn ToSql)))?;
            if changed == 1 { Ok(()) } else { Err(LedgerError::Conflict(key)) }
        })
        .await
    }

    /// The same for one that ends a claim.
    async fn end_claim(
        &self,
        key: &str,
        sql: &'static str,
        values: Vec<Box<dyn ToSql + Send>>,
    ) -> Result<(), LedgerError> {
        self.step(key, sql, values).await?;
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    /// Records the ids that a delivery has now.
    async fn keep_ids(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.step(
            &lease.key,
            "UPDATE delivery SET contact_id = ?2, conversation_id = ?3, message_id = ?4, made_for = ?5
             WHERE id = ?1 AND state = 'pending'",
            values![
                lease.id,
                lease.contact_id.map(|id| stored(id.0)),
                lease.conversation_id.map(|id| stored(id.0)),
                lease.failed_message.map(|id| stored(id.0)),
                lease.address_hash.clone()
            ],
        )
        .await
    }

    fn this_run(&self) -> i64 {
        self.run.load(Ordering::Relaxed)
    }
}

impl Ledger for Sqlite {
    async fn lease(&self, after: Option<Position>, limit: usize) -> Result<Vec<Lease>, LedgerError> {
        let after = after.map_or(0, |position| position.0);
        self.alone(move |connection| pending(connection, after, limit)).await
    }

    async fn claim(&self, mut lease: Lease, conversation_id: ConversationId) -> Result<Claim, LedgerError> {
        const { assert!(State::Pending.can_become(State::Claimed)) };
        self.step_of(
            &lease.key,
            "UPDATE delivery SET state = 'claimed', run = ?2, attempts = ?3, claimed_at = ?4,
                first_attempt_at = coalesce(first_attempt_at, ?4), contact_id = ?5, conversation_id = ?6, made_for = ?7,
                sent_as = ?8
             WHERE id = ?1 AND state = 'pending'",
            values![
                lease.id,
                self.this_run(),
                lease.attempts,
                now(),
                lease.contact_id.map(|id| stored(id.0)),
                stored(conversation_id.0),
                lease.address_hash.clone(),
                lease.message_hash.clone()
            ],
            true,
        )
        .await?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        lease.conversation_id = Some(conversation_id);
        Ok(Claim { lease, conversation_id, left_at: None })
    }

    async fn note(&self, lease: &mut Lease, found: Found) -> Result<(), LedgerError> {
        lease.learn(found);
        self.keep_ids(lease).await
    }

    async fn forget(&self, lease: &mut Lease, gone: Gone) -> Result<(), LedgerError> {
        lease.forget(gone);
        self.keep_ids(lease).await
    }

    async fn withdraw(&self, claim: Claim) -> Result<Lease, LedgerError> {
        const { assert!(State::Claimed.can_become(State::Pending)) };
        let lease = claim.lease;
        self.end_claim(
            &lease.key,
            "UPDATE delivery SET state = 'pending', attempts = attempts - 1,
                first_attempt_at = iif(attempts = 1, NULL, first_attempt_at)
             WHERE id = ?1 AND state = 'claimed' AND run = ?2",
            values![lease.id, self.this_run()],
        )
        .await?;
        Ok(lease)
    }

    async fn release(&self, claim: Claim) -> Result<Lease, LedgerError> {
        const { assert!(State::Claimed.can_become(State::Pending)) };
        let (lease, left_at) = (claim.lease, claim.left_at.map(Timestamp::as_millisecond));
        self.end_claim(
            &lease.key,
            "UPDATE delivery SET state = 'pending', left_at = coalesce(?3, left_at)
             WHERE id = ?1 AND state = 'claimed' AND run = ?2",
            values![lease.id, self.this_run(), left_at],
        )
        .await?;
        Ok(lease)
    }

    async fn settle(&self, claim: Claim, outcome: Outcome) -> Result<(), LedgerError> {
        const { assert!(State::Claimed.can_become(State::Accepted) && State::Claimed.can_become(State::Failed)) };
        const { assert!(State::Claimed.can_become(State::Unknown)) };
        let state = outcome.state().word();
        let (message_id, status, code, text) = match outcome {
            Outcome::Accepted { message_id, livedesk_status } => (Some(message_id), Some(livedesk_status), None, None),
            Outcome::Failed(failure) | Outcome::Unknown(failure) => {
                (failure.message_id, failure.livedesk_status, Some(failure.code), Some(failure.text))
            }
        };
        self.end_claim(
            &claim.lease.key,
            "UPDATE delivery SET state = ?3, message_id = ?4, livedesk_status = ?5, error_code = ?6, error = ?7,
                settled_at = ?8, left_at = coalesce(?9, left_at)
             WHERE id = ?1 AND state = 'claimed' AND run = ?2",
            values![
                claim.lease.id,
                self.this_run(),
                state,
                message_id.map(|id| stored(id.0)),
                status,
                code,
                text,
                now(),
                claim.left_at.map(Timestamp::as_millisecond)
            ],
        )
        .await
    }

    async fn refuse(&self, lease: Lease, failure: Failure) -> Result<(), LedgerError> {
        const { assert!(State::Pending.can_become(State::Failed)) };
        self.step(
            &lease.key,
            "UPDATE delivery SET state = 'failed', run = ?2, attempts = ?6, error_code = ?3, error = ?4,
                first_attempt_at = coalesce(first_attempt_at, ?5), settled_at = ?5, message_id = ?7, livedesk_status = ?8
             WHERE id = ?1 AND state = 'pending'",
            values![
                lease.id,
                self.this_run(),
                failure.code,
                failure.text,
                now(),
                lease.attempts,
                failure.message_id.map(|id| stored(id.0)),
                failure.livedesk_status
            ],
        )
        .await
    }
}

impl Sqlite {
    /// Failed deliveries with this code, for looking at.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn failed_with(&self, code: &'static str) -> Result<Vec<Lease>, LedgerError> {
        self.alone(move |connection| leases(connection, "d.state = 'failed' AND d.error_code = ?1", &[&code])).await
    }
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
    connection.execute("UPDATE campaign SET last_request_at = last_request_at + ?1", [set])?;
    Ok(())
}

/// Pending deliveries of the list as last read, behind the id `after`.
fn pending(connection: &Connection, after: i64, limit: usize) -> Result<Vec<Lease>, LedgerError> {
    leases(
        connection,
        "d.state = 'pending' AND d.id > ?1 AND d.enrolment = (SELECT enrolment FROM campaign) ORDER BY d.id LIMIT ?2",
        params![after, i64::try_from(limit).unwrap_or(i64::MAX)],
    )
}

/// Deliveries that fulfil a condition.
fn leases(connection: &Connection, condition: &str, values: &[&dyn ToSql]) -> Result<Vec<Lease>, LedgerError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT d.id, d.key, d.line, c.names, d.cells, d.attempts, d.contact_id, d.conversation_id,
                d.made_for, d.sent_as, d.message_id
         FROM delivery d JOIN columns c ON c.id = d.columns WHERE {condition}"
    ))?;
    // Neighbours almost always have the same columns: they are read once for all of them.
    let mut columns: Option<(String, Arc<Columns>)> = None;
    let mut rows = statement.query(values)?;
    let mut leases = Vec::new();
    while let Some(row) = rows.next()? {
        let names: String = row.get(3)?;
        let shared = match &columns {
            Some((same, shared)) if *same == names => shared.clone(),
            _ => Arc::new(Columns::new(json(&names)?)),
        };
        columns = Some((names, shared.clone()));
        leases.push(lease(row, shared)?);
    }
    Ok(leases)
}

fn lease(row: &SqlRow<'_>, columns: Arc<Columns>) -> Result<Lease, LedgerError> {
    let cells: Vec<Value> = json(&row.get::<_, String>(4)?)?;
    let contact_id = row.get::<_, Option<i64>>(6)?.map(|id| ContactId(unstored(id)));
    let conversation_id = row.get::<_, Option<i64>>(7)?.map(|id| ConversationId(unstored(id)));
    Ok(Lease {
        id: row.get(0)?,
        key: row.get(1)?,
        row: Row::new(unstored(row.get(2)?), columns, cells.into()),
        attempts: row.get(5)?,
        contact_is_kept: contact_id.is_some(),
        conversation_is_kept: conversation_id.is_some(),
        contact_id,
        conversation_id,
        address_hash: row.get(8)?,
        message_hash: row.get(9)?,
        failed_message: row.get::<_, Option<i64>>(10)?.map(|id| MessageId(unstored(id))),
    })
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, LedgerError> {
    serde_json::from_str(text).map_err(|error| LedgerError::damaged(&format!("a row cannot be read back: {error}")))
}

/// SQLite's integers are signed; ids beyond them do not occur, and would come back as they were.
pub(super) const fn stored(number: u64) -> i64 {
    number.cast_signed()
}

/// The inverse of [`stored`].
pub(super) const fn unstored(number: i64) -> u64 {
    number.cast_unsigned()
}

pub(super) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
