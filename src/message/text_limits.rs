//! How long a text one step of a template may make: `text|replace('a', long)` and `items|join(long)` multiply lengths.

use minijinja::value::Value;
use minijinja::{Error, ErrorKind};

/// Marks the error of a number that is too large.
pub(super) const TOO_LARGE: &str = "too large";

/// The longest text that one step may make, in bytes: far more than any message, and little for a machine.
const MAX_TEXT: usize = 1 << 24;

/// A text, what is replaced in it, and by what: `text|replace('a', 'b')`, `text.replace('a', 'b')`.
pub(super) fn check_replace(arguments: &[Value]) -> Result<(), Error> {
    let [text, from, to, ..] = arguments else { return Ok(()) };
    let (text, from, to) = (text.to_string(), from.to_string(), to.to_string());
    let found = text.matches(&from).count();
    if found.saturating_mul(to.len()) > MAX_TEXT { Err(too_large()) } else { Ok(()) }
}

/// Items, and what is put between them: `items|join(', ')`, `', '.join(items)`.
pub(super) fn check_join(items: &Value, separator: Option<&Value>) -> Result<(), Error> {
    let gaps = items.len().or_else(|| items.as_str().map(str::len)).unwrap_or_default();
    let length = separator.and_then(Value::as_str).map_or(0, str::len);
    if gaps.saturating_mul(length) > MAX_TEXT { Err(too_large()) } else { Ok(()) }
}

/// The error of a step that asks for too much.
pub(super) fn too_large() -> Error {
    Error::new(ErrorKind::InvalidOperation, TOO_LARGE)
}
