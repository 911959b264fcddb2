//! The processes that work on a ledger: who is one of them, who is dead, and who may take in the list.
//!
//! Two kinds of advisory locks, both of sessions, so that they go with the connection: one on each worker, which shows that
//! it is connected; and one on the ledger, which whoever takes in the list holds until that is kept, and whoever works alone
//! as long as they live.

use std::time::Duration;

use tokio_postgres::{Client, Row};

use super::format::LOCKS;
use crate::ledger::values::{now, time, unstored};
use crate::ledger::{Holder, LedgerError, StopRequest, Worker};

/// How long a worker may be silent before the others take over what it has, unless the address sets `worker_timeout`.
pub(super) const WORKER_TIMEOUT: Duration = Duration::from_secs(30);

/// Advisory locks with this number are on workers.
const WORKER_LOCKS: i32 = LOCKS + 1;

/// A process that was killed holds its ledger until the server has noticed.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// Whether any session holds the advisory lock with these two numbers.
macro_rules! is_locked {
    ($class:literal, $object:literal) => {
        concat!(
            "EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND l.classid = ",
            $class,
            " AND l.objid = ",
            $object,
            ")"
        )
    };
}

/// Whether the worker `w` is dead: it was not heard of for too long, while the server was up; or its connection has ended and
/// it was not heard of for `$2` milliseconds, unless it is the server that was restarted since.
const IS_DEAD: &str = concat!(
    "CASE WHEN greatest(w.alive_until, pg_postmaster_start_time() + (w.alive_until - w.heartbeat)) < clock_timestamp()
                AND w.alive_until IS NOT NULL THEN true
        WHEN w.alive_until IS NOT NULL AND w.heartbeat > clock_timestamp() - $2::bigint * interval '1 ms' THEN false
        WHEN w.alive_until IS NOT NULL AND w.heartbeat < pg_postmaster_start_time() THEN false
        ELSE NOT ",
    is_locked!("($3::int)::bigint::oid", "w.id::oid"),
    " END"
);

/// How a process works on a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Nobody else may.
    Alone,
    /// Others may; they take over when nothing is heard of it for so long.
    Shared(Duration),
}

/// Takes the lock on the ledger, or says who has it.
pub(super) async fn lock(client: &Client, ledger: i32) -> Result<Option<Holder>, LedgerError> {
    for _ in 0..TRIES {
        let sql = "SELECT pg_try_advisory_lock($1, $2)";
        if client.query_one(sql, &[&LOCKS, &ledger]).await?.try_get(0)? {
            return Ok(None);
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    let holder = list(client, ledger).await?.pop().map(|worker| worker.holder);
    Ok(Some(holder.unwrap_or_else(Holder::unnamed)))
}

/// Gives the lock on the ledger back.
pub(super) async fn unlock(client: &Client, ledger: i32) -> Result<(), LedgerError> {
    client.execute("SELECT pg_advisory_unlock($1, $2)", &[&LOCKS, &ledger]).await?;
    Ok(())
}

/// Makes this process a worker. Gives its number.
pub(super) async fn register(client: &Client, ledger: i32, mode: Mode) -> Result<i64, LedgerError> {
    let holder = Holder::this_process();
    let timeout = match mode {
        Mode::Alone => None,
        Mode::Shared(timeout) => Some(milliseconds(timeout)),
    };
    let sql = "INSERT INTO worker (ledger, host, process, since, alive_until)
         VALUES ($1, $2, $3, $4, clock_timestamp() + $5::bigint * interval '1 ms') RETURNING id";
    let (process, since) = (i64::from(holder.process), now());
    let row = client.query_one(sql, &[&ledger, &holder.host, &process, &since, &timeout]).await?;
    let worker = row.try_get(0)?;
    show_connected(client, worker).await?;
    Ok(worker)
}

/// Shows that a worker is connected, as long as this connection lasts. Waits for the end of an earlier one.
pub(super) async fn show_connected(client: &Client, worker: i64) -> Result<(), LedgerError> {
    client.execute("SELECT pg_advisory_lock($1, $2::bigint::int)", &[&WORKER_LOCKS, &worker]).await?;
    Ok(())
}

/// Ends connections of this worker that the server still has, though they are lost: nothing that was sent on them may take
/// effect any more.
pub(super) async fn end_other_connections(client: &Client, worker: i64) -> Result<(), LedgerError> {
    let sql = "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory' AND l.objsubid = 2
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND l.classid = ($1::int)::bigint::oid AND l.objid = ($2::bigint)::oid AND l.pid <> pg_backend_pid()";
    client.query(sql, &[&WORKER_LOCKS, &worker]).await?;
    Ok(())
}

/// Removes dead workers other than `me`. Those whose connection has ended are dead after `margin`.
pub(super) async fn remove_dead(client: &Client, ledger: i32, me: i64, margin: Duration) -> Result<u64, LedgerError> {
    let sql = format!(
        "DELETE FROM worker w WHERE w.ledger = $1 AND w.id <> $4
            AND w.heartbeat < clock_timestamp() - $2::bigint * interval '1 ms' AND {IS_DEAD}"
    );
    Ok(client.execute(&sql, &[&ledger, &milliseconds(margin), &WORKER_LOCKS, &me]).await?)
}

/// What was claimed by workers that are dead, or by `worker`, and never settled becomes `unknown`: the message may or may not
/// have been taken.
pub(super) async fn settle_interrupted(client: &Client, ledger: i32, worker: Option<i64>) -> Result<u64, LedgerError> {
    let sql = "UPDATE delivery d SET state = 'unknown', settled_at = $2, left_at = $2, error_code = 'cut-off',
            error = 'the run ended before the answer came'
         WHERE ledger = $1 AND state = 'claimed'
            AND (worker = $3 OR NOT EXISTS (SELECT FROM worker w WHERE w.id = d.worker AND w.ledger = $1))";
    Ok(client.execute(sql, &[&ledger, &now(), &worker]).await?)
}

/// Asks all who share a ledger to stop, and wakes them to hear it. Whoever works alone does not listen.
pub(super) async fn request_stop(client: &Client, ledger: i32) -> Result<Vec<StopRequest>, LedgerError> {
    client.execute("UPDATE worker SET stop = true WHERE ledger = $1", &[&ledger]).await?;
    client.execute("SELECT pg_notify('campaign_' || $1::int, '')", &[&ledger]).await?;
    let listens = |worker: &Worker| worker.heartbeat.is_some();
    let asked = |worker: Worker| StopRequest { is_sent: listens(&worker), worker };
    Ok(list(client, ledger).await?.into_iter().map(asked).collect())
}

/// Who works on a ledger, the first one first. Only looks: those who are dead are left out.
pub(super) async fn list(client: &Client, ledger: i32) -> Result<Vec<Worker>, LedgerError> {
    let mut workers = list_others(client, ledger, 0).await?;
    if workers.is_empty() && is_locked(client, ledger).await? {
        workers.push(Worker::of(Holder::unnamed()));
    }
    Ok(workers)
}

/// The same without `me`.
pub(super) async fn list_others(client: &Client, ledger: i32, me: i64) -> Result<Vec<Worker>, LedgerError> {
    let sql = format!(
        "SELECT w.host, w.process, w.since, w.alive_until IS NULL, w.messages,
            (extract(epoch FROM w.heartbeat) * 1000)::bigint,
            (SELECT count(*) FROM delivery d WHERE d.ledger = $1 AND d.worker = w.id AND d.state = 'claimed')
         FROM worker w WHERE w.ledger = $1 AND w.id <> $4 AND NOT ({IS_DEAD}) ORDER BY w.id"
    );
    let rows = client.query(&sql, &[&ledger, &0_i64, &WORKER_LOCKS, &me]).await?;
    rows.iter().map(worker).collect()
}

fn worker(row: &Row) -> Result<Worker, LedgerError> {
    let (process, since): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
    let holder = Holder {
        host: row.try_get(0)?,
        process: u32::try_from(process).unwrap_or_default(),
        since: time(since).unwrap_or_default(),
    };
    let (is_alone, messages): (bool, i64) = (row.try_get(3)?, row.try_get(4)?);
    if is_alone {
        return Ok(Worker::of(holder));
    }
    let in_flight = Some(unstored(row.try_get(6)?));
    Ok(Worker { holder, messages: Some(unstored(messages)), in_flight, heartbeat: time(row.try_get(5)?) })
}

async fn is_locked(client: &Client, ledger: i32) -> Result<bool, LedgerError> {
    let sql = concat!("SELECT ", is_locked!("($1::int)::bigint::oid", "($2::int)::bigint::oid"));
    Ok(client.query_one(sql, &[&LOCKS, &ledger]).await?.try_get(0)?)
}

/// A length of time as statements have it.
pub(super) fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
