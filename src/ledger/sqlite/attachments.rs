//! The contents of attachments as they were when the list was taken in: a file that changes is a message that changes.

use std::collections::BTreeMap;

use rusqlite::params;

use super::Sqlite;
use crate::ledger::LedgerError;

impl Sqlite {
    /// The hash of each attachment's content, by its path, for the version that counts.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn attachments(&self) -> Result<BTreeMap<String, String>, LedgerError> {
        self.alone(|connection| {
            let mut statement = connection.prepare("SELECT path, hash FROM attachment")?;
            let known = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(known.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// These are the contents that count from now on. Kept with the enrolment under way.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn set_attachments(&self, hashes: BTreeMap<String, String>) -> Result<(), LedgerError> {
        self.alone(move |connection| {
            connection.execute("DELETE FROM attachment", [])?;
            let mut statement = connection.prepare("INSERT INTO attachment (path, hash) VALUES (?1, ?2)")?;
            for (path, hash) in &hashes {
                statement.execute(params![path, hash])?;
            }
            Ok(())
        })
        .await
    }
}
