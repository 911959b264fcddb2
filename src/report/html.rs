//! One self-contained page for people.

use std::io::{self, Write};

use super::{About, Record, Writer};

pub(super) struct Html<W> {
    output: W,
}

impl<W: Write> Html<W> {
    pub(super) fn new(output: W, _about: About) -> io::Result<Self> {
        Ok(Self { output })
    }
}

impl<W: Write> Writer for Html<W> {
    fn add(&mut self, _record: &Record) -> io::Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.output.flush()
    }
}
