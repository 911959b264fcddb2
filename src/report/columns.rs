//! The columns of a report, whatever its format: a promise to whoever reads one.

/// The columns of a report; those from `receipt` on are newer than the others.
pub(super) const COLUMNS: [&str; 20] = [
    "line",
    "key",
    "outcome",
    "livedesk_status",
    "error_code",
    "error",
    "attempts",
    "contact_id",
    "conversation_id",
    "message_id",
    "first_attempt_at",
    "settled_at",
    "duration_ms",
    "receipt",
    "receipt_at",
    "receipt_code",
    "receipt_error",
    "replied_at",
    "opted_out",
    "checked_at",
];

/// Older reports have so many of them.
pub(super) const COLUMNS_BEFORE_RECEIPTS: usize = 13;
