//! Any encoding to UTF-8, strictly: a byte that does not belong is an error with its line, never a replacement
//! character.

use std::fmt;
use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use memchr::{memchr, memchr_iter, memrchr};

use super::encoding_guess::{Guess, guess};
use super::mojibake::Mojibake;
use crate::problem::{Place, Problem};

const CHUNK: usize = 64 * 1024;

/// So much of a line is kept when more is read, for the problem about a wrong byte.
const KEPT: usize = 1024;

/// Bytes in some encoding, read as UTF-8 without a byte order mark.
pub(super) struct Utf8<R> {
    input: R,
    decoder: Decoder,
    encoding: &'static Encoding,
    /// Lines end as on an old Mac, with a carriage return alone. They are given with line feeds, which readers count.
    old_mac: bool,
    /// Bytes as they came, from `start` on not yet decoded.
    raw: Vec<u8>,
    start: usize,
    at_end: bool,
    /// Decoded text that nobody has read yet, from `given` on.
    text: Vec<u8>,
    given: usize,
    lines: u64,
    /// Characters of the line that is being decoded.
    column: u64,
    finished: bool,
    /// What ends the text, after what is decoded: reported once that is given.
    fault: Option<DecodeError>,
    seen: Findings,
}

/// What was seen on the way.
struct Findings {
    /// Other letters than ASCII's.
    wide: bool,
    /// UTF-8, though the spec says otherwise.
    doubtful: bool,
    mojibake: Mojibake,
}

/// The error inside the `io::Error` that such bytes give.
#[derive(Debug)]
pub(super) enum DecodeError {
    /// A byte that is no character.
    Malformed { line: u64, column: u64, bytes: Vec<u8>, encoding: &'static str, guess: Option<Guess> },
    /// A NUL, which no text has.
    Nul { line: u64 },
    /// The byte order mark says another encoding than the spec.
    Contradicted { marked: &'static str, declared: &'static str },
    /// No text at all.
    NoText { what: &'static str, hint: &'static str },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a text")
    }
}

impl std::error::Error for DecodeError {}

impl From<DecodeError> for io::Error {
    fn from(fault: DecodeError) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}

impl<R: Read> Utf8<R> {
    /// With the declared encoding, or else the byte order mark's, or else UTF-8.
    pub(super) fn new(mut input: R, declared: Option<&str>) -> io::Result<Self> {
        let mut raw = Vec::with_capacity(CHUNK);
        input.by_ref().take(CHUNK as u64).read_to_end(&mut raw)?;
        no_text(&raw)?;
        let encoding = encoding(&raw, declared)?;
        let doubtful = encoding != UTF_8 && encoding.is_ascii_compatible() && is_wide_utf8(&raw);
        Ok(Self {
            input,
            decoder: encoding.new_decoder_with_bom_removal(),
            encoding,
            old_mac: memchr(b'\r', &raw).is_some() && memchr(b'\n', &raw).is_none(),
            raw,
            start: 0,
            at_end: false,
            text: Vec::new(),
            given: 0,
            lines: 0,
            column: 0,
            finished: false,
            fault: None,
            seen: Findings { wide: false, doubtful, mojibake: Mojibake::default() },
        })
    }

    /// The encoding's name, if it is worth saying.
    pub(super) fn note(&self) -> Option<String> {
        (self.encoding != UTF_8).then(|| format!("encoding {}", self.encoding.name()))
    }

    /// What looks damaged, as far as the text was read.
    pub(super) fn warnings(&self, file: &str) -> Vec<Problem> {
        let encoding = self.encoding.name();
        let doubt = self.seen.doubtful.then(|| {
            let what = format!("the list is valid UTF-8, but `recipients.encoding` says {encoding}");
            Problem::warning("encoding-doubtful", Place::file(file), what)
                .hint("check the names in a dry run; if they are wrong, remove `recipients.encoding`")
        });
        doubt.into_iter().chain(self.seen.mojibake.warning(file)).collect()
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
                self.refill()?;
            }
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(&self.raw[self.start..], &mut self.text, self.at_end);
            self.start += read;
            len = self.look_at(written);
            match result {
                _ if self.finished => {}
                DecoderResult::Malformed(length, behind) => {
                    self.fault = Some(self.malformed(length.into(), behind.into()));
                    self.finished = true;
                }
                DecoderResult::InputEmpty => self.finished = self.at_end,
                DecoderResult::OutputFull => {}
            }
        }
        self.text.truncate(len);
        match self.fault.take_if(|_| len == 0) {
            Some(fault) => Err(fault.into()),
            None => Ok(()),
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        let line = memrchr(b'\n', &self.raw).map_or(0, |at| at + 1);
        self.raw.drain(..line.max(self.raw.len().saturating_sub(KEPT)));
        self.start = self.raw.len();
        self.at_end = self.input.by_ref().take(CHUNK as u64).read_to_end(&mut self.raw)? == 0;
        Ok(())
    }

    /// Looks through what was decoded just now and says how much of it may be given: all before a NUL.
    fn look_at(&mut self, written: usize) -> usize {
        if self.old_mac {
            self.text[..written].iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
        }
        let nul = memchr(0, &self.text[..written]);
        let text = &self.text[..nul.unwrap_or(written)];
        self.seen.mojibake.look_at(text, self.lines);
        self.seen.wide |= !text.is_ascii();
        self.lines += memchr_iter(b'\n', text).count() as u64;
        let (behind, before) = memrchr(b'\n', text).map_or((0, self.column), |at| (at + 1, 0));
        self.column = before + text[behind..].iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64;
        if nul.is_some() {
            self.fault = Some(DecodeError::Nul { line: self.lines + 1 });
            self.finished = true;
        }
        text.len()
    }

    /// The wrong bytes, `length` of them, which end `behind` bytes before what comes next.
    fn malformed(&self, length: usize, behind: usize) -> DecodeError {
        let end = self.start.saturating_sub(behind);
        let begin = end.saturating_sub(length);
        DecodeError::Malformed {
            line: self.lines + 1,
            column: self.column + 1,
            bytes: self.raw[begin..end].to_vec(),
            encoding: self.encoding.name(),
            guess: guess(self.encoding, &self.raw, begin, self.seen.wide),
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

/// Files that people take for text, by how they begin.
fn no_text(raw: &[u8]) -> Result<(), DecodeError> {
    const KINDS: [(&[u8], &str, &str); 4] = [
        (
            b"PK\x03\x04",
            "a workbook (.xlsx) or another ZIP archive",
            "set `recipients.format: xlsx` if it is a workbook, or save it as CSV in UTF-8",
        ),
        (b"\xd0\xcf\x11\xe0", "an old or locked workbook (.xls)", "save it as .xlsx or as CSV in UTF-8"),
        (b"\x1f\x8b", "compressed", "unpack it first (`gunzip`)"),
        (b"%PDF-", "a PDF document", "export the list as CSV in UTF-8"),
    ];
    match KINDS.into_iter().find(|(begin, ..)| raw.starts_with(begin)) {
        Some((_, what, hint)) => Err(DecodeError::NoText { what, hint }),
        None => Ok(()),
    }
}

/// Whether the bytes, whose last character may be cut, are UTF-8 with other letters than ASCII's.
fn is_wide_utf8(raw: &[u8]) -> bool {
    let is_utf8 = std::str::from_utf8(raw).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf8 && !raw.is_ascii()
}

fn encoding(raw: &[u8], declared: Option<&str>) -> Result<&'static Encoding, DecodeError> {
    let marked = Encoding::for_bom(raw).map(|(encoding, _)| encoding);
    // `utf-16` names both orders; the mark says which one it is.
    let either = declared.is_some_and(|label| label.eq_ignore_ascii_case("utf-16")) && marked == Some(UTF_16BE);
    let declared = declared.filter(|_| !either).and_then(|label| Encoding::for_label(label.as_bytes()));
    match (declared, marked) {
        (Some(declared), Some(marked)) if declared != marked => {
            Err(DecodeError::Contradicted { marked: marked.name(), declared: declared.name() })
        }
        (Some(encoding), _) | (None, Some(encoding)) => Ok(encoding),
        (None, None) => Ok(match raw {
            // Two letters of ASCII with a NUL each: UTF-16 that lacks its mark.
            [1..=255, 0, 1..=255, 0, ..] => UTF_16LE,
            [0, 1..=255, 0, 1..=255, ..] => UTF_16BE,
            _ => UTF_8,
        }),
    }
}

/// An error while reading the list `file`, as a problem.
pub(super) fn unreadable(file: &str, error: &io::Error) -> Problem {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<DecodeError>()) {
        Some(fault) => problem(file, fault),
        None => Problem::error("list-unreadable", Place::file(file), format!("the list cannot be read: {error}")),
    }
}

fn problem(file: &str, fault: &DecodeError) -> Problem {
    match fault {
        DecodeError::Malformed { line, column, bytes, encoding, guess } => {
            let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            let what = match bytes.len() {
                1 => format!("this line is not {encoding}: the byte {} is not a character", bytes.concat()),
                _ => format!("this line is not {encoding}: the bytes {} are not a character", bytes.join(" ")),
            };
            let hint = match guess {
                Some(guess) => guess.to_string(),
                None if encoding.starts_with("UTF-16") => "the list is cut off or damaged: save it again".to_owned(),
                None => "set `recipients.encoding`, such as `windows-1252` or `gb18030`, or save the list as UTF-8"
                    .to_owned(),
            };
            Problem::error("wrong-encoding", Place::line(file, *line).at_column(*column), what).hint(hint)
        }
        DecodeError::Nul { line } => {
            Problem::error("nul", Place::line(file, *line), "a NUL byte on this line, so this is not text").hint(
                "the file is damaged, or in an encoding such as UTF-16 (`recipients.encoding: utf-16le`); save it as \
                 UTF-8",
            )
        }
        DecodeError::Contradicted { marked, declared } => Problem::error(
            "encoding-contradicted",
            Place::file(file),
            format!("the list has the byte order mark of {marked}, but `recipients.encoding` says {declared}"),
        )
        .hint("remove `recipients.encoding`: the mark is enough"),
        DecodeError::NoText { what, hint } => {
            Problem::error("not-text", Place::file(file), format!("the list is {what}, not text")).hint(*hint)
        }
    }
}
