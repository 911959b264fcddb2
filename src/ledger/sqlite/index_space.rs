//! Disk space for SQLite's index of its log, the `-shm` file.
//!
//! SQLite maps that file into memory and gives it its size without filling it. Where blocks are smaller than pages, touching
//! such a hole on a full disk kills the process (SIGBUS), and no error can be handled. So we make sure of the space before a
//! ledger is opened: SQLite fills the whole index with its first commit.

use std::io::{self, Write};
use std::path::Path;

use super::file::with_suffix;
use crate::ledger::LedgerError;
use crate::private_file::folder_of;

/// Bytes that must be free: the index (32 KiB) and what the first commit writes before it, the tables of a new ledger.
const SPACE: usize = 512 * 1024;

/// The first part of the index, which is all of it as long as the log is short.
const INDEX: u64 = 32 * 1024;

/// Makes sure that there is space, by writing a temporary file of that size.
///
/// # Errors
/// The disk is full. Any other error is left for SQLite to meet, for it may not need to write at all.
pub(super) fn ensure(ledger: &Path) -> Result<(), LedgerError> {
    if is_filled(&with_suffix(ledger, "-shm")) {
        return Ok(());
    }
    match take(folder_of(ledger)) {
        Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
            Err(rusqlite::Error::SqliteFailure(full, Some("the disk is full".to_owned())).into())
        }
        _ => Ok(()),
    }
}

/// Whether an index is there and has its blocks already. Only looks: to open and close it would release SQLite's locks on it.
fn is_filled(index: &Path) -> bool {
    #[cfg(unix)]
    let taken = |about: &std::fs::Metadata| std::os::unix::fs::MetadataExt::blocks(about) * 512;
    #[cfg(not(unix))]
    let taken = std::fs::Metadata::len;
    std::fs::metadata(index).is_ok_and(|about| taken(&about) >= INDEX)
}

/// Writes a file that has no name, so that nothing is left of it.
fn take(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&vec![0; SPACE])?;
    // Some file systems find out only now.
    file.sync_data()
}
