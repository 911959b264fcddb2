//! Quotas that count for all workers: places that are taken before a message leaves and given back after it, in the database's
//! time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Client;

use super::session::Session;
use super::workers::milliseconds;
use crate::ledger::{LedgerError, Place, QuotaPlace, SharedQuota};

/// The tickets of this worker.
#[derive(Debug, Default)]
pub(super) struct Tickets(AtomicI64);

impl Tickets {
    /// The next one.
    pub(super) fn next(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Takes a place in every quota. Asking again with the same ticket takes nothing more.
pub(super) async fn take(client: &Client, ledger: i32, worker: i64, ticket: i64) -> Result<QuotaPlace, LedgerError> {
    // A server that crashed must not give the place to somebody else.
    let sql = "SELECT taken, wait FROM set_config('synchronous_commit', 'on', true), take_places($1, $2, $3)";
    let row = client.query_one(sql, &[&ledger, &worker, &ticket]).await?;
    let (taken, wait): (bool, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(match (taken, wait) {
        (true, _) => QuotaPlace::Taken(Place::new(ticket)),
        (false, Some(wait)) => QuotaPlace::Full(Duration::from_millis(u64::try_from(wait).unwrap_or_default())),
        (false, None) => QuotaPlace::InFlight,
    })
}

/// Gives places back: those of messages that have left count from then on.
pub(super) async fn give_back(
    client: &Client,
    worker: i64,
    places: &[(Place, Option<Instant>)],
) -> Result<(), LedgerError> {
    let tickets: Vec<i64> = places.iter().map(|(place, _)| place.number()).collect();
    let ages: Vec<Option<i64>> = places.iter().map(|(_, left)| left.map(|at| milliseconds(at.elapsed()))).collect();
    let sql = "UPDATE quota_place p SET held_by = NULL, ticket = NULL,
            left_at = coalesce(clock_timestamp() - back.age * interval '1 ms', p.left_at)
        FROM set_config('synchronous_commit', 'on', true), unnest($2::bigint[], $3::bigint[]) AS back (ticket, age)
        WHERE p.held_by = $1 AND p.ticket = back.ticket";
    client.execute(sql, &[&worker, &tickets, &ages]).await?;
    Ok(())
}

/// Makes the quotas of a ledger known, unless another worker has done so. Nobody sends before that.
pub(super) async fn begin(session: &Session, quotas: &[SharedQuota]) -> Result<(), LedgerError> {
    let (client, ledger) = (&session.client, session.ledger);
    client.execute("SELECT FROM ledger WHERE id = $1 FOR UPDATE", &[&ledger]).await?;
    let is_begun = "SELECT EXISTS (SELECT FROM quota WHERE ledger = $1)";
    if client.query_one(is_begun, &[&ledger]).await?.try_get(0)? {
        return Ok(());
    }
    for (nth, SharedQuota { count, per, sent_before }) in (0_i16..).zip(quotas) {
        let ages: Vec<i64> = sent_before.iter().map(|age| milliseconds(*age)).collect();
        let places = i64::try_from(ages.len()).unwrap_or(i64::MAX);
        let sql = "INSERT INTO quota (ledger, nth, count, per, places)
            VALUES ($1, $2, $3, $4::bigint * interval '1 ms', $5)";
        client.execute(sql, &[&ledger, &nth, &i64::from(*count), &milliseconds(*per), &places]).await?;
        let sql = "INSERT INTO quota_place (ledger, nth, left_at)
            SELECT $1, $2, clock_timestamp() - age * interval '1 ms' FROM unnest($3::bigint[]) AS age";
        client.execute(sql, &[&ledger, &nth, &ages]).await?;
    }
    Ok(())
}

/// Forgets the quotas of a ledger that nobody works on: the deliveries say what they count.
pub(super) async fn forget(client: &Client, ledger: i32) -> Result<(), LedgerError> {
    client.execute("DELETE FROM quota_place WHERE ledger = $1", &[&ledger]).await?;
    client.execute("DELETE FROM quota WHERE ledger = $1", &[&ledger]).await?;
    Ok(())
}

/// A worker leaves in good order: nothing of its is on its way, so what it still has was never used.
pub(super) async fn leave(client: &Client, worker: i64) -> Result<(), LedgerError> {
    let sql = "UPDATE quota_place SET held_by = NULL, ticket = NULL WHERE held_by = $1";
    client.execute(sql, &[&worker]).await?;
    Ok(())
}
