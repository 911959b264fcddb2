//! The canary of the message that counts now.

use super::session::Session;
use crate::ledger::{CanaryVerdict, LedgerError};

/// The last run that sent another message, or 0, and what was decided since.
pub(super) async fn read(session: &Session) -> Result<(i64, Option<CanaryVerdict>), LedgerError> {
    let sql = "SELECT after_run, verdict FROM canary WHERE ledger = $1";
    let (after_run, word): (i64, Option<String>) = match session.client.query_opt(sql, &[&session.ledger]).await? {
        Some(row) => (row.try_get(0)?, row.try_get(1)?),
        None => (0, None),
    };
    let damaged = |word: String| LedgerError::damaged(format!("`{word}` is no verdict about a canary"));
    let verdict = word.map(|word| CanaryVerdict::parse(&word).ok_or_else(|| damaged(word))).transpose()?;
    Ok((after_run, verdict))
}

/// What was sent so far belongs to no canary any more.
pub(super) async fn restart(session: &Session) -> Result<(), LedgerError> {
    let sql = "INSERT INTO canary (ledger, after_run) SELECT id, run FROM ledger WHERE id = $1
        ON CONFLICT (ledger) DO UPDATE SET after_run = excluded.after_run, verdict = NULL";
    session.client.execute(sql, &[&session.ledger]).await?;
    Ok(())
}

/// Keeps what was decided.
pub(super) async fn decide(session: &Session, verdict: CanaryVerdict) -> Result<(), LedgerError> {
    let sql = "INSERT INTO canary (ledger, after_run, verdict) VALUES ($1, 0, $2)
        ON CONFLICT (ledger) DO UPDATE SET verdict = excluded.verdict";
    session.client.execute(sql, &[&session.ledger, &verdict.word()]).await?;
    Ok(())
}
