//! Everything that a ledger holds, as it was at one moment, for a ledger of another kind.

use std::pin::pin;

use futures_util::TryStreamExt;
use tokio::sync::mpsc::Sender;
use tokio_postgres::Row as SqlRow;

use super::handle::Postgres;
use super::session::Session;
use crate::ledger::LedgerError;
use crate::ledger::tables::{BATCH, Batch, Cell, Chunk, Kind, TABLES, Table};

impl Postgres {
    /// Sends all rows, until nobody takes them any more.
    pub(in crate::ledger) async fn export(&self, to: Sender<Chunk>) -> Result<(), LedgerError> {
        self.alone(|session| async move {
            // One snapshot for all of them.
            session.client.batch_execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            let sent = export(&session, &to).await;
            session.end(sent).await
        })
        .await
    }
}

async fn export(session: &Session, to: &Sender<Chunk>) -> Result<(), LedgerError> {
    for table in TABLES {
        let none: [&str; 0] = [];
        let mut rows = pin!(session.client.query_raw(&query(table, session.ledger), none).await?);
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(row) = rows.try_next().await? {
            batch.push(cells(table, &row)?);
            if batch.len() == BATCH {
                let rows = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                if to.send(Chunk::Rows(Batch { table, rows })).await.is_err() {
                    return Ok(());
                }
            }
        }
        // Whoever takes no more has failed, and says why.
        let _ = to.send(Chunk::Rows(Batch { table, rows: batch })).await;
    }
    let _ = to.send(Chunk::End).await;
    Ok(())
}

/// A table as all kinds of ledgers have it.
fn query(table: &Table, ledger: i32) -> String {
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    if table.name == "campaign" {
        let names = names.join(", ").replacen("name", "campaign", 1);
        return format!("SELECT {names} FROM ledger WHERE id = {ledger} AND campaign IS NOT NULL");
    }
    if table.name == "tracking" {
        return format!("SELECT complete_until FROM ledger WHERE id = {ledger} AND campaign IS NOT NULL");
    }
    let order = match table.name {
        "attachment" => "path",
        "receipt" => "delivery",
        "canary" => "ledger",
        _ => "id",
    };
    format!("SELECT {} FROM {} WHERE ledger = {ledger} ORDER BY {order}", names.join(", "), table.name)
}

fn cells(table: &Table, row: &SqlRow) -> Result<Vec<Cell>, LedgerError> {
    let cell = |(at, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match kind {
            Kind::Integer => row.try_get::<_, Option<i64>>(at)?.map_or(Cell::Null, Cell::Integer),
            Kind::Text => row.try_get::<_, Option<String>>(at)?.map_or(Cell::Null, Cell::Text),
        })
    };
    table.columns.iter().enumerate().map(cell).collect()
}
