//! Evidence of earlier runs outside of the ledger. A campaign that moves without its ledger, or gets an older one back,
//! would message everyone again; a report that says who was sent to prevents that.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, absolute};

use indicatif::HumanCount;

use super::{CampaignError, ReportTargets};
use crate::ledger::{self, Acknowledged, Inspect, Location, Neighbour, is_first_run};
use crate::report::{Messaged, for_each_messaged};
use crate::specification::{ReportFormat, Source, Spec};

/// Keys that are looked up together.
const BATCH: usize = 10_000;

/// Makes sure that nothing speaks of an earlier run, where there is no ledger. `by_default`: whether the ledger is
/// looked for where it is unless somebody says otherwise.
pub(super) async fn check_first_run(
    spec: &Spec,
    ledger: &Location,
    by_default: bool,
    reports: &ReportTargets,
) -> Result<(), CampaignError> {
    let mut evidence = Vec::new();
    for (path, kind) in reports.files() {
        let mut messaged = 0_u64;
        read(path, kind, |_, _| messaged += 1)?;
        if messaged > 0 {
            let recipients = if messaged == 1 { "recipient" } else { "recipients" };
            evidence.push(format!("{} says that {} {recipients} were messaged", path.display(), HumanCount(messaged)));
        }
    }
    // A spec that is a link has the ledger of its other name beside that one.
    let real = Path::new(&spec.source.name).canonicalize().ok();
    if let Some(folder) = real.as_deref().and_then(Path::parent).filter(|_| by_default) {
        let other = Location::beside(folder, &spec.name);
        if folder.canonicalize().ok() != spec.folder.canonicalize().ok()
            && !is_first_run(&other, Acknowledged::default()).await?
        {
            evidence.push(format!("this spec is a symbolic link, and there is a ledger next to its target: {other}"));
        }
    }
    if evidence.is_empty() {
        return Ok(());
    }
    Err(CampaignError::LedgerElsewhere { ledger: ledger.clone(), evidence })
}

/// Makes sure that no other campaign of this folder writes its report to the same file: each would take the other's for a
/// trace of its own runs.
///
/// # Errors
/// [`CampaignError::SharedReport`].
pub(super) fn check_report_not_shared(spec: &Spec, reports: &ReportTargets) -> Result<(), CampaignError> {
    for Neighbour { campaign, spec: text, ledger } in ledger::neighbours(&spec.folder) {
        if campaign == spec.name {
            continue;
        }
        let source = Source { name: campaign.clone(), text };
        let Ok(other) = Spec::parse(&source, spec.folder.clone(), &[]) else { continue };
        let others = ReportTargets::of_spec(&other);
        let shared = reports.files().find(|(report, _)| others.files().any(|(other, _)| is_same(report, other)));
        if let Some((report, _)) = shared {
            return Err(CampaignError::SharedReport { report: report.to_owned(), campaign, ledger });
        }
    }
    Ok(())
}

pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    let written = |path| absolute(path).ok();
    one == other
        || written(one).is_some_and(|one| written(other) == Some(one))
        || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// Makes sure that nobody would be messaged who was messaged already by the word of a report. The list is taken in, and
/// not yet kept.
///
/// # Errors
/// [`CampaignError::OlderThanReport`]; or a report cannot be read.
pub async fn check_against_reports(ledger: &impl Inspect, reports: &ReportTargets) -> Result<(), CampaignError> {
    for (path, kind) in reports.files() {
        // What was on its way when the report was written may be pending again by now, which is no sign of an older ledger.
        let is_settled = |how| how == Messaged::Settled;
        let mut messaged = 0_u64;
        read(path, kind, |_, how| messaged += u64::from(is_settled(how)))?;
        // A ledger that knows as many is as new as this report, and need not be asked about each.
        if messaged <= ledger.messaged().await? {
            continue;
        }
        let mut keys = Vec::new();
        read(path, kind, |key, how| keys.extend(is_settled(how).then(|| key.to_owned())))?;
        let mut again = 0;
        for batch in keys.chunks(BATCH) {
            again += ledger.untouched(batch.to_vec()).await?;
        }
        if again > 0 {
            return Err(CampaignError::OlderThanReport { report: path.to_owned(), again });
        }
    }
    Ok(())
}

/// Whether a file is a report of messages that were sent.
pub(super) fn is_report(path: &Path) -> io::Result<bool> {
    let Some(kind) = ReportFormat::by_ending(path) else { return Ok(false) };
    let mut messaged = false;
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        file => for_each_messaged(kind, BufReader::new(file?), |_, _| messaged = true)?,
    }
    Ok(messaged)
}

fn read(path: &Path, kind: ReportFormat, each: impl FnMut(&str, Messaged)) -> Result<(), CampaignError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file,
    };
    let read = file.and_then(|file| for_each_messaged(kind, BufReader::new(file), each));
    read.map_err(|error| CampaignError::file(path, error))
}
