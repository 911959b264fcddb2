//! Excel workbooks: the first sheet, its first row naming the columns.

use std::io::{Cursor, Read};

use calamine::{Cell, Data, Range, Reader, Xlsx, XlsxError};
use serde_json::Value;

use super::encoding::unreadable;
use super::{Row, Rows, Unreadable, Written, empty, header};
use crate::problem::{Place, Problem};

/// Cells that a sheet may span, empty ones included, for each takes memory: a stray cell in the last row and column of
/// Excel would span seventeen thousand million.
const MOST_CELLS: u64 = 20_000_000;

pub(super) fn read(mut input: impl Read, written: &Written<'_>) -> Result<Rows, Vec<Problem>> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|error| vec![unreadable(written.name, &error)])?;
    let broken = |error: XlsxError| {
        let what = format!("the workbook cannot be read: {error}");
        vec![
            Problem::error("list-unreadable", Place::file(written.name), what)
                .hint("save it again as .xlsx, or as CSV in UTF-8"),
        ]
    };
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
    let first = workbook.sheet_names().first().cloned().ok_or_else(|| empty(written.name))?;
    let cells = cells(&mut workbook, &first).map_err(broken)?.ok_or_else(|| too_wide(written.name))?;
    let sheet = Range::from_sparse(cells);
    let first_line = u64::from(sheet.start().map_or(0, |(row, _)| row)) + 1;
    let mut rows: Vec<Vec<Data>> = sheet.rows().map(<[Data]>::to_vec).collect();
    if rows.is_empty() {
        return Err(empty(written.name));
    }
    let names: Vec<String> = rows.remove(0).iter().map(|cell| text(cell).unwrap_or_default()).collect();
    let columns = header(&names, written.name, first_line)?;
    let file = written.name.to_owned();
    let shared = columns.clone();
    let rows = rows
        .into_iter()
        .zip(first_line + 1..)
        .filter(|(cells, _)| !cells.iter().all(|cell| matches!(cell, Data::Empty)))
        .map(move |(cells, line)| {
            let cells = cells.iter().zip(shared.names()).map(|(cell, name)| {
                text(cell).map(Value::String).ok_or_else(|| {
                    Problem::error("excel-error", Place::line(&file, line), format!("`{name}` holds an Excel error"))
                        .hint("mend the formula, or delete the cell")
                })
            });
            Ok(Row { line, columns: shared.clone(), cells: cells.collect::<Result<_, _>>().map_err(Unreadable::Row)? })
        });
    Ok(Rows { columns: Some(columns), notes: Vec::new(), rows: Box::new(rows) })
}

/// The cells of a sheet that hold something; `None` if they span more than [`MOST_CELLS`].
fn cells(workbook: &mut Xlsx<Cursor<Vec<u8>>>, sheet: &str) -> Result<Option<Vec<Cell<Data>>>, XlsxError> {
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

/// A cell as a person would type it: whole numbers without a fraction, dates in ISO 8601. `None` for an error cell.
fn text(cell: &Data) -> Option<String> {
    Some(match cell {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Int(number) => number.to_string(),
        // Excel keeps every number as a float; `{}` prints the shortest text that reads back the same.
        Data::Float(number) => number.to_string(),
        Data::Bool(value) => value.to_string(),
        Data::DateTime(date) => {
            let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
            if (hour, minute, second) == (0, 0, 0) {
                format!("{year:04}-{month:02}-{day:02}")
            } else {
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
            }
        }
        Data::Error(_) => return None,
    })
}
