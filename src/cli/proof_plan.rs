//! Proofs in words: the plan, what became of each, and what a ledger knows of them.

use std::fmt::Write;

use super::json_results::proof_word;
use super::plan;
use crate::campaign::ProofPlan;
use crate::humanize::counted;
use crate::ledger::{Proof, Proofs};
use crate::mask::masked;

/// Rows that the plan names at most.
const MAX_ROWS_NAMED: usize = 5;

/// A plan with its title.
pub(super) fn text(plan: &ProofPlan) -> Vec<String> {
    let messages = plan.next.messages;
    let word = if messages == 1 { "a proof" } else { "proofs" };
    let mut lines = vec![format!("{}: {word}, to your own address", plan.name)];
    lines.extend(plan.list.as_ref().map(plan::of_list).into_iter().flatten());
    let named = plan.rows.iter().take(MAX_ROWS_NAMED).map(|(line, key)| format!("line {line} (key {key})"));
    let more = if plan.rows.len() > MAX_ROWS_NAMED { ", ..." } else { "" };
    lines.push(format!("  rows     {}{more}", named.collect::<Vec<_>>().join(", ")));
    lines.push(format!("  address  {}, in place of the recipient's", masked(&plan.to)));
    lines.extend(plan::next(&plan.next, plan.base_url.as_deref()));
    if !plan.not_held_by.is_empty() {
        lines.push(format!("  at once  a proof does not wait for {}", plan.not_held_by.join(", ")));
    }
    lines.push("  counts   for rate, requests and quotas; in no total, and the recipients stay as they are".to_owned());
    lines
}

/// A proof in a line.
pub(super) fn line(proof: &Proof) -> String {
    let mut text = format!("line {}, key {}: {}", proof.line, proof.key, proof_word(proof));
    // Writing to a string cannot fail.
    if let Some(status) = &proof.livedesk_status {
        let _ = write!(text, " ({status})");
    }
    if let Some(id) = proof.message_id {
        let _ = write!(text, ", message {id}");
    }
    if let Some(id) = proof.conversation_id {
        let _ = write!(text, ", conversation {id}");
    }
    match (&proof.error_code, &proof.error) {
        (Some(code), Some(error)) if !error.starts_with(code) => {
            let _ = write!(text, ": {code}: {error}");
        }
        (_, Some(error)) => {
            let _ = write!(text, ": {error}");
        }
        _ => {}
    }
    text
}

/// What a ledger knows of proofs, in a line; `None` if there were none.
pub(super) fn summary_line(proofs: &Proofs) -> Option<String> {
    let last = proofs.last.as_ref()?;
    let at = last.at.strftime("%Y-%m-%d %H:%M:%S UTC");
    Some(format!(
        "{} sent, in no total; the last {at} by {} to {}: {}",
        counted(proofs.count, "proof"),
        last.by,
        last.to,
        line(last)
    ))
}
