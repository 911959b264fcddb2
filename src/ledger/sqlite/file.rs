//! The ledger as files: made whole or not at all, for its owner only, and refused when the system gives back less than
//! was written. An empty ledger is as bad as none: everybody would get it again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::prepare;
use crate::ledger::LedgerError;

/// Bytes of the header of a write-ahead log (sqlite.org/fileformat2.html, section 4.1).
const LOG_HEADER: usize = 32;

/// Makes an empty ledger where there is none. It appears under its name only when it is whole, so a file without tables is
/// never one that was begun and not finished.
pub(super) fn make(path: &Path) -> Result<(), LedgerError> {
    let fail = |error: io::Error| LedgerError::File { path: path.to_owned(), why: error.to_string() };
    let unfinished = with_ending(path, ".new");
    for left in [unfinished.clone(), with_ending(&unfinished, "-wal"), with_ending(&unfinished, "-shm")] {
        match fs::remove_file(left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
    }
    private(&unfinished).map_err(fail)?;
    let made = Connection::open(&unfinished)?;
    prepare(made)?.close().map_err(|(_, error)| LedgerError::from(error))?;
    fs::rename(&unfinished, path).map_err(fail)?;
    // The name is not on disk before its folder is.
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)?;
    }
    Ok(())
}

/// Makes sure that SQLite will read the log that a killed run has left: one with a spoilt header it would pass over in
/// silence, and with it the record of who was sent to.
pub(super) fn check_log(path: &Path) -> Result<(), LedgerError> {
    let log = with_ending(path, "-wal");
    let fail = |error: io::Error| LedgerError::File { path: log.clone(), why: error.to_string() };
    let mut file = match File::open(&log) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fail(error)),
    };
    let mut header = [0; LOG_HEADER];
    let has_frames = file.metadata().map_err(fail)?.len() > LOG_HEADER as u64;
    if has_frames {
        file.read_exact(&mut header).map_err(fail)?;
    }
    if has_frames && !is_valid(&header) { Err(LedgerError::SpoiltLog(log)) } else { Ok(()) }
}

/// Whether a header carries its own checksum.
fn is_valid(header: &[u8; LOG_HEADER]) -> bool {
    let word = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
    let read = match u32::from_be_bytes(word(0)) {
        0x377f_0682 => u32::from_le_bytes,
        0x377f_0683 => u32::from_be_bytes,
        _ => return false,
    };
    let (mut first, mut second) = (0_u32, 0_u32);
    for at in (0..24).step_by(8) {
        first = first.wrapping_add(read(word(at))).wrapping_add(second);
        second = second.wrapping_add(read(word(at + 4))).wrapping_add(first);
    }
    (first, second) == (u32::from_be_bytes(word(24)), u32::from_be_bytes(word(28)))
}

/// Makes a folder that only its owner can look into. One that exists is left as it is.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes the file before SQLite does, readable by its owner only; SQLite gives its side files the same rights.
fn private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
