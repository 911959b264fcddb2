//! Working on a ledger beside other processes.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::handle::Postgres;
use super::heartbeat::Heartbeat;
use super::quotas;
use super::session::Session;
use super::workers;
use crate::ledger::{
    Fingerprint, Holder, Lease, LedgerError, Limits, News, Outage, Place, Position, QuotaPlace, Remaining, RequestKind,
    Share, SharedQuota, StopRequest, Worker, WorkerEvent,
};

impl Share for Postgres {
    fn is_shared(&self) -> bool {
        self.heartbeat.is_some()
    }

    fn joined(&self) -> Option<&Holder> {
        self.kept.joined.as_ref()
    }

    async fn compare_fingerprint(&self, on: Fingerprint) -> Result<Vec<&'static str>, LedgerError> {
        let joins = self.joined().is_some();
        self.alone(move |session| async move { compare_fingerprint(&session, &on, joins).await }).await
    }

    async fn acquire_leases(&self, mut leases: Vec<Lease>) -> Result<Vec<Lease>, LedgerError> {
        let Some(heartbeat) = self.heartbeat() else { return Ok(leases) };
        let ids: Vec<i64> = leases.iter().map(|lease| lease.position().number()).collect();
        let (ids, worker) = (Arc::new(ids), heartbeat.worker);
        let acquire = move |session| acquire(session, worker, Arc::clone(&ids));
        let taken = self.retried(acquire).await?;
        leases.retain(|lease| taken.contains(&lease.position().number()));
        Ok(leases)
    }

    async fn release_lease(&self, position: Position) -> Result<(), LedgerError> {
        let Some(heartbeat) = self.heartbeat() else { return Ok(()) };
        let worker = heartbeat.worker;
        self.retried(move |session| async move {
            let sql = "UPDATE delivery SET leased_by = NULL WHERE id = $1 AND leased_by = $2";
            session.client.execute(sql, &[&position.number(), &worker]).await?;
            Ok(())
        })
        .await
    }

    async fn remaining(&self) -> Result<Remaining, LedgerError> {
        let Some(heartbeat) = self.heartbeat() else { return Ok(Remaining::Nothing) };
        let worker = heartbeat.worker;
        self.retried(move |session| async move { remaining(&session, worker).await }).await
    }

    async fn wait_for_limits(&self, kind: RequestKind, limits: Limits) -> Result<(), LedgerError> {
        match &self.heartbeat {
            Some(heartbeat) => heartbeat.wait_for_limits(kind, limits).await,
            None => Ok(()),
        }
    }

    fn use_project(&self, name: String) {
        if let Some(heartbeat) = &self.heartbeat {
            *heartbeat.project.lock() = name;
        }
    }

    async fn begin_quotas(&self, quotas: Vec<SharedQuota>) -> Result<(), LedgerError> {
        self.alone(move |session| async move {
            session.begin().await?;
            let begun = quotas::begin(&session, &quotas).await;
            session.end(begun).await
        })
        .await
    }

    async fn take_place(&self) -> Result<QuotaPlace, LedgerError> {
        match &self.heartbeat {
            Some(heartbeat) => heartbeat.take_place().await,
            None => Ok(QuotaPlace::Taken(Place::default())),
        }
    }

    async fn is_alive(&self) -> Result<bool, LedgerError> {
        self.reconnect.until_back().await;
        Ok(self.counts_as_alive().await)
    }

    async fn next_event(&self) -> WorkerEvent {
        match &self.heartbeat {
            Some(heartbeat) => heartbeat.next_event().await,
            None => std::future::pending().await,
        }
    }

    fn announce(&self, news: News) {
        if let Some(heartbeat) = &self.heartbeat {
            heartbeat.announce(news);
        }
    }

    async fn acquire_trial(&self) -> Result<bool, LedgerError> {
        match &self.heartbeat {
            Some(heartbeat) => heartbeat.acquire_trial().await,
            None => Ok(true),
        }
    }

    async fn acquire_canary(&self) -> Result<bool, LedgerError> {
        let Some(heartbeat) = self.heartbeat() else { return Ok(true) };
        let worker = heartbeat.worker;
        self.retried(move |session| async move {
            let sql = "UPDATE shared_state SET canary_by = $2 WHERE ledger = $1
                AND (canary_by IS NULL OR canary_by = $2 OR NOT EXISTS (SELECT FROM worker w WHERE w.id = canary_by))
                AND EXISTS (SELECT FROM worker w WHERE w.id = $2)";
            Ok(session.client.execute(sql, &[&session.ledger, &worker]).await? == 1)
        })
        .await
    }

    async fn stop_all(&self, guard: &'static str, why: &str) -> Result<(), LedgerError> {
        let Some(heartbeat) = self.heartbeat() else { return Ok(()) };
        let why = why.to_owned();
        self.retried(move |session| {
            let (heartbeat, why) = (Arc::clone(&heartbeat), why.clone());
            async move { heartbeat.exchange.stop_all(&session.client, session.ledger, guard, &why).await }
        })
        .await
    }

    async fn outage(&self) -> Outage {
        self.reconnect.until_away().await
    }

    async fn outage_over(&self) {
        self.reconnect.until_back().await;
    }

    async fn leave(&self) -> Result<bool, LedgerError> {
        let Some(heartbeat) = self.heartbeat() else { return Ok(true) };
        self.retried(move |session| {
            let heartbeat = Arc::clone(&heartbeat);
            async move {
                heartbeat.exchange.send(&session.client, (session.ledger, heartbeat.worker)).await?;
                session.begin().await?;
                let last = leave(&session, heartbeat.worker).await;
                session.end(last).await
            }
        })
        .await
    }

    async fn workers(&self) -> Result<Vec<Worker>, LedgerError> {
        self.alone(|session| async move { workers::list(&session.client, session.ledger).await }).await
    }

    async fn request_stop(&self) -> Result<Vec<StopRequest>, LedgerError> {
        self.alone(|session| async move { workers::request_stop(&session.client, session.ledger).await }).await
    }
}

impl Postgres {
    fn heartbeat(&self) -> Option<Arc<Heartbeat>> {
        self.heartbeat.clone()
    }
}

async fn compare_fingerprint(
    session: &Session,
    on: &Fingerprint,
    joins: bool,
) -> Result<Vec<&'static str>, LedgerError> {
    let (client, ledger) = (&session.client, session.ledger);
    if joins {
        let kept = client.query_one("SELECT fingerprint FROM ledger WHERE id = $1", &[&ledger]).await?;
        let kept: Option<String> = kept.try_get(0)?;
        let kept = kept.map(|text| serde_json::from_str::<Fingerprint>(&text).map_err(LedgerError::damaged));
        return Ok(kept.transpose()?.map_or_else(Vec::new, |kept| on.differences(&kept)));
    }
    let text = serde_json::to_string(on).map_err(LedgerError::database)?;
    client.execute("UPDATE ledger SET fingerprint = $2 WHERE id = $1", &[&ledger, &text]).await?;
    Ok(Vec::new())
}

/// Whose lease it is does not matter once they are dead.
const IS_FREE: &str =
    "(leased_by IS NULL OR leased_by = $2 OR NOT EXISTS (SELECT FROM worker w WHERE w.id = leased_by))";

async fn acquire(session: OwnedMutexGuard<Session>, worker: i64, ids: Arc<Vec<i64>>) -> Result<Vec<i64>, LedgerError> {
    let sql = format!(
        "UPDATE delivery SET leased_by = $2 WHERE id IN (
            SELECT id FROM delivery WHERE ledger = $1 AND id = ANY($3) AND state = 'pending' AND {IS_FREE}
            ORDER BY id FOR UPDATE SKIP LOCKED)
         RETURNING id"
    );
    let rows = session.client.query(&sql, &[&session.ledger, &worker, &*ids]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

async fn remaining(session: &Session, worker: i64) -> Result<Remaining, LedgerError> {
    let pending = "SELECT FROM delivery WHERE ledger = $1 AND state = 'pending'
        AND enrolment = (SELECT enrolment FROM ledger WHERE id = $1)";
    let sql = format!(
        "SELECT EXISTS ({pending} AND {IS_FREE} AND leased_by IS DISTINCT FROM $2),
            EXISTS ({pending} AND leased_by <> $2)
            OR EXISTS (SELECT FROM delivery JOIN worker w ON w.id = delivery.worker
                WHERE delivery.ledger = $1 AND delivery.state = 'claimed' AND w.id <> $2)"
    );
    let row = session.client.query_one(&sql, &[&session.ledger, &worker]).await?;
    Ok(match (row.try_get(0)?, row.try_get(1)?) {
        (true, _) => Remaining::Available,
        (_, true) => Remaining::HeldByOthers,
        _ => Remaining::Nothing,
    })
}

/// One leaves at a time, so that one of them is the last.
async fn leave(session: &Session, worker: i64) -> Result<bool, LedgerError> {
    let (client, ledger) = (&session.client, session.ledger);
    client.execute("SELECT FROM ledger WHERE id = $1 FOR UPDATE", &[&ledger]).await?;
    quotas::leave(client, worker).await?;
    client.execute("DELETE FROM worker WHERE id = $1", &[&worker]).await?;
    Ok(workers::list(client, ledger).await?.is_empty())
}
