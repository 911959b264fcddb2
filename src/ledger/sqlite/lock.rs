//! One run at a time for each ledger, by a lock that the operating system holds: it ends with the process, however that
//! ends, so a dead run never bars the next.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::ledger::holder::this_host;
use crate::ledger::{Holder, LedgerError};
use crate::private_file;

/// Longer than anybody needs who only looks whether the lock is held.
const A_LOOK: Duration = Duration::from_millis(100);

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _beside: File,
    /// The ledger itself, which has one lock by whatever path it is reached (a single file may be mounted elsewhere).
    _ledger: Option<File>,
}

impl Lock {
    /// Where the lock of a ledger is.
    pub(super) fn path_of(ledger: &Path) -> PathBuf {
        let mut name = ledger.as_os_str().to_owned();
        name.push("-lock");
        PathBuf::from(name)
    }

    /// Takes the lock beside `ledger`, which need not be there yet.
    ///
    /// # Errors
    /// [`LedgerError::InUse`] with the holder, or what is wrong with the file.
    pub(super) fn take(ledger: &Path) -> Result<Self, LedgerError> {
        let path = Self::path_of(ledger);
        let fail = LedgerError::with_file(&path);
        // By a link, two ledgers would share one lock, or one ledger have two.
        if fs::symlink_metadata(&path).is_ok_and(|about| !about.is_file()) {
            let why = "not a regular file; remove it while no run is active";
            return Err(LedgerError::unsuitable(&path, why));
        }
        let mut file = private(&path).map_err(&fail)?;
        if !acquire(&file).map_err(&fail)? {
            return Err(LedgerError::InUse(holder(&mut file)));
        }
        if !is_at(&file, &path) {
            // Whoever held it has removed it meanwhile: a lock that nobody else would find is none.
            return Self::take(ledger);
        }
        file.set_len(0).map_err(&fail)?;
        file.seek(SeekFrom::Start(0)).map_err(&fail)?;
        let text = serde_json::to_string(&Holder::this_process()).unwrap_or_default();
        file.write_all(text.as_bytes()).map_err(fail)?;
        Ok(Self { _beside: file, _ledger: None })
    }

    /// Takes the lock of the ledger itself as well, where the system has one that does not get into SQLite's way. It
    /// must be taken before SQLite opens the file, and dropped after: closing any descriptor of a file drops SQLite's
    /// own locks.
    ///
    /// # Errors
    /// [`LedgerError::InUse`], or what is wrong with the file.
    pub(super) fn with_ledger(self, ledger: &Path) -> Result<Self, LedgerError> {
        let mut ledger_lock = None;
        let fail = LedgerError::with_file(ledger);
        if has_own_lock(ledger) {
            let file = File::open(ledger).map_err(&fail)?;
            if !acquire(&file).map_err(&fail)? {
                return Err(LedgerError::InUse(Holder::unnamed()));
            }
            ledger_lock = Some(file);
        }
        Ok(Self { _ledger: ledger_lock, ..self })
    }

    /// Who holds the ledger, if a run does.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn holder(ledger: &Path) -> Result<Option<Holder>, LedgerError> {
        let locked = |path: &Path| match File::open(path) {
            Ok(file) => Ok(matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then_some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LedgerError::file(path, error)),
        };
        if let Some(mut file) = locked(&Self::path_of(ledger))? {
            return Ok(Some(holder(&mut file)));
        }
        Ok(if has_own_lock(ledger) { locked(ledger)?.map(|_| Holder::unnamed()) } else { None })
    }

    /// Asks the process that holds the ledger to end in good order, as Ctrl-C does. Gives whether that could be done: only for
    /// a process of this machine that certainly holds this lock.
    #[cfg(unix)]
    pub(super) fn terminate(ledger: &Path, holder: &Holder) -> bool {
        use rustix::process::{Pid, Signal, kill_process};
        holder.host == this_host()
            && has_open(holder.process, &Self::path_of(ledger))
            && i32::try_from(holder.process)
                .ok()
                .and_then(Pid::from_raw)
                .is_some_and(|process| kill_process(process, Signal::TERM).is_ok())
    }

    /// There are no signals here.
    #[cfg(not(unix))]
    pub(super) fn terminate(_: &Path, _: &Holder) -> bool {
        false
    }

    /// Whether a run holds the ledger.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn is_held(ledger: &Path) -> Result<bool, LedgerError> {
        Self::holder(ledger).map(|holder| holder.is_some())
    }
}

/// Whether a ledger can be locked by `flock` without touching the locks that SQLite takes by `fcntl`. They are the same
/// on network filesystems and on other systems than Linux.
fn has_own_lock(ledger: &Path) -> bool {
    // On other word widths the system names filesystems otherwise.
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    {
        const SMB: i64 = 0xff53_4d42;
        const SMB2: i64 = 0xfe53_4d42;
        let kind = rustix::fs::statfs(ledger).map(|about| about.f_type);
        kind.is_ok_and(|kind| ![rustix::fs::NFS_SUPER_MAGIC, SMB, SMB2].contains(&kind))
    }
    #[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
    {
        let _ = ledger;
        false
    }
}

/// Whether an open file is the one at a path.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |about: fs::Metadata| (about.dev(), about.ino());
        file.metadata().map(identity).ok() == fs::symlink_metadata(path).map(identity).ok()
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        true
    }
}

/// Takes the lock of a file; `false` if another process has it.
fn acquire(file: &File) -> io::Result<bool> {
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            // Somebody who only looks whether it is held lets go at once.
            Err(TryLockError::WouldBlock) if begun.elapsed() < A_LOOK => thread::sleep(A_LOOK / 10),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Opens the file, making it where there is none, readable by its owner only: it names the machine.
fn private(path: &Path) -> std::io::Result<File> {
    private_file::options().read(true).write(true).create(true).truncate(false).open(path)
}

/// Whether a process has a file open, as far as the system shows it. In another container a process of this number is somebody else's.
#[cfg(unix)]
fn has_open(process: u32, path: &Path) -> bool {
    let Ok(path) = fs::canonicalize(path) else { return false };
    let opened = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    opened.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|opened| opened == path)
}

/// Who wrote their name into the file. A holder who has not yet done so is still a holder.
fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str(&text).ok());
    read.unwrap_or_else(Holder::unnamed)
}
