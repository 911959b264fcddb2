//! `campaign status DIR`: every campaign below a folder, a line each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::output::Output;
use super::super::summary;
use super::single;
use crate::campaign::{self, Progress, Status, read_spec};
use crate::humanize::grouped;
use crate::specification::Spec;
use crate::state::State;

/// The outcomes in the order of the columns.
const OUTCOMES: [State; 5] = [State::Accepted, State::Failed, State::Unknown, State::Pending, State::Skipped];

/// A campaign of the folder, with its spec.
pub(super) struct Found {
    file: PathBuf,
    status: Result<(Arc<Spec>, Status), CliError>,
}

/// Looks at each. A broken one is no reason not to see the others.
pub(super) async fn read_status(files: &[PathBuf], ledger: Option<&str>, output: &Output) -> Vec<Found> {
    let mut found = Vec::new();
    for file in files {
        found.push(Found { file: file.clone(), status: read_one(file, ledger, output).await });
    }
    found
}

async fn read_one(file: &Path, ledger: Option<&str>, output: &Output) -> Result<(Arc<Spec>, Status), CliError> {
    let spec = super::super::credentials::with_base_url(read_spec(file, &[])?, false, output)?;
    let status = campaign::status(&spec, ledger).await?;
    Ok((spec, status))
}

/// Shows them. Gives the exit code, which is that of the worst, and whether one of them is running.
pub(super) fn show(campaigns: Vec<Found>, output: &Output) -> (Exit, bool) {
    let names = campaigns.iter().filter_map(|found| Some(found.status.as_ref().ok()?.0.name.chars().count()));
    let width = names.max().unwrap_or_default().max("campaign".len());
    if !output.is_json() {
        let heads = OUTCOMES.map(|outcome| format!(" {:>10}", outcome.word())).concat();
        output.result(&format!("{:<width$}{heads}  run", "campaign"));
    }
    let (mut exits, mut is_running) = (Vec::new(), false);
    for Found { file, status } in campaigns {
        match status {
            Ok((spec, Status::Begun(progress))) if !output.is_json() => {
                exits.push(summary::exit(&progress.totals));
                is_running |= progress.run.is_some();
                output.result(&format!("{:<width$}{}", spec.name, line(&progress)));
            }
            Ok((spec, Status::NotBegun { .. })) if !output.is_json() => {
                exits.push(Exit::NotBegun);
                output.result(&format!("{:<width$} not started", spec.name));
            }
            Ok((spec, status)) => {
                let (exit, runs) = single::show(&spec, status, output);
                exits.push(exit);
                is_running |= runs;
            }
            Err(error) => {
                output.say(&format!("{}:", file.display()));
                exits.push(error.show(false, output));
            }
        }
    }
    (worst(&exits), is_running)
}

/// The outcomes, and who runs it how fast.
fn line(Progress { totals, run, .. }: &Progress) -> String {
    let counts = OUTCOMES.map(|outcome| format!(" {:>10}", grouped(totals.of(outcome)))).concat();
    let run = run
        .as_ref()
        .map_or_else(|| "-".to_owned(), |run| format!("{} ({:.1}/s)", run.holder, run.messages_per_second()));
    format!("{counts}  {run}")
}

/// Not begun is the exit code only where nothing is begun.
fn worst(exits: &[Exit]) -> Exit {
    let order = [Exit::Environment, Exit::InvalidInput, Exit::SomeUnknown, Exit::SomeFailed, Exit::Done];
    order.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::NotBegun)
}
