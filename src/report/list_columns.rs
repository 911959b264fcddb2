//! The columns of the list that a report shows in front of its own. Whoever is no row of the list any more, or a row that
//! cannot be read, has empty cells there.

use std::borrow::Cow;

use serde_json::Value;

use super::Record;
use super::columns::COLUMNS;

/// What the name of a column gets in front of it where the report has a column of that name.
const PREFIX: &str = "list.";

/// Names of columns of the list.
#[derive(Debug, Default)]
pub(super) struct ListColumns(Vec<String>);

impl ListColumns {
    pub(super) const fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is above them: their names, none of which is one of the report's own.
    pub(super) fn headings(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0.iter().map(|name| {
            let is_ours = COLUMNS.contains(&name.trim_start_matches(PREFIX));
            if is_ours { Cow::Owned(format!("{PREFIX}{name}")) } else { Cow::Borrowed(name.as_str()) }
        })
    }

    /// Each name with its cell.
    pub(super) fn cells<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = (&'a str, Option<&'a Value>)> {
        self.0.iter().map(|name| (name.as_str(), record.row.as_ref().and_then(|row| row.get(name))))
    }

    /// The cells as texts.
    pub(super) fn texts<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = Cow<'a, str>> {
        self.cells(record).map(|(_, cell)| match cell {
            None | Some(Value::Null) => Cow::Borrowed(""),
            Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
            Some(other) => Cow::Owned(other.to_string()),
        })
    }
}
