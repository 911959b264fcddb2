//! `campaign report`: the report again, from the ledger.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{Only, ReportArgs};
use super::error::CliError;
use super::exit::Exit;
use super::ledger_address::ledger_address;
use super::output::Output;
use super::proof_plan;
use crate::campaign::{
    self, ReportOptions, ReportTargets, check_against_reports, read_spec, write_report, write_whole,
};
use crate::humanize::counted;
use crate::ledger::{Inspect, Prove};
use crate::problem::{Place, Problem};
use crate::report::Filter;
use crate::specification::Spec;

pub(super) async fn report(args: &ReportArgs, output: &Output) -> Result<Exit, CliError> {
    let spec = read_spec(&args.file, &[])?;
    let ledger = campaign::open_read_only(&spec, ledger_address(args.ledger.as_deref())?.as_deref()).await?;
    let Some(only) = filters(&args.only) else { return opted_out(&ledger, &spec, args, output).await };
    let options = ReportOptions { only, all_columns: args.with_columns, ..ReportOptions::default() };
    let (piped, files): (Vec<PathBuf>, Vec<PathBuf>) =
        args.output.iter().cloned().partition(|path| path.as_os_str() == "-");
    if !piped.is_empty() {
        write_report(&ledger, &spec, &options, output.results()).await?;
    }
    let files =
        if args.output.is_empty() { ReportTargets::of_spec(&spec) } else { ReportTargets::named("--output", files)? };
    files.check_not_inputs(&spec)?;
    // A report that knows of more than the ledger must not be replaced by one that knows of less.
    check_against_reports(&ledger, &files).await?;
    files.prepare()?;
    let written = |path: &Path| output.say(&format!("report: {}", path.display()));
    files.write(&ledger, &spec, &options, written).await?;
    if let Some(proofs) = proof_plan::summary_line(&ledger.proofs().await?) {
        output.say(&proofs);
    }
    Ok(Exit::Done)
}

/// The rows that are asked for; `None` where it is the list of those who have opted out.
fn filters(only: &[Only]) -> Option<Vec<Filter>> {
    let filter = |only: &Only| match only {
        Only::Rows(filter) => Some(*filter),
        Only::OptedOut => None,
    };
    only.iter().map(filter).collect()
}

/// Writes a suppression list of those who have stopped marketing.
async fn opted_out(
    ledger: &impl Inspect,
    spec: &Arc<Spec>,
    args: &ReportArgs,
    output: &Output,
) -> Result<Exit, CliError> {
    let [path] = args.output.as_slice() else {
        let what = "`opted-out` writes a suppression list, not a report of the spec";
        let problem = Problem::error("opted-out-needs-output", Place::file("--only"), what);
        return Err(vec![problem.hint("choose a file: `--only opted-out -o opted-out.csv`, or `-o -`")].into());
    };
    let (people, list) = campaign::opted_out(ledger, spec).await?;
    if path.as_os_str() == "-" {
        output.result(String::from_utf8_lossy(&list).trim_end());
        return Ok(Exit::Done);
    }
    write_whole(path, &list)?;
    output.say(&format!("{}: {} to suppress", path.display(), counted(people, "recipient")));
    Ok(Exit::Done)
}
