//! What a copy to another ledger has left in a file, and ledgers that are opened for one.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::completeness::is_first;
use super::file::LedgerFile;
use super::handle::Sqlite;
use super::lock::Lock;
use super::open::reader;
use super::transfer_mark::{set_transfer, transfer};
use crate::ledger::transfer::Transfer;
use crate::ledger::{Acknowledged, LedgerError};

impl Sqlite {
    /// The campaign of the ledger at `path`, also of one that was moved.
    pub(in crate::ledger) fn campaign(path: &Path) -> Result<Option<String>, LedgerError> {
        let file = LedgerFile::find(path)?;
        if is_first(&file, Acknowledged::default())? {
            return Ok(None);
        }
        let read = || owner(&reader(&file.path, Lock::is_held(&file.path)?, Acknowledged::default())?);
        read().map_err(|error| error.at(&file.path))
    }

    /// The campaign whose ledger it is.
    pub(in crate::ledger) async fn owner(&self) -> Result<Option<String>, LedgerError> {
        self.alone(|connection| owner(connection)).await
    }

    /// What a copy has left here.
    pub(in crate::ledger) async fn transfer(&self) -> Result<Option<Transfer>, LedgerError> {
        self.alone(|connection| transfer(connection)).await
    }

    /// Marks the ledger, or takes its mark away.
    pub(in crate::ledger) async fn set_transfer(&self, mark: Option<Transfer>) -> Result<(), LedgerError> {
        self.alone(move |connection| set_transfer(connection, mark.as_ref())).await
    }
}

fn owner(connection: &Connection) -> Result<Option<String>, LedgerError> {
    Ok(connection.query_row("SELECT name FROM campaign", [], |row| row.get(0)).optional()?)
}
