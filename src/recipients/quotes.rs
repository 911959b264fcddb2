//! Watches for a quote that is never closed, or only by the next one somewhere below: the reader would take the rest of
//! the list, or all rows between, for one field, and everybody in it would be lost without a word.

use std::collections::VecDeque;
use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memrchr2};

/// Bytes that a record may have: one that is longer is no recipient, and must not fill the memory with the rest of the
/// list.
pub(super) const MAX_RECORD_BYTES: u64 = 4 * 1024 * 1024;

/// A text on its way to the reader of CSV.
pub(super) struct Quotes<R> {
    input: R,
    delimiter: u8,
    state: State,
    line: u64,
    /// The line of the quote that is open.
    opened: u64,
    /// How many bytes the record has so far.
    record: u64,
    /// Offsets of quotes that were closed, and text follows: one for each record that was not asked about yet.
    strays: VecDeque<u64>,
    /// Whether a line ended after the quote that was opened last.
    over_lines: bool,
    /// The line of a quote that was closed lines below by another one, with which a field began.
    torn: Option<u64>,
    /// The bytes that were given last, and how many came before them.
    last: Vec<u8>,
    before: u64,
    ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not between quotes.
    Outside,
    /// Between quotes.
    Open,
    /// Behind a quote that closes, or is the first of a doubled one.
    Closed,
    /// Behind a closing quote and spaces.
    Spaces,
}

impl<R> Quotes<R> {
    pub(super) const fn new(input: R, delimiter: u8) -> Self {
        Self {
            input,
            delimiter,
            state: State::Outside,
            line: 1,
            opened: 0,
            record: 0,
            strays: VecDeque::new(),
            over_lines: false,
            torn: None,
            last: Vec::new(),
            before: 0,
            ended: false,
        }
    }

    pub(super) const fn input(&self) -> &R {
        &self.input
    }

    /// The line of a quote that is open at the end, or for so long that nobody meant it.
    pub(super) fn never_closed(&self) -> Option<u64> {
        (self.state == State::Open && (self.ended || self.record > MAX_RECORD_BYTES)).then_some(self.opened)
    }

    /// The line on which a record is longer than [`MAX_RECORD_BYTES`] without an open quote.
    pub(super) fn too_long(&self) -> Option<u64> {
        (self.state != State::Open && self.record > MAX_RECORD_BYTES).then_some(self.line)
    }

    /// Whether text follows a closing quote somewhere before this offset, where nobody has asked before.
    pub(super) fn take_strays_before(&mut self, offset: u64) -> bool {
        let before = self.strays.len();
        while self.strays.front().is_some_and(|stray| *stray < offset) {
            self.strays.pop_front();
        }
        self.strays.len() < before
    }

    /// The line of a quote whose field goes on after the closing one, lines below: that one was meant to open.
    pub(super) const fn torn(&self) -> Option<u64> {
        self.torn
    }

    /// Whether a line feed ends before this offset. The reader asks about bytes that it was given last.
    pub(super) fn is_line_feed_before(&self, offset: u64) -> bool {
        let at = offset.checked_sub(self.before + 1).and_then(|at| usize::try_from(at).ok());
        !self.ended && at.and_then(|at| self.last.get(at)) == Some(&b'\n')
    }

    /// A quote opens only at the beginning of a field; elsewhere it is a letter. `offset` is that of the first byte.
    fn see(&mut self, bytes: &[u8], offset: u64) {
        let (mut at, mut counted) = (0, 0);
        let mut before = self.last.last().copied().unwrap_or(b'\n');
        while at < bytes.len() {
            match self.state {
                State::Closed if bytes[at] == b'"' => {
                    self.state = State::Open;
                    self.record += 1;
                    at += 1;
                }
                State::Closed | State::Spaces if matches!(bytes[at], b' ' | b'\t') && bytes[at] != self.delimiter => {
                    self.state = State::Spaces;
                    self.record += 1;
                    at += 1;
                }
                State::Closed | State::Spaces => {
                    let ends_field = bytes[at] == self.delimiter || matches!(bytes[at], b'\n' | b'\r');
                    if !ends_field {
                        self.strays.push_back(offset + at as u64);
                        if self.over_lines {
                            self.torn.get_or_insert(self.opened);
                        }
                    }
                    self.state = State::Outside;
                }
                State::Open => {
                    let closing = memchr(b'"', &bytes[at..]);
                    let len = closing.unwrap_or(bytes.len() - at);
                    self.record += len as u64;
                    self.over_lines |= memchr(b'\n', &bytes[at..at + len]).is_some();
                    at += len + 1;
                    self.state = if closing.is_some() { State::Closed } else { State::Open };
                }
                State::Outside => {
                    let quote = memchr(b'"', &bytes[at..]);
                    let outside = &bytes[at..quote.map_or(bytes.len(), |quote| at + quote)];
                    let line_end = memrchr2(b'\n', b'\r', outside);
                    self.record = line_end.map_or(self.record, |_| 0);
                    self.record += (outside.len() - line_end.map_or(0, |end| end + 1)) as u64;
                    let Some(quote) = quote else { break };
                    at += quote;
                    before = at.checked_sub(1).map_or(before, |at| bytes[at]);
                    if before == self.delimiter || matches!(before, b'\n' | b'\r') {
                        self.line += memchr_iter(b'\n', &bytes[counted..at]).count() as u64;
                        counted = at;
                        (self.state, self.opened, self.over_lines) = (State::Open, self.line, false);
                    }
                    self.record += 1;
                    at += 1;
                }
            }
        }
        self.line += memchr_iter(b'\n', &bytes[counted..]).count() as u64;
    }
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.input.read(buffer)?;
        self.see(&buffer[..len], self.before + self.last.len() as u64);
        self.ended |= len == 0 && !buffer.is_empty();
        if len > 0 {
            self.before += self.last.len() as u64;
            self.last.clear();
            self.last.extend_from_slice(&buffer[..len]);
        }
        if !self.ended && (self.never_closed().is_some() || self.too_long().is_some()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a record without an end"));
        }
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::Quotes;

    /// Gives one byte at a time.
    struct Dripping<'a>(&'a [u8]);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = buffer.len().min(1);
            self.0.read(&mut buffer[..len])
        }
    }

    #[test]
    fn only_a_quote_at_the_beginning_of_a_field_opens() {
        for (text, open) in [
            ("a,b\n\"x\n", Some(2)),
            ("a,b\n1,\"x\n\"\"\n", Some(2)),
            ("a,b\nx\"y,z\"\n", None),
            ("a,b\n\"x\"y\",\"z\"\n", None),
            ("\"\"\"\n\n", Some(1)),
            ("\"\"\"\"\n", None),
            ("a\r\"b", Some(1)),
            ("\"a\nb\nc\",\n\n\"d\n", Some(5)),
            ("\"a\",\"b", Some(1)),
            ("", None),
        ] {
            let mut whole = Quotes::new(text.as_bytes(), b',');
            let mut dripping = Quotes::new(Dripping(text.as_bytes()), b',');
            whole.read_to_end(&mut Vec::new()).unwrap();
            dripping.read_to_end(&mut Vec::new()).unwrap();
            assert_eq!((whole.never_closed(), dripping.never_closed()), (open, open), "{text:?}");
        }
    }

    #[test]
    fn a_quote_that_another_one_closes_lines_below_is_torn() {
        for (text, torn) in [
            ("a,b\n1,\"x\n2,\"y\"\n", Some(2)),
            ("a,b\r\n1,\"x\r\n2,\"y\"\r\n", Some(2)),
            ("a,b\n1,\"x\ny\"\n2,\"\"\n", None),
            ("a,b\n1,\"x\n\"\"y\"\"\"\r\n", None),
            ("a,b\n1,\"x\" y\n2,z\n", None),
            ("a,b\n1,\"x\ny\"", None),
        ] {
            let mut whole = Quotes::new(text.as_bytes(), b',');
            let mut dripping = Quotes::new(Dripping(text.as_bytes()), b',');
            whole.read_to_end(&mut Vec::new()).unwrap();
            dripping.read_to_end(&mut Vec::new()).unwrap();
            assert_eq!((whole.torn(), dripping.torn()), (torn, torn), "{text:?}");
        }
    }

    #[test]
    fn a_list_without_an_end_is_not_read_on_behind_an_open_quote() {
        let endless = b"a,b\n1,\"x".chain(io::repeat(b'\n'));
        let mut quotes = Quotes::new(endless, b',');
        assert!(quotes.read_to_end(&mut Vec::new()).is_err());
        assert_eq!(quotes.never_closed(), Some(2));
    }
}
