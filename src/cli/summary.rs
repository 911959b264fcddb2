//! What became of a campaign, in words and as an exit code. The totals add up to the rows of the list.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::error::CliError;
use super::exit::Exit;
use super::json_results::{RunResult, one_of_many};
use super::next_steps;
use super::output::Output;
use crate::campaign::{CampaignError, Outcome};
use crate::codes::{self, Remedy, Scope};
use crate::humanize::duration;
use crate::humanize::{counted, grouped};
use crate::ledger::{ErrorCount, Totals};
use crate::mask::masked;
use crate::receipt::ReceiptTotals;
use crate::run::{End, Stopped, StoppedBy};
use crate::specification::{Send, Spec};
use crate::state::State;

/// Kinds of error that are listed at most.
const MAX_ERRORS: usize = 10;

/// A shorter run has no pace to speak of.
const WORTH_A_HINT: Duration = Duration::from_secs(10);

/// The summary for people.
pub(super) fn text(name: &str, totals: &Totals) -> String {
    let mut text = format!("{name}: {}", counted(totals.all(), "recipient"));
    if totals.off_list > 0 {
        let (rows, off_list) = (counted(totals.on_list(), "row"), grouped(totals.off_list));
        // Writing to a string cannot fail.
        let _ = write!(text, ", {rows} of the list and {off_list} no longer on it");
    }
    for state in State::ALL {
        let count = totals.of(state);
        if count == 0 && state != State::Accepted {
            continue;
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {:<9} {:>9}", state.word(), grouped(count));
        if state == State::Skipped {
            let _ = write!(text, "  ({})", skipped(&totals.left_out));
        }
        if state == State::Accepted {
            text.extend(receipts(&totals.receipts));
        }
    }
    for error @ ErrorCount { state, code, count, .. } in totals.errors.iter().take(MAX_ERRORS) {
        let words = codes::meaning(code).map_or_else(
            || example(error),
            |meaning| format!("{} ({})", meaning.words, meaning.responsibility.words()),
        );
        let alone =
            totals.errors.len() == 1 && totals.of(State::Accepted) == 0 && codes::scope(code) != Scope::Recipient;
        let nothing_else = if alone { "; no message was accepted" } else { "" };
        let _ = write!(text, "\n  {} ×{}: {code}: {words}{nothing_else}", state.word(), grouped(*count));
    }
    for error in totals.undelivered.iter().take(MAX_ERRORS) {
        let _ = write!(text, "\n  {}", undelivered(error));
    }
    if totals.errors.len() > MAX_ERRORS {
        let _ =
            write!(text, "\n  ... and {} more kinds of error; the report has them", totals.errors.len() - MAX_ERRORS);
    }
    if let Some(replies) = replies(&totals.receipts) {
        let _ = write!(text, "\n  {replies}");
    }
    text
}

/// What became of the accepted messages, a line each; none if nobody has looked. They add up to the accepted ones.
fn receipts(receipts: &ReceiptTotals) -> impl Iterator<Item = String> + use<> {
    let counts = [
        ("read", receipts.read),
        ("delivered", receipts.delivered),
        ("not delivered", receipts.undelivered),
        ("no receipt", receipts.no_receipt),
        ("still open", receipts.open),
    ];
    let is_tracked = receipts.is_tracked();
    let counts = counts.into_iter().filter(move |(_, count)| is_tracked && *count > 0);
    counts.map(|(word, count)| format!("\n    {word:<13} {:>7}", grouped(count)))
}

/// Why some accepted messages were not delivered: `not delivered ×3: 131026: not on WhatsApp (the recipient's)`.
fn undelivered(error @ ErrorCount { code, count, .. }: &ErrorCount) -> String {
    let words = codes::meaning(code)
        .map_or_else(|| example(error), |meaning| format!("{} ({})", meaning.words, meaning.responsibility.words()));
    let code = if code.is_empty() { String::new() } else { format!("{code}: ") };
    format!("not delivered ×{}: {code}{words}", grouped(*count))
}

/// Who replied and who opted out; `None` where nobody did.
fn replies(receipts: &ReceiptTotals) -> Option<String> {
    let counts = [
        ("replied", receipts.replied),
        ("opted out", receipts.opted_out),
        ("may have opted out and should be read by a person", receipts.maybe_opted_out),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{} {word}", grouped(count)))
        .collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}

/// When somebody last looked at the accepted messages; `None` if nobody has.
pub(super) fn last_checked(totals: &Totals) -> Option<String> {
    let at = totals.receipts.checked_at?;
    Some(format!("receipts last checked {}", at.strftime("%Y-%m-%d %H:%M:%S UTC")))
}

/// Why rows are skipped: `47 do not match recipients.where, 2 duplicates`.
pub(super) fn skipped<R: AsRef<str>>(reasons: &BTreeMap<R, u64>) -> String {
    let in_words = |(reason, &count): (&R, &u64)| {
        let number = grouped(count);
        match reason.as_ref() {
            "where" if count == 1 => "1 does not match recipients.where".to_owned(),
            "where" => format!("{number} do not match recipients.where"),
            "suppressed" => format!("{number} on a suppression list"),
            "duplicate" => counted(count, "duplicate"),
            other => format!("{number} {other}"),
        }
    };
    reasons.iter().map(in_words).collect::<Vec<_>>().join(", ")
}

/// What `--retry-failed` takes up and what it leaves, with the reasons.
pub(super) fn sent_again(taken: u64, totals: &Totals) -> String {
    let mut text = format!("retrying {}", counted(taken, "failed message"));
    for (reason, applies) in [
        ("retrying cannot help", (|remedy| remedy == Remedy::Never) as fn(Remedy) -> bool),
        ("too early", |remedy| matches!(remedy, Remedy::Later(_))),
        ("the message must be changed first", |remedy| remedy == Remedy::ChangeMessage),
        ("not selected, or no longer on the list", |remedy| remedy == Remedy::AfterFix),
    ] {
        let left: Vec<String> = failed(totals)
            .filter(|(code, _)| applies(codes::remedy(code)))
            .map(|(code, count)| format!("{code} ×{}", grouped(count)))
            .collect();
        if !left.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  not retried, {reason}: {}", left.join(", "));
        }
    }
    text
}

/// The text of an error, without the code that it begins with, which was said already.
fn example(ErrorCount { code, text, varies, .. }: &ErrorCount) -> String {
    if *varies {
        return masked(&one_of_many(text)).into_owned();
    }
    masked(text.strip_prefix(code).map_or(text.as_str(), |rest| rest.trim_start_matches([':', ' ']))).into_owned()
}

/// What to say when most of a run was spent waiting for the server's own limit.
pub(super) fn held_by_server(held: Duration, whole: Duration, send: &Send) -> Option<String> {
    (whole > WORTH_A_HINT && held * 2 > whole).then(|| {
        format!(
            "most of this run ({} of {}) was spent waiting for LiveDesk's rate limit: lower `send.requests` (now {}) \
             or `send.rate` (now {})",
            duration(held.min(whole)),
            duration(whole),
            send.requests,
            send.rate
        )
    })
}

pub(super) fn failed(totals: &Totals) -> impl Iterator<Item = (&str, u64)> {
    let errors = totals.errors.iter().filter(|error| error.state == State::Failed);
    errors.map(|error| (error.code.as_str(), error.count))
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

/// Shows what became of everybody and how to go on, and gives the exit code.
pub(super) fn conclude(spec: &Spec, outcome: Outcome, output: &Output) -> Exit {
    let Outcome { end, totals, unknown, reports } = outcome;
    let file = &spec.source.name;
    if output.is_json() {
        output.json(&RunResult::new(&spec.name, &totals, &end));
    } else {
        output.result(&text(&spec.name, &totals));
    }
    for advice in next_steps::next_steps(file, &totals, &unknown) {
        output.say(&advice);
    }
    if let Err(error) = reports {
        let interrupted = matches!(error, CampaignError::ReportInterrupted(_));
        CliError::from(error).show(false, output);
        let command = format!("campaign report {file} -o FILE");
        output.say(&format!("the ledger is complete; write the report later with `{command}`"));
        return if interrupted { Exit::Interrupted } else { Exit::Environment };
    }
    let pending = totals.of(State::Pending);
    let go_on = || format!("{} still pending; run the same command again to continue", counted(pending, "message"));
    match end {
        End::Interrupted => {
            output.say(&format!("interrupted: {}", go_on()));
            Exit::Interrupted
        }
        End::Environment(why) => {
            output.error(&format!("{why}\n{}", go_on()));
            Exit::Environment
        }
        End::Guard(Stopped { by, why, .. }) => {
            let advice = match by {
                // Its reason says what to do.
                StoppedBy::Canary => "",
                StoppedBy::NotAfter => "; to send them after all, give `send.not_after` a later time and run again",
                _ => "; fix what is wrong, then run the same command again to continue",
            };
            output.say(&format!("stopped: {why}\n{} still pending{advice}", counted(pending, "message")));
            Exit::Stopped
        }
        End::Paused(Stopped { why, .. }) => {
            output.say(&format!("{why}\n{}", go_on()));
            Exit::Paused
        }
        End::Done => {
            if pending > 0 {
                output.say(&go_on());
            }
            exit(&totals)
        }
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
