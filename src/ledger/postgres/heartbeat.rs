//! A worker among others: its heartbeat, and what it hears of them. It has a connection of its own, so that neither waits for
//! what is being recorded; when that is lost it makes a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex as PlainMutex;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_postgres::Client;

use super::address::Address;
use super::connect::{Driving, connect, no_answer, settle_in};
use super::news::{self, Exchange};
use super::quotas::{self, Tickets};
use super::reconnect::{Part, Reconnect};
use super::reserved::Reserved;
use super::workers::{milliseconds, remove_dead, settle_interrupted};
use crate::clock::Clock;
use crate::ledger::{LedgerError, News, QuotaPlace, WorkerEvent};

/// A worker shows that it is alive this often within the timeout after which the others believe it dead.
const BEATS_PER_TIMEOUT: u32 = 30;

/// Between two tries to connect again.
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// Before a request that found no connection is made again.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(20);

/// What is said on this connection may be forgotten when the server crashes: it is said again.
const SETTINGS: &str = "SET synchronous_commit TO off";

/// A worker among others.
#[derive(Debug)]
pub(super) struct Heartbeat {
    pub(super) ledger: i32,
    pub(super) worker: i64,
    timeout: Duration,
    /// Messages that this worker has settled.
    pub(super) messages: AtomicI64,
    pub(super) reserved: Reserved,
    pub(super) exchange: Exchange,
    pub(super) tickets: Tickets,
    /// To which project requests go.
    pub(super) project: PlainMutex<String>,
    client: watch::Sender<Option<Arc<Client>>>,
    liveness: watch::Sender<Liveness>,
    /// Wakes the heartbeat before its time.
    wake: Arc<Notify>,
    clock: Clock,
    events: (mpsc::UnboundedSender<WorkerEvent>, Mutex<mpsc::UnboundedReceiver<WorkerEvent>>),
    reconnect: Arc<Reconnect>,
}

/// Whether the others believe this worker alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Liveness {
    /// Until then at least.
    AliveUntil(Timestamp),
    /// No more.
    TakenOver,
}

impl Heartbeat {
    /// A worker that was registered just now. Nobody hears of it before [`send_heartbeats`](Self::send_heartbeats).
    pub(super) fn new((ledger, worker): (i32, i64), timeout: Duration, reconnect: Arc<Reconnect>) -> Self {
        let clock = Clock::new();
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            ledger,
            worker,
            timeout,
            messages: AtomicI64::new(0),
            reserved: Reserved::default(),
            exchange: Exchange::new(),
            tickets: Tickets::default(),
            project: PlainMutex::default(),
            client: watch::Sender::new(None),
            liveness: watch::Sender::new(Liveness::AliveUntil(clock.now() + timeout / 2)),
            wake: Arc::default(),
            clock,
            events: (sender, Mutex::new(receiver)),
            reconnect,
        }
    }

    /// For how long a transaction of this worker may be left open, in milliseconds: what it has locked, the others cannot take
    /// over.
    pub(super) fn longest_transaction(&self) -> i64 {
        milliseconds(self.timeout / 2)
    }

    /// The connection, as soon as there is one.
    pub(super) async fn client(&self) -> Result<Arc<Client>, LedgerError> {
        let mut client = self.client.subscribe();
        let found = client.wait_for(Option::is_some).await.map_err(|_| LedgerError::Closed)?;
        found.clone().ok_or(LedgerError::Closed)
    }

    /// Whether the others believe this worker alive; waits until it has been heard of lately.
    pub(super) async fn is_alive(&self) -> bool {
        let mut liveness = self.liveness.subscribe();
        loop {
            match *liveness.borrow_and_update() {
                Liveness::TakenOver => return false,
                Liveness::AliveUntil(time) if self.clock.now() < time => return true,
                Liveness::AliveUntil(_) => self.wake.notify_one(),
            }
            if liveness.changed().await.is_err() {
                return false;
            }
        }
    }

    /// The next thing that concerns every worker.
    pub(super) async fn next_event(&self) -> WorkerEvent {
        match self.events.1.lock().await.recv().await {
            Some(event) => {
                self.exchange.hand_over(&event);
                event
            }
            None => std::future::pending().await,
        }
    }

    /// Tells the others something with the next heartbeat, which comes at once if it is urgent.
    pub(super) fn announce(&self, news: News) {
        if self.exchange.keep(news) {
            self.wake.notify_one();
        }
    }

    /// Whether this worker's message may go alone.
    pub(super) async fn acquire_trial(&self) -> Result<bool, LedgerError> {
        let client = self.client().await?;
        let acquired = self.exchange.acquire_trial(&client, (self.ledger, self.worker));
        match self.answered(acquired).await {
            // It is about to be made anew. If this was granted, it is so the next time.
            Err(LedgerError::Disconnected { .. }) => Ok(false),
            acquired => acquired,
        }
    }

    /// Takes a place in every quota.
    pub(super) async fn take_place(&self) -> Result<QuotaPlace, LedgerError> {
        let ticket = self.tickets.next();
        loop {
            let client = self.client().await?;
            match self.answered(quotas::take(&client, self.ledger, self.worker, ticket)).await {
                // Whether it was taken shows when the same ticket asks again.
                Err(LedgerError::Disconnected { .. }) => tokio::time::sleep(RETRY_AFTER).await,
                taken => return taken,
            }
        }
    }

    /// Lets the others hear of this worker until they believe it dead.
    pub(super) async fn send_heartbeats(self: Arc<Self>, address: Address) {
        let mut is_first = true;
        while *self.liveness.borrow() != Liveness::TakenOver {
            let ended = self.beat_while_connected(&address, std::mem::take(&mut is_first)).await;
            self.client.send_replace(None);
            let is_silent = match *self.liveness.borrow() {
                Liveness::AliveUntil(time) => self.clock.now() > time,
                Liveness::TakenOver => return,
            };
            if let Err(error) = ended
                && is_silent
            {
                self.reconnect.is_away(Part::Heartbeats, &error);
                if self.reconnect.unless_too_long(Part::Heartbeats, &error).is_err() {
                    return;
                }
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    async fn beat_while_connected(&self, address: &Address, is_first: bool) -> Result<(), LedgerError> {
        let (client, _driving) = self.answered(self.connect(address)).await?;
        self.client.send_replace(Some(Arc::clone(&client)));
        // Whoever was away as well, and is back a little later, is not dead.
        let mut look_at = Instant::now() + if is_first { Duration::ZERO } else { self.timeout };
        while self.answered(self.beat(&client)).await? {
            self.reconnect.is_back(Part::Heartbeats);
            if Instant::now() >= look_at {
                self.answered(self.take_over_dead(&client)).await?;
                look_at = Instant::now() + self.interval();
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(self.interval()) => {}
            }
        }
        self.liveness.send_replace(Liveness::TakenOver);
        self.tell(WorkerEvent::TakenOver);
        Ok(())
    }

    /// From one heartbeat to the next, where nothing happens in between.
    fn interval(&self) -> Duration {
        self.timeout / BEATS_PER_TIMEOUT
    }

    async fn connect(&self, address: &Address) -> Result<(Arc<Client>, Driving), LedgerError> {
        let (client, driver) = connect(address, Some(Arc::clone(&self.wake))).await?;
        let driving = Driving::spawn(driver);
        settle_in(&client).await?;
        client.batch_execute(&format!("{SETTINGS}; LISTEN campaign_{}", self.ledger)).await?;
        Ok((Arc::new(client), driving))
    }

    async fn take_over_dead(&self, client: &Client) -> Result<(), LedgerError> {
        if remove_dead(client, self.ledger, self.worker, self.timeout / 10).await? > 0 {
            settle_interrupted(client, self.ledger, None).await?;
        }
        Ok(())
    }

    /// What the server answers, if it does so before the others believe this worker dead. A server that is frozen, or a
    /// network that swallows everything, looks like a connection that is whole.
    pub(super) async fn answered<T>(
        &self,
        answer: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(no_answer(self.timeout)),
        }
    }

    /// Lets the others hear of this worker, and hears what it is to do. Gives whether they believe it alive.
    async fn beat(&self, client: &Client) -> Result<bool, LedgerError> {
        self.exchange.send(client, (self.ledger, self.worker)).await?;
        let now = self.clock.now();
        let sql = format!(
            "WITH beat AS (UPDATE worker SET heartbeat = clock_timestamp(),
                    alive_until = clock_timestamp() + $2::bigint * interval '1 ms', messages = $3
                 WHERE id = $1 RETURNING stop, ledger)
             SELECT beat.stop, {} FROM beat JOIN shared_state s ON s.ledger = beat.ledger",
            news::COLUMNS
        );
        let messages = self.messages.load(Ordering::Relaxed);
        let Some(row) = client.query_opt(&sql, &[&self.worker, &milliseconds(self.timeout), &messages]).await? else {
            return Ok(false);
        };
        // By so much sooner than the others believe, so that a message that leaves now is not taken over on its way.
        self.liveness.send_replace(Liveness::AliveUntil(now + self.timeout / 2));
        if row.try_get(0)? {
            self.tell(WorkerEvent::Stop);
        }
        self.exchange.learn(&row, 1)?.into_iter().for_each(|event| self.tell(event));
        Ok(true)
    }

    fn tell(&self, event: WorkerEvent) {
        // Nobody listens any more only when the run has ended.
        let _ = self.events.0.send(event);
    }
}
