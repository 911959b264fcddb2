//! The next steps that a summary suggests: retry, resolve, suppress. Failures that nobody can fix are not mentioned.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::codes::{self, Remedy};
use crate::humanize::{counted, grouped};
use crate::ledger::{ErrorCount, Totals};
use crate::local_time::with_local_time;
use crate::report::Record;
use crate::state::State;

/// What can be done. `unknown`: the first deliveries whose outcome is unknown.
pub(super) fn next_steps(file: &str, totals: &Totals, unknown: &[Record]) -> Vec<String> {
    let mut steps = Vec::new();
    let opted_out: u64 = failed(totals).filter(|error| error.code == codes::OPTED_OUT).map(|error| error.count).sum();
    if opted_out > 0 {
        let command = format!("campaign report {file} --only opted-out -o opted-out.csv");
        let what = counted(opted_out, "recipient");
        steps.push(format!("{what} opted out of marketing: `{command}` writes a list for `recipients.suppress`"));
    }
    steps.extend(retries(file, totals, Timestamp::now()));
    if totals.of(State::Unknown) > 0 {
        steps.push(look_up(file, totals.of(State::Unknown), unknown));
    }
    steps
}

/// Whom `--retry-failed` takes up now, and when it takes up the others.
fn retries(file: &str, totals: &Totals, now: Timestamp) -> Vec<String> {
    let (mut ready, mut later) = (0, Vec::new());
    for error in failed(totals) {
        match codes::remedy(&error.code) {
            Remedy::AfterFix => ready += error.count,
            Remedy::Later(wait) => match error.settled.map(|(first, last)| (first + wait, last + wait)) {
                Some((_, all)) if all > now => {
                    later.push(format!("{} ×{}: {}", error.code, grouped(error.count), not_before(error, wait, now)));
                }
                _ => ready += error.count,
            },
            Remedy::Never | Remedy::ChangeMessage => {}
        }
    }
    let mut steps = Vec::new();
    if ready > 0 {
        let what = counted(ready, "failed message");
        steps.push(format!("{what} can be retried: `campaign run {file} --retry-failed`"));
    }
    if !later.is_empty() {
        steps.push(format!("too early for `--retry-failed`: {}", later.join("; ")));
    }
    steps
}

fn not_before(error: &ErrorCount, wait: std::time::Duration, now: Timestamp) -> String {
    let shown = |at: Timestamp| with_local_time(at + wait, &TimeZone::system());
    match error.settled {
        Some((first, last)) if first + wait <= now => format!("some now, all after {}", shown(last)),
        Some((first, _)) => format!("not before {}", shown(first)),
        None => String::new(),
    }
}

/// Which messages to look up, where, and what to say of them.
fn look_up(file: &str, count: u64, first: &[Record]) -> String {
    let mut text = format!(
        "{} may have been sent; we cannot know, so nothing is sent again automatically. Ten minutes later, \
         `campaign resolve {file} --by-evidence` looks in the conversations and asks; or look in LiveDesk yourself, then \
         run `campaign resolve {file} --key KEY --sent` or `--not-sent`",
        counted(count, "message")
    );
    for Record { key, conversation_id, .. } in first {
        let place = conversation_id.map(|id| format!(" in conversation {id}")).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  key {key}{place}");
    }
    let more = count.saturating_sub(first.len() as u64);
    if more > 0 {
        let _ = write!(text, "\n  and {} more: `campaign report {file} --only unknown -o -` lists all", grouped(more));
    }
    text
}

fn failed(totals: &Totals) -> impl Iterator<Item = &ErrorCount> {
    totals.errors.iter().filter(|error| error.state == State::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_advised_when_it_would_be_taken_up() {
        let now: Timestamp = "2026-11-25T13:00:00Z".parse().unwrap();
        let hours = |hours: i64| now - jiff::SignedDuration::from_hours(hours);
        let advice = |code: &str, first, last| {
            let error = ErrorCount {
                state: State::Failed,
                code: code.to_owned(),
                text: String::new(),
                varies: false,
                count: 2,
                settled: Some((hours(first), hours(last))),
            };
            retries("c.yaml", &Totals { errors: vec![error], ..Totals::default() }, now).join("\n")
        };
        assert_eq!(advice("131049", 30, 25), "2 failed messages can be retried: `campaign run c.yaml --retry-failed`");
        assert!(
            advice("131049", 20, 2)
                .starts_with("too early for `--retry-failed`: 131049 ×2: not before 2026-11-25T17:00:00Z")
        );
        assert!(advice("131049", 30, 2).contains("131049 ×2: some now, all after 2026-11-26T11:00:00Z"));
        for code in ["131026", "131050", "132000"] {
            assert_eq!(advice(code, 30, 25), "", "{code}");
        }
    }
}
