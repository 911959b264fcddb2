//! Where the ledger of a campaign is, and whether it is the one that there should be.

use std::path::{Path, PathBuf};

use super::{CampaignError, Mode, Options, ReportTargets, earlier_runs};
use crate::ledger::{Acknowledged, Sqlite, is_first_run};
use crate::problem::{Place, Problem};
use crate::specification::Spec;

/// Where the ledger is of a spec in this folder, unless somebody says otherwise.
pub(super) fn default_path(folder: &Path, spec: &Spec) -> PathBuf {
    default_folder(folder).join(format!("{}.sqlite", spec.name))
}

/// The folder of the ledgers of all specs in a folder, unless somebody says otherwise.
pub(super) fn default_folder(folder: &Path) -> PathBuf {
    folder.join(".campaign")
}

/// Where the ledger is: beside the spec, unless `url` (a path or `sqlite:PATH`) says otherwise.
///
/// # Errors
/// It is another kind of address.
pub fn ledger_path(spec: &Spec, url: Option<&str>) -> Result<PathBuf, CampaignError> {
    let Some(url) = url else { return Ok(default_path(&spec.folder, spec)) };
    match url.split_once(':') {
        Some(("sqlite", path)) => Ok(PathBuf::from(path.strip_prefix("//").unwrap_or(path))),
        Some((scheme, _)) if url.contains("://") => {
            let what = format!("`{scheme}` is not a kind of ledger");
            let problem = Problem::error("ledger-kind-unknown", Place::file("--ledger"), what);
            Err(vec![problem.hint("give a path, or `sqlite:PATH`")].into())
        }
        _ => Ok(PathBuf::from(url)),
    }
}

/// Makes sure that there is the ledger that there should be. Gives whether this is the first run.
pub(super) fn may_begin(
    spec: &Spec,
    path: &Path,
    options: &Options,
    reports: &ReportTargets,
) -> Result<bool, CampaignError> {
    if options.mode == Mode::Sandbox {
        return Ok(true);
    }
    earlier_runs::no_shared_report(spec, reports)?;
    let first_run = is_first_run(path, options.acknowledged)?;
    match (first_run, options.acknowledged.first_run) {
        (true, false) => earlier_runs::no_earlier_run(spec, path, options.ledger.is_none(), reports)?,
        (false, true) => return Err(CampaignError::NotFirstRun(path.to_owned())),
        _ => {}
    }
    Ok(first_run)
}

/// The ledger for a run.
pub(super) fn open(path: &Path, options: &Options) -> Result<Sqlite, CampaignError> {
    Ok(match options.mode {
        Mode::Send => Sqlite::open(path, options.acknowledged)?,
        Mode::DryRun => Sqlite::scratch_copy(path, options.acknowledged)?,
        Mode::Sandbox => Sqlite::temporary()?,
    })
}

/// The ledger of a campaign that was begun, to change it. `url` as in [`ledger_path`].
///
/// # Errors
/// Nothing was run yet, or the ledger is not the one that it should be.
pub async fn open_existing(spec: &Spec, url: Option<&str>) -> Result<Sqlite, CampaignError> {
    let path = ledger_path(spec, url)?;
    let acknowledged = Acknowledged::default();
    if is_first_run(&path, acknowledged)? {
        return Err(not_begun(spec, &path, url.is_none()));
    }
    let ledger = Sqlite::open(&path, acknowledged)?;
    ledger.belongs_to(&spec.name).await?;
    Ok(ledger)
}

/// The same, only to look at it.
///
/// # Errors
/// As [`open_existing`].
pub async fn open_read_only(spec: &Spec, url: Option<&str>) -> Result<Sqlite, CampaignError> {
    let path = ledger_path(spec, url)?;
    let Some(ledger) = Sqlite::open_read_only(&path)? else {
        return Err(not_begun(spec, &path, url.is_none()));
    };
    ledger.belongs_to(&spec.name).await?;
    Ok(ledger)
}

/// Why a command that needs a ledger has none: nothing was run yet, or it is missing.
pub(super) fn not_begun(spec: &Spec, path: &Path, by_default: bool) -> CampaignError {
    let missing = earlier_runs::no_earlier_run(spec, path, by_default, &ReportTargets::of_spec(spec));
    missing.err().unwrap_or_else(|| CampaignError::NotBegun(path.to_owned()))
}
