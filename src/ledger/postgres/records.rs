//! The records of a report: read as a stream and handed over in batches, so that no report is ever in memory as a whole.

use std::pin::pin;

use futures_util::TryStreamExt;
use indexmap::IndexSet;
use serde_json::Value;
use tokio::sync::mpsc::Sender;
use tokio_postgres::Row as SqlRow;

use super::session::Session;
use super::track::receipt;
use crate::ledger::values::{ColumnsOfRows, earlier, json, state, time, unstored};
use crate::ledger::{LedgerError, RecordQuery};
use crate::recipients::Row;
use crate::report::{ReceiptColumns, Record};

/// Records that are handed over together.
const BATCH: usize = 512;

/// Batches that wait to be taken at most.
pub(super) const WAITING: usize = 4;

/// The names and the cells of the row, where they are asked for.
const ROW: &str = "(SELECT names FROM columns WHERE columns.id = columns), cells";
const NO_ROW: &str = "NULL::text, NULL::text";

/// Reads the records that are asked for, until nobody takes them any more.
pub(super) async fn read(
    session: &Session,
    RecordQuery { only, with_rows }: &RecordQuery,
    to: &Sender<Vec<Record>>,
) -> Result<(), LedgerError> {
    let (deliveries, ledger) = (session.deliveries(), session.ledger);
    let row = |table: &str| {
        if *with_rows { ROW.replace("= columns", &format!("= {table}.columns")) } else { NO_ROW.to_owned() }
    };
    let (of_seen, of_left_out) = (row("seen"), row("left_out"));
    let words: Vec<String> = only.iter().map(|state| format!("'{}'", state.word())).collect();
    let condition = if words.is_empty() { String::new() } else { format!("WHERE state IN ({})", words.join(", ")) };
    let sql = format!(
        "SELECT * FROM (
            SELECT line_on_list AS line, key, state, livedesk_status, error_code, seen.error, attempts,
                seen.contact_id, seen.conversation_id, seen.message_id, first_attempt_at, settled_at, id,
                (SELECT json_agg(json_build_array(outcome, error_code, error, word, at, note) ORDER BY at, history.id)::text
                 FROM history WHERE delivery = seen.id), {of_seen},
                r.status, r.status_at, r.code, r.error AS receipt_error, r.replied_at, r.opted_out, r.checked_at, r.is_gone,
                r.delivery IS NOT NULL AND r.look_at IS NULL
            FROM {deliveries} LEFT JOIN receipt r ON r.delivery = seen.id
            UNION ALL
            SELECT line, key, 'skipped', NULL, reason, detail, 0, NULL, NULL, NULL, NULL, NULL, id, NULL, {of_left_out},
                NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false
            FROM left_out WHERE ledger = {ledger}) AS records {condition}
         ORDER BY line NULLS LAST, id"
    );
    let none: [&str; 0] = [];
    let mut rows = pin!(session.client.query_raw(&sql, none).await?);
    let (mut batch, mut columns) = (Vec::with_capacity(BATCH), ColumnsOfRows::default());
    while let Some(row) = rows.try_next().await? {
        batch.push(record(&row, &mut columns)?);
        if batch.len() == BATCH && to.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).await.is_err() {
            return Ok(());
        }
    }
    // Whoever takes no more has what they wanted.
    let _ = to.send(batch).await;
    Ok(())
}

/// The names of all columns that a row has, those of the first rows first.
pub(super) async fn columns(session: &Session) -> Result<Vec<String>, LedgerError> {
    let sql = "SELECT names FROM columns WHERE id IN (SELECT columns FROM delivery WHERE ledger = $1
         UNION SELECT columns FROM left_out WHERE ledger = $1) ORDER BY id";
    let mut all = IndexSet::new();
    for row in session.client.query(sql, &[&session.ledger]).await? {
        all.extend(json::<Vec<String>>(row.try_get(0)?)?);
    }
    Ok(all.into_iter().collect())
}

fn record(row: &SqlRow, columns: &mut ColumnsOfRows) -> Result<Record, LedgerError> {
    let id = |at: usize| row.try_get::<_, Option<i64>>(at).map(|id| id.map(unstored));
    let moment = |at: usize| row.try_get::<_, Option<i64>>(at).map(|at| at.and_then(time));
    let (first_attempt_at, settled_at) = (moment(10)?, moment(11)?);
    let duration = first_attempt_at.zip(settled_at).map(|(first, settled)| settled.duration_since(first).as_millis());
    let (attempts, history): (i64, Option<&str>) = (row.try_get(6)?, row.try_get(13)?);
    let line = id(0)?;
    Ok(Record {
        line,
        key: row.try_get(1)?,
        outcome: state(row.try_get(2)?)?,
        livedesk_status: row.try_get(3)?,
        error_code: row.try_get(4)?,
        error: row.try_get(5)?,
        attempts: u32::try_from(attempts).map_err(LedgerError::damaged)?,
        contact_id: id(7)?,
        conversation_id: id(8)?,
        message_id: id(9)?,
        first_attempt_at,
        settled_at,
        duration_ms: duration.and_then(|duration| u64::try_from(duration).ok()),
        earlier: history.map_or_else(|| Ok(Vec::new()), earlier)?,
        row: list_row(row, line, columns)?,
        receipt: ReceiptColumns::new(receipt(row, 16)?, row.try_get(24)?),
    })
}

fn list_row(row: &SqlRow, line: Option<u64>, columns: &mut ColumnsOfRows) -> Result<Option<Row>, LedgerError> {
    let (Some(names), Some(cells)) = (row.try_get::<_, Option<String>>(14)?, row.try_get::<_, Option<&str>>(15)?)
    else {
        return Ok(None);
    };
    let cells: Vec<Value> = json(cells)?;
    Ok(Some(Row::new(line.unwrap_or_default(), columns.read(names)?, cells.into())))
}
