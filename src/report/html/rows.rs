//! The records as data for the page's table, written as they come.
//!
//! They are in `<script type="application/json">` elements, which no browser runs, a few thousand rows each, so that
//! the table's script can read them one after the other without freezing the page. Inside such an element only
//! `</script` and `<!--` mean anything, so no `<` of a value is ever written as itself.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde::ser::SerializeSeq;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::report::list_columns::ListColumns;
use crate::report::{Record, time};
use crate::state::State;

/// Rows in one element: some milliseconds of parsing.
const BLOCK: u64 = 5_000;

/// Up to here every row is in the table. More would be a page that opens slowly (this is some 40 MB already).
const EVERY_ROW: u64 = 200_000;

/// Behind [`EVERY_ROW`], as many rows more that somebody has to look at.
const MORE: u64 = 100_000;

/// The rows that are in the page, and how many are not. Nobody disappears in silence: the page says both.
#[derive(Debug)]
pub(super) struct Rows {
    list_columns: ListColumns,
    every_row: u64,
    limit: u64,
    written: u64,
    /// The last line up to which no row was left out; `None` while all are in.
    complete_up_to: Option<u64>,
    left_out: BTreeMap<State, u64>,
    last_line: u64,
}

impl Rows {
    /// With these columns of the list.
    pub(super) const fn of(list_columns: ListColumns) -> Self {
        Self::with_limits(list_columns, EVERY_ROW, MORE)
    }

    pub(super) const fn with_limits(list_columns: ListColumns, every_row: u64, more: u64) -> Self {
        Self {
            list_columns,
            every_row,
            limit: every_row + more,
            written: 0,
            complete_up_to: None,
            left_out: BTreeMap::new(),
            last_line: 0,
        }
    }

    pub(super) fn add(&mut self, record: &Record, output: &mut impl Write) -> io::Result<()> {
        if self.written >= self.limit || (self.written >= self.every_row && !needs_attention(record.outcome)) {
            self.complete_up_to.get_or_insert(self.last_line);
            *self.left_out.entry(record.outcome).or_default() += 1;
            return Ok(());
        }
        if self.written.is_multiple_of(BLOCK) {
            self.close(output)?;
            output.write_all(b"<script type=\"application/json\" class=\"records\">[\n")?;
        } else {
            output.write_all(b",\n")?;
        }
        self.written += 1;
        self.last_line = record.line.unwrap_or(self.last_line);
        let cells = Cells { record, list_columns: &self.list_columns };
        cells.serialize(&mut Serializer::with_formatter(output, Harmless))?;
        Ok(())
    }

    pub(super) fn finish(&self, output: &mut impl Write) -> io::Result<()> {
        self.close(output)
    }

    /// The columns of the list that each row has.
    pub(super) const fn list_columns(&self) -> &ListColumns {
        &self.list_columns
    }

    /// Rows in the page.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// Rows that are not in the page, by outcome.
    pub(super) const fn left_out(&self) -> &BTreeMap<State, u64> {
        &self.left_out
    }

    /// The last line before the first row that is not in the page.
    pub(super) const fn complete_up_to(&self) -> Option<u64> {
        self.complete_up_to
    }

    fn close(&self, output: &mut impl Write) -> io::Result<()> {
        if self.written > 0 { output.write_all(b"\n]</script>\n") } else { Ok(()) }
    }
}

/// Whether somebody has to look at rows with this outcome.
pub(super) const fn needs_attention(outcome: State) -> bool {
    matches!(outcome, State::Failed | State::Unknown | State::Claimed)
}

/// A row of the table: the columns of the CSV report, in its order, and after them those of the list. Ids are texts: a
/// script's numbers end at 53 bits.
struct Cells<'a> {
    record: &'a Record,
    list_columns: &'a ListColumns,
}

impl Serialize for Cells<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { record, list_columns } = self;
        let id = |id: Option<u64>| id.map(|id| id.to_string());
        let mut cells = serializer.serialize_seq(None)?;
        cells.serialize_element(&record.line)?;
        cells.serialize_element(&record.key)?;
        cells.serialize_element(record.outcome.word())?;
        cells.serialize_element(&record.livedesk_status)?;
        cells.serialize_element(&record.error_code)?;
        cells.serialize_element(&record.error)?;
        cells.serialize_element(&record.attempts)?;
        cells.serialize_element(&id(record.contact_id))?;
        cells.serialize_element(&id(record.conversation_id))?;
        cells.serialize_element(&id(record.message_id))?;
        cells.serialize_element(&record.first_attempt_at.map(time))?;
        cells.serialize_element(&record.settled_at.map(time))?;
        cells.serialize_element(&record.duration_ms)?;
        let receipt = &record.receipt;
        cells.serialize_element(&receipt.receipt)?;
        cells.serialize_element(&receipt.receipt_at.map(time))?;
        cells.serialize_element(&receipt.receipt_code)?;
        cells.serialize_element(&receipt.receipt_error)?;
        cells.serialize_element(&receipt.replied_at.map(time))?;
        cells.serialize_element(&receipt.opted_out)?;
        cells.serialize_element(&receipt.checked_at.map(time))?;
        for text in list_columns.texts(record) {
            cells.serialize_element(&text)?;
        }
        cells.end()
    }
}

/// Compact JSON without the characters that mean something to HTML, end a line to a script, or make the file's source
/// look like another.
struct Harmless;

const fn is_risky(c: char) -> bool {
    matches!(c, '<' | '>' | '&' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut from = 0;
        for (at, risky) in fragment.match_indices(is_risky) {
            writer.write_all(&fragment.as_bytes()[from..at])?;
            for c in risky.chars() {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
            from = at + risky.len();
        }
        writer.write_all(&fragment.as_bytes()[from..])
    }
}
