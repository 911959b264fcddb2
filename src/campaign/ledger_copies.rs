//! A copy of a campaign's ledger, its move to another place, and a new ledger with what can still be read of a damaged one.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::inputs::enroll_list;
use super::open_ledger::{locate, located, not_begun};
use super::{CampaignError, EnrolmentOptions, Inputs, Notice, Operator, ReportOptions, ReportTargets};
use crate::ledger::{self, Backup, Enroll, Inspect, Location, Recovered, Totals};
use crate::specification::Spec;

/// Copies the ledger to `target`, or to a file beside it with the time in its name. Gives where the copy is.
///
/// # Errors
/// Nothing was run yet, the ledger is not the one that it should be, or the copy cannot be written.
pub async fn backup(
    spec: &Spec,
    ledger: Option<&str>,
    target: Option<PathBuf>,
) -> Result<(PathBuf, Backup), CampaignError> {
    let location = locate(spec, ledger)?;
    let name = || {
        path_of(&location, spec)
            .with_extension(format!("{}.backup.sqlite", Timestamp::now().strftime("%Y%m%dT%H%M%SZ")))
    };
    let target = target.unwrap_or_else(name);
    match ledger::backup(&location, &target).await? {
        Some(backup) => Ok((target, backup)),
        None => Err(not_begun(spec, &location, ledger.is_none()).await),
    }
}

/// Where the file of a ledger is; of one that is no file, where it would be by its name.
fn path_of(location: &Location, spec: &Spec) -> PathBuf {
    location.file().map_or_else(|| PathBuf::from(format!("{}.sqlite", spec.name)), Path::to_owned)
}

/// A campaign that was moved to another ledger.
#[derive(Debug)]
pub struct MovedCampaign {
    /// Its name.
    pub name: String,
    /// Where its ledger is now.
    pub ledger: Location,
    /// All outcomes.
    pub totals: Totals,
}

/// Moves a campaign from one ledger to another, whole: `from` and `to` are paths, `sqlite:PATH` or `postgres://...`. The
/// original is marked and not used any more. A database may hold several campaigns: `campaign` says which.
///
/// # Errors
/// There is no ledger, or no word on which; a run holds one of them; the other one has a campaign; one cannot be used.
pub async fn move_ledger(from: &str, to: &str, campaign: Option<&str>) -> Result<MovedCampaign, CampaignError> {
    let name = match campaign {
        Some(name) => name.to_owned(),
        None => only_campaign(&located("FROM", from, "")?).await?,
    };
    let (from, to) = (located("FROM", from, &name)?, located("TO", to, &name)?);
    let totals = ledger::copy(&from, &to, &name).await?.ok_or(CampaignError::NotBegun(from))?;
    Ok(MovedCampaign { name, ledger: to, totals })
}

/// The campaign of a place that has one.
async fn only_campaign(location: &Location) -> Result<String, CampaignError> {
    let mut names = ledger::campaigns(location).await?;
    match (names.pop(), names.is_empty()) {
        (Some(name), true) => Ok(name),
        (None, _) => Err(CampaignError::NotBegun(location.clone())),
        (Some(last), false) => {
            names.push(last);
            Err(CampaignError::SeveralCampaigns { ledger: location.clone(), campaigns: names })
        }
    }
}

/// How a damaged ledger is recovered.
#[derive(Debug, Clone, Default)]
pub struct RecoverOptions {
    /// Where the damaged ledger is, as in [`super::Options::ledger`].
    pub ledger: Option<String>,
    /// Where the new one goes: beside the damaged one if nobody says.
    pub target: Option<PathBuf>,
    /// Where reports of it go, instead of beside those of the spec.
    pub reports: Vec<PathBuf>,
    /// How the list is taken in.
    pub enrolment: EnrolmentOptions,
}

/// A recovered ledger.
#[derive(Debug)]
pub struct RecoveredLedger {
    /// Where it is.
    pub path: PathBuf,
    /// What could be read of the damaged one.
    pub found: Recovered,
    /// Recipients on the list of whom nothing could be read. They are `unknown`.
    pub missing: u64,
    /// All outcomes.
    pub totals: Totals,
}

/// Makes a new ledger, and a report of it, from what can be read of a damaged one. Whoever is on the list and cannot be read
/// is `unknown`, never pending: they may have been sent to. The damaged ledger is left as it is.
///
/// # Errors
/// Nothing was run yet, a run holds the ledger, there is no list, or the new ledger cannot be written.
pub async fn recover(
    inputs: Inputs,
    options: RecoverOptions,
    operator: &impl Operator,
) -> Result<RecoveredLedger, CampaignError> {
    let Inputs { spec, list, evaluator } = inputs;
    let list = list?;
    let location = locate(&spec, options.ledger.as_deref())?;
    let target = options.target.unwrap_or_else(|| path_of(&location, &spec).with_extension("recovered.sqlite"));
    let reports = if options.reports.is_empty() {
        ReportTargets::of_spec(&spec).beside("recovered")
    } else {
        ReportTargets::named("--report", options.reports)?
    };
    reports.check_not_inputs(&spec)?;
    reports.prepare()?;
    let Some(recovery) = ledger::recover(&location, &target, &spec.name).await? else {
        return Err(not_begun(&spec, &location, options.ledger.is_none()).await);
    };
    let ledger = recovery.ledger();
    ledger.belongs_to(&spec.name).await?;
    enroll_list(ledger, &evaluator, list, options.enrolment, operator).await?;
    let missing = recovery.distrust_new().await?;
    ledger.keep_enrolment(None).await?;
    let totals = ledger.totals().await?;
    let found = recovery.found.clone();
    reports
        .write(ledger, &spec, &ReportOptions::default(), |path: &Path| operator.notice(Notice::ReportWritten(path)))
        .await?;
    recovery.finish()?;
    Ok(RecoveredLedger { path: target, found, missing, totals })
}
