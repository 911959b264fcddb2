//! Who runs a campaign: is told what happens, and asked what needs somebody's word. The command line is one; a program
//! that uses this crate brings its own.

use std::future::Future;
use std::path::Path;

use super::{CanaryResult, Plan, ProofPlan};
use crate::ledger::{Holder, Totals};
use crate::problem::Problems;
use crate::run::Event;

/// Who runs a campaign.
pub trait Operator {
    /// Something happened.
    fn notice(&self, notice: Notice<'_>);

    /// Something needs somebody's word.
    fn ask(&self, question: Question<'_>) -> impl Future<Output = Answer>;
}

/// What happened.
#[derive(Debug)]
pub enum Notice<'a> {
    /// There is no list any more; the run continues from the ledger.
    ListMissing {
        /// What people call it.
        name: &'a str,
    },
    /// Somebody else is starting the campaign; this process waits until the list is taken in.
    Waiting {
        /// Who.
        other: &'a Holder,
    },
    /// Others work on the campaign; this process works with them.
    Joined {
        /// The first of them.
        other: &'a Holder,
    },
    /// Others go on working on the campaign: the last of them writes the reports.
    OthersGoOn,
    /// Messages were in flight when an earlier run ended: they are `unknown` now.
    Interrupted {
        /// How many.
        messages: u64,
    },
    /// How this ledger is kept could make somebody get a message twice.
    LedgerAtRisk {
        /// By what.
        risk: &'a str,
    },
    /// Something about how the list was read.
    AboutList {
        /// What people call it.
        name: &'a str,
        /// Such as its encoding, where that was detected.
        text: &'a str,
    },
    /// Something to look at that stops nothing.
    Warnings {
        /// All of one kind together.
        warnings: &'a Problems,
        /// Whether problems follow, for which the run ends.
        blocked: bool,
    },
    /// Failed messages were taken up again.
    Retrying {
        /// How many.
        retried: u64,
        /// All outcomes since.
        totals: &'a Totals,
    },
    /// Sending begins.
    Sending {
        /// How many messages.
        messages: u64,
    },
    /// Something happened while sending.
    Event(&'a Event),
    /// Sending ends for now.
    SendingEnded,
    /// The plan was written with a line for each row, although problems keep the run from beginning.
    PlanWritten(&'a Path),
    /// A report was written.
    ReportWritten(&'a Path),
}

/// What needs somebody's word.
#[derive(Debug)]
pub enum Question<'a> {
    /// Whether to send a message that has changed since some have got it.
    ChangedMessage {
        /// What has changed, and who would get it.
        plan: &'a Plan,
    },
    /// Whether to send.
    Send {
        /// What.
        plan: &'a Plan,
    },
    /// Whether to send proofs.
    Proof {
        /// Which, and where.
        plan: &'a ProofPlan,
    },
    /// Whether to send to the rest after the canary.
    Canary(CanaryResult<'a>),
}

/// Somebody's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Yes,
    /// Do not.
    No,
    /// There is nobody to ask. Whether that stops the run depends on the question.
    NotAsked,
}
