//! JSON Lines: one object a record.

use std::io::{self, Write};

use serde::{Serialize, Serializer};

use super::list_columns::ListColumns;
use super::{Record, Writer};

/// The key of the list's columns.
pub(super) const LIST: &str = "list";

pub(super) struct Jsonl<W> {
    output: W,
    list_columns: ListColumns,
}

/// A line with columns of the list.
#[derive(Serialize)]
struct Line<'a> {
    list: Cells<'a>,
    #[serde(flatten)]
    record: &'a Record,
}

struct Cells<'a>(&'a ListColumns, &'a Record);

impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.cells(self.1))
    }
}

impl<W> Jsonl<W> {
    pub(super) const fn new(output: W, list_columns: Vec<String>) -> Self {
        Self { output, list_columns: ListColumns::new(list_columns) }
    }
}

impl<W: Write> Writer for Jsonl<W> {
    fn add(&mut self, record: &Record) -> io::Result<()> {
        let record = &*record.shown();
        if self.list_columns.is_empty() {
            serde_json::to_writer(&mut self.output, record)?;
        } else {
            serde_json::to_writer(&mut self.output, &Line { list: Cells(&self.list_columns, record), record })?;
        }
        self.output.write_all(b"\n")
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.output.flush()
    }
}
