//! How far one campaign is, in words or as data.

use indicatif::HumanCount;
use jiff::Timestamp;

use super::super::exit::Exit;
use super::super::json_results::CampaignStatus;
use super::super::output::Output;
use super::super::{plan, proof_plan, summary};
use crate::campaign::{ActiveRun, Progress, Status};
use crate::humanize::counted;
use crate::ledger::Worker;
use crate::specification::Spec;

/// Shows it once. Gives the exit code, and whether a run is under way.
pub(super) fn show(spec: &Spec, status: Status, output: &Output) -> (Exit, bool) {
    let Progress { totals, changes, next, run, proofs } = match status {
        Status::Begun(progress) => *progress,
        Status::NotBegun { ledger, proofs } => {
            if output.is_json() {
                output.json(&CampaignStatus::not_begun(&spec.name, &proofs));
            } else if let Some(proofs) = proof_plan::summary_line(&proofs) {
                output.result(&format!("{}: not started; {proofs}", spec.name));
            } else {
                output.result(&format!("{}: not started; there is no ledger at {ledger}", spec.name));
            }
            return (Exit::NotBegun, false);
        }
    };
    let shown = (summary::exit(&totals), run.is_some());
    if output.is_json() {
        output.json(&CampaignStatus::begun(&spec.name, &totals, &proofs, run.as_ref()));
        return shown;
    }
    output.result(&summary::text(&spec.name, &totals));
    if let Some(checked) = summary::last_checked(&totals) {
        output.result(&checked);
    }
    if let Some(proofs) = proof_plan::summary_line(&proofs) {
        output.result(&proofs);
    }
    for line in run.iter().flat_map(run_lines) {
        output.result(&line);
    }
    let title = if run.is_some() { "left for it:" } else { "next run:" };
    match next {
        None => output.result(&format!("{title} nothing to send")),
        Some(next) => {
            output.result(title);
            for line in plan::changed(&changes).into_iter().chain(plan::next(&next, Some(&spec.livedesk.base_url))) {
                output.result(&line);
            }
        }
    }
    shown
}

/// Who runs it and how fast; of several workers each on a line.
fn run_lines(run: &ActiveRun) -> Vec<String> {
    let pace =
        format!("{} in the last minute ({:.1}/s)", counted(run.last_minute, "message"), run.messages_per_second());
    if run.workers.len() < 2 {
        return vec![format!("run by {}: {pace}", run.holder)];
    }
    let title = format!("run by {} workers: {pace}", run.workers.len());
    std::iter::once(title).chain(run.workers.iter().map(|worker| format!("  {}", worker_line(worker)))).collect()
}

/// `process 42 on db1 since 2026-11-27T08:00:00Z: 1,200 messages, 3 in flight, last heard of 2 s ago`.
fn worker_line(Worker { holder, messages, in_flight, heartbeat }: &Worker) -> String {
    let messages = messages.map_or_else(String::new, |count| format!(": {}", counted(count, "message")));
    let heard = heartbeat.map(|at| Timestamp::now().duration_since(at).unsigned_abs());
    let heard = heard.map_or_else(String::new, |ago| format!(", last heard of {} s ago", ago.as_secs()));
    let in_flight = in_flight.map_or_else(String::new, |count| format!(", {} in flight", HumanCount(count)));
    format!("{holder}{messages}{in_flight}{heard}")
}
