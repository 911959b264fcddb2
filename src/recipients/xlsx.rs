//! Excel workbooks: the first sheet that is to be seen, its first row naming the columns.

use std::io::{Cursor, Read};
use std::sync::Arc;

use calamine::{Cell, Data, Range, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use memchr::memmem;
use serde_json::Value;

use super::encoding::unreadable;
use super::header::Header;
use super::{Columns, Flaw, FlawKind, Reading, Row, Rows, Unreadable, Written, empty, is_invisible};
use crate::problem::{Place, Problem};

/// Cells that a sheet may span, empty ones included, for each takes memory: a stray cell in the last row and column of
/// Excel would span seventeen thousand million.
const MOST_CELLS: u64 = 20_000_000;

/// Excel keeps fifteen digits of a number, and makes zeros of those behind.
const TOO_MANY_DIGITS: f64 = 1e15;

/// The cells of a sheet that hold something.
type Cells = Vec<Cell<Data>>;

pub(super) fn read(input: impl Read, written: &Written<'_>) -> Result<Rows, Vec<Problem>> {
    let (cells, notes) = sheet(input, written.name)?;
    let sheet = Range::from_sparse(cells);
    let mut rows = sheet.rows().map(<[Data]>::to_vec).zip(u64::from(sheet.start().map_or(0, |(row, _)| row)) + 1..);
    let mut rows = rows.by_ref().filter(|(cells, _)| !cells.iter().all(is_blank)).collect::<Vec<_>>().into_iter();
    let (header, line) = rows.next().ok_or_else(|| empty(written.name))?;
    let names: Vec<String> = header.iter().map(|cell| text(cell).unwrap_or_default()).collect();
    let header = Header::of(&names, written.name, line)?;
    let notes = notes.into_iter().chain(header.notes).collect();
    let sheet = Sheet { rows, columns: header.columns.clone(), positions: header.positions };
    Ok(Rows { columns: Some(header.columns), notes, warnings: header.warnings, rows: Box::new(sheet) })
}

/// Gives each cell of the sheet with its line.
pub(super) fn cells(input: impl Read, name: &str, mut each: impl FnMut(u64, &str)) -> Result<(), Vec<Problem>> {
    let (cells, _) = sheet(input, name)?;
    for cell in cells {
        let line = u64::from(cell.get_position().0) + 1;
        match text(cell.get_value()) {
            Ok(text) => each(line, &text),
            Err(wrong) => {
                let flaw = Flaw { column: 0, kind: wrong.kind() };
                return Err(vec![flaw.problem(Place::line(name, line), "A")]);
            }
        }
    }
    Ok(())
}

struct Sheet {
    rows: std::vec::IntoIter<(Vec<Data>, u64)>,
    columns: Arc<Columns>,
    positions: Vec<usize>,
}

impl Iterator for Sheet {
    type Item = Result<Row, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        let (cells, line) = self.rows.next()?;
        let mut flaws = Vec::new();
        let cells = self.positions.iter().enumerate().map(|(column, at)| match text(&cells[*at]) {
            Ok(text) => Value::String(text),
            Err(wrong) => {
                flaws.push(Flaw { column, kind: wrong.kind() });
                Value::String(cells[*at].to_string())
            }
        });
        let cells = cells.collect();
        Some(Ok(Row { flaws, ..Row::new(line, self.columns.clone(), cells) }))
    }
}

impl Reading for Sheet {}

/// The cells of the first sheet that hold something, and which sheet that is where there are several.
fn sheet(mut input: impl Read, name: &str) -> Result<(Cells, Option<String>), Vec<Problem>> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|error| vec![unreadable(name, &error)])?;
    no_workbook(&bytes, name).map_or(Ok(()), |problem| Err(vec![problem]))?;
    let broken = |error: XlsxError| {
        let what = match error {
            XlsxError::Zip(_) => "the workbook is cut off or damaged".to_owned(),
            error => format!("the workbook cannot be read: {error}"),
        };
        let problem = Problem::error("list-unreadable", Place::file(name), what);
        vec![problem.hint("save it again as .xlsx, or as CSV in UTF-8")]
    };
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
    let sheets: Vec<_> =
        workbook.sheets_metadata().iter().filter(|sheet| sheet.typ == SheetType::WorkSheet).cloned().collect();
    let visible = sheets.iter().find(|sheet| sheet.visible == SheetVisible::Visible);
    let first = visible.or(sheets.first()).ok_or_else(|| empty(name))?;
    let note = (sheets.len() > 1).then(|| format!("sheet `{}` of {}", first.name, sheets.len()));
    let cells = filled(&mut workbook, &first.name).map_err(broken)?.ok_or_else(|| too_wide(name))?;
    Ok((cells, note))
}

/// Files that are no workbook, whatever their names say.
fn no_workbook(bytes: &[u8], name: &str) -> Option<Problem> {
    const OLD: &[u8] = b"\xd0\xcf\x11\xe0";
    const LOCKED: &[u8] = b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0";
    let (what, hint) = if bytes.is_empty() {
        ("the list is empty", "its first line names the columns")
    } else if bytes.starts_with(b"PK") {
        return None;
    } else if !bytes.starts_with(OLD) {
        ("this is no workbook", "set `recipients.format: csv` if it is text with another ending, or save it as .xlsx")
    } else if memmem::find(bytes, LOCKED).is_some() {
        ("the workbook is locked with a password", "save it without one")
    } else {
        ("this is an old workbook (.xls)", "save it as .xlsx")
    };
    let code = if bytes.is_empty() { "list-empty" } else { "not-a-workbook" };
    Some(Problem::error(code, Place::file(name), what).hint(hint))
}

/// The cells of a sheet that hold something; `None` if they span more than [`MOST_CELLS`].
fn filled(workbook: &mut Xlsx<Cursor<Vec<u8>>>, sheet: &str) -> Result<Option<Cells>, XlsxError> {
    let mut reader = workbook.worksheet_cells_reader(sheet)?;
    let mut cells = Vec::new();
    let (mut rows, mut columns) = ((u32::MAX, 0), (u32::MAX, 0));
    while let Some(cell) = reader.next_cell()? {
        let (row, column) = cell.get_position();
        let value = Data::from(cell.get_value().clone());
        if value == Data::Empty {
            continue;
        }
        rows = (rows.0.min(row), rows.1.max(row));
        columns = (columns.0.min(column), columns.1.max(column));
        let span = |(first, last): (u32, u32)| u64::from(last - first) + 1;
        if span(rows).saturating_mul(span(columns)) > MOST_CELLS || cells.len() as u64 >= MOST_CELLS {
            return Ok(None);
        }
        cells.push(Cell::new((row, column), value));
    }
    Ok(Some(cells))
}

fn too_wide(file: &str) -> Vec<Problem> {
    vec![
        Problem::error("sheet-too-wide", Place::file(file), format!("the sheet spans more than {MOST_CELLS} cells"))
            .hint("delete stray cells far from the list, or save it as CSV in UTF-8"),
    ]
}

fn is_blank(cell: &Data) -> bool {
    match cell {
        Data::Empty => true,
        Data::String(text) => text.chars().all(is_invisible),
        _ => false,
    }
}

/// A cell whose value is lost.
enum Wrong {
    Error,
    Rounded,
}

impl Wrong {
    const fn kind(&self) -> FlawKind {
        match self {
            Self::Error => FlawKind::SpreadsheetError,
            Self::Rounded => FlawKind::MoreThanFifteenDigits,
        }
    }
}

/// A cell as a person would type it: whole numbers without a fraction, dates in ISO 8601.
fn text(cell: &Data) -> Result<String, Wrong> {
    Ok(match cell {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Int(number) => number.to_string(),
        Data::Float(number) => decimal(*number)?,
        Data::Bool(value) => value.to_string(),
        Data::DateTime(date) => {
            let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
            if (hour, minute, second) == (0, 0, 0) {
                format!("{year:04}-{month:02}-{day:02}")
            } else {
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
            }
        }
        Data::Error(_) => return Err(Wrong::Error),
    })
}

/// Excel keeps every number as a float and shows fifteen digits of it: `0.1 + 0.2` is `0.3` to those who typed it.
fn decimal(number: f64) -> Result<String, Wrong> {
    if number.fract() == 0.0 && number.abs() >= TOO_MANY_DIGITS {
        return Err(Wrong::Rounded);
    }
    let shown: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    Ok(shown.to_string())
}
