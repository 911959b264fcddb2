//! Everything that a ledger holds, for another ledger.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row as SqlRow, TransactionBehavior};
use tokio::sync::mpsc::Sender;

use super::handle::Sqlite;
use crate::ledger::LedgerError;
use crate::ledger::tables::{BATCH, Batch, Cell, Chunk, TABLES, Table};

impl Sqlite {
    /// Sends all rows, until nobody takes them any more.
    pub(in crate::ledger) async fn export(&self, to: Sender<Chunk>) -> Result<(), LedgerError> {
        self.alone(move |connection| {
            // One snapshot for all of them.
            let snapshot = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            for table in TABLES {
                if !send(&snapshot, table, &to)? {
                    // Whoever takes no more has failed, and says why.
                    return Ok(());
                }
            }
            let _ = to.blocking_send(Chunk::End);
            Ok(())
        })
        .await
    }
}

/// Sends a table. Gives whether somebody took it.
fn send(connection: &Connection, table: &'static Table, to: &Sender<Chunk>) -> Result<bool, LedgerError> {
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let mut select = connection.prepare(&format!("SELECT {} FROM {} ORDER BY rowid", names.join(", "), table.name))?;
    let mut rows = select.query([])?;
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH
            && let Some(row) = rows.next()?
        {
            batch.push(cells(table, row)?);
        }
        if batch.is_empty() {
            return Ok(true);
        }
        if to.blocking_send(Chunk::Rows(Batch { table, rows: batch })).is_err() {
            return Ok(false);
        }
    }
}

fn cells(table: &Table, row: &SqlRow<'_>) -> Result<Vec<Cell>, LedgerError> {
    let cell = |at: usize| match row.get_ref(at)? {
        ValueRef::Null => Ok(Cell::Null),
        ValueRef::Integer(number) => Ok(Cell::Integer(number)),
        text => Ok(Cell::Text(text.as_str().map_err(LedgerError::damaged)?.to_owned())),
    };
    (0..table.columns.len()).map(cell).collect()
}
