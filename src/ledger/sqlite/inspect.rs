//! Looking into the ledger.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use tokio::sync::mpsc::channel;

use super::connect::connect;
use super::deliver::leases;
use super::handle::Sqlite;
use super::lock::Lock;
use super::{canary, records, track};
use crate::ledger::values::{now, state, time, unstored};
use crate::ledger::{
    CanaryRecord, ErrorCount, Holder, Inspect, KeyLookup, Lease, LedgerError, RecordQuery, Totals, Version,
};
use crate::report::Record;
use crate::state::State;

impl Inspect for Sqlite {
    async fn belongs_to(&self, campaign: &str) -> Result<(), LedgerError> {
        match self.owner().await? {
            Some(owner) if owner != campaign => Err(LedgerError::OtherCampaign(owner)),
            _ => Ok(()),
        }
    }

    async fn version(&self) -> Result<Option<Version>, LedgerError> {
        self.alone(|connection| version(connection)).await
    }

    async fn totals(&self) -> Result<Totals, LedgerError> {
        self.alone(|connection| totals(connection)).await
    }

    async fn canary(&self) -> Result<CanaryRecord, LedgerError> {
        self.alone(|connection| {
            let (after_run, verdict) = canary::read(connection)?;
            Ok(CanaryRecord { verdict, totals: deliveries(connection, Some(after_run))? })
        })
        .await
    }

    async fn look_up(&self, keys: Vec<String>) -> Result<KeyLookup, LedgerError> {
        self.alone(move |connection| {
            let mut statement = connection.prepare("SELECT state = 'pending' FROM delivery_view WHERE key = ?1")?;
            let mut found = KeyLookup::default();
            for key in keys {
                match statement.query_row([&key], |row| row.get(0)).optional()? {
                    Some(true) => found.pending += 1,
                    Some(false) => {}
                    None => found.missing.push(key),
                }
            }
            Ok(found)
        })
        .await
    }

    async fn messaged(&self) -> Result<u64, LedgerError> {
        self.alone(|connection| {
            let sql = "SELECT count(*) FROM delivery
                       WHERE state IN ('accepted', 'unknown', 'claimed') OR id IN (SELECT delivery FROM history)";
            Ok(unstored(connection.query_row(sql, [], |row| row.get(0))?))
        })
        .await
    }

    async fn untouched(&self, keys: Vec<String>) -> Result<u64, LedgerError> {
        self.alone(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT state = 'pending' AND id NOT IN (SELECT delivery FROM history) FROM delivery_view WHERE key = ?1",
            )?;
            let mut count = 0;
            for key in keys {
                count += u64::from(statement.query_row([&key], |row| row.get(0)).optional()?.unwrap_or(false));
            }
            Ok(count)
        })
        .await
    }

    async fn last_send_time(&self) -> Result<Option<Timestamp>, LedgerError> {
        self.alone(|connection| {
            let sql = "SELECT max(at) FROM (SELECT max(coalesce(left_at, claimed_at)) AS at FROM delivery
                       UNION ALL SELECT max(left_at) FROM proof)";
            let at: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
            Ok(at.and_then(time))
        })
        .await
    }

    async fn holder(&self) -> Result<Option<Holder>, LedgerError> {
        self.kept.path.as_deref().map_or(Ok(None), Lock::holder)
    }

    async fn sent_within(&self, window: Duration) -> Result<u64, LedgerError> {
        let since = now() - i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        self.alone(move |connection| {
            let sql = "SELECT count(*) FROM delivery WHERE coalesce(left_at, claimed_at) > ?1 AND state <> 'pending'";
            Ok(unstored(connection.query_row(sql, [since], |row| row.get(0))?))
        })
        .await
    }

    async fn send_times_within(&self, window: Duration, most: u32) -> Result<Vec<Timestamp>, LedgerError> {
        let since = now() - i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        self.alone(move |connection| {
            let mut statement = connection.prepare(
                "SELECT coalesce(left_at, claimed_at) AS at FROM delivery
                 WHERE coalesce(left_at, claimed_at) > ?1 AND state <> 'pending'
                 UNION ALL SELECT claimed_at FROM history WHERE claimed_at > ?1
                 UNION ALL SELECT left_at FROM proof WHERE left_at > ?1 AND state <> 'pending'
                 ORDER BY at DESC LIMIT ?2",
            )?;
            let mut times = statement
                .query_map(params![since, most], |row| row.get::<_, i64>(0))?
                .map(|at| Ok(time(at?).unwrap_or_default()))
                .collect::<Result<Vec<_>, LedgerError>>()?;
            times.reverse();
            Ok(times)
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
        let read = self.alone(move |connection| records::read(connection, &query, &send));
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
        self.alone(|connection| records::columns(connection)).await
    }

    async fn messaged_among(&self, keys: Vec<String>) -> Result<Vec<Lease>, LedgerError> {
        self.alone(move |connection| {
            let condition = "d.key = ?1 AND d.state IN ('accepted', 'unknown', 'claimed') AND d.again = 0";
            let mut found = Vec::new();
            for key in keys {
                found.extend(leases(connection, condition, &[&key])?);
            }
            Ok(found)
        })
        .await
    }

    async fn failed_with(&self, code: &str) -> Result<Vec<Lease>, LedgerError> {
        let code = code.to_owned();
        self.alone(move |connection| leases(connection, "d.state = 'failed' AND d.error_code = ?1", &[&code])).await
    }
}

/// The campaign of the ledger at `path` and the text of its spec, without a look at anything else. `None` where there is none,
/// or no ledger that can be read.
pub(in crate::ledger) fn peek(path: &Path) -> Option<(String, String)> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let sql = "SELECT name, spec FROM campaign WHERE spec <> ''";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).ok()
}

fn version(connection: &Connection) -> Result<Option<Version>, LedgerError> {
    let kept = connection
        .query_row("SELECT spec, vars FROM campaign WHERE spec <> ''", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((spec, vars)) = kept else { return Ok(None) };
    let mut statement = connection.prepare("SELECT path, hash FROM attachment")?;
    let attachments = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(Some(Version { spec, vars, attachments }))
}

fn totals(connection: &Connection) -> Result<Totals, LedgerError> {
    let off_list = "SELECT count(*) FROM delivery WHERE line = 0";
    let off_list = unstored(connection.query_row(off_list, [], |row| row.get(0))?);
    let mut totals = Totals { off_list, ..deliveries(connection, None)? };
    let mut statement = connection.prepare("SELECT reason, count(*) FROM left_out GROUP BY reason")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let count = unstored(row.get(1)?);
        totals.left_out.insert(row.get(0)?, count);
        *totals.states.entry(State::Skipped).or_default() += count;
    }
    Ok(totals)
}

/// How many deliveries are where: all of them, or those that runs after this one have claimed or refused.
fn deliveries(connection: &Connection, after_run: Option<i64>) -> Result<Totals, LedgerError> {
    let mut totals = Totals::default();
    let by_run = after_run.map_or_else(|| "TRUE".to_owned(), |run| format!("run > {run}"));
    let sql = format!("SELECT state, count(*) FROM delivery_view WHERE {by_run} GROUP BY state");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (state, count) = (state(&row.get::<_, String>(0)?)?, unstored(row.get(1)?));
        totals.states.insert(state, count);
        if state == State::Skipped {
            totals.left_out.insert(Totals::GONE.to_owned(), count);
        }
    }
    if totals.of(State::Failed) + totals.of(State::Unknown) > 0 {
        totals.errors = errors(connection, &by_run)?;
    }
    let by_run = after_run
        .map_or_else(|| "TRUE".to_owned(), |run| format!("delivery IN (SELECT id FROM delivery WHERE run > {run})"));
    totals.receipts = track::totals(connection, &by_run)?;
    if totals.receipts.undelivered > 0 {
        totals.undelivered = undelivered(connection, &by_run)?;
    }
    Ok(totals)
}

fn errors(connection: &Connection, condition: &str) -> Result<Vec<ErrorCount>, LedgerError> {
    error_counts(
        connection,
        &format!(
            "SELECT state, coalesce(error_code, ''), coalesce(min(error), ''), count(DISTINCT error) > 1, count(*),
                min(settled_at), max(settled_at)
             FROM delivery_view WHERE state IN ('failed', 'unknown') AND {condition} GROUP BY 1, 2 ORDER BY 5 DESC, 2"
        ),
    )
}

/// Accepted messages that were not delivered, by why.
fn undelivered(connection: &Connection, condition: &str) -> Result<Vec<ErrorCount>, LedgerError> {
    error_counts(
        connection,
        &format!(
            "SELECT 'accepted', coalesce(code, ''), coalesce(min(error), ''), count(DISTINCT error) > 1, count(*),
                min(status_at), max(status_at)
             FROM receipt WHERE status = 'failed' AND {condition} GROUP BY 2 ORDER BY 5 DESC, 2"
        ),
    )
}

fn error_counts(connection: &Connection, sql: &str) -> Result<Vec<ErrorCount>, LedgerError> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut errors = Vec::new();
    while let Some(row) = rows.next()? {
        let settled = |at: usize| row.get::<_, Option<i64>>(at).map(|at| at.and_then(time));
        errors.push(ErrorCount {
            state: state(&row.get::<_, String>(0)?)?,
            code: row.get(1)?,
            text: row.get(2)?,
            varies: row.get(3)?,
            count: unstored(row.get(4)?),
            settled: settled(5)?.zip(settled(6)?),
        });
    }
    Ok(errors)
}
