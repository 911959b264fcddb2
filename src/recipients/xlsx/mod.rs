//! Excel workbooks: one sheet, the first visible one unless it is named, its first row naming the columns.
//!
//! A workbook is a ZIP archive of XML. `package` unpacks its parts and `xml` reads them as streams with bounds;
//! `workbook` knows sheets, texts (`strings`) and how numbers are shown (`number_format`); `rows` reads row after row,
//! `cell` what each cell holds. Only the texts are kept in memory.

mod error;
mod cell;
mod number_format;
mod package;
mod rows;
mod strings;
mod workbook;
mod xml;

use std::io::Read;

use memchr::memmem;

use self::cell::Cell;
use self::error::WorkbookError;
use self::package::{Package, Part, Spool, spool};
use self::rows::{SheetRow, SheetRows};
use self::workbook::{SheetName, Workbook};
use super::header::Header;
use super::tally::Tally;
use super::{Flaw, ListOptions, Row, RowError, RowSource, Rows, empty};
use crate::problem::{Place, Problem};

/// Bytes of a file by which it is known what it is.
const BEGINNING: u64 = 64 * 1024;

/// An old or locked workbook says further back which of the two it is.
const OLD_WORKBOOK: u64 = 16 * 1024 * 1024;

/// With these bytes an old or locked workbook begins.
const OLD: &[u8] = b"\xd0\xcf\x11\xe0";

pub(super) fn read(input: impl Read, options: &ListOptions<'_>) -> Result<Rows, Vec<Problem>> {
    let broken = |broken: WorkbookError| vec![broken.problem(options.name)];
    let mut sheet = Sheet::open(input, options.name, options.sheet)?;
    let first = loop {
        match sheet.next().map_err(broken)? {
            None => return Err(empty(options.name)),
            Some(row) if row.cells.iter().all(Cell::is_blank) => {}
            Some(row) => break row,
        }
    };
    if first.hidden {
        sheet.hidden.see(first.line);
    }
    // A table may begin at any column.
    let begin = first.cells.iter().position(|cell| !cell.is_blank()).unwrap_or_default();
    let names: Vec<String> = first.cells.into_iter().skip(begin).map(Cell::into_text).collect();
    let mut header = Header::of(&names, options.name, first.line)?;
    header.positions.iter_mut().for_each(|at| *at += begin);
    header.width += begin;
    let hidden = hidden_columns(&header, &sheet.rows.hidden_columns);
    let notes = sheet.note.take().into_iter().chain(std::mem::take(&mut header.notes)).chain(hidden).collect();
    let (warnings, repeated) = (std::mem::take(&mut header.warnings), std::mem::take(&mut header.repeated));
    let columns = Some(header.columns.clone());
    let rows = Records { sheet, header, beyond: Tally::default(), broken: false };
    Ok(Rows { columns, notes, repeated, warnings, rows: Box::new(rows) })
}

/// Gives each cell of the sheet with its line.
pub(super) fn cells(input: impl Read, name: &str, mut each: impl FnMut(u64, &str)) -> Result<(), Vec<Problem>> {
    let mut sheet = Sheet::open(input, name, None)?;
    while let Some(SheetRow { line, cells, .. }) = sheet.next().map_err(|broken| vec![broken.problem(name)])? {
        for (at, cell) in cells.into_iter().enumerate() {
            match cell {
                // A cell is known by its column, so the empty ones count.
                Cell::Empty => each(line, ""),
                Cell::Flawed(kind, _) => {
                    let flaw = Flaw { column: at, kind };
                    return Err(vec![flaw.problem(Place::line(name, line), &(at + 1).to_string())]);
                }
                cell => each(line, &cell.into_text()),
            }
        }
    }
    Ok(())
}

/// The sheet that is read.
struct Sheet {
    rows: SheetRows<Part<Spool>>,
    workbook: Workbook,
    /// Which sheet it is, where there are several.
    note: Option<String>,
    hidden: Tally,
}

impl Sheet {
    fn open(mut input: impl Read, name: &str, wanted: Option<&str>) -> Result<Self, Vec<Problem>> {
        let mut beginning = Vec::new();
        let cannot_read = |error| vec![WorkbookError::Io(error).problem(name)];
        input.by_ref().take(BEGINNING).read_to_end(&mut beginning).map_err(cannot_read)?;
        if beginning.starts_with(OLD) {
            input.by_ref().take(OLD_WORKBOOK).read_to_end(&mut beginning).map_err(cannot_read)?;
        }
        no_workbook(&beginning, name).map_or(Ok(()), |problem| Err(vec![problem]))?;
        let sheet = Self::of(&beginning, input, wanted).map_err(|broken| vec![broken.problem(name)])?;
        sheet.ok_or_else(|| empty(name))
    }

    fn of(beginning: &[u8], input: impl Read, wanted: Option<&str>) -> Result<Option<Self>, WorkbookError> {
        let mut package = Package::open(spool(beginning, input)?)?;
        let workbook = Workbook::read(&mut package)?;
        let Some(sheet) = chosen(&workbook, wanted)?.cloned() else { return Ok(None) };
        let note = (workbook.sheets.len() > 1).then(|| format!("sheet `{}` of {}", sheet.name, workbook.sheets.len()));
        let Some(part) = package.into_part(&sheet.part)? else { return Ok(None) };
        let rows = SheetRows::open(part)?;
        Ok(Some(Self { rows, workbook, note, hidden: Tally::default() }))
    }

    fn next(&mut self) -> Result<Option<SheetRow>, WorkbookError> {
        let row = self.rows.next(&self.workbook)?;
        if row.is_none() {
            self.rows.part().verify()?;
        }
        Ok(row)
    }
}

/// The sheet of that name; the first visible one if nobody names one.
fn chosen<'w>(workbook: &'w Workbook, wanted: Option<&str>) -> Result<Option<&'w SheetName>, WorkbookError> {
    let sheets = &workbook.sheets;
    let Some(wanted) = wanted else { return Ok(sheets.iter().find(|sheet| !sheet.hidden).or(sheets.first())) };
    // Excel itself takes names for the same that differ in case alone.
    let is_wanted = |sheet: &&SheetName| sheet.name.to_lowercase() == wanted.to_lowercase();
    sheets.iter().find(is_wanted).map(Some).ok_or_else(|| WorkbookError::NoSuchSheet {
        wanted: wanted.to_owned(),
        names: sheets.iter().map(|sheet| sheet.name.clone()).collect(),
    })
}

/// The rows below the header.
struct Records {
    sheet: Sheet,
    header: Header,
    /// Rows with something to the right of the last column that has a name.
    beyond: Tally,
    broken: bool,
}

impl Iterator for Records {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.broken {
                return None;
            }
            match self.sheet.next() {
                Ok(None) => {
                    self.broken = true;
                    return None;
                }
                Ok(Some(row)) => {
                    let holds_something = |from, to| row.cells.iter().take(to).skip(from).any(|cell| !cell.is_blank());
                    if holds_something(self.header.required(), usize::MAX) {
                        self.beyond.see(row.line);
                    }
                    if holds_something(0, self.header.required()) {
                        return Some(Ok(self.row(row)));
                    }
                }
                Err(broken) => {
                    self.broken = true;
                    return Some(Err(RowError::List(broken.problem(&self.header.file))));
                }
            }
        }
    }
}

impl Records {
    fn row(&mut self, SheetRow { line, hidden, mut cells }: SheetRow) -> Row {
        if hidden {
            self.sheet.hidden.see(line);
        }
        let mut flaws = Vec::new();
        let values = self.header.positions.iter().enumerate().map(|(column, at)| {
            let cell = cells.get_mut(*at).map_or(Cell::Empty, |cell| std::mem::replace(cell, Cell::Empty));
            let (value, flaw) = cell.into_value();
            flaws.extend(flaw.map(|kind| Flaw { column, kind }));
            value
        });
        let values = values.collect();
        Row { flaws, ..Row::new(line, self.header.columns.clone(), values) }
    }
}

impl RowSource for Records {
    fn warnings(&self) -> Vec<Problem> {
        let file = &self.header.file;
        [hidden_rows(file, &self.sheet.hidden), beyond_the_header(file, &self.beyond)].into_iter().flatten().collect()
    }
}

/// Whoever is filtered out in a spreadsheet is in the file all the same.
fn hidden_rows(file: &str, seen: &Tally) -> Option<Problem> {
    let what = match seen.count {
        0 => return None,
        1 => "1 hidden row of the sheet is read too".to_owned(),
        count => format!("{count} hidden rows of the sheet are read too, this one first"),
    };
    let hint = "if a filter hides people who must not be messaged, delete these rows or use `recipients.where`";
    Some(Problem::warning("hidden-rows", Place::line(file, seen.first_line), what).hint(hint))
}

fn beyond_the_header(file: &str, seen: &Tally) -> Option<Problem> {
    let what = match seen.count {
        0 => return None,
        1 => "1 row has cells to the right of the last named column, which are ignored".to_owned(),
        count => {
            format!("{count} rows, this one first, have cells to the right of the last named column, which are ignored")
        }
    };
    let problem = Problem::warning("cells-beyond-the-header", Place::line(file, seen.first_line), what);
    Some(problem.hint("give the column a name if they matter"))
}

fn hidden_columns(header: &Header, hidden: &[(usize, usize)]) -> Option<String> {
    let is_hidden = |at: usize| hidden.iter().any(|(first, last)| (*first..=*last).contains(&at));
    let columns = header.columns.names().iter().zip(&header.positions);
    let names: Vec<&str> = columns.filter(|(_, at)| is_hidden(**at)).map(|(name, _)| name.as_str()).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("hidden column `{one}` of the sheet is read too")),
        [one, ..] => Some(format!("{} hidden columns of the sheet are read too, `{one}` first", names.len())),
    }
}

/// Files that are no workbook, whatever their names say.
fn no_workbook(bytes: &[u8], name: &str) -> Option<Problem> {
    const LOCKED: &[u8] = b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0";
    let (what, hint) = if bytes.is_empty() {
        ("the list is empty", "the first line must be the column names")
    } else if bytes.starts_with(b"PK") {
        return None;
    } else if !bytes.starts_with(OLD) {
        ("not a workbook", "set `recipients.format: csv` if it is text with another ending, or save it as .xlsx")
    } else if memmem::find(bytes, LOCKED).is_some() {
        ("the workbook is locked with a password", "save it without one")
    } else {
        ("this is an old workbook (.xls)", "save it as .xlsx")
    };
    let code = if bytes.is_empty() { "list-empty" } else { "not-a-workbook" };
    Some(Problem::error(code, Place::file(name), what).hint(hint))
}
