//! What is wrong, where, and how to mend it: one shape and one renderer for spec, list, templates and command line.
//!
//! A problem is found before anything is sent. It is about what a person wrote, so it names the place and never
//! repeats a recipient's data: rows of a list are shown by line and column name, and a cell that is itself what is wrong
//! by its outline (`Values`). `kinds` counts problems that are
//! alike, of which a list of millions may have millions; `draw` is what people see of them.

mod causes;
mod draw;
mod kinds;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

pub use causes::with_causes;
pub use draw::{DrawOptions, Values};
pub use kinds::{Keep, Kind, Problems, Site};

/// Whether the run may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is sent until it is fixed.
    Error,
    /// Worth reading before the first send.
    Warning,
}

/// Where a problem is: a file, and as much more as is known. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it.
    pub file: String,
    /// Line in the file.
    pub line: Option<u64>,
    /// Column in that line, in characters.
    pub column: Option<u64>,
    /// The name of the list's column, for a row of a list.
    pub field: Option<Arc<str>>,
    excerpt: Option<Box<Excerpt>>,
}

/// One line of the file with the part that is meant, as byte offsets in that line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    text: String,
    start: usize,
    end: usize,
}

/// Bytes of a line that is kept to be shown. Thousands of problems may be in one line, and each keeps it.
const MAX_EXCERPT_BYTES: usize = 16 * 1024;

impl Place {
    /// The whole file, or something that has no lines, such as the command line.
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, column: None, field: None, excerpt: None }
    }

    /// A line of a recipient list. Its text is not kept: it is a customer's.
    pub fn line(file: impl Into<String>, line: u64) -> Self {
        Self { line: Some(line), ..Self::file(file) }
    }

    /// The same line with a column.
    #[must_use]
    pub fn at_column(self, column: u64) -> Self {
        Self { column: Some(column), ..self }
    }

    /// The same line with the name of the list's column.
    #[must_use]
    pub fn in_field(self, field: Option<Arc<str>>) -> Self {
        Self { field, ..self }
    }

    /// Part of a file whose text may be shown, from byte `start` for `len` bytes. A part that runs on to further
    /// lines is marked on its first one.
    pub fn in_text(file: impl Into<String>, text: &str, start: usize, len: usize) -> Self {
        let start = text.floor_char_boundary(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let shown = text[line_start..line_end].trim_end_matches('\r');
        let from = (start - line_start).min(shown.len());
        let to = shown.floor_char_boundary((from + len.max(1)).min(shown.len()));
        let excerpt = (shown.len() <= MAX_EXCERPT_BYTES)
            .then(|| Box::new(Excerpt { text: shown.to_owned(), start: from, end: to.max(from) }));
        Self {
            file: file.into(),
            line: Some(text[..start].matches('\n').count() as u64 + 1),
            column: Some(shown[..from].chars().count() as u64 + 1),
            field: None,
            excerpt,
        }
    }

    /// The same place with nothing of its line but the part that is meant: what is beside it may be a secret.
    #[must_use]
    pub fn with_the_rest_hidden(mut self) -> Self {
        if let Some(excerpt) = &mut self.excerpt {
            let Excerpt { text, start, end } = excerpt.as_mut();
            let before = " ".repeat(text.get(..*start).unwrap_or_default().chars().count());
            let meant = text.get(*start..*end).unwrap_or_default();
            let hidden = format!("{before}{meant}: ***");
            (*start, *end) = (before.len(), before.len() + meant.len());
            *text = hidden;
        }
        self
    }

    /// The same place without the text of its line, which may hold a secret.
    #[must_use]
    pub fn without_text(self) -> Self {
        Self { excerpt: None, column: None, ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        for part in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{part}")?;
        }
        Ok(())
    }
}

/// One thing that a person has to mend, or should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// What kind of problem, for programs: words with hyphens that stay the same between versions.
    pub code: &'static str,
    /// Where.
    pub place: Box<Place>,
    /// What is wrong: a lower-case sentence without a full stop. It is the same for all problems that are alike.
    pub what: String,
    /// What is particular about this one, such as `line 7` of "has the key of an earlier row".
    pub detail: Option<String>,
    /// What was written there, where that is what is wrong. It may be a customer's, so it is shown masked.
    pub value: Option<Box<str>>,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Problem {
    /// Something that stops the run.
    pub fn error(code: &'static str, place: Place, what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            place: Box::new(place),
            what: what.into(),
            detail: None,
            value: None,
            hint: None,
        }
    }

    /// Something to know before sending.
    pub fn warning(code: &'static str, place: Place, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, place, what) }
    }

    /// With the way to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with another severity.
    #[must_use]
    pub fn severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// With what is particular about this one.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With what was written there; nothing if that is empty.
    #[must_use]
    pub fn value(mut self, value: &str) -> Self {
        self.value = (!value.is_empty()).then(|| value.into());
        self
    }

    /// The whole message.
    pub fn message(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{}: {detail}", self.what),
            None => self.what.clone(),
        }
    }

    /// The drawn problem: message, place, the line with a caret where its text may be shown, hint.
    pub fn render(&self, draw: DrawOptions) -> String {
        draw::one(self, draw)
    }
}

/// A problem as data, for `--format json`.
#[derive(Debug)]
pub struct Data<'a> {
    problem: &'a Problem,
    values: Values,
}

impl Problem {
    /// The same as data, with what was written there masked or whole.
    pub const fn data(&self, values: Values) -> Data<'_> {
        Data { problem: self, values }
    }
}

impl Serialize for Data<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            severity: Severity,
            code: &'static str,
            file: &'a str,
            line: Option<u64>,
            column: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            field: Option<&'a str>,
            message: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            value: Option<String>,
            hint: Option<&'a str>,
        }
        let problem = self.problem;
        Flat {
            severity: problem.severity,
            code: problem.code,
            file: &problem.place.file,
            line: problem.place.line,
            column: problem.place.column,
            field: problem.place.field.as_deref(),
            message: problem.message(),
            value: problem.value.as_deref().map(|value| self.values.shown(value)),
            hint: problem.hint.as_deref(),
        }
        .serialize(serializer)
    }
}

/// The nearest of `known` to `word`, if it is near enough to be what was meant.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    let begins = || known.iter().find(|known| known.strip_prefix(word).is_some_and(|rest| rest.starts_with('_')));
    known
        .iter()
        .map(|&candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
        .or_else(|| begins().copied())
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        assert_eq!(did_you_mean("frist_name", ["name", "first_name"]), Some("first_name"));
        assert_eq!(did_you_mean("order", ["city", "phone"]), None);
        assert_eq!(did_you_mean("template", ["content", "template_params"]), Some("template_params"));
    }
}
