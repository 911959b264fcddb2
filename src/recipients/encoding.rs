//! Any encoding to UTF-8, strictly: a byte that does not belong is an error with its line, never a replacement character.

use std::fmt;
use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

use crate::problem::{Place, Problem};

const CHUNK: usize = 64 * 1024;

/// Bytes in some encoding, read as UTF-8 without a byte order mark.
pub(super) struct Utf8<R> {
    input: R,
    decoder: Decoder,
    encoding: &'static Encoding,
    /// Bytes as they came, from `start` on not yet decoded.
    raw: Vec<u8>,
    start: usize,
    at_end: bool,
    /// Decoded text that nobody has read yet, from `given` on.
    text: Vec<u8>,
    given: usize,
    lines: u64,
    finished: bool,
    /// A wrong byte behind what is decoded: told once that is given.
    malformed: Option<Malformed>,
}

/// The error inside the `io::Error` that a wrong byte gives.
#[derive(Debug)]
pub(super) struct Malformed {
    line: u64,
    encoding: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not {}", self.line, self.encoding)
    }
}

impl std::error::Error for Malformed {}

impl<R: Read> Utf8<R> {
    /// With the declared encoding, or else the byte order mark's, or else UTF-8.
    pub(super) fn new(mut input: R, declared: Option<&str>) -> io::Result<Self> {
        let mut raw = Vec::with_capacity(CHUNK);
        input.by_ref().take(CHUNK as u64).read_to_end(&mut raw)?;
        let marked = Encoding::for_bom(&raw).map(|(encoding, _)| encoding);
        let declared = declared.and_then(|label| Encoding::for_label(label.as_bytes()));
        let encoding = declared.or(marked).unwrap_or(UTF_8);
        Ok(Self {
            input,
            decoder: encoding.new_decoder_with_bom_removal(),
            encoding,
            raw,
            start: 0,
            at_end: false,
            text: Vec::new(),
            given: 0,
            lines: 0,
            finished: false,
            malformed: None,
        })
    }

    /// The encoding's name, if it is worth saying.
    pub(super) fn note(&self) -> Option<String> {
        (self.encoding != UTF_8).then(|| format!("encoding {}", self.encoding.name()))
    }

    /// What has been decoded so far but not read: the beginning of the list, for detecting how it is written.
    pub(super) fn peek(&mut self) -> io::Result<&str> {
        if self.given == self.text.len() {
            self.decode_more()?;
        }
        std::str::from_utf8(&self.text[self.given..]).map_err(io::Error::other)
    }

    /// Decodes until there is something to give or nothing is left.
    fn decode_more(&mut self) -> io::Result<()> {
        self.text.resize(CHUNK * 2, 0);
        self.given = 0;
        let mut len = 0;
        while len == 0 && !self.finished {
            if self.start == self.raw.len() && !self.at_end {
                self.raw.clear();
                self.start = 0;
                self.at_end = self.input.by_ref().take(CHUNK as u64).read_to_end(&mut self.raw)? == 0;
            }
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(&self.raw[self.start..], &mut self.text, self.at_end);
            self.start += read;
            len = written;
            self.lines += memchr::memchr_iter(b'\n', &self.text[..written]).count() as u64;
            match result {
                DecoderResult::Malformed(..) => {
                    self.malformed = Some(Malformed { line: self.lines + 1, encoding: self.encoding.name() });
                    self.finished = true;
                }
                DecoderResult::InputEmpty => self.finished = self.at_end,
                DecoderResult::OutputFull => {}
            }
        }
        self.text.truncate(len);
        match self.malformed.take_if(|_| len == 0) {
            Some(malformed) => Err(io::Error::new(io::ErrorKind::InvalidData, malformed)),
            None => Ok(()),
        }
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.text.len() {
            self.decode_more()?;
        }
        let len = buffer.len().min(self.text.len() - self.given);
        buffer[..len].copy_from_slice(&self.text[self.given..self.given + len]);
        self.given += len;
        Ok(len)
    }
}

/// An error while reading the list `file`, as a problem.
pub(super) fn unreadable(file: &str, error: &io::Error) -> Problem {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Malformed>()) {
        Some(malformed) => Problem::error(
            "wrong-encoding",
            Place::line(file, malformed.line),
            format!("this line is not {}", malformed.encoding),
        )
        .hint("say what it is with `recipients.encoding`, such as `windows-1252` or `gb18030`, or save it as UTF-8"),
        None => Problem::error("list-unreadable", Place::file(file), format!("the list cannot be read: {error}")),
    }
}
