//! What the page says, in the shape in which its template asks for it.

use std::collections::BTreeMap;
use std::error::Error;

use jiff::Timestamp;
use serde::Serialize;
use url::form_urlencoded::Serializer as Query;

use super::rows::{self, Rows};
use super::throughput::{STACK, Throughput};
use super::totals::{Reason, Totals};
use crate::codes;
use crate::humanize::changes_direction;
use crate::report::columns::COLUMNS;
use crate::state::{SkipReason, State};

/// The outcomes in the order in which people ask for them.
const OUTCOMES: [State; 6] =
    [State::Accepted, State::Failed, State::Unknown, State::Skipped, State::Pending, State::Claimed];

/// The outcomes in the order in which people ask for their reasons.
const REASONED: [State; 6] =
    [State::Failed, State::Unknown, State::Skipped, State::Pending, State::Claimed, State::Accepted];

/// Sizes of the plot for a desk and for a phone, so that its words are readable on both.
const DESK: (u32, u32) = (960, 260);
const PHONE: (u32, u32) = (360, 220);

#[derive(Debug, Serialize)]
pub(super) struct Page {
    rows: u64,
    /// Rows by the word of their outcome; every word is there.
    of: BTreeMap<&'static str, u64>,
    outcomes: Vec<OutcomeLine>,
    statuses: Vec<(String, u64)>,
    reasons: Vec<ReasonGroup>,
    duplicates: u64,
    tried_again: u64,
    off_list: u64,
    throughput: Option<Plot>,
    by_hand: u64,
    table: Table,
}

#[derive(Debug, Serialize)]
struct OutcomeLine {
    word: &'static str,
    count: u64,
    share: String,
    /// Where its part of the bar begins and how wide it is.
    bar: (String, String),
}

#[derive(Debug, Serialize)]
struct ReasonGroup {
    outcome: &'static str,
    count: u64,
    reasons: Vec<ReasonLine>,
}

#[derive(Debug, Serialize)]
struct ReasonLine {
    /// `None` for what was not told apart.
    code: Option<String>,
    example: String,
    count: u64,
    share: String,
    width: String,
    /// The fragment under which the table shows these rows.
    link: Option<String>,
}

#[derive(Debug, Serialize)]
struct Plot {
    desk: String,
    phone: String,
    bucket: String,
    from: String,
    to: String,
    most: u64,
    most_at: String,
    words: [&'static str; STACK.len()],
    buckets: Vec<(String, [u64; STACK.len()])>,
}

#[derive(Debug, Serialize)]
struct TableColumn {
    name: String,
    /// Its place among the cells of a row.
    at: usize,
}

#[derive(Debug, Serialize)]
struct Table {
    columns: Vec<TableColumn>,
    written: u64,
    left_out: Vec<(&'static str, u64)>,
    left_out_rows: u64,
    complete_up_to: Option<u64>,
    /// Whether even rows that somebody has to look at are left out.
    full: bool,
}

impl Page {
    pub(super) fn new(
        sums: &Totals,
        throughput: &Throughput,
        rows: &Rows,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let duplicate = (State::Skipped, SkipReason::Duplicate { first_line: 0 }.word().to_owned());
        let mut statuses: Vec<_> = sums.statuses.clone().into_iter().collect();
        statuses.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(Self {
            rows: sums.rows(),
            of: OUTCOMES.map(|outcome| (outcome.word(), sums.of(outcome))).into(),
            outcomes: outcome_lines(sums),
            statuses,
            reasons: REASONED.into_iter().filter_map(|outcome| reason_group(sums, outcome)).collect(),
            duplicates: sums.reasons.get(&duplicate).map_or(0, |reason| reason.count),
            tried_again: sums.tried_again,
            off_list: sums.off_list,
            throughput: plot(throughput)?,
            by_hand: throughput.by_hand(),
            table: Table {
                columns: table_columns(rows),
                written: rows.written(),
                left_out: rows.left_out().iter().map(|(outcome, count)| (outcome.word(), *count)).collect(),
                left_out_rows: rows.left_out().values().sum(),
                complete_up_to: rows.complete_up_to(),
                full: rows.left_out().keys().any(|outcome| rows::needs_attention(*outcome)),
            },
        })
    }
}

/// The columns of the list in front of our own. Among the cells of a row ours come first.
fn table_columns(rows: &Rows) -> Vec<TableColumn> {
    let of_list = rows.list_columns().headings().zip(COLUMNS.len()..);
    let ours = COLUMNS.into_iter().zip(0..).map(|(name, at)| TableColumn { name: name.to_owned(), at });
    of_list.map(|(name, at)| TableColumn { name: name.into_owned(), at }).chain(ours).collect()
}

fn outcome_lines(sums: &Totals) -> Vec<OutcomeLine> {
    let counts = OUTCOMES.map(|outcome| sums.of(outcome));
    let mut before = 0;
    let lines = OUTCOMES.into_iter().zip(counts).map(|(outcome, count)| {
        let bar = (width(before, sums.rows()), width(count, sums.rows()));
        before += count;
        OutcomeLine { word: outcome.word(), count, share: share(count, sums.rows()), bar }
    });
    lines.collect()
}

fn reason_group(sums: &Totals, outcome: State) -> Option<ReasonGroup> {
    let known = sums.reasons.iter().filter(|((of, _), _)| *of == outcome);
    let known = known.map(|((_, code), reason)| (Some(code.as_str()), reason));
    let other = sums.other_reasons.get(&outcome).map(|reason| (None, reason));
    let mut reasons: Vec<_> = known.chain(other).collect();
    reasons.sort_by_key(|(code, reason)| (code.is_none(), std::cmp::Reverse(reason.count)));
    let count = reasons.iter().map(|(_, reason)| reason.count).sum();
    let most = reasons.iter().map(|(_, reason)| reason.count).max()?;
    let line = |(code, reason): (Option<&str>, &Reason)| ReasonLine {
        code: code.map(ToOwned::to_owned),
        example: in_plain_words(code, &reason.example),
        count: reason.count,
        share: share(reason.count, sums.rows()),
        width: width(reason.count, most),
        link: code.and_then(|code| link(outcome, code)),
    };
    Some(ReasonGroup { outcome: outcome.word(), count, reasons: reasons.into_iter().map(line).collect() })
}

/// What a code means, where that is known, and what the server said about one of its rows.
fn in_plain_words(code: Option<&str>, example: &str) -> String {
    match code.and_then(codes::meaning) {
        Some(meaning) => format!("{} ({}); for example: {example}", meaning.words, meaning.responsibility.words()),
        None => example.to_owned(),
    }
}

/// The fragment that makes the table show these rows. `None` where the search has no words for the code.
fn link(outcome: State, code: &str) -> Option<String> {
    if code.contains('"') || code.ends_with('…') {
        return None;
    }
    let search = format!("error_code:\"{code}\"");
    let search = if code.contains(char::is_whitespace) || code.is_empty() { search } else { search.replace('"', "") };
    let query = Query::new(String::new()).append_pair("outcome", outcome.word()).append_pair("q", &search).finish();
    Some(format!("#{query}"))
}

fn plot(throughput: &Throughput) -> Result<Option<Plot>, Box<dyn Error + Send + Sync>> {
    let (Some(desk), Some(phone)) = (throughput.plot(DESK)?, throughput.plot(PHONE)?) else { return Ok(None) };
    let buckets: Vec<_> = throughput.buckets().map(|(at, counts)| (moment(at), *counts)).collect();
    let highest = buckets.iter().rev().max_by_key(|(_, counts)| counts.iter().sum::<u64>());
    let (most_at, most) = highest.map(|(at, counts)| (at.clone(), counts.iter().sum())).unwrap_or_default();
    Ok(Some(Plot {
        desk,
        phone,
        bucket: span(throughput.width()),
        from: buckets.first().map(|(at, _)| at.clone()).unwrap_or_default(),
        to: buckets.last().map(|(at, _)| at.clone()).unwrap_or_default(),
        most,
        most_at,
        words: STACK.map(|(outcome, _)| outcome.word()),
        buckets,
    }))
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Seconds in words.
fn span(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if count == 1 { unit.to_owned() } else { format!("{count} {unit}s") }
}

/// A share in tenths of a percent, rounded.
fn tenths(count: u64, all: u64) -> u64 {
    let exact = (u128::from(count) * 2000 + u128::from(all)) / (2 * u128::from(all.max(1)));
    u64::try_from(exact).unwrap_or(1000)
}

/// The width of a bar: true to the share, however small that is.
fn width(count: u64, all: u64) -> String {
    format!("{:.4}%", count as f64 * 100.0 / all.max(1) as f64)
}

/// A share in words: what is not nothing is never called 0 %, and what is not all never 100 %.
pub(super) fn share(count: u64, all: u64) -> String {
    match tenths(count, all) {
        _ if count == 0 => "0\u{a0}%".to_owned(),
        _ if count == all => "100\u{a0}%".to_owned(),
        0 => "<\u{a0}0.1\u{a0}%".to_owned(),
        1000 => ">\u{a0}99.9\u{a0}%".to_owned(),
        tenths => format!("{}.{}\u{a0}%", tenths / 10, tenths % 10),
    }
}

/// The text with every control and direction override written out: what a person sees is what is there.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = (c.is_control() && c != '\n') || changes_direction(c);
        if hidden { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}
