//! Opening a ledger: for a run, and for looking.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::Client;

use super::address::Address;
use super::checks;
use super::connect::{Driver, connect, settle_in};
use super::format::{self, Found, LOCKS};
use super::handle::{Kept, Postgres, Thread};
use super::session::Session;
use crate::ledger::values::now;
use crate::ledger::{Acknowledged, Holder, LedgerError};

/// A process that was killed holds its ledger until the server has noticed.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

impl Postgres {
    /// Whether there is certainly no ledger at this address.
    pub(in crate::ledger) async fn is_first_run(address: &Address) -> Result<bool, LedgerError> {
        let found = Self::open_read_only(address).await?;
        match found {
            None => Ok(true),
            Some(ledger) => ledger.is_unused().await,
        }
    }

    /// Opens the ledger for a run, making it where there is certainly none.
    pub(in crate::ledger) async fn open(address: &Address, acknowledged: Acknowledged) -> Result<Self, LedgerError> {
        let found = Self::opened(address.clone(), move |client, name: String| async move {
            for_run(client, &name, acknowledged).await.map(Some)
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

    async fn opened<F>(
        address: Address,
        open: impl FnOnce(Client, String) -> F + Send + 'static,
    ) -> Result<Option<Self>, LedgerError>
    where
        F: Future<Output = Result<Option<(Session, Kept)>, LedgerError>> + Send,
    {
        let thread = Thread::start()?;
        let place = address.to_string();
        let (lost, _) = watch::channel(None);
        let tell = lost.clone();
        let task = thread.handle.spawn(async move {
            let (client, driver) = connect(&address).await?;
            tokio::spawn(drive(driver, tell));
            settle_in(&client).await?;
            open(client, address.ledger).await
        });
        let opened = task.await.map_err(|_| LedgerError::Closed)?.map_err(|error| error.at(Path::new(&place)))?;
        Ok(opened.map(|(session, kept)| Self::start(thread, session, lost, Kept { place, ..kept })))
    }
}

/// Drives a connection to its end, and tells of it.
async fn drive(driver: Driver, lost: watch::Sender<Option<LedgerError>>) {
    let error = match driver.await {
        Ok(()) => LedgerError::Closed,
        Err(error) => error.into(),
    };
    lost.send_replace(Some(error));
}

async fn for_run(client: Client, name: &str, acknowledged: Acknowledged) -> Result<(Session, Kept), LedgerError> {
    checks::check_primary(&client).await?;
    if !acknowledged.not_durable {
        checks::check_durable(&client).await?;
    }
    format::ensure(&client).await?;
    let made = client.execute("INSERT INTO ledger (name) VALUES ($1) ON CONFLICT (name) DO NOTHING", &[&name]).await?;
    let ledger: i32 = client.query_one("SELECT id FROM ledger WHERE name = $1", &[&name]).await?.try_get(0)?;
    take_lock(&client, ledger).await?;
    let holder = Holder::this_process();
    client.execute("DELETE FROM worker WHERE ledger = $1", &[&ledger]).await?;
    let sql = "INSERT INTO worker (ledger, host, process, since) VALUES ($1, $2, $3, $4) RETURNING id";
    let values = (holder.host, i64::from(holder.process), now());
    let worker = client.query_one(sql, &[&ledger, &values.0, &values.1, &values.2]).await?.try_get(0)?;
    let interrupted = settle_interrupted(&client, ledger).await?;
    let risk = checks::failover_risk(&client).await?;
    let kept = Kept { is_new: made == 1, interrupted, risk, worker: Some(worker), ..Kept::default() };
    Ok((Session { client, ledger, enrolling: false, dead: false }, kept))
}

/// One run at a time holds a ledger.
async fn take_lock(client: &Client, ledger: i32) -> Result<(), LedgerError> {
    for _ in 0..TRIES {
        let taken: bool =
            client.query_one("SELECT pg_try_advisory_lock($1, $2)", &[&LOCKS, &ledger]).await?.try_get(0)?;
        if taken {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    Err(LedgerError::Held(holder(client, ledger).await?.unwrap_or_else(Holder::unnamed)))
}

/// Who holds a ledger, as far as that shows.
pub(super) async fn holder(client: &Client, ledger: i32) -> Result<Option<Holder>, LedgerError> {
    if !is_held(client, ledger).await? {
        return Ok(None);
    }
    let sql = "SELECT host, process, since FROM worker WHERE ledger = $1 ORDER BY id DESC LIMIT 1";
    let Some(row) = client.query_opt(sql, &[&ledger]).await? else { return Ok(Some(Holder::unnamed())) };
    let (process, since): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
    Ok(Some(Holder {
        host: row.try_get(0)?,
        process: u32::try_from(process).unwrap_or_default(),
        since: crate::ledger::values::time(since).unwrap_or_default(),
    }))
}

async fn is_held(client: &Client, ledger: i32) -> Result<bool, LedgerError> {
    let sql = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND classid = ($1::int)::bigint::oid AND objid = ($2::int)::bigint::oid)";
    Ok(client.query_one(sql, &[&LOCKS, &ledger]).await?.try_get(0)?)
}

async fn for_looking(client: Client, name: &str) -> Result<Option<(Session, Kept)>, LedgerError> {
    client.batch_execute("SET default_transaction_read_only TO on").await?;
    existing(client, name).await
}

async fn existing(client: Client, name: &str) -> Result<Option<(Session, Kept)>, LedgerError> {
    if format::find(&client).await? == Found::Nothing {
        return Ok(None);
    }
    let Some(row) = client.query_opt("SELECT id FROM ledger WHERE name = $1", &[&name]).await? else { return Ok(None) };
    let ledger = row.try_get(0)?;
    let dead = !is_held(&client, ledger).await?;
    Ok(Some((Session { client, ledger, enrolling: false, dead }, Kept::default())))
}

/// What was claimed and never settled becomes `unknown`: the message may or may not have been taken.
pub(super) async fn settle_interrupted(client: &Client, ledger: i32) -> Result<u64, LedgerError> {
    let sql = "UPDATE delivery SET state = 'unknown', settled_at = $2, left_at = $2, error_code = 'cut-off',
            error = 'the run ended before the answer came'
         WHERE ledger = $1 AND state = 'claimed'";
    Ok(client.execute(sql, &[&ledger, &now()]).await?)
}
