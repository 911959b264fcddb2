//! A database that goes away while messages leave: nothing more is claimed, and the connection is made again, until it is back
//! or for too long away. What was under way when it was lost is done again by its caller, who knows what is done twice safely.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jiff::Timestamp;
use parking_lot::Mutex as PlainMutex;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::Instant;

use super::address::Address;
use super::connect::{Driver, Driving, connect, no_answer, settle_in};
use super::session::Session;
use super::{checks, workers};
use crate::humanize;
use crate::ledger::{LedgerError, Outage};

/// The waits between two tries to connect, which grow from the first to the second.
const WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// When nothing is sent any more, an outage is waited for no longer than this.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// What ends when the connection does, and what a new one must be.
#[derive(Debug)]
pub(super) struct Reconnect {
    address: Address,
    /// Known while messages leave. Before that, nothing is at stake, and a lost connection ends the run.
    role: PlainMutex<Option<Role>>,
    /// Whether nothing is sent any more.
    is_over: AtomicBool,
    away: watch::Sender<Away>,
    /// Wakes whoever connects again.
    ended: Notify,
    /// Whether another process took the ledger of a run that works alone.
    taken_over: AtomicBool,
    /// Why nothing can be recorded any more.
    lost: watch::Sender<Option<LedgerError>>,
}

/// Who this process is on the ledger.
#[derive(Debug, Clone, Copy)]
pub(super) struct Role {
    pub(super) ledger: i32,
    pub(super) run: i64,
    pub(super) worker: i64,
    pub(super) is_alone: bool,
    /// Whether the server must keep what it says that it keeps.
    pub(super) is_checked: bool,
    /// For how long a transaction may be left open, in milliseconds.
    pub(super) longest_transaction: Option<i64>,
}

/// Which connection is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The one that records.
    Records,
    /// The one of the heartbeats.
    Heartbeats,
}

/// Which parts are away.
#[derive(Debug, Default)]
struct Away {
    records: Option<Since>,
    heartbeats: Option<Since>,
}

#[derive(Debug)]
struct Since {
    began: Instant,
    outage: Outage,
}

impl Away {
    const fn part(&mut self, part: Part) -> &mut Option<Since> {
        match part {
            Part::Records => &mut self.records,
            Part::Heartbeats => &mut self.heartbeats,
        }
    }

    fn any(&self) -> Option<&Since> {
        self.records.as_ref().or(self.heartbeats.as_ref())
    }
}

impl Reconnect {
    /// Nothing is at stake yet.
    pub(super) fn new(address: Address, lost: watch::Sender<Option<LedgerError>>) -> Self {
        Self {
            address,
            role: PlainMutex::default(),
            is_over: AtomicBool::new(false),
            away: watch::Sender::default(),
            ended: Notify::new(),
            taken_over: AtomicBool::new(false),
            lost,
        }
    }

    /// From now on messages may leave.
    pub(super) fn begin(&self, role: Role) {
        *self.role.lock() = Some(role);
    }

    fn role(&self) -> Option<Role> {
        *self.role.lock()
    }

    /// This run's number, and 0 before it has begun.
    pub(super) fn run(&self) -> i64 {
        self.role().map_or(0, |role| role.run)
    }

    pub(super) const fn lost(&self) -> &watch::Sender<Option<LedgerError>> {
        &self.lost
    }

    /// Whether another process has taken over what this one had.
    pub(super) fn is_taken_over(&self) -> bool {
        self.taken_over.load(Ordering::Relaxed)
    }

    /// Drives a connection to its end.
    pub(super) async fn drive(&self, driver: Driver) {
        let error = match driver.await {
            Ok(()) => LedgerError::Closed,
            Err(error) => error.into(),
        };
        if self.role().is_some() {
            self.ended.notify_one();
        } else {
            self.lost.send_replace(Some(error));
        }
    }

    /// Connects again also when nobody uses the connection.
    pub(super) async fn watch(self: Arc<Self>, session: Arc<Mutex<Session>>) {
        loop {
            self.ended.notified().await;
            let mut session = session.lock().await;
            if !session.client.is_closed() {
                continue;
            }
            let error = LedgerError::disconnected("the connection was closed", "");
            if self.recover(&mut session, error).await.is_ok() {
                self.is_back(Part::Records);
            }
        }
    }

    /// What the server answers while messages leave, if it does so soon. A server that is frozen, or a network that swallows
    /// everything, looks like a connection that is whole.
    pub(super) async fn answered<T>(
        &self,
        answer: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        if self.role().is_none() {
            return answer.await;
        }
        let limit = self.address.worker_timeout;
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(no_answer(limit)),
        }
    }

    /// Gives the session a new connection in place of the lost one. Whoever then has an answer says so with
    /// [`is_back`](Self::is_back).
    ///
    /// # Errors
    /// The error itself, if nothing is at stake yet. Or the database was away for too long, or is not the one that it was.
    pub(super) async fn recover(
        self: &Arc<Self>,
        session: &mut Session,
        error: LedgerError,
    ) -> Result<(), LedgerError> {
        let Some(role) = self.role().filter(|_| !session.enrolling) else { return Err(error) };
        session.abandon();
        let mut waits = waits();
        let mut error = error;
        let mut is_first = self.is_away(Part::Records, &error);
        loop {
            if !std::mem::take(&mut is_first) {
                tokio::time::sleep(waits.next().unwrap_or(WAITS.1)).await;
            }
            self.unless_too_long(Part::Records, &error)?;
            match self.answered(self.connect(role, session)).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    let what = "this is not the database that it was: it does not have what this run has recorded";
                    let advice = "see which server has the newest data, and run again with that one";
                    return Err(self.give_up(LedgerError::not_usable(what, advice)));
                }
                Err(again) => error = again,
            }
        }
    }

    /// Connects as before. What the lost connection still had under way is over then. Gives whether it is the same ledger.
    async fn connect(self: &Arc<Self>, role: Role, session: &mut Session) -> Result<bool, LedgerError> {
        let (client, driver) = connect(&self.address, None).await?;
        let this = Arc::clone(self);
        let driving = Driving::spawn(async move { this.drive(driver).await });
        settle_in(&client).await?;
        checks::check_primary(&client).await?;
        if role.is_checked {
            checks::check_durable(&client).await?;
        }
        if let Some(limit) = role.longest_transaction {
            client.batch_execute(&format!("SET idle_in_transaction_session_timeout TO {limit}")).await?;
        }
        workers::end_other_connections(&client, role.worker).await?;
        workers::show_connected(&client, role.worker).await?;
        let sql = "SELECT run, EXISTS (SELECT FROM worker WHERE id = $2) FROM ledger WHERE id = $1";
        let Some(row) = client.query_opt(sql, &[&role.ledger, &role.worker]).await? else { return Ok(false) };
        let (run, is_worker): (i64, bool) = (row.try_get(0)?, row.try_get(1)?);
        if role.is_alone && (!is_worker || workers::lock(&client, role.ledger).await?.is_some()) {
            self.taken_over.store(true, Ordering::Relaxed);
        }
        session.replace(client, driving);
        Ok(run >= role.run)
    }

    /// A part of the database is away. Gives whether that is new.
    pub(super) fn is_away(&self, part: Part, why: &LedgerError) -> bool {
        self.away.send_if_modified(|away| {
            let is_new = away.part(part).is_none();
            if is_new {
                let outage = Outage { since: Timestamp::now(), why: why.to_string() };
                *away.part(part) = Some(Since { began: Instant::now(), outage });
            }
            is_new
        })
    }

    /// A part of the database has answered.
    pub(super) fn is_back(&self, part: Part) {
        self.away.send_if_modified(|away| away.part(part).take().is_some());
    }

    /// Ends when a part of the database is away.
    pub(super) async fn until_away(&self) -> Outage {
        let mut away = self.away.subscribe();
        // The sender lives as long as `self`.
        match away.wait_for(|away| away.any().is_some()).await.ok().as_ref().and_then(|away| away.any()) {
            Some(since) => since.outage.clone(),
            None => std::future::pending().await,
        }
    }

    /// Ends when no part of the database is away.
    pub(super) async fn until_back(&self) {
        // The sender lives as long as `self`.
        let _ = self.away.subscribe().wait_for(|away| away.any().is_none()).await;
    }

    /// From now on nothing is sent: no outage is waited for that lasts.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// A part of the database has been away for too long.
    pub(super) fn unless_too_long(&self, part: Part, why: &LedgerError) -> Result<(), LedgerError> {
        let mut lasted = Duration::ZERO;
        self.away.send_if_modified(|away| {
            lasted = away.part(part).as_ref().map_or(lasted, |since| since.began.elapsed());
            false
        });
        let longest = self.address.reconnect_timeout;
        let longest = if self.is_over.load(Ordering::Relaxed) { longest.min(AFTERWARDS) } else { longest };
        if lasted < longest {
            return Ok(());
        }
        let source = format!("the database was away for longer than {} ({why})", humanize::duration(longest));
        let advice = "; see whether it is up and reachable, and run again (`reconnect_timeout` in the address)";
        Err(self.give_up(LedgerError::disconnected(source, advice)))
    }

    /// Nothing can be recorded any more.
    fn give_up(&self, error: LedgerError) -> LedgerError {
        self.lost.send_replace(Some(error.clone()));
        error
    }
}

fn waits() -> ExponentialBackoff {
    ExponentialBuilder::new().with_min_delay(WAITS.0).with_max_delay(WAITS.1).without_max_times().with_jitter().build()
}
