//! The mark that a copy to another ledger leaves in both: which copy it is, and where the campaign continues.

use tokio_postgres::Client;

use crate::ledger::LedgerError;
use crate::ledger::transfer::{Transfer, TransferKind};

/// The mark; `None` where there is none.
pub(super) async fn transfer(client: &Client, ledger: i32) -> Result<Option<Transfer>, LedgerError> {
    let found = client.query_opt("SELECT id, word, place FROM transfer WHERE ledger = $1", &[&ledger]).await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(Transfer { id: row.try_get(0)?, kind: TransferKind::parse(row.try_get(1)?)?, place: row.try_get(2)? }))
}

pub(super) async fn set_transfer(client: &Client, ledger: i32, mark: Option<&Transfer>) -> Result<(), LedgerError> {
    match mark {
        Some(Transfer { id, kind, place }) => {
            let sql = "INSERT INTO transfer (ledger, id, word, place) VALUES ($1, $2, $3, $4)
                ON CONFLICT (ledger) DO UPDATE SET id = excluded.id, word = excluded.word, place = excluded.place";
            client.execute(sql, &[&ledger, id, &kind.word(), place]).await?
        }
        None => client.execute("DELETE FROM transfer WHERE ledger = $1", &[&ledger]).await?,
    };
    Ok(())
}

/// A ledger whose campaign continues elsewhere is not used, nor one that has not arrived.
pub(super) async fn refuse_transferred(client: &Client, ledger: i32) -> Result<(), LedgerError> {
    transfer(client, ledger).await?.map_or(Ok(()), |mark| Err(mark.refusal()))
}
