//! Whether the files of an open ledger are still the ones that were opened. Writing to a file that was deleted or replaced
//! succeeds, and nobody will ever read it: claims in it protect nobody.

use std::path::{Path, PathBuf};

use super::counter;
use super::file::with_suffix;
use super::lock::Lock;
use crate::ledger::LedgerError;

/// What a file is, whatever its name: device and inode.
type Identity = (u64, u64);

/// Files that must stay in their places.
#[derive(Debug)]
pub(super) struct Watch {
    files: Vec<(PathBuf, Identity)>,
    /// SQLite makes the log when it first writes.
    log: Option<PathBuf>,
}

impl Watch {
    /// Begins to watch the files of a ledger that was just opened.
    pub(super) fn over(ledger: &Path) -> Result<Self, LedgerError> {
        let mut files = Vec::new();
        for path in [ledger.to_owned(), counter::path_of(ledger), Lock::path_of(ledger)] {
            if let Some(identity) = identity(&path).map_err(LedgerError::with_file(&path))? {
                files.push((path, identity));
            }
        }
        Ok(Self { files, log: Some(with_suffix(ledger, "-wal")) })
    }

    /// The first file that is not what it was, and what happened to it.
    pub(super) fn changed(&mut self) -> Option<(PathBuf, &'static str)> {
        if let Some(log) = self.log.take() {
            match identity(&log) {
                Ok(Some(found)) => self.files.push((log, found)),
                _ => self.log = Some(log),
            }
        }
        self.files.iter().find_map(|(path, expected)| match identity(path) {
            Ok(Some(found)) if found == *expected => None,
            Ok(Some(_)) => Some((path.clone(), "replaced")),
            // An error is no proof, but the file cannot be seen in its place.
            Ok(None) | Err(_) => Some((path.clone(), "deleted or moved")),
        })
    }
}

/// Which file is at a path. `None` where there is none, and on systems that do not tell.
fn identity(path: &Path) -> std::io::Result<Option<Identity>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        match std::fs::symlink_metadata(path) {
            Ok(about) => Ok(Some((about.dev(), about.ino()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(None)
    }
}
