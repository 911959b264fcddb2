//! What became of a campaign, in words and as data. The totals add up to the rows of the list.

use std::fmt::Write;

use serde_json::{Value, json};

use super::exit::Exit;
use super::output::{counted, grouped};
use crate::codes;
use crate::ledger::Totals;
use crate::state::State;

/// Kinds of error that are listed at most.
const MOST_ERRORS: usize = 10;

/// The summary for people.
pub(super) fn text(name: &str, totals: &Totals) -> String {
    let mut text = format!("{name}: {}", counted(totals.all(), "recipient"));
    for state in State::ALL {
        let count = totals.of(state);
        if count == 0 && state != State::Accepted {
            continue;
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {:<9} {:>9}", state.word(), grouped(count));
        if state == State::Skipped {
            let reasons: Vec<String> =
                totals.left_out.iter().map(|(reason, count)| format!("{reason} {}", grouped(*count))).collect();
            let _ = write!(text, "  ({})", reasons.join(", "));
        }
    }
    for (state, code, example, count) in totals.errors.iter().take(MOST_ERRORS) {
        let words = codes::meaning(code).map_or(example.as_str(), |meaning| meaning.words);
        let _ = write!(text, "\n  {} ×{}: {code}: {words}", state.word(), grouped(*count));
    }
    if totals.errors.len() > MOST_ERRORS {
        let _ =
            write!(text, "\n  ... and {} more kinds of error; the report has them", totals.errors.len() - MOST_ERRORS);
    }
    text
}

/// The summary as data.
pub(super) fn data(name: &str, totals: &Totals) -> Value {
    let outcomes: serde_json::Map<String, Value> =
        State::ALL.into_iter().map(|state| (state.word().to_owned(), json!(totals.of(state)))).collect();
    json!({
        "campaign": name,
        "recipients": totals.all(),
        "outcomes": outcomes,
        "skipped": totals.left_out,
        "errors": totals.errors.iter().map(|(state, code, text, count)| {
            json!({ "outcome": state, "error_code": code, "error": text, "count": count })
        }).collect::<Vec<_>>(),
    })
}

/// What the outcomes so far mean for the exit code.
pub(super) fn exit(totals: &Totals) -> Exit {
    if totals.of(State::Unknown) > 0 {
        Exit::SomeUnknown
    } else if totals.of(State::Failed) > 0 {
        Exit::SomeFailed
    } else {
        Exit::Done
    }
}
