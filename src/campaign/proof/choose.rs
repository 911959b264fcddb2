//! The rows that a proof shows: by key, by line, or the first ones.

use crate::ledger::{Inspect, Lease, Ledger, RecordQuery};
use crate::message::Delivery;
use crate::plan::RowEvaluator;
use crate::problem::{Place, Problem};
use crate::run::Selection;
use crate::state::State;

use super::super::CampaignError;
use super::super::pending_scan::each_pending;
use super::ProofRequest;

/// More rows than anybody looks at in their own inbox.
const MAX_PROOFS: u64 = 100;

/// The chosen rows of the list that `scratch` has just taken in, in its order, with the address of the proof.
///
/// # Errors
/// A key or a line has no message, or the address must not be messaged.
pub(super) async fn rows(
    scratch: &impl Ledger,
    evaluator: &RowEvaluator,
    request: &ProofRequest,
    selection: &Selection,
) -> Result<Vec<(Lease, Delivery)>, CampaignError> {
    let chosen = chosen(scratch, &request.lines, selection).await?;
    let mut problems = missing(scratch, &request.lines, selection, &chosen).await?;
    let mut rows = Vec::with_capacity(chosen.len());
    for lease in chosen {
        let mut delivery = evaluator.templates.render(&lease.row, &evaluator.list)?;
        match request.to.in_place_of(&delivery.address) {
            Ok(address) => delivery.address = address,
            Err(problem) => {
                problems.push(*problem);
                break;
            }
        }
        if let Some(place) = evaluator.suppressed_address(&delivery.address) {
            problems.push(crate::message::ProofTo::suppressed(&place));
            break;
        }
        rows.push((lease, delivery));
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems.into()) }
}

async fn chosen(scratch: &impl Ledger, lines: &[u64], selection: &Selection) -> Result<Vec<Lease>, CampaignError> {
    let Selection { only, limit } = selection;
    let by_name = only.is_some() || !lines.is_empty();
    // One is enough to see what it looks like.
    let limit = limit.unwrap_or(if by_name { MAX_PROOFS } else { 1 });
    let wanted = match (only, lines.len()) {
        (None, 0) => limit,
        (only, lines) => limit.min((only.as_ref().map_or(0, std::collections::HashSet::len) + lines) as u64),
    };
    if wanted > MAX_PROOFS {
        let problem = Problem::error(
            "too-many-proofs",
            Place::file("--proof-to"),
            format!("{wanted} messages to one address: a proof shows {MAX_PROOFS} at most"),
        );
        return Err(vec![problem.hint("choose rows with `--only`, `--line` or `--limit`")].into());
    }
    let everybody = Selection { only: None, limit: (!by_name).then_some(limit) };
    let mut chosen = Vec::new();
    each_pending(scratch, &everybody, |lease| {
        let is_named = only.as_ref().is_some_and(|keys| keys.contains(&lease.key)) || lines.contains(&lease.row.line);
        if !by_name || (is_named && (chosen.len() as u64) < limit) {
            chosen.push(lease);
        }
        Ok::<_, CampaignError>(())
    })
    .await?;
    Ok(chosen)
}

/// What was asked for and has no message, each with the reason.
async fn missing(
    scratch: &impl Inspect,
    lines: &[u64],
    selection: &Selection,
    chosen: &[Lease],
) -> Result<Vec<Problem>, CampaignError> {
    // With a limit not all that is there was chosen.
    let is_whole = selection.limit.is_none();
    let lines = lines.iter().filter(|line| is_whole && chosen.iter().all(|lease| lease.row.line != **line));
    let keys = selection.only.iter().flatten();
    let keys = keys.filter(|key| is_whole && chosen.iter().all(|lease| lease.key != **key));
    let (mut lines, mut keys): (Vec<u64>, Vec<&String>) = (lines.copied().collect(), keys.collect());
    if lines.is_empty() && keys.is_empty() {
        let nobody = chosen.is_empty().then(|| {
            Problem::error("nobody-to-prove", Place::file("--proof-to"), "no row of the list has a message to show")
        });
        return Ok(nobody.into_iter().collect());
    }
    let mut problems = Vec::new();
    let skipped = RecordQuery { only: vec![State::Skipped], with_rows: false };
    scratch
        .records(&skipped, |record| {
            let why = record.error.unwrap_or_default();
            if let Some(at) = lines.iter().position(|line| Some(*line) == record.line) {
                let line = lines.swap_remove(at);
                problems.push(no_message("--line", format!("line {line} gets no message: {why}")));
            }
            if let Some(at) = keys.iter().position(|key| **key == record.key) {
                keys.swap_remove(at);
                problems.push(no_message("--only", format!("`{}` gets no message: {why}", record.key)));
            }
            Ok::<_, CampaignError>(())
        })
        .await?;
    problems.extend(lines.iter().map(|line| no_message("--line", format!("no row of the list begins at line {line}"))));
    problems.extend(keys.iter().map(|key| {
        let problem = no_message("--only", format!("no recipient has the key `{key}`"));
        problem.hint("the report and a dry run list the keys")
    }));
    Ok(problems)
}

fn no_message(flag: &str, what: String) -> Problem {
    Problem::error("no-such-recipient", Place::file(flag), what)
}
