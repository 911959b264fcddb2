//! A ledger that is open: the way to the one thread that uses its connection.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize};
use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::{oneshot, watch as channel};

use super::lock::Lock;
use super::writer::{Change, Job, Safeguard, Writer};
use crate::ledger::LedgerError;

/// A ledger in an SQLite file.
#[derive(Debug)]
pub(in crate::ledger) struct Sqlite {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    /// This run's number, once it has begun.
    pub(super) run: AtomicI64,
    /// Messages that may have left and whose outcome is not recorded.
    pub(super) in_flight: Arc<AtomicUsize>,
    /// Why nothing can be recorded any more.
    pub(super) lost: channel::Receiver<Option<LedgerError>>,
    pub(super) kept: Kept,
}

/// What must outlive the file's use: dropped after the writing thread has ended.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) lock: Option<Lock>,
    /// The folder of a temporary ledger, which goes with it.
    pub(super) _folder: Option<TempDir>,
    /// Whether this process has made the file.
    pub(super) is_new: bool,
    /// Deliveries that an earlier run left in flight.
    pub(super) interrupted: u64,
    /// The file, where there is one: every error names it.
    pub(super) path: Option<PathBuf>,
}

impl Sqlite {
    pub(super) fn start(connection: Connection, safeguard: Option<Safeguard>, kept: Kept) -> Result<Self, LedgerError> {
        let (jobs, queue) = mpsc::channel();
        let (tell, lost) = channel::channel(None);
        let in_flight = Arc::new(AtomicUsize::new(0));
        let writer = Writer { connection, safeguard, in_flight: Arc::clone(&in_flight), lost: tell };
        let thread = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer.serve(&queue))
            .map_err(LedgerError::database)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), run: AtomicI64::new(0), in_flight, lost, kept })
    }

    /// Makes a change that is committed with its neighbours; ends when it is on disk.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        claims: bool,
        change: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (tell, told) = oneshot::channel();
        let job: Change = Box::new(move |connection| {
            let result = connection.map_or(Err(LedgerError::Closed), change);
            Box::new(move |committed| {
                // Nobody waits any more only when the run is being torn down.
                let _ = tell.send(committed.and(result));
            })
        });
        self.send(Job::Grouped(job, claims))?;
        told.await.map_err(|_| LedgerError::Closed)?.map_err(|error| self.about(error))
    }

    /// An error with the name of the file that it is about.
    fn about(&self, error: LedgerError) -> LedgerError {
        match &self.kept.path {
            Some(path) => error.at(path),
            None => error,
        }
    }

    /// Uses the connection alone.
    pub(super) async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (tell, told) = oneshot::channel();
        self.send(Job::Alone(Box::new(move |connection| {
            let _ = tell.send(work(connection));
        })))?;
        told.await.map_err(|_| LedgerError::Closed)?.map_err(|error| self.about(error))
    }

    fn send(&self, job: Job) -> Result<(), LedgerError> {
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or(LedgerError::Closed)
    }
}

impl Drop for Sqlite {
    /// Waits for what is being written: the lock and the folder must not go before the file is closed.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
