//! A ledger that is open: the thread that drives its connection, and the way to it.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};

use super::groups::{self, Step, Values};
use super::heartbeat::Heartbeat;
use super::reconnect::{Part, Reconnect};
use super::session::Session;
use super::workers;
use crate::ledger::{Holder, Lease, LedgerError};

/// How long a process that ends waits for the server to let it go.
const FAREWELL: Duration = Duration::from_secs(2);

/// A ledger in a PostgreSQL database.
#[derive(Debug)]
pub(in crate::ledger) struct Postgres {
    session: Arc<Mutex<Session>>,
    steps: mpsc::UnboundedSender<Step>,
    pub(super) reconnect: Arc<Reconnect>,
    pub(super) kept: Kept,
    /// Where other processes may work on the ledger too.
    pub(super) heartbeat: Option<Arc<Heartbeat>>,
    pub(super) thread: Thread,
}

/// What is known of an open ledger.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The address, without its password: every error names it.
    pub(super) place: String,
    /// Whether this process has made it.
    pub(super) is_new: bool,
    /// Deliveries that an earlier run left in flight.
    pub(super) interrupted: u64,
    /// Whether the server was found to keep what it says that it keeps.
    pub(super) is_durable: bool,
    /// What a failover would forget.
    pub(super) risk: Option<String>,
    /// This process among those that run the campaign.
    pub(super) worker: Option<i64>,
    /// Who was at work when this process came.
    pub(super) joined: Option<Holder>,
}

impl Postgres {
    pub(super) fn start(thread: Thread, session: Session, reconnect: Arc<Reconnect>, kept: Kept) -> Self {
        let session = Arc::new(Mutex::new(session));
        let (steps, queue) = mpsc::unbounded_channel();
        thread.handle.spawn(groups::serve(Arc::clone(&session), queue, Arc::clone(&reconnect)));
        thread.handle.spawn(Arc::clone(&reconnect).watch(Arc::clone(&session)));
        Self { session, steps, reconnect, kept, heartbeat: None, thread }
    }

    /// Makes a change to one delivery that is committed with its neighbours; ends when it is on disk.
    pub(super) async fn step(&self, of: &Lease, sql: &'static str, values: Values) -> Result<(), LedgerError> {
        let (tell, told) = oneshot::channel();
        let step = Step { sql, id: of.position().number(), values, key: of.key.clone(), tell };
        self.steps.send(step).map_err(|_| LedgerError::Closed)?;
        match told.await.map_err(|_| LedgerError::Closed)? {
            Err(LedgerError::Conflict(_)) if !self.counts_as_alive().await => Err(LedgerError::TakenOver),
            result => result.map_err(|error| self.about(error)),
        }
    }

    pub(super) async fn counts_as_alive(&self) -> bool {
        match &self.heartbeat {
            Some(heartbeat) => heartbeat.is_alive().await,
            None => !self.reconnect.is_taken_over(),
        }
    }

    /// The same as [`alone`](Self::alone) for what may be done twice: if the connection is lost meanwhile, it is done again on
    /// a new one.
    pub(super) async fn retried<T, F, W>(&self, work: W) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, LedgerError>> + Send + 'static,
        W: Fn(OwnedMutexGuard<Session>) -> F + Send + 'static,
    {
        let (session, reconnect) = (Arc::clone(&self.session), Arc::clone(&self.reconnect));
        let task = self.thread.handle.spawn(async move {
            loop {
                let used = Arc::clone(&session).lock_owned().await;
                let generation = used.generation;
                match reconnect.answered(work(used)).await {
                    Err(error @ LedgerError::Disconnected { .. }) => {
                        let mut session = session.lock().await;
                        if session.generation == generation {
                            reconnect.recover(&mut session, error).await?;
                        }
                    }
                    result => {
                        reconnect.is_back(Part::Records);
                        return result;
                    }
                }
            }
        });
        let done = async { task.await.map_err(|_| LedgerError::Closed)? };
        groups::unless_lost(self.reconnect.lost(), done).await.map_err(|error| self.about(error))
    }

    /// Has the connection for itself. What has begun is finished, also when nobody waits for it any more.
    pub(super) async fn alone<T, F, W>(&self, work: W) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, LedgerError>> + Send + 'static,
        W: FnOnce(OwnedMutexGuard<Session>) -> F + Send + 'static,
    {
        let session = Arc::clone(&self.session);
        let task = self.thread.handle.spawn(async move { work(session.lock_owned().await).await });
        let done = async { task.await.map_err(|_| LedgerError::Closed)? };
        groups::unless_lost(self.reconnect.lost(), done).await.map_err(|error| self.about(error))
    }

    /// An error with the address that it is about.
    fn about(&self, error: LedgerError) -> LedgerError {
        error.at(Path::new(&self.kept.place))
    }
}

impl Drop for Postgres {
    /// Leaves in good order, so that the next one finds the ledger free.
    fn drop(&mut self) {
        let (session, worker, is_shared) = (Arc::clone(&self.session), self.kept.worker, self.heartbeat.is_some());
        self.thread.end(async move {
            let session = session.lock().await;
            let client = &session.client;
            if session.enrolling {
                let _ = client.batch_execute("ROLLBACK").await;
            }
            if let Some(worker) = worker {
                if is_shared {
                    let _ = workers::settle_interrupted(client, session.ledger, Some(worker)).await;
                }
                let _ = client.execute("DELETE FROM worker WHERE id = $1", &[&worker]).await;
            }
            let _ = client.batch_execute("SELECT pg_advisory_unlock_all()").await;
        });
    }
}

type Farewell = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A thread that drives what is spawned on it, so that whatever the run computes keeps no connection waiting.
pub(super) struct Thread {
    pub(super) handle: Handle,
    end: Option<oneshot::Sender<Farewell>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl std::fmt::Debug for Thread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Thread").finish_non_exhaustive()
    }
}

impl Thread {
    pub(super) fn start() -> Result<Self, LedgerError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(LedgerError::database)?;
        let handle = runtime.handle().clone();
        let (end, ends) = oneshot::channel::<Farewell>();
        let serve = move || {
            runtime.block_on(async move {
                if let Ok(farewell) = ends.await {
                    // A server that is away lets nobody go.
                    let _ = tokio::time::timeout(FAREWELL, farewell).await;
                }
            });
        };
        let thread = thread::Builder::new().name("ledger".to_owned()).spawn(serve).map_err(LedgerError::database)?;
        Ok(Self { handle, end: Some(end), thread: Some(thread) })
    }

    /// Does something last, and ends.
    fn end(&mut self, last: impl Future<Output = ()> + Send + 'static) {
        if let Some(end) = self.end.take() {
            let _ = end.send(Box::pin(last));
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.end(async {});
    }
}
