//! Looking into the ledger.

use std::time::Duration;

use futures_util::future::join;
use jiff::Timestamp;
use tokio::sync::mpsc::channel;

use super::deliver::leases;
use super::handle::Postgres;
use super::session::Session;
use super::{canary, records, track, workers};
use crate::ledger::values::{now, state, time, unstored};
use crate::ledger::{
    CanaryRecord, ErrorCount, Holder, Inspect, KeyLookup, Lease, LedgerError, RecordQuery, Totals, Version,
};
use crate::report::Record;
use crate::state::State;

impl Postgres {
    /// Whether no list was ever taken in.
    pub(super) async fn is_unused(&self) -> Result<bool, LedgerError> {
        Ok(self.owner().await?.is_none())
    }

    /// The campaign whose ledger it is.
    pub(in crate::ledger) async fn owner(&self) -> Result<Option<String>, LedgerError> {
        self.alone(|session| async move {
            let sql = "SELECT campaign FROM ledger WHERE id = $1";
            Ok(session.client.query_one(sql, &[&session.ledger]).await?.try_get(0)?)
        })
        .await
    }
}

impl Inspect for Postgres {
    async fn belongs_to(&self, campaign: &str) -> Result<(), LedgerError> {
        match self.owner().await? {
            Some(owner) if owner != campaign => Err(LedgerError::OtherCampaign(owner)),
            _ => Ok(()),
        }
    }

    async fn version(&self) -> Result<Option<Version>, LedgerError> {
        self.alone(|session| async move { version(&session).await }).await
    }

    async fn totals(&self) -> Result<Totals, LedgerError> {
        self.retried(|session| async move { totals(&session).await }).await
    }

    async fn canary(&self) -> Result<CanaryRecord, LedgerError> {
        self.retried(|session| async move {
            let (after_run, verdict) = canary::read(&session).await?;
            Ok(CanaryRecord { verdict, totals: deliveries(&session, Some(after_run)).await? })
        })
        .await
    }

    async fn look_up(&self, keys: Vec<String>) -> Result<KeyLookup, LedgerError> {
        self.alone(move |session| async move {
            let sql = format!(
                "SELECT row.key, seen.state FROM unnest($1::text[]) WITH ORDINALITY AS row (key, place)
                 LEFT JOIN {} ON seen.key = row.key ORDER BY place",
                session.deliveries()
            );
            let mut found = KeyLookup::default();
            for row in session.client.query(&sql, &[&keys]).await? {
                match row.try_get::<_, Option<&str>>(1)? {
                    Some("pending") => found.pending += 1,
                    Some(_) => {}
                    None => found.missing.push(row.try_get(0)?),
                }
            }
            Ok(found)
        })
        .await
    }

    async fn messaged(&self) -> Result<u64, LedgerError> {
        let sql = "SELECT count(*) FROM delivery WHERE ledger = $1 AND (state IN ('accepted', 'unknown', 'claimed')
             OR EXISTS (SELECT FROM history WHERE history.delivery = delivery.id))";
        self.alone(move |session| async move {
            Ok(unstored(session.client.query_one(sql, &[&session.ledger]).await?.try_get(0)?))
        })
        .await
    }

    async fn untouched(&self, keys: Vec<String>) -> Result<u64, LedgerError> {
        self.alone(move |session| async move {
            let sql = format!(
                "SELECT count(*) FROM unnest($1::text[]) AS row (key) JOIN {} ON seen.key = row.key
                 WHERE seen.state = 'pending' AND NOT EXISTS (SELECT FROM history WHERE history.delivery = seen.id)",
                session.deliveries()
            );
            Ok(unstored(session.client.query_one(&sql, &[&keys]).await?.try_get(0)?))
        })
        .await
    }

    async fn last_send_time(&self) -> Result<Option<Timestamp>, LedgerError> {
        self.alone(|session| async move {
            let sql = "SELECT max(at) FROM (
                    SELECT max(coalesce(left_at, claimed_at)) AS at FROM delivery WHERE ledger = $1
                    UNION ALL SELECT max(left_at) FROM proof WHERE ledger = $1) AS departure";
            let at: Option<i64> = session.client.query_one(sql, &[&session.ledger]).await?.try_get(0)?;
            Ok(at.and_then(time))
        })
        .await
    }

    async fn holder(&self) -> Result<Option<Holder>, LedgerError> {
        let found = self.alone(|session| async move { workers::list(&session.client, session.ledger).await }).await?;
        Ok(found.into_iter().next().map(|worker| worker.holder))
    }

    fn risk(&self) -> Option<&str> {
        self.kept.risk.as_deref()
    }

    async fn sent_within(&self, window: Duration) -> Result<u64, LedgerError> {
        let since = since(window);
        self.alone(move |session| async move {
            let sql = "SELECT count(*) FROM delivery
                 WHERE ledger = $1 AND coalesce(left_at, claimed_at) > $2 AND state <> 'pending'";
            Ok(unstored(session.client.query_one(sql, &[&session.ledger, &since]).await?.try_get(0)?))
        })
        .await
    }

    async fn send_times_within(&self, window: Duration, most: u32) -> Result<Vec<Timestamp>, LedgerError> {
        let since = since(window);
        self.alone(move |session| async move {
            let sql = "SELECT coalesce(left_at, claimed_at) AS at FROM delivery
                 WHERE ledger = $1 AND coalesce(left_at, claimed_at) > $2 AND state <> 'pending'
                 UNION ALL SELECT claimed_at FROM history WHERE ledger = $1 AND claimed_at > $2
                 UNION ALL SELECT left_at FROM proof WHERE ledger = $1 AND left_at > $2 AND state <> 'pending'
                 ORDER BY at DESC LIMIT $3";
            let rows = session.client.query(sql, &[&session.ledger, &since, &i64::from(most)]).await?;
            let times = rows.iter().rev().map(|row| Ok(time(row.try_get(0)?).unwrap_or_default()));
            times.collect()
        })
        .await
    }

    async fn records<E: From<LedgerError>>(
        &self,
        query: &RecordQuery,
        mut each: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let (send, mut receive) = channel(records::WAITING);
        let query = query.clone();
        let read = self.alone(move |session| async move { records::read(&session, &query, &send).await });
        let give = async move {
            while let Some(batch) = receive.recv().await {
                batch.into_iter().try_for_each(&mut each)?;
            }
            Ok::<(), E>(())
        };
        let (read, given) = join(read, give).await;
        given?;
        Ok(read?)
    }

    async fn columns(&self) -> Result<Vec<String>, LedgerError> {
        self.alone(|session| async move { records::columns(&session).await }).await
    }

    async fn messaged_among(&self, keys: Vec<String>) -> Result<Vec<Lease>, LedgerError> {
        self.alone(move |session| async move {
            let condition = "d.key = ANY($2) AND d.state IN ('accepted', 'unknown', 'claimed') AND d.again = 0";
            leases(&session, condition, &[&session.ledger, &keys]).await
        })
        .await
    }

    async fn failed_with(&self, code: &str) -> Result<Vec<Lease>, LedgerError> {
        let code = code.to_owned();
        self.alone(move |session| async move {
            let condition = "d.state = 'failed' AND d.error_code = $2 ORDER BY d.id";
            leases(&session, condition, &[&session.ledger, &code]).await
        })
        .await
    }
}

fn since(window: Duration) -> i64 {
    now().saturating_sub(i64::try_from(window.as_millis()).unwrap_or(i64::MAX))
}

async fn version(session: &Session) -> Result<Option<Version>, LedgerError> {
    let (client, ledger) = (&session.client, session.ledger);
    let kept = client.query_opt("SELECT spec, vars FROM ledger WHERE id = $1 AND spec <> ''", &[&ledger]).await?;
    let Some(kept) = kept else { return Ok(None) };
    let attachments = client.query("SELECT path, hash FROM attachment WHERE ledger = $1", &[&ledger]).await?;
    let attachments = attachments.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    Ok(Some(Version {
        spec: kept.try_get(0)?,
        vars: kept.try_get(1)?,
        attachments: attachments.collect::<Result<_, LedgerError>>()?,
    }))
}

async fn totals(session: &Session) -> Result<Totals, LedgerError> {
    let off_list = "SELECT count(*) FROM delivery WHERE ledger = $1 AND line = 0";
    let off_list = unstored(session.client.query_one(off_list, &[&session.ledger]).await?.try_get(0)?);
    let mut totals = Totals { off_list, ..deliveries(session, None).await? };
    let sql = "SELECT reason, count(*) FROM left_out WHERE ledger = $1 GROUP BY reason";
    for row in session.client.query(sql, &[&session.ledger]).await? {
        let count = unstored(row.try_get(1)?);
        totals.left_out.insert(row.try_get(0)?, count);
        *totals.states.entry(State::Skipped).or_default() += count;
    }
    Ok(totals)
}

/// How many deliveries are where: all of them, or those that runs after this one have claimed or refused.
async fn deliveries(session: &Session, after_run: Option<i64>) -> Result<Totals, LedgerError> {
    let mut totals = Totals::default();
    let by_run = after_run.map_or_else(|| "TRUE".to_owned(), |run| format!("run > {run}"));
    let sql = format!("SELECT state, count(*) FROM {} WHERE {by_run} GROUP BY state", session.deliveries());
    for row in session.client.query(&sql, &[]).await? {
        let (state, count) = (state(row.try_get(0)?)?, unstored(row.try_get(1)?));
        totals.states.insert(state, count);
        if state == State::Skipped {
            totals.left_out.insert(Totals::GONE.to_owned(), count);
        }
    }
    if totals.of(State::Failed) + totals.of(State::Unknown) > 0 {
        totals.errors = errors(session, &by_run).await?;
    }
    let by_run = after_run.map_or_else(
        || "TRUE".to_owned(),
        |run| format!("delivery IN (SELECT id FROM delivery WHERE ledger = {} AND run > {run})", session.ledger),
    );
    totals.receipts = track::totals(session, &by_run).await?;
    if totals.receipts.undelivered > 0 {
        totals.undelivered = undelivered(session, &by_run).await?;
    }
    Ok(totals)
}

async fn errors(session: &Session, condition: &str) -> Result<Vec<ErrorCount>, LedgerError> {
    let sql = format!(
        "SELECT state, coalesce(error_code, ''), coalesce(min(error COLLATE \"C\"), ''), count(DISTINCT error) > 1,
            count(*) AS many, min(settled_at), max(settled_at)
         FROM {} WHERE state IN ('failed', 'unknown') AND {condition} GROUP BY state, coalesce(error_code, '')
         ORDER BY many DESC, coalesce(error_code, '') COLLATE \"C\"",
        session.deliveries()
    );
    error_counts(session, &sql).await
}

/// Accepted messages that were not delivered, by why.
async fn undelivered(session: &Session, condition: &str) -> Result<Vec<ErrorCount>, LedgerError> {
    let sql = format!(
        "SELECT 'accepted', coalesce(code, ''), coalesce(min(error COLLATE \"C\"), ''), count(DISTINCT error) > 1,
            count(*) AS many, min(status_at), max(status_at)
         FROM receipt WHERE ledger = {} AND status = 'failed' AND {condition} GROUP BY coalesce(code, '')
         ORDER BY many DESC, coalesce(code, '') COLLATE \"C\"",
        session.ledger
    );
    error_counts(session, &sql).await
}

async fn error_counts(session: &Session, sql: &str) -> Result<Vec<ErrorCount>, LedgerError> {
    let count = |row: &tokio_postgres::Row| {
        let settled = |at: usize| row.try_get::<_, Option<i64>>(at).map(|at| at.and_then(time));
        Ok(ErrorCount {
            state: state(row.try_get(0)?)?,
            code: row.try_get(1)?,
            text: row.try_get(2)?,
            varies: row.try_get(3)?,
            count: unstored(row.try_get(4)?),
            settled: settled(5)?.zip(settled(6)?),
        })
    };
    session.client.query(sql, &[]).await?.iter().map(count).collect()
}
