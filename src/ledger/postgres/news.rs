//! What workers tell each other: kept in one row of the ledger, which every heartbeat reads, and announced by a notification.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use tokio_postgres::{Client, Row};

use super::quotas;
use super::workers::milliseconds;
use crate::ledger::values::{stored, unstored};
use crate::ledger::{Holder, LedgerError, News, Place, Tally, WorkerEvent};

/// A pause that ends no later than a known one and so much is not news.
const NOT_LONGER: Duration = Duration::from_millis(100);

/// What a heartbeat reads of the row `s`, in the order of [`Known::learn`].
pub(super) const COLUMNS: &str = "(extract(epoch FROM s.paused_until - clock_timestamp()) * 1000)::bigint,
    s.was_asked_for, s.paused_by, s.outages, s.is_in_doubt, s.failed_trials, s.outage_why, s.outage_by, s.stopped_why,
    s.stopped_by, s.settled, s.accepted, s.failed, s.unknown, s.last_code, s.in_a_row, s.stopped_guard";

/// What this worker has to tell, and what it knows of the others.
#[derive(Debug)]
pub(super) struct Exchange {
    /// This worker's name for the others.
    name: String,
    outgoing: Mutex<Outgoing>,
    /// Held by whoever sends.
    sending: AsyncMutex<()>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Outgoing {
    news: VecDeque<Sending>,
    /// Places in quotas, and when their messages left.
    places: Vec<(Place, Option<Instant>)>,
    tally: Option<Tally>,
}

/// News on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sending {
    Paused { until: Instant, was_asked_for: bool },
    Outage { message: bool, trial: bool, why: String },
    DoubtOver,
    TrialOver,
}

#[derive(Debug, Default)]
struct Known {
    /// Whether the row was read before.
    is_read: bool,
    paused_until: Option<Instant>,
    /// The last outage of which this worker was told, or that it has told of itself.
    outages: i64,
    is_in_doubt: bool,
    /// The last outage that the run has taken note of.
    noted: i64,
    is_stopped: bool,
    /// What of this worker is counted in what all have counted.
    counted: Tally,
    others: Tally,
    row: Option<(String, u64)>,
}

impl Exchange {
    pub(super) fn new() -> Self {
        let Holder { process, host, .. } = Holder::this_process();
        let name = format!("process {process} on {host}");
        Self { name, outgoing: Mutex::default(), sending: AsyncMutex::default(), known: Mutex::default() }
    }

    /// Keeps news until it is sent. Gives whether it is urgent.
    pub(super) fn keep(&self, news: News) -> bool {
        let mut outgoing = self.outgoing.lock();
        let sending = match news {
            News::Counted(tally) => {
                let is_failure = |known: &Tally| known.failed + known.unknown < tally.failed + tally.unknown;
                let is_urgent = is_failure(outgoing.tally.as_ref().unwrap_or(&self.known.lock().counted));
                outgoing.tally = Some(tally);
                return is_urgent;
            }
            News::PlaceReturned { place, left_before } => {
                let now = Instant::now();
                outgoing.places.push((place, left_before.map(|before| now.checked_sub(before).unwrap_or(now))));
                return false;
            }
            News::Paused { wait, was_asked_for } => {
                let until = Instant::now() + wait;
                let mut known = self.known.lock();
                known.paused_until = known.paused_until.max(Some(until));
                Sending::Paused { until, was_asked_for }
            }
            News::Outage { message, trial, why } => Sending::Outage { message, trial, why },
            News::DoubtOver => Sending::DoubtOver,
            News::TrialOver => Sending::TrialOver,
        };
        outgoing.news.push_back(sending);
        true
    }

    /// Sends what was kept, in its order. What was maybe sent when the connection was lost is sent again.
    pub(super) async fn send(&self, client: &Client, (ledger, worker): (i32, i64)) -> Result<(), LedgerError> {
        let _sending = self.sending.lock().await;
        loop {
            let Some(next) = self.outgoing.lock().news.front().cloned() else { break };
            self.send_one(client, ledger, worker, &next).await?;
            let mut outgoing = self.outgoing.lock();
            if outgoing.news.front() == Some(&next) {
                outgoing.news.pop_front();
            }
        }
        let places = self.outgoing.lock().places.clone();
        if !places.is_empty() {
            quotas::give_back(client, worker, &places).await?;
            self.outgoing.lock().places.drain(..places.len());
        }
        let tally = self.outgoing.lock().tally.take();
        if let Some(tally) = tally {
            let counted = count(client, ledger, worker, &tally).await;
            if counted.is_err() {
                self.outgoing.lock().tally.get_or_insert(tally);
                return counted;
            }
            self.known.lock().counted = tally;
        }
        Ok(())
    }

    async fn send_one(&self, client: &Client, ledger: i32, worker: i64, news: &Sending) -> Result<(), LedgerError> {
        match news {
            Sending::Paused { until, was_asked_for } => {
                let wait = milliseconds(until.saturating_duration_since(Instant::now()));
                client.execute(&announced(PAUSE), &[&ledger, &worker, &wait, was_asked_for, &self.name]).await?;
            }
            Sending::Outage { message, trial, why } => {
                let trials = i64::from(*trial);
                let sql = announced(OUTAGE);
                let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                    [&ledger, &worker, message, &trials, why, &self.name];
                if let Some(row) = client.query_opt(&sql, &values).await? {
                    let mut known = self.known.lock();
                    let outages: i64 = row.try_get(0)?;
                    // Otherwise somebody else has told of one as well, which this worker is about to hear.
                    if outages == known.outages + 1 && known.noted == known.outages {
                        (known.outages, known.noted) = (outages, outages);
                        known.is_in_doubt |= message;
                    }
                }
            }
            Sending::DoubtOver => {
                let noted = self.known.lock().noted;
                client.execute(&announced(DOUBT_OVER), &[&ledger, &worker, &noted]).await?;
                self.known.lock().is_in_doubt = false;
            }
            Sending::TrialOver => {
                let sql = "UPDATE shared_state SET trial_by = NULL WHERE ledger = $1 AND trial_by = $2";
                client.execute(sql, &[&ledger, &worker]).await?;
            }
        }
        Ok(())
    }

    /// Learns what a heartbeat has read, from the column `first` on. Gives what is new.
    pub(super) fn learn(&self, row: &Row, first: usize) -> Result<Vec<WorkerEvent>, LedgerError> {
        self.known.lock().learn(row, first)
    }

    /// The run is about to take note of an event.
    pub(super) fn hand_over(&self, event: &WorkerEvent) {
        if matches!(event, WorkerEvent::Outage { .. }) {
            // What it has told before is no longer true.
            self.outgoing.lock().news.retain(|news| *news != Sending::DoubtOver);
            let mut known = self.known.lock();
            known.noted = known.outages;
        }
    }

    /// Whether this worker's message may go alone: no other one does, and this worker knows of all outages.
    pub(super) async fn acquire_trial(
        &self,
        client: &Client,
        (ledger, worker): (i32, i64),
    ) -> Result<bool, LedgerError> {
        self.outgoing.lock().news.retain(|news| *news != Sending::TrialOver);
        let noted = self.known.lock().noted;
        let sql = "UPDATE shared_state SET trial_by = $2 WHERE ledger = $1 AND outages = $3
            AND (trial_by IS NULL OR trial_by = $2 OR NOT EXISTS (SELECT FROM worker w WHERE w.id = trial_by))
            AND EXISTS (SELECT FROM worker w WHERE w.id = $2)";
        Ok(client.execute(sql, &[&ledger, &worker, &noted]).await? == 1)
    }

    /// Stops all workers, unless somebody has done so.
    pub(super) async fn stop_all(
        &self,
        client: &Client,
        ledger: i32,
        guard: &str,
        why: &str,
    ) -> Result<(), LedgerError> {
        client.execute(&announced(STOP), &[&ledger, &why, &self.name, &guard]).await?;
        Ok(())
    }
}

impl Known {
    fn learn(&mut self, row: &Row, first: usize) -> Result<Vec<WorkerEvent>, LedgerError> {
        let mut news = Vec::new();
        let is_first = !std::mem::replace(&mut self.is_read, true);
        let left: Option<i64> = row.try_get(first)?;
        let wait = Duration::from_millis(u64::try_from(left.unwrap_or_default()).unwrap_or_default());
        let until = Instant::now() + wait;
        if !wait.is_zero() && self.paused_until.is_none_or(|known| until > known + NOT_LONGER) {
            self.paused_until = Some(until);
            let (was_asked_for, by) = (row.try_get(first + 1)?, words(row, first + 2)?);
            news.push(WorkerEvent::Paused { wait, was_asked_for, by });
        }
        let (outages, message): (i64, bool) = (row.try_get(first + 3)?, row.try_get(first + 4)?);
        if outages > self.outages {
            self.outages = outages;
            if is_first && !message {
                // It is over, or this worker will see for itself.
                self.noted = outages;
            } else {
                let trials: i64 = row.try_get(first + 5)?;
                let failed_trials = u32::try_from(trials).unwrap_or(u32::MAX);
                let (why, by) = (words(row, first + 6)?, words(row, first + 7)?);
                news.push(WorkerEvent::Outage { message, failed_trials, why, by });
            }
        } else if self.is_in_doubt && !message {
            news.push(WorkerEvent::DoubtOver);
        }
        self.is_in_doubt = message;
        let why: Option<String> = row.try_get(first + 8)?;
        if let Some(why) = why.filter(|_| !self.is_stopped) {
            self.is_stopped = true;
            let (guard, by) = (words(row, first + 16)?, words(row, first + 9)?);
            news.push(WorkerEvent::GuardStopped { guard, why, by });
        }
        news.extend(self.learn_counts(row, first + 10)?);
        Ok(news)
    }

    fn learn_counts(&mut self, row: &Row, first: usize) -> Result<Option<WorkerEvent>, LedgerError> {
        let count = |at: usize| row.try_get::<_, i64>(first + at).map(unstored);
        let others = Tally {
            settled: count(0)?.saturating_sub(self.counted.settled),
            accepted: count(1)?.saturating_sub(self.counted.accepted),
            failed: count(2)?.saturating_sub(self.counted.failed),
            unknown: count(3)?.saturating_sub(self.counted.unknown),
            ..Tally::default()
        };
        let code: Option<String> = row.try_get(first + 4)?;
        let row = code.zip(Some(count(5)?));
        if others == self.others && row == self.row {
            return Ok(None);
        }
        (self.others, self.row) = (others.clone(), row.clone());
        Ok(Some(WorkerEvent::Counted { others, row }))
    }
}

/// Makes everybody hear of a change, if it is one.
fn announced(change: &str) -> String {
    format!("WITH changed AS ({change}) SELECT changed.*, pg_notify('campaign_' || $1::int, '') FROM changed")
}

const PAUSE: &str = "UPDATE shared_state SET paused_until = clock_timestamp() + $3::bigint * interval '1 ms',
        was_asked_for = $4, paused_by = $5
    WHERE ledger = $1 AND EXISTS (SELECT FROM worker w WHERE w.id = $2)
        AND (paused_until IS NULL OR paused_until < clock_timestamp() + $3::bigint * interval '1 ms')
    RETURNING ledger";

const OUTAGE: &str = "UPDATE shared_state SET outages = outages + 1, is_in_doubt = is_in_doubt OR $3,
        failed_trials = failed_trials + $4, outage_why = $5, outage_by = $6
    WHERE ledger = $1 AND EXISTS (SELECT FROM worker w WHERE w.id = $2)
    RETURNING outages";

const DOUBT_OVER: &str = "UPDATE shared_state SET is_in_doubt = false, failed_trials = 0
    WHERE ledger = $1 AND EXISTS (SELECT FROM worker w WHERE w.id = $2) AND outages = $3 AND is_in_doubt
    RETURNING ledger";

const STOP: &str = "UPDATE shared_state SET stopped_why = $2, stopped_by = $3, stopped_guard = $4
    WHERE ledger = $1 AND stopped_why IS NULL
    RETURNING ledger";

async fn count(client: &Client, ledger: i32, worker: i64, tally: &Tally) -> Result<(), LedgerError> {
    let Tally { settled, accepted, failed, unknown, last_code, in_a_row, breaks } = tally;
    let counts: Vec<i64> =
        [settled, accepted, failed, unknown, breaks, in_a_row].into_iter().map(|count| stored(*count)).collect();
    client.execute("SELECT count_outcomes($1, $2, $3, $4)", &[&worker, &ledger, &counts, last_code]).await?;
    Ok(())
}

fn words(row: &Row, at: usize) -> Result<String, LedgerError> {
    Ok(row.try_get::<_, Option<String>>(at)?.unwrap_or_default())
}
