//! What became of accepted messages, as far as somebody has looked, and how long after they were accepted it was seen.

use std::collections::BTreeMap;

use serde::Serialize;

use super::totals::Reason;
use super::view::{share, width};
use crate::codes;
use crate::humanize::shortened;
use crate::receipt::{OptOut, ReceiptState};
use crate::report::Record;
use crate::state::State;

/// Ends of the spans that are told apart, in seconds after a message was accepted, and their words. Most receipts come within
/// seconds and the last after days, so the spans grow.
const SPANS: [(i64, &str); 9] = [
    (10, "10 seconds"),
    (60, "1 minute"),
    (300, "5 minutes"),
    (900, "15 minutes"),
    (3_600, "1 hour"),
    (21_600, "6 hours"),
    (86_400, "1 day"),
    (259_200, "3 days"),
    (i64::MAX, "later"),
];

/// What is counted in each span, in the order of a bar.
const SEEN: [(ReceiptState, &str); 3] =
    [(ReceiptState::Read, "read"), (ReceiptState::Delivered, "delivered"), (ReceiptState::Failed, "undelivered")];

/// Codes that are told apart.
const CODES: usize = 50;
const EXAMPLE: usize = 300;

/// Sums of receipts.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    by_state: BTreeMap<ReceiptState, u64>,
    /// Nobody has looked, or nothing is known yet.
    open: u64,
    replied: u64,
    opted_out: u64,
    maybe_opted_out: u64,
    is_tracked: bool,
    by_age: [[u64; SEEN.len()]; SPANS.len()],
    codes: BTreeMap<String, Reason>,
}

/// What the page says of them.
#[derive(Debug, Serialize)]
pub(super) struct ReceiptSection {
    delivered: u64,
    read: u64,
    arrived: u64,
    undelivered: u64,
    no_receipt: u64,
    open: u64,
    replied: u64,
    opted_out: u64,
    maybe_opted_out: u64,
    reasons: Vec<UndeliveredLine>,
    words: [&'static str; SEEN.len()],
    spans: Vec<SpanLine>,
}

#[derive(Debug, Serialize)]
struct UndeliveredLine {
    code: String,
    words: String,
    count: u64,
    share: String,
}

#[derive(Debug, Serialize)]
struct SpanLine {
    until: &'static str,
    counts: [u64; SEEN.len()],
    /// The word of each part of the bar, where it begins, and how wide it is.
    parts: Vec<(&'static str, String, String)>,
    /// The share of all accepted messages that had arrived by then.
    arrived: String,
}

impl Receipts {
    pub(super) fn add(&mut self, record: &Record) {
        if record.outcome != State::Accepted {
            return;
        }
        let receipt = &record.receipt;
        self.is_tracked |= receipt.checked_at.is_some();
        self.replied += u64::from(receipt.replied_at.is_some());
        self.opted_out += u64::from(receipt.opted_out == Some(OptOut::Yes));
        self.maybe_opted_out += u64::from(receipt.opted_out == Some(OptOut::Maybe));
        match receipt.receipt {
            None | Some(ReceiptState::Sent) => self.open += 1,
            Some(state) => *self.by_state.entry(state).or_default() += 1,
        }
        if receipt.receipt == Some(ReceiptState::Failed) {
            self.add_code(receipt.receipt_code.as_deref(), receipt.receipt_error.as_deref());
        }
        let place = SEEN.iter().position(|(state, _)| receipt.receipt == Some(*state));
        let (Some(place), Some(at), Some(accepted)) = (place, receipt.receipt_at, record.settled_at) else { return };
        // Less than nothing where the clock was set.
        let age = at.duration_since(accepted).as_secs();
        let span = SPANS.iter().position(|(end, _)| age < *end).unwrap_or(SPANS.len() - 1);
        self.by_age[span][place] += 1;
    }

    fn add_code(&mut self, code: Option<&str>, error: Option<&str>) {
        let code = shortened(code.unwrap_or_default(), EXAMPLE).into_owned();
        let is_known = self.codes.len() < CODES || self.codes.contains_key(&code);
        let reason = self.codes.entry(if is_known { code } else { "other codes".to_owned() }).or_default();
        reason.count += 1;
        if reason.example.is_empty() {
            reason.example = shortened(error.unwrap_or_default(), EXAMPLE).into_owned();
        }
    }

    fn of(&self, state: ReceiptState) -> u64 {
        self.by_state.get(&state).copied().unwrap_or_default()
    }

    /// `None` where nobody has looked at any message.
    pub(super) fn section(&self) -> Option<ReceiptSection> {
        let (delivered, read) = (self.of(ReceiptState::Delivered), self.of(ReceiptState::Read));
        let (undelivered, no_receipt) = (self.of(ReceiptState::Failed), self.of(ReceiptState::None));
        self.is_tracked.then(|| ReceiptSection {
            delivered,
            read,
            arrived: delivered + read,
            undelivered,
            no_receipt,
            open: self.open,
            replied: self.replied,
            opted_out: self.opted_out,
            maybe_opted_out: self.maybe_opted_out,
            reasons: self.reasons(undelivered),
            words: SEEN.map(|(_, word)| word),
            spans: self.spans(delivered + read + undelivered + no_receipt + self.open),
        })
    }

    fn reasons(&self, undelivered: u64) -> Vec<UndeliveredLine> {
        let mut reasons: Vec<_> = self.codes.iter().collect();
        reasons.sort_by_key(|(_, reason)| std::cmp::Reverse(reason.count));
        let line = |(code, reason): (&String, &Reason)| UndeliveredLine {
            code: code.clone(),
            words: codes::meaning(code).map_or_else(|| reason.example.clone(), |meaning| meaning.words.to_owned()),
            count: reason.count,
            share: share(reason.count, undelivered),
        };
        reasons.into_iter().map(line).collect()
    }

    /// From the first span to the last one in which anything was seen.
    fn spans(&self, accepted: u64) -> Vec<SpanLine> {
        let sum = |counts: &[u64; SEEN.len()]| counts.iter().sum::<u64>();
        let most = self.by_age.iter().map(sum).max().unwrap_or_default();
        let last = self.by_age.iter().rposition(|counts| sum(counts) > 0);
        let mut arrived = 0;
        let line = |((_, until), counts): (&(i64, &'static str), &[u64; SEEN.len()])| {
            let mut before = 0;
            let parts = SEEN.iter().zip(counts).filter(|(_, count)| **count > 0).map(|((_, word), count)| {
                let from = before;
                before += count;
                (*word, width(from, most), width(*count, most))
            });
            let parts = parts.collect();
            arrived += counts[0] + counts[1];
            SpanLine { until, counts: *counts, parts, arrived: share(arrived, accepted) }
        };
        SPANS.iter().zip(&self.by_age).take(last.map_or(0, |last| last + 1)).map(line).collect()
    }
}
