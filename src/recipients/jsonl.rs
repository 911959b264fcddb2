//! JSON Lines: one object a line. Rows with the same keys share their columns.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::encoding::{Utf8, unreadable};
use super::{Columns, Row, Rows, Unreadable, Written};
use crate::problem::{Place, Problem};

/// A longer line is no recipient, and must not fill the memory.
const LONGEST_LINE: u64 = 4 * 1024 * 1024;

pub(super) fn read(input: impl Read + Send + 'static, written: &Written<'_>) -> Result<Rows, Vec<Problem>> {
    let text = Utf8::new(input, written.encoding).map_err(|error| vec![unreadable(written.name, &error)])?;
    let notes = text.note().into_iter().collect();
    let lines = Lines {
        input: BufReader::new(text),
        line: 0,
        columns: Arc::new(Columns::new(Vec::new())),
        file: written.name.to_owned(),
        broken: false,
    };
    Ok(Rows { columns: None, notes, rows: Box::new(lines) })
}

struct Lines<R> {
    input: BufReader<R>,
    line: u64,
    columns: Arc<Columns>,
    file: String,
    broken: bool,
}

impl<R: Read> Iterator for Lines<R> {
    type Item = Result<Row, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut text = String::new();
        loop {
            if self.broken {
                return None;
            }
            text.clear();
            self.line += 1;
            match self.input.by_ref().take(LONGEST_LINE).read_line(&mut text) {
                Ok(0) => return None,
                Ok(len) if len as u64 == LONGEST_LINE => {
                    self.broken = true;
                    let place = Place::line(&self.file, self.line);
                    return Some(Err(Unreadable::List(Problem::error(
                        "line-too-long",
                        place,
                        "a line of more than 4 MiB",
                    ))));
                }
                Ok(_) if text.trim().is_empty() => {}
                Ok(_) => return Some(self.row(&text).map_err(Unreadable::Row)),
                Err(error) => {
                    self.broken = true;
                    return Some(Err(Unreadable::List(unreadable(&self.file, &error))));
                }
            }
        }
    }
}

impl<R> Lines<R> {
    fn row(&mut self, text: &str) -> Result<Row, Problem> {
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            let place = Place::line(&self.file, self.line).at_column(error.column() as u64);
            // serde_json's text may quote the value, which is a customer's: the category says enough.
            let what = match error.classify() {
                serde_json::error::Category::Data => "this line is not a JSON object",
                _ => "this line is not valid JSON",
            };
            Problem::error("not-json", place, what)
                .hint("each line of a JSON Lines list is one object: {\"name\": \"...\"}")
        })?;
        if !object.keys().eq(self.columns.names()) {
            self.columns = Arc::new(Columns::new(object.keys().cloned().collect()));
        }
        Ok(Row {
            line: self.line,
            columns: self.columns.clone(),
            cells: object.into_iter().map(|(_, value)| value).collect(),
        })
    }
}
