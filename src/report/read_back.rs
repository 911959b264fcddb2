//! Reads back from a report who was sent to: where the ledger is lost or older, the report may be the only one who knows.
//!
//! Only what this program writes is understood. Anything else at a report's path is no report, and says nothing.

use std::io::{self, BufRead};

use serde_json::Value;

use super::columns::{COLUMNS, COLUMNS_BEFORE_RECEIPTS};
use crate::recipients::unguarded;
use crate::specification::ReportFormat;

/// How sure a report is that somebody was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Messaged {
    /// `accepted` or `unknown`: nothing but a person's word changes that.
    Settled,
    /// `claimed`: the message was about to leave when the report was written. Its claim may have been withdrawn since.
    InFlight,
}

/// Calls `each` with the key of everyone who was sent to, or may have been.
///
/// # Errors
/// The file cannot be read.
pub fn for_each_messaged(
    kind: ReportFormat,
    input: impl BufRead,
    mut each: impl FnMut(&str, Messaged),
) -> io::Result<()> {
    let mut row = |key: &str, outcome: &str| match outcome {
        "accepted" | "unknown" => each(key, Messaged::Settled),
        "claimed" => each(key, Messaged::InFlight),
        _ => {}
    };
    match kind {
        ReportFormat::Csv => csv(input, row),
        ReportFormat::Jsonl => json(input, |line| {
            let text = |name: &str| line.get(name).and_then(Value::as_str);
            // What has an action is a line of a plan.
            if let (Some(key), Some(outcome), None) = (text("key"), text("outcome"), line.get("action")) {
                row(key, outcome);
            }
        }),
        // The page has one array of cells a line, in the order of the CSV report's own columns; the list's come after them.
        ReportFormat::Html => json(input, |line| {
            let text = |at: usize| line.get(at).and_then(Value::as_str);
            if let (Some(key), Some(outcome)) = (text(1), text(2)) {
                row(key, outcome);
            }
        }),
    }
}

fn csv(input: impl BufRead, mut row: impl FnMut(&str, &str)) -> io::Result<()> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let ours = match reader.headers() {
        Ok(header) => {
            let ends_with = |columns: &[&str]| {
                let at = header.len().checked_sub(columns.len())?;
                header.iter().skip(at).eq(columns.iter().copied()).then_some(at)
            };
            ends_with(&COLUMNS).or_else(|| ends_with(&COLUMNS[..COLUMNS_BEFORE_RECEIPTS]))
        }
        Err(error) => return only_io(error),
    };
    // Columns of the list may be in front of ours.
    let Some(ours) = ours else { return Ok(()) };
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {
                if let (Some(key), Some(outcome)) = (record.get(ours + 1), record.get(ours + 2)) {
                    row(unguarded(key), outcome);
                }
            }
            Ok(false) => return Ok(()),
            // A row that cannot be read says nothing; what follows does.
            Err(error) => only_io(error)?,
        }
    }
}

fn only_io(error: csv::Error) -> io::Result<()> {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Err(error),
        _ => Ok(()),
    }
}

fn json(mut input: impl BufRead, mut each: impl FnMut(&Value)) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = line.trim_ascii();
        let text = text.strip_suffix(b",").unwrap_or(text);
        if let Some(b'{' | b'[') = text.first()
            && let Ok(value) = serde_json::from_slice(text)
        {
            each(&value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{About, ReceiptColumns, Record, writer};
    use crate::state::State;

    #[test]
    fn every_kind_of_report_says_who_was_sent_to() {
        let record = |key: &str, outcome| Record {
            line: Some(2),
            key: key.to_owned(),
            outcome,
            livedesk_status: None,
            error_code: None,
            error: None,
            attempts: 1,
            contact_id: None,
            conversation_id: None,
            message_id: None,
            first_attempt_at: None,
            settled_at: None,
            duration_ms: None,
            earlier: Vec::new(),
            row: None,
            receipt: ReceiptColumns::default(),
        };
        let records = [
            record("=1+1", State::Accepted),
            record("+4915123456789", State::Unknown),
            record("</script>, \"b\"", State::Claimed),
            record("nobody", State::Failed),
            record("later", State::Pending),
        ];
        let kinds = [ReportFormat::Csv, ReportFormat::Jsonl, ReportFormat::Html];
        let columns = [vec![], vec!["key".to_owned(), "Name".to_owned()]];
        for (kind, list_columns) in kinds.into_iter().flat_map(|kind| columns.clone().map(|columns| (kind, columns))) {
            let written_at = jiff::Timestamp::UNIX_EPOCH;
            let about = About { name: "c".to_owned(), description: None, written_at, list_columns };
            let mut bytes = Vec::new();
            let mut writer = writer(kind, about, &mut bytes).unwrap();
            for record in &records {
                writer.add(record).unwrap();
            }
            writer.finish().unwrap();
            let mut keys = Vec::new();
            for_each_messaged(kind, bytes.as_slice(), |key, how| keys.push((key.to_owned(), how))).unwrap();
            let wanted = [
                ("=1+1", Messaged::Settled),
                ("+4915123456789", Messaged::Settled),
                ("</script>, \"b\"", Messaged::InFlight),
            ];
            assert_eq!(keys, wanted.map(|(key, how)| (key.to_owned(), how)), "{kind:?}");
        }
    }

    #[test]
    fn another_file_says_nothing() {
        for (kind, text) in [
            (ReportFormat::Csv, "a,key,outcome\n1,x,accepted\n"),
            (ReportFormat::Jsonl, "[1,2]\nx"),
            (ReportFormat::Html, "<p>"),
        ] {
            for_each_messaged(kind, text.as_bytes(), |key, _| assert_eq!(key, "nobody")).unwrap();
        }
    }
}
