//! Rows of another ledger, in place of what this one holds.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql};
use tokio::sync::mpsc::Receiver;

use super::handle::Sqlite;
use super::transfer_mark::set_transfer;
use crate::ledger::LedgerError;
use crate::ledger::tables::{Batch, Cell, Chunk, TABLES};
use crate::ledger::transfer::Transfer;

impl Sqlite {
    /// Takes in all rows that come, and the mark of the copy that they belong to, in one transaction.
    pub(in crate::ledger) async fn import(
        &self,
        mut chunks: Receiver<Chunk>,
        mark: Option<Transfer>,
    ) -> Result<(), LedgerError> {
        self.alone(move |connection| {
            let transaction = connection.transaction()?;
            for table in TABLES.iter().rev() {
                transaction.execute(&format!("DELETE FROM {}", table.name), [])?;
            }
            loop {
                match chunks.blocking_recv() {
                    Some(Chunk::Rows(batch)) => insert(&transaction, &batch)?,
                    Some(Chunk::End) => break,
                    // Whoever sends them says why there are no more.
                    None => return Err(LedgerError::Closed),
                }
            }
            set_transfer(&transaction, mark.as_ref())?;
            transaction.execute(COUNT_CLAIMS, [])?;
            Ok(transaction.commit()?)
        })
        .await?;
        // The counter beside the ledger follows it.
        self.change(true, |_| Ok(())).await
    }
}

/// Whoever has lost this file must not find it missing by a counter that knows of no attempt.
const COUNT_CLAIMS: &str = "UPDATE identity SET claims = claims + (SELECT coalesce(sum(attempts), 0) FROM delivery)";

fn insert(connection: &Connection, Batch { table, rows }: &Batch) -> Result<(), LedgerError> {
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let marks = vec!["?"; names.len()].join(", ");
    // Tables of one row say so. An accepted delivery has begun a receipt, which is replaced.
    let (one, its_mark) =
        if matches!(table.name, "campaign" | "tracking" | "canary") { ("one, ", "1, ") } else { ("", "") };
    let sql = format!("INSERT OR REPLACE INTO {} ({one}{}) VALUES ({its_mark}{marks})", table.name, names.join(", "));
    let mut statement = connection.prepare_cached(&sql)?;
    for row in rows {
        statement.execute(rusqlite::params_from_iter(row))?;
    }
    Ok(())
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}
