//! What goes wrong with the record itself.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::holder::Holder;

/// Why something went wrong, in the words of whoever noticed it. Shared, because everybody whose change is lost gets it.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// What went wrong with the record itself. A recipient's failure is never one of these.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// A file or folder cannot be used, by the system's word.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's word.
        source: Arc<io::Error>,
    },
    /// A file or folder is not what it should be.
    #[error("{path}: {why}", path = path.display())]
    Unsuitable {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The database.
    #[error("{}the ledger cannot be used: {source}{advice}", place(path.as_deref()))]
    Database {
        /// The file or the address, where there is one.
        path: Option<PathBuf>,
        /// The database's word.
        source: Cause,
        /// What to do about it.
        advice: &'static str,
    },
    /// The database cannot be reached, or the connection to it was lost.
    #[error("{}the ledger cannot be used: {source}{advice}", place(path.as_deref()))]
    Disconnected {
        /// The address, where it is known.
        path: Option<PathBuf>,
        /// The word of the database or of the system.
        source: Cause,
        /// What to do about it.
        advice: &'static str,
    },
    /// The database is not one that a ledger can be kept in.
    #[error("{}{what}; {advice}", place(path.as_deref()))]
    NotUsable {
        /// The address, where it is known.
        path: Option<PathBuf>,
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        advice: String,
    },
    /// There is a file, and nothing in it.
    #[error(
        "{}the ledger is empty; restore it from a backup: without it everyone would be messaged again",
        place(path.as_deref())
    )]
    Emptied {
        /// The file, where it is known.
        path: Option<PathBuf>,
    },
    /// There is no ledger, but there was one.
    #[error(
        "{path}: the ledger is missing, but {why}. Move it back or restore it from a backup, with all files of its \
         folder: without it everyone would be messaged again", path = path.display()
    )]
    Missing {
        /// Where it was.
        path: PathBuf,
        /// What says so.
        why: String,
    },
    /// Parts of the file cannot be read, or contradict each other.
    #[error(
        "{}the ledger is damaged ({source}); restore it from a backup, with all files of its folder: without it everyone \
         would be messaged again. Without a backup, `campaign ledger recover` saves what is readable", place(path.as_deref())
    )]
    Damaged {
        /// The file, where it is known.
        path: Option<PathBuf>,
        /// What shows it.
        source: Cause,
    },
    /// The log of a run that was killed cannot be read.
    #[error(
        "{path}: this log of a killed run is damaged, and the record of who was messaged is lost with it; restore the \
         ledger from a backup, with all files of its folder. Without a backup, `campaign ledger recover` saves what is \
         readable", path = .0.display()
    )]
    DamagedLog(PathBuf),
    /// It cannot be shown that the ledger knows everyone who was sent to.
    #[error(
        "{path}: {why}. Recipients it does not know of would be messaged again. Restore the newest copy, with all \
         files of its folder. If there is none, `campaign ledger recover` creates one in which everyone it may have \
         missed is `unknown`, and `campaign run --accept-older-ledger` continues with this one", path = path.display()
    )]
    NotCurrent {
        /// The ledger.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The files were taken away while they were in use.
    #[error(
        "{path} was {what} while it was in use: sending has stopped. Messages in flight whose outcome could not be \
         recorded: {unrecorded}{}", rescue(rescued.as_deref()), path = path.display()
    )]
    Replaced {
        /// The file that is not what it was.
        path: PathBuf,
        /// What happened to it.
        what: &'static str,
        /// Messages that may have left and whose outcome is not recorded.
        unrecorded: usize,
        /// Where a copy of what the ledger held was saved.
        rescued: Option<PathBuf>,
    },
    /// Written by a newer version of this program.
    #[error(
        "{}the ledger has format {found}, this version supports up to {known}: use a newer version", place(path.as_deref())
    )]
    Newer {
        /// The file, where it is known.
        path: Option<PathBuf>,
        /// The file's format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The ledger is another campaign's.
    #[error("this is the ledger of the campaign `{0}`: give each campaign its own")]
    OtherCampaign(String),
    /// The campaign was copied to another ledger.
    #[error("{}this campaign was moved to {to}: continue there, with `--ledger`", place(path.as_deref()))]
    Moved {
        /// The ledger, where it is known.
        path: Option<PathBuf>,
        /// Where the campaign is now.
        to: String,
    },
    /// The campaign is being copied into this ledger, or the copy was interrupted.
    #[error(
        "{}the copy of this campaign from {from} is not complete: run `campaign ledger copy` again, with both ledgers", place(path.as_deref())
    )]
    Arriving {
        /// The ledger, where it is known.
        path: Option<PathBuf>,
        /// Where the campaign comes from.
        from: String,
    },
    /// The delivery is not in the state that the caller believed: somebody else has changed it.
    #[error("delivery `{0}` was changed by another process during this run")]
    Conflict(String),
    /// The campaign is being run already.
    #[error("this campaign is already being run by {0}")]
    InUse(Holder),
    /// The list is being taken in by somebody else: whoever wants to join them waits.
    #[error("this campaign is being started by {0}")]
    Enrolling(Holder),
    /// The others believe this worker dead, and have taken over what it had.
    #[error(
        "the database did not hear of this process for longer than `worker_timeout`, so the other workers took over its \
         recipients: nothing more is sent from here. Run again to join them"
    )]
    TakenOver,
    /// Somebody stopped a run that waited for its database.
    #[error(
        "stopped while waiting for the ledger's database ({0}). Messages that were in flight and whose answer is not \
         recorded are `unknown`; nobody is messaged twice"
    )]
    StoppedWaiting(String),
    /// Nothing can be recorded any more, which an earlier error explains.
    #[error("the ledger is closed")]
    Closed,
}

fn place(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| format!("{}: ", path.display()))
}

fn rescue(copy: Option<&Path>) -> String {
    copy.map_or_else(String::new, |copy| {
        format!(
            ". The ledger's contents were saved as {0}; if the original is lost, continue with `--ledger {0}`",
            copy.display()
        )
    })
}

impl LedgerError {
    /// A file or folder that the system will not let us use.
    pub(super) fn file(path: &Path, error: io::Error) -> Self {
        Self::File { path: path.to_owned(), source: Arc::new(error) }
    }

    /// The same for `map_err`.
    pub(super) fn with_file(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::file(&path, error)
    }

    /// A file or folder that is not what it should be.
    pub(super) fn unsuitable(path: &Path, why: impl Into<String>) -> Self {
        Self::Unsuitable { path: path.to_owned(), why: why.into() }
    }

    /// Parts of the file cannot be read, or contradict each other.
    pub(super) fn damaged(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Damaged { path: None, source: cause.into().into() }
    }

    /// The database fails, and nothing is known that would help.
    pub(super) fn database(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Database { path: None, source: cause.into().into(), advice: "" }
    }

    /// The database cannot be reached, and what to do about it.
    pub(super) fn disconnected(cause: impl Into<Box<dyn Error + Send + Sync>>, advice: &'static str) -> Self {
        Self::Disconnected { path: None, source: cause.into().into(), advice }
    }

    /// The database is not one that a ledger can be kept in, and what to do about it.
    pub(super) fn not_usable(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::NotUsable { path: None, what: what.into(), advice: advice.into() }
    }

    /// The same with the name of the file, or with an address.
    pub(super) fn at(mut self, file: &Path) -> Self {
        if let Self::Database { path, .. }
        | Self::Disconnected { path, .. }
        | Self::NotUsable { path, .. }
        | Self::Damaged { path, .. }
        | Self::Emptied { path }
        | Self::Moved { path, .. }
        | Self::Arriving { path, .. }
        | Self::Newer { path, .. } = &mut self
        {
            path.get_or_insert_with(|| file.to_owned());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::with_causes;

    #[test]
    fn an_error_keeps_its_source_and_says_it_once() {
        let error = LedgerError::file(Path::new("c.sqlite"), io::ErrorKind::PermissionDenied.into());
        assert!(Error::source(&error).is_some());
        assert_eq!(with_causes(&error), "c.sqlite: permission denied");
        let error = LedgerError::damaged("page 7 is not a page").at(Path::new("c.sqlite"));
        assert_eq!(Error::source(&error).map(ToString::to_string).as_deref(), Some("page 7 is not a page"));
        assert_eq!(with_causes(&error).matches("page 7").count(), 1);
    }
}
