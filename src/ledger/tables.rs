//! What a ledger holds, table by table, for copies from one kind to another. The tables of all kinds have these columns.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Text,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Text(String),
}

impl Cell {
    /// The number, if it is one.
    pub(super) const fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A table, and its columns in the order in which their cells travel.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
}

/// What travels from one ledger to another.
#[derive(Debug)]
pub(super) enum Chunk {
    Rows(Batch),
    /// Everything was sent: whoever does not get it has not got all.
    End,
}

/// Rows of a table on their way.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) table: &'static Table,
    pub(super) rows: Vec<Vec<Cell>>,
}

/// Rows that travel together.
pub(super) const BATCH: usize = 1_000;

/// Batches that wait to be taken at most.
pub(super) const BATCHES_ON_THE_WAY: usize = 4;

use Kind::{Integer, Text};

/// The tables; each refers only to those before it.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "campaign",
        columns: &[
            ("name", Text),
            ("spec", Text),
            ("vars", Text),
            ("enrolment", Integer),
            ("run", Integer),
            ("last_request_at", Integer),
        ],
    },
    Table { name: "columns", columns: &[("id", Integer), ("names", Text)] },
    Table {
        name: "delivery",
        columns: &[
            ("id", Integer),
            ("key", Text),
            ("line", Integer),
            ("enrolment", Integer),
            ("first_enrolment", Integer),
            ("changed_in", Integer),
            ("columns", Integer),
            ("cells", Text),
            ("state", Text),
            ("run", Integer),
            ("attempts", Integer),
            ("contact_id", Integer),
            ("conversation_id", Integer),
            ("made_for", Text),
            ("sent_as", Text),
            ("again", Integer),
            ("message_id", Integer),
            ("livedesk_status", Text),
            ("error_code", Text),
            ("error", Text),
            ("first_attempt_at", Integer),
            ("claimed_at", Integer),
            ("left_at", Integer),
            ("settled_at", Integer),
        ],
    },
    Table {
        name: "left_out",
        columns: &[
            ("line", Integer),
            ("key", Text),
            ("reason", Text),
            ("detail", Text),
            ("columns", Integer),
            ("cells", Text),
        ],
    },
    Table {
        name: "history",
        columns: &[
            ("delivery", Integer),
            ("at", Integer),
            ("outcome", Text),
            ("error_code", Text),
            ("error", Text),
            ("message_id", Integer),
            ("claimed_at", Integer),
            ("word", Text),
            ("note", Text),
        ],
    },
    Table {
        name: "receipt",
        columns: &[
            ("delivery", Integer),
            ("conversation_id", Integer),
            ("contact_id", Integer),
            ("message_id", Integer),
            ("accepted_at", Integer),
            ("look_at", Integer),
            ("status", Text),
            ("status_at", Integer),
            ("code", Text),
            ("error", Text),
            ("replied_at", Integer),
            ("opted_out", Text),
            ("checked_at", Integer),
            ("is_gone", Integer),
        ],
    },
    Table {
        name: "proof",
        columns: &[
            ("id", Integer),
            ("at", Integer),
            ("sent_by", Text),
            ("line", Integer),
            ("key", Text),
            ("address", Text),
            ("state", Text),
            ("left_at", Integer),
            ("conversation_id", Integer),
            ("message_id", Integer),
            ("livedesk_status", Text),
            ("error_code", Text),
            ("error", Text),
        ],
    },
    Table { name: "canary", columns: &[("after_run", Integer), ("verdict", Text)] },
    Table { name: "tracking", columns: &[("complete_until", Integer)] },
    Table { name: "attachment", columns: &[("path", Text), ("hash", Text)] },
];
