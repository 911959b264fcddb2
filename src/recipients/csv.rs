//! CSV and its kin.

use std::io::Read;

use serde_json::Value;

use super::encoding::{Utf8, unreadable};
use super::header::{Header, MAX_COLUMNS, too_many_columns};
use super::quotes::{MAX_RECORD_BYTES, Quotes};
use super::tally::Tally;
use super::{ListOptions, Row, RowError, RowSource, Rows, delimiter, empty, formula_guard, is_invisible, unguarded};
use crate::problem::{Place, Problem};
use crate::specification::Format;

const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// Bytes that the reader takes at a time.
const CHUNK: usize = 64 * 1024;

/// Gives each cell of each line, header or not, ragged or not: for lists that are looked up rather than sent to.
pub(super) fn cells(
    input: impl Read,
    options: &ListOptions<'_>,
    mut each: impl FnMut(u64, &str),
) -> Result<(), Vec<Problem>> {
    let (mut table, _) = Table::open(input, options)?;
    while table.advance().map_err(|problem| vec![problem])? {
        let line = table.line();
        // A line of one field may be one whose delimiter was not found: nobody on it may be missed.
        match (table.record.len(), table.record.get(0)) {
            (1, Some(cell)) => cell.split(DELIMITERS).for_each(|part| each(line, part)),
            _ => table.record.iter().for_each(|cell| each(line, cell)),
        }
    }
    Ok(())
}

pub(super) fn read(input: impl Read + Send + 'static, options: &ListOptions<'_>) -> Result<Rows, Vec<Problem>> {
    let (mut table, mut notes) = Table::open(input, options)?;
    let mut blank = Tally::default();
    loop {
        if !table.advance().map_err(|problem| vec![problem])? {
            return Err(empty(options.name));
        }
        if !table.is_blank() {
            break;
        }
        blank.see(table.line());
    }
    if table.record.len() > MAX_COLUMNS {
        return Err(too_many_columns(options.name, table.line(), table.record.len()));
    }
    if table.has_stray_quote {
        return Err(vec![stray_quote(options.name, table.line())]);
    }
    let names: Vec<String> = table.record.iter().map(str::to_owned).collect();
    let mut header = Header::of(&names, options.name, table.line())?;
    notes.append(&mut header.notes);
    let (warnings, repeated) = (std::mem::take(&mut header.warnings), std::mem::take(&mut header.repeated));
    let columns = Some(header.columns.clone());
    let is_report = formula_guard::is_report(header.columns.names());
    if is_report {
        notes.push("a report of this program: apostrophes in front of formulas are removed".to_owned());
    }
    let rows = Records { table, header, is_report, blank, swallowed: Tally::default() };
    Ok(Rows { columns, notes, repeated, warnings, rows: Box::new(rows) })
}

/// Records of text, header or not, ragged or not.
struct Table<R> {
    reader: csv::Reader<Quotes<Utf8<R>>>,
    record: csv::StringRecord,
    file: String,
    delimiter: u8,
    /// Whether the record has text after a closing quote.
    has_stray_quote: bool,
    /// Nothing that comes after what ended the list is read.
    broken: bool,
}

impl<R: Read> Table<R> {
    /// The table, with what was found out about how it is written.
    fn open(input: R, options: &ListOptions<'_>) -> Result<(Self, Vec<String>), Vec<Problem>> {
        let cannot_read = |error| vec![unreadable(options.name, &error)];
        let mut text = Utf8::new(input, options.encoding).map_err(cannot_read)?;
        let mut notes: Vec<String> = text.note().into_iter().collect();
        let beginning = text.peek().map_err(cannot_read)?;
        no_table(options.name, beginning)?;
        let declared = delimiter::declared(beginning);
        let delimiter = match (options.delimiter, declared, options.format) {
            (Some(delimiter), ..) | (None, Some(delimiter), _) => delimiter,
            (None, None, Format::Tsv) => b'\t',
            (None, None, _) => delimiter::detect(beginning),
        };
        if delimiter != b',' && options.format == Format::Csv {
            notes.push(format!("delimiter {:?}", char::from(delimiter)));
        }
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(CHUNK)
            .from_reader(Quotes::new(text, delimiter));
        let file = options.name.to_owned();
        let mut table =
            Self { reader, record: csv::StringRecord::new(), file, delimiter, has_stray_quote: false, broken: false };
        if declared.is_some() {
            table.advance().map_err(|problem| vec![problem])?;
        }
        Ok((table, notes))
    }

    /// Reads the next record; `false` at the end, after which nothing is read.
    fn advance(&mut self) -> Result<bool, Problem> {
        if self.broken {
            return Ok(false);
        }
        let result = self.reader.read_record(&mut self.record);
        if let Some(line) = self.reader.get_ref().too_long() {
            self.broken = true;
            return Err(too_long(&self.file, line));
        }
        if let Some(line) = self.reader.get_ref().never_closed() {
            self.broken = true;
            return Err(unclosed(&self.file, line));
        }
        // The reader is given more than one record at a time: those before are as good as any.
        if let Some(line) = self.reader.get_ref().torn().filter(|line| self.reader.position().line() > *line) {
            self.broken = true;
            return Err(closed_by_another(&self.file, line));
        }
        let end = self.reader.position().byte();
        self.has_stray_quote = self.reader.get_mut().take_strays_before(end);
        result.map_err(|error| {
            self.broken = true;
            match error.kind() {
                csv::ErrorKind::Io(error) => unreadable(&self.file, error),
                _ => Problem::error(
                    "list-unreadable",
                    Place::file(&self.file),
                    format!("the list cannot be read: {error}"),
                ),
            }
        })
    }

    /// The line on which the record begins. The reader's own count begins before the blank lines that it passes over,
    /// and, where lines end with `\r\n`, before the `\n` of the line before.
    fn line(&self) -> u64 {
        let end = self.reader.position();
        let own = memchr::memchr_iter(b'\n', self.record.as_slice().as_bytes()).count() as u64;
        let last = u64::from(self.reader.get_ref().is_line_feed_before(end.byte()));
        end.line().saturating_sub(own + last).max(1)
    }

    /// A line of nothing but delimiters and spaces, which spreadsheets leave behind.
    fn is_blank(&self) -> bool {
        // Where the delimiter is not known yet, it is in the cells.
        self.record.iter().all(|cell| cell.chars().all(|c| is_invisible(c) || DELIMITERS.contains(&c)))
    }
}

struct Records<R> {
    table: Table<R>,
    header: Header,
    /// Its cells are guarded against being run as formulas.
    is_report: bool,
    blank: Tally,
    swallowed: Tally,
}

impl<R: Read> Iterator for Records<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.table.advance() {
                Err(problem) => return Some(Err(RowError::List(problem))),
                Ok(false) => return None,
                Ok(true) if self.table.is_blank() => self.blank.see(self.table.line()),
                Ok(true) => return Some(self.row()),
            }
        }
    }
}

impl<R: Read> Records<R> {
    fn row(&mut self) -> Result<Row, RowError> {
        if holds_rows(&self.table.record, char::from(self.table.delimiter)) {
            self.swallowed.see(self.table.line());
        }
        let (line, record, header) = (self.table.line(), &self.table.record, &self.header);
        if self.table.has_stray_quote {
            return Err(RowError::Row(stray_quote(&self.table.file, line)));
        }
        // What follows the last name is most often the rest of a field with a delimiter in it.
        let is_empty_behind =
            || record.iter().skip(header.required()).all(|cell| cell.trim_matches(is_invisible).is_empty());
        if (header.required()..=header.width).contains(&record.len()) && is_empty_behind() {
            let text = |at: &usize| record.get(*at).unwrap_or_default();
            let cell = |at: &usize| Value::from(if self.is_report { unguarded(text(at)) } else { text(at) });
            let cells = header.positions.iter().map(cell).collect();
            return Ok(Row::new(line, header.columns.clone(), cells));
        }
        let fields = |count: usize| if count == 1 { "1 field".to_owned() } else { format!("{count} fields") };
        let what = format!("the header has {}, but this row has a different number", fields(header.required()));
        let hint = if header.width == 1 {
            "is the first line a title? The first line must be the column names"
        } else {
            "a field with a delimiter or a line break in it must be in double quotes"
        };
        let problem = Problem::error("ragged-row", Place::line(&self.table.file, line), what);
        Err(RowError::Row(problem.detail(fields(record.len())).hint(hint)))
    }
}

impl<R: Read + Send> RowSource for Records<R> {
    fn warnings(&self) -> Vec<Problem> {
        let file = &self.table.file;
        let text = self.table.reader.get_ref().input();
        let about_rows = [blank_rows(file, &self.blank), rows_in_a_field(file, &self.swallowed)];
        about_rows.into_iter().flatten().chain(text.warnings(file)).collect()
    }
}

/// Rows that name nobody. Lines without a single character are not counted.
fn blank_rows(file: &str, seen: &Tally) -> Option<Problem> {
    let what = match seen.count {
        0 => return None,
        1 => "1 row is empty and ignored".to_owned(),
        count => format!("{count} rows are empty and ignored, this one first"),
    };
    let hint = "spreadsheets often leave empty rows; delete them if nobody is missing";
    Some(Problem::warning("blank-rows", Place::line(file, seen.first_line), what).hint(hint))
}

fn rows_in_a_field(file: &str, seen: &Tally) -> Option<Problem> {
    let what = match seen.count {
        0 => return None,
        1 => "a quoted field of this row contains lines that look like rows of the list".to_owned(),
        count => {
            format!("quoted fields of {count} rows, this one first, contain lines that look like rows of the list")
        }
    };
    let hint = "is a closing quote missing? Recipients inside the field get no message, and this row's recipient would \
         see them";
    Some(Problem::warning("rows-in-a-field", Place::line(file, seen.first_line), what).hint(hint))
}

/// Whether a field holds further lines that are like a row: as many fields, and a first one like the row's own.
fn holds_rows(record: &csv::StringRecord, delimiter: char) -> bool {
    if memchr::memchr(b'\n', record.as_slice().as_bytes()).is_none() {
        return false;
    }
    let own = record.get(0).and_then(|cell| shape(cell.lines().next()?));
    let is_row = |line: &str, behind: usize| {
        let mut fields = line.split(delimiter);
        let first = fields.next().and_then(shape);
        let more = fields.count();
        first.is_some() && first == own && more > 0 && 1 + more + behind == record.len()
    };
    record.iter().enumerate().any(|(at, cell)| {
        let mut lines = cell.lines().skip(1).peekable();
        std::iter::from_fn(|| lines.next().map(|line| (line, lines.peek().is_none())))
            // The last line goes on with the fields that follow.
            .any(|(line, last)| is_row(line, if last { record.len() - 1 - at } else { 0 }))
    })
}

/// What ids, numbers and addresses of one column have in common: `usr_17` and `usr_4` are both `a_9`. `None` for mere
/// words, which are alike anywhere.
fn shape(text: &str) -> Option<String> {
    let mut shape = String::new();
    for c in text.trim().chars() {
        let kind = match c {
            _ if c.is_ascii_digit() => '9',
            _ if c.is_alphabetic() => 'a',
            _ => c,
        };
        if !shape.ends_with(kind) || !kind.is_alphanumeric() {
            shape.push(kind);
        }
    }
    shape.contains(['9', '@']).then_some(shape)
}

/// Texts that people take for a table, by how they begin: each of their lines would be a problem of its own.
fn no_table(file: &str, beginning: &str) -> Result<(), Vec<Problem>> {
    let start: String = beginning.trim_start().chars().take(15).collect::<String>().to_ascii_lowercase();
    let begins = |with: &[&str]| with.iter().any(|with| start.starts_with(with));
    let (what, hint) = if begins(&["<!doctype", "<html", "<?xml"]) {
        ("HTML or XML", "is this a web page instead of the list? Export the list as CSV in UTF-8")
    } else if begins(&["[{", "{\"", "[\n", "{\n"]) {
        ("JSON", "write one object per line (`jq -c '.[]'`), in a file that ends with `.jsonl`")
    } else {
        return Ok(());
    };
    Err(vec![Problem::error("not-a-table", Place::file(file), format!("the list is {what}, not CSV")).hint(hint)])
}

fn unclosed(file: &str, line: u64) -> Problem {
    Problem::error("open-quote", Place::line(file, line), "a quote opens on this line and is never closed")
        .hint("close it, or double it (`\"\"`) if it belongs to the text")
}

fn closed_by_another(file: &str, line: u64) -> Problem {
    let what = "a quote opens on this line and is closed lines below, where another field seems to open";
    Problem::error("open-quote", Place::line(file, line), what)
        .hint("close it, or double it (`\"\"`) if it belongs to the text: otherwise all rows in between are one field")
}

fn too_long(file: &str, line: u64) -> Problem {
    let what = format!("a row of more than {} MiB", MAX_RECORD_BYTES / 1024 / 1024);
    Problem::error("line-too-long", Place::line(file, line), what)
        .hint("each row is one recipient; is this the right file, and does it use line feeds?")
}

fn stray_quote(file: &str, line: u64) -> Problem {
    let what = "text follows a closing quote, so the fields of this row cannot be told apart";
    Problem::error("stray-quote", Place::line(file, line), what)
        .hint("inside a quoted field write each quote twice: `\"5\"\" pipe\"`")
}
