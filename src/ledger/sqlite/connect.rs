//! Connections to SQLite, with what every one of them needs.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::{checksum, index_space};
use crate::ledger::LedgerError;

/// A connection to SQLite's own nameless temporary file.
pub(super) fn connect_to_temporary() -> Result<Connection, LedgerError> {
    let connection = Connection::open("")?;
    checksum::register(&connection)?;
    Ok(connection)
}

/// A connection to a file. A path is a path: SQLite would take one that begins with `file:` for an address.
pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, LedgerError> {
    index_space::ensure(path)?;
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    checksum::register(&connection)?;
    Ok(connection)
}

/// A whole copy in memory.
pub(super) fn copy(source: &Connection) -> Result<Connection, LedgerError> {
    let mut connection = connect_to_temporary()?;
    copy_all(source, &mut connection)?;
    Ok(connection)
}

/// Copies everything that `source` holds at this moment.
pub(super) fn copy_all(source: &Connection, target: &mut Connection) -> Result<(), LedgerError> {
    // All pages in one step, which holds one snapshot: between two steps a run may write, and then SQLite begins anew.
    match Backup::new(source, target)?.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(LedgerError::database("another program has locked it")),
    }
}
