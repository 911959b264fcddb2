//! Looking into the ledger: totals, records for the report, and the operator's word on what is in doubt.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row as SqlRow, params};

use super::send::{now, unstored};
use super::{Sqlite, connect};
use crate::ledger::LedgerError;
use crate::report::Record;
use crate::state::{RESOLVED, State};

/// How many rows are where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows by state. A state that nobody is in is absent.
    pub states: BTreeMap<State, u64>,
    /// Rows that were left out, by reason.
    pub left_out: BTreeMap<String, u64>,
    /// What failed or is in doubt: state, code, one text of that code, how many; the most frequent first.
    pub errors: Vec<(State, String, String, u64)>,
}

impl Totals {
    /// Rows in a state.
    pub fn of(&self, state: State) -> u64 {
        self.states.get(&state).copied().unwrap_or_default()
    }

    /// All rows.
    pub fn all(&self) -> u64 {
        self.states.values().sum()
    }

    /// Deliveries that were tried and are settled, one way or the other.
    pub fn settled(&self) -> u64 {
        [State::Accepted, State::Failed, State::Unknown].into_iter().map(|state| self.of(state)).sum()
    }
}

/// The reason of a delivery that was tried, is pending again, and is no longer on the list.
const GONE: &str = "gone";

/// What the ledger keeps of the spec that was last enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// The campaign's name.
    pub name: String,
    /// The spec's text.
    pub spec: String,
    /// The constants in force, as a JSON object.
    pub vars: String,
}

/// The spec that was last enrolled into the ledger at `path`, without a look at anything else. `None` where there is none, or
/// no ledger that can be read.
pub fn frozen_in(path: &Path) -> Option<Frozen> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    frozen(&connection).ok()?
}

fn frozen(connection: &Connection) -> Result<Option<Frozen>, LedgerError> {
    let frozen = connection.query_row("SELECT name, spec, vars FROM campaign WHERE spec <> ''", [], |row| {
        Ok(Frozen { name: row.get(0)?, spec: row.get(1)?, vars: row.get(2)? })
    });
    Ok(frozen.optional()?)
}

impl Sqlite {
    /// The spec that was last enrolled; `None` before the first time.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn frozen(&self) -> Result<Option<Frozen>, LedgerError> {
        self.alone(|connection| frozen(connection)).await
    }

    /// Makes sure that the ledger is this campaign's; an empty one is anybody's.
    ///
    /// # Errors
    /// [`LedgerError::OtherCampaign`].
    pub async fn belongs_to(&self, name: &str) -> Result<(), LedgerError> {
        let owner: Option<String> = self
            .alone(|connection| {
                Ok(connection.query_row("SELECT name FROM campaign", [], |row| row.get(0)).optional()?)
            })
            .await?;
        match owner {
            Some(owner) if owner != name => Err(LedgerError::OtherCampaign(owner)),
            _ => Ok(()),
        }
    }

    /// How many rows are where.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn totals(&self) -> Result<Totals, LedgerError> {
        self.alone(|connection| {
            let mut totals = Totals::default();
            let mut statement = connection.prepare("SELECT state, count(*) FROM delivery_view GROUP BY state")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (state, count) = (state(&row.get::<_, String>(0)?)?, unstored(row.get(1)?));
                totals.states.insert(state, count);
                if state == State::Skipped {
                    totals.left_out.insert(GONE.to_owned(), count);
                }
            }
            let mut statement = connection.prepare("SELECT reason, count(*) FROM left_out GROUP BY reason")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let count = unstored(row.get(1)?);
                totals.left_out.insert(row.get(0)?, count);
                *totals.states.entry(State::Skipped).or_default() += count;
            }
            if totals.of(State::Failed) + totals.of(State::Unknown) == 0 {
                return Ok(totals);
            }
            let mut statement = connection.prepare(
                "SELECT state, coalesce(error_code, ''), coalesce(iif(count(DISTINCT error) > 1, 'for example ', '') || min(error), ''), count(*)
                 FROM delivery_view
                 WHERE state IN ('failed', 'unknown') GROUP BY 1, 2 ORDER BY 4 DESC, 2",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                totals.errors.push((
                    state(&row.get::<_, String>(0)?)?,
                    row.get(1)?,
                    row.get(2)?,
                    unstored(row.get(3)?),
                ));
            }
            Ok(totals)
        })
        .await
    }

    /// How many of `keys` are pending, and which of them no delivery has.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn named(&self, keys: Vec<String>) -> Result<(u64, Vec<String>), LedgerError> {
        self.alone(move |connection| {
            let mut statement = connection.prepare("SELECT state = 'pending' FROM delivery_view WHERE key = ?1")?;
            let (mut pending, mut strangers) = (0, Vec::new());
            for key in keys {
                match statement.query_row([&key], |row| row.get(0)).optional()? {
                    Some(true) => pending += 1,
                    Some(false) => {}
                    None => strangers.push(key),
                }
            }
            Ok((pending, strangers))
        })
        .await
    }

    /// How many deliveries were sent to, or may have been, whatever was decided about them since.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn messaged(&self) -> Result<u64, LedgerError> {
        self.alone(|connection| {
            let sql = "SELECT count(*) FROM delivery
                       WHERE state IN ('accepted', 'unknown', 'claimed') OR id IN (SELECT delivery FROM history)";
            Ok(unstored(connection.query_row(sql, [], |row| row.get(0))?))
        })
        .await
    }

    /// How many of `keys` are pending and were never decided about: as far as this ledger knows, nobody sent to them.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn untouched(&self, keys: Vec<String>) -> Result<u64, LedgerError> {
        self.alone(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT state = 'pending' AND id NOT IN (SELECT delivery FROM history) FROM delivery_view WHERE key = ?1",
            )?;
            let mut count = 0;
            for key in keys {
                count += u64::from(statement.query_row([&key], |row| row.get(0)).optional()?.unwrap_or(false));
            }
            Ok(count)
        })
        .await
    }

    /// When the last message left.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn last_departure(&self) -> Result<Option<Timestamp>, LedgerError> {
        self.alone(|connection| {
            let at: Option<i64> =
                connection
                    .query_row("SELECT max(coalesce(left_at, claimed_at)) FROM delivery", [], |row| row.get(0))?;
            Ok(at.and_then(|at| Timestamp::from_millisecond(at).ok()))
        })
        .await
    }

    /// How many messages left in the last `window`.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn departed_within(&self, window: Duration) -> Result<u64, LedgerError> {
        let since = now() - i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        self.alone(move |connection| {
            let sql = "SELECT count(*) FROM delivery WHERE coalesce(left_at, claimed_at) > ?1 AND state <> 'pending'";
            Ok(unstored(connection.query_row(sql, [since], |row| row.get(0))?))
        })
        .await
    }

    /// When messages left in the last `window`, oldest first, at most `most` of the newest.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn departures_within(&self, window: Duration, most: u32) -> Result<Vec<Timestamp>, LedgerError> {
        let since = now() - i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        self.alone(move |connection| {
            let mut statement = connection.prepare(
                "SELECT coalesce(left_at, claimed_at) AS at FROM delivery
                 WHERE coalesce(left_at, claimed_at) > ?1 AND state <> 'pending'
                 UNION ALL SELECT claimed_at FROM history WHERE claimed_at > ?1
                 ORDER BY at DESC LIMIT ?2",
            )?;
            let mut times = statement
                .query_map(params![since, most], |row| row.get::<_, i64>(0))?
                .map(|at| Ok(Timestamp::from_millisecond(at?).unwrap_or_default()))
                .collect::<Result<Vec<_>, LedgerError>>()?;
            times.reverse();
            Ok(times)
        })
        .await
    }

    /// Writes a report: `write` is handed [`Records`], which go through it in the order of the list. `only` keeps those
    /// outcomes; none keeps all.
    ///
    /// # Errors
    /// The ledger cannot be read, or what `write` says.
    pub async fn report<T: Send + 'static, E: From<LedgerError> + Send + 'static>(
        &self,
        only: Vec<State>,
        write: impl FnOnce(&Records<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.alone(move |connection| Ok(write(&Records { connection, only }))).await?
    }

    /// The operator's word on deliveries in doubt: `sent` makes them accepted, otherwise they are pending again. No
    /// keys means all of them. Gives the number resolved.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn resolve(
        &self,
        keys: Option<Vec<String>>,
        sent: bool,
        note: Option<String>,
    ) -> Result<usize, LedgerError> {
        self.alone(move |connection| {
            let word = if sent { "resolved as sent" } else { "resolved as not sent" };
            let keys = keys.map(|keys| serde_json::to_string(&keys).unwrap_or_default());
            let transaction = connection.transaction()?;
            transaction.execute(
                "INSERT INTO history (delivery, at, outcome, error_code, error, message_id, claimed_at, word, note)
                 SELECT id, ?1, state, error_code, error, message_id, iif(?5, NULL, coalesce(left_at, claimed_at)), ?2, ?3 FROM delivery
                 WHERE state = 'unknown' AND (?4 IS NULL OR key IN (SELECT value FROM json_each(?4)))",
                params![now(), word, note, keys, sent],
            )?;
            let changed = transaction.execute(
                "UPDATE delivery SET state = iif(?1, 'accepted', 'pending'), settled_at = iif(?1, ?2, NULL),
                    error_code = iif(?1, ?4, NULL), error = NULL, message_id = iif(?1, message_id, NULL)
                 WHERE state = 'unknown' AND (?3 IS NULL OR key IN (SELECT value FROM json_each(?3)))",
                params![sent, now(), keys, RESOLVED],
            )?;
            transaction.commit()?;
            Ok(changed)
        })
        .await
    }
}

/// The records of a ledger.
#[derive(Debug)]
pub struct Records<'a> {
    connection: &'a Connection,
    only: Vec<State>,
}

impl Records<'_> {
    /// Gives each record to `each`.
    ///
    /// # Errors
    /// The ledger cannot be read, or what `each` says.
    pub fn each<E: From<LedgerError>>(&self, mut each: impl FnMut(&Record) -> Result<(), E>) -> Result<(), E> {
        let failed = |error: rusqlite::Error| LedgerError::from(error);
        let mut statement = self.connection.prepare(
                "SELECT line, key, state, livedesk_status, error_code,
                        nullif(concat_ws('; ', error, (
                            SELECT group_concat(
                                concat('earlier ', outcome, coalesce(', ' || error_code || ': ' || error, ''),
                                    ' (', word, strftime(' %Y-%m-%dT%H:%M:%SZ', at / 1000, 'unixepoch'), ': ' || note, ')'),
                                '; ' ORDER BY at)
                            FROM history WHERE delivery = delivery_view.id)), ''),
                        attempts, contact_id, conversation_id, message_id, first_attempt_at, settled_at, id
                 FROM delivery_view
                 UNION ALL
                 SELECT line, key, 'skipped', NULL, reason, detail, 0, NULL, NULL, NULL, NULL, NULL, rowid FROM left_out
                 ORDER BY 1, 13",
            ).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let record = record(row)?;
            if self.only.is_empty() || self.only.contains(&record.outcome) {
                each(&record)?;
            }
        }
        Ok(())
    }
}

fn record(row: &SqlRow<'_>) -> Result<Record, LedgerError> {
    let id = |at: usize| row.get::<_, Option<i64>>(at).map(|id| id.map(unstored));
    let time =
        |at: usize| row.get::<_, Option<i64>>(at).map(|at| at.and_then(|at| Timestamp::from_millisecond(at).ok()));
    let (first_attempt_at, settled_at) = (time(10)?, time(11)?);
    let duration = first_attempt_at.zip(settled_at).map(|(first, settled)| settled.duration_since(first).as_millis());
    Ok(Record {
        line: unstored(row.get(0)?),
        key: row.get(1)?,
        outcome: state(&row.get::<_, String>(2)?)?,
        livedesk_status: row.get(3)?,
        error_code: row.get(4)?,
        error: row.get(5)?,
        attempts: row.get(6)?,
        contact_id: id(7)?,
        conversation_id: id(8)?,
        message_id: id(9)?,
        first_attempt_at,
        settled_at,
        duration_ms: duration.and_then(|duration| u64::try_from(duration).ok()),
    })
}

fn state(word: &str) -> Result<State, LedgerError> {
    word.parse().map_err(|error: String| LedgerError::unreadable(error))
}
