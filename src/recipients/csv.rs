//! CSV and its kin.

use std::io::{self, Read};
use std::sync::Arc;

use serde_json::Value;

use super::encoding::{Utf8, unreadable};
use super::{Columns, Row, Rows, Unreadable, Written, empty, header};
use crate::problem::{Place, Problem};
use crate::spec::Format;

/// Gives each cell of each line, header or not, ragged or not: for lists that are looked up rather than sent to.
pub(super) fn cells(
    input: impl Read,
    written: &Written<'_>,
    mut each: impl FnMut(u64, &str),
) -> Result<(), Vec<Problem>> {
    let cannot_read = |error: &io::Error| vec![unreadable(written.name, error)];
    let mut text = Utf8::new(input, written.encoding).map_err(|error| cannot_read(&error))?;
    let delimiter = detect_delimiter(text.peek().map_err(|error| cannot_read(&error))?);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text);
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| vec![problem(written.name, &error, 0)])? {
        let line = record.position().map_or(0, csv::Position::line);
        record.iter().for_each(|cell| each(line, cell));
    }
    Ok(())
}

pub(super) fn read(input: impl Read + Send + 'static, written: &Written<'_>) -> Result<Rows, Vec<Problem>> {
    let cannot_read = |error: &io::Error| vec![unreadable(written.name, error)];
    let mut text = Utf8::new(input, written.encoding).map_err(|error| cannot_read(&error))?;
    let delimiter = match (written.delimiter, written.format) {
        (Some(delimiter), _) => delimiter,
        (None, Format::Tsv) => b'\t',
        (None, _) => detect_delimiter(text.peek().map_err(|error| cannot_read(&error))?),
    };
    let mut notes: Vec<String> = text.note().into_iter().collect();
    if !matches!(delimiter, b',') && written.format == Format::Csv {
        notes.push(format!("delimiter {:?}", char::from(delimiter)));
    }
    let text = Quotes::new(text, delimiter);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(true).from_reader(text);
    let names = reader
        .headers()
        .map(|header| header.iter().map(str::to_owned).collect::<Vec<_>>())
        .map_err(|error| vec![problem(written.name, &error, 0)])?;
    if names.is_empty() {
        return Err(empty(written.name));
    }
    let line = reader.position().line().saturating_sub(1).max(1);
    let columns = header(&names, written.name, line)?;
    let file = written.name.to_owned();
    let rows = Records { reader, record: csv::StringRecord::new(), columns: columns.clone(), file, broken: false };
    Ok(Rows { columns: Some(columns), notes, rows: Box::new(rows) })
}

/// The candidate that stands most often in the header line, outside of quotes.
fn detect_delimiter(beginning: &str) -> u8 {
    let header = beginning.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for byte in header.bytes() {
        quoted ^= byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(candidate, _)| !quoted && *candidate == byte) {
            *count += 1;
        }
    }
    // The first of equals wins, so a header of one column is read as comma-separated.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| delimiter)
}

struct Records<R> {
    reader: csv::Reader<Quotes<R>>,
    record: csv::StringRecord,
    columns: Arc<Columns>,
    file: String,
    /// Nothing that comes behind what ended the list is read.
    broken: bool,
}

impl<R: Read> Iterator for Records<R> {
    type Item = Result<Row, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        match self.reader.read_record(&mut self.record) {
            Ok(false) => {
                self.reader.get_mut().take_open().map(|line| Err(Unreadable::List(unclosed(&self.file, line))))
            }
            Ok(true) => Some(Ok(Row {
                line: self.record.position().map_or(0, csv::Position::line),
                columns: self.columns.clone(),
                cells: self.record.iter().map(|cell| Value::String(cell.to_owned())).collect(),
            })),
            Err(error) => {
                let problem = problem(&self.file, &error, self.columns.names().len());
                let is_row = matches!(error.kind(), csv::ErrorKind::UnequalLengths { .. });
                self.broken = !is_row;
                Some(Err(if is_row { Unreadable::Row(problem) } else { Unreadable::List(problem) }))
            }
        }
    }
}

/// Watches for a quote that is never closed: the reader would take the rest of the list for one field, and everybody in
/// it would be lost without a word.
struct Quotes<R> {
    input: R,
    delimiter: u8,
    state: Quote,
    line: u64,
    /// The line of the quote that is open.
    opened: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    /// At the beginning of a field, where a quote opens.
    Begin,
    /// In a field without quotes.
    Bare,
    /// Between quotes.
    Open,
    /// Behind a quote that closes, or is the first of a doubled one.
    Closed,
}

impl<R> Quotes<R> {
    const fn new(input: R, delimiter: u8) -> Self {
        Self { input, delimiter, state: Quote::Begin, line: 1, opened: 0 }
    }

    fn see(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (Quote::Begin, b'"') => {
                self.opened = self.line;
                Quote::Open
            }
            (Quote::Open, b'"') => Quote::Closed,
            (Quote::Closed, b'"') | (Quote::Open, _) => Quote::Open,
            (_, b'\n' | b'\r') => Quote::Begin,
            (_, byte) if byte == self.delimiter => Quote::Begin,
            _ => Quote::Bare,
        };
        self.line += u64::from(byte == b'\n');
    }

    /// The line of a quote that is open at the end; told once.
    fn take_open(&mut self) -> Option<u64> {
        let open = self.state == Quote::Open;
        self.state = Quote::Begin;
        open.then_some(self.opened)
    }
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.input.read(buffer)?;
        buffer[..len].iter().for_each(|byte| self.see(*byte));
        Ok(len)
    }
}

fn unclosed(file: &str, line: u64) -> Problem {
    Problem::error("open-quote", Place::line(file, line), "a quote is opened on this line and never closed")
        .hint("close it, or double it (`\"\"`) if it belongs to the text")
}

fn problem(file: &str, error: &csv::Error, columns: usize) -> Problem {
    match error.kind() {
        csv::ErrorKind::Io(error) => unreadable(file, error),
        csv::ErrorKind::UnequalLengths { pos, len, .. } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            let fields = if *len == 1 { "1 field".to_owned() } else { format!("{len} fields") };
            Problem::error(
                "ragged-row",
                Place::line(file, line),
                format!("the header has {columns} fields, and this row another number"),
            )
            .detail(fields)
            .hint("a field with a delimiter or a line break in it must stand in double quotes")
        }
        _ => Problem::error("list-unreadable", Place::file(file), format!("the list cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::detect_delimiter;

    #[test]
    fn the_delimiter_is_what_the_header_line_uses() {
        for (header, delimiter) in [
            ("a,b,c\n1;2;3", b','),
            ("a;b;c\n", b';'),
            ("\n\na\tb\n", b'\t'),
            ("a|b", b'|'),
            ("\"last, first\";phone\n", b';'),
            ("phone\n", b','),
            ("", b','),
        ] {
            assert_eq!(detect_delimiter(header), delimiter, "{header:?}");
        }
    }
}
