//! The rows of a sheet, one after the other, as they are in its part: nothing is kept of those before.

use std::io::BufRead;

use quick_xml::events::BytesStart;

use super::cell::{Cell, CellKind};
use super::error::WorkbookError;
use super::workbook::Workbook;
use super::xml::{Node, Xml, attribute, is_set};
use crate::recipients::header::MAX_COLUMNS;

/// Rows that a sheet of Excel has.
pub(super) const MAX_ROWS: u64 = 1_048_576;

/// Cells that a sheet may have, empty ones included: nothing but their number says how long they take to read.
const MAX_CELLS: u64 = 50_000_000;

/// A row of a sheet.
#[derive(Debug)]
pub(super) struct SheetRow {
    /// Its number, counted from 1.
    pub(super) line: u64,
    /// Whether it is hidden: by hand, by a filter, or in a group that is closed.
    pub(super) hidden: bool,
    /// Its cells from column A on, as many as hold something.
    pub(super) cells: Vec<Cell>,
}

/// The part of a sheet, from which rows are read.
pub(super) struct SheetRows<R> {
    xml: Xml<R>,
    /// The number of the row that was read last.
    line: u64,
    rows: u64,
    cells: u64,
    /// Columns that are hidden, as ranges of positions.
    pub(super) hidden_columns: Vec<(usize, usize)>,
}

impl<R: BufRead> SheetRows<R> {
    /// Reads what is before the rows.
    pub(super) fn open(mut xml: Xml<R>) -> Result<Self, WorkbookError> {
        let mut hidden_columns = Vec::new();
        loop {
            match xml.next()? {
                Node::Start(start) => match start.local_name().as_ref() {
                    "sheetData" => return Ok(Self { xml, line: 0, rows: 0, cells: 0, hidden_columns }),
                    "col" if is_set(&start, "hidden") => hidden_columns.extend(columns(&start)),
                    _ => {}
                },
                Node::Eof => return Err(WorkbookError::Unsupported("its sheet has no rows")),
                _ => {}
            }
        }
    }

    /// The next row; `None` after the last.
    pub(super) fn next(&mut self, workbook: &Workbook) -> Result<Option<SheetRow>, WorkbookError> {
        loop {
            self.xml.begin_element();
            match self.xml.next()? {
                Node::Start(start) if start.local_name().as_ref() == "row" => {
                    self.line = attribute(&start, "r").and_then(|line| line.parse().ok()).unwrap_or(self.line + 1);
                    self.rows += 1;
                    if self.rows > MAX_ROWS || self.line > MAX_ROWS {
                        return Err(WorkbookError::TooMany("more rows than a sheet of Excel can have"));
                    }
                    let hidden = is_set(&start, "hidden");
                    let cells = self.cells(workbook)?;
                    return Ok(Some(SheetRow { line: self.line, hidden, cells }));
                }
                // The end of the rows.
                Node::End => return Ok(None),
                Node::Eof => return Err(WorkbookError::Damaged),
                _ => {}
            }
        }
    }

    /// The part itself, of which all rows were read.
    pub(super) fn part(&mut self) -> &mut R {
        self.xml.get_mut()
    }

    fn cells(&mut self, workbook: &Workbook) -> Result<Vec<Cell>, WorkbookError> {
        let (mut cells, mut next) = (Vec::new(), 0);
        loop {
            match self.xml.next()? {
                Node::Start(start) if start.local_name().as_ref() == "c" => {
                    let at = attribute(&start, "r").and_then(|name| position(&name)).unwrap_or(next);
                    next = at + 1;
                    self.cells += 1;
                    if self.cells > MAX_CELLS {
                        return Err(WorkbookError::TooMany("more than 50 million cells"));
                    }
                    if next > MAX_COLUMNS {
                        return Err(WorkbookError::TooMany("more columns than a sheet of Excel can have"));
                    }
                    let cell = CellKind::of(&start).read(&mut self.xml, workbook)?;
                    if cell != Cell::Empty {
                        cells.resize(next.max(cells.len()), Cell::Empty);
                        cells[at] = cell;
                    }
                }
                Node::Start(_) => _ = self.xml.text()?,
                Node::End => return Ok(cells),
                Node::Eof => return Err(WorkbookError::Damaged),
                Node::Text(_) | Node::Other => {}
            }
        }
    }
}

/// The first and the last position of a `col` element, which counts from 1.
fn columns(col: &BytesStart<'_>) -> Option<(usize, usize)> {
    let number = |name| attribute(col, name).and_then(|number| number.parse::<usize>().ok());
    Some((number("min")?.checked_sub(1)?, number("max")?.checked_sub(1)?))
}

/// The position of the column in a cell's name: 27 for `AB12`.
fn position(name: &str) -> Option<usize> {
    let letters = name.bytes().take_while(u8::is_ascii_alphabetic);
    let number =
        letters.take(4).fold(0, |number, letter| number * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1);
    number.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::position;

    #[test]
    fn cells_know_their_columns() {
        for (name, at) in
            [("A1", Some(0)), ("Z9", Some(25)), ("AA1", Some(26)), ("XFD1048576", Some(16_383)), ("7", None)]
        {
            assert_eq!(position(name), at, "{name}");
        }
    }
}
