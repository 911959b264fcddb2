//! Exit codes, and the faults that end a command early.

use std::error::Error;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use super::output::Output;
use crate::ledger::LedgerError;
use crate::problem::{Problem, Problems, with_causes};

/// What a finished process says of the campaign. The numbers are a promise to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All done; also when nothing was left to do.
    Done = 0,
    /// The environment failed: a file, the ledger, the server, the credentials.
    Environment = 1,
    /// The spec, the list or the command line is wrong; nothing was sent.
    Wrong = 2,
    /// Finished, some failed.
    SomeFailed = 3,
    /// Finished, some unknown (whether or not some failed).
    SomeUnknown = 4,
    /// Stopped by a guard, for a person to look at: canary, `stop_when`, `not_after`.
    Stopped = 5,
    /// Another run holds this campaign.
    Held = 6,
    /// Nothing is wrong, run it again later: a quota, a window or `not_before` holds, with `--no-wait`.
    Paused = 7,
    /// Interrupted; can be continued.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended before its work was done.
#[derive(Debug)]
pub(super) enum CliError {
    /// Something a person wrote is wrong.
    Problems(Problems),
    /// Files that somebody has named cannot be used; shown where they are named.
    Unusable(Problems),
    /// Something around us is.
    Environment(EnvironmentError),
    /// Asked, a person said no.
    Declined,
    /// The ledger is.
    Ledger(LedgerError),
}

/// Something around us failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct EnvironmentError {
    /// What could not be done, or how to mend it where that is known.
    what: String,
    /// Why.
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl From<LedgerError> for CliError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<Problems> for CliError {
    fn from(problems: Problems) -> Self {
        Self::Problems(problems)
    }
}

impl From<Vec<Problem>> for CliError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems.into())
    }
}

impl CliError {
    /// Something around us is not as it should be: in one sentence that says how to mend it.
    pub(super) fn environment(what: impl Into<String>) -> Self {
        Self::Environment(EnvironmentError { what: what.into(), source: None })
    }

    /// Something around us failed, and why.
    pub(super) fn caused(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Environment(EnvironmentError { what: what.into(), source: Some(source.into()) })
    }

    /// A file that cannot be used, and why.
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::caused(path.display().to_string(), source)
    }

    /// Tells the person and gives the exit code.
    pub(super) fn show(self, output: &Output) -> Exit {
        match self {
            Self::Problems(problems) => {
                output.problems(&problems);
                output.say(&format!("{}; nothing was sent", super::output::counted(problems.count(), "problem")));
                Exit::Wrong
            }
            Self::Unusable(problems) => {
                output.problems(&problems);
                Exit::Environment
            }
            Self::Environment(error) => {
                output.error(&with_causes(&error));
                Exit::Environment
            }
            Self::Declined => {
                output.say("not confirmed; nothing was sent");
                Exit::Interrupted
            }
            Self::Ledger(error) => {
                output.error(&with_causes(&error));
                if matches!(error, LedgerError::Held(_)) { Exit::Held } else { Exit::Environment }
            }
        }
    }
}
