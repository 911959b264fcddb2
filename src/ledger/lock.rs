//! One run at a time for each ledger, by a lock that the operating system holds: it ends with the process, however that
//! ends, so a dead run never bars the next.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::LedgerError;

/// Longer than anybody needs who only looks whether the lock is held.
const A_LOOK: Duration = Duration::from_millis(100);

/// Who runs a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    process: u32,
    host: String,
    since: jiff::Timestamp,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {} since {:.0}", self.process, self.host, self.since)
    }
}

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock beside `ledger`.
    ///
    /// # Errors
    /// [`LedgerError::Held`] with the holder, or what is wrong with the file.
    pub fn take(ledger: &Path) -> Result<Self, LedgerError> {
        let path = ledger.with_extension("lock");
        let fail = |error: std::io::Error| LedgerError::File { path: path.clone(), why: error.to_string() };
        let mut file = private(&path).map_err(fail)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // Somebody who only looks whether it is held lets go at once.
                Err(TryLockError::WouldBlock) if begun.elapsed() < A_LOOK => thread::sleep(A_LOOK / 10),
                Err(TryLockError::WouldBlock) => return Err(LedgerError::Held(holder(&mut file))),
                Err(TryLockError::Error(error)) => return Err(fail(error)),
            }
        }
        let host = hostname::get().map_or_else(|_| "this host".to_owned(), |name| name.to_string_lossy().into_owned());
        let holder = Holder { process: std::process::id(), host, since: jiff::Timestamp::now() };
        file.set_len(0).map_err(fail)?;
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        let text = serde_json::to_string(&holder).unwrap_or_default();
        file.write_all(text.as_bytes()).map_err(fail)?;
        Ok(Self { _file: file })
    }

    /// Whether a run holds the lock beside `ledger`.
    pub fn is_held(ledger: &Path) -> bool {
        let file = File::open(ledger.with_extension("lock"));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

/// Opens the file, making it where there is none, readable by its owner only: it names the machine.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Who wrote their name into the file. A holder who has not yet done so is still a holder.
fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str(&text).ok());
    let unnamed = || Holder { process: 0, host: "an unknown host".to_owned(), since: jiff::Timestamp::now() };
    read.unwrap_or_else(unnamed)
}
