//! Where the ledger of a campaign is, and whether it is the one that there should be.

use std::time::Duration;

use tokio::time::sleep;

use super::{CampaignError, Mode, Notice, Operator, Options, ReportTargets, earlier_runs};
use crate::ledger::{self, Acknowledged, Inspect, Ledger, LedgerError, Location, Purpose, is_first_run};
use crate::problem::{Place, Problem};
use crate::specification::Spec;

/// Where the ledger is: beside the spec, unless `address` (a path or `sqlite:PATH`) says otherwise.
///
/// # Errors
/// It is another kind of address.
pub(super) fn locate(spec: &Spec, address: Option<&str>) -> Result<Location, CampaignError> {
    match address {
        Some(address) => located("--ledger", address, &spec.name),
        None => Ok(Location::beside(&spec.folder, &spec.name)),
    }
}

/// Where the ledger of a campaign is by an address that the argument `named` gives.
///
/// # Errors
/// It is another kind of address.
pub(super) fn located(named: &str, address: &str, campaign: &str) -> Result<Location, CampaignError> {
    Location::parse(address, campaign).map_err(|unknown| {
        let problem = Problem::error("ledger-kind-unknown", Place::file(named), unknown.to_string());
        vec![problem.hint("give a path, `sqlite:PATH` or `postgres://USER@HOST/DATABASE`")].into()
    })
}

/// Makes sure that there is the ledger that there should be. Gives whether this is the first run.
pub(super) async fn may_begin(
    spec: &Spec,
    location: &Location,
    options: &Options,
    reports: &ReportTargets,
) -> Result<bool, CampaignError> {
    if options.mode == Mode::Sandbox {
        return Ok(true);
    }
    earlier_runs::check_report_not_shared(spec, reports)?;
    let first_run = is_first_run(location, options.acknowledged).await?;
    match (first_run, options.acknowledged.first_run) {
        (true, false) => earlier_runs::check_first_run(spec, location, options.ledger.is_none(), reports).await?,
        (false, true) if !holds_only_proofs(location).await? => {
            return Err(CampaignError::NotFirstRun(location.clone()));
        }
        _ => {}
    }
    Ok(first_run)
}

/// Whether there is a ledger, and no list was ever taken into it.
async fn holds_only_proofs(location: &Location) -> Result<bool, LedgerError> {
    match ledger::open_read_only(location).await? {
        Some(ledger) => is_unused(&ledger).await,
        None => Ok(false),
    }
}

/// Whether no list was ever taken in: what there is are proofs.
pub(super) async fn is_unused(ledger: &impl Inspect) -> Result<bool, LedgerError> {
    Ok(ledger.version().await?.is_none() && ledger.totals().await?.all() == 0)
}

/// Between two looks at whether the list is taken in.
const PAUSE: Duration = Duration::from_millis(250);

/// The ledger for a run. Where others are about to take the list in, it waits for them.
pub(super) async fn open<O: Operator>(
    location: &Location,
    options: &Options,
    operator: &O,
) -> Result<impl Ledger + use<O>, LedgerError> {
    let purpose = match options.mode {
        Mode::Send => Purpose::SharedRun,
        mode => alone(mode),
    };
    open_for(purpose, location, options, operator).await
}

/// The same for what must be the only one at work.
pub(super) async fn open_alone<O: Operator>(
    location: &Location,
    options: &Options,
    operator: &O,
) -> Result<impl Ledger + use<O>, LedgerError> {
    open_for(alone(options.mode), location, options, operator).await
}

const fn alone(mode: Mode) -> Purpose {
    match mode {
        Mode::Send => Purpose::Run,
        Mode::DryRun => Purpose::DryRun,
        Mode::Sandbox => Purpose::Sandbox,
    }
}

async fn open_for<O: Operator>(
    purpose: Purpose,
    location: &Location,
    options: &Options,
    operator: &O,
) -> Result<impl Ledger + use<O>, LedgerError> {
    let mut is_said = false;
    loop {
        match ledger::open(location, purpose, options.acknowledged).await {
            Err(LedgerError::Enrolling(other)) => {
                if !is_said {
                    operator.notice(Notice::Waiting { other: &other });
                    is_said = true;
                }
                sleep(PAUSE).await;
            }
            opened => return opened,
        }
    }
}

/// The ledger of a campaign that was begun, to change it. `address`: a path or `sqlite:PATH`; beside the spec if nobody
/// says.
///
/// # Errors
/// Nothing was run yet, or the ledger is not the one that it should be.
pub async fn open_existing(spec: &Spec, address: Option<&str>) -> Result<impl Ledger + use<>, CampaignError> {
    let location = locate(spec, address)?;
    let acknowledged = Acknowledged::default();
    if is_first_run(&location, acknowledged).await? {
        return Err(not_begun(spec, &location, address.is_none()).await);
    }
    let ledger = ledger::open(&location, Purpose::Run, acknowledged).await?;
    ledger.belongs_to(&spec.name).await?;
    if is_unused(&ledger).await? { Err(CampaignError::NotBegun(location)) } else { Ok(ledger) }
}

/// The same, only to look at it.
///
/// # Errors
/// As [`open_existing`].
pub async fn open_read_only(spec: &Spec, address: Option<&str>) -> Result<impl Ledger + use<>, CampaignError> {
    let location = locate(spec, address)?;
    let Some(ledger) = ledger::open_read_only(&location).await? else {
        return Err(not_begun(spec, &location, address.is_none()).await);
    };
    ledger.belongs_to(&spec.name).await?;
    if is_unused(&ledger).await? { Err(CampaignError::NotBegun(location)) } else { Ok(ledger) }
}

/// Why a command that needs a ledger has none: nothing was run yet, or it is missing.
pub(super) async fn not_begun(spec: &Spec, location: &Location, by_default: bool) -> CampaignError {
    let missing = earlier_runs::check_first_run(spec, location, by_default, &ReportTargets::of_spec(spec)).await;
    missing.err().unwrap_or_else(|| CampaignError::NotBegun(location.clone()))
}
