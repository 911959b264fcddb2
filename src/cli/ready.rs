//! Spec, list and templates, all in order; or every problem of all three at once. `check` and `run` begin here.

use std::sync::Arc;

use super::check::manner;
use super::exit::CliError;
use super::flags::ListArgs;
use super::output::Output;
use super::workspace::{self, List, Missing, Opened};
use crate::enroll::{UNUSABLE_ATTACHMENT, enroll};
use crate::ledger::Sqlite;
use crate::plan::RowEvaluator;
use crate::problem::{Problem, Problems};
use crate::recipients::RowError;
use crate::specification::Spec;

/// What a campaign begins with.
pub(super) struct Ready {
    pub(super) spec: Arc<Spec>,
    /// The list, or why there is none.
    pub(super) list: Result<List, Missing>,
    pub(super) evaluator: RowEvaluator,
}

impl Ready {
    /// Reads and checks everything that can be checked before the first row.
    ///
    /// # Errors
    /// What is wrong. If that is anything in spec or templates, the rows are read and judged as far as they can be, so
    /// that whoever mends the one need not come back for the other.
    pub(super) async fn read(args: &ListArgs, output: &Output) -> Result<Self, CliError> {
        let (spec, mut problems) = workspace::draft(&args.file, &args.vars)?;
        let mut unusable = Vec::new();
        let list = match workspace::list(&spec) {
            Ok(Opened::List(list)) => Ok(list),
            Ok(Opened::Missing(missing)) => Err(Some(missing)),
            Err(CliError::Unusable(more)) => {
                unusable.extend(each(&more));
                Err(None)
            }
            Err(CliError::Problems(more))
                if problems.is_empty() || more.kinds().all(|kind| kind.first.place.line.is_some()) =>
            {
                return Err(all(problems, more, output));
            }
            Err(_) if !problems.is_empty() => return Err(problems.into()),
            Err(fault) => return Err(fault),
        };
        let evaluator =
            match workspace::evaluator(&spec, list.as_ref().ok().and_then(|list| list.rows.columns.as_deref())) {
                Ok(evaluator) => Some(evaluator),
                Err(faults) => {
                    problems.extend(faults.wrong);
                    unusable.extend(faults.unusable);
                    None
                }
            };
        let fails = !problems.is_empty() || !unusable.is_empty();
        if let (Err(Some(missing)), true) = (&list, fails) {
            unusable.insert(0, missing.problem.clone());
        }
        if problems.is_empty() && fails {
            return Err(CliError::Unusable(unusable.into()));
        }
        // A path that is wrong by itself leads nowhere either, which is no second problem.
        unusable.retain(|problem| problems.iter().all(|known| known.place != problem.place));
        problems.extend(unusable);
        match (evaluator, list) {
            (Some(evaluator), Ok(list)) if problems.is_empty() => Ok(Self { spec, list: Ok(list), evaluator }),
            (Some(evaluator), Err(Some(missing))) if problems.is_empty() => {
                Ok(Self { spec, list: Err(missing), evaluator })
            }
            (Some(evaluator), Ok(list)) => {
                let mut survey = enroll(&Sqlite::scratch()?, &evaluator, list.rows, manner(args, None, output)).await?;
                // What rows have to say about the spec is said already.
                survey.problems.forget_about(&spec.source.name, UNUSABLE_ATTACHMENT);
                Err(all(problems, survey.problems, output))
            }
            (None, Ok(list)) => {
                let mut unreadable = Problems::new(output.keep);
                for row in list.rows {
                    if let Err(RowError::Row(problem) | RowError::List(problem)) = row {
                        unreadable.extend([problem]);
                    }
                }
                Err(all(problems, unreadable, output))
            }
            (_, Err(_)) => Err(problems.into()),
        }
    }

    /// The list, which must be there.
    pub(super) fn with_list(self) -> Result<(Arc<Spec>, List, RowEvaluator), CliError> {
        Ok((self.spec, self.list?, self.evaluator))
    }
}

fn each(problems: &Problems) -> Vec<Problem> {
    problems.kinds().flat_map(|kind| kind.each().collect::<Vec<_>>()).collect()
}

/// The problems of the spec, and then those of the list.
fn all(of_spec: Vec<Problem>, of_list: Problems, output: &Output) -> CliError {
    let mut all = Problems::new(output.keep);
    all.extend(of_spec);
    all.absorb(of_list);
    all.into()
}
