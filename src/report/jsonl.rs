//! JSON Lines: one object a record.

use std::io::{self, Write};

use super::{Record, Writer};

pub(super) struct Jsonl<W> {
    output: W,
}

impl<W> Jsonl<W> {
    pub(super) const fn new(output: W) -> Self {
        Self { output }
    }
}

impl<W: Write> Writer for Jsonl<W> {
    fn add(&mut self, record: &Record) -> io::Result<()> {
        let record = &*record.shown();
        serde_json::to_writer(&mut self.output, record)?;
        self.output.write_all(b"\n")
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.output.flush()
    }
}
