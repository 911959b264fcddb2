//! Copies of a ledger that are whole, whatever a run writes meanwhile.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use tempfile::TempPath;

use super::completeness::is_first;
use super::connect::{connect, copy_all};
use super::create::{remove_unfinished, unfinished};
use super::file::{LedgerFile, is_free, private, sync_folder};
use super::format;
use super::handle::Sqlite;
use super::lock::Lock;
use super::open::reader;
use crate::ledger::values::unstored;
use crate::ledger::{Acknowledged, LedgerError};

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// Deliveries, of all outcomes.
    pub deliveries: u64,
    /// Send attempts that the ledger knew of when the copy was made.
    pub claims: u64,
}

impl Sqlite {
    /// Copies the ledger at `path` to a new file, also while a run writes it: the copy is the ledger as it was at one
    /// moment. It has no counter, so it is never taken for a current ledger by itself. `None` where there certainly is
    /// no ledger.
    ///
    /// # Errors
    /// The ledger cannot be read, the copy cannot be written, or there is a file of that name.
    pub(in crate::ledger) fn backup(path: &Path, target: &Path) -> Result<Option<Backup>, LedgerError> {
        let file = LedgerFile::find(path)?;
        if is_first(&file, Acknowledged::default())? {
            return Ok(None);
        }
        let path = file.path;
        let source = reader(&path, Lock::is_held(&path)?, Acknowledged::default()).map_err(|error| error.at(&path))?;
        let fail = LedgerError::with_file(target);
        is_free(target)?;
        let unfinished = unfinished(target);
        remove_unfinished(target)?;
        let leftover = TempPath::try_from_path(&unfinished).map_err(&fail)?;
        private(&unfinished).map_err(&fail)?;
        let copied = copy_to(&source, &unfinished).map_err(|error| error.at(target))?;
        leftover.persist_noclobber(target).map_err(|error| fail(error.error))?;
        sync_folder(target).map_err(fail)?;
        Ok(Some(copied))
    }
}

fn copy_to(source: &Connection, target: &Path) -> Result<Backup, LedgerError> {
    let mut copy = connect(target, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    copy_all(source, &mut copy)?;
    // A copy that cannot be read is found out now, not on the day when it is needed.
    format::check_integrity(&copy)?;
    let deliveries = copy.query_row("SELECT count(*) FROM delivery", [], |row| row.get(0))?;
    let claims = format::identity(&copy)?.claims;
    copy.close().map_err(|(_, error)| LedgerError::from(error))?;
    Ok(Backup { deliveries: unstored(deliveries), claims: unstored(claims) })
}
