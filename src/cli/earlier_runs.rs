//! Traces of earlier runs outside of the ledger. A campaign that moves without its ledger, or gets an older one back, would
//! message everyone again; a report that says who was sent to is in the way of that.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use super::exit::CliError;
use super::output::{counted, grouped};
use super::reports::Targets;
use super::{environment, workspace};
use crate::ledger::{Acknowledged, Sqlite, is_first_run};
use crate::report::{Kind, each_messaged};
use crate::specification::Spec;

/// Keys that are looked up together.
const BATCH: usize = 10_000;

/// Makes sure that nothing speaks of an earlier run, where there is no ledger. `by_default`: whether the ledger is looked
/// for where it is unless somebody says otherwise.
pub(super) fn no_earlier_run(spec: &Spec, ledger: &Path, by_default: bool, reports: &Targets) -> Result<(), CliError> {
    let mut traces = Vec::new();
    for (path, kind) in reports.files() {
        let mut messaged = 0;
        read(path, kind, |_| messaged += 1)?;
        if messaged > 0 {
            traces.push(format!("{} says that {} were sent to", path.display(), counted(messaged, "recipient")));
        }
    }
    // A spec that is a link has the ledger of its other name beside that one.
    let real = Path::new(&spec.source.name).canonicalize().ok();
    if let Some(folder) = real.as_deref().and_then(Path::parent).filter(|_| by_default) {
        let other = workspace::ledger_in(folder, spec);
        if folder.canonicalize().ok() != spec.folder.canonicalize().ok()
            && !is_first_run(&other, Acknowledged::default())?
        {
            traces.push(format!("this spec is a link, and there is a ledger beside the real one: {}", other.display()));
        }
    }
    if traces.is_empty() {
        return Ok(());
    }
    Err(CliError::environment(format!(
        "there is no ledger at {}, but {}; nothing was sent\nMove the ledger of that run there (all files of its folder), or \
         name it with `--ledger PATH`: without it everyone would be messaged again. If nobody has got this campaign yet, \
         say `--first-run`",
        ledger.display(),
        traces.join(", and ")
    )))
}

/// Why a command that needs a ledger has none: nothing was run yet, or it is missing.
pub(super) fn not_begun(spec: &Spec, ledger: &Path, by_default: bool) -> CliError {
    match no_earlier_run(spec, ledger, by_default, &Targets::of_spec(spec)) {
        Err(fault) => fault,
        Ok(()) => CliError::environment(format!("there is no ledger at {}: nothing was run yet", ledger.display())),
    }
}

/// Makes sure that nobody would be messaged who was messaged already by the word of a report. The list is taken in, and
/// not yet kept.
pub(super) async fn nobody_again(ledger: &Sqlite, reports: &Targets) -> Result<(), CliError> {
    for (path, kind) in reports.files() {
        let mut messaged = 0_u64;
        read(path, kind, |_| messaged += 1)?;
        // A ledger that knows as many is not behind this report, and need not be asked about each.
        if messaged <= ledger.messaged().await? {
            continue;
        }
        let mut keys = Vec::new();
        read(path, kind, |key| keys.push(key.to_owned()))?;
        let mut again = 0;
        for batch in keys.chunks(BATCH) {
            again += ledger.untouched(batch.to_vec()).await?;
        }
        if again > 0 {
            return Err(CliError::environment(format!(
                "{} says that {} of those who would be sent to were sent to already, and the ledger does not know of it: it is an older copy, or the report is another ledger's; nothing was sent\nRestore the newest copy of the \
                 ledger (all files of its folder). If there is none, `--accept-older-ledger` goes on: they would be \
                 messaged again",
                path.display(),
                grouped(again),
            )));
        }
    }
    Ok(())
}

fn read(path: &Path, kind: Kind, each: impl FnMut(&str)) -> Result<(), CliError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file,
    };
    let read = file.and_then(|file| each_messaged(kind, BufReader::new(file), each));
    read.map_err(|error| CliError::file(path, error))
}

/// Why a ledger at this path may not be there for the next run, if there is a reason to think so.
pub(super) fn may_vanish(ledger: &Path) -> Option<String> {
    let why = if let Some(kind) = memory_or_layer(ledger) {
        format!("it is on {kind}, which is gone with the machine or container")
    } else if environment::is_set("CI") {
        "this is a CI job (`CI` is set), whose files are usually thrown away".to_owned()
    } else {
        return None;
    };
    Some(format!(
        "warning: will the ledger {} be there for the next run? {why}; the next run would then message everyone again. Keep \
         it on a volume, or name a lasting place with `--ledger PATH`",
        ledger.display()
    ))
}

/// The name of a filesystem that does not outlive its machine or container.
fn memory_or_layer(ledger: &Path) -> Option<&'static str> {
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    {
        const TMPFS: i64 = 0x0102_1994;
        const OVERLAY: i64 = 0x794c_7630;
        let folder = ledger
            .ancestors()
            .skip(1)
            .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let about = folder.map(rustix::fs::statfs).find_map(Result::ok)?;
        match about.f_type {
            TMPFS => return Some("a filesystem in memory (tmpfs)"),
            OVERLAY => return Some("a container's own layer (overlayfs)"),
            _ => {}
        }
    }
    let _ = ledger;
    None
}
