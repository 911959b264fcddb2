//! Whether a ledger knows of everyone who was sent to: by its counter, and by what an earlier one has left.

use std::path::Path;
use std::{fs, io};

use rusqlite::Connection;

use super::counter::{self, Count, Counter, Found};
use super::file::{LedgerFile, remove, with_suffix};
use super::format::{self, Identity, prepare_with};
use crate::ledger::{Acknowledged, LedgerError};

/// Whether this is certainly a first run: neither a ledger nor anything that one has left.
pub(super) fn is_first(file: &LedgerFile, acknowledged: Acknowledged) -> Result<bool, LedgerError> {
    let LedgerFile { path, exists } = file;
    if *exists {
        return Ok(false);
    }
    let missing = |why: String| LedgerError::Missing { path: path.clone(), why };
    let log = with_suffix(path, "-wal");
    match fs::symlink_metadata(&log) {
        Ok(about) if about.len() > 0 => return Err(missing(format!("its log {} is still there", log.display()))),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(LedgerError::file(&log, error)),
        _ => {}
    }
    let counter = counter::path_of(path);
    match counter::read(path)? {
        Found::Count(Count { claims: 1.., .. }) | Found::Damaged if acknowledged.first_run => Ok(true),
        Found::Count(Count { claims, .. }) if claims > 0 => {
            Err(missing(format!("{} says that it recorded {claims} send attempts", counter.display())))
        }
        Found::Damaged => Err(missing(format!("{} is still there, and damaged", counter.display()))),
        _ => Ok(true),
    }
}

/// The ledger of a run, of this format, with its counter.
pub(super) fn with_counter(
    connection: Connection,
    path: &Path,
    acknowledged: Acknowledged,
) -> Result<(Connection, Counter), LedgerError> {
    let found = counter::read(path)?;
    let mut begun = false;
    let connection = prepare_with(connection, |identity| {
        // It comes from an older format. Its counter is made before it is kept, so that it is never without one.
        begun = true;
        if !acknowledged.older {
            is_current(path, &found, identity, true)?;
        }
        replace_counter(path, identity)
    })?;
    let identity = format::identity(&connection)?;
    if !begun {
        match is_current(path, &found, &identity, false) {
            Err(_) if acknowledged.older => {
                let transaction = connection.unchecked_transaction()?;
                replace_counter(path, &format::renew_identity(&transaction)?)?;
                transaction.commit()?;
            }
            result => result?,
        }
    }
    let identity = format::identity(&connection)?;
    let counter = Counter::open(path, &identity.id)?;
    Ok((connection, counter))
}

pub(super) fn replace_counter(path: &Path, Identity { id, claims }: &Identity) -> Result<(), LedgerError> {
    remove(&counter::path_of(path))?;
    Counter::create(path, &Count { ledger: id.clone(), claims: *claims }).map(drop)
}

/// Makes sure that a ledger knows as many claims as were made with it. One of an older format (`without_counter`) need
/// not have a counter, and if it has one, not of its own name: bringing it up may have been interrupted.
pub(super) fn is_current(
    path: &Path,
    found: &Found,
    ledger: &Identity,
    without_counter: bool,
) -> Result<(), LedgerError> {
    let counter = counter::path_of(path);
    let counter = counter.display();
    let why = match found {
        Found::Nothing if without_counter => return Ok(()),
        Found::Nothing => format!("its file {counter} is missing, so this may be an older copy"),
        Found::Damaged => format!("its file {counter} is damaged, so this may be an older copy"),
        Found::Count(count) if count.ledger != ledger.id && !without_counter => {
            format!("{counter} belongs to another ledger, so this may be an older copy")
        }
        Found::Count(count) if count.claims > ledger.claims => format!(
            "this ledger knows of {} send attempts, but {counter} counted {}: it is an older copy, or its log is \
             damaged or missing",
            ledger.claims, count.claims
        ),
        Found::Count(_) => return Ok(()),
    };
    Err(LedgerError::NotCurrent { path: path.to_owned(), why })
}
