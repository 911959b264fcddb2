//! The format of the file: its tables, how older ones are brought up, and what tells one ledger from another.

use rusqlite::{Connection, OptionalExtension, params};

use super::checksum;
use crate::ledger::LedgerError;
use crate::ledger::values::now;

/// The format that this program writes. Older ones are migrated, newer ones refused.
pub(super) const FORMAT: i64 = 9;

/// The first format that says which ledger it is, and has a counter beside it.
pub(super) const WITH_IDENTITY: i64 = 3;

/// The first format that keeps the sum by which pages of another time are noticed.
const WITH_PROGRESS: i64 = 4;

const TABLES_OF_5: &str =
    concat!(include_str!("schema.sql"), include_str!("left_out.sql"), include_str!("identity.sql"));

const RECEIPTS: &str = include_str!("receipts.sql");

const TRANSFER: &str = include_str!("transfer.sql");

const PROOFS: &str = include_str!("proofs.sql");

const CANARY: &str = include_str!("canary.sql");

/// What brings a ledger of this format up to today's; everything for a file without tables.
///
/// What formats 6 to 9 add to the one before are files of their own, so that every step ends with the tables of its own time.
fn migration(found: i64) -> String {
    const FROM_1_TO_2: &str = include_str!("from_1_to_2.sql");
    const FROM_2: [&str; 3] = [include_str!("from_2_to_4.sql"), TABLES_OF_5, include_str!("from_2_to_4_rows.sql")];
    const FROM_3: [&str; 3] =
        [include_str!("from_3_to_4.sql"), include_str!("identity.sql"), include_str!("from_3_to_4_rows.sql")];
    const FROM_4: [&str; 3] =
        [include_str!("from_4_to_5.sql"), include_str!("left_out.sql"), include_str!("from_4_to_5_rows.sql")];
    const FROM_5: [&str; 2] = [RECEIPTS, include_str!("from_5_to_6_rows.sql")];
    let to_5 = match found {
        0 => return [TABLES_OF_5, RECEIPTS, TRANSFER, PROOFS, CANARY].concat(),
        1 => [FROM_1_TO_2, &FROM_2.concat()].concat(),
        2 => FROM_2.concat(),
        3 => [FROM_3.concat(), FROM_4.concat()].concat(),
        4 => FROM_4.concat(),
        5 => String::new(),
        6 => return [TRANSFER, PROOFS, CANARY].concat(),
        7 => return [PROOFS, CANARY].concat(),
        8 => return CANARY.to_owned(),
        _ => return String::new(),
    };
    [&to_5, &FROM_5.concat(), TRANSFER, PROOFS, CANARY].concat()
}

/// Commits to the log until it is copied into the file: little in the log is little to lose with it.
const PAGES_IN_LOG: u32 = 256;

/// Which ledger it is, and how many claims it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) claims: i64,
}

/// Settings for durability, and the tables.
pub(super) fn prepare(connection: Connection) -> Result<Connection, LedgerError> {
    prepare_with(connection, |_| Ok(()))
}

/// The same; `before_commit` may prevent that a ledger without identity gets the one that it is handed.
pub(super) fn prepare_with(
    mut connection: Connection,
    before_commit: impl FnOnce(&Identity) -> Result<(), LedgerError>,
) -> Result<Connection, LedgerError> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -16000;
         PRAGMA wal_autocheckpoint = {PAGES_IN_LOG};"
    ))?;
    connection.set_prepared_statement_cache_capacity(64);
    // Whoever follows messages may write between the first look of a transaction and its first change.
    connection.set_transaction_behavior(rusqlite::TransactionBehavior::Immediate);
    let found = check_format(&connection)?;
    let changes = migration(found);
    if !changes.is_empty() {
        // Without a commit, dropping the transaction takes it back.
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(&format!("{changes} PRAGMA user_version = {FORMAT};"))?;
        checksum::seal_schema(&transaction)?;
        if found < WITH_IDENTITY {
            before_commit(&identity(&transaction)?)?;
        }
        transaction.commit()?;
    }
    // Only now: a migration moves rows between tables that refer to each other.
    connection.execute_batch("PRAGMA foreign_keys = ON")?;
    delivery_view(&connection, true)?;
    Ok(connection)
}

pub(super) fn check_format(connection: &Connection) -> Result<i64, LedgerError> {
    let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > FORMAT { Err(LedgerError::Newer { path: None, found, known: FORMAT }) } else { Ok(found) }
}

pub(super) fn identity(connection: &Connection) -> Result<Identity, LedgerError> {
    let found = connection
        .query_row("SELECT id, claims FROM identity", [], |row| Ok(Identity { id: row.get(0)?, claims: row.get(1)? }))
        .optional()?;
    found.ok_or_else(|| LedgerError::damaged("it has no identity"))
}

/// Makes it another ledger than all copies of it, after somebody has said that it counts and they do not.
pub(super) fn renew_identity(connection: &Connection) -> Result<Identity, LedgerError> {
    connection.execute("UPDATE identity SET id = lower(hex(randomblob(16)))", [])?;
    identity(connection)
}

/// Counts claims of the transaction under way; gives how many there are now.
pub(super) fn count_claims(connection: &Connection, more: i64) -> Result<i64, LedgerError> {
    let mut count = connection.prepare_cached("UPDATE identity SET claims = claims + ?1 RETURNING claims")?;
    Ok(count.query_row([more], |row| row.get(0))?)
}

/// Reads the whole file. A damaged index would not find who has got it already, and a changed cell is another
/// recipient.
pub(super) fn check_integrity(connection: &Connection) -> Result<(), LedgerError> {
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        return Err(LedgerError::damaged(found));
    }
    let format = check_format(connection)?;
    if format >= WITH_IDENTITY {
        checksum::check(connection)?;
        return if format >= WITH_PROGRESS { checksum::check_progress(connection) } else { Ok(()) };
    }
    let is_newer = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'identity'";
    if connection.query_row(is_newer, [], |row| row.get(0))? {
        return Err(LedgerError::damaged("its format is not that of its tables"));
    }
    Ok(())
}

/// The deliveries as they are to be seen. A pending one that the list has no more is left out: nothing is sent to it.
/// `{dead}` is whether no run holds the ledger: what is claimed then was in flight when its run died.
const DELIVERY_VIEW: &str = "DROP VIEW IF EXISTS temp.delivery_view; CREATE TEMP VIEW delivery_view AS
    SELECT id, key, line,
        CASE WHEN state = 'claimed' AND {dead} THEN 'unknown'
             WHEN state = 'pending' AND enrolment < (SELECT enrolment FROM campaign) THEN 'skipped'
             ELSE state END AS state,
        nullif(line, 0) AS line_on_list, columns, cells, attempts, contact_id, conversation_id, message_id, livedesk_status,
        CASE WHEN state = 'claimed' AND {dead} THEN 'cut-off'
             WHEN state = 'pending' AND enrolment < (SELECT enrolment FROM campaign) THEN 'gone'
             ELSE error_code END AS error_code,
        CASE WHEN state = 'claimed' AND {dead} THEN 'the run ended before the answer came'
             WHEN state = 'pending' AND enrolment < (SELECT enrolment FROM campaign) THEN 'no longer on the list'
             ELSE error END AS error,
        first_attempt_at, settled_at, run
    FROM delivery";

pub(super) fn delivery_view(connection: &Connection, held: bool) -> Result<(), LedgerError> {
    Ok(connection.execute_batch(&DELIVERY_VIEW.replace("{dead}", if held { "0" } else { "1" }))?)
}

/// What was claimed and never settled becomes `unknown`: the message may or may not have been taken.
pub(super) fn settle_interrupted(connection: &Connection) -> Result<u64, LedgerError> {
    let interrupted = connection.execute(
        "UPDATE delivery SET state = 'unknown', settled_at = ?1, left_at = ?1, error_code = 'cut-off',
            error = 'the run ended before the answer came'
         WHERE state = 'claimed'",
        params![now()],
    )?;
    Ok(interrupted as u64)
}
