//! Opening a ledger: for a run, and for looking.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::Client;

use super::address::Address;
use super::checks;
use super::connect::{connect, settle_in};
use super::format::{self, Found};
use super::handle::{Kept, Postgres, Thread};
use super::heartbeat::Heartbeat;
use super::quotas;
use super::reconnect::Reconnect;
use super::session::Session;
use super::transfer_mark::refuse_transferred;
use super::workers::{self, Mode};
use crate::ledger::{Acknowledged, Holder, LedgerError};

impl Postgres {
    /// Whether there is certainly no ledger at this address.
    pub(in crate::ledger) async fn is_first_run(address: &Address) -> Result<bool, LedgerError> {
        let open = |client, name: String| async move { existing_of_any_format(client, &name).await };
        match Self::opened(address.clone(), open).await? {
            None => Ok(true),
            Some(ledger) => ledger.is_unused().await,
        }
    }

    /// Opens the ledger for a run that works alone, making it where there is certainly none.
    pub(in crate::ledger) async fn open(address: &Address, acknowledged: Acknowledged) -> Result<Self, LedgerError> {
        Self::for_run(address, acknowledged, Mode::Alone).await
    }

    /// The same for a run that may be one of several.
    pub(in crate::ledger) async fn open_shared(
        address: &Address,
        acknowledged: Acknowledged,
    ) -> Result<Self, LedgerError> {
        let timeout = address.worker_timeout;
        let mut ledger = Self::for_run(address, acknowledged, Mode::Shared(timeout)).await?;
        if let Some(worker) = ledger.kept.worker {
            let number = ledger.alone(|session| async move { Ok(session.ledger) }).await?;
            let heartbeat = Arc::new(Heartbeat::new((number, worker), timeout, Arc::clone(&ledger.reconnect)));
            ledger.thread.handle.spawn(Arc::clone(&heartbeat).send_heartbeats(address.clone()));
            ledger.heartbeat = Some(heartbeat);
        }
        Ok(ledger)
    }

    async fn for_run(address: &Address, acknowledged: Acknowledged, mode: Mode) -> Result<Self, LedgerError> {
        let found = Self::opened(address.clone(), move |client, name: String| async move {
            for_run(client, &name, acknowledged, mode).await.map(Some)
        });
        found.await?.ok_or(LedgerError::Closed)
    }

    /// Opens an existing ledger for looking only, beside runs that may be under way. `None` where there certainly is none.
    pub(in crate::ledger) async fn open_read_only(address: &Address) -> Result<Option<Self>, LedgerError> {
        Self::opened(address.clone(), |client, name: String| async move { for_looking(client, &name).await }).await
    }

    /// Opens an existing ledger to follow its messages, beside runs that may be under way. `None` where there certainly is
    /// none.
    pub(in crate::ledger) async fn open_to_track(address: &Address) -> Result<Option<Self>, LedgerError> {
        let open = |client: Client, name: String| async move {
            checks::check_primary(&client).await?;
            existing(client, &name).await
        };
        Self::opened(address.clone(), open).await
    }

    pub(super) async fn opened<F>(
        address: Address,
        open: impl FnOnce(Client, String) -> F + Send + 'static,
    ) -> Result<Option<Self>, LedgerError>
    where
        F: Future<Output = Result<Option<(Session, Kept)>, LedgerError>> + Send,
    {
        let thread = Thread::start()?;
        let place = address.to_string();
        let reconnect = Arc::new(Reconnect::new(address.clone(), watch::Sender::default()));
        let at_end = Arc::clone(&reconnect);
        let task = thread.handle.spawn(async move {
            let (client, driver) = connect(&address, None).await?;
            tokio::spawn(async move { at_end.drive(driver).await });
            settle_in(&client).await?;
            open(client, address.ledger).await
        });
        let opened = task.await.map_err(|_| LedgerError::Closed)?.map_err(|error| error.at(Path::new(&place)))?;
        Ok(opened.map(|(session, kept)| Self::start(thread, session, reconnect, Kept { place, ..kept })))
    }
}

async fn for_run(
    client: Client,
    name: &str,
    acknowledged: Acknowledged,
    mode: Mode,
) -> Result<(Session, Kept), LedgerError> {
    checks::check_primary(&client).await?;
    if !acknowledged.not_durable {
        checks::check_durable(&client).await?;
    }
    let Acquired { is_new, ledger, worker, joined } = acquire(&client, name, mode).await?;
    refuse_transferred(&client, ledger).await?;
    let interrupted = workers::settle_interrupted(&client, ledger, None).await?;
    if joined.is_some() {
        // The list is taken in already: whoever comes next need not wait for this worker.
        workers::unlock(&client, ledger).await?;
    }
    let risk = checks::failover_risk(&client).await?;
    let is_durable = !acknowledged.not_durable;
    let kept = Kept { is_new, interrupted, is_durable, risk, worker: Some(worker), joined, ..Kept::default() };
    Ok((Session::new(client, ledger), kept))
}

/// A ledger that this process holds.
pub(super) struct Acquired {
    /// Whether it was made.
    pub(super) is_new: bool,
    /// Its number.
    pub(super) ledger: i32,
    /// This process among its workers.
    pub(super) worker: i64,
    /// Another one.
    joined: Option<Holder>,
}

/// Takes the lock of a ledger, making it where there is none, and becomes one of its workers.
pub(super) async fn acquire(client: &Client, name: &str, mode: Mode) -> Result<Acquired, LedgerError> {
    format::ensure(client).await?;
    let is_new =
        client.execute("INSERT INTO ledger (name) VALUES ($1) ON CONFLICT (name) DO NOTHING", &[&name]).await? == 1;
    let ledger: i32 = client.query_one("SELECT id FROM ledger WHERE name = $1", &[&name]).await?.try_get(0)?;
    client.execute("INSERT INTO pace (ledger) VALUES ($1) ON CONFLICT (ledger) DO NOTHING", &[&ledger]).await?;
    if let Some(holder) = workers::lock(client, ledger).await? {
        return Err(match mode {
            Mode::Alone => LedgerError::InUse(holder),
            Mode::Shared(_) => LedgerError::Enrolling(holder),
        });
    }
    let worker = workers::register(client, ledger, mode).await?;
    workers::remove_dead(client, ledger, worker, Duration::ZERO).await?;
    let others = workers::list_others(client, ledger, worker).await?;
    let joined = others.into_iter().next().map(|other| other.holder);
    if joined.is_none() {
        // What those knew who were at work before may be no longer so.
        client.execute("DELETE FROM shared_state WHERE ledger = $1", &[&ledger]).await?;
        client.execute("INSERT INTO shared_state (ledger) VALUES ($1)", &[&ledger]).await?;
        quotas::forget(client, ledger).await?;
    }
    match (&joined, mode) {
        (Some(holder), Mode::Alone) => Err(LedgerError::InUse(holder.clone())),
        _ => Ok(Acquired { is_new, ledger, worker, joined }),
    }
}

async fn for_looking(client: Client, name: &str) -> Result<Option<(Session, Kept)>, LedgerError> {
    client.batch_execute("SET default_transaction_read_only TO on").await?;
    existing(client, name).await
}

async fn existing(client: Client, name: &str) -> Result<Option<(Session, Kept)>, LedgerError> {
    match format::find(&client).await? {
        Found::Older(found) => Err(format::is_older(found)),
        _ => existing_of_any_format(client, name).await,
    }
}

async fn existing_of_any_format(client: Client, name: &str) -> Result<Option<(Session, Kept)>, LedgerError> {
    if format::find(&client).await? == Found::Nothing {
        return Ok(None);
    }
    let Some(row) = client.query_opt("SELECT id FROM ledger WHERE name = $1", &[&name]).await? else { return Ok(None) };
    let ledger = row.try_get(0)?;
    refuse_transferred(&client, ledger).await?;
    let dead = workers::list(&client, ledger).await?.is_empty();
    let mut session = Session::new(client, ledger);
    session.dead = dead;
    Ok(Some((session, Kept::default())))
}
