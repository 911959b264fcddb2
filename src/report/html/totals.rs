//! What is kept of the records while they pass: counts, and one text for each reason. Bounded, whatever the list.

use std::collections::BTreeMap;

use crate::humanize::shortened;
use crate::report::Record;
use crate::state::State;

/// Reasons that are told apart. Servers have some dozens of codes; more would be texts in their place.
const REASONS: usize = 200;

/// Longest text that is kept of a code and of an example, in characters.
const CODE: usize = 80;
const EXAMPLE: usize = 300;

/// Counts of one group of rows, and what one of them says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) count: u64,
    pub(super) example: String,
}

/// The sums of a report.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// Rows by outcome. An outcome that no row has is absent.
    pub(super) outcomes: BTreeMap<State, u64>,
    /// Rows with a reason, by outcome and code; an empty code stands for none.
    pub(super) reasons: BTreeMap<(State, String), Reason>,
    /// Rows whose codes came when [`REASONS`] were known already.
    pub(super) other_reasons: BTreeMap<State, Reason>,
    /// Accepted rows by LiveDesk's own word.
    pub(super) statuses: BTreeMap<String, u64>,
    /// Rows of recipients who are no longer on the list.
    pub(super) off_list: u64,
    /// Rows whose message was requested more than once.
    pub(super) tried_again: u64,
}

impl Totals {
    pub(super) fn add(&mut self, record: &Record) {
        *self.outcomes.entry(record.outcome).or_default() += 1;
        self.off_list += u64::from(record.line.is_none());
        if record.attempts > 1 {
            self.tried_again += 1;
        }
        if record.outcome == State::Accepted {
            self.add_status(record.livedesk_status.as_deref().unwrap_or_default());
        }
        let needs_one = matches!(record.outcome, State::Failed | State::Unknown | State::Skipped);
        if needs_one || record.error_code.is_some() || record.error.is_some() {
            let reason = self.reason(record.outcome, record.error_code.as_deref().unwrap_or_default());
            reason.count += 1;
            if reason.example.is_empty() {
                reason.example = shortened(record.error.as_deref().unwrap_or_default(), EXAMPLE).into_owned();
            }
        }
    }

    /// Rows of an outcome.
    pub(super) fn of(&self, outcome: State) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }

    /// All rows.
    pub(super) fn rows(&self) -> u64 {
        self.outcomes.values().sum()
    }

    fn reason(&mut self, outcome: State, code: &str) -> &mut Reason {
        let key = (outcome, shortened(code, CODE).into_owned());
        if self.reasons.len() < REASONS || self.reasons.contains_key(&key) {
            self.reasons.entry(key).or_default()
        } else {
            self.other_reasons.entry(outcome).or_default()
        }
    }

    fn add_status(&mut self, status: &str) {
        let status = shortened(status, CODE).into_owned();
        let known = self.statuses.len() < REASONS || self.statuses.contains_key(&status);
        *self.statuses.entry(if known { status } else { "other".to_owned() }).or_default() += 1;
    }
}
