//! What can still be read of a damaged ledger, in a new one.
//!
//! A row is taken over if its checksum holds. What cannot be read may have been sent, so nobody in the new ledger is
//! pending unless the damaged one shows that nothing was sent to them: whoever is missing is `unknown`, for a person to
//! settle. The damaged files are only read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params, params_from_iter};
use tempfile::TempDir;

use super::checksum;
use super::completeness::{is_current, is_first, replace_counter};
use super::connect::connect;
use super::counter::{self, Found};
use super::create::make;
use super::file::{LedgerFile, is_free, publish, sync_folder, with_suffix};
use super::format::{self, Identity};
use super::handle::Sqlite;
use super::lock::Lock;
use super::open::existing;
use crate::ledger::values::{now, unstored};
use crate::ledger::{Acknowledged, Ledger, LedgerError};
use crate::private_file::folder_of;

/// The code of a delivery of which the ledger has lost what became of it.
const LOST: &str = "ledger-lost";

/// The new ledger while it is made.
const MADE: &str = "recovered.sqlite";

/// What is read at once of a file some of whose blocks the disk may not give.
const BLOCK: usize = 4096;

/// Rows are found again behind a damaged page by trying ids ahead, at most this far apart.
const MAX_GAP: i64 = 64;

/// A new ledger with what could be read. It has its place only once it is finished.
#[derive(Debug)]
pub struct Recovery {
    ledger: Sqlite,
    /// Where it is made; gone with everything in it unless it is finished.
    folder: TempDir,
    /// Where it goes.
    target: PathBuf,
    /// Held until the end, so that no run begins with the damaged one.
    _lock: Lock,
    /// What was found.
    pub found: Recovered,
}

/// What could be read of a damaged ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Deliveries that are whole.
    pub whole: u64,
    /// Deliveries of which only the key could be read; they are `unknown`.
    pub keys_only: u64,
    /// Why it cannot be trusted that the whole ones are up to date, if so: then all that were pending or failed are
    /// `unknown`.
    pub outdated: Option<String>,
}

impl Recovery {
    /// Reads what can be read of the ledger at `path`, for the campaign `name`. The new one goes to `target` when it is
    /// finished. `None` where there certainly is no ledger.
    ///
    /// # Errors
    /// A run holds the ledger, there is a file at `target`, or the new ledger cannot be written.
    pub(in crate::ledger) fn begin(path: &Path, target: &Path, name: &str) -> Result<Option<Self>, LedgerError> {
        let file = LedgerFile::find(path)?;
        is_free(target)?;
        if !file.exists {
            is_first(&file, Acknowledged::default())?;
            return Ok(None);
        }
        let path = file.path;
        let lock = Lock::take(&path)?.with_ledger(&path)?;
        let beside = folder_of(target);
        let folder =
            tempfile::Builder::new().prefix(".recover-").tempdir_in(beside).map_err(LedgerError::with_file(beside))?;
        let damaged = folder.path().join("damaged.sqlite");
        copy_readable(&path, &damaged)?;
        let log = with_suffix(&path, "-wal");
        if log.exists() {
            copy_readable(&log, &with_suffix(&damaged, "-wal"))?;
        }
        let made = folder.path().join(MADE);
        make(&made)?;
        let found = rebuild(&damaged, &made, &path, name)?;
        let ledger = Sqlite::open(&made, Acknowledged::default())?;
        Ok(Some(Self { ledger, folder, target: target.to_owned(), _lock: lock, found }))
    }

    /// The new ledger.
    pub fn ledger(&self) -> &impl Ledger {
        &self.ledger
    }

    /// While the list is taken into it: whoever is on it and was not recovered may have been sent to. Gives how many those
    /// are.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn distrust_new(&self) -> Result<u64, LedgerError> {
        let condition = "state = 'pending' AND first_enrolment = (SELECT enrolment FROM campaign)";
        self.ledger.alone(|connection| Ok(make_unknown(connection, condition)? as u64)).await
    }

    /// Gives the new ledger its place.
    ///
    /// # Errors
    /// There is a file of that name, or it cannot be written.
    pub fn finish(self) -> Result<(), LedgerError> {
        let Self { ledger, folder, target, .. } = self;
        // Closes it, which brings everything from its log into the file.
        drop(ledger);
        let made = folder.path().join(MADE);
        // The counter first: a ledger without one is refused.
        for (from, to) in [(counter::path_of(&made), counter::path_of(&target)), (made, target.clone())] {
            publish(&from, &to).map_err(LedgerError::with_file(&to))?;
        }
        sync_folder(&target).map_err(LedgerError::with_file(&target))
    }
}

/// Copies a file block by block; what the disk does not give becomes zeros, which no checksum takes for a row.
fn copy_readable(from: &Path, to: &Path) -> Result<(), LedgerError> {
    let mut source = File::open(from).map_err(LedgerError::with_file(from))?;
    let mut copy = || -> io::Result<()> {
        let length = source.metadata()?.len();
        let mut target = File::create(to)?;
        let mut at = 0;
        while at < length {
            let size = usize::try_from(length - at).unwrap_or(BLOCK).min(BLOCK);
            let mut block = vec![0; size];
            if source.seek(SeekFrom::Start(at)).and_then(|_| source.read_exact(&mut block)).is_err() {
                block.fill(0);
            }
            target.write_all(&block)?;
            at += size as u64;
        }
        target.sync_all()
    };
    copy().map_err(LedgerError::with_file(to))
}

/// Fills the new ledger at `target`. `path` is where the damaged one really is, beside its counter.
fn rebuild(damaged: &Path, target: &Path, path: &Path, name: &str) -> Result<Recovered, LedgerError> {
    let damaged = connect(damaged, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let target_ledger = existing(connect(target, OpenFlags::SQLITE_OPEN_READ_WRITE)?)?;
    target_ledger.execute_batch("PRAGMA foreign_keys = OFF")?;
    let new = target_ledger.unchecked_transaction()?;
    let tables =
        ["campaign", "columns", "delivery", "history", "attachment", "receipt", "proof", "tracking", "transfer"];
    for table in tables {
        copy_rows(&damaged, &new, table)?;
    }
    // What is about rows that are gone means nothing.
    new.execute("DELETE FROM delivery WHERE columns NOT IN (SELECT id FROM columns)", [])?;
    new.execute("DELETE FROM history WHERE delivery NOT IN (SELECT id FROM delivery)", [])?;
    new.execute("DELETE FROM receipt WHERE delivery NOT IN (SELECT id FROM delivery WHERE state = 'accepted')", [])?;
    new.execute(
        "INSERT OR IGNORE INTO campaign (one, name, spec, vars, enrolment, run)
         SELECT 1, ?1, '', '{}', coalesce(max(enrolment), 1), coalesce(max(run), 1) FROM delivery",
        [name],
    )?;
    let counts_are_older = raise_counts(&new)?;
    let whole: i64 = new.query_row("SELECT count(*) FROM delivery", [], |row| row.get(0))?;
    let progress: i64 = new.query_row("SELECT progress FROM identity", [], |row| row.get(0))?;
    let keys_only = add_lost_keys(&damaged, &new)?;
    let identity = identity(&damaged);
    let counter = counter::read(path)?;
    let mut outdated = why_outdated(path, &counter, identity.as_ref())?;
    let is_mixed = counts_are_older || !is_of_one_time(&damaged, progress);
    if keys_only == 0 && outdated.is_none() && is_mixed {
        outdated = Some("some of its pages are older, or belong to another ledger".to_owned());
    }
    make_unknown(&new, "state = 'claimed'")?;
    if outdated.is_some() {
        make_unknown(&new, "state IN ('pending', 'failed')")?;
    }
    let claims = if let Found::Count(count) = counter { count.claims } else { 0 };
    new.execute(
        "UPDATE identity SET claims = max(?1, ?2, (SELECT coalesce(sum(attempts), 0) FROM delivery))",
        params![claims, identity.map_or(0, |identity| identity.claims)],
    )?;
    new.commit()?;
    replace_counter(target, &format::identity(&target_ledger)?)?;
    target_ledger.close().map_err(|(_, error)| LedgerError::from(error))?;
    Ok(Recovered { whole: unstored(whole), keys_only, outdated })
}

/// Takes over the rows of a table whose checksums hold, beyond every damaged page that is in the way.
fn copy_rows(damaged: &Connection, new: &Connection, table: &str) -> Result<(), LedgerError> {
    let columns = checksum::columns(new, table)?;
    let names = columns.join(", ");
    let marks = vec!["?"; columns.len()].join(", ");
    // These rows are there before they are copied: one begins with its delivery, the other with its table.
    let instead = if matches!(table, "receipt" | "tracking") { "REPLACE" } else { "IGNORE" };
    let mut insert = new.prepare(&format!("INSERT OR {instead} INTO {table} ({names}) VALUES ({marks})"))?;
    let select = format!(
        "SELECT rowid, checksum IS checksum({names}), {names} FROM {table} NOT INDEXED WHERE rowid >= ?1 ORDER BY rowid"
    );
    // Tables that cannot be opened at all have nothing to give.
    let Ok(mut select) = damaged.prepare(&select) else { return Ok(()) };
    let (mut from, mut last, mut probes) = (1, 0, most_probes(damaged));
    loop {
        let mut rows = select.query([from])?;
        let is_stopped = loop {
            let Ok(row) = rows.next() else { break true };
            let Some(row) = row else { break false };
            let (Ok(id), Ok(is_whole)) = (row.get::<_, i64>(0), row.get::<_, bool>(1)) else { break true };
            if id <= last {
                // Pages that lead in a circle.
                break true;
            }
            last = id;
            if is_whole {
                let values = (2..columns.len() + 2).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>()?;
                insert_row(&mut insert, values)?;
            }
        };
        drop(rows);
        match if is_stopped { next_readable(damaged, table, last.max(from), &mut probes) } else { None } {
            Some(next) => from = next,
            None => return Ok(()),
        }
    }
}

/// A row that the tables do not take is as good as damaged; a disk that is full is not.
fn insert_row(insert: &mut rusqlite::Statement<'_>, values: Vec<Value>) -> Result<(), LedgerError> {
    match insert.execute(params_from_iter(values)) {
        Err(error) if error.sqlite_error_code() != Some(rusqlite::ErrorCode::ConstraintViolation) => Err(error.into()),
        _ => Ok(()),
    }
}

/// The first row that can be read after a damaged page.
fn next_readable(damaged: &Connection, table: &str, after: i64, probes: &mut u64) -> Option<i64> {
    let sql = format!("SELECT rowid FROM {table} NOT INDEXED WHERE rowid >= ?1 ORDER BY rowid LIMIT 1");
    let mut find = damaged.prepare(&sql).ok()?;
    let mut first_from = |id: i64| find.query_row([id], |row| row.get::<_, i64>(0)).optional();
    let (mut bad, mut step) = (after, 1);
    let mut good = loop {
        *probes = probes.checked_sub(1)?;
        let from = bad.checked_add(step)?;
        match first_from(from) {
            Ok(found) => break found?,
            Err(_) => bad = from,
        }
        step = (step * 2).min(MAX_GAP);
    };
    // Between the last that was bad and the first that is good.
    while bad + 1 < good {
        let middle = bad + (good - bad) / 2;
        match first_from(middle) {
            Ok(Some(found)) if found < good => good = found,
            Ok(_) => return Some(good),
            Err(_) => bad = middle,
        }
    }
    Some(good)
}

/// No file has more rows than this, so whoever has looked at as many places for one has looked long enough.
fn most_probes(damaged: &Connection) -> u64 {
    let bytes = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    damaged.query_row(bytes, [], |row| row.get::<_, i64>(0)).map_or(0, unstored) / 32
}

/// Adds those whose rows are lost and whose keys are still in the index, from both of its ends up to what is damaged.
fn add_lost_keys(damaged: &Connection, new: &Connection) -> Result<u64, LedgerError> {
    new.execute("INSERT OR IGNORE INTO columns (names) VALUES ('[]')", [])?;
    let mut insert = new.prepare(
        "INSERT OR IGNORE INTO delivery (key, line, enrolment, first_enrolment, columns, cells, state, attempts, error_code,
            error, settled_at)
         SELECT ?1, 0, 0, 0, id, '[]', 'unknown', 1, ?2, ?3, ?4 FROM columns WHERE names = '[]'",
    )?;
    let mut added = 0;
    for order in ["ASC", "DESC"] {
        let sql = format!("SELECT key FROM delivery INDEXED BY sqlite_autoindex_delivery_1 ORDER BY key {order}");
        let Ok(mut select) = damaged.prepare(&sql) else { continue };
        let mut rows = select.query([])?;
        while let Ok(Some(row)) = rows.next() {
            let Ok(key) = row.get::<_, String>(0) else { break };
            added += insert.execute(params![key, LOST, LOST_TEXT, now()])? as u64;
        }
    }
    Ok(added)
}

const LOST_TEXT: &str = "its outcome was lost in the damaged ledger";

/// What the damaged ledger says of itself, if that can be read.
fn identity(damaged: &Connection) -> Option<Identity> {
    // Format 3 has no sum.
    ["one, id, claims, schema, progress", "one, id, claims, schema"].iter().find_map(|columns| {
        let sql = format!("SELECT id, claims FROM identity WHERE checksum IS checksum({columns})");
        damaged.query_row(&sql, [], |row| Ok(Identity { id: row.get(0)?, claims: row.get(1)? })).ok()
    })
}

/// Why rows that are whole may not be the latest.
fn why_outdated(path: &Path, counter: &Found, identity: Option<&Identity>) -> Result<Option<String>, LedgerError> {
    let Some(identity) = identity else {
        return Ok(Some("it does not say how many send attempts it knows".to_owned()));
    };
    match is_current(path, counter, identity, false) {
        Err(LedgerError::NotCurrent { why, .. }) => Ok(Some(why)),
        result => result.map(|()| None),
    }
}

/// Whether the rows that were read make up the sum that the damaged ledger has kept. Format 3 has none.
fn is_of_one_time(damaged: &Connection, progress: i64) -> bool {
    damaged.query_row("SELECT progress FROM identity", [], |row| row.get(0)).map_or(true, |kept: i64| kept == progress)
}

/// Brings the counts of readings and of runs up to what the deliveries show; gives whether they were behind.
fn raise_counts(connection: &Connection) -> Result<bool, LedgerError> {
    let raised = connection.execute(
        "UPDATE campaign SET enrolment = max(enrolment, of_list), run = max(run, of_run)
         FROM (SELECT coalesce(max(enrolment), 0) AS of_list, coalesce(max(run), 0) AS of_run FROM delivery)
         WHERE enrolment < of_list OR run < of_run",
        [],
    )?;
    Ok(raised > 0)
}

fn make_unknown(connection: &Connection, condition: &str) -> Result<usize, LedgerError> {
    let sql = format!(
        "UPDATE delivery SET state = 'unknown', attempts = max(attempts, 1), settled_at = ?1, error_code = ?2, error = ?3
         WHERE {condition}"
    );
    Ok(connection.execute(&sql, params![now(), LOST, LOST_TEXT])?)
}
