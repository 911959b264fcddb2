//! A plan as a file: one line for each row of the list, with what a run would do with it and why.

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::{Record, in_words, time, with_code, with_milliseconds};
use crate::codes::{self, Remedy};
use crate::humanize::duration;
use crate::recipients::guarded;
use crate::state::{SkipReason, State};

/// The columns of a plan; those that a report has as well mean the same there.
const COLUMNS: [&str; 8] = ["line", "key", "action", "reason", "outcome", "error_code", "attempts", "settled_at"];

/// What a plan is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanFormat {
    /// Comma-separated, with a header.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

impl PlanFormat {
    /// By file ending. `None` for others.
    pub fn by_ending(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "jsonl" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// What a run would do with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// It sends a message.
    Send,
    /// Nothing this time; a later run sends the message.
    Wait,
    /// It refuses to begin because of this row.
    Stop,
    /// It leaves the row out.
    Skip,
    /// Nothing: an earlier run has settled it.
    None,
}

impl Action {
    const fn word(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Wait => "wait",
            Self::Stop => "stop",
            Self::Skip => "skip",
            Self::None => "none",
        }
    }
}

/// What is known of a row beside its record.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// Whether a run with these options would be for it.
    pub is_selected: bool,
    /// Whether rows with problems keep the run from beginning.
    pub is_stopped: bool,
}

/// A row of the list and what a run would do with it.
#[derive(Debug, Serialize)]
pub struct PlannedRow {
    line: Option<u64>,
    key: String,
    action: Action,
    reason: String,
    outcome: State,
    error_code: Option<String>,
    attempts: u32,
    #[serde(serialize_with = "with_milliseconds")]
    settled_at: Option<Timestamp>,
}

impl PlannedRow {
    /// What a run would do with the row of a record.
    pub fn of(record: Record, circumstances: Circumstances) -> Self {
        let (action, reason) = action(&record, circumstances);
        let Record { line, key, outcome, error_code, attempts, settled_at, .. } = record;
        Self { line, key, action, reason, outcome, error_code, attempts, settled_at }
    }
}

fn action(record: &Record, Circumstances { is_selected, is_stopped }: Circumstances) -> (Action, String) {
    let error = || match (&record.error_code, &record.error) {
        (Some(code), Some(error)) => format!(" with {}", with_code(code, error)),
        (Some(code), None) => format!(" with {code}"),
        _ => String::new(),
    };
    let since = record.settled_at.map(|at| format!(" at {}", time(at))).unwrap_or_default();
    match record.outcome {
        State::Pending if is_stopped => {
            (Action::Wait, "nothing is sent until the rows with `stop` are right".to_owned())
        }
        State::Pending if !is_selected => (Action::Wait, "not selected by `--only` or `--limit`".to_owned()),
        State::Pending if record.earlier.is_empty() => (Action::Send, "not sent yet".to_owned()),
        State::Pending => {
            let earlier: Vec<String> = record.earlier.iter().map(in_words).collect();
            (Action::Send, earlier.join("; "))
        }
        State::Claimed => (Action::None, "in flight: another run is sending it".to_owned()),
        State::Accepted => (Action::None, format!("already accepted{since}")),
        State::Failed => {
            let advice = retry_advice(record.error_code.as_deref().unwrap_or_default());
            (Action::None, format!("failed{since}{}; {advice}", error()))
        }
        State::Unknown => (Action::None, format!("unknown{since}{}; `campaign resolve` decides", error())),
        State::Skipped => {
            let is_invalid = record.error_code.as_deref() == Some(SkipReason::INVALID);
            let text = record.error.clone().unwrap_or_default();
            match (is_invalid, is_stopped) {
                (true, true) => (Action::Stop, format!("invalid: {text}")),
                (true, false) => (Action::Skip, format!("invalid: {text}")),
                (false, _) => (Action::Skip, text),
            }
        }
    }
}

/// Whether a retry can help, by what the failure's code means.
fn retry_advice(code: &str) -> String {
    match codes::remedy(code) {
        Remedy::Never => "a retry cannot help".to_owned(),
        Remedy::ChangeMessage => "correct the row or the spec, then retry with `--retry-failed`".to_owned(),
        Remedy::AfterFix => "fix the cause, then retry with `--retry-failed`".to_owned(),
        Remedy::Later(wait) => {
            format!("retry with `--retry-failed`, {} after it failed at the earliest", duration(wait))
        }
    }
}

/// A plan being written: takes the rows in the order of the list.
#[derive(Debug)]
pub struct PlanWriter<W: Write>(Output<W>);

#[derive(Debug)]
enum Output<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Jsonl(W),
}

impl<W: Write> PlanWriter<W> {
    /// Begins a plan.
    ///
    /// # Errors
    /// The output's.
    pub fn new(format: PlanFormat, output: W) -> io::Result<Self> {
        Ok(Self(match format {
            PlanFormat::Csv => {
                let mut output = csv::Writer::from_writer(output);
                output.write_record(COLUMNS)?;
                Output::Csv(Box::new(output))
            }
            PlanFormat::Jsonl => Output::Jsonl(output),
        }))
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The output's.
    pub fn add(&mut self, row: &PlannedRow) -> io::Result<()> {
        match &mut self.0 {
            Output::Csv(output) => Ok(output.write_record([
                row.line.map(|line| line.to_string()).unwrap_or_default().as_str(),
                &guarded(&row.key),
                row.action.word(),
                &guarded(&row.reason),
                row.outcome.word(),
                &guarded(row.error_code.as_deref().unwrap_or_default()),
                &row.attempts.to_string(),
                &row.settled_at.map(time).unwrap_or_default(),
            ])?),
            Output::Jsonl(output) => {
                serde_json::to_writer(&mut *output, row)?;
                output.write_all(b"\n")
            }
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The output's.
    pub fn finish(self) -> io::Result<()> {
        match self.0 {
            Output::Csv(mut output) => output.flush(),
            Output::Jsonl(mut output) => output.flush(),
        }
    }
}
