//! A list on its way into the ledger, and what it changed there.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::tracking::RetryUndelivered;
use crate::recipients::Row;
use crate::state::SkipReason;

/// A row of the list on its way into the ledger.
#[derive(Debug)]
pub enum Entry {
    /// Somebody to send to.
    Delivery {
        /// What makes it the same delivery in every run.
        key: String,
        /// The recipient's row.
        row: Row,
        /// The fingerprint of their message, where it is asked whether it has changed.
        message: Option<String>,
    },
    /// Somebody who is left out; kept for the report.
    Skipped {
        /// The row's line.
        line: u64,
        /// Its key, where it has one.
        key: String,
        /// Why.
        reason: SkipReason,
        /// Its cells, for reports that show them; `None` of a row that cannot be read.
        row: Option<Row>,
    },
}

/// A row that turned out to have the key of an earlier one. The ledger has left it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicate {
    /// The row's line.
    pub line: u64,
    /// The line of the row that has the key.
    pub first_line: u64,
}

/// What a reading of the list changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enrolment {
    /// Deliveries that were not known before.
    pub new: u64,
    /// Deliveries that were known.
    pub known: u64,
    /// Known ones that are still pending and whose row has changed.
    pub changed: u64,
    /// Pending ones that the list no longer has; they are forgotten, nothing was sent to them.
    pub gone: u64,
    /// Failed ones that are pending again.
    pub retried: u64,
    /// Whether the list had been read before.
    pub is_reenrolment: bool,
    /// Examples of the changes, if so.
    pub first: Examples,
}

/// So many of what has changed are named.
pub(super) const EXAMPLES: usize = 3;

/// The first few of what a reading of the list changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examples {
    /// Lines of deliveries that were not known before.
    pub new: Vec<u64>,
    /// Lines of known ones whose row has changed.
    pub changed: Vec<u64>,
    /// Keys of those that the list no longer has.
    pub gone: Vec<String>,
}

/// The version of a campaign: what its messages are made from. A later run compares its own with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    /// The spec's text.
    pub spec: String,
    /// The constants in force, as a JSON object.
    pub vars: String,
    /// The hash of each attachment's content, by its path.
    pub attachments: BTreeMap<String, String>,
}

/// Which failed deliveries become pending again. Those with a code that is not in `codes` are left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryRules {
    /// Only these keys; everybody if `None`.
    pub only: Option<Vec<String>>,
    /// By code; the empty one is of failures without a code.
    pub codes: BTreeMap<String, RetryIf>,
    /// Accepted messages that were not delivered, by WhatsApp's code. Whoever has got it, by any look, or may have opted out is never among them.
    pub undelivered: BTreeMap<String, RetryUndelivered>,
}

/// When a failed delivery with a certain code is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryIf {
    /// If it failed at this time or before.
    FailedBy(Timestamp),
    /// If its message is not the one that failed.
    MessageChanged,
}
