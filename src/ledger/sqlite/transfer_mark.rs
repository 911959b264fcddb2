//! The mark that a copy to another ledger leaves in both: which copy it is, and where the campaign continues.

use rusqlite::{Connection, OptionalExtension, params};

use crate::ledger::LedgerError;
use crate::ledger::transfer::{Transfer, TransferKind};

/// The mark; `None` where there is none.
pub(super) fn transfer(connection: &Connection) -> Result<Option<Transfer>, LedgerError> {
    let found: Option<(String, String, String)> = connection
        .query_row("SELECT id, word, place FROM transfer", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let mark =
        |(id, word, place): (String, String, String)| Ok(Transfer { id, kind: TransferKind::parse(&word)?, place });
    found.map(mark).transpose()
}

pub(super) fn set_transfer(connection: &Connection, mark: Option<&Transfer>) -> Result<(), LedgerError> {
    match mark {
        Some(Transfer { id, kind, place }) => connection.execute(
            "INSERT OR REPLACE INTO transfer (one, id, word, place) VALUES (1, ?1, ?2, ?3)",
            params![id, kind.word(), place],
        )?,
        None => connection.execute("DELETE FROM transfer", [])?,
    };
    Ok(())
}

/// A ledger whose campaign continues elsewhere is not used, nor one that has not arrived.
pub(super) fn refuse_transferred(connection: &Connection) -> Result<(), LedgerError> {
    transfer(connection)?.map_or(Ok(()), |mark| Err(mark.refusal()))
}
