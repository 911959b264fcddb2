//! The ledger in an SQLite file: one thread writes, and commits the changes of many deliveries together.
//!
//! `synchronous = FULL` with a write-ahead log: a commit survives a power cut. While one group is being flushed the
//! next gathers, so durability costs a delivery one flush of waiting and the disk far less than one flush a delivery.

mod again;
mod enroll;
mod file;
mod read;
mod send;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::mpsc;
use std::thread;

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{LedgerError, Lock};
pub use again::Again;
pub use enroll::{Enrolled, Enrolment};
pub use read::{Frozen, Records, Totals};

/// The format that this program writes. Older ones are migrated, newer ones refused.
const FORMAT: i64 = 2;

/// Changes in one commit at most: more would make the first of them wait for no gain.
const LARGEST_GROUP: usize = 512;

/// A change inside a group: does its work, or without a connection does nothing, and hands back whom to tell once the
/// group is on disk.
type Change = Box<dyn FnOnce(Option<&Connection>) -> Told + Send>;
type Told = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;

enum Job {
    /// Committed together with its neighbours.
    Grouped(Change),
    /// Has the connection for itself.
    Alone(Box<dyn FnOnce(&mut Connection) + Send>),
}

/// A ledger in an SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    /// This run's number, once it has begun.
    run: AtomicI64,
    kept: Kept,
}

/// What must outlive the file's use: dropped after the writing thread has ended.
#[derive(Debug, Default)]
struct Kept {
    _lock: Option<Lock>,
    /// The folder of a throw-away ledger, which goes with it.
    _folder: Option<TempDir>,
    cut_off: usize,
    /// The file, where there is one: every error names it.
    path: Option<PathBuf>,
}

impl Sqlite {
    /// Opens the ledger for a run, making it where there is none, and takes its lock.
    ///
    /// # Errors
    /// The lock is held, or the file cannot be used.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_in(path, None)
    }

    fn open_in(path: &Path, folder: Option<TempDir>) -> Result<Self, LedgerError> {
        let fail = |error: std::io::Error| LedgerError::File { path: path.to_owned(), why: error.to_string() };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            file::private_folder(folder).map_err(fail)?;
        }
        let lock = Lock::take(path)?;
        let open = || -> Result<_, LedgerError> {
            if !path.exists() {
                file::make(path)?;
            }
            file::check_log(path)?;
            let connection = existing(Connection::open(path)?)?;
            let connection = prepare(connection)?;
            let cut_off = settle_cut_off(&connection)?;
            Ok((connection, cut_off))
        };
        let (connection, cut_off) = open().map_err(|error| error.at(path))?;
        Self::start(connection, Kept { _lock: Some(lock), _folder: folder, cut_off, path: Some(path.to_owned()) })
    }

    /// How many deliveries were in flight when an earlier run died: they are `unknown` since this one opened the ledger.
    pub const fn cut_off(&self) -> usize {
        self.kept.cut_off
    }

    /// After a run that was left at once: what it had in flight is `unknown`. Gives how many those are.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn settle_what_is_left(&self) -> Result<usize, LedgerError> {
        self.alone(|connection| settle_cut_off(connection)).await
    }

    /// Opens an existing ledger for looking only, beside a run that may be under way. `None` where there is none.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn look(path: &Path) -> Result<Option<Self>, LedgerError> {
        if !path.exists() {
            return Ok(None);
        }
        // Not read-only, although nothing is written: a reader that may not write cannot tidy up behind itself.
        let open = || -> Result<_, LedgerError> {
            let connection = Self::open_to_look(path)?;
            seen(&connection, Lock::is_held(path))?;
            connection.execute_batch("PRAGMA query_only = ON")?;
            Ok(connection)
        };
        let connection = open().map_err(|error| error.at(path))?;
        Self::start(connection, Kept { path: Some(path.to_owned()), ..Kept::default() }).map(Some)
    }

    /// A connection to an existing ledger of this format, or of an older one brought up in memory.
    fn open_to_look(path: &Path) -> Result<Connection, LedgerError> {
        // A run that is under way is writing it.
        if !Lock::is_held(path) {
            file::check_log(path)?;
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .or_else(|_| Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY))?;
        let connection = existing(connection)?;
        if check_format(&connection)? == FORMAT {
            return Ok(connection);
        }
        prepare(copy(&connection)?)
    }

    /// A ledger in memory (and in SQLite's own nameless temporary file when it grows), for rehearsals: it begins as a
    /// copy of `existing`, so that a rehearsal says what a run would do.
    ///
    /// # Errors
    /// The existing ledger cannot be read.
    pub fn rehearsal(existing: Option<&Path>) -> Result<Self, LedgerError> {
        let connection = match existing.filter(|path| path.exists()) {
            Some(path) => Self::open_to_look(path).and_then(|source| copy(&source)).map_err(|error| error.at(path))?,
            None => Connection::open("")?,
        };
        Self::start(prepare(connection)?, Kept::default())
    }

    /// A ledger in a temporary folder that goes with it.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn throw_away() -> Result<Self, LedgerError> {
        let fail = |error: std::io::Error| LedgerError::File {
            path: PathBuf::from("a temporary folder"),
            why: error.to_string(),
        };
        let folder = tempfile::tempdir().map_err(fail)?;
        Self::open_in(&folder.path().join("sandbox.sqlite"), Some(folder))
    }

    fn start(mut connection: Connection, kept: Kept) -> Result<Self, LedgerError> {
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || serve(&mut connection, &queue))
            .map_err(LedgerError::unreadable)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), run: AtomicI64::new(0), kept })
    }

    /// Makes a change that is committed with its neighbours; ends when it is on disk.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (tell, told) = oneshot::channel();
        let job = Job::Grouped(Box::new(move |connection| {
            let result = connection.map_or(Err(LedgerError::Closed), change);
            Box::new(move |committed| {
                // Nobody waits any more only when the run is being torn down.
                let _ = tell.send(committed.and(result));
            })
        }));
        self.send(job)?;
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
    async fn alone<T: Send + 'static>(
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

/// The writing thread: takes what has gathered, commits it as one, tells everybody, and again.
fn serve(connection: &mut Connection, queue: &mpsc::Receiver<Job>) {
    let mut next = queue.recv().ok();
    while let Some(job) = next.take() {
        match job {
            Job::Alone(work) => work(connection),
            Job::Grouped(first) => next = group(connection, first, queue),
        }
        if next.is_none() {
            next = queue.recv().ok();
        }
    }
}

/// Commits `first` and whatever else waits; gives back a job that does not belong to a group.
fn group(connection: &Connection, first: Change, queue: &mpsc::Receiver<Job>) -> Option<Job> {
    let mut state = connection.execute_batch("BEGIN IMMEDIATE").map_err(LedgerError::from);
    let mut told = vec![first(state.is_ok().then_some(connection))];
    let mut left = None;
    while told.len() < LARGEST_GROUP {
        // Some errors, such as a full disk, end the transaction: what came after would be committed by itself.
        if state.is_ok() && connection.is_autocommit() {
            state = Err(LedgerError::unreadable("the transaction was taken back"));
        }
        match queue.try_recv() {
            Ok(Job::Grouped(change)) => told.push(change(state.is_ok().then_some(connection))),
            Ok(alone) => {
                left = Some(alone);
                break;
            }
            Err(_) => break,
        }
    }
    let committed = state.and_then(|()| connection.execute_batch("COMMIT").map_err(LedgerError::from));
    if committed.is_err() && !connection.is_autocommit() {
        // Nothing of the group is on disk; whoever waits is told so.
        let _ = connection.execute_batch("ROLLBACK");
    }
    for tell in told {
        tell(committed.clone());
    }
    left
}

/// A whole copy in memory.
fn copy(source: &Connection) -> Result<Connection, LedgerError> {
    let mut connection = Connection::open("")?;
    let backup = rusqlite::backup::Backup::new(source, &mut connection)?;
    backup.run_to_completion(10_000, std::time::Duration::ZERO, None)?;
    drop(backup);
    Ok(connection)
}

/// A ledger that is there has tables: one without was emptied.
fn existing(connection: Connection) -> Result<Connection, LedgerError> {
    if check_format(&connection)? == 0 { Err(LedgerError::Emptied) } else { Ok(connection) }
}

/// Settings for durability, and the tables.
fn prepare(connection: Connection) -> Result<Connection, LedgerError> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16000;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    let change = match check_format(&connection)? {
        0 => include_str!("schema.sql"),
        1 => include_str!("from_1_to_2.sql"),
        _ => "",
    };
    if !change.is_empty() {
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {change} PRAGMA user_version = {FORMAT}; COMMIT;"))?;
    }
    seen(&connection, true)?;
    Ok(connection)
}

/// The deliveries as they are to be seen. A pending one that the list has no more is left out: nothing is sent to it.
/// `{dead}` is whether no run holds the ledger: what is claimed then was in flight when its run died.
const SEEN: &str = "DROP VIEW IF EXISTS temp.seen; CREATE TEMP VIEW seen AS
    SELECT id, key, line,
        CASE WHEN state = 'claimed' AND {dead} THEN 'unknown'
             WHEN state = 'pending' AND enrolment < (SELECT enrolment FROM campaign) THEN 'skipped'
             ELSE state END AS state,
        attempts, contact_id, conversation_id, message_id, livedesk_status,
        CASE WHEN state = 'claimed' AND {dead} THEN 'cut-off'
             WHEN state = 'pending' AND enrolment < (SELECT enrolment FROM campaign) THEN 'gone'
             ELSE error_code END AS error_code,
        CASE WHEN state = 'claimed' AND {dead} THEN 'the run ended before the answer came'
             WHEN state = 'pending' AND enrolment < (SELECT enrolment FROM campaign) THEN 'no longer on the list'
             ELSE error END AS error,
        first_attempt_at, settled_at
    FROM delivery";

fn seen(connection: &Connection, held: bool) -> Result<(), LedgerError> {
    Ok(connection.execute_batch(&SEEN.replace("{dead}", if held { "0" } else { "1" }))?)
}

/// What was claimed and never settled becomes `unknown`: the message may or may not have been taken.
fn settle_cut_off(connection: &Connection) -> Result<usize, LedgerError> {
    Ok(connection.execute(
        "UPDATE delivery SET state = 'unknown', settled_at = ?1, error_code = 'cut-off',
            error = 'the run ended before the answer came'
         WHERE state = 'claimed'",
        [send::now()],
    )?)
}

fn check_format(connection: &Connection) -> Result<i64, LedgerError> {
    let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > FORMAT { Err(LedgerError::Newer { found, known: FORMAT }) } else { Ok(found) }
}
