//! What a copy to another ledger has left in a database, and ledgers that are opened for one.

use tokio_postgres::Client;

use super::address::Address;
use super::checks;
use super::format::{self, Found};
use super::handle::{Kept, Postgres};
use super::open::{Acquired, acquire};
use super::session::Session;
use super::transfer_mark::{set_transfer, transfer};
use super::workers::Mode;
use crate::ledger::LedgerError;
use crate::ledger::transfer::Transfer;

impl Postgres {
    /// The campaigns whose ledgers are in a database, also those that were moved.
    pub(in crate::ledger) async fn campaigns(address: &Address) -> Result<Vec<String>, LedgerError> {
        let looking = async |client: Client, _: String| {
            if format::find(&client).await? == Found::Nothing {
                return Ok(None);
            }
            Ok(Some((Session::new(client, 0), Kept::default())))
        };
        let Some(ledger) = Self::opened(address.clone(), looking).await? else { return Ok(Vec::new()) };
        ledger
            .alone(|session| async move {
                let sql = "SELECT name FROM ledger WHERE campaign IS NOT NULL ORDER BY name";
                let names = session.client.query(sql, &[]).await?;
                names.iter().map(|row| Ok(row.try_get(0)?)).collect()
            })
            .await
    }

    /// Opens an existing ledger as the original of a copy, also one that was moved, and takes its lock. `None` where there
    /// certainly is none.
    pub(in crate::ledger) async fn open_source(address: &Address) -> Result<Option<Self>, LedgerError> {
        let open = |client: Client, name: String| async move {
            checks::check_primary(&client).await?;
            if format::find(&client).await? == Found::Nothing {
                return Ok(None);
            }
            let sql = "SELECT FROM ledger WHERE name = $1 AND campaign IS NOT NULL";
            match client.query_opt(sql, &[&name]).await? {
                Some(_) => held(client, &name).await.map(Some),
                None => Ok(None),
            }
        };
        Self::opened(address.clone(), open).await
    }

    /// Opens the ledger that a copy goes to, making it where there is certainly none, and takes its lock.
    pub(in crate::ledger) async fn open_target(address: &Address) -> Result<Self, LedgerError> {
        let open = |client: Client, name: String| async move {
            checks::check_primary(&client).await?;
            checks::check_durable(&client).await?;
            held(client, &name).await.map(Some)
        };
        Self::opened(address.clone(), open).await?.ok_or(LedgerError::Closed)
    }

    /// What a copy has left here.
    pub(in crate::ledger) async fn transfer(&self) -> Result<Option<Transfer>, LedgerError> {
        self.alone(|session| async move { transfer(&session.client, session.ledger).await }).await
    }

    /// Marks the ledger, or takes its mark away.
    pub(in crate::ledger) async fn set_transfer(&self, mark: Option<Transfer>) -> Result<(), LedgerError> {
        self.alone(move |session| async move { set_transfer(&session.client, session.ledger, mark.as_ref()).await })
            .await
    }
}

async fn held(client: Client, name: &str) -> Result<(Session, Kept), LedgerError> {
    let Acquired { is_new, ledger, worker, .. } = acquire(&client, name, Mode::Alone).await?;
    let kept = Kept { is_new, worker: Some(worker), ..Kept::default() };
    Ok((Session::new(client, ledger), kept))
}
