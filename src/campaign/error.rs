//! Why a campaign does not begin, or could not be carried through.

use std::io;
use std::path::{Path, PathBuf};

use crate::ledger::{LedgerError, Location};
use crate::problem::{Problem, Problems};

/// Why a campaign does not begin, or could not be carried through. A recipient's failure is never one of these.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// Something that a person wrote is wrong, each at its place.
    #[error("{} problems", .0.count())]
    Problems(Problems),
    /// Files that somebody has named cannot be used, each shown where it is named.
    #[error("{} files cannot be used", .0.count())]
    Unusable(Problems),
    /// Asked, the operator said no. Nothing was sent, and the ledger is as it was.
    #[error("cancelled; nothing was sent")]
    Declined,
    /// The operator vouched for a first run, and there is a ledger.
    #[error("there is a ledger at {0}, so this is not the first run; remove `--first-run`")]
    NotFirstRun(Location),
    /// Nothing was run yet.
    #[error("there is no record of a run at {0}: nothing was run yet")]
    NotBegun(Location),
    /// A database holds several campaigns, and nobody says which is meant.
    #[error("{ledger} holds {}: choose one with `--campaign NAME`", campaigns.join(", "))]
    SeveralCampaigns {
        /// Where.
        ledger: Location,
        /// Their names.
        campaigns: Vec<String>,
    },
    /// There is no ledger, and something says that there should be one.
    #[error(
        "there is no ledger at {ledger}, but {}; nothing was sent\nMove the ledger of that run there (all files of its \
         folder), or pass `--ledger PATH`: without it everyone would be messaged again. If this campaign was never \
         sent, pass `--first-run`", evidence.join(", and ")
    )]
    LedgerElsewhere {
        /// Where it should be.
        ledger: Location,
        /// What says that there was an earlier run.
        evidence: Vec<String>,
    },
    /// Another campaign writes its report to the same file.
    #[error(
        "{path} is also the report of the campaign `{campaign}` (ledger: {ledger}), and each would replace the other's; nothing was \
         sent\nGive this campaign a report of its own: see `report` in the spec", path = report.display()
    )]
    SharedReport {
        /// The file.
        report: PathBuf,
        /// The other campaign.
        campaign: String,
        /// Its ledger.
        ledger: Location,
    },
    /// A report was not written, because somebody asked this process to end.
    #[error("{path}: interrupted before it was written", path = .0.display())]
    ReportInterrupted(PathBuf),
    /// A report says that people were sent to of whom the ledger does not know that.
    #[error(
        "{path} says that {} of the recipients of this run were already messaged, but the ledger does not know it: the \
         ledger is an older copy, or the report belongs to another ledger; nothing was sent\nRestore the newest copy \
         of the ledger (all files of its folder). If there is none, `--accept-older-ledger` continues: they would be \
         messaged again",
        indicatif::HumanCount(*again), path = report.display()
    )]
    OlderThanReport {
        /// The report.
        report: PathBuf,
        /// How many would be messaged again.
        again: u64,
    },
    /// A file cannot be read or written.
    #[error("{path}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("{path}: cannot be written", path = path.display())]
    NotWritable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl CampaignError {
    /// A file that cannot be read or written, and why.
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    /// A file that cannot be written, and why.
    pub(crate) fn not_writable(path: &Path, source: io::Error) -> Self {
        Self::NotWritable { path: path.to_owned(), source }
    }
}

impl From<Problems> for CampaignError {
    fn from(problems: Problems) -> Self {
        Self::Problems(problems)
    }
}

impl From<Vec<Problem>> for CampaignError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems.into())
    }
}
