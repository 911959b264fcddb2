//! `.env` files: `NAME=VALUE` lines, taken word for word.
//!
//! The crates for such files expand `$` and cut at `#`, both of which may well be part of a secret. Here whatever can
//! be read in two ways is an error. No error repeats a value.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::CliError;
use super::output::Output;
use crate::campaign::CampaignError;
use crate::problem::{Place, Problem};

/// Longer files are something else.
const MAX_BYTES: u64 = 1024 * 1024;

/// A file that was read.
pub(super) struct Dotenv {
    path: PathBuf,
    text: String,
}

impl Dotenv {
    /// Reads a file; `None` where there is none.
    ///
    /// # Errors
    /// It is no plain file, others may write to it, or it is not text.
    pub(super) fn read(path: &Path, output: &Output) -> Result<Option<Self>, CliError> {
        if fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let text = read_text(path, SharedWith::Nobody, output)?;
        Ok(Some(Self { path: path.to_owned(), text }))
    }

    /// The value of a variable, if it has one that is not empty.
    ///
    /// # Errors
    /// It can be read in more than one way.
    pub(super) fn value(&self, name: &str) -> Result<Option<String>, CliError> {
        let found = value(&self.text, name).map_err(|wrong| {
            let place = Place::line(self.path.display().to_string(), wrong.line);
            let problem = Problem::error("dotenv", place, format!("`{name}` {}", wrong.what)).hint(wrong.hint);
            CampaignError::Unusable(vec![problem].into())
        })?;
        Ok(found.map(str::to_owned))
    }
}

/// Whom a file of keys may be readable for, besides its owner, without a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SharedWith {
    Nobody,
    Group,
}

impl SharedWith {
    /// The bits of a mode that let more people read it.
    #[cfg(unix)]
    const fn too_many(self) -> u32 {
        match self {
            Self::Nobody => 0o077,
            Self::Group => 0o007,
        }
    }
}

/// The text of a file of keys.
///
/// # Errors
/// It is no plain file, others may write to it, or it is not text.
pub(super) fn read_text(path: &Path, shared_with: SharedWith, output: &Output) -> Result<String, CliError> {
    let fault = |what: &str| CliError::environment(format!("{}: {what}", path.display()));
    let about = fs::metadata(path).map_err(|error| CliError::file(path, error))?;
    // A pipe would wait for somebody who writes into it.
    if !about.is_file() {
        return Err(fault("not a regular file"));
    }
    if about.len() > MAX_BYTES {
        return Err(fault("too large for a file of keys"));
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&about.permissions());
        let mend = format!("`chmod 600 {}`", path.display());
        if mode & 0o002 != 0 {
            return Err(fault(&format!("every user of this machine can change it: run {mend}")));
        }
        if mode & shared_with.too_many() != 0 {
            output.say(&format!("warning: {}: other users can read the keys in it: run {mend}", path.display()));
        }
    }
    let bytes = fs::read(path).map_err(|error| CliError::file(path, error))?;
    String::from_utf8(bytes).map_err(|_| fault("not UTF-8: save it as UTF-8"))
}

/// A line that can be read in more than one way.
#[derive(Debug, PartialEq, Eq)]
struct Ambiguous {
    line: u64,
    what: &'static str,
    hint: &'static str,
}

fn value<'a>(text: &'a str, name: &str) -> Result<Option<&'a str>, Ambiguous> {
    let mut found: Option<&str> = None;
    for (at, line) in text.trim_start_matches('\u{feff}').split('\n').enumerate() {
        let Some((_, written)) = assignment(line).filter(|(found, _)| *found == name) else { continue };
        let ambiguous = |(what, hint)| Ambiguous { line: at as u64 + 1, what, hint };
        let value = unquoted(written).map_err(ambiguous)?;
        match found {
            _ if value.is_empty() => {}
            Some(earlier) if earlier != value => {
                return Err(ambiguous(("is set twice, to different values", "remove one of them")));
            }
            _ => found = Some(value),
        }
    }
    Ok(found)
}

/// Name and value of a line; `None` for comments and whatever else is no assignment.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let line = line.strip_prefix("export").filter(|rest| rest.starts_with(char::is_whitespace)).unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    Some((name.trim(), value.trim()))
}

/// The value inside its quotes, after which a comment may follow; without quotes it is the rest of the line.
fn unquoted(written: &str) -> Result<&str, (&'static str, &'static str)> {
    let Some(quote) = written.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        return match written.split_once(char::is_whitespace) {
            Some((_, rest)) if rest.trim_start().starts_with('#') => {
                Err(("is followed by a comment or a `#`", "put the value in quotes"))
            }
            _ => Ok(written),
        };
    };
    let inside = &written[quote.len_utf8()..];
    let is_end =
        |rest: &str| rest.is_empty() || rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with('#');
    let end = inside.match_indices(quote).find(|(at, _)| is_end(&inside[at + quote.len_utf8()..]));
    match end {
        Some((at, _)) => Ok(&inside[..at]),
        None => Err(("has a quote that is not closed", "close it, or use the other kind of quote")),
    }
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn a_value_is_taken_word_for_word() {
        let text = "# keys\nKEY=a#b$c \nexport OTHER = 'x y'\nEMPTY=\nTWO=\"=\"\nFOUR=a b\n";
        for (name, expected) in [
            ("KEY", Some("a#b$c")),
            ("OTHER", Some("x y")),
            ("TWO", Some("=")),
            ("EMPTY", None),
            ("keys", None),
            ("FOUR", Some("a b")),
        ] {
            assert_eq!(value(text, name), Ok(expected), "{name}");
        }
    }

    #[test]
    fn editors_and_systems_leave_their_marks() {
        for text in
            ["\u{feff}KEY=v", "KEY=v\r\n", "export\tKEY=v", "KEY=\"v\" # old one", "KEY='v'\t#x", "KEY=v\nKEY=v"]
        {
            assert_eq!(value(text, "KEY"), Ok(Some("v")), "{text:?}");
        }
        assert_eq!(value("KEY=\"a # b\"", "KEY"), Ok(Some("a # b")));
        assert_eq!(value("KEY='it's'", "KEY"), Ok(Some("it's")));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_told() {
        for text in ["KEY=v # comment", "KEY=\"v", "KEY='v' w", "KEY=v\nKEY=w"] {
            assert!(value(text, "KEY").is_err(), "{text:?}");
        }
        assert_eq!(value("KEY=\nKEY=v", "KEY"), Ok(Some("v")));
    }
}
