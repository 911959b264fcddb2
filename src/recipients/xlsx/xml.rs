//! XML as a stream of events, each of them bounded.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::error::WorkbookError;

/// Bytes that an element may have which is read as a whole: a row, a text.
pub(super) const MAX_ELEMENT_BYTES: u64 = 4 * 1024 * 1024;

/// XML that is being read.
pub(super) struct Xml<R> {
    reader: Reader<Bounded<R>>,
    buffer: Vec<u8>,
}

/// What happens in an XML document, as far as it matters to a workbook.
pub(super) enum Node<'a> {
    /// An element begins.
    Start(BytesStart<'a>),
    /// An element ends.
    End,
    /// Text.
    Text(Cow<'a, str>),
    /// Something that matters to nobody, such as a comment.
    Other,
    /// Nothing more comes.
    Eof,
}

impl<R: BufRead> Xml<R> {
    pub(super) fn new(input: R) -> Self {
        let mut reader = Reader::from_reader(Bounded { input, left: MAX_ELEMENT_BYTES });
        reader.config_mut().expand_empty_elements = true;
        Self { reader, buffer: Vec::with_capacity(1024) }
    }

    /// From here on an element may be as long as any.
    pub(super) fn begin_element(&mut self) {
        self.reader.get_mut().left = MAX_ELEMENT_BYTES;
    }

    /// What comes next.
    pub(super) fn next(&mut self) -> Result<Node<'_>, WorkbookError> {
        self.buffer.clear();
        Ok(match self.reader.read_event_into(&mut self.buffer)? {
            Event::Start(start) => Node::Start(start),
            Event::End(_) => Node::End,
            Event::Text(text) => Node::Text(text.xml10_content()),
            Event::CData(text) => Node::Text(text.xml10_content()),
            Event::GeneralRef(reference) => Node::Text(resolved(&reference)?.into()),
            Event::Eof => Node::Eof,
            _ => Node::Other,
        })
    }

    /// All text up to the end of an element that has begun; elements inside are passed over.
    pub(super) fn text(&mut self) -> Result<String, WorkbookError> {
        let (mut text, mut depth) = (String::new(), 0_u32);
        loop {
            match self.next()? {
                Node::Text(more) if depth == 0 => text.push_str(&more),
                Node::Text(_) | Node::Other => {}
                Node::Start(_) => depth += 1,
                Node::End if depth == 0 => return Ok(text),
                Node::End => depth -= 1,
                Node::Eof => return Err(WorkbookError::Damaged),
            }
        }
    }

    pub(super) fn get_mut(&mut self) -> &mut R {
        &mut self.reader.get_mut().input
    }
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, WorkbookError> {
    if let Some(c) = reference.resolve_char_ref()? {
        return Ok(c.to_string());
    }
    let name = reference.xml10_content();
    quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned).ok_or(WorkbookError::Damaged)
}

/// An attribute by its name without its prefix.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let found =
        element.attributes().with_checks(false).flatten().find(|found| found.key.local_name().as_ref() == name)?;
    found.normalized_value(XmlVersion::Explicit1_0).ok().map(Cow::into_owned)
}

/// Whether an attribute says yes.
pub(super) fn is_set(element: &BytesStart<'_>, name: &str) -> bool {
    attribute(element, name).is_some_and(|value| matches!(value.as_str(), "1" | "true" | "on"))
}

/// Gives so many bytes and no more, until it is told that something new begins.
struct Bounded<R> {
    input: R,
    left: u64,
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buffer)?;
        self.consume(len);
        Ok(len)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(
                WorkbookError::TooLong { what: "a row or a text of the workbook", most: MAX_ELEMENT_BYTES }.into()
            );
        }
        self.input.fill_buf()
    }

    fn consume(&mut self, len: usize) {
        self.left = self.left.saturating_sub(len as u64);
        self.input.consume(len);
    }
}
