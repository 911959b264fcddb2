//! The names of the columns, as templates will see them.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Columns, damage, is_invisible};
use crate::problem::{Place, Problem};

/// Columns that are named one by one; of more than these the count is told.
const SHOWN: usize = 5;

/// A header that can be used.
pub(super) struct Header {
    pub(super) columns: Arc<Columns>,
    /// What was done to the names.
    pub(super) note: Option<String>,
    /// What is doubtful about them.
    pub(super) warnings: Vec<Problem>,
}

impl Header {
    /// The header with these names, or what is wrong with it.
    pub(super) fn of(written: &[String], file: &str, line: u64) -> Result<Self, Vec<Problem>> {
        let place = || Place::line(file, line);
        let names: Vec<String> = written.iter().map(|name| name.trim_matches(is_invisible).to_owned()).collect();
        if names.iter().any(|name| is_personal(name)) {
            let what = "the first line looks like a recipient: a list begins with the names of its columns";
            let hint = "put a line with names such as `phone` above it";
            return Err(vec![Problem::error("header-is-data", place(), what).hint(hint)]);
        }
        let mut problems = duplicates(written, &names, &place);
        problems.extend(nameless(&names, &place));
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut warnings = Vec::new();
        if names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
            let what = "all columns are named by numbers: if this line is a recipient, nothing is sent to them";
            let hint = "a list begins with the names of its columns";
            warnings.push(Problem::warning("header-is-numbers", place(), what).hint(hint));
        }
        let trimmed: Vec<usize> = (0..names.len()).filter(|at| names[*at] != written[*at]).collect();
        let note = match trimmed.len() {
            0 => None,
            1 => Some(("name", "it")),
            _ => Some(("names", "them")),
        };
        let note = note.map(|(names, them)| {
            let columns = listed(&trimmed);
            format!(
                "the {names} of {columns} had white space or invisible characters round {them}, which are taken off"
            )
        });
        Ok(Self { columns: Arc::new(Columns::new(names)), note, warnings })
    }
}

fn duplicates(written: &[String], names: &[String], place: &impl Fn() -> Place) -> Vec<Problem> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut problems = Vec::new();
    for (at, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let first = *seen.entry(name).or_insert(at);
        if first == at {
            continue;
        }
        let mut what = format!("columns {} and {} are both named `{name}`", first + 1, at + 1);
        if written[first] != written[at] {
            what += " once the white space or invisible characters round them are taken off";
        }
        problems.push(Problem::error("duplicate-column", place(), what).hint("rename one of them"));
    }
    problems
}

fn nameless(names: &[String], place: &impl Fn() -> Place) -> Option<Problem> {
    let nameless: Vec<usize> = (0..names.len()).filter(|at| names[*at].is_empty()).collect();
    let (have, hint) = match nameless.len() {
        0 => return None,
        1 => ("has", "give it one, or delete the column"),
        _ => ("have", "give each one, or delete the columns; merged cells name only the first of their columns"),
    };
    let what = format!("{} {have} no name", listed(&nameless));
    Some(Problem::error("column-without-name", place(), what).hint(hint))
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
        && !damage::looks_like_a_date(name);
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
