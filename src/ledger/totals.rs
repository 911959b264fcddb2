//! Numbers that a ledger answers with.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::receipt::ReceiptTotals;
use crate::state::State;

/// How many rows are where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows by state. A state that nobody is in is absent.
    pub states: BTreeMap<State, u64>,
    /// Deliveries among them that were tried and are no longer on the list.
    pub off_list: u64,
    /// Rows that were left out, by reason.
    pub left_out: BTreeMap<String, u64>,
    /// What failed or is unknown, by state and code; the most frequent first.
    pub errors: Vec<ErrorCount>,
    /// What became of the accepted messages.
    pub receipts: ReceiptTotals,
    /// Accepted messages that were not delivered, by WhatsApp's code; the most frequent first. Their state is `accepted`.
    pub undelivered: Vec<ErrorCount>,
}

/// How many deliveries failed, or are unknown, with one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCount {
    /// `failed` or `unknown`; `accepted` of a message that was not delivered.
    pub state: State,
    /// The code; empty where there is none.
    pub code: String,
    /// The text of one of them.
    pub text: String,
    /// Whether others have another text.
    pub varies: bool,
    /// How many there are.
    pub count: u64,
    /// When the first and the last of them were settled.
    pub settled: Option<(Timestamp, Timestamp)>,
}

impl Totals {
    /// The reason of a delivery that was tried, is pending again, and is no longer on the list.
    pub const GONE: &'static str = "gone";

    /// Rows in a state.
    pub fn of(&self, state: State) -> u64 {
        self.states.get(&state).copied().unwrap_or_default()
    }

    /// All rows.
    pub fn all(&self) -> u64 {
        self.states.values().sum()
    }

    /// Rows of the list as it was last read.
    pub fn on_list(&self) -> u64 {
        self.all().saturating_sub(self.off_list)
    }

    /// Deliveries that were tried and are settled, one way or the other.
    pub fn settled(&self) -> u64 {
        [State::Accepted, State::Failed, State::Unknown].into_iter().map(|state| self.of(state)).sum()
    }
}

/// What keys are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyLookup {
    /// How many are of pending deliveries.
    pub pending: u64,
    /// Those that no delivery has.
    pub missing: Vec<String>,
}

/// What came of an operator's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// So many deliveries are settled.
    All(u64),
    /// Nothing has changed: these keys have no delivery that is unknown.
    NotUnknown(Vec<String>),
}
