//! The ledger in an SQLite file: one thread writes, and commits the changes of many deliveries together.
//!
//! `synchronous = FULL` with a write-ahead log: a commit survives a power cut. While one group is being flushed the
//! next gathers, so durability costs a delivery one flush of waiting and the disk far less than one flush a delivery.

mod attachments;
mod backup;
mod checksum;
mod counter;
mod enroll;
mod file;
mod format;
mod index_room;
mod read;
mod recover;
mod retry_failed;
mod send;
mod watch;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize};
use std::sync::mpsc;
use std::thread;

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch as channel};

use super::{LedgerError, Lock};
pub use backup::Backup;
pub use checksum::register as register_checksum;
use counter::{Count, Counter, Found};
pub use enroll::{Enrolled, Enrolment};
use file::Location;
use format::{FORMAT, Identity, WITH_IDENTITY, check_format, delivery_view, prepare, prepare_with, settle_interrupted};
pub use read::{Frozen, Records, Totals, frozen_in};
pub use recover::{Recovered, Recovery};
pub use retry_failed::RetryFailed;
use send::unstored;
use watch::Watch;
use writer::{Job, Safeguard, Writer};

/// What an operator vouches for where the files cannot tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Nothing was sent before, whatever an earlier ledger has left.
    pub first_run: bool,
    /// This ledger counts, although it may be an older copy.
    pub older: bool,
}

/// A ledger in an SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    /// This run's number, once it has begun.
    run: AtomicI64,
    /// Messages that may have left and whose outcome is not recorded.
    in_flight: Arc<AtomicUsize>,
    /// Why nothing can be recorded any more.
    lost: channel::Receiver<Option<LedgerError>>,
    kept: Kept,
}

/// What must outlive the file's use: dropped after the writing thread has ended.
#[derive(Debug, Default)]
struct Kept {
    lock: Option<Lock>,
    /// The folder of a temporary ledger, which goes with it.
    _folder: Option<TempDir>,
    /// Whether this process has made the file.
    is_new: bool,
    interrupted: usize,
    /// The file, where there is one: every error names it.
    path: Option<PathBuf>,
}

/// Whether there is certainly no ledger at `path`, nor anything that one has left there.
///
/// # Errors
/// It cannot be told, or there was a ledger.
pub fn is_first_run(path: &Path, acknowledged: Acknowledged) -> Result<bool, LedgerError> {
    Location::find(path)?.is_first(acknowledged)
}

/// Where the lock of a ledger is.
fn lock_of(ledger: &Path) -> PathBuf {
    Lock::path_of(ledger)
}

/// A connection to SQLite's own nameless temporary file.
fn connect_to_temporary() -> Result<Connection, LedgerError> {
    let connection = Connection::open("")?;
    register_checksum(&connection)?;
    Ok(connection)
}

/// A connection to a file. A path is a path: SQLite would take one that begins with `file:` for an address.
fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, LedgerError> {
    index_room::ensure(path)?;
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    register_checksum(&connection)?;
    Ok(connection)
}

impl Sqlite {
    /// Opens the ledger for a run, making it where there is certainly none, and takes its lock.
    ///
    /// # Errors
    /// The lock is held, the file cannot be used, or it cannot be shown that it knows everyone who was sent to.
    pub fn open(path: &Path, acknowledged: Acknowledged) -> Result<Self, LedgerError> {
        Self::open_in(path, None, acknowledged)
    }

    fn open_in(path: &Path, folder: Option<TempDir>, acknowledged: Acknowledged) -> Result<Self, LedgerError> {
        let path = Location::find(path)?.path;
        file::private_folder(&path)?;
        let lock = Lock::take(&path)?;
        let open = || -> Result<_, LedgerError> {
            file::remove_unfinished(&path)?;
            // Again, now that nobody else can make it.
            let is_new = Location::find(&path)?.is_first(acknowledged)?;
            if is_new {
                file::make(&path)?;
            }
            let lock = lock.with_ledger(&path)?;
            file::check_log(&path)?;
            let connection = existing(connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?)?;
            if !is_new {
                format::check_integrity(&connection)?;
            }
            let (connection, counter) = with_counter(connection, &path, acknowledged)?;
            let interrupted = settle_interrupted(&connection)?;
            let safeguard = Safeguard { counter, watch: Watch::over(&path)?, path: path.clone() };
            Ok((connection, safeguard, Kept { lock: Some(lock), _folder: None, is_new, interrupted, path: None }))
        };
        let (connection, safeguard, kept) = open().map_err(|error| error.at(&path))?;
        Self::start(connection, Some(safeguard), Kept { _folder: folder, path: Some(path), ..kept })
    }

    /// How many deliveries were in flight when an earlier run died: they are `unknown` since this one opened the ledger.
    pub const fn interrupted(&self) -> usize {
        self.kept.interrupted
    }

    /// After a run that was left at once: what it had in flight is `unknown`. Gives how many those are.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn settle_interrupted(&self) -> Result<usize, LedgerError> {
        self.alone(|connection| settle_interrupted(connection)).await
    }

    /// Ends, with the reason, when nothing can be recorded any more because the files were taken away.
    pub async fn lost(&self) -> LedgerError {
        let mut lost = self.lost.clone();
        match lost.wait_for(Option::is_some).await {
            Ok(error) => error.clone().unwrap_or(LedgerError::Closed),
            Err(_) => LedgerError::Closed,
        }
    }

    /// Opens an existing ledger for looking only, beside a run that may be under way. `None` where there certainly is none.
    ///
    /// # Errors
    /// The file cannot be used, or it cannot be shown that it knows everyone who was sent to.
    pub fn open_read_only(path: &Path) -> Result<Option<Self>, LedgerError> {
        let location = Location::find(path)?;
        if location.is_first(Acknowledged::default())? {
            return Ok(None);
        }
        let path = location.path;
        let open = || -> Result<_, LedgerError> {
            let held = Lock::is_held(&path)?;
            let connection = reader(&path, held, Acknowledged::default())?;
            delivery_view(&connection, held)?;
            connection.execute_batch("PRAGMA query_only = ON")?;
            Ok(connection)
        };
        let connection = open().map_err(|error| error.at(&path))?;
        Self::start(connection, None, Kept { path: Some(path), ..Kept::default() }).map(Some)
    }

    /// An empty ledger in memory (and in SQLite's own nameless temporary file when it grows).
    ///
    /// # Errors
    /// The system has no room for it.
    pub fn scratch() -> Result<Self, LedgerError> {
        Self::start(prepare(connect_to_temporary()?)?, None, Kept::default())
    }

    /// The same as a copy of the ledger at `path`, if there is one, so that a dry run says what a run would do.
    ///
    /// # Errors
    /// As [`Sqlite::open_read_only`].
    pub fn scratch_copy(path: &Path, acknowledged: Acknowledged) -> Result<Self, LedgerError> {
        let location = Location::find(path)?;
        if location.is_first(acknowledged)? {
            return Self::scratch();
        }
        let path = location.path;
        let open = || copy(&reader(&path, Lock::is_held(&path)?, acknowledged)?).and_then(prepare);
        Self::start(open().map_err(|error| error.at(&path))?, None, Kept::default())
    }

    /// A ledger in a temporary folder that goes with it.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn temporary() -> Result<Self, LedgerError> {
        let fail = |error: std::io::Error| LedgerError::File {
            path: PathBuf::from("a temporary folder"),
            why: error.to_string(),
        };
        let folder = tempfile::tempdir().map_err(fail)?;
        Self::open_in(&folder.path().join("sandbox.sqlite"), Some(folder), Acknowledged::default())
    }

    /// Closes a ledger that this process has made and not used, and removes it. Others are only closed.
    pub fn discard_if_new(mut self) {
        let made = self.kept.path.take().filter(|_| self.kept.is_new);
        let lock = self.kept.lock.take();
        drop(self);
        if let Some(path) = made {
            file::discard(&path);
            let _ = std::fs::remove_file(lock_of(&path));
            if let Some(folder) = path.parent() {
                // Only if nothing else is in it.
                let _ = std::fs::remove_dir(folder);
            }
        }
        drop(lock);
    }

    fn start(connection: Connection, safeguard: Option<Safeguard>, kept: Kept) -> Result<Self, LedgerError> {
        let (jobs, queue) = mpsc::channel();
        let (tell, lost) = channel::channel(None);
        let in_flight = Arc::new(AtomicUsize::new(0));
        let writer = Writer { connection, safeguard, in_flight: Arc::clone(&in_flight), lost: tell };
        let thread = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer.serve(&queue))
            .map_err(LedgerError::unreadable)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), run: AtomicI64::new(0), in_flight, lost, kept })
    }

    /// Makes a change that is committed with its neighbours; ends when it is on disk.
    async fn change<T: Send + 'static>(
        &self,
        claims: bool,
        change: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (tell, told) = oneshot::channel();
        let job: writer::Change = Box::new(move |connection| {
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

/// A whole copy in memory.
fn copy(source: &Connection) -> Result<Connection, LedgerError> {
    let mut connection = connect_to_temporary()?;
    backup::copy_all(source, &mut connection)?;
    Ok(connection)
}

/// A ledger that is there has tables: one without was emptied.
fn existing(connection: Connection) -> Result<Connection, LedgerError> {
    if check_format(&connection)? == 0 { Err(LedgerError::Emptied) } else { Ok(connection) }
}

/// A connection to an existing ledger of this format, or of an older one brought up in memory.
fn reader(path: &Path, held: bool, acknowledged: Acknowledged) -> Result<Connection, LedgerError> {
    // A run that is under way is writing it.
    if !held {
        file::check_log(path)?;
    }
    // Before the ledger is read: the counter of a run that is under way never overtakes its ledger.
    let counter = counter::read(path)?;
    // Not read-only, although nothing is written: a reader that may not write cannot tidy up behind itself.
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .or_else(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    let mut connection = existing(connection)?;
    // The run that holds it has checked it.
    if !held {
        format::check_integrity(&connection)?;
    }
    let found = check_format(&connection)?;
    if found != FORMAT {
        connection = prepare(copy(&connection)?)?;
    }
    if !acknowledged.older {
        let identity = format::identity(&connection)?;
        is_current(path, &counter, &identity, found < WITH_IDENTITY)?;
    }
    Ok(connection)
}

/// The ledger of a run, of this format, with its counter.
fn with_counter(
    connection: Connection,
    path: &Path,
    acknowledged: Acknowledged,
) -> Result<(Connection, Counter), LedgerError> {
    let found = counter::read(path)?;
    let mut begun = false;
    let connection = prepare_with(connection, |identity| {
        // It comes from an older format. Its counter is made before it is kept, so that it is never without one.
        begun = true;
        if !acknowledged.older {
            is_current(path, &found, identity, true)?;
        }
        replace_counter(path, identity)
    })?;
    let identity = format::identity(&connection)?;
    if !begun {
        match is_current(path, &found, &identity, false) {
            Err(_) if acknowledged.older => {
                let transaction = connection.unchecked_transaction()?;
                replace_counter(path, &format::renew_identity(&transaction)?)?;
                transaction.commit()?;
            }
            result => result?,
        }
    }
    let identity = format::identity(&connection)?;
    let counter = Counter::open(path, &identity.id)?;
    Ok((connection, counter))
}

fn replace_counter(path: &Path, Identity { id, claims }: &Identity) -> Result<(), LedgerError> {
    let counter = counter::path_of(path);
    match std::fs::remove_file(&counter) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file::io_error(&counter)(error)),
        _ => {}
    }
    Counter::create(path, &Count { ledger: id.clone(), claims: *claims }).map(drop)
}

/// Makes sure that a ledger knows as many claims as were made with it. One of an older format (`without_counter`) need not
/// have a counter, and if it has one, not of its own name: bringing it up may have been interrupted.
fn is_current(path: &Path, found: &Found, ledger: &Identity, without_counter: bool) -> Result<(), LedgerError> {
    let counter = counter::path_of(path);
    let counter = counter.display();
    let why = match found {
        Found::Nothing if without_counter => return Ok(()),
        Found::Nothing => format!("its file {counter} is missing, so this may be an older copy"),
        Found::Damaged => format!("its file {counter} is damaged, so this may be an older copy"),
        Found::Count(count) if count.ledger != ledger.id && !without_counter => {
            format!("{counter} belongs to another ledger, so this may be an older copy")
        }
        Found::Count(count) if count.claims > ledger.claims => format!(
            "this ledger knows of {} send attempts, but {} were made (says {counter}): it is an older copy, or its log is \
             damaged or missing",
            ledger.claims, count.claims
        ),
        Found::Count(_) => return Ok(()),
    };
    Err(LedgerError::NotCurrent { path: path.to_owned(), why })
}
