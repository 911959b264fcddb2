//! How files with customers' data are made: only their owner can read them. Every file that this program makes beside a
//! report or a ledger is opened through here, so the rule is in one place.
//!
//! Knows no contents.

use std::fs::OpenOptions;
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

/// The folder that a path is in: `.` for a bare name, where [`Path::parent`] is empty.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
