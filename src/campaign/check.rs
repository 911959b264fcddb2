//! Finding every problem, and doing nothing else.

use super::inputs::{pending_of, take_in, warnings};
use super::{CampaignError, EnrolmentOptions, EnrolmentReport, Inputs, Notice, Operator};
use crate::ledger;
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
    selection: &Selection,
    operator: &impl Operator,
) -> Result<Checked, CampaignError> {
    let Inputs { spec, list, evaluator } = inputs;
    let list = list?;
    operator.notice(Notice::Warnings { warnings: &warnings(&spec, &evaluator), blocked: false });
    let ledger = ledger::scratch()?;
    let report = take_in(&ledger, &evaluator, list, options, operator).await?;
    operator.notice(Notice::Warnings { warnings: &report.warnings, blocked: false });
    let left_out: u64 = report.left_out.values().sum();
    let to_send = pending_of(&ledger, selection).await?.unwrap_or(report.rows - left_out);
    let to_send = to_send.min(selection.limit.unwrap_or(u64::MAX));
    Ok(Checked { name: spec.name.clone(), list: evaluator.list, report, to_send })
}
