//! Why a command ended before its work was done, shown to the person with the exit code that it means.

use std::error::Error;
use std::io;
use std::path::Path;

use super::exit::Exit;
use super::output::Output;
use crate::campaign::CampaignError;
use crate::humanize::counted;
use crate::ledger::LedgerError;
use crate::problem::with_causes;

/// Why a command ended before its work was done.
#[derive(Debug)]
pub(super) enum CliError {
    /// The campaign did not begin, or could not be carried through.
    Campaign(CampaignError),
    /// Something around this process is not as it should be.
    Environment(EnvironmentError),
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

impl<E: Into<CampaignError>> From<E> for CliError {
    fn from(error: E) -> Self {
        Self::Campaign(error.into())
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

    /// The exit code that it means.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Campaign(CampaignError::Problems(_)) => Exit::InvalidInput,
            Self::Campaign(CampaignError::Declined) => Exit::Interrupted,
            Self::Campaign(CampaignError::Ledger(LedgerError::InUse(_))) => Exit::InUse,
            Self::Campaign(_) | Self::Environment(_) => Exit::Environment,
        }
    }

    /// Prints the error and returns the exit code. `sends`: whether the command would have sent messages.
    pub(super) fn show(self, sends: bool, output: &Output) -> Exit {
        let exit = self.exit();
        match self {
            Self::Campaign(CampaignError::Problems(problems)) => {
                output.problems(&problems);
                let nothing_sent = if sends { "; nothing was sent" } else { "" };
                output.say(&format!("{}{nothing_sent}", counted(problems.count(), "problem")));
            }
            Self::Campaign(CampaignError::Unusable(problems)) => output.problems(&problems),
            Self::Campaign(error @ CampaignError::Declined) => output.say(&error.to_string()),
            Self::Campaign(error) => output.error(&with_causes(&error)),
            Self::Environment(error) => output.error(&with_causes(&error)),
        }
        exit
    }
}
