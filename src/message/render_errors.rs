//! Why the engine gave no text for a row, in words about the template and the cell: "`day` is not a date".

use minijinja::{Error, ErrorKind};

use super::mixed_kinds::{NUMBER_HINT, TEXT_FOR_NUMBER};
use super::references::{Reference, ReferenceKind, names};
use super::truthiness::shortened;
use super::{date_filters, jinja_compat, phone_filter, strictness, text_limits};
use crate::recipients::{Row, is_invisible};

/// Marks the error of a null deep inside a cell.
pub(super) const NULL: &str = "null";

/// Why a template gives no text for a row.
#[derive(Debug)]
pub(super) struct NoText {
    /// The problem's code.
    pub(super) code: &'static str,
    /// What is wrong.
    pub(super) what: String,
    /// The value that is wrong.
    pub(super) value: Option<String>,
    /// How to mend it, where the code alone does not tell.
    pub(super) hint: Option<&'static str>,
}

impl NoText {
    pub(super) fn new(code: &'static str, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), value: None, hint: None }
    }
}

/// What an error says of itself that is about a row.
pub(super) fn explain(error: &Error, source: &str, row: &Row) -> NoText {
    let range = error.range().unwrap_or_default();
    let whole = source.get(range.clone()).unwrap_or_default().trim();
    let expression = &*shortened(whole);
    let input = given_to(source, range.start);
    let name =
        input.as_ref().map_or_else(|| format!("what `{expression}` is given"), |input| format!("`{}`", input.text));
    let value = input.as_ref().and_then(|input| row.get(&input.text)).and_then(text_of);
    let failed = |what: String| NoText { code: "template-failed", what, value: None, hint: None };
    let about = |what: String| NoText { value: value.clone(), ..failed(what) };
    let detail = error.detail().unwrap_or_default();
    if let (ErrorKind::InvalidOperation, Some(text)) = (error.kind(), &value)
        && let Some(expected) = expected(detail, whole).filter(|_| text.trim_matches(is_invisible).is_empty())
    {
        let what = format!("{name} is empty, but {expected} is expected");
        return NoText { hint: Some(EMPTY_HINT), ..NoText::new("empty", what) };
    }
    match error.kind() {
        ErrorKind::UndefinedError => failed(undefined(detail, whole, input.as_ref(), source, row)),
        ErrorKind::InvalidOperation if detail == date_filters::NOT_A_DATE => {
            NoText { code: "not-a-date", ..about(format!("{name} is not a date")) }
        }
        ErrorKind::InvalidOperation if detail == date_filters::FORMAT => {
            NoText { code: date_filters::FORMAT_CODE, ..failed(format!("`{expression}` is given no date format")) }
        }
        ErrorKind::InvalidOperation if detail == jinja_compat::NEITHER => {
            about(format!("{name} means neither yes nor no"))
        }
        ErrorKind::InvalidOperation if detail == text_limits::TOO_LARGE => {
            failed(format!("a number in `{expression}` is too large: at most 1,000,000"))
        }
        ErrorKind::InvalidOperation if detail == strictness::MIXED_KINDS => {
            let what = format!("`{expression}` compares a text with a number");
            NoText { code: TEXT_FOR_NUMBER, hint: Some(NUMBER_HINT), ..about(what) }
        }
        ErrorKind::InvalidOperation if detail == strictness::ORDER_OF_LETTERS => {
            let what = format!("`{expression}` compares texts letter by letter, so that `10` comes before `9`");
            NoText { code: TEXT_FOR_NUMBER, hint: Some(NUMBER_HINT), ..about(what) }
        }
        ErrorKind::InvalidOperation if detail == phone_filter::NO_COUNTRY => {
            failed(format!("`{expression}` is given something that is not a country code of two letters, such as `DE`"))
        }
        ErrorKind::InvalidOperation => match (detail.strip_prefix(strictness::NO_ATTRIBUTE), whole) {
            (Some(attribute), _) => failed(format!("`{expression}`: an item has no `{attribute}`")),
            (None, "float" | "int") => NoText { hint: Some(NUMBER_FORM), ..about(format!("{name} is not a number")) },
            (None, _) => match detail.strip_prefix(phone_filter::NO_PHONE) {
                Some(what) => NoText { code: "phone", ..about(format!("{name}: {what}")) },
                None => about(format!("{} in `{expression}`", error.kind())),
            },
        },
        ErrorKind::WriteFailure => failed("the template writes more than 1 MiB".to_owned()),
        ErrorKind::OutOfFuel => failed("the template runs too long".to_owned()),
        kind => about(format!("{kind} in `{expression}`")),
    }
}

/// What a filter reads that is given nothing but blanks.
fn expected(detail: &str, filter: &str) -> Option<&'static str> {
    match filter {
        _ if detail == date_filters::NOT_A_DATE => Some("a date"),
        _ if detail.starts_with(phone_filter::NO_PHONE) => Some("a phone number"),
        "float" | "int" => Some("a number"),
        _ => None,
    }
}

const EMPTY_HINT: &str = "fill in the cell, leave the text out for such rows (`{% if column != \"\" %}...{% endif %}`), or skip them with \
                          `recipients.where` or `--skip-invalid`";

/// How a number must be written.
const NUMBER_FORM: &str = "digits with a point: `column|replace('.', '')|replace(',', '.')|float` reads `1.234,50`, and `column|float(0)` gives \
                           0 for what is no number";

/// What is not there: the column of the row that the expression names, or the expression as a whole.
fn undefined(detail: &str, whole: &str, input: Option<&Reference>, source: &str, row: &Row) -> String {
    if detail == NULL {
        return format!("`{}` is null", shortened(whole));
    }
    let is_null = |name: &str| row.get(name).is_some_and(serde_json::Value::is_null);
    let is_missing = |name: &str| row.get(name).is_none_or(serde_json::Value::is_null);
    // The engine points at a filter, or at all of a condition.
    let at = source.find(whole).unwrap_or_default();
    let inside = names(source, false);
    let inside = inside.iter().filter(|reference| (at..at + whole.len()).contains(&reference.range.start));
    let of_columns = |reference: &&Reference| !matches!(reference.of, ReferenceKind::Filter | ReferenceKind::Test);
    let named = inside.filter(of_columns).find(|reference| is_missing(&reference.text)).or(input);
    match named {
        Some(name) if is_null(&name.text) => format!("`{}` is null", name.text),
        Some(name) if is_missing(&name.text) && whole.starts_with("if ") => format!("`{}` is not defined", name.text),
        Some(name) if detail == strictness::NOTHING_GIVEN => format!("`{}` is not defined", name.text),
        _ if detail == strictness::NOTHING_GIVEN => {
            format!("`{}` is given something that is not defined", shortened(whole))
        }
        _ => format!("`{}` is not defined", shortened(whole)),
    }
}

/// The column that a filter at this place is applied to, with nothing but filters between them.
fn given_to(source: &str, at: usize) -> Option<Reference> {
    let all = names(source, false);
    let of_columns = |reference: &&Reference| !matches!(reference.of, ReferenceKind::Filter | ReferenceKind::Test);
    let last = all.iter().filter(of_columns).rfind(|reference| reference.range.end <= at)?;
    let between = source.get(last.range.end..at)?.trim_start_matches(['"', '\'', ']', ' ']);
    let is_filters = between.starts_with('|') && !between.contains(['~', '+', '*', '/', '<', '>', '=', '}']);
    is_filters.then(|| last.clone())
}

fn text_of(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
