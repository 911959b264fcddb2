//! CSV that a spreadsheet can open without harm: no cell becomes a formula, and phone numbers stay usable.

use std::io::{self, Write};

use super::columns::COLUMNS;
use super::list_columns::ListColumns;
use super::{Record, Writer, time};
use crate::receipt::{OptOut, ReceiptState};
use crate::recipients::guarded;

pub(super) struct Csv<W: Write> {
    output: csv::Writer<W>,
    list_columns: ListColumns,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(output: W, list_columns: Vec<String>) -> io::Result<Self> {
        let (mut output, list_columns) = (csv::Writer::from_writer(output), ListColumns::new(list_columns));
        for heading in list_columns.headings() {
            output.write_field(guarded(&heading).as_ref())?;
        }
        output.write_record(COLUMNS)?;
        Ok(Self { output, list_columns })
    }
}

impl<W: Write> Writer for Csv<W> {
    fn add(&mut self, record: &Record) -> io::Result<()> {
        let record = record.shown();
        for text in self.list_columns.texts(&record) {
            self.output.write_field(guarded(&text).as_ref())?;
        }
        self.output.write_record([
            or_empty(record.line.as_ref()),
            guarded(&record.key).into_owned(),
            record.outcome.word().to_owned(),
            guarded(record.livedesk_status.as_deref().unwrap_or_default()).into_owned(),
            guarded(record.error_code.as_deref().unwrap_or_default()).into_owned(),
            guarded(record.error.as_deref().unwrap_or_default()).into_owned(),
            record.attempts.to_string(),
            or_empty(record.contact_id.as_ref()),
            or_empty(record.conversation_id.as_ref()),
            or_empty(record.message_id.as_ref()),
            record.first_attempt_at.map(time).unwrap_or_default(),
            record.settled_at.map(time).unwrap_or_default(),
            or_empty(record.duration_ms.as_ref()),
            record.receipt.receipt.map(ReceiptState::word).unwrap_or_default().to_owned(),
            record.receipt.receipt_at.map(time).unwrap_or_default(),
            guarded(record.receipt.receipt_code.as_deref().unwrap_or_default()).into_owned(),
            guarded(record.receipt.receipt_error.as_deref().unwrap_or_default()).into_owned(),
            record.receipt.replied_at.map(time).unwrap_or_default(),
            record.receipt.opted_out.map(OptOut::word).unwrap_or_default().to_owned(),
            record.receipt.checked_at.map(time).unwrap_or_default(),
        ])?;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.output.flush()
    }
}

fn or_empty<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}
