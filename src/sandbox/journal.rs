//! The journal: one JSON line per request, on disk before the answer leaves.
//!
//! It is the witness in "did anybody get it twice?": what the client believes can be held against what the server saw.
//! Headers are never part of a line, so no credentials can be.

use std::io::{self, Write};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};

/// One request, as the journal shows it.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
    /// When the request's head had been read: RFC 3339, UTC, microseconds.
    pub at: String,
    /// The same, in microseconds since the server started, by a clock that never goes back.
    pub t_us: u64,
    /// What kind of request it is, in the words of a script's `on`; `null` for an unknown route.
    pub kind: Option<&'static str>,
    pub method: &'a str,
    pub path: &'a str,
    /// The query as it was sent, still encoded.
    pub query: Option<&'a str>,
    /// JSON as it was sent; `{fields, attachments}` of a form; text of anything else.
    pub body: Value,
    /// Whether the sandbox did what was asked: for a message, whether it now exists.
    pub accepted: bool,
    /// The HTTP status that is about to be answered; `null` when the connection is closed instead.
    pub status: Option<u16>,
    /// The ids that were given or addressed: `contact_id`, `conversation_id`, `message_id`.
    pub answer: &'a Map<String, Value>,
    /// Which fault of the script was played, counted from 0.
    pub fault: Option<usize>,
    /// Something that was taken but that the sender will not have wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<&'static str>,
}

/// Writes entries, numbered in the order in which they were answered.
pub(super) struct Journal(Mutex<Open>);

struct Open {
    out: Box<dyn Write + Send>,
    seq: u64,
}

impl Journal {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(Open { out, seq: 0 }))
    }

    /// Writes and flushes one line.
    pub(super) fn write(&self, entry: &Entry<'_>) -> io::Result<()> {
        // Only the number is given under the lock, so that concurrent requests are put into text in parallel:
        // `{"seq":7,` and then the entry without its opening brace.
        let rest = serde_json::to_string(entry)?;
        let mut open = self.0.lock();
        open.seq += 1;
        let line = format!("{{\"seq\":{},{}\n", open.seq, rest.strip_prefix('{').unwrap_or(&rest));
        open.out.write_all(line.as_bytes())?;
        open.out.flush()
    }
}
