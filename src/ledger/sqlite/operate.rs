//! An operator's word. How a delivery had ended before is kept in `history`.

use rusqlite::{Connection, params};

use super::handle::Sqlite;
use super::retry_failed;
use crate::ledger::values::{key_list, now, stored};
use crate::ledger::{LedgerError, Operate, Resolution, Resolved, RetryRules};
use crate::state::{OperatorAction, RESOLVED, State};

impl Operate for Sqlite {
    async fn resolve(
        &self,
        keys: Option<Vec<String>>,
        sent: bool,
        note: Option<String>,
    ) -> Result<Resolved, LedgerError> {
        self.alone(move |connection| {
            let keys = key_list(keys.as_deref());
            let transaction = connection.transaction()?;
            let others = not_unknown(&transaction, keys.as_deref())?;
            if !others.is_empty() {
                return Ok(Resolved::NotUnknown(others));
            }
            let changed = resolve(&transaction, keys.as_deref(), sent, note.as_deref())?;
            transaction.commit()?;
            Ok(Resolved::All(changed))
        })
        .await
    }

    async fn settle_by_evidence(&self, resolutions: Vec<Resolution>) -> Result<u64, LedgerError> {
        self.alone(move |connection| {
            let transaction = connection.transaction()?;
            let mut settled = 0;
            for resolution in resolutions {
                settled += settle_one(&transaction, &resolution)?;
            }
            transaction.commit()?;
            Ok(settled)
        })
        .await
    }

    async fn retry_failed(&self, retry: RetryRules) -> Result<u64, LedgerError> {
        self.alone(move |connection| {
            let transaction = connection.savepoint()?;
            retry_failed::mark(&transaction, &retry)?;
            let enrolment = transaction.query_row("SELECT enrolment FROM campaign", [], |row| row.get(0))?;
            let taken = retry_failed::take_up(&transaction, enrolment)?;
            transaction.commit()?;
            Ok(taken)
        })
        .await
    }
}

/// Those of the keys that have no unknown delivery.
fn not_unknown(connection: &Connection, keys: Option<&str>) -> Result<Vec<String>, LedgerError> {
    let mut statement = connection.prepare(
        "SELECT value FROM json_each(?1) WHERE value NOT IN (SELECT key FROM delivery WHERE state = 'unknown')",
    )?;
    let others = statement.query_map([keys.unwrap_or("[]")], |row| row.get(0))?;
    Ok(others.collect::<Result<_, _>>()?)
}

fn resolve(connection: &Connection, keys: Option<&str>, sent: bool, note: Option<&str>) -> Result<u64, LedgerError> {
    const { assert!(State::Unknown.can_become(State::Accepted) && State::Unknown.can_become(State::Pending)) };
    let action = if sent { OperatorAction::ResolvedAsSent } else { OperatorAction::ResolvedAsNotSent };
    connection.execute(
        "INSERT INTO history (delivery, at, outcome, error_code, error, message_id, claimed_at, word, note)
         SELECT id, ?1, state, error_code, error, message_id, iif(?5, NULL, coalesce(left_at, claimed_at)), ?2, ?3
         FROM delivery WHERE state = 'unknown' AND (?4 IS NULL OR key IN (SELECT value FROM json_each(?4)))",
        params![now(), action.word(), note, keys, sent],
    )?;
    let changed = connection.execute(
        "UPDATE delivery SET state = iif(?1, 'accepted', 'pending'), settled_at = iif(?1, ?2, NULL),
            error_code = iif(?1, ?4, NULL), error = NULL, message_id = iif(?1, message_id, NULL)
         WHERE state = 'unknown' AND (?3 IS NULL OR key IN (SELECT value FROM json_each(?3)))",
        params![sent, now(), keys, RESOLVED],
    )?;
    Ok(changed as u64)
}

fn settle_one(connection: &Connection, resolution: &Resolution) -> Result<u64, LedgerError> {
    const { assert!(State::Unknown.can_become(State::Accepted) && State::Unknown.can_become(State::Pending)) };
    let Resolution { position, message_id, note } = resolution;
    let (id, sent) = (position.number(), message_id.is_some());
    let action = if sent { OperatorAction::ResolvedAsSent } else { OperatorAction::ResolvedAsNotSent };
    connection
        .prepare_cached(
            "INSERT INTO history (delivery, at, outcome, error_code, error, message_id, claimed_at, word, note)
         SELECT id, ?2, state, error_code, error, message_id, iif(?5, NULL, coalesce(left_at, claimed_at)), ?3, ?4
         FROM delivery WHERE id = ?1 AND state = 'unknown'",
        )?
        .execute(params![id, now(), action.word(), note, sent])?;
    let changed = connection
        .prepare_cached(
            "UPDATE delivery SET state = iif(?2, 'accepted', 'pending'), settled_at = iif(?2, ?3, NULL),
            error_code = iif(?2, ?4, NULL), error = NULL, message_id = ?5
         WHERE id = ?1 AND state = 'unknown'",
        )?
        .execute(params![id, sent, now(), RESOLVED, message_id.map(|id| stored(id.0))])?;
    Ok(changed as u64)
}
