//! The files that a message carries: inside the spec's folder, links resolved, and of a size that LiveDesk takes.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};

use crate::message::is_hidden;

/// LiveDesk's ancestor takes files up to 40 MB.
const MAX_FILE_BYTES: u64 = 40 * 1024 * 1024;

/// Paths that are remembered: enough for the few files that go to many, and a bound for one file each.
const MAX_CHECKED_FILES: usize = 10_000;

/// Files whose content is frozen: those that many messages share are among the first.
const MAX_FROZEN_FILES: usize = 1_000;

/// A file, read and ready to be sent.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Its name without folders.
    pub name: String,
    /// Its media type, by its ending.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The hashes of contents by path.
pub type Contents = BTreeMap<String, String>;

/// Why a file is not sent.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not as it was when it was checked, and others may have got it as it was.
    #[error("{0}: the file has changed since it was checked")]
    Changed(String),
    /// It cannot be sent.
    #[error("{0}")]
    Unusable(String),
}

/// The folder that attachments come from. What was found out about a path is kept: a campaign sends the same few files
/// to many people.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    checked: Mutex<HashMap<PathBuf, Result<(), &'static str>>>,
    frozen: Mutex<Contents>,
}

impl Folder {
    /// The spec's folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::frozen(path, Contents::new())
    }

    /// The same, where files have to be as they were.
    pub fn frozen(path: impl Into<PathBuf>, contents: Contents) -> Self {
        Self { path: path.into(), checked: Mutex::default(), frozen: Mutex::new(contents) }
    }

    /// The contents of the first files that were checked.
    pub fn into_contents(self) -> Contents {
        self.frozen.into_inner()
    }

    /// What a file holds now; nothing where it cannot be sent.
    pub fn content(&self, path: &str) -> Option<String> {
        fs::read(self.resolve(Path::new(path)).ok()?).ok().map(|bytes| hash(&bytes))
    }

    /// Whether a file can be sent.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, path: &Path) -> Result<(), &'static str> {
        let mut checked = self.checked.lock();
        if let Some(known) = checked.get(path) {
            return *known;
        }
        let result = self.resolve(path).and_then(|real| self.freeze(path, &real));
        if checked.len() >= MAX_CHECKED_FILES {
            checked.clear();
        }
        checked.insert(path.to_owned(), result);
        result
    }

    fn freeze(&self, path: &Path, real: &Path) -> Result<(), &'static str> {
        let mut frozen = self.frozen.lock();
        if frozen.len() < MAX_FROZEN_FILES {
            let bytes = fs::read(real).map_err(|error| in_words(&error))?;
            frozen.insert(path.display().to_string(), hash(&bytes));
        }
        Ok(())
    }

    /// Reads a file. It is checked anew: it may have changed since.
    ///
    /// # Errors
    /// Why it cannot be sent.
    pub fn read(&self, path: &Path) -> Result<Attachment, ReadError> {
        let shown = path.display().to_string();
        let real = self.resolve(path).map_err(|why| ReadError::Unusable(format!("{shown}: {why}")))?;
        let bytes = fs::read(&real).map_err(|error| ReadError::Unusable(format!("{shown}: {error}")))?;
        let frozen = self.frozen.lock();
        if frozen.get(&shown).is_some_and(|checked| *checked != hash(&bytes)) {
            return Err(ReadError::Changed(shown));
        }
        Ok(Attachment { name: name(path), media_type: media_type(path), bytes })
    }

    /// The file itself, or why it cannot be sent: without its name, which may be a customer's.
    fn resolve(&self, path: &Path) -> Result<PathBuf, &'static str> {
        let folder = self.path.canonicalize().map_err(|_| "the spec's folder cannot be read")?;
        let real = folder.join(path).canonicalize().map_err(|error| in_words(&error))?;
        let about = fs::metadata(&real).map_err(|error| in_words(&error))?;
        let inside = real.strip_prefix(&folder).map_err(|_| "outside the spec's folder")?;
        if is_hidden(inside) {
            return Err("hidden files are never sent: they may be credentials or the ledger");
        }
        match about.len() {
            _ if !about.is_file() => Err("not a file"),
            0 => Err("the file is empty"),
            length if length > MAX_FILE_BYTES => Err("larger than LiveDesk's limit of 40 MB"),
            _ => Ok(real),
        }
    }
}

/// The system's reason without its name.
fn in_words(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file in the spec's folder",
        ErrorKind::PermissionDenied => "the file cannot be read: permission denied",
        ErrorKind::NotADirectory => "part of the path is a file, not a folder",
        _ => "the file cannot be read",
    }
}

fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&digest(&SHA256, bytes).as_ref()[..16])
}

/// The name under which a file is sent.
pub fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The media type under which a file is sent.
pub fn media_type(path: &Path) -> String {
    mime_guess::from_path(path).first_or_octet_stream().essence_str().to_owned()
}
