//! What became of a campaign, in words and as data. The totals add up to the rows of the list.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::exit::Exit;
use super::output::{counted, grouped};
use crate::codes::{self, Remedy, Scope};
use crate::ledger::Totals;
use crate::mask::masked;
use crate::plan::in_words;
use crate::specification::Send;
use crate::state::State;

/// Kinds of error that are listed at most.
const MOST_ERRORS: usize = 10;

/// A shorter run has no pace to speak of.
const WORTH_A_HINT: Duration = Duration::from_secs(10);

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
        let words = codes::meaning(code).map_or_else(
            || without(code, example),
            |meaning| format!("{} (it lies with {})", meaning.words, meaning.fault.words()),
        );
        let alone =
            totals.errors.len() == 1 && totals.of(State::Accepted) == 0 && codes::scope(code) != Scope::Recipient;
        let nothing_else = if alone { "; nothing else was sent" } else { "" };
        let _ = write!(text, "\n  {} ×{}: {code}: {words}{nothing_else}", state.word(), grouped(*count));
    }
    if totals.errors.len() > MOST_ERRORS {
        let _ =
            write!(text, "\n  ... and {} more kinds of error; the report has them", totals.errors.len() - MOST_ERRORS);
    }
    text
}

/// What `--retry-failed` takes up and what it leaves, with the reasons.
pub(super) fn sent_again(taken: u64, totals: &Totals) -> String {
    let are = if taken == 1 { "is" } else { "are" };
    let mut text = format!("{} {are} sent again", counted(taken, "failed message"));
    for (reason, applies) in [
        ("sending again can never help", (|remedy| remedy == Remedy::Never) as fn(Remedy) -> bool),
        ("it is too early", |remedy| matches!(remedy, Remedy::Later(_))),
        ("only a changed message can help", |remedy| remedy == Remedy::Changed),
        ("not selected, or no longer on the list", |remedy| remedy == Remedy::Mended),
    ] {
        let left: Vec<String> = failed(totals)
            .filter(|(code, _)| applies(codes::remedy(code)))
            .map(|(code, count)| format!("{code} ×{}", grouped(count)))
            .collect();
        if !left.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  left as failed, {reason}: {}", left.join(", "));
        }
    }
    text
}

/// How many of the failed may be helped by sending the same message again, now or later.
pub(super) fn can_be_helped(totals: &Totals) -> u64 {
    let helps = |code: &str| matches!(codes::remedy(code), Remedy::Mended | Remedy::Later(_));
    failed(totals).filter(|(code, _)| helps(code)).map(|(_, count)| count).sum()
}

/// A text without the code that it begins with, which stands in front of it already.
fn without(code: &str, text: &str) -> String {
    masked(text.strip_prefix(code).map_or(text, |rest| rest.trim_start_matches([':', ' ']))).into_owned()
}

/// How many have stopped marketing from this business.
pub(super) fn opted_out(totals: &Totals) -> u64 {
    failed(totals).filter(|(code, _)| *code == codes::OPTED_OUT).map(|(_, count)| count).sum()
}

/// What to say when most of a run was spent waiting for the server's own limit.
pub(super) fn held_by_server(held: Duration, whole: Duration, send: &Send) -> Option<String> {
    (whole > WORTH_A_HINT && held * 2 > whole).then(|| {
        format!(
            "most of this run ({} of {}) was spent waiting for the server's own limit: lower `send.requests` (now {}) or \
             `send.rate` (now {}) to what it takes",
            in_words(held.min(whole)),
            in_words(whole),
            send.requests,
            send.rate
        )
    })
}

fn failed(totals: &Totals) -> impl Iterator<Item = (&str, u64)> {
    let errors = totals.errors.iter().filter(|(state, ..)| *state == State::Failed);
    errors.map(|(_, code, _, count)| (code.as_str(), *count))
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
            let meaning = codes::meaning(code).map(|meaning| meaning.words);
            json!({ "outcome": state, "error_code": code, "error": masked(text), "meaning": meaning, "count": count })
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::specification::{Source, Spec};

    #[test]
    fn a_run_that_mostly_waited_for_the_server_says_so_and_names_the_setting() {
        let text = "name: c\nrecipients: l.csv\nto: { conversation_id: '1' }\nmessage: { content: Hi }\n".to_owned();
        let source = Source { name: "c.yaml".to_owned(), text };
        let spec = Spec::parse(&source, PathBuf::from("."), &[]).unwrap();
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert_eq!(held_by_server(minutes(5), minutes(20), &spec.send), None);
        let said = held_by_server(minutes(15), minutes(20), &spec.send).unwrap();
        assert!(said.contains("15 min 0 s of 20 min 0 s") && said.contains("`send.requests` (now 50/s)"), "{said}");
    }
}
