//! Checksums of rows and of the tables' definitions. SQLite has none: a bit that flips on the disk inside a cell
//! changes a key, a phone number or a state, and nothing else would notice. SQLite itself computes a row's checksum
//! with each statement that writes it, as a generated column, so no statement can forget it.
//!
//! Knows neither the tables nor what their columns mean; what follows from damage is decided where a ledger is opened.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

use crate::ledger::LedgerError;

/// All definitions, in the order in which they were made.
const SCHEMA: &str = "SELECT checksum(group_concat(sql, ';')) FROM
    (SELECT sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*' ORDER BY rowid)";

/// Bytes that most rows have room in.
const USUAL: usize = 1024;

/// Makes the SQL function `checksum` known, without which no row of a ledger can be written.
///
/// # Errors
/// SQLite's.
pub fn register(connection: &Connection) -> Result<(), rusqlite::Error> {
    // Innocuous: a definition of a table may use it, whoever has made the file.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("checksum", -1, flags, |values| Ok(checksum(values)))
}

/// The CRC-32 of values with their types and lengths, so that nothing can move from one value to its neighbour. They are put
/// together first: one long text is summed up many times faster than many short ones.
fn checksum(values: &Context<'_>) -> i64 {
    let mut all = Vec::with_capacity(USUAL);
    let mut add = |kind: u8, bytes: &[u8]| {
        all.push(kind);
        all.extend_from_slice(&bytes.len().to_le_bytes());
        all.extend_from_slice(bytes);
    };
    for at in 0..values.len() {
        match values.get_raw(at) {
            ValueRef::Null => add(0, &[]),
            ValueRef::Integer(number) => add(1, &number.to_le_bytes()),
            ValueRef::Real(number) => add(2, &number.to_le_bytes()),
            ValueRef::Text(text) => add(3, text),
            ValueRef::Blob(bytes) => add(4, bytes),
        }
    }
    i64::from(crc32fast::hash(&all))
}

/// Keeps the checksum of the tables' definitions, once they are made.
pub(super) fn seal_schema(connection: &Connection) -> Result<(), LedgerError> {
    connection.execute(&format!("UPDATE identity SET schema = ({SCHEMA})"), [])?;
    Ok(())
}

/// Compares every checksum.
///
/// # Errors
/// [`LedgerError::Damaged`] with the first row that is not as it was written.
pub(super) fn check(connection: &Connection) -> Result<(), LedgerError> {
    let sealed: bool = connection
        .query_row(&format!("SELECT schema IS ({SCHEMA}) FROM identity"), [], |row| row.get(0))
        .optional()?
        .unwrap_or(false);
    if !sealed {
        return Err(LedgerError::damaged("the table definitions do not match their checksum"));
    }
    for table in tables(connection)? {
        let sql = format!(
            "SELECT rowid FROM {table} WHERE checksum IS NOT checksum({}) LIMIT 1",
            columns(connection, &table)?.join(", ")
        );
        let changed: Option<i64> = connection.query_row(&sql, [], |row| row.get(0)).optional()?;
        if let Some(row) = changed {
            return Err(LedgerError::damaged(format!("row {row} of table `{table}` does not match its checksum")));
        }
    }
    Ok(())
}

/// Compares what the ledger says of itself with its deliveries: the sum of what was tried, and how often the list was
/// read and a run begun. With a count that is too small, every row of the list would pass for a duplicate.
///
/// # Errors
/// [`LedgerError::Damaged`] if some of its pages are of another time than the others, or of another ledger.
pub(super) fn check_progress(connection: &Connection) -> Result<(), LedgerError> {
    let sql = "SELECT progress IS tried AND known
        FROM identity, (
            SELECT
                coalesce(sum(checksum(id, key, state, attempts, run)) FILTER (WHERE attempts > 0 OR state <> 'pending'), 0)
                    AS tried,
                coalesce(max(enrolment) <= (SELECT enrolment FROM campaign)
                    AND max(run) <= (SELECT run FROM campaign), count(*) = 0) AS known
            FROM delivery)";
    let is_whole: Option<bool> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    match is_whole {
        Some(true) => Ok(()),
        _ => Err(LedgerError::damaged("some of its pages are older, or belong to another ledger")),
    }
}

fn tables(connection: &Connection) -> Result<Vec<String>, LedgerError> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'";
    let mut statement = connection.prepare(sql)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The columns that are no generated ones.
pub(super) fn columns(connection: &Connection, table: &str) -> Result<Vec<String>, LedgerError> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid")?;
    Ok(statement.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?)
}
