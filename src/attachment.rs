//! The files that a message carries: inside the spec's folder, links resolved, and of a size that LiveDesk takes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::message::is_hidden;

/// LiveDesk's ancestor takes files up to 40 MB.
const LARGEST: u64 = 40 * 1024 * 1024;

/// Paths that are remembered: enough for the few files that go to many, and a bound for one file each.
const MOST_KNOWN: usize = 10_000;

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

/// The folder that attachments come from. What was found out about a path is kept: a campaign sends the same few files
/// to many people.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    checked: Mutex<HashMap<PathBuf, Result<(), &'static str>>>,
}

impl Folder {
    /// The spec's folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), checked: Mutex::default() }
    }

    /// Whether a file can be sent.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, path: &Path) -> Result<(), &'static str> {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = checked.get(path) {
            return *known;
        }
        let result = self.resolve(path).map(drop);
        if checked.len() >= MOST_KNOWN {
            checked.clear();
        }
        checked.insert(path.to_owned(), result);
        result
    }

    /// Reads a file. It is checked anew: it may have changed since.
    ///
    /// # Errors
    /// Why it cannot be sent.
    pub fn read(&self, path: &Path) -> Result<Attachment, String> {
        let real = self.resolve(path).map_err(|why| format!("{}: {why}", path.display()))?;
        let bytes = fs::read(&real).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Attachment { name: name(path), media_type: media_type(path), bytes })
    }

    /// The file itself, or why it cannot be sent: without its name, which may be a customer's.
    fn resolve(&self, path: &Path) -> Result<PathBuf, &'static str> {
        let folder = self.path.canonicalize().map_err(|_| "the spec's folder cannot be read")?;
        let real = folder.join(path).canonicalize().map_err(|_| "there is no such file in the spec's folder")?;
        let about = fs::metadata(&real).map_err(|_| "the file cannot be read")?;
        let inside = real.strip_prefix(&folder).map_err(|_| "leads out of the spec's folder")?;
        if is_hidden(inside) {
            return Err("a hidden file, such as credentials or the ledger, is never sent");
        }
        match about.len() {
            _ if !about.is_file() => Err("not a file"),
            0 => Err("the file is empty"),
            length if length > LARGEST => Err("larger than the 40 MB that LiveDesk takes"),
            _ => Ok(real),
        }
    }
}

/// The name under which a file is sent.
pub fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The media type under which a file is sent.
pub fn media_type(path: &Path) -> String {
    mime_guess::from_path(path).first_or_octet_stream().essence_str().to_owned()
}
