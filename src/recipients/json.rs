//! One JSON object as the cells of a row, strictly: every key once, and every number as it was written.
//!
//! A number of JSON has any number of digits, and one of this program has not. `RawValue` keeps the text of each value,
//! so that a number is compared with what would become of it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::{Flaw, FlawKind};

/// Lists and objects inside each other that a cell may have.
const MAX_DEPTH: usize = 64;

/// Keys that an object may have: as many as a sheet of Excel has columns.
const MAX_KEYS: usize = super::header::MAX_COLUMNS;

/// An object as cells.
pub(super) struct Object {
    pub(super) cells: Map<String, Value>,
    pub(super) flaws: Vec<Flaw>,
}

/// Why a line is no object that can be used.
pub(super) enum ObjectError {
    /// No JSON, or no object.
    NotAnObject(serde_json::Error),
    /// A key that an object has twice: one of its values would be lost.
    KeyTwice(String),
    /// Deeper than [`MAX_DEPTH`].
    TooDeep,
    /// More keys than [`MAX_KEYS`].
    TooManyKeys,
}

impl From<serde_json::Error> for ObjectError {
    fn from(error: serde_json::Error) -> Self {
        Self::NotAnObject(error)
    }
}

impl ObjectError {
    /// What is wrong and how to mend it; `None` for what is no JSON.
    pub(super) fn explain(&self) -> Option<(&'static str, String, &'static str)> {
        Some(match self {
            Self::NotAnObject(_) => return None,
            Self::KeyTwice(key) => {
                let what = format!("duplicate key `{key}` in this object");
                ("duplicate-key-in-object", what, "remove one of them")
            }
            Self::TooDeep => {
                let what = format!("lists and objects nested more than {MAX_DEPTH} deep");
                ("json-too-deep", what, "is this the right file?")
            }
            Self::TooManyKeys => {
                let what = format!("an object with more than {MAX_KEYS} keys");
                ("too-many-columns", what, "each line of a JSON Lines list is one recipient: is this the right file?")
            }
        })
    }
}

/// Reads an object.
pub(super) fn object(bytes: &[u8]) -> Result<Object, ObjectError> {
    let entries: Entries<'_> = serde_json::from_slice(bytes)?;
    let mut object = Object { cells: Map::new(), flaws: Vec::new() };
    for (key, raw) in entries.once()? {
        let mut flaw = None;
        let value = value(raw, 1, &mut flaw)?;
        object.flaws.extend(flaw.map(|kind| Flaw { column: object.cells.len(), kind }));
        object.cells.insert(key, value);
    }
    Ok(object)
}

fn value(raw: &RawValue, depth: usize, flaw: &mut Option<FlawKind>) -> Result<Value, ObjectError> {
    let text = raw.get();
    if depth > MAX_DEPTH {
        return Err(ObjectError::TooDeep);
    }
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let entries: Entries<'_> = serde_json::from_str(text)?;
            let entries = entries.once()?.into_iter();
            let entries = entries.map(|(key, raw)| Ok((key, value(raw, depth + 1, flaw)?)));
            Value::Object(entries.collect::<Result<_, ObjectError>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            Value::Array(items.into_iter().map(|raw| value(raw, depth + 1, flaw)).collect::<Result<_, ObjectError>>()?)
        }
        Some(b'-' | b'0'..=b'9') => number(text, flaw),
        _ => serde_json::from_str(text)?,
    })
}

/// A number that goes out as it is written. Whole numbers of more digits than a number can hold are ids, and kept as
/// texts.
fn number(text: &str, flaw: &mut Option<FlawKind>) -> Value {
    let whole = text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
    let number = match text.parse::<i64>() {
        Ok(number) if text != "-0" => Some(Number::from(number)),
        _ => text.parse::<u64>().ok().map(Number::from),
    };
    if let Some(number) = number {
        return Value::Number(number);
    }
    let float = text.parse::<f64>().ok().filter(|_| !whole).and_then(|float| Some((float, Number::from_f64(float)?)));
    let Some((float, number)) = float else {
        // Nothing reckons with a text, so an amount that is too large is said; an id loses nothing.
        if !whole {
            *flaw = Some(FlawKind::TooManyDigits);
        }
        return Value::String(text.to_owned());
    };
    let shown = format!("{float:?}");
    if shown != text {
        let is_same = significant(&shown) == significant(text);
        *flaw = flaw.or(Some(if is_same { FlawKind::Reformatted } else { FlawKind::TooManyDigits }));
    }
    Value::Number(number)
}

/// The digits of a number without zeros round them, and the power of ten of the first.
fn significant(number: &str) -> (String, i64) {
    let number = number.strip_prefix('-').unwrap_or(number);
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let zeros = digits.len() - digits.trim_start_matches('0').len();
    let digits = digits.trim_matches('0').to_owned();
    let count = |len: usize| i64::try_from(len).unwrap_or_default();
    let first = count(whole.len()) - count(zeros) + exponent.parse::<i64>().unwrap_or(i64::MAX / 2);
    let first = if digits.is_empty() { 0 } else { first };
    (digits, first)
}

/// The entries of an object, of which a key may come twice.
struct Entries<'a> {
    entries: Vec<(String, &'a RawValue)>,
}

impl<'a> Entries<'a> {
    fn once(self) -> Result<Vec<(String, &'a RawValue)>, ObjectError> {
        if self.entries.len() > MAX_KEYS {
            return Err(ObjectError::TooManyKeys);
        }
        let mut seen = std::collections::HashSet::new();
        match self.entries.iter().find(|(key, _)| !seen.insert(key)) {
            Some((twice, _)) => Err(ObjectError::KeyTwice(twice.clone())),
            None => Ok(self.entries),
        }
    }
}

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            // One more than may be is enough to tell; the rest is read, for it must be JSON.
            if entries.len() <= MAX_KEYS {
                entries.push(entry);
            }
        }
        Ok(Entries { entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(number: &str) -> (String, Option<FlawKind>) {
        let object = object(format!("{{\"n\": {number}}}").as_bytes()).map_err(|_| "refused").unwrap();
        let shown = match &object.cells["n"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (shown, object.flaws.first().map(|flaw| flaw.kind))
    }

    #[test]
    fn a_number_is_as_it_was_written_or_has_a_flaw() {
        for exact in ["0", "-7", "18446744073709551615", "9400111899223818218407", "0.1", "12.5", "1.0", "-0.25"] {
            assert_eq!(read(exact), (exact.to_owned(), None));
        }
        for (written, shown) in [("12.50", "12.5"), ("1e2", "100.0"), ("1E-7", "1e-7"), ("-0.0e3", "-0.0")] {
            assert_eq!(read(written), (shown.to_owned(), Some(FlawKind::Reformatted)), "{written}");
        }
        for lost in ["0.1000000000000000055511151231257827", "1e400", "12345678901234567890.5", "1e-400"] {
            assert_eq!(read(lost).1, Some(FlawKind::TooManyDigits), "{lost}");
        }
    }

    #[test]
    fn a_key_that_comes_twice_is_found_at_any_depth() {
        for twice in [r#"{"a": 1, "a": 2}"#, r#"{"b": [{"a": 1, "\u0061": 1}]}"#] {
            assert!(matches!(object(twice.as_bytes()), Err(ObjectError::KeyTwice(key)) if key == "a"), "{twice}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(object(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(matches!(object(nested(MAX_DEPTH + 1).as_bytes()), Err(ObjectError::TooDeep)));
        assert!(matches!(object(nested(1_000_000).as_bytes()), Err(ObjectError::TooDeep)));
    }
}
