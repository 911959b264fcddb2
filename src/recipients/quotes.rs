//! Watches for a quote that is never closed, or only by the next one somewhere below: the reader would take the rest of
//! the list, or all rows between, for one field, and everybody in it would be lost without a word.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter};

/// No field is longer, and an open quote must not fill the memory with the rest of the list.
const LONGEST: u64 = 4 * 1024 * 1024;

/// A text on its way to the reader of CSV.
pub(super) struct Quotes<R> {
    input: R,
    delimiter: u8,
    state: State,
    line: u64,
    /// The line of the quote that is open, and how many bytes came behind it.
    opened: u64,
    inside: u64,
    /// Whether a line ended behind the quote that was opened last.
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
}

impl<R> Quotes<R> {
    pub(super) const fn new(input: R, delimiter: u8) -> Self {
        Self {
            input,
            delimiter,
            state: State::Outside,
            line: 1,
            opened: 0,
            inside: 0,
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
        (self.state == State::Open && (self.ended || self.inside > LONGEST)).then_some(self.opened)
    }

    /// The line of a quote whose field goes on behind the closing one, lines below: that one was meant to open.
    pub(super) const fn torn(&self) -> Option<u64> {
        self.torn
    }

    /// Whether a line feed ends before this offset. The reader asks about bytes that it was given last.
    pub(super) fn is_line_feed_before(&self, offset: u64) -> bool {
        let at = offset.checked_sub(self.before + 1).and_then(|at| usize::try_from(at).ok());
        !self.ended && at.and_then(|at| self.last.get(at)) == Some(&b'\n')
    }

    /// A quote opens only at the beginning of a field; elsewhere it is a letter.
    fn see(&mut self, bytes: &[u8]) {
        let (mut at, mut counted) = (0, 0);
        let mut before = self.last.last().copied().unwrap_or(b'\n');
        while at < bytes.len() {
            match self.state {
                State::Closed if bytes[at] == b'"' => {
                    self.state = State::Open;
                    at += 1;
                }
                State::Closed => {
                    let ends_field = bytes[at] == self.delimiter || matches!(bytes[at], b'\n' | b'\r');
                    if self.over_lines && !ends_field {
                        self.torn.get_or_insert(self.opened);
                    }
                    self.state = State::Outside;
                }
                State::Open => {
                    let closing = memchr(b'"', &bytes[at..]);
                    let len = closing.unwrap_or(bytes.len() - at);
                    self.inside += len as u64;
                    self.over_lines |= memchr(b'\n', &bytes[at..at + len]).is_some();
                    at += len + 1;
                    self.state = if closing.is_some() { State::Closed } else { State::Open };
                }
                State::Outside => {
                    let Some(quote) = memchr(b'"', &bytes[at..]) else { break };
                    at += quote;
                    before = at.checked_sub(1).map_or(before, |at| bytes[at]);
                    if before == self.delimiter || matches!(before, b'\n' | b'\r') {
                        self.line += memchr_iter(b'\n', &bytes[counted..at]).count() as u64;
                        counted = at;
                        (self.state, self.opened, self.inside) = (State::Open, self.line, 0);
                        self.over_lines = false;
                    }
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
        self.see(&buffer[..len]);
        self.ended |= len == 0 && !buffer.is_empty();
        if len > 0 {
            self.before += self.last.len() as u64;
            self.last.clear();
            self.last.extend_from_slice(&buffer[..len]);
        }
        if self.never_closed().is_some() && !self.ended {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a quote that is never closed"));
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
