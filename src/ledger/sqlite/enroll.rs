//! Taking a list in: every reading of the list is one transaction, so a list with problems changes nothing.

use std::fs;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, params};

use super::create::discard;
use super::handle::Sqlite;
use super::lock::Lock;
use super::{canary, retry_failed};
use crate::ledger::values::{stored, unstored};
use crate::ledger::{Duplicate, EXAMPLES, Enroll, Enrolment, Entry, Examples, Lease, LedgerError, RetryRules, Version};
use crate::recipients::{Columns, Row};
use crate::state::SkipReason;

/// What the list no longer has: whoever was tried stays on record, although nothing is sent to them any more.
const IS_GONE: &str =
    "state = 'pending' AND enrolment < ?1 AND attempts = 0 AND id NOT IN (SELECT delivery FROM history)";

impl Enroll for Sqlite {
    async fn begin_enrolment(&self, campaign: &str, retry: Option<RetryRules>) -> Result<(), LedgerError> {
        let name = campaign.to_owned();
        self.alone(move |connection| {
            trust(connection, true)?;
            connection.execute_batch("BEGIN IMMEDIATE")?;
            connection
                .execute("INSERT OR IGNORE INTO campaign (one, name, spec, vars) VALUES (1, ?1, '', '{}')", [name])?;
            connection.execute("UPDATE campaign SET enrolment = enrolment + 1", [])?;
            connection.execute("DELETE FROM left_out", [])?;
            retry.map_or(Ok(()), |retry| retry_failed::mark(connection, &retry))
        })
        .await
    }

    async fn begin_without_list(&self) -> Result<(), LedgerError> {
        self.alone(|connection| Ok(connection.execute_batch("BEGIN IMMEDIATE")?)).await
    }

    async fn enroll(&self, batch: Vec<Entry>) -> Result<Vec<Duplicate>, LedgerError> {
        let work = self.alone(move |connection| {
            let mut reading = Reading::new(connection)?;
            let mut duplicates = Vec::new();
            for entry in &batch {
                match entry {
                    Entry::Skipped { line, key, reason, row } => {
                        skip(&mut reading.columns, *line, key, reason, row.as_ref())?;
                    }
                    Entry::Delivery { key, row, message } => {
                        if let Some(first_line) = reading.deliver(key, row, message.as_deref())? {
                            duplicates.push(Duplicate { line: row.line, first_line });
                            let reason = SkipReason::Duplicate { first_line };
                            skip(&mut reading.columns, row.line, key, &reason, Some(row))?;
                        }
                    }
                }
            }
            drop(reading);
            Ok((duplicates, batch))
        });
        // The batch comes back to be freed where it was made: otherwise both threads meet on the allocator's lock.
        let (duplicates, _batch) = work.await?;
        Ok(duplicates)
    }

    async fn skip(&self, people: Vec<(Lease, SkipReason)>) -> Result<(), LedgerError> {
        self.alone(move |connection| {
            let transaction = connection.savepoint()?;
            let mut columns = ColumnIds::new(&transaction);
            for (lease, reason) in people {
                let id = lease.position().number();
                transaction.execute("DELETE FROM delivery WHERE id = ?1 AND state = 'pending'", [id])?;
                skip(&mut columns, lease.row.line, &lease.key, &reason, Some(&lease.row))?;
            }
            drop(columns);
            Ok(transaction.commit()?)
        })
        .await
    }

    async fn finish_enrolment(&self) -> Result<Enrolment, LedgerError> {
        self.alone(move |connection| {
            let now = enrolment(connection)?;
            let read = Read::count(connection, now)?;
            let first = if now > 1 { examples(connection, now, &read)? } else { Examples::default() };
            let gone = if read.earlier > 0 { forget(connection, now)? } else { 0 };
            let retried = if read.retried > 0 { retry_failed::take_up(connection, now)? } else { 0 };
            Ok(Enrolment {
                new: unstored(read.new),
                known: unstored(read.known),
                changed: unstored(read.changed),
                gone: gone as u64,
                retried,
                is_reenrolment: now > 1,
                first,
            })
        })
        .await
    }

    async fn keep_enrolment(&self, version: Option<Version>) -> Result<(), LedgerError> {
        self.alone(move |connection| {
            if let Some(version) = version {
                keep_version(connection, &version)?;
            }
            connection.execute_batch("COMMIT")?;
            // From the log into the file: a log that is damaged later must not take the list with it. A reader in the way
            // is no harm.
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            trust(connection, false)
        })
        .await
    }

    async fn restart_canary(&self) -> Result<(), LedgerError> {
        self.alone(|connection| canary::restart(connection)).await
    }

    async fn abandon_enrolment(&self) -> Result<(), LedgerError> {
        self.alone(|connection| {
            connection.execute_batch("ROLLBACK")?;
            trust(connection, false)
        })
        .await
    }

    async fn discard_if_new(mut self) {
        let made = self.kept.path.take().filter(|_| self.kept.is_new);
        // Held until the files are gone.
        let lock = self.kept.lock.take();
        drop(self);
        if let Some(path) = made {
            discard(&path);
            let _ = fs::remove_file(Lock::path_of(&path));
            if let Some(folder) = path.parent() {
                // Only if nothing else is in it.
                let _ = fs::remove_dir(folder);
            }
        }
        drop(lock);
    }
}

fn keep_version(connection: &Connection, Version { spec, vars, attachments }: &Version) -> Result<(), LedgerError> {
    connection.execute("UPDATE campaign SET spec = ?1, vars = ?2", params![spec, vars])?;
    connection.execute("DELETE FROM attachment", [])?;
    let mut statement = connection.prepare("INSERT INTO attachment (path, hash) VALUES (?1, ?2)")?;
    for (path, hash) in attachments {
        statement.execute(params![path, hash])?;
    }
    Ok(())
}

/// The first few of what has changed. They are looked up before those that are gone are forgotten.
fn examples(connection: &Connection, now: i64, read: &Read) -> Result<Examples, LedgerError> {
    let lines = |count: i64, column: &str| -> Result<Vec<u64>, LedgerError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT line FROM delivery WHERE {column} = ?1 AND enrolment = ?1 LIMIT {EXAMPLES}");
        let mut statement = connection.prepare(&sql)?;
        let lines = statement.query_map([now], |row| row.get(0))?;
        lines.map(|line| Ok(unstored(line?))).collect()
    };
    let gone = format!("SELECT key FROM delivery WHERE {IS_GONE} LIMIT {EXAMPLES}");
    let mut gone = connection.prepare(&gone)?;
    Ok(Examples {
        new: lines(read.new, "first_enrolment")?,
        changed: lines(read.changed, "changed_in")?,
        gone: gone.query_map([now], |row| row.get(0))?.collect::<Result<_, _>>()?,
    })
}

/// Whether SQLite takes our word that rows keep to the constraints of the tables: while a list is taken in, each state is
/// the default, and each id of columns one that was just looked up. To check that takes SQLite as long as to insert the row.
fn trust(connection: &Connection, ours: bool) -> Result<(), LedgerError> {
    let (checks, keys) = if ours { ("ON", "OFF") } else { ("OFF", "ON") };
    let settings = format!("PRAGMA ignore_check_constraints = {checks}; PRAGMA foreign_keys = {keys};");
    Ok(connection.execute_batch(&settings)?)
}

fn enrolment(connection: &Connection) -> Result<i64, LedgerError> {
    Ok(connection.query_row("SELECT enrolment FROM campaign", [], |row| row.get(0))?)
}

/// What a reading of the list has left in the ledger: counted in one go, for each look at all deliveries takes a while.
struct Read {
    new: i64,
    known: i64,
    changed: i64,
    /// Deliveries that only earlier readings saw.
    earlier: i64,
    /// Failed ones that are marked to be retried.
    retried: i64,
}

impl Read {
    fn count(connection: &Connection, now: i64) -> Result<Self, LedgerError> {
        Ok(connection.query_row(
            "SELECT count(*) FILTER (WHERE enrolment = ?1 AND first_enrolment = ?1),
                    count(*) FILTER (WHERE enrolment = ?1 AND first_enrolment < ?1),
                    count(*) FILTER (WHERE enrolment = ?1 AND changed_in = ?1),
                    count(*) FILTER (WHERE enrolment < ?1),
                    count(*) FILTER (WHERE again > 0)
             FROM delivery",
            [now],
            |row| {
                let (new, known, changed) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(Self { new, known, changed, earlier: row.get(3)?, retried: row.get(4)? })
            },
        )?)
    }
}

/// Forgets deliveries that the list no longer has and that nothing was tried for; gives how many those were.
fn forget(connection: &Connection, now: i64) -> Result<usize, LedgerError> {
    let gone = connection.execute(&format!("DELETE FROM delivery WHERE {IS_GONE}"), [now])?;
    follow_rows(connection, now)?;
    // A delivery that was tried speaks for its row, whatever the list says of the row today; a row that cannot be read any
    // more has no key, and is known by its line.
    connection.execute(
        "DELETE FROM left_out WHERE key = '' AND line IN (
            SELECT line FROM delivery d WHERE enrolment < ?1 AND NOT EXISTS (
                SELECT 1 FROM left_out l WHERE l.key = d.key AND l.reason <> 'duplicate'))",
        [now],
    )?;
    connection.execute(
        "DELETE FROM left_out WHERE rowid IN (
            SELECT min(l.rowid) FROM left_out l JOIN delivery d ON d.key = l.key
            WHERE l.reason <> 'duplicate' AND d.enrolment < ?1 GROUP BY l.key)",
        [now],
    )?;
    Ok(gone)
}

/// Gives the deliveries that this reading did not see the line of the row that leaves them out; or none, which is 0.
fn follow_rows(connection: &Connection, now: i64) -> Result<(), LedgerError> {
    connection.execute(
        "UPDATE delivery SET line = coalesce(
            (SELECT min(line) FROM left_out l WHERE l.key = delivery.key AND l.reason <> 'duplicate'),
            (SELECT line FROM left_out l WHERE l.key = '' AND l.line = delivery.line), 0)
         WHERE enrolment < ?1",
        [now],
    )?;
    Ok(())
}

/// A reading of the list.
struct Reading<'c> {
    connection: &'c Connection,
    enrolment: i64,
    insert: CachedStatement<'c>,
    columns: ColumnIds<'c>,
}

/// The ids of sets of columns.
struct ColumnIds<'c> {
    connection: &'c Connection,
    /// The columns of the row before, which are almost always those of the next.
    last: Option<(Arc<Columns>, i64)>,
}

impl<'c> Reading<'c> {
    fn new(connection: &'c Connection) -> Result<Self, LedgerError> {
        let insert = connection.prepare_cached(
            "INSERT INTO delivery (key, line, enrolment, first_enrolment, columns, cells)
             VALUES (?1, ?2, ?3, ?3, ?4, ?5)
             ON CONFLICT (key) DO UPDATE SET
                line = excluded.line,
                enrolment = excluded.enrolment,
                changed_in = iif(state = 'pending' AND (cells <> excluded.cells OR columns <> excluded.columns),
                                 excluded.enrolment, changed_in),
                columns = iif(state = 'pending' OR again > 0, excluded.columns, columns),
                cells = iif(state = 'pending' OR again > 0, excluded.cells, cells),
                again = iif(again = 2, ?6 IS NOT sent_as, again)
             WHERE enrolment < excluded.enrolment",
        )?;
        let columns = ColumnIds::new(connection);
        Ok(Self { connection, enrolment: enrolment(connection)?, insert, columns })
    }

    /// Adds a delivery or recognises it; gives the line of an earlier row of this reading that has its key. A known
    /// delivery takes over the row while it is pending or will be again; once it is settled, the row stays what it was
    /// then.
    fn deliver(&mut self, key: &str, row: &Row, message: Option<&str>) -> Result<Option<u64>, LedgerError> {
        let columns = self.columns.id(&row.columns)?;
        let cells = serde_json::to_string(&*row.cells).map_err(LedgerError::database)?;
        let changed = self.insert.execute(params![key, stored(row.line), self.enrolment, columns, cells, message])?;
        if changed == 1 {
            return Ok(None);
        }
        let mut earlier = self.connection.prepare_cached("SELECT line FROM delivery WHERE key = ?1")?;
        let line: i64 = earlier.query_row([key], |row| row.get(0))?;
        Ok(Some(unstored(line)))
    }
}

impl<'c> ColumnIds<'c> {
    const fn new(connection: &'c Connection) -> Self {
        Self { connection, last: None }
    }

    /// The id of a set of columns, known or new.
    fn id(&mut self, columns: &Arc<Columns>) -> Result<i64, LedgerError> {
        if let Some((before, id)) = &self.last
            && Arc::ptr_eq(before, columns)
        {
            return Ok(*id);
        }
        let names = serde_json::to_string(columns.names()).map_err(LedgerError::database)?;
        self.connection.execute("INSERT OR IGNORE INTO columns (names) VALUES (?1)", [&names])?;
        let mut known = self.connection.prepare_cached("SELECT id FROM columns WHERE names = ?1")?;
        let id = known.query_row([&names], |row| row.get(0))?;
        self.last = Some((columns.clone(), id));
        Ok(id)
    }
}

fn skip(
    columns: &mut ColumnIds<'_>,
    line: u64,
    key: &str,
    reason: &SkipReason,
    row: Option<&Row>,
) -> Result<(), LedgerError> {
    let (mut of_row, mut cells) = (None, None);
    if let Some(row) = row {
        of_row = Some(columns.id(&row.columns)?);
        cells = Some(serde_json::to_string(&*row.cells).map_err(LedgerError::database)?);
    }
    columns
        .connection
        .prepare_cached(
            "INSERT INTO left_out (line, key, reason, detail, columns, cells) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![stored(line), key, reason.word(), reason.to_string(), of_row, cells])?;
    Ok(())
}
