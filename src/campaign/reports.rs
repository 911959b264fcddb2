//! Where reports go, and writing them from the ledger.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use super::atomic_file::{Readers, check_place, clear_leftovers, keep, temporary};
use super::{CampaignError, Mode, Options, input_files};
use crate::ledger::{Inspect, LedgerError, RecordQuery};
use crate::problem::{Place, Problem, with_causes};
use crate::report::{self, About, Filter, Record};
use crate::specification::ReportFormat;
use crate::specification::{ReportFile, Spec};

/// What is written of a ledger.
#[derive(Debug, Clone, Default)]
pub struct ReportOptions {
    /// The rows of these kinds; all rows without any.
    pub only: Vec<Filter>,
    /// Whether all columns of the list are in front, whatever the spec says of a report's columns.
    pub all_columns: bool,
    /// Once this is set, writing ends soon.
    pub aborted: Arc<AtomicBool>,
}

/// The files that reports go to.
#[derive(Debug, Default)]
pub struct ReportTargets(Vec<Target>);

#[derive(Debug)]
struct Target {
    path: PathBuf,
    kind: ReportFormat,
    /// Columns of the list that it shows.
    columns: Vec<String>,
    /// Where it was named: the key of the spec, or the flag.
    place: Place,
}

impl ReportTargets {
    /// The files of a run, all of which can be written as far as can be known.
    pub(super) fn of_run(options: &Options, spec: &Spec) -> Result<Self, CampaignError> {
        let targets = match options.reports.clone() {
            // A dry run writes no report: its files are for the plan.
            reports if reports.is_empty() || options.mode == Mode::DryRun => Self::of_spec(spec),
            reports => Self::named("--report", reports)?,
        };
        let targets = if options.mode == Mode::Sandbox { targets.beside("sandbox") } else { targets };
        targets.check_not_inputs(spec)?;
        targets.each(check_place)?;
        Ok(targets)
    }

    /// Paths from a flag of the command line.
    ///
    /// # Errors
    /// A path is none for a report.
    pub fn named(flag: &str, paths: Vec<PathBuf>) -> Result<Self, CampaignError> {
        let (mut targets, mut problems) = (Vec::new(), Vec::new());
        for path in paths {
            let place = Place::file(flag);
            match ReportFormat::by_ending(&path) {
                _ if has_control_characters(&path) => {
                    let what =
                        format!("the report's name {:?} contains control characters", path.display().to_string());
                    problems.push(Problem::error("report-name", place, what).hint("give the report another name"));
                }
                Some(kind) => targets.push(Target { path, kind, columns: Vec::new(), place }),
                None => {
                    let what = format!("`{}` is not a report format", path.display());
                    let problem = Problem::error("report-ending", place, what);
                    problems.push(problem.hint("use a name that ends in `.csv`, `.jsonl` or `.html`"));
                }
            }
        }
        if problems.is_empty() { Ok(Self(targets)) } else { Err(problems.into()) }
    }

    /// Where the spec says, relative to its folder.
    pub fn of_spec(spec: &Spec) -> Self {
        let target = |report: &ReportFile| {
            let path = spec.folder.join(&report.path);
            let place = report.span.map_or_else(|| Place::file(&spec.source.name), |span| spec.source.place(span));
            let columns = report.columns.iter().map(|column| column.name.clone()).collect();
            ReportFormat::by_ending(&path).map(|kind| Target { path, kind, columns, place })
        };
        Self(spec.report.iter().filter_map(target).collect())
    }

    /// The same beside, with a word in their names: they must not replace the reports of real runs, nor be taken for
    /// them.
    pub(super) fn beside(mut self, word: &str) -> Self {
        for Target { path, .. } in &mut self.0 {
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if path.file_stem().is_some_and(|stem| Path::new(stem).extension().is_none_or(|last| last != word)) {
                *path = path.with_extension(format!("{word}.{ending}"));
            }
        }
        self
    }

    /// Where the reports are, and what they are written in.
    pub(super) fn files(&self) -> impl Iterator<Item = (&Path, ReportFormat)> {
        self.0.iter().map(|target| (target.path.as_path(), target.kind))
    }

    /// Makes sure that no report would replace a file that the campaign reads.
    ///
    /// # Errors
    /// Those that would.
    pub fn check_not_inputs(&self, spec: &Spec) -> Result<(), CampaignError> {
        let inputs = input_files(spec);
        let replaces = self.0.iter().filter(|target| is_one_of(&target.path, &inputs));
        let problems: Vec<Problem> = replaces
            .map(|Target { path, place, .. }| {
                let what = format!("the report would overwrite {}, which the campaign reads", path.display());
                Problem::error("report-replaces-input", place.clone(), what).hint("give the report another name")
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
    }

    /// Makes sure that the reports can be written, before anything is sent, and clears away what killed runs have left
    /// of theirs.
    ///
    /// # Errors
    /// Those that cannot.
    pub fn prepare(&self) -> Result<(), CampaignError> {
        self.each(|path| {
            check_place(path)?;
            clear_leftovers(path);
            temporary(path, Readers::Owner).map(drop)
        })
    }

    /// All those with which something fails, each where it is named.
    fn each(&self, does: impl Fn(&Path) -> io::Result<()>) -> Result<(), CampaignError> {
        let failed = self.0.iter().filter_map(|target| Some((target, does(&target.path).err()?)));
        let problems: Vec<Problem> = failed
            .map(|(Target { path, place, .. }, error)| {
                let what = format!("{}: the report cannot be written: {}", path.display(), with_causes(&error));
                Problem::error("report-not-writable", place.clone(), what)
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(CampaignError::Unusable(problems.into())) }
    }

    /// Writes them all. Tells of each that is written.
    ///
    /// # Errors
    /// The first that cannot be written, or was not because of [`ReportOptions::aborted`]; or the ledger's.
    pub async fn write(
        &self,
        ledger: &impl Inspect,
        spec: &Spec,
        options: &ReportOptions,
        written: impl Fn(&Path),
    ) -> Result<(), CampaignError> {
        for Target { path, kind, columns, .. } in &self.0 {
            let layout = Layout::of(*kind, columns, options, ledger).await?;
            let file = temporary(path, Readers::Owner).map_err(|error| CampaignError::not_writable(path, error))?;
            let file = match records(ledger, spec, options, layout, BufWriter::new(file)).await {
                Err(_) if options.aborted.load(Ordering::Relaxed) => {
                    return Err(CampaignError::ReportInterrupted(path.clone()));
                }
                Ok(file) => file.into_inner().map_err(io::IntoInnerError::into_error),
                Err(ReportError::Write(error)) => Err(error),
                Err(ReportError::Ledger(error)) => return Err(error.into()),
            };
            keep(file.map_err(|error| CampaignError::not_writable(path, error))?, path)?;
            written(path);
        }
        Ok(())
    }
}

/// Why a report is not whole.
#[derive(Debug, thiserror::Error)]
enum ReportError {
    /// What it is made from cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Writes a report as CSV. That `output` takes no more is no error here: it knows by itself.
///
/// # Errors
/// The ledger's.
pub async fn write_report(
    ledger: &impl Inspect,
    spec: &Spec,
    options: &ReportOptions,
    output: impl Write,
) -> Result<(), CampaignError> {
    let layout = Layout::of(ReportFormat::Csv, &[], options, ledger).await?;
    match records(ledger, spec, options, layout, BufWriter::new(output)).await {
        Ok(_) | Err(ReportError::Write(_)) => Ok(()),
        Err(ReportError::Ledger(error)) => Err(error.into()),
    }
}

/// What a report looks like.
struct Layout {
    kind: ReportFormat,
    /// Columns of the list that it shows.
    list_columns: Vec<String>,
}

impl Layout {
    async fn of(
        kind: ReportFormat,
        columns: &[String],
        options: &ReportOptions,
        ledger: &impl Inspect,
    ) -> Result<Self, LedgerError> {
        let list_columns = if options.all_columns { ledger.columns().await? } else { columns.to_vec() };
        Ok(Self { kind, list_columns })
    }
}

/// All records through one writer, which is handed back for its file to be kept.
async fn records<W: Write>(
    ledger: &impl Inspect,
    spec: &Spec,
    ReportOptions { only, aborted, .. }: &ReportOptions,
    Layout { kind, list_columns }: Layout,
    mut output: W,
) -> Result<W, ReportError> {
    let outcomes = only.iter().map(|filter| filter.outcome()).collect();
    let query = RecordQuery { only: outcomes, with_rows: !list_columns.is_empty() };
    let about = About {
        name: spec.name.clone(),
        description: spec.description.clone(),
        written_at: Timestamp::now(),
        list_columns,
    };
    let mut writer = report::writer(kind, about, &mut output)?;
    let add = |record: Record| {
        if aborted.load(Ordering::Relaxed) {
            return Err(ReportError::Write(io::ErrorKind::Interrupted.into()));
        }
        let is_asked_for = only.is_empty() || only.iter().any(|filter| filter.matches(&record));
        if is_asked_for { Ok(writer.add(&record)?) } else { Ok(()) }
    };
    ledger.records(&query, add).await?;
    writer.finish()?;
    output.flush()?;
    Ok(output)
}

/// Whether a path leads to one of these files, by whatever name.
pub fn is_one_of(path: &Path, files: &[PathBuf]) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    real(path).is_some_and(|path| files.iter().any(|file| real(file).as_ref() == Some(&path)))
}

fn has_control_characters(path: &Path) -> bool {
    path.to_string_lossy().contains(char::is_control)
}
