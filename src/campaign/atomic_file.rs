//! Files that are written whole or not at all, readable by their owner only: under a temporary name first, which becomes
//! the file when everything is on disk.
//!
//! A process that is killed leaves its temporary file behind, with customers' data in it. Whoever writes one holds its
//! lock, so the next one can tell those that are left from those that are being written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::CampaignError;
use crate::private_file::folder_of;

const PREFIX: &str = ".report-";

/// What follows the prefix: letters and digits, so many.
const RANDOM: usize = 6;

/// Tries at a name until it is given up: each is taken away only by somebody who clears up at that very moment.
const TRIES: usize = 10;

/// Whether a file may be put in the place of what is there.
pub(super) fn check_place(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(there) if !there.is_file() && !there.is_symlink() => Err(io::Error::other("not a regular file")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Its owner.
    Owner,
    /// Everybody: it says nothing of any recipient.
    Everybody,
}

/// A file beside `path` that becomes it when it is whole.
pub(super) fn temporary(path: &Path, readers: Readers) -> io::Result<NamedTempFile> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    for _ in 0..TRIES {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).rand_bytes(RANDOM);
        #[cfg(unix)]
        if readers == Readers::Everybody {
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        }
        let file = builder.tempfile_in(folder)?;
        // Where files cannot be locked nobody clears up either.
        if file.as_file().lock().is_err() || fs::exists(file.path())? {
            return Ok(file);
        }
    }
    Err(io::Error::other("temporary files are taken away as soon as they are made"))
}

/// Makes it the file itself.
pub(super) fn keep(file: NamedTempFile, path: &Path) -> Result<(), CampaignError> {
    file.as_file().sync_all().map_err(|error| CampaignError::not_writable(path, error))?;
    file.persist(path).map_err(|error| CampaignError::not_writable(path, error.error))?;
    Ok(())
}

/// Writes a file whole or not at all, readable by its owner only.
///
/// # Errors
/// It cannot be written; what was there is still there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CampaignError> {
    write(path, bytes, Readers::Owner)
}

/// The same for a file that everybody may read.
///
/// # Errors
/// It cannot be written; what was there is still there.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<(), CampaignError> {
    write(path, bytes, Readers::Everybody)
}

fn write(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), CampaignError> {
    check_place(path).map_err(|error| CampaignError::not_writable(path, error))?;
    let mut file = temporary(path, readers).map_err(|error| CampaignError::not_writable(path, error))?;
    file.write_all(bytes).map_err(|error| CampaignError::not_writable(path, error))?;
    keep(file, path)
}

/// Removes what killed processes have left in the folder of `path`, and leaves what is being written. What cannot be
/// removed stays: it is no reason not to go on.
pub(super) fn clear_leftovers(path: &Path) {
    let Ok(entries) = fs::read_dir(folder_of(path)) else { return };
    for entry in entries.filter_map(Result::ok) {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !entry.file_name().to_str().is_some_and(is_temporary) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        if file.try_lock().is_ok() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_temporary(name: &str) -> bool {
    let random = name.strip_prefix(PREFIX).unwrap_or_default();
    random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
