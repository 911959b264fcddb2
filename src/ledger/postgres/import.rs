//! Rows of another ledger, in place of what this one holds.

use tokio::sync::mpsc::Receiver;
use tokio_postgres::types::ToSql;

use super::handle::Postgres;
use super::id_map::IdMap;
use super::session::Session;
use super::transfer_mark::set_transfer;
use crate::ledger::LedgerError;
use crate::ledger::tables::{Batch, Cell, Chunk, Kind, Table};
use crate::ledger::transfer::Transfer;

/// Whatever belongs to a ledger, in an order in which it can be taken away. Receipts and histories go with their deliveries.
const EMPTIED: [&str; 5] = ["delivery", "left_out", "columns", "attachment", "canary"];

impl Postgres {
    /// Takes in all rows that come, and the mark of the copy that they belong to, in one transaction.
    pub(in crate::ledger) async fn import(
        &self,
        chunks: Receiver<Chunk>,
        mark: Option<Transfer>,
    ) -> Result<(), LedgerError> {
        self.alone(|session| async move {
            session.begin().await?;
            let imported = import(&session, chunks, mark.as_ref()).await;
            session.end(imported).await
        })
        .await
    }
}

async fn import(session: &Session, mut chunks: Receiver<Chunk>, mark: Option<&Transfer>) -> Result<(), LedgerError> {
    for table in EMPTIED {
        session.client.execute(&format!("DELETE FROM {table} WHERE ledger = $1"), &[&session.ledger]).await?;
    }
    let mut arrival = Arrival { session, columns: IdMap::default(), deliveries: IdMap::default() };
    loop {
        match chunks.recv().await {
            Some(Chunk::Rows(batch)) => arrival.insert(batch).await?,
            Some(Chunk::End) => break,
            // Whoever sends them says why there are no more.
            None => return Err(LedgerError::Closed),
        }
    }
    set_transfer(&session.client, session.ledger, mark).await
}

/// Rows on their way into the ledger, and the ids that they get.
struct Arrival<'s> {
    session: &'s Session,
    columns: IdMap,
    deliveries: IdMap,
}

impl Arrival<'_> {
    async fn insert(&mut self, Batch { table, mut rows }: Batch) -> Result<(), LedgerError> {
        if rows.is_empty() {
            return Ok(());
        }
        match table.name {
            "campaign" | "tracking" => return self.update_ledger(table, &rows).await,
            "columns" | "delivery" => self.number(table, &mut rows).await?,
            _ => {}
        }
        for (at, (name, _)) in table.columns.iter().enumerate() {
            let map = match *name {
                "columns" => &self.columns,
                "delivery" => &self.deliveries,
                _ => continue,
            };
            for row in &mut rows {
                if let Cell::Integer(id) = &mut row[at] {
                    *id = map.new_id(*id)?;
                }
            }
        }
        self.insert_rows(table, &rows).await
    }

    /// Gives rows the next ids of their table, in their order. Ids come first.
    async fn number(&mut self, table: &Table, rows: &mut [Vec<Cell>]) -> Result<(), LedgerError> {
        let sql =
            "SELECT nextval(pg_get_serial_sequence('campaign.' || $1::text, 'id')) FROM generate_series(1, $2::bigint)";
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let ids = self.session.client.query(sql, &[&table.name, &count]).await?;
        let mut ids: Vec<i64> = ids.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        ids.sort_unstable();
        let map = if table.name == "columns" { &mut self.columns } else { &mut self.deliveries };
        for (row, new) in rows.iter_mut().zip(ids) {
            if let Cell::Integer(id) = &mut row[0] {
                map.push(*id, new);
                *id = new;
            }
        }
        Ok(())
    }

    /// What is one row of its own in other ledgers.
    async fn update_ledger(&self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), LedgerError> {
        let columns = columns(table, rows);
        let set: Vec<String> = table
            .columns
            .iter()
            .enumerate()
            .map(|(at, (name, kind))| {
                let name = if *name == "name" { "campaign" } else { name };
                format!("{name} = (${}::{}[])[1]", at + 2, sql_type(*kind))
            })
            .collect();
        let sql = format!("UPDATE ledger SET {} WHERE id = $1", set.join(", "));
        self.execute(&sql, &columns).await
    }

    async fn insert_rows(&self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), LedgerError> {
        let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        let arrays: Vec<String> = table
            .columns
            .iter()
            .enumerate()
            .map(|(at, (_, kind))| format!("${}::{}[]", at + 2, sql_type(*kind)))
            .collect();
        // An accepted delivery has begun a receipt, which is replaced.
        let replaced = if table.name == "receipt" {
            let set: Vec<String> = table.columns.iter().map(|(name, _)| format!("{name} = excluded.{name}")).collect();
            format!("ON CONFLICT (delivery) DO UPDATE SET {}", set.join(", "))
        } else {
            String::new()
        };
        let sql = format!(
            "INSERT INTO {} (ledger, {names}) OVERRIDING SYSTEM VALUE
             SELECT $1, {names} FROM unnest({}) WITH ORDINALITY AS row ({names}, place) ORDER BY place {replaced}",
            table.name,
            arrays.join(", ")
        );
        self.execute(&sql, &columns(table, rows)).await
    }

    /// Runs a statement whose first value is the ledger.
    async fn execute(&self, sql: &str, columns: &[Column<'_>]) -> Result<(), LedgerError> {
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&self.session.ledger];
        values.extend(columns.iter().map(|column| match column {
            Column::Integers(numbers) => numbers as &(dyn ToSql + Sync),
            Column::Texts(texts) => texts,
        }));
        self.session.client.execute(sql, &values).await?;
        Ok(())
    }
}

/// The cells of one column.
enum Column<'r> {
    Integers(Vec<Option<i64>>),
    Texts(Vec<Option<&'r str>>),
}

fn columns<'r>(table: &Table, rows: &'r [Vec<Cell>]) -> Vec<Column<'r>> {
    let column = |(at, (_, kind)): (usize, &(&str, Kind))| match kind {
        Kind::Integer => Column::Integers(rows.iter().map(|row| row[at].integer()).collect()),
        Kind::Text => Column::Texts(rows.iter().map(|row| row[at].text()).collect()),
    };
    table.columns.iter().enumerate().map(column).collect()
}

const fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => "bigint",
        Kind::Text => "text",
    }
}
