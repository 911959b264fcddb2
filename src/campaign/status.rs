//! How far a campaign is, and what a run would do next. Only looks.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::inputs::evaluator;
use super::pending_scan::pending_scan;
use super::{CampaignError, Changes, NextRun, ReportTargets, earlier_runs, open_ledger};
use crate::ledger::{self, Holder, Inspect, Ledger, Location, Proofs, Prove, Share, Totals, Worker};
use crate::problem::Keep;
use crate::run::Selection;
use crate::specification::Spec;
use crate::state::State;

/// How far a campaign is.
#[derive(Debug)]
pub enum Status {
    /// Nothing was run yet.
    NotBegun {
        /// Where the ledger is, or would be.
        ledger: Location,
        /// What was sent to operators.
        proofs: Box<Proofs>,
    },
    /// Something was.
    Begun(Box<Progress>),
}

/// How far a campaign is that was begun.
#[derive(Debug)]
pub struct Progress {
    /// Rows by outcome.
    pub totals: Totals,
    /// What has changed in the spec since the last run.
    pub changes: Changes,
    /// What a run would send now; `None` if there is nothing left.
    pub next: Option<NextRun>,
    /// The run that is under way.
    pub run: Option<ActiveRun>,
    /// What was sent to operators, which is in no total.
    pub proofs: Box<Proofs>,
}

/// A run that is under way.
#[derive(Debug)]
pub struct ActiveRun {
    /// Who runs it.
    pub holder: Holder,
    /// Messages that left in the last minute.
    pub last_minute: u64,
    /// All who work on it, the first one first; one, where they do not share a ledger.
    pub workers: Vec<Worker>,
}

impl ActiveRun {
    /// Messages a second: in the last minute, or since the run began if that was later.
    pub fn messages_per_second(&self) -> f64 {
        let since = Timestamp::now().duration_since(self.holder.since).as_secs_f64();
        self.last_minute as f64 / since.clamp(1.0, 60.0)
    }
}

/// How far a campaign is. `ledger`: where it is, if not beside the spec.
///
/// # Errors
/// The ledger cannot be read, or is not the one that it should be.
pub async fn status(spec: &Arc<Spec>, ledger: Option<&str>) -> Result<Status, CampaignError> {
    let location = open_ledger::locate(spec, ledger)?;
    let reports = ReportTargets::of_spec(spec);
    let Some(found) = ledger::open_read_only(&location).await? else {
        earlier_runs::check_first_run(spec, &location, ledger.is_none(), &reports).await?;
        return Ok(Status::NotBegun { ledger: location, proofs: Box::default() });
    };
    found.belongs_to(&spec.name).await?;
    earlier_runs::check_against_reports(&found, &reports).await?;
    let proofs = Box::new(found.proofs().await?);
    if open_ledger::is_unused(&found).await? {
        return Ok(Status::NotBegun { ledger: location, proofs });
    }
    let run = match found.holder().await? {
        Some(holder) => {
            let (last_minute, workers) = (found.sent_within(Duration::from_mins(1)).await?, found.workers().await?);
            Some(ActiveRun { holder, last_minute, workers })
        }
        None => None,
    };
    let totals = found.totals().await?;
    let pending = totals.of(State::Pending);
    let changes = Changes::since_last_run(spec, &found).await?.for_pending(pending, pending);
    let next = if pending > 0 { Some(next_run(spec, &found, pending).await?) } else { None };
    Ok(Status::Begun(Box::new(Progress { totals, changes, next, run, proofs })))
}

async fn next_run(spec: &Arc<Spec>, ledger: &impl Ledger, pending: u64) -> Result<NextRun, CampaignError> {
    let zones = match &spec.send.window {
        Some(_) => {
            pending_scan(ledger, &evaluator(spec, None, Keep::default())?, &Selection::default(), false).await?.zones
        }
        None => Vec::new(),
    };
    NextRun::forecast(spec, ledger, pending, zones).await
}
