//! The result report: one record for each row of the list, in its order.
//!
//! Pure: records in, bytes out. Where they come from (the ledger) and where they go (files) is others' business.

mod columns;
mod csv;
mod filter;
mod html;
mod jsonl;
mod list_columns;
mod plan;
mod read_back;

use std::borrow::Cow;
use std::io::{self, Write};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::json_schema;
use crate::receipt::{OptOut, Receipt, ReceiptState};
use crate::recipients::Row;
use crate::specification::ReportFormat;
use crate::state::{PastOutcome, State};
pub use filter::Filter;
pub use html::{hash, visible};
pub use plan::{Circumstances, PlanFormat, PlanWriter, PlannedRow};
pub use read_back::{Messaged, for_each_messaged};

/// The outcome of one row of the list. The same fields, in this order, are the columns of the CSV report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(
    title = "campaign report",
    description = "One line of a JSON Lines report: the outcome of one row of the list."
)]
pub struct Record {
    /// The line of the list on which the row begins, counted from 1; null if the recipient is no longer on the list.
    pub line: Option<u64>,
    /// The recipient's key, the same in every run; empty if an invalid row has none.
    pub key: String,
    /// The outcome.
    pub outcome: State,
    /// LiveDesk's status of the message: `sent` means saved and queued there, not yet delivered.
    pub livedesk_status: Option<String>,
    /// A WhatsApp code such as `131047`, or a word such as `http-404`, `timeout`, `duplicate`.
    pub error_code: Option<String>,
    /// The reason in words.
    pub error: Option<String>,
    /// Number of requests to send the message.
    pub attempts: u32,
    /// The contact that was created or found.
    pub contact_id: Option<u64>,
    /// The conversation that was created.
    pub conversation_id: Option<u64>,
    /// The message that was created.
    pub message_id: Option<u64>,
    /// Time of the first attempt (RFC 3339, UTC).
    #[schemars(with = "Option<String>")]
    #[serde(serialize_with = "with_milliseconds")]
    pub first_attempt_at: Option<Timestamp>,
    /// Time when the outcome was known (RFC 3339, UTC).
    #[schemars(with = "Option<String>")]
    #[serde(serialize_with = "with_milliseconds")]
    pub settled_at: Option<Timestamp>,
    /// Milliseconds from the first attempt to the outcome.
    pub duration_ms: Option<u64>,
    /// How it had ended before, the first time first. A report has it in `error`.
    #[serde(skip)]
    pub earlier: Vec<PastOutcome>,
    /// The row of the list, if it was asked for and is known.
    #[serde(skip)]
    pub row: Option<Row>,
    /// What became of the message after LiveDesk accepted it.
    #[serde(flatten)]
    pub receipt: ReceiptColumns,
}

/// What became of an accepted message. Empty where it was not accepted, and until somebody has looked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReceiptColumns {
    /// Whether it arrived: `none` if there was no receipt until `track.until`.
    pub receipt: Option<ReceiptState>,
    /// When that was first seen (RFC 3339, UTC).
    #[schemars(with = "Option<String>")]
    #[serde(serialize_with = "with_milliseconds")]
    pub receipt_at: Option<Timestamp>,
    /// WhatsApp's code, where it was not delivered.
    pub receipt_code: Option<String>,
    /// The reason in words, where it was not delivered.
    pub receipt_error: Option<String>,
    /// When the recipient first replied, by LiveDesk's clock (RFC 3339, UTC).
    #[schemars(with = "Option<String>")]
    #[serde(serialize_with = "with_milliseconds")]
    pub replied_at: Option<Timestamp>,
    /// Whether the recipient wants no more messages; `maybe` where a person should read the reply.
    pub opted_out: Option<OptOut>,
    /// When somebody last looked (RFC 3339, UTC).
    #[schemars(with = "Option<String>")]
    #[serde(serialize_with = "with_milliseconds")]
    pub checked_at: Option<Timestamp>,
}

impl ReceiptColumns {
    /// `is_closed`: nobody will look again.
    pub fn new(receipt: Receipt, is_closed: bool) -> Self {
        let word = receipt.state(is_closed);
        let Receipt { seen, replied_at, opted_out, checked_at, is_gone } = receipt;
        let (at, code, error) = seen.map_or((None, None, None), |seen| (Some(seen.at), seen.code, seen.error));
        let gone =
            (is_gone && word == Some(ReceiptState::None)).then(|| "LiveDesk no longer has the message".to_owned());
        Self {
            receipt: word,
            receipt_at: at,
            receipt_code: code,
            receipt_error: error.or(gone),
            replied_at,
            opted_out,
            checked_at,
        }
    }
}

/// A time as every report prints it: RFC 3339, UTC, always with milliseconds.
fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn with_milliseconds<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(time).serialize(serializer)
}

impl Record {
    /// The record as a report shows it: how it had ended before is in `error`.
    fn shown(&self) -> Cow<'_, Self> {
        if self.earlier.is_empty() {
            return Cow::Borrowed(self);
        }
        let texts: Vec<String> = self.error.iter().cloned().chain(self.earlier.iter().map(in_words)).collect();
        Cow::Owned(Self { error: Some(texts.join("; ")), earlier: Vec::new(), ..self.clone() })
    }

    /// The JSON Schema of one line of a JSON Lines report.
    pub fn json_schema() -> Value {
        let mut schema = json_schema::of::<Record>(json_schema::Null::Allowed);
        schema["properties"][jsonl::LIST] = json!({
            "type": "object",
            "description": "The columns of the list that the report was asked to show, by their names.",
        });
        schema
    }
}

/// `earlier failed, 131047: too late (sent again 2026-11-25T10:00:00Z: she wrote)`.
fn in_words(past: &PastOutcome) -> String {
    let PastOutcome { outcome, error_code, error, action, at, note } = past;
    let reason = error_code.as_deref().zip(error.as_deref()).map(|(code, text)| format!(", {}", with_code(code, text)));
    let note = note.as_ref().map(|note| format!(": {note}"));
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("earlier {outcome}{} ({} {at}{})", reason.unwrap_or_default(), action.word(), note.unwrap_or_default())
}

/// A failure's code and text. WhatsApp's texts begin with the code.
fn with_code(code: &str, text: &str) -> String {
    if text.starts_with(code) { text.to_owned() } else { format!("{code}: {text}") }
}

/// What is at the head of a report for people.
#[derive(Debug, Clone)]
pub struct About {
    /// The campaign's name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// When the report was written.
    pub written_at: Timestamp,
    /// Columns of the list that it shows in front of its own.
    pub list_columns: Vec<String>,
}

/// A report being written: takes the records in the order of the list.
pub trait Writer {
    /// Adds a record.
    ///
    /// # Errors
    /// The output's.
    fn add(&mut self, record: &Record) -> io::Result<()>;

    /// Writes what is left.
    ///
    /// # Errors
    /// The output's.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Begins a report of a kind.
///
/// # Errors
/// The output's.
pub fn writer<'a>(kind: ReportFormat, about: About, output: impl Write + 'a) -> io::Result<Box<dyn Writer + 'a>> {
    Ok(match kind {
        ReportFormat::Csv => Box::new(csv::Csv::new(output, about.list_columns)?),
        ReportFormat::Jsonl => Box::new(jsonl::Jsonl::new(output, about.list_columns)),
        ReportFormat::Html => Box::new(html::Html::new(output, about)?),
    })
}
