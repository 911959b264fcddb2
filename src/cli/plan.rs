//! The plan, in words that a person can approve.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::output::Output;
use super::summary;
use super::word_diff::word_diff;
use crate::campaign::{Changes, FirstRun, ListPlan, MovedRecipient, MovedRecipients, NextRun, Plan};
use crate::humanize::{counted, duration, grouped};
use crate::ledger::Enrolment;
use crate::local_time::{with_local_time, zone_name};
use crate::message::RewrittenPhone;
use crate::recipients::ListSummary;
use crate::specification::{CanaryConfirmation, Difference, Send, Speed};

/// Letters of the label of a line, with the blanks before and after.
const LABEL: usize = 11;

/// Shows a plan, wrapped at words where it is read on a terminal.
pub(super) fn show(plan: &Plan, output: &Output) {
    for line in text(plan) {
        say(&line, output);
    }
}

/// A line of a plan.
pub(super) fn say(line: &str, output: &Output) {
    output.say(&wrapped(line, output.width()));
}

/// A line of a plan, continued below its text.
fn wrapped(line: &str, width: Option<usize>) -> String {
    let (Some(width), true) = (width.filter(|width| *width > 2 * LABEL), line.starts_with(' ')) else {
        return line.to_owned();
    };
    let indent = " ".repeat(LABEL);
    // A time or an address is one word, whatever hyphens it has.
    let options = textwrap::Options::new(width).word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(line, options.subsequent_indent(&indent).break_words(false))
}

/// A plan with its title.
pub(super) fn text(plan: &Plan) -> Vec<String> {
    let title = plan.description.as_ref().map_or_else(String::new, |text| format!(": {text}"));
    [format!("{}{title}", plan.name)].into_iter().chain(lines(plan)).collect()
}

/// The lines of a plan: a label of eleven letters, and a text.
pub(super) fn lines(plan: &Plan) -> Vec<String> {
    let mut lines = plan.list.as_ref().map(of_list).unwrap_or_default();
    // Whoever expects the record of an earlier run to be continued sees here that it is not.
    lines.extend(plan.first_run.as_ref().map(|FirstRun { ledger, is_empty }| match is_empty {
        false => format!("  ledger   {ledger}: not found, so this is the first run on this machine"),
        true => format!("  ledger   {ledger}: holds no recipients yet, so this is the first run"),
    }));
    lines.extend(changed(&plan.changes));
    lines
        .extend((plan.settled > 0).then(|| format!("  done     {} by earlier runs", counted(plan.settled, "message"))));
    if plan.is_canary_sent && plan.next.messages > 0 {
        lines.push("  canary   sent by an earlier run; the rest needs your approval (`--approve-canary`)".to_owned());
    }
    lines.extend(next(&plan.next, plan.base_url.as_deref()));
    lines
}

/// What the list holds, and who of it is left out.
pub(super) fn of_list(list: &ListPlan) -> Vec<String> {
    let skipped = skipped(&list.left_out);
    let mut lines = vec![format!("  list     {}: {}{skipped}", list.name, counted(list.rows, "row"))];
    // A list of those who must not be messaged that has nobody on it is a mistake to be seen.
    let suppression = list.suppression.iter();
    lines.extend(suppression.map(|list| format!("  suppress {}: {}{}", list.name, list.recognised, unmatched(list))));
    let rewritten = &list.rewritten;
    if rewritten.count > 0 {
        let as_sent = |phone: &RewrittenPhone| format!("{} as {}", phone.written, phone.sent);
        let first: Vec<String> = rewritten.first.iter().map(as_sent).collect();
        let more = if rewritten.count > first.len() as u64 { ", ..." } else { "" };
        let numbers = counted(rewritten.count, "number");
        let completed = completed(&rewritten.by_region);
        let first = first.join(", ");
        lines.push(format!("  phones   {numbers} rewritten in international form{completed}: {first}{more}"));
    }
    lines.extend(list.since.as_ref().map(since));
    lines.extend((list.moved.count > 0).then(|| moved(&list.moved)));
    lines
}

/// Recipients whose number has changed since they were messaged.
fn moved(MovedRecipients { first, count }: &MovedRecipients) -> String {
    let one = |MovedRecipient { line, was, now }: &MovedRecipient| format!("line {line}: {was}, now {now}");
    let more = if *count > first.len() as u64 { "; ..." } else { "" };
    let first: Vec<String> = first.iter().map(one).collect();
    let have = if *count == 1 { "1 recipient has" } else { &format!("{} recipients have", grouped(*count)) };
    let what = "another number or address than the one messaged by an earlier run, and will not be messaged again";
    format!("  moved    {have} {what} ({}{more})", first.join("; "))
}

/// ` (150 as numbers of DE, 12 of AT)`: what `recipients.default_region` did.
fn completed(by_region: &BTreeMap<String, u64>) -> String {
    let mut regions: Vec<(&String, &u64)> = by_region.iter().collect();
    regions.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let words = |(at, (region, count)): (usize, (&String, &u64))| match at {
        0 => format!("{} as numbers of {region}", grouped(*count)),
        _ => format!("{} of {region}", grouped(*count)),
    };
    let words: Vec<String> = regions.into_iter().enumerate().map(words).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

/// `; skipped: 47 do not match recipients.where`, or nothing.
pub(super) fn skipped(reasons: &BTreeMap<&'static str, u64>) -> String {
    let skipped = summary::skipped(reasons);
    if skipped.is_empty() { skipped } else { format!("; skipped: {skipped}") }
}

/// Lines of a suppression list that are about nobody on the list: usual for a list of everybody who ever said no, and a
/// slip where it was made for this campaign.
fn unmatched(list: &ListSummary) -> String {
    let line = |(number, text): &(u32, Option<String>)| match text {
        Some(text) => format!("line {number}: {text}"),
        None => format!("line {number}"),
    };
    let first: Vec<String> = list.first_unmatched.iter().map(line).collect();
    let more = if list.unmatched > first.len() as u64 { ", ..." } else { "" };
    match list.unmatched {
        0 => String::new(),
        1 => format!("; 1 line matches nobody on the list ({})", first.join(", ")),
        count => format!("; {} lines match nobody on the list ({}{more})", grouped(count), first.join(", ")),
    }
}

/// What has changed in the list.
fn since(change: &Enrolment) -> String {
    let first = &change.first;
    let lines = |lines: &[u64]| lines.iter().map(|line| format!("line {line}")).collect::<Vec<_>>();
    let keys: Vec<String> = first.gone.iter().map(|key| format!("key {key}")).collect();
    let said = |count: u64, word: &str, which: &[String]| {
        let more = if count > which.len() as u64 { ", ..." } else { "" };
        let which = if which.is_empty() { String::new() } else { format!(" ({}{more})", which.join(", ")) };
        format!("{} {word}{which}", grouped(count))
    };
    format!(
        "  since    the last run: {}, {}, {}",
        said(change.new, "new", &lines(&first.new)),
        said(change.changed, "changed", &lines(&first.changed)),
        said(change.gone, "removed", &keys)
    )
}

/// What has changed in the spec.
pub(super) fn changed(changes: &Changes) -> Vec<String> {
    if !changes.begun || changes.differences.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> = changes.differences.iter().map(difference).collect();
    if changes.pending > 0 {
        let needs = if changes.needs_approval() { "; without a terminal, pass `--accept-changes`" } else { "" };
        lines.push(match changes.affected {
            Some(affected) => {
                let pending = counted(changes.pending, "pending message");
                format!("           the change affects {} of {pending}{needs}", grouped(affected))
            }
            None => {
                let pending = counted(changes.pending, "message");
                format!("           {pending} still pending will use the new version{needs}")
            }
        });
    }
    lines
}

fn difference(Difference { key, was, now }: &Difference) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    format!("  changed  {key}: {}", word_diff(&text(was), &text(now)))
}

/// How many messages and requests go where, the limits, and when it is finished under them.
pub(super) fn next(next: &NextRun, base_url: Option<&str>) -> Vec<String> {
    let (messages, requests) = (counted(next.messages, "message"), counted(next.requests, "request"));
    let mut lines = vec![
        format!("  to send  {messages}, {requests} to {}", base_url.unwrap_or("the sandbox")),
        format!("  limits   {}", limits(&next.limits)),
        format!("  takes    {}", next.forecast.in_words()),
    ];
    let zone = TimeZone::system();
    // The end names UTC by itself.
    let named = match zone_name(&zone) {
        "UTC" => String::new(),
        _ if next.forecast.days.is_empty() => String::new(),
        name => format!(" ({name})"),
    };
    let when = next.forecast.by_the_clock(&zone);
    lines.extend(when.map(|when| format!("  when     {when}{named}")));
    lines
}

fn limits(send: &Send) -> String {
    let zone = TimeZone::system();
    let mut parts = vec![match send.rate {
        Speed::Unlimited => "unlimited messages".to_owned(),
        Speed::Limited(rate) => format!("{rate} messages"),
    }];
    parts.push(format!("{} requests", send.requests));
    parts.extend(send.quota.iter().map(|quota| format!("quota {quota}")));
    parts.push(format!("{} in flight", send.concurrency));
    parts.extend((send.burst.get() > 1).then(|| format!("burst {}", send.burst)));
    parts.extend(send.canary.map(|canary| match send.canary_confirmation {
        None => format!("canary: first {canary}"),
        Some(CanaryConfirmation { confirmed, within }) => {
            let (share, within) = ((confirmed * 1000.0).round() / 10.0, duration(within));
            format!("canary: first {canary}, and the rest when {share}% are confirmed within {within}")
        }
    }));
    parts.extend(send.window.as_ref().map(|window| format!("{} recipient's time", window.hours)));
    parts.extend(send.not_before.map(|time| format!("not before {}", with_local_time(time, &zone))));
    parts.extend(send.not_after.map(|time| format!("not after {}", with_local_time(time, &zone))));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn a_line_is_continued_below_its_text() {
        let line = "  to send  6 messages, 6 requests to the sandbox";
        assert_eq!(wrapped(line, None), line);
        assert_eq!(wrapped(line, Some(80)), line);
        let two = "  to send  6 messages, 6 requests\n           to the sandbox";
        assert_eq!(wrapped(line, Some(34)), two);
        assert_eq!(wrapped(line, Some(20)), line, "too narrow to be of use");
    }
}
