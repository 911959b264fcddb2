//! The names of the columns, as templates will see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Columns, is_invisible, spreadsheet_artifacts};
use crate::problem::{Place, Problem};

/// Columns that are named one by one; for more than these, only their number is reported.
const SHOWN: usize = 5;

/// Columns that a list may have: as many as a sheet of Excel.
pub(super) const MAX_COLUMNS: usize = 16_384;

/// A header that can be used.
#[derive(Debug)]
pub(super) struct Header {
    /// The list's name.
    pub(super) file: String,
    /// The columns that have a name.
    pub(super) columns: Arc<Columns>,
    /// Where each of them is in the list.
    pub(super) positions: Vec<usize>,
    /// How many columns the list has, those without a name included.
    pub(super) width: usize,
    /// Names that several columns have.
    pub(super) repeated: Vec<RepeatedColumn>,
    /// What was done to the names.
    pub(super) notes: Vec<String>,
    /// What is doubtful about them.
    pub(super) warnings: Vec<Problem>,
}

/// A name that several columns have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatedColumn {
    /// The name.
    pub name: String,
    /// What is wrong with it, as soon as anything uses it.
    pub problem: Problem,
}

impl Header {
    /// The header with these names, or what is wrong with it.
    pub(super) fn of(written: &[String], file: &str, line: u64) -> Result<Self, Vec<Problem>> {
        let place = || Place::line(file, line);
        let names: Vec<String> = written.iter().map(|name| name.trim_matches(is_invisible).to_owned()).collect();
        if names.iter().any(|name| is_personal(name)) {
            let what = "the first line looks like a recipient: it must be the column names";
            let hint = "add a first line with names such as `phone`";
            return Err(vec![Problem::error("header-is-data", place(), what).hint(hint)]);
        }
        let repeated = repeated(written, &names, &place);
        let mut warnings = Vec::new();
        if names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
            let what = "all column names are numbers: if this line is a recipient, they get no message";
            let hint = "the first line must be the column names";
            warnings.push(Problem::warning("header-is-numbers", place(), what).hint(hint));
        }
        let trimmed: Vec<usize> =
            (0..names.len()).filter(|at| names[*at] != written[*at] && !names[*at].is_empty()).collect();
        let notes = trimmed_note(&trimmed).into_iter().chain(nameless_note(&names)).collect();
        let width = names.len();
        let (positions, names) = names.into_iter().enumerate().filter(|(_, name)| !name.is_empty()).unzip();
        Ok(Self {
            file: file.to_owned(),
            columns: Arc::new(Columns::new(names)),
            positions,
            width,
            repeated,
            notes,
            warnings,
        })
    }

    /// How many fields a row must have: columns without a name at the end may be missing.
    pub(super) fn required(&self) -> usize {
        self.positions.last().map_or(0, |last| last + 1)
    }
}

/// A list with more columns than [`MAX_COLUMNS`].
pub(super) fn too_many_columns(file: &str, line: u64, count: usize) -> Vec<Problem> {
    let what = format!("the list has {count} columns; the limit is {MAX_COLUMNS}");
    let hint = "is this the right file and delimiter?";
    vec![Problem::error("too-many-columns", Place::line(file, line), what).hint(hint)]
}

fn trimmed_note(trimmed: &[usize]) -> Option<String> {
    let names = match trimmed.len() {
        0 => return None,
        1 => "name",
        _ => "names",
    };
    let columns = listed(trimmed);
    Some(format!("white space or invisible characters around the {names} of {columns} were removed"))
}

/// Programs write a column without a name for the number of the row, and a delimiter at the end of each line.
fn nameless_note(names: &[String]) -> Option<String> {
    let nameless: Vec<usize> = (0..names.len()).filter(|at| names[*at].is_empty()).collect();
    // A delimiter at the end of the line is no column.
    match nameless.as_slice() {
        [] => None,
        [only] if only + 1 == names.len() => None,
        [_] => Some(format!("{} has no name and is ignored", listed(&nameless))),
        _ => Some(format!("{} have no name and are ignored", listed(&nameless))),
    }
}

fn repeated(written: &[String], names: &[String], place: &impl Fn() -> Place) -> Vec<RepeatedColumn> {
    let mut columns: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        columns.entry(name).or_default().push(at);
    }
    let mut repeated: Vec<(&str, Vec<usize>)> = columns.into_iter().filter(|(_, columns)| columns.len() > 1).collect();
    repeated.sort_by_key(|(_, columns)| columns[0]);
    let problem = |(name, columns): (&str, Vec<usize>)| {
        let (both, hint) = match columns.len() {
            2 => ("both", "rename one of them"),
            _ => ("all", "rename all but one of them"),
        };
        let mut what = format!("{} are {both} named `{name}`", listed(&columns));
        if columns.iter().any(|at| written[*at] != written[columns[0]]) {
            what += " after white space and invisible characters are removed";
        }
        let problem = Problem::error("duplicate-column", place(), what).hint(hint);
        RepeatedColumn { name: name.to_owned(), problem }
    };
    repeated.into_iter().map(problem).collect()
}

/// `column 2`, `columns 2, 5 and 7`, `columns 2, 3, 4, 5, 6 and 12 more`.
fn listed(columns: &[usize]) -> String {
    let mut parts: Vec<String> = columns.iter().take(SHOWN).map(|at| (at + 1).to_string()).collect();
    let last = match columns.len() - parts.len() {
        0 => parts.pop().unwrap_or_default(),
        more => format!("{more} more"),
    };
    if parts.is_empty() { format!("column {last}") } else { format!("columns {} and {last}", parts.join(", ")) }
}

/// An e-mail address or an international phone number: nobody names a column so.
fn is_personal(name: &str) -> bool {
    let is_address = name.split_once('@').is_some_and(|(who, host)| {
        !who.is_empty() && host.contains('.') && !host.starts_with('.') && !name.contains(char::is_whitespace)
    });
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let is_phone = name.bytes().all(|byte| byte.is_ascii_digit() || b"+ -/().".contains(&byte))
        && digits >= 7
        && (name.starts_with('+') || digits >= 10)
        && !spreadsheet_artifacts::looks_like_a_date(name);
    is_address || is_phone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_names_a_column_is_taken_for_a_recipient() {
        for data in ["ada@example.com", "+49 1512 3456789", "4915123456789", "(0171) 392 00 55"] {
            assert!(is_personal(data), "{data}");
        }
        for name in ["@", "e@mail", "2026-12-01", "20261201", "101", "+1", "E-Mail (work@home)", "1.2.3", ""] {
            assert!(!is_personal(name), "{name}");
        }
    }

    #[test]
    fn many_columns_are_counted() {
        assert_eq!(listed(&[1]), "column 2");
        assert_eq!(listed(&[1, 4, 6]), "columns 2, 5 and 7");
        assert_eq!(listed(&[0, 1, 2, 3, 4]), "columns 1, 2, 3, 4 and 5");
        assert_eq!(listed(&[0, 1, 2, 3, 4, 5, 6]), "columns 1, 2, 3, 4, 5 and 2 more");
    }
}
