//! Where the template engine would give another text than Jinja2, in silence.
//!
//! A cell of most lists is a text, also where it looks like a number; the engine's own answers to that are corrected
//! here. `tests/jinja` holds what Jinja2 gives.

use std::borrow::Cow;

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, tests};

use super::{booleans, filter_limits, text_limits};

/// Puts the corrected filters, tests and methods in the place of the engine's own.
pub(super) fn correct(environment: &mut Environment<'_>) {
    // The engine changes letter by letter, and so misses the other sigma at the end of a Greek name.
    environment.add_filter("title", |text: Cow<'_, str>| titled(&text, |c| c.is_whitespace() || "-({[<".contains(c)));
    environment.add_filter("pluralize", pluralize);
    environment.add_filter("bool", boolean);
    // A null cell is as if it were not there, and asking for it is the way to provide for that.
    environment.add_test("none", |value: Value| value.is_none() || value.is_undefined());
    environment.add_test("odd", |value: Value| number(value).map(tests::is_odd));
    environment.add_test("even", |value: Value| number(value).map(tests::is_even));
    environment.add_test("divisibleby", |value: Value, by: Value| {
        Ok::<_, Error>(tests::is_divisibleby(&number(value)?, &number(by)?))
    });
    environment.set_unknown_method_callback(method);
}

/// Marks the error of a text that says neither yes nor no.
pub(super) const NEITHER: &str = "neither yes nor no";

/// The engine takes every text but the empty one for true, also `no`.
fn boolean(value: &Value) -> Result<bool, Error> {
    let neither = || Error::new(ErrorKind::InvalidOperation, NEITHER);
    if value.is_undefined() || value.is_none() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    match value.as_str() {
        Some(text) => booleans::read(text).ok_or_else(neither),
        None if value.is_number() || value.kind() == ValueKind::Bool => Ok(value.is_true()),
        None => Err(neither()),
    }
}

/// Python's methods, which Jinja has: `name.upper()`.
fn method(state: &mut State, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (value.as_str(), method, arguments) {
        (Some(text), "title", []) => Ok(Value::from(titled(text, |c| !c.is_lowercase() && !c.is_uppercase()))),
        (Some(_), "format", values) => {
            let all: Vec<Value> = std::iter::once(value.clone()).chain(values.iter().cloned()).collect();
            filter_limits::check_format(&all)?;
            minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments)
        }
        (Some(_), "replace", [from, to, ..]) => {
            text_limits::check_replace(&[value.clone(), from.clone(), to.clone()])?;
            minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments)
        }
        (Some(_), "join", [items]) => {
            text_limits::check_join(items, Some(value))?;
            minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments)
        }
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments),
    }
}

/// Each word with a capital letter, where a word is what is between two borders.
fn titled(text: &str, is_border: fn(char) -> bool) -> String {
    let mut titled = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_border) {
        let word = piece.trim_end_matches(is_border);
        let mut letters = word.chars();
        titled.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        titled.push_str(&letters.as_str().to_lowercase());
        titled.push_str(&piece[word.len()..]);
    }
    titled
}

/// The engine counts a text's characters: "5" would be one of them, and so singular.
fn pluralize(value: Value, singular: Option<Value>, plural: Option<Value>) -> Result<Value, Error> {
    let counted = match value.as_str() {
        Some(text) => Value::from(text.trim().parse::<i64>().map_err(|_| no_number())?),
        None => value,
    };
    minijinja_contrib::filters::pluralize(&counted, singular, plural)
}

/// The engine takes every text for neither odd nor even.
fn number(value: Value) -> Result<Value, Error> {
    if value.is_number() || bool::try_from(value.clone()).is_ok() { Ok(value) } else { Err(no_number()) }
}

fn no_number() -> Error {
    Error::new(ErrorKind::InvalidOperation, "a number is expected")
}
