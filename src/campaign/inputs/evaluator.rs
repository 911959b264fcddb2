//! Compiling the templates against the columns, and reading the suppression lists.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use super::list::{display_name, name, open_file};
use crate::campaign::CampaignError;
use crate::message::Templates;
use crate::plan::RowEvaluator;
use crate::problem::{Keep, Problem, Problems, with_causes};
use crate::recipients::{Columns, Country, Row, Suppression};
use crate::specification::{Spec, SuppressionFile};

/// What is wrong before the first row is evaluated.
#[derive(Default)]
pub(in crate::campaign) struct EvaluatorProblems {
    /// What a person wrote.
    pub(super) wrong: Vec<Problem>,
    /// What is wrong with the entries of suppression lists, of which there may be millions.
    pub(super) suppression: Problems,
    /// Files that a person has named.
    pub(super) unusable: Vec<Problem>,
}

impl EvaluatorProblems {
    /// Adds what a person wrote and files that they named to others of the kind; gives what is wrong with entries.
    pub(super) fn told_apart(self, wrong: &mut Vec<Problem>, unusable: &mut Vec<Problem>) -> Problems {
        wrong.extend(self.wrong);
        unusable.extend(self.unusable);
        self.suppression
    }
}

impl From<Box<EvaluatorProblems>> for CampaignError {
    fn from(mut found: Box<EvaluatorProblems>) -> Self {
        if found.wrong.is_empty() && found.suppression.is_empty() {
            return Self::Unusable(found.unusable.into());
        }
        found.wrong.append(&mut found.unusable);
        let mut problems = Problems::new(Keep::All);
        problems.extend(found.wrong);
        problems.absorb(found.suppression);
        problems.into()
    }
}

/// What decides about rows. Without `columns` whatever a template names is taken for one. Of the problems of each kind
/// with suppression lists as many are kept as `keep` says.
pub(in crate::campaign) fn evaluator(
    spec: &Arc<Spec>,
    columns: Option<&Columns>,
    keep: Keep,
) -> Result<RowEvaluator, Box<EvaluatorProblems>> {
    let list = name(spec);
    let mut found = Box::new(EvaluatorProblems { suppression: Problems::new(keep), ..EvaluatorProblems::default() });
    let templates = Templates::compile(Arc::clone(spec), columns, &list);
    let suppression = suppression(spec, templates.as_ref().ok(), keep, &mut found);
    match templates {
        Ok(templates) if found.suppression.is_empty() && found.unusable.is_empty() => {
            Ok(RowEvaluator { list, templates, suppression })
        }
        Ok(_) => Err(found),
        Err(problems) => {
            found.wrong.splice(..0, problems);
            Err(found)
        }
    }
}

/// Reads the suppression lists, as far as they can be.
fn suppression(spec: &Spec, templates: Option<&Templates>, keep: Keep, found: &mut EvaluatorProblems) -> Suppression {
    let of_line = |row: &Row| templates?.region(row).map(Cow::into_owned);
    let country = match &spec.recipients.default_region {
        Some(region) if !region.is_constant() => Country::PerLine(&of_line),
        region => Country::Fixed(region.as_ref().map(|region| region.text.as_str())),
    };
    let mut suppression = Suppression::default();
    for SuppressionFile { path, span } in &spec.recipients.suppress {
        // `campaign track` writes it, so before anybody has opted out there is none.
        let is_written_by_tracking = spec.track.opt_out.file.as_ref() == Some(path);
        let path = spec.folder.join(path);
        let name = display_name(&path);
        match open_file(&path) {
            // A country that a broken template gives would be the problem of every line.
            Ok(_) if templates.is_none() && matches!(country, Country::PerLine(_)) => {}
            Ok(file) => {
                if let Err(problems) = suppression.add(&name, file, country, keep) {
                    found.suppression.absorb(problems);
                }
            }
            Err(error) if is_written_by_tracking && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let what = match error.kind() {
                    io::ErrorKind::NotFound => format!("{name}: suppression list not found"),
                    _ => format!("{name}: the suppression list cannot be read: {}", with_causes(&error)),
                };
                let problem = Problem::error("suppress-not-readable", spec.source.place(*span), what);
                found.unusable.push(problem.hint("paths are relative to the spec"));
            }
        }
    }
    suppression
}
