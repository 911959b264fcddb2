//! Opening a ledger: for a run, for looking, and as a copy that nobody keeps.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::completeness::{is_current, is_first, with_counter};
use super::connect::{connect, connect_to_temporary, copy};
use super::counter;
use super::create::{make, remove_unfinished};
use super::file::{LedgerFile, check_log, private_folder};
use super::format::{self, FORMAT, WITH_IDENTITY, check_format, delivery_view, prepare, settle_interrupted};
use super::handle::{Kept, Sqlite};
use super::lock::Lock;
use super::transfer_mark::refuse_transferred;
use super::watch::Watch;
use super::writer::Safeguard;
use crate::ledger::{Acknowledged, LedgerError};

/// How long a run may keep others from writing: it takes a list in as a whole.
const WHILE_A_LIST_IS_READ: Duration = Duration::from_mins(5);

/// Whether there is certainly no ledger at `path`, nor anything that one has left there.
///
/// # Errors
/// It cannot be told, or there was a ledger.
pub(in crate::ledger) fn is_first_run(path: &Path, acknowledged: Acknowledged) -> Result<bool, LedgerError> {
    is_first(&LedgerFile::find(path)?, acknowledged)
}

impl Sqlite {
    /// Opens the ledger for a run, making it where there is certainly none, and takes its lock.
    ///
    /// # Errors
    /// The lock is held, the file cannot be used, or it cannot be shown that it knows everyone who was sent to.
    pub(in crate::ledger) fn open(path: &Path, acknowledged: Acknowledged) -> Result<Self, LedgerError> {
        Self::open_in(path, None, acknowledged)
    }

    /// Opens an existing ledger as the original of a copy, also one that was moved, and takes its lock. `None` where there
    /// certainly is none.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub(in crate::ledger) fn open_source(path: &Path) -> Result<Option<Self>, LedgerError> {
        if is_first(&LedgerFile::find(path)?, Acknowledged::default())? {
            return Ok(None);
        }
        Self::hold(path, None, Acknowledged::default(), |_| Ok(0)).map(Some)
    }

    /// Opens the ledger that a copy goes to, making it where there is certainly none, and takes its lock.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub(in crate::ledger) fn open_target(path: &Path) -> Result<Self, LedgerError> {
        Self::hold(path, None, Acknowledged::default(), |_| Ok(0))
    }

    fn open_in(path: &Path, folder: Option<TempDir>, acknowledged: Acknowledged) -> Result<Self, LedgerError> {
        Self::hold(path, folder, acknowledged, |connection| {
            refuse_transferred(connection)?;
            settle_interrupted(connection)
        })
    }

    /// Takes the lock and opens the ledger, making it where there is certainly none. `begin` gives how many deliveries were
    /// left in flight.
    fn hold(
        path: &Path,
        folder: Option<TempDir>,
        acknowledged: Acknowledged,
        begin: impl FnOnce(&Connection) -> Result<u64, LedgerError>,
    ) -> Result<Self, LedgerError> {
        let path = LedgerFile::find(path)?.path;
        private_folder(&path)?;
        let lock = Lock::take(&path)?;
        let open = || -> Result<_, LedgerError> {
            remove_unfinished(&path)?;
            // Again, now that nobody else can make it.
            let is_new = is_first(&LedgerFile::find(&path)?, acknowledged)?;
            if is_new {
                make(&path)?;
            }
            let lock = lock.with_ledger(&path)?;
            check_log(&path)?;
            let connection = existing(connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?)?;
            if !is_new {
                format::check_integrity(&connection)?;
            }
            let (connection, counter) = with_counter(connection, &path, acknowledged)?;
            let interrupted = begin(&connection)?;
            let safeguard = Safeguard { counter, watch: Watch::over(&path)?, path: path.clone() };
            Ok((connection, safeguard, Kept { lock: Some(lock), _folder: None, is_new, interrupted, path: None }))
        };
        let (connection, safeguard, kept) = open().map_err(|error| error.at(&path))?;
        Self::start(connection, Some(safeguard), Kept { _folder: folder, path: Some(path), ..kept })
    }

    /// Opens an existing ledger for looking only, beside a run that may be under way. `None` where there certainly is
    /// none.
    ///
    /// # Errors
    /// The file cannot be used, or it cannot be shown that it knows everyone who was sent to.
    pub(in crate::ledger) fn open_read_only(path: &Path) -> Result<Option<Self>, LedgerError> {
        let file = LedgerFile::find(path)?;
        if is_first(&file, Acknowledged::default())? {
            return Ok(None);
        }
        let path = file.path;
        let open = || -> Result<_, LedgerError> {
            let held = Lock::is_held(&path)?;
            let connection = reader(&path, held, Acknowledged::default())?;
            refuse_transferred(&connection)?;
            delivery_view(&connection, held)?;
            connection.execute_batch("PRAGMA query_only = ON")?;
            Ok(connection)
        };
        let connection = open().map_err(|error| error.at(&path))?;
        Self::start(connection, None, Kept { path: Some(path), ..Kept::default() }).map(Some)
    }

    /// Opens an existing ledger to write receipts, beside a run that may be under way: without its lock, as whatever is
    /// written is in tables that a run only adds to. `None` where there certainly is none.
    ///
    /// # Errors
    /// As [`Sqlite::open_read_only`]; or it has an older format and is held by a run.
    pub(in crate::ledger) fn open_to_track(path: &Path) -> Result<Option<Self>, LedgerError> {
        let file = LedgerFile::find(path)?;
        if is_first(&file, Acknowledged::default())? {
            return Ok(None);
        }
        let path = file.path;
        let open = || -> Result<_, LedgerError> {
            if check_format(&existing(connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)?)? < FORMAT {
                // To bring it up takes the lock.
                drop(Self::open(&path, Acknowledged::default())?);
            }
            let held = Lock::is_held(&path)?;
            if !held {
                check_log(&path)?;
            }
            let counter = counter::read(&path)?;
            let connection = existing(connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?)?;
            if !held {
                format::check_integrity(&connection)?;
            }
            let connection = prepare(connection)?;
            is_current(&path, &counter, &format::identity(&connection)?, false)?;
            refuse_transferred(&connection)?;
            connection.busy_timeout(WHILE_A_LIST_IS_READ)?;
            delivery_view(&connection, held)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| error.at(&path))?;
        Self::start(connection, None, Kept { path: Some(path), ..Kept::default() }).map(Some)
    }

    /// An empty ledger in memory (and in SQLite's own nameless temporary file when it grows).
    ///
    /// # Errors
    /// The system has no room for it.
    pub(in crate::ledger) fn scratch() -> Result<Self, LedgerError> {
        Self::start(prepare(connect_to_temporary()?)?, None, Kept::default())
    }

    /// The same as a copy of the ledger at `path`, if there is one, so that a dry run says what a run would do.
    ///
    /// # Errors
    /// As [`Sqlite::open_read_only`].
    pub(in crate::ledger) fn scratch_copy(path: &Path, acknowledged: Acknowledged) -> Result<Self, LedgerError> {
        let file = LedgerFile::find(path)?;
        if is_first(&file, acknowledged)? {
            return Self::scratch();
        }
        let path = file.path;
        let open = || {
            let ledger = reader(&path, Lock::is_held(&path)?, acknowledged)?;
            refuse_transferred(&ledger)?;
            copy(&ledger).and_then(prepare)
        };
        Self::start(open().map_err(|error| error.at(&path))?, None, Kept::default())
    }

    /// A ledger in a temporary folder that goes with it.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub(in crate::ledger) fn temporary() -> Result<Self, LedgerError> {
        let folder = tempfile::tempdir().map_err(LedgerError::with_file(Path::new("a temporary folder")))?;
        Self::open_in(&folder.path().join("sandbox.sqlite"), Some(folder), Acknowledged::default())
    }
}

/// A ledger that is there has tables: one without was emptied.
pub(super) fn existing(connection: Connection) -> Result<Connection, LedgerError> {
    if check_format(&connection)? == 0 { Err(LedgerError::Emptied { path: None }) } else { Ok(connection) }
}

/// A connection to an existing ledger of this format, or of an older one brought up in memory.
pub(super) fn reader(path: &Path, held: bool, acknowledged: Acknowledged) -> Result<Connection, LedgerError> {
    // A run that is under way is writing it.
    if !held {
        check_log(path)?;
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
