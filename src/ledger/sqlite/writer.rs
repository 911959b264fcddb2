//! The thread that writes: takes what has gathered, commits it as one, tells everybody, and again. Before it tells
//! anybody of a claim, the counter beside the ledger has it as well, and the files are still the ones that were opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

use super::counter::Counter;
use super::create::rescue;
use super::format::count_claims;
use super::watch::Watch;
use crate::ledger::LedgerError;

/// Changes in one commit at most: more would make the first of them wait for no gain.
const MAX_GROUP: usize = 512;

/// How often the files are looked at while nothing is written.
const LOOK: Duration = Duration::from_millis(500);

/// A change inside a group: does its work, or without a connection does nothing, and hands back whom to tell once the
/// group is on disk.
pub(super) type Change = Box<dyn FnOnce(Option<&Connection>) -> Acknowledge + Send>;
pub(super) type Acknowledge = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;

pub(super) enum Job {
    /// Committed together with its neighbours; whether it is a claim.
    Grouped(Change, bool),
    /// Has the connection for itself.
    Alone(Box<dyn FnOnce(&mut Connection) + Send>),
}

/// What keeps the ledger of a run from being taken for another one.
#[derive(Debug)]
pub(super) struct Safeguard {
    pub(super) counter: Counter,
    pub(super) watch: Watch,
    /// The ledger.
    pub(super) path: PathBuf,
}

/// What the thread works with.
pub(super) struct Writer {
    pub(super) connection: Connection,
    /// `None` for a ledger that no run holds.
    pub(super) safeguard: Option<Safeguard>,
    /// Messages that may have left and whose outcome is not recorded.
    pub(super) in_flight: Arc<AtomicUsize>,
    /// Why nothing can be recorded any more, once that is so.
    pub(super) lost: watch::Sender<Option<LedgerError>>,
}

impl Writer {
    /// Serves until nobody can send jobs any more.
    pub(super) fn serve(mut self, queue: &Receiver<Job>) {
        let mut next = None;
        loop {
            let job = match next.take() {
                Some(job) => job,
                None => match queue.recv_timeout(LOOK) {
                    Ok(job) => job,
                    Err(RecvTimeoutError::Timeout) => {
                        self.check_files();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                },
            };
            match job {
                Job::Alone(work) => work(&mut self.connection),
                Job::Grouped(first, claims) => next = self.group(first, claims, queue),
            }
        }
    }

    /// Commits `first` and whatever else waits; gives back a job that does not belong to a group.
    fn group(&mut self, first: Change, claims: bool, queue: &Receiver<Job>) -> Option<Job> {
        let connection = &self.connection;
        let lost = self.lost.borrow().clone();
        let mut state = match lost {
            Some(error) => Err(error),
            None => connection.execute_batch("BEGIN IMMEDIATE").map_err(LedgerError::from),
        };
        let mut claimed = i64::from(claims);
        let mut told = vec![first(state.is_ok().then_some(connection))];
        let mut left = None;
        while told.len() < MAX_GROUP {
            // Some errors, such as a full disk, end the transaction: what came after would be committed by itself.
            if state.is_ok() && connection.is_autocommit() {
                state = Err(LedgerError::database("the transaction was rolled back"));
            }
            match queue.try_recv() {
                Ok(Job::Grouped(change, claims)) => {
                    claimed += i64::from(claims);
                    told.push(change(state.is_ok().then_some(connection)));
                }
                Ok(alone) => {
                    left = Some(alone);
                    break;
                }
                Err(_) => break,
            }
        }
        let committed = state.and_then(|()| self.commit(claimed));
        if committed.is_err() && !self.connection.is_autocommit() {
            // Nothing of the group is on disk; whoever waits is told so.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        for tell in told {
            tell(committed.clone());
        }
        left
    }

    /// Commits a group. The order matters: a counter that is behind the ledger is harmless, a ledger behind its counter
    /// has lost claims, and a message whose claim is in both cannot be forgotten unnoticed.
    fn commit(&mut self, claimed: i64) -> Result<(), LedgerError> {
        let claims = if claimed > 0 { Some(count_claims(&self.connection, claimed)?) } else { None };
        self.connection.execute_batch("COMMIT")?;
        if let (Some(safeguard), Some(claims)) = (&mut self.safeguard, claims) {
            safeguard.counter.record(claims)?;
        }
        self.check_files().map_or(Ok(()), Err)
    }

    /// Whether the files are still those that were opened; if not, nothing is recorded any more.
    fn check_files(&mut self) -> Option<LedgerError> {
        if self.lost.borrow().is_some() {
            return None;
        }
        let safeguard = self.safeguard.as_mut()?;
        let (path, what) = safeguard.watch.changed()?;
        let rescued = rescue(&self.connection, &safeguard.path).ok();
        let unrecorded = self.in_flight.load(Ordering::Relaxed);
        let error = LedgerError::Replaced { path, what, unrecorded, rescued };
        self.lost.send_replace(Some(error.clone()));
        Some(error)
    }
}
