//! The ZIP archive that a workbook is: its parts, each read as a stream with bounds.
//!
//! A part of a few kilobytes may unpack to many gigabytes. Nothing here holds a part as a whole.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use flate2::CrcReader;
use flate2::read::DeflateDecoder;
use tempfile::SpooledTempFile;
use zip::{CompressionMethod, ZipArchive};

use super::error::WorkbookError;
use super::xml::Xml;

/// Bytes that a workbook may have.
pub(super) const MAX_WORKBOOK_BYTES: u64 = 512 * 1024 * 1024;

/// Bytes that a part of a workbook may unpack to.
pub(super) const MAX_PART_BYTES: u64 = 1024 * 1024 * 1024;

/// Bytes of a workbook that are kept in memory; a larger one goes to a temporary file, which only this process can see.
const IN_MEMORY: usize = 16 * 1024 * 1024;

const CHUNK: usize = 64 * 1024;

/// The bytes of a workbook, which can be read from any place.
pub(super) type Spool = SpooledTempFile;

/// Keeps what is left of an input.
pub(super) fn spool(beginning: &[u8], input: impl Read) -> Result<Spool, WorkbookError> {
    let mut spool = SpooledTempFile::new(IN_MEMORY);
    spool.write_all(beginning)?;
    let copied = io::copy(&mut input.take(MAX_WORKBOOK_BYTES + 1), &mut spool)?;
    if beginning.len() as u64 + copied > MAX_WORKBOOK_BYTES {
        return Err(WorkbookError::TooLarge { what: "the workbook", most: MAX_WORKBOOK_BYTES });
    }
    spool.rewind()?;
    Ok(spool)
}

/// Where a part is in the archive.
#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: u64,
    compressed: u64,
    method: CompressionMethod,
    crc: u32,
}

/// The parts of a workbook by their names.
pub(super) struct Package {
    spool: Spool,
    entries: HashMap<String, Entry>,
}

impl Package {
    pub(super) fn open(spool: Spool) -> Result<Self, WorkbookError> {
        let mut archive = ZipArchive::new(spool).map_err(|_| WorkbookError::Damaged)?;
        let mut entries = HashMap::new();
        for at in 0..archive.len() {
            let file = archive.by_index_raw(at).map_err(|_| WorkbookError::Damaged)?;
            let offset = file.data_start().ok_or(WorkbookError::Damaged)?;
            let (compressed, method, crc) = (file.compressed_size(), file.compression(), file.crc32());
            let name = file.name().map_err(|_| WorkbookError::Damaged)?;
            entries.insert(normalized(&name), Entry { offset, compressed, method, crc });
        }
        Ok(Self { spool: archive.into_inner(), entries })
    }

    pub(super) fn has(&self, part: &str) -> bool {
        self.entries.contains_key(&normalized(part))
    }

    /// A part, while nothing else is read; `None` if there is no such part.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<Xml<Part<&mut Spool>>>, WorkbookError> {
        let Some(entry) = self.entries.get(&normalized(name)).copied() else { return Ok(None) };
        Part::open(&mut self.spool, entry).map(|part| Some(Xml::new(part)))
    }

    /// A part that is read on its own.
    pub(super) fn into_part(self, name: &str) -> Result<Option<Xml<Part<Spool>>>, WorkbookError> {
        let Some(entry) = self.entries.get(&normalized(name)).copied() else { return Ok(None) };
        Part::open(self.spool, entry).map(|part| Some(Xml::new(part)))
    }
}

/// Names of parts are the same in any case, and some programs write backslashes.
fn normalized(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches('/').to_lowercase()
}

/// A part that is being unpacked.
pub(super) struct Part<R: Read> {
    unpacked: BufReader<CrcReader<Unpack<io::Take<R>>>>,
    crc: u32,
    left: u64,
}

enum Unpack<R> {
    Stored(R),
    Deflated(DeflateDecoder<R>),
}

impl<R: Read> Read for Unpack<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stored(input) => input.read(buffer),
            Self::Deflated(input) => input.read(buffer),
        }
    }
}

impl<R: Read + Seek> Part<R> {
    fn open(mut archive: R, entry: Entry) -> Result<Self, WorkbookError> {
        archive.seek(SeekFrom::Start(entry.offset))?;
        let packed = archive.take(entry.compressed);
        let unpack = match entry.method {
            CompressionMethod::Stored => Unpack::Stored(packed),
            CompressionMethod::Deflated => Unpack::Deflated(DeflateDecoder::new(packed)),
            _ => {
                return Err(WorkbookError::Unsupported(
                    "it is compressed in a way that spreadsheet programs do not use",
                ));
            }
        };
        let unpacked = BufReader::with_capacity(CHUNK, CrcReader::new(unpack));
        Ok(Self { unpacked, crc: entry.crc, left: MAX_PART_BYTES })
    }
}

impl<R: Read> Part<R> {
    /// Reads what is left, and tells whether all of it arrived as it was written.
    pub(super) fn verify(&mut self) -> Result<(), WorkbookError> {
        io::copy(self, &mut io::sink())?;
        if self.unpacked.get_ref().crc().sum() == self.crc { Ok(()) } else { Err(WorkbookError::Damaged) }
    }
}

impl<R: Read> Read for Part<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buffer)?;
        self.consume(len);
        Ok(len)
    }
}

impl<R: Read> BufRead for Part<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(WorkbookError::TooLarge { what: "a part of the workbook", most: MAX_PART_BYTES }.into());
        }
        self.unpacked.fill_buf()
    }

    fn consume(&mut self, len: usize) {
        self.left = self.left.saturating_sub(len as u64);
        self.unpacked.consume(len);
    }
}
