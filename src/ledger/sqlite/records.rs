//! The records of a report: read by the thread of the ledger, handed over in batches, so that no report is ever in memory
//! as a whole.

use indexmap::IndexSet;
use rusqlite::{Connection, Row as SqlRow};
use serde_json::Value;
use tokio::sync::mpsc::Sender;

use super::track::receipt;
use crate::ledger::values::{ColumnsOfRows, earlier, json, state, time, unstored};
use crate::ledger::{LedgerError, RecordQuery};
use crate::recipients::Row;
use crate::report::{ReceiptColumns, Record};

/// Records that are handed over together.
const BATCH: usize = 512;

/// Batches that wait to be taken at most.
pub(super) const WAITING: usize = 4;

/// `{row}` are the names and the cells of the row, where they are asked for, and `{where}` is the condition.
const RECORDS: &str = "SELECT * FROM (
    SELECT line_on_list AS line, key, state, livedesk_status, error_code, d.error, attempts, d.contact_id, d.conversation_id,
        d.message_id, first_attempt_at, settled_at, id,
        (SELECT nullif(json_group_array(json_array(outcome, error_code, error, word, at, note) ORDER BY at), '[]')
         FROM history WHERE delivery = d.id), {row},
        r.status, r.status_at, r.code, r.error AS receipt_error, r.replied_at, r.opted_out, r.checked_at, r.is_gone,
        r.delivery IS NOT NULL AND r.look_at IS NULL
    FROM delivery_view d LEFT JOIN receipt r ON r.delivery = d.id
    UNION ALL
    SELECT line, key, 'skipped', NULL, reason, detail, 0, NULL, NULL, NULL, NULL, NULL, rowid, NULL, {row},
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0
    FROM left_out) {where}
    ORDER BY line IS NULL, line, id";

/// The values of `{row}`.
const ROW: &str = "(SELECT names FROM columns WHERE id = columns), cells";
const NO_ROW: &str = "NULL, NULL";

/// Reads the records that are asked for, until nobody takes them any more.
pub(super) fn read(
    connection: &Connection,
    RecordQuery { only, with_rows }: &RecordQuery,
    to: &Sender<Vec<Record>>,
) -> Result<(), LedgerError> {
    let words: Vec<String> = only.iter().map(|state| format!("'{}'", state.word())).collect();
    let condition = if words.is_empty() { String::new() } else { format!("WHERE state IN ({})", words.join(", ")) };
    let sql = RECORDS.replace("{row}", if *with_rows { ROW } else { NO_ROW }).replace("{where}", &condition);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let (mut batch, mut columns) = (Vec::with_capacity(BATCH), ColumnsOfRows::default());
    while let Some(row) = rows.next()? {
        batch.push(record(row, &mut columns)?);
        if batch.len() == BATCH && to.blocking_send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).is_err() {
            return Ok(());
        }
    }
    // Whoever takes no more has what they wanted.
    let _ = to.blocking_send(batch);
    Ok(())
}

/// The names of all columns that a row has, those of the first rows first.
pub(super) fn columns(connection: &Connection) -> Result<Vec<String>, LedgerError> {
    let mut statement = connection.prepare(
        "SELECT names FROM columns WHERE id IN (SELECT columns FROM delivery UNION SELECT columns FROM left_out) ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    let mut all = IndexSet::new();
    while let Some(row) = rows.next()? {
        all.extend(json::<Vec<String>>(&row.get::<_, String>(0)?)?);
    }
    Ok(all.into_iter().collect())
}

fn record(row: &SqlRow<'_>, columns: &mut ColumnsOfRows) -> Result<Record, LedgerError> {
    let id = |at: usize| row.get::<_, Option<i64>>(at).map(|id| id.map(unstored));
    let moment = |at: usize| row.get::<_, Option<i64>>(at).map(|at| at.and_then(time));
    let (first_attempt_at, settled_at) = (moment(10)?, moment(11)?);
    let duration = first_attempt_at.zip(settled_at).map(|(first, settled)| settled.duration_since(first).as_millis());
    let history: Option<String> = row.get(13)?;
    let line = id(0)?;
    Ok(Record {
        line,
        key: row.get(1)?,
        outcome: state(&row.get::<_, String>(2)?)?,
        livedesk_status: row.get(3)?,
        error_code: row.get(4)?,
        error: row.get(5)?,
        attempts: row.get(6)?,
        contact_id: id(7)?,
        conversation_id: id(8)?,
        message_id: id(9)?,
        first_attempt_at,
        settled_at,
        duration_ms: duration.and_then(|duration| u64::try_from(duration).ok()),
        earlier: history.map_or_else(|| Ok(Vec::new()), |history| earlier(&history))?,
        row: list_row(row, line, columns)?,
        receipt: ReceiptColumns::new(receipt(row, 16)?, row.get(24)?),
    })
}

fn list_row(row: &SqlRow<'_>, line: Option<u64>, columns: &mut ColumnsOfRows) -> Result<Option<Row>, LedgerError> {
    let (Some(names), Some(cells)) = (row.get::<_, Option<String>>(14)?, row.get::<_, Option<String>>(15)?) else {
        return Ok(None);
    };
    let cells: Vec<Value> = json(&cells)?;
    Ok(Some(Row::new(line.unwrap_or_default(), columns.read(names)?, cells.into())))
}
