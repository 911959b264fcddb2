//! The body of an answer, read leniently: what matters is read, whatever else is in there.
//!
//! Servers send half surrogate pairs (an emoji that was cut), byte order marks, `NaN`, text after the end, and fields of any
//! size. None of that says anything about the message. So the text is mended first, fields that nobody needs are skipped
//! unread, and what is kept is bounded. Knows nothing of statuses and of what a body means.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What is kept of a body; everything else is skipped unread.
#[derive(Debug)]
pub(in crate::livedesk) struct Fields {
    /// The fields that somebody looks at.
    pub(in crate::livedesk) needed: &'static [&'static str],
    /// Below these everything is kept: reasons come in many shapes.
    pub(in crate::livedesk) whole: &'static [&'static str],
    /// Elements and fields that are kept of one list or object.
    pub(in crate::livedesk) most: usize,
}

/// What is kept of the answer to a request that does something.
static ANSWER: Fields = Fields { needed: NEEDED, whole: KEPT_WHOLE, most: MAX_ELEMENTS };

const NEEDED: &[&str] = &[
    "account_info",
    "attributes",
    "blocked",
    "can_reply",
    "code",
    "contact",
    "contact_id",
    "content_attributes",
    "conversation_id",
    "data",
    "email",
    "error",
    "errors",
    "external_error",
    "id",
    "identifier",
    "inbox_id",
    "message",
    "meta",
    "muted",
    "payload",
    "phone_number",
    "sender",
    "status",
    "title",
];

const KEPT_WHOLE: &[&str] = &["code", "content_attributes", "error", "errors", "message", "status"];

/// A page of contacts has 15.
const MAX_ELEMENTS: usize = 200;

/// Deeper than this nothing is kept.
const MAX_DEPTH: usize = 16;

/// What a body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::livedesk) enum Body {
    /// Nothing.
    Empty,
    /// JSON, with only the fields that are needed.
    Json(Value),
    /// A page for a browser.
    Html,
    /// Any other text.
    Text,
}

impl Body {
    /// Reads the body of an answer to a request that does something.
    pub(super) fn read(text: &str) -> Self {
        Self::read_fields(text, &ANSWER)
    }

    /// Reads these fields of a body.
    pub(in crate::livedesk) fn read_fields(text: &str, fields: &'static Fields) -> Self {
        let start = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        match start.chars().next() {
            None => Self::Empty,
            Some('<') => Self::Html,
            Some(_) => parse(start, Needed { fields, whole: false, depth: 0 }).map_or(Self::Text, Self::Json),
        }
    }

    /// The JSON; `null` if it is something else.
    pub(in crate::livedesk) fn json(&self) -> &Value {
        match self {
            Self::Json(value) => value,
            _ => &Value::Null,
        }
    }
}

/// The first JSON value of a text, with all its fields.
pub(super) fn whole_json(text: &str) -> Option<Value> {
    parse(text, Needed { fields: &ANSWER, whole: true, depth: 0 })
}

fn parse(text: &str, needed: Needed) -> Option<Value> {
    let text = mended(text);
    let mut parser = serde_json::Deserializer::from_str(&text);
    // No `end()`: what follows the value says nothing about it.
    needed.deserialize(&mut parser).ok()
}

/// The text without what JSON forbids and what changes nothing: byte order marks, half surrogate pairs, control characters
/// in texts, numbers that are none.
fn mended(text: &str) -> Cow<'_, str> {
    let is_clean = |c: char| c >= ' ' && c != '\u{feff}' && c != '\\';
    if text.chars().all(is_clean) && !text.contains("NaN") && !text.contains("Infinity") {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len());
    let (mut rest, mut in_string) = (text, false);
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '\u{feff}' => {}
            '"' => {
                in_string = !in_string;
                result.push(c);
            }
            '\\' if in_string => {
                let (escape, whole) = escape(rest);
                result.push_str(escape);
                length = whole;
            }
            c if c < ' ' => result.push(' '),
            'N' | 'I' | '-' if !in_string => {
                match ["NaN", "Infinity", "-Infinity"].iter().find(|word| rest.starts_with(**word)) {
                    Some(word) => {
                        result.push_str("null");
                        length = word.len();
                    }
                    None => result.push(c),
                }
            }
            c => result.push(c),
        }
        rest = &rest[length..];
    }
    Cow::Owned(result)
}

/// The escape at the start of a text, mended, and how long it is there.
fn escape(text: &str) -> (&str, usize) {
    let unit = |at: usize| {
        text.get(at..at + 6)
            .filter(|unit| unit.starts_with("\\u"))
            .and_then(|unit| u16::from_str_radix(&unit[2..], 16).ok())
    };
    match unit(0) {
        Some(0xd800..=0xdbff) if matches!(unit(6), Some(0xdc00..=0xdfff)) => (&text[..12], 12),
        Some(0xd800..=0xdfff) => ("\\ufffd", 6),
        Some(_) => (&text[..6], 6),
        // A backslash before something that it does not belong to.
        None => match text[1..].chars().next() {
            Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => (&text[..2], 2),
            _ => ("\\\\", 1),
        },
    }
}

/// Reads a value and keeps what is needed of it.
#[derive(Clone, Copy)]
struct Needed {
    fields: &'static Fields,
    whole: bool,
    depth: usize,
}

impl Needed {
    fn keeps(self, name: &str) -> bool {
        self.depth < MAX_DEPTH && (self.whole || self.fields.needed.contains(&name))
    }

    fn below(self, name: &str) -> Self {
        Self { whole: self.whole || self.fields.whole.contains(&name), depth: self.depth + 1, ..self }
    }
}

impl<'de> DeserializeSeed<'de> for Needed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Needed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while list.len() < self.fields.most && self.depth < MAX_DEPTH {
            match elements.next_element_seed(Self { depth: self.depth + 1, ..self })? {
                Some(element) => list.push(element),
                None => return Ok(Value::Array(list)),
            }
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<Cow<'_, str>>()? {
            if map.len() < self.fields.most && self.keeps(&name) {
                let value = fields.next_value_seed(self.below(&name))?;
                map.insert(name.into_owned(), value);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_matters_is_read_whatever_else_is_in_there() {
        let wanted = json!({ "id": 7, "status": "sent" });
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for text in [
            r#"{"id": 7, "status": "sent"}"#.to_owned(),
            r#"{"sender_name": "Ada \ud83d", "id": 7, "status": "sent"}"#.to_owned(),
            r#"{"id": 7, "name": "\udc00\ud83d\ud83d\ude00 \ud83", "status": "sent"}"#.to_owned(),
            "\u{feff}{\"id\": 7,\u{feff} \"status\": \"se\u{feff}nt\"}".to_owned(),
            r#"{"score": NaN, "low": -Infinity, "id": 7, "status": "sent"}"#.to_owned(),
            r#"{"id": 7, "status": "sent"} <!-- 12 ms -->"#.to_owned(),
            "{\"note\": \"a\u{0}b\nc\", \"id\": 7, \"status\": \"sent\"}".to_owned(),
            r#"{"path": "C:\new \x41", "id": 7, "status": "sent"}"#.to_owned(),
            format!(r#"{{"deep": {deep}, "id": 7, "status": "sent"}}"#),
        ] {
            assert_eq!(Body::read(&text).json(), &wanted, "{}", &text[..text.len().min(200)]);
        }
        assert_eq!(Body::read(r#"{"error": "caf\u00e9 \ud83d!"}"#).json()["error"], "café \u{fffd}!");
    }

    #[test]
    fn what_is_cut_off_or_no_json_is_not_read() {
        for text in [r#"{"id": 7, "status": "se"#, r#"{"id": 7, "status": "sent""#, "sent", "Retry later\n"] {
            assert_eq!(Body::read(text), Body::Text, "{text}");
        }
        assert_eq!(Body::read(" \u{feff}\n"), Body::Empty);
        assert_eq!(Body::read("\n<!DOCTYPE html>"), Body::Html);
    }

    #[test]
    fn huge_fields_take_no_memory() {
        let text = format!(r#"{{"x": [{}1], "errors": [{}1], "id": 7}}"#, "1,".repeat(1_000_000), "1,".repeat(100_000));
        let body = Body::read(&text);
        assert_eq!(body.json()["id"], 7);
        assert_eq!(body.json()["errors"].as_array().unwrap().len(), MAX_ELEMENTS);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[{}\\[\\]\":,\\\\ud83NaI\u{feff}é0-9 -]{0,60}") {
            let _ = Body::read(&text);
        }

        /// What is JSON already means the same after it was mended.
        #[test]
        fn good_texts_are_left_alone(text in "\\PC{0,40}") {
            let clean = text.replace('\u{feff}', "");
            let body = json!({ "error": text, "id": 1 }).to_string();
            prop_assert_eq!(Body::read(&body).json().clone(), json!({ "error": clean, "id": 1 }));
        }
    }
}
