//! Whether a ledger is in a place that may be gone before the next run.

use std::path::Path;

use url::Url;

use super::environment;
use super::output::Output;
use crate::campaign::Plan;

/// Warns before a first run whose ledger may not be there for the next one.
pub(super) fn warn(plan: &Plan, output: &Output) {
    // Against a server on this machine nothing is at stake: other addresses are never plain `http`.
    let is_local = |url: &str| Url::parse(url).is_ok_and(|url| url.scheme() == "http");
    if plan.base_url.as_deref().is_none_or(is_local) {
        return;
    }
    if let Some(warning) = plan.first_run.as_ref().and_then(|first| first.ledger.file()).and_then(warning) {
        output.say(&warning);
    }
}

/// A warning, if there is a reason to think that a ledger at this path will not be there for the next run.
fn warning(ledger: &Path) -> Option<String> {
    let why = if let Some(kind) = filesystem(ledger) {
        format!("it is on {kind}, which does not outlive the machine or container")
    } else if environment::is_set("CI") {
        "this is a CI job (`CI` is set), whose files are usually deleted".to_owned()
    } else {
        return None;
    };
    Some(format!(
        "warning: the ledger {} may be gone at the next run: {why}. The next run would then message everyone again. \
         Keep it on a volume, or pass `--ledger PATH` with a permanent location",
        ledger.display()
    ))
}

/// The name of a filesystem that does not outlive its machine or container.
fn filesystem(ledger: &Path) -> Option<&'static str> {
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
            TMPFS => return Some("a file system in memory (tmpfs)"),
            OVERLAY => return Some("the container's own file system (overlayfs)"),
            _ => {}
        }
    }
    let _ = ledger;
    None
}
