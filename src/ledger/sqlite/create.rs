//! Ledgers that appear: made whole or not at all, for their owner only. An empty ledger is as bad as none: everyone would be
//! messaged again.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempPath;

use super::connect::{connect, copy_all};
use super::counter::{self, Count, Counter};
use super::file::{private, remove, sync_folder, with_suffix};
use super::format::{self, Identity, prepare};
use crate::ledger::LedgerError;

/// Makes an empty ledger where there is none. It appears under its name only when it is whole, and never in the place
/// of another file; what was not finished is thrown away.
pub(super) fn make(path: &Path) -> Result<(), LedgerError> {
    let fail = LedgerError::with_file(path);
    // Nothing was claimed with it, or somebody vouches for that.
    remove(&counter::path_of(path))?;
    let unfinished = unfinished(path);
    let leftover = TempPath::try_from_path(&unfinished).map_err(&fail)?;
    private(&unfinished).map_err(&fail)?;
    let connection = prepare(connect(&unfinished, OpenFlags::SQLITE_OPEN_READ_WRITE)?)?;
    let id = format::identity(&connection)?.id;
    connection.close().map_err(|(_, error)| LedgerError::from(error))?;
    // The counter first: a ledger without one is never new.
    Counter::create(path, &Count { ledger: id, claims: 0 })?;
    leftover.persist_noclobber(path).map_err(|error| fail(error.error))?;
    sync_folder(path).map_err(fail)
}

/// Removes what a run left that died while it made its ledger.
pub(super) fn remove_unfinished(path: &Path) -> Result<(), LedgerError> {
    let unfinished = unfinished(path);
    for left in [with_suffix(&unfinished, "-wal"), with_suffix(&unfinished, "-shm"), unfinished] {
        remove(&left)?;
    }
    Ok(())
}

pub(super) fn unfinished(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

/// Removes a ledger that was made by this process and never used.
pub(super) fn discard(path: &Path) {
    for file in [path.to_owned(), with_suffix(path, "-wal"), with_suffix(path, "-shm"), counter::path_of(path)] {
        let _ = fs::remove_file(file);
    }
}

/// Saves what an open ledger holds whose files were taken away: beside it, with a counter, so that a run can go on with
/// it.
pub(super) fn rescue(ledger: &Connection, path: &Path) -> Result<PathBuf, LedgerError> {
    let copy = with_suffix(path, ".rescued");
    let fail = LedgerError::with_file(&copy);
    let unfinished = unfinished(&copy);
    let leftover = TempPath::try_from_path(&unfinished).map_err(&fail)?;
    private(&unfinished).map_err(&fail)?;
    let mut target = connect(&unfinished, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    copy_all(ledger, &mut target)?;
    let Identity { id, claims } = format::identity(&target)?;
    target.close().map_err(|(_, error)| LedgerError::from(error))?;
    Counter::create(&copy, &Count { ledger: id, claims })?;
    leftover.persist_noclobber(&copy).map_err(|error| fail(error.error))?;
    sync_folder(&copy).map_err(fail)?;
    Ok(copy)
}
