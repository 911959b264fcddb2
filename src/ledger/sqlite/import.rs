//! Rows of another ledger, into a new one.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql};
use tokio::sync::mpsc::Receiver;

use super::handle::Sqlite;
use crate::ledger::LedgerError;
use crate::ledger::tables::{Batch, Cell};

impl Sqlite {
    /// Takes in all rows that come, in one transaction.
    pub(in crate::ledger) async fn import(&self, mut batches: Receiver<Batch>) -> Result<(), LedgerError> {
        self.alone(move |connection| {
            let transaction = connection.transaction()?;
            while let Some(batch) = batches.blocking_recv() {
                insert(&transaction, &batch)?;
            }
            Ok(transaction.commit()?)
        })
        .await
    }
}

fn insert(connection: &Connection, Batch { table, rows }: &Batch) -> Result<(), LedgerError> {
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let marks = vec!["?"; names.len()].join(", ");
    // Tables of one row say so. An accepted delivery has begun a receipt, which is replaced.
    let (one, its_mark) = if matches!(table.name, "campaign" | "tracking") { ("one, ", "1, ") } else { ("", "") };
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
