//! One run at a time for each ledger, by a lock that the operating system holds: it ends with the process, however that
//! ends, so a dead run never bars the next.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::LedgerError;

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
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // A holder who has not yet written its name is still a holder.
                let _ = file.read_to_string(&mut text);
                let unknown =
                    || Holder { process: 0, host: "an unknown host".to_owned(), since: jiff::Timestamp::now() };
                return Err(LedgerError::Held(serde_json::from_str(&text).unwrap_or_else(|_| unknown())));
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        let host = hostname::get().map_or_else(|_| "this host".to_owned(), |name| name.to_string_lossy().into_owned());
        let holder = Holder { process: std::process::id(), host, since: jiff::Timestamp::now() };
        file.set_len(0).map_err(fail)?;
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        let text = serde_json::to_string(&holder).unwrap_or_default();
        file.write_all(text.as_bytes()).map_err(fail)?;
        Ok(Self { _file: file })
    }
}
