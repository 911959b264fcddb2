//! JSON Lines: one object a line. Rows with the same keys share their columns.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use super::encoding::{Utf8, unreadable};
use super::json::{self, Object, ObjectError};
use super::{Columns, ListOptions, Row, RowError, RowSource, Rows};
use crate::problem::{Place, Problem};

/// A longer line is no recipient, and must not fill the memory.
const MAX_LINE_BYTES: u64 = 4 * 1024 * 1024;

pub(super) fn read(input: impl Read + Send + 'static, options: &ListOptions<'_>) -> Result<Rows, Vec<Problem>> {
    let text = Utf8::new(input, options.encoding).map_err(|error| vec![unreadable(options.name, &error)])?;
    let notes = text.note().into_iter().collect();
    let lines = Lines {
        input: BufReader::new(text),
        line: 0,
        columns: Arc::new(Columns::new(Vec::new())),
        file: options.name.to_owned(),
        begun: false,
        broken: false,
    };
    Ok(Rows { columns: None, notes, repeated: Vec::new(), warnings: Vec::new(), rows: Box::new(lines) })
}

struct Lines<R> {
    input: BufReader<Utf8<R>>,
    line: u64,
    columns: Arc<Columns>,
    file: String,
    /// A line was read that is not empty.
    begun: bool,
    broken: bool,
}

impl<R: Read> Iterator for Lines<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        loop {
            if self.broken {
                return None;
            }
            bytes.clear();
            self.line += 1;
            match self.input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes) {
                Ok(0) => return None,
                Ok(len) if len as u64 == MAX_LINE_BYTES => {
                    self.broken = true;
                    let place = Place::line(&self.file, self.line);
                    let problem = Problem::error("line-too-long", place, "a line of more than 4 MiB")
                        .hint("each line of a JSON Lines list is one recipient");
                    return Some(Err(RowError::List(problem)));
                }
                Ok(_) if bytes.trim_ascii().is_empty() => {}
                Ok(_) => return Some(self.row(&bytes)),
                Err(error) => {
                    self.broken = true;
                    return Some(Err(RowError::List(unreadable(&self.file, &error))));
                }
            }
        }
    }
}

impl<R: Read> Lines<R> {
    fn row(&mut self, bytes: &[u8]) -> Result<Row, RowError> {
        if !self.begun {
            self.begun = true;
            self.one_document(bytes)?;
        }
        let Object { cells, flaws } = json::object(bytes).map_err(|refused| self.refused(&refused, bytes))?;
        if !cells.keys().eq(self.columns.names()) {
            self.columns = Arc::new(Columns::new(cells.keys().cloned().collect()));
        }
        let cells = cells.into_iter().map(|(_, value)| value).collect();
        Ok(Row { flaws, ..Row::new(self.line, self.columns.clone(), cells) })
    }

    fn refused(&self, refused: &ObjectError, bytes: &[u8]) -> RowError {
        match (refused, refused.explain()) {
            (_, Some((code, what, hint))) => {
                RowError::Row(Problem::error(code, Place::line(&self.file, self.line), what).hint(hint))
            }
            (ObjectError::NotAnObject(error), None) => self.no_object(error, bytes),
            (_, None) => self.no_object(&serde::de::Error::custom("no object"), bytes),
        }
    }

    /// A whole JSON document instead of lines would give a problem on each of its lines: it is reported once.
    fn one_document(&mut self, first: &[u8]) -> Result<(), RowError> {
        let what = match first.trim_ascii() {
            [b'[', ..] => "the list is one JSON array, not JSON Lines",
            b"{" => "the list has objects over several lines, which is not JSON Lines",
            _ => return Ok(()),
        };
        self.broken = true;
        let hint = "write one object per line, without brackets and commas between them (`jq -c '.[]'`)";
        let hint = if first.trim_ascii() == b"{" { "write one object per line (`jq -c .`)" } else { hint };
        Err(RowError::List(Problem::error("not-json-lines", Place::line(&self.file, self.line), what).hint(hint)))
    }

    fn no_object(&self, error: &serde_json::Error, bytes: &[u8]) -> RowError {
        let place = Place::line(&self.file, self.line);
        // It counts bytes, and knows no place of what is well written but no object.
        let before = &bytes[..error.column().min(bytes.len())];
        let place = match before.iter().filter(|byte| **byte & 0xc0 != 0x80).count() {
            0 => place,
            column => place.at_column(column as u64),
        };
        // serde_json's text may quote the value, which is a customer's: the category says enough.
        let what = match error.classify() {
            serde_json::error::Category::Data => "this line is not a JSON object",
            _ => "this line is not valid JSON",
        };
        let problem = Problem::error("not-json", place, what);
        RowError::Row(problem.hint("each line of a JSON Lines list is one object: {\"name\": \"...\"}"))
    }
}

impl<R: Read + Send> RowSource for Lines<R> {
    fn warnings(&self) -> Vec<Problem> {
        self.input.get_ref().warnings(&self.file)
    }
}
