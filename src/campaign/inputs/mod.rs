//! Spec, list and templates, all in order; or every problem of all three at once. Every campaign begins here.

mod evaluator;
mod list;
mod neighbours;
mod spec;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::{HumanCount, ProgressBar};

use super::enroll::UNUSABLE_ATTACHMENT;
use super::{CampaignError, EnrolmentOptions, EnrolmentReport, Notice, Operator, enroll};
use crate::ledger::{self, Ledger};
use crate::plan::RowEvaluator;
use crate::problem::{Keep, Problem, Problems, did_you_mean};
use crate::recipients::{Columns, RepeatedColumn, RowError, Rows};
use crate::specification::{self, DeclaredColumn, Spec};
pub(super) use evaluator::evaluator;
pub(super) use list::{List, MissingList};
pub(super) use neighbours::neighbours;
pub(super) use spec::draft;
pub use spec::read_spec;

use list::Opened;

/// What a campaign begins with.
#[derive(Debug)]
pub struct Inputs {
    /// The spec.
    pub spec: Arc<Spec>,
    /// The list, or why there is none.
    pub(super) list: Result<List, MissingList>,
    /// The compiled templates and the suppression lists.
    pub(super) evaluator: RowEvaluator,
}

impl Inputs {
    /// Reads and checks everything that can be checked before the first row. `vars` override constants of the spec.
    ///
    /// # Errors
    /// What is wrong. If that is anything in spec or templates, the rows are read and evaluated as far as they can be,
    /// so that whoever mends the one need not come back for the other.
    pub async fn read(
        file: &Path,
        vars: &[(String, String)],
        options: &EnrolmentOptions,
    ) -> Result<Self, CampaignError> {
        let (spec, mut problems) = spec::draft(file, vars)?;
        let mut unusable = Vec::new();
        let list = match list::open(&spec) {
            Ok(Opened::List(list)) => Ok(list),
            Ok(Opened::Missing(missing)) => Err(Some(missing)),
            Err(CampaignError::Unusable(more)) => {
                unusable.extend(each(&more));
                Err(None)
            }
            Err(CampaignError::Problems(more))
                if problems.is_empty() || more.kinds().all(|kind| kind.first.place.line.is_some()) =>
            {
                return Err(all(problems, more, options.keep));
            }
            Err(_) if !problems.is_empty() => return Err(problems.into()),
            Err(error) => return Err(error),
        };
        let columns = list.as_ref().ok().and_then(|list| list.rows.columns.as_deref());
        problems.extend(undeclared(&spec, columns));
        let mut of_suppression = Problems::new(options.keep);
        let evaluator = match evaluator(&spec, columns, options.keep) {
            Ok(evaluator) => {
                problems.extend(list.iter().flat_map(|list| used_repeated(&list.rows, &spec, &evaluator)));
                Some(evaluator)
            }
            Err(faults) => {
                of_suppression = faults.told_apart(&mut problems, &mut unusable);
                None
            }
        };
        let fails = !problems.is_empty() || !of_suppression.is_empty() || !unusable.is_empty();
        if let (Err(Some(missing)), true) = (&list, fails) {
            unusable.insert(0, missing.problem.clone());
        }
        if problems.is_empty() && of_suppression.is_empty() && fails {
            return Err(CampaignError::Unusable(unusable.into()));
        }
        // A path that is wrong by itself leads nowhere either, which is no second problem.
        unusable.retain(|problem| problems.iter().all(|known| known.place != problem.place));
        problems.extend(unusable);
        match (evaluator, list) {
            (Some(evaluator), Ok(list)) if !fails => Ok(Self { spec, list: Ok(list), evaluator }),
            (Some(evaluator), Err(Some(list))) if !fails => Ok(Self { spec, list: Err(list), evaluator }),
            (Some(evaluator), Ok(list)) => {
                let mut report = enroll(&ledger::scratch()?, &evaluator, list.rows, options.clone()).await?;
                // What rows have to say about the spec is said already.
                report.problems.forget_about(&spec.source.name, UNUSABLE_ATTACHMENT);
                Err(all(problems, report.problems, options.keep))
            }
            (None, Ok(list)) => {
                for row in list.rows {
                    if let Err(RowError::Row(problem) | RowError::List(problem)) = row {
                        of_suppression.extend([problem]);
                    }
                }
                Err(all(problems, of_suppression, options.keep))
            }
            (_, Err(_)) => Err(all(problems, of_suppression, options.keep)),
        }
    }

    /// Takes `spec` from here on: the same, with what the environment adds to it.
    pub fn set_spec(&mut self, spec: Arc<Spec>) {
        self.spec = spec;
    }

    /// How far the list is read, for whoever shows it; hidden until it is given a place to be drawn.
    pub fn read_progress(&self) -> Option<&ProgressBar> {
        self.list.as_ref().ok().map(|list| &list.read_progress)
    }
}

/// Columns that the spec declares, or shows in reports, and the list does not have.
pub(super) fn undeclared(spec: &Spec, columns: Option<&Columns>) -> Vec<Problem> {
    let Some(columns) = columns else { return Vec::new() };
    let names = || columns.names().iter().map(String::as_str);
    let shown = spec.report.iter().flat_map(|report| &report.columns);
    let lacking =
        spec.recipients.columns.iter().chain(shown).filter(|declared| columns.position(&declared.name).is_none());
    let problem = |declared: &DeclaredColumn| {
        let what = format!("the list has no column `{}`", declared.name);
        let hint = match did_you_mean(&declared.name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "add it to the list, or remove it here".to_owned(),
        };
        Problem::error("column-missing", spec.source.place(declared.span), what).hint(hint)
    };
    lacking.map(problem).collect()
}

/// Names that several columns have, and of which nobody can say which column is meant where they are used.
fn used_repeated(rows: &Rows, spec: &Spec, evaluator: &RowEvaluator) -> Vec<Problem> {
    let used = rows.repeated.iter().filter(|column| is_used(&column.name, spec, evaluator));
    used.map(|column| column.problem.clone()).collect()
}

/// Whether anything is made from a column: a message, an address, a report.
fn is_used(column: &str, spec: &Spec, evaluator: &RowEvaluator) -> bool {
    let shown = spec.report.iter().flat_map(|report| &report.columns);
    let is_named = || spec.recipients.columns.iter().chain(shown).any(|declared| declared.name == column);
    evaluator.templates.condition_uses(column) || evaluator.templates.delivery_uses(column) || is_named()
}

fn each(problems: &Problems) -> Vec<Problem> {
    problems.kinds().flat_map(|kind| kind.each().collect::<Vec<_>>()).collect()
}

/// The problems of the spec, and then those of the list.
fn all(of_spec: Vec<Problem>, of_list: Problems, keep: Keep) -> CampaignError {
    let mut all = Problems::new(keep);
    all.extend(of_spec);
    all.absorb(of_list);
    all.into()
}

/// Every file that a spec reads, itself included.
pub fn input_files(spec: &Spec) -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from(&spec.source.name)];
    if let specification::List::File(path) = &spec.recipients.file {
        files.push(spec.folder.join(path));
    }
    files.extend(spec.recipients.suppress.iter().map(|file| spec.folder.join(&file.path)));
    files
}

/// What a person should know of the spec and its templates, whoever is on the list.
pub(super) fn warnings(spec: &Spec, evaluator: &RowEvaluator) -> Problems {
    let of_spec = spec.warnings.iter().chain(evaluator.templates.warnings()).cloned();
    of_spec.chain(neighbours(spec)).collect()
}

/// Names that several columns have and nothing uses, else nothing is taken in.
fn unused_repeated(repeated: &[RepeatedColumn]) -> Option<String> {
    match repeated {
        [] => None,
        [one] => Some(format!("{}; nothing uses them", one.problem.what)),
        [first, ..] => {
            let count = HumanCount(repeated.len() as u64);
            Some(format!(
                "{count} names are those of several columns, which nothing uses: {} first",
                first.problem.what
            ))
        }
    }
}

/// Takes the list in; problems with it are an error.
pub(super) async fn enroll_list(
    ledger: &impl Ledger,
    evaluator: &RowEvaluator,
    list: List,
    options: EnrolmentOptions,
    operator: &impl Operator,
) -> Result<EnrolmentReport, CampaignError> {
    without_problems(take_in(ledger, evaluator, list, options, operator).await?, operator)
}

/// The same, with the problems in the report.
pub(super) async fn take_in(
    ledger: &impl Ledger,
    evaluator: &RowEvaluator,
    list: List,
    options: EnrolmentOptions,
    operator: &impl Operator,
) -> Result<EnrolmentReport, CampaignError> {
    let List { rows, read_progress } = list;
    let unused = unused_repeated(&rows.repeated);
    for text in rows.notes.iter().chain(&unused) {
        operator.notice(Notice::AboutList { name: &evaluator.list, text });
    }
    let report = enroll(ledger, evaluator, rows, options).await;
    read_progress.finish_and_clear();
    Ok(report?)
}

/// A report in which nothing is wrong; problems with the list are an error.
pub(super) fn without_problems(
    report: EnrolmentReport,
    operator: &impl Operator,
) -> Result<EnrolmentReport, CampaignError> {
    if !report.problems.is_empty() {
        operator.notice(Notice::Warnings { warnings: &report.warnings, blocked: true });
        return Err(report.problems.into());
    }
    Ok(report)
}
