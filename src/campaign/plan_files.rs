//! The plan as files, with a line for each row of the list: `--dry-run --report plan.csv`.

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::atomic_file::{Readers, check_place, clear_leftovers, keep, temporary};
use super::pending_scan::each_pending;
use super::{Campaign, CampaignError, Mode, Options, ReportTargets, earlier_runs, input_files, is_one_of};
use crate::ledger::{Ledger, LedgerError, RecordQuery};
use crate::problem::{Place, Problem, with_causes};
use crate::report::{Circumstances, PlanFormat, PlanWriter, PlannedRow, Record};
use crate::run::Selection;
use crate::specification::Spec;

/// The files that the plan of a dry run goes to.
#[derive(Debug, Default)]
pub(super) struct PlanFiles(Vec<(PathBuf, PlanFormat)>);

impl PlanFiles {
    /// What the options of a dry run ask for. `reports`: the reports of the campaign, which a plan must not replace.
    ///
    /// # Errors
    /// A file that is none for a plan.
    pub(super) fn of_run(options: &Options, spec: &Spec, reports: &ReportTargets) -> Result<Self, CampaignError> {
        let (mut files, mut problems) = (Vec::new(), Vec::new());
        let wanted = if options.mode == Mode::DryRun { options.reports.as_slice() } else { &[] };
        for path in wanted {
            match format(path, spec, reports) {
                Ok(format) => files.push((path.clone(), format)),
                Err(problem) => problems.push(*problem),
            }
        }
        if problems.is_empty() { Ok(Self(files)) } else { Err(problems.into()) }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their paths.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(path, _)| path.as_path())
    }
}

fn format(path: &Path, spec: &Spec, reports: &ReportTargets) -> Result<PlanFormat, Box<Problem>> {
    let problem = |code: &'static str, what: String, hint: &'static str| {
        Box::new(Problem::error(code, Place::file("--report"), what).hint(hint))
    };
    let shown = path.display();
    let Some(format) = PlanFormat::by_ending(path) else {
        let what = format!("a plan cannot be written to `{shown}`");
        let hint = "use a name that ends in `.csv` or `.jsonl`; `--html` writes a page with the messages";
        return Err(problem("plan-ending", what, hint));
    };
    if is_one_of(path, &input_files(spec)) {
        let what = format!("the plan would overwrite {shown}, which the campaign reads");
        return Err(problem("report-replaces-input", what, "give the plan another name"));
    }
    let is_report = reports.files().any(|(report, _)| earlier_runs::is_same(report, path))
        || earlier_runs::is_report(path).map_err(|error| not_writable(path, &error))?;
    if is_report {
        let what = format!("the plan would overwrite {shown}, a report of what was sent");
        return Err(problem("plan-replaces-report", what, "give the plan another name"));
    }
    check_place(path).map_err(|error| not_writable(path, &error))?;
    Ok(format)
}

fn not_writable(path: &Path, error: &io::Error) -> Problem {
    let what = format!("{}: the plan cannot be written: {}", path.display(), with_causes(error));
    Problem::error("report-not-writable", Place::file("--report"), what)
}

/// Why a plan is not whole.
#[derive(Debug, thiserror::Error)]
enum PlanError {
    /// What it is made from cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl<L: Ledger> Campaign<L> {
    /// Where [`Self::write_plan`] writes the plan to.
    pub fn plan_files(&self) -> impl Iterator<Item = &Path> {
        self.plan_files.paths()
    }

    /// Writes the plan with a line for each row of the list, if [`Options::reports`] of a dry run asks for that.
    ///
    /// # Errors
    /// A file cannot be written; or the ledger's.
    pub async fn write_plan(&self) -> Result<(), CampaignError> {
        self.write_planned(false).await
    }

    /// The same. `is_stopped`: whether rows with problems keep the run from beginning.
    pub(super) async fn write_planned(&self, is_stopped: bool) -> Result<(), CampaignError> {
        if self.plan_files.is_empty() {
            return Ok(());
        }
        let selected = if is_stopped { None } else { self.selected_lines().await? };
        for (path, format) in &self.plan_files.0 {
            clear_leftovers(path);
            let file = temporary(path, Readers::Owner).map_err(|error| CampaignError::not_writable(path, error))?;
            let mut output = BufWriter::new(file);
            let planned = |record: Record| {
                let is_selected =
                    selected.as_ref().is_none_or(|lines| record.line.is_some_and(|at| lines.contains(&at)));
                PlannedRow::of(record, Circumstances { is_selected, is_stopped })
            };
            match self.plan_rows(*format, &mut output, planned).await {
                Ok(()) => {}
                Err(PlanError::Write(error)) => return Err(CampaignError::not_writable(path, error)),
                Err(PlanError::Ledger(error)) => return Err(error.into()),
            }
            let file = output.into_inner().map_err(io::IntoInnerError::into_error);
            keep(file.map_err(|error| CampaignError::not_writable(path, error))?, path)?;
        }
        Ok(())
    }

    async fn plan_rows(
        &self,
        format: PlanFormat,
        output: &mut impl Write,
        planned: impl Fn(Record) -> PlannedRow,
    ) -> Result<(), PlanError> {
        let mut writer = PlanWriter::new(format, output)?;
        self.ledger
            .records(&RecordQuery::default(), |record| Ok::<_, PlanError>(writer.add(&planned(record))?))
            .await?;
        Ok(writer.finish()?)
    }

    /// The lines of the rows that a run would send to; `None` where it is for everybody who is pending.
    async fn selected_lines(&self) -> Result<Option<HashSet<u64>>, CampaignError> {
        let selection = &self.options.selection;
        if let Selection { only: None, limit: None } = selection {
            return Ok(None);
        }
        let mut lines = HashSet::new();
        each_pending(&self.ledger, selection, |lease| {
            lines.insert(lease.row.line);
            Ok::<_, LedgerError>(())
        })
        .await?;
        Ok(Some(lines))
    }
}
