//! The ledger as files: where it really is, and refused when the system gives back less than was written. Knows nothing of
//! what is in them but the header of the log.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::ledger::LedgerError;
use crate::private_file::{self, folder_of};

/// Bytes of the header of a write-ahead log (sqlite.org/fileformat2.html, section 4.1).
const LOG_HEADER: usize = 32;

/// Where the file of a ledger is, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LedgerFile {
    /// Without links, so that one ledger has one path.
    pub(super) path: PathBuf,
    /// Whether there is a ledger. `false` only when that is certain.
    pub(super) exists: bool,
}

impl LedgerFile {
    /// Looks where `path` leads to. Only "not found" is missing: every other error is one.
    pub(super) fn find(path: &Path) -> Result<Self, LedgerError> {
        let fail = LedgerError::with_file(path);
        match fs::symlink_metadata(path) {
            Ok(about) => {
                let real = follow(path, &about)?;
                let about = fs::metadata(&real).map_err(fail)?;
                if !about.is_file() {
                    return Err(LedgerError::unsuitable(&real, "not a file"));
                }
                only_one_name(&real, &about)?;
                Ok(Self { path: real, exists: true })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let name =
                    path.file_name().ok_or_else(|| LedgerError::unsuitable(path, "this is no name of a file"))?;
                Ok(Self { path: real_folder(folder_of(path))?.join(name), exists: false })
            }
            Err(error) => Err(fail(error)),
        }
    }
}

/// Where a path that exists leads to.
fn follow(path: &Path, about: &fs::Metadata) -> Result<PathBuf, LedgerError> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && about.is_symlink() => {
            let target = fs::read_link(path).unwrap_or_default();
            let why = format!("a link to {}, which is not there: is a disk not mounted?", target.display());
            Err(LedgerError::unsuitable(path, why))
        }
        real => real.map_err(LedgerError::with_file(path)),
    }
}

/// The real path of a folder that may still have to be made.
fn real_folder(folder: &Path) -> Result<PathBuf, LedgerError> {
    match fs::symlink_metadata(folder) {
        Ok(about) => follow(folder, &about),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match (folder.parent(), folder.file_name()) {
            (Some(_), Some(name)) => Ok(real_folder(folder_of(folder))?.join(name)),
            _ => Err(LedgerError::with_file(folder)(error)),
        },
        Err(error) => Err(LedgerError::with_file(folder)(error)),
    }
}

/// Two names are two locks and two logs for one ledger.
fn only_one_name(path: &Path, about: &fs::Metadata) -> Result<(), LedgerError> {
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(about) > 1 {
        let why = "this ledger has several names (hard links), and its log and lock belong to one of them; keep the \
                   one that it was used by and remove the others";
        return Err(LedgerError::unsuitable(path, why));
    }
    let _ = (path, about);
    Ok(())
}

/// Makes sure that a new file would replace none.
pub(super) fn is_free(path: &Path) -> Result<(), LedgerError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LedgerError::file(path, error)),
        Ok(_) => Err(LedgerError::unsuitable(path, "the file already exists; choose another with `-o`")),
    }
}

/// Gives a finished file its name, unless another file has it.
pub(super) fn publish(unfinished: &Path, path: &Path) -> io::Result<()> {
    TempPath::try_from_path(unfinished)?.persist_noclobber(path).map_err(|error| error.error)
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> Result<(), LedgerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LedgerError::file(path, error)),
        _ => Ok(()),
    }
}

/// Makes sure that a new name is on disk, which it is not before its folder is.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder_of(path)).and_then(|folder| folder.sync_all()) } else { Ok(()) }
}

/// Makes sure that SQLite will read the log that a killed run has left: one whose header is damaged it would pass over
/// in silence, and with it the record of who was sent to.
pub(super) fn check_log(path: &Path) -> Result<(), LedgerError> {
    let log = with_suffix(path, "-wal");
    let fail = LedgerError::with_file(&log);
    match fs::symlink_metadata(&log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fail(error)),
        Ok(about) if !about.is_file() => return Err(LedgerError::DamagedLog(log)),
        Ok(_) => {}
    }
    let mut file = File::open(&log).map_err(&fail)?;
    let mut header = [0; LOG_HEADER];
    let has_frames = file.metadata().map_err(&fail)?.len() > LOG_HEADER as u64;
    if has_frames {
        file.read_exact(&mut header).map_err(&fail)?;
    }
    if has_frames && !is_valid(&header) { Err(LedgerError::DamagedLog(log)) } else { Ok(()) }
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
pub(super) fn private_folder(path: &Path) -> Result<(), LedgerError> {
    let folder = folder_of(path);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(LedgerError::with_file(folder))
}

/// Makes the file before SQLite does, readable by its owner only; SQLite gives its side files the same rights.
pub(super) fn private(path: &Path) -> io::Result<()> {
    private_file::options().write(true).create_new(true).open(path).map(drop)
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
