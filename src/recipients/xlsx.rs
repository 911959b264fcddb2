//! Excel workbooks: the first sheet, its first row naming the columns.

use std::io::{Cursor, Read};

use calamine::{Data, Reader, Xlsx};
use serde_json::Value;

use super::encoding::unreadable;
use super::{Row, Rows, Unreadable, Written, empty, header};
use crate::problem::{Place, Problem};

pub(super) fn read(mut input: impl Read, written: &Written<'_>) -> Result<Rows, Vec<Problem>> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|error| vec![unreadable(written.name, &error)])?;
    let broken = |error: calamine::XlsxError| {
        let what = format!("the workbook cannot be read: {error}");
        vec![Problem::error(Place::file(written.name), what).hint("save it again as .xlsx, or as CSV in UTF-8")]
    };
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
    let sheet = workbook.worksheet_range_at(0).ok_or_else(|| empty(written.name))?.map_err(broken)?;
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
                    Problem::error(Place::line(&file, line), format!("`{name}` holds an Excel error"))
                        .hint("mend the formula, or delete the cell")
                })
            });
            Ok(Row { line, columns: shared.clone(), cells: cells.collect::<Result<_, _>>().map_err(Unreadable::Row)? })
        });
    Ok(Rows { columns: Some(columns), notes: Vec::new(), rows: Box::new(rows) })
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
