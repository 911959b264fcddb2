//! Receipts: which messages to look at, and what was seen. Uses the table `receipt`, and never writes deliveries.

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use super::deliver::leases;
use super::handle::Sqlite;
use crate::ledger::values::{stored, time, unstored};
use crate::ledger::{LedgerError, Observation, Position, Track, TrackQuery, TrackedMessage, UnknownDelivery};
use crate::receipt::{MessageStatus, OptOut, Receipt, ReceiptTotals, StatusUpdate};
use crate::state::{ContactId, ConversationId, MessageId};

/// What can be looked at.
const TRACKED: &str = "SELECT status, status_at, code, error, replied_at, opted_out, checked_at, is_gone,
        delivery, conversation_id, message_id, contact_id, accepted_at, look_at
    FROM receipt WHERE conversation_id IS NOT NULL AND message_id IS NOT NULL";

/// What the canary has sent.
const OF_CANARY: &str = "delivery IN (SELECT id FROM delivery
    WHERE run > max(?3, coalesce((SELECT after_run FROM canary), 0)))";

impl Track for Sqlite {
    async fn tracked(
        &self,
        which: TrackQuery,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<TrackedMessage>, LedgerError> {
        let after = after.map_or(0, Position::number);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (condition, by) = match which {
            TrackQuery::DueBy(time) => ("look_at <= ?3", time.as_millisecond()),
            TrackQuery::Open => ("(look_at <= ?3 OR (status = 'failed' AND NOT is_gone))", i64::MAX),
            TrackQuery::Canary => (OF_CANARY, 0),
        };
        self.alone(move |connection| {
            let sql = format!("{TRACKED} AND delivery > ?1 AND {condition} ORDER BY delivery LIMIT ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            collect(&mut statement, params![after, limit, by])
        })
        .await
    }

    async fn tracked_in(
        &self,
        conversations: Vec<ConversationId>,
        contacts: Vec<ContactId>,
    ) -> Result<Vec<TrackedMessage>, LedgerError> {
        let conversations = id_list(conversations.iter().map(|id| id.0));
        let contacts = id_list(contacts.iter().map(|id| id.0));
        self.alone(move |connection| {
            // Each by its index.
            let by = |column: &str, ids: &str| {
                let sql = format!("{TRACKED} AND {column} IN (SELECT value FROM json_each(?1)) ORDER BY delivery");
                collect(&mut connection.prepare_cached(&sql)?, params![ids])
            };
            let mut found = by("conversation_id", &conversations)?;
            found.extend(by("contact_id", &contacts)?);
            found.sort_by_key(|tracked| tracked.position);
            found.dedup_by_key(|tracked| tracked.position);
            Ok(found)
        })
        .await
    }

    async fn observe(&self, observations: Vec<Observation>) -> Result<(), LedgerError> {
        self.alone(move |connection| {
            let transaction = connection.transaction()?;
            for observation in observations {
                merge(&transaction, observation)?;
            }
            Ok(transaction.commit()?)
        })
        .await
    }

    async fn unknown_deliveries(&self) -> Result<Vec<UnknownDelivery>, LedgerError> {
        self.alone(|connection| {
            let leases = leases(connection, "d.id IN (SELECT id FROM delivery_view WHERE state = 'unknown')", &[])?;
            let mut claimed =
                connection.prepare_cached("SELECT coalesce(left_at, claimed_at, 0) FROM delivery WHERE id = ?1")?;
            let unknown_deliveries = leases.into_iter().map(|lease| {
                let at: i64 = claimed.query_row([lease.position().number()], |row| row.get(0))?;
                Ok(UnknownDelivery { lease, claimed_at: time(at).unwrap_or_default() })
            });
            unknown_deliveries.collect()
        })
        .await
    }

    async fn complete_until(&self) -> Result<Option<Timestamp>, LedgerError> {
        self.alone(|connection| {
            let sql = "SELECT complete_until FROM tracking";
            let at: Option<Option<i64>> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
            Ok(at.flatten().and_then(time))
        })
        .await
    }

    async fn set_complete_until(&self, until: Timestamp) -> Result<(), LedgerError> {
        self.alone(move |connection| {
            let sql = "INSERT INTO tracking (one, complete_until) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE
                SET complete_until = max(coalesce(complete_until, ?1), ?1)";
            connection.execute(sql, [until.as_millisecond()])?;
            Ok(())
        })
        .await
    }
}

fn id_list(ids: impl Iterator<Item = u64>) -> String {
    serde_json::Value::from(ids.map(stored).collect::<Vec<_>>()).to_string()
}

fn collect(
    statement: &mut CachedStatement<'_>,
    values: impl rusqlite::Params,
) -> Result<Vec<TrackedMessage>, LedgerError> {
    let mut rows = statement.query(values)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let id = |at: usize| row.get::<_, i64>(at).map(unstored);
        all.push(TrackedMessage {
            position: Position::new(row.get(8)?),
            conversation_id: ConversationId(id(9)?),
            message_id: MessageId(id(10)?),
            contact_id: row.get::<_, Option<i64>>(11)?.map(|id| ContactId(unstored(id))),
            accepted_at: time(row.get(12)?).unwrap_or_default(),
            next_look: row.get::<_, Option<i64>>(13)?.and_then(time),
            receipt: receipt(row, 0)?,
        });
    }
    Ok(all)
}

/// Reads a receipt from eight columns in the order of [`TRACKED`], the first of which is the one at `at`.
pub(super) fn receipt(row: &Row<'_>, at: usize) -> Result<Receipt, LedgerError> {
    let moment = |at: usize| row.get::<_, Option<i64>>(at).map(|at| at.and_then(time));
    let damaged = |word: String| LedgerError::damaged(format!("`{word}` is no word of a receipt"));
    let status: Option<String> = row.get(at)?;
    let status: Option<MessageStatus> = status.map(|word| word.parse().map_err(|_| damaged(word))).transpose()?;
    let opted_out: Option<String> = row.get(at + 5)?;
    let opted_out: Option<OptOut> = opted_out.map(|word| word.parse().map_err(|_| damaged(word))).transpose()?;
    let seen = match status {
        Some(status) => Some(StatusUpdate {
            status,
            at: moment(at + 1)?.unwrap_or_default(),
            code: row.get(at + 2)?,
            error: row.get(at + 3)?,
        }),
        None => None,
    };
    Ok(Receipt {
        seen,
        replied_at: moment(at + 4)?,
        opted_out,
        checked_at: moment(at + 6)?,
        is_gone: row.get::<_, Option<bool>>(at + 7)?.unwrap_or_default(),
    })
}

fn merge(connection: &Connection, observation: Observation) -> Result<(), LedgerError> {
    let Observation { position, message_id, receipt: seen, next_look, contact_id } = observation;
    let (id, message_id) = (position.number(), stored(message_id.0));
    let mut find = connection.prepare_cached(
        "SELECT status, status_at, code, error, replied_at, opted_out, checked_at, is_gone
         FROM receipt WHERE delivery = ?1 AND message_id = ?2",
    )?;
    let mut rows = find.query([id, message_id])?;
    // Sent again meanwhile, or no longer accepted: this look was at a message that counts no more.
    let Some(row) = rows.next()? else { return Ok(()) };
    let merged = receipt(row, 0)?.merge(seen);
    drop(rows);
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let seen = merged.seen;
    connection
        .prepare_cached(
            "UPDATE receipt SET status = ?2, status_at = ?3, code = ?4, error = ?5, replied_at = ?6, opted_out = ?7,
                checked_at = ?8, is_gone = ?9, look_at = ?10,
                contact_id = coalesce(?11, contact_id)
             WHERE delivery = ?1",
        )?
        .execute(params![
            id,
            seen.as_ref().map(|seen| seen.status.word()),
            seen.as_ref().map(|seen| seen.at.as_millisecond()),
            seen.as_ref().and_then(|seen| seen.code.as_deref()),
            seen.as_ref().and_then(|seen| seen.error.as_deref()),
            millis(merged.replied_at),
            merged.opted_out.map(OptOut::word),
            millis(merged.checked_at),
            merged.is_gone,
            millis(next_look),
            contact_id.map(|id| stored(id.0))
        ])?;
    Ok(())
}

/// How many of the accepted messages that fulfil a condition are where.
pub(super) fn totals(connection: &Connection, condition: &str) -> Result<ReceiptTotals, LedgerError> {
    // What is the same for many is counted by SQLite; the rules are those of `ReceiptTotals`.
    let sql = format!(
        "SELECT status, 0, NULL, NULL, iif(replied_at IS NULL, NULL, 0), opted_out, max(checked_at), 0,
            look_at IS NULL, count(*)
        FROM receipt WHERE {condition}
        GROUP BY status, replied_at IS NULL, opted_out, checked_at IS NULL, look_at IS NULL"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut totals = ReceiptTotals::default();
    while let Some(row) = rows.next()? {
        totals.add_many(&receipt(row, 0)?, row.get(8)?, unstored(row.get(9)?));
    }
    Ok(totals)
}
