//! Compiling the templates against the columns, and reading the suppression lists.

use std::io;
use std::sync::Arc;

use super::list::{display_name, name, open_file};
use crate::campaign::CampaignError;
use crate::message::Templates;
use crate::plan::RowEvaluator;
use crate::problem::{Problem, with_causes};
use crate::recipients::{Columns, Suppression};
use crate::specification::{Spec, SuppressionFile};

/// What is wrong before the first row is evaluated.
#[derive(Default)]
pub(in crate::campaign) struct Faults {
    /// What a person wrote.
    pub(super) wrong: Vec<Problem>,
    /// Files that a person has named.
    pub(super) unusable: Vec<Problem>,
}

impl From<Faults> for CampaignError {
    fn from(mut faults: Faults) -> Self {
        if faults.wrong.is_empty() {
            return Self::Unusable(faults.unusable.into());
        }
        faults.wrong.append(&mut faults.unusable);
        faults.wrong.into()
    }
}

/// What decides about rows. Without `columns` whatever a template names is taken for one.
pub(in crate::campaign) fn evaluator(spec: &Arc<Spec>, columns: Option<&Columns>) -> Result<RowEvaluator, Faults> {
    let list = name(spec);
    let mut faults = Faults::default();
    let templates = Templates::compile(Arc::clone(spec), columns, &list);
    let suppression = suppression(spec, &mut faults);
    match templates {
        Ok(templates) if faults.wrong.is_empty() && faults.unusable.is_empty() => {
            Ok(RowEvaluator { list, templates, suppression, region: spec.recipients.default_region.clone() })
        }
        Ok(_) => Err(faults),
        Err(problems) => {
            faults.wrong.splice(..0, problems);
            Err(faults)
        }
    }
}

/// Reads the suppression lists, as far as they can be.
fn suppression(spec: &Spec, faults: &mut Faults) -> Suppression {
    let region = spec.recipients.default_region.as_deref();
    let mut suppression = Suppression::default();
    for SuppressionFile { path, span } in &spec.recipients.suppress {
        let path = spec.folder.join(path);
        let name = display_name(&path);
        match open_file(&path) {
            Ok(file) => faults.wrong.extend(suppression.add(&name, file, region).err().unwrap_or_default()),
            Err(error) => {
                let what = match error.kind() {
                    io::ErrorKind::NotFound => format!("{name}: there is no such suppression list"),
                    _ => format!("{name}: the suppression list cannot be read: {}", with_causes(&error)),
                };
                let problem = Problem::error("suppress-not-readable", spec.source.place(*span), what);
                faults.unusable.push(problem.hint("a path is relative to the spec"));
            }
        }
    }
    suppression
}
