//! How files with customers' data are made: only their owner can read them. Every file that this program makes beside a
//! report or a ledger is opened through here, so the rule is in one place.
//!
//! Knows no contents.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Options that give a file its owner's rights only, where it is new. Where systems have no such rights, the folder's
/// apply.
#[must_use]
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The beginning of a regular file, at most so many bytes of it. A pipe or a device might never end.
///
/// # Errors
/// It cannot be read, or it is no regular file of UTF-8 text.
pub fn read_start(path: &Path, most: u64) -> io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    File::open(path)?.take(most).read_to_string(&mut text)?;
    Ok(text)
}

/// The folder that a path is in: `.` for a bare name, where [`Path::parent`] is empty.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
