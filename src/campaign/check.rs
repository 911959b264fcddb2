//! Finding every problem, and doing nothing else.

use std::path::Path;
use std::sync::Arc;

use super::inputs::{draft, enroll_list, neighbours, undeclared, warnings};
use super::{CampaignError, EnrolmentOptions, EnrolmentReport, Inputs, Notice, Operator, named_keys};
use crate::ledger;
use crate::message::Templates;
use crate::problem::Problem;
use crate::recipients::Columns;
use crate::run::Selection;

/// What a list without problems holds.
#[derive(Debug)]
pub struct Checked {
    /// The campaign's name.
    pub name: String,
    /// What people call the list.
    pub list: String,
    /// Its rows, and who is left out.
    pub report: EnrolmentReport,
    /// Messages that a first run would send.
    pub to_send: u64,
}

/// Checks a campaign.
///
/// # Errors
/// What is wrong.
pub async fn check(
    inputs: Inputs,
    options: EnrolmentOptions,
    mut selection: Selection,
    operator: &impl Operator,
) -> Result<Checked, CampaignError> {
    let Inputs { spec, list, evaluator } = inputs;
    let list = list?;
    operator.notice(Notice::Warnings { warnings: &warnings(&spec, &evaluator), blocked: false });
    let ledger = ledger::scratch()?;
    let report = enroll_list(&ledger, &evaluator, list, options, operator).await?;
    operator.notice(Notice::Warnings { warnings: &report.warnings, blocked: false });
    let left_out: u64 = report.left_out.values().sum();
    let to_send = named_keys::select(&ledger, &mut selection).await?.unwrap_or(report.rows - left_out);
    let to_send = to_send.min(selection.limit.unwrap_or(u64::MAX));
    Ok(Checked { name: spec.name.clone(), list: evaluator.list, report, to_send })
}

/// What can be checked in a spec without its list.
#[derive(Debug)]
pub struct CheckedSpec {
    /// The campaign's name.
    pub name: String,
    /// Columns that it declares, against which its templates were checked.
    pub columns: usize,
}

/// Checks a spec without its list and its suppression lists: its templates against the columns that it declares.
///
/// # Errors
/// What is wrong.
pub fn check_without_list(
    file: &Path,
    vars: &[(String, String)],
    operator: &impl Operator,
) -> Result<CheckedSpec, CampaignError> {
    const DECLARED: &str = "recipients.columns";

    let (spec, mut problems) = draft(file, vars)?;
    let names: Vec<String> = spec.recipients.columns.iter().map(|column| column.name.clone()).collect();
    let columns = (!names.is_empty()).then(|| Columns::new(names));
    problems.extend(undeclared(&spec, columns.as_ref()));
    let mut warnings: Vec<Problem> = spec.warnings.iter().cloned().chain(neighbours(&spec)).collect();
    if columns.is_none() {
        let place = spec.source.place(spec.recipients.file_at);
        let what = "the columns of the list are not known here, so templates are not checked against them";
        let hint = "declare them: `recipients: { file: list.csv, columns: [name, phone] }`";
        warnings.push(Problem::warning("columns-not-declared", place, what).hint(hint));
    }
    match Templates::compile(Arc::clone(&spec), columns.as_ref(), DECLARED) {
        Ok(templates) => warnings.extend(templates.warnings().iter().cloned()),
        Err(more) => problems.extend(more),
    }
    let blocked = !problems.is_empty();
    operator.notice(Notice::Warnings { warnings: &warnings.into_iter().collect(), blocked });
    if blocked {
        return Err(problems.into());
    }
    Ok(CheckedSpec { name: spec.name.clone(), columns: spec.recipients.columns.len() })
}
