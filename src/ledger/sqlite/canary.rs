//! The canary of the message that counts now.

use rusqlite::{Connection, OptionalExtension};

use crate::ledger::{CanaryVerdict, LedgerError};

/// The last run that sent another message, or 0, and what was decided since.
pub(super) fn read(connection: &Connection) -> Result<(i64, Option<CanaryVerdict>), LedgerError> {
    let sql = "SELECT after_run, verdict FROM canary";
    let row: Option<(i64, Option<String>)> =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (after_run, word) = row.unwrap_or_default();
    let damaged = |word: String| LedgerError::damaged(format!("`{word}` is no verdict about a canary"));
    let verdict = word.map(|word| CanaryVerdict::parse(&word).ok_or_else(|| damaged(word))).transpose()?;
    Ok((after_run, verdict))
}

/// What was sent so far belongs to no canary any more.
pub(super) fn restart(connection: &Connection) -> Result<(), LedgerError> {
    connection.execute("INSERT OR REPLACE INTO canary (one, after_run) SELECT 1, run FROM campaign", [])?;
    Ok(())
}

/// Keeps what was decided.
pub(super) fn decide(connection: &Connection, verdict: CanaryVerdict) -> Result<(), LedgerError> {
    let sql = "INSERT INTO canary (one, after_run, verdict) VALUES (1, 0, ?1)
        ON CONFLICT (one) DO UPDATE SET verdict = excluded.verdict";
    connection.execute(sql, [verdict.word()])?;
    Ok(())
}
