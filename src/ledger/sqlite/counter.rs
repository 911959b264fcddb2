//! The counter beside a ledger: how many claims were ever made with it.
//!
//! A ledger by itself cannot tell that it is an older copy, or that its log lost the last commits. So the number of its
//! claims is also kept in a small file of its own. It is written after each commit that makes claims and before any of
//! their messages may leave. Hence, after a kill or a power cut at any moment, the ledger knows at least as many claims as
//! the counter; a ledger that knows fewer has lost some, and with them whom not to message again.
//!
//! Knows nothing of SQLite; what follows from a difference is decided where a ledger is opened.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};

use super::file::{publish, sync_folder, with_suffix};
use crate::ledger::LedgerError;
use crate::private_file;

/// Room for one record: the smallest unit that disks write whole.
const MAX_BYTES: u64 = 512;

/// What the counter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Count {
    /// The ledger that it belongs to.
    pub(super) ledger: String,
    /// Claims that were made with it.
    pub(super) claims: i64,
}

/// What is at the counter's path.
#[derive(Debug)]
pub(super) enum Found {
    /// No such file.
    Nothing,
    /// A counter.
    Count(Count),
    /// A file that is no counter, or one that is damaged.
    Damaged,
}

/// The counter of an open ledger.
#[derive(Debug)]
pub(super) struct Counter {
    path: PathBuf,
    file: File,
    ledger: String,
}

/// Where the counter of a ledger is.
pub(super) fn path_of(ledger: &Path) -> PathBuf {
    with_suffix(ledger, "-claims")
}

/// Reads the counter of a ledger.
pub(super) fn read(ledger: &Path) -> Result<Found, LedgerError> {
    let path = path_of(ledger);
    let fail = LedgerError::with_file(&path);
    // A link that leads nowhere is not "no such file".
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(fail(error)),
        Ok(about) if !about.is_file() => return Ok(Found::Damaged),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    File::open(&path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes)).map_err(fail)?;
    Ok(std::str::from_utf8(&bytes).ok().and_then(Count::parse).map_or(Found::Damaged, Found::Count))
}

impl Counter {
    /// Makes the counter of a ledger that has none.
    pub(super) fn create(ledger: &Path, count: &Count) -> Result<Self, LedgerError> {
        let path = path_of(ledger);
        let unfinished = with_suffix(&path, ".new");
        let fail = LedgerError::with_file(&path);
        let make = || -> io::Result<()> {
            let _ = fs::remove_file(&unfinished);
            let mut file = private_file::options().write(true).create_new(true).open(&unfinished)?;
            file.write_all(count.line().as_bytes())?;
            file.sync_all()?;
            publish(&unfinished, &path)?;
            sync_folder(&path)
        };
        make().map_err(fail)?;
        Self::open(ledger, &count.ledger)
    }

    /// Opens the counter of a ledger for writing.
    pub(super) fn open(ledger: &Path, id: &str) -> Result<Self, LedgerError> {
        let path = path_of(ledger);
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(LedgerError::with_file(&path))?;
        Ok(Self { path, file, ledger: id.to_owned() })
    }

    /// Records that so many claims were made. When this returns, it is on disk.
    pub(super) fn record(&mut self, claims: i64) -> Result<(), LedgerError> {
        let line = Count { ledger: self.ledger.clone(), claims }.line();
        let mut write = || {
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(line.as_bytes())?;
            self.file.sync_data()
        };
        write().map_err(LedgerError::with_file(&self.path))
    }
}

impl Count {
    /// Always of the same length, so that writing it never changes the file's.
    fn line(&self) -> String {
        let text = format!("claims {:020} ledger {}", self.claims, self.ledger);
        format!("{text} checksum {}\n", checksum(&text))
    }

    fn parse(line: &str) -> Option<Self> {
        let (text, sum) = line.strip_suffix('\n')?.split_once(" checksum ")?;
        if sum != checksum(text) {
            return None;
        }
        let (claims, ledger) = text.strip_prefix("claims ")?.split_once(" ledger ")?;
        Some(Self { ledger: ledger.to_owned(), claims: claims.parse().ok()? })
    }
}

fn checksum(text: &str) -> String {
    HEXLOWER.encode(&digest(&SHA256, text.as_bytes()).as_ref()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_of_one_bit_is_found() {
        let count = Count { ledger: "0123456789abcdef".to_owned(), claims: 340 };
        let line = count.line();
        assert_eq!(Count::parse(&line), Some(count));
        assert!((line.len() as u64) < MAX_BYTES);
        for at in 0..line.len() * 8 {
            let mut bytes = line.clone().into_bytes();
            bytes[at / 8] ^= 1 << (at % 8);
            let parsed = std::str::from_utf8(&bytes).ok().and_then(Count::parse);
            assert_eq!(parsed, None, "bit {at}");
        }
        assert_eq!(Count::parse(&line[..line.len() - 1]), None);
    }
}
