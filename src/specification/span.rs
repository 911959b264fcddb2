//! Values of the spec that know where they are.

use std::borrow::Cow;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::problem::{Place, Problem};

/// Where a value is in the spec's text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    offset: usize,
    len: usize,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

impl Span {
    /// Where it begins and ends.
    pub(super) fn range(self) -> Range<usize> {
        self.offset..self.offset + self.len
    }

    /// The same beginning with another end.
    pub(super) fn until(self, end: usize) -> Self {
        Self { len: end.saturating_sub(self.offset), ..self }
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { offset: range.start, len: range.len() }
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A template as written: any scalar, taken word for word (`0012` stays `0012`).
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Text(pub(super) String);

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// A constant as written: any scalar, taken word for word, or a list or a map of such.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Constant(pub(super) serde_json::Value);

impl JsonSchema for Constant {
    fn schema_name() -> Cow<'static, str> {
        "Constant".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let inner = generator.subschema_for::<Self>();
        json_schema!({
            "description": "A text, or a list or a map of them.",
            "anyOf": [
                { "type": ["string", "number", "boolean"] },
                { "type": "array", "items": inner.clone() },
                { "type": "object", "additionalProperties": inner },
            ],
        })
    }
}

/// The spec's text with its name: turns marks into places.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file as the user named it.
    pub name: String,
    /// Its whole text.
    pub text: String,
}

impl Source {
    /// The place of a value. Lines of the section `livedesk`, and of webhooks, are named and not shown: what is there by
    /// mistake may be a credential.
    pub fn place(&self, span: Span) -> Place {
        let place = Place::in_text(&self.name, &self.text, span.offset, self.first_line(span).len());
        if self.is_private(span.offset) { place.without_text() } else { place }
    }

    /// The place of the key of a value that may be a credential: the key is shown, and nothing else of its line.
    pub(super) fn place_of_key(&self, value: Span, name: &str) -> Place {
        let key = self.key_before(value, name);
        if self.text.get(key.range()) != Some(name) {
            return self.place(value).without_text();
        }
        Place::in_text(&self.name, &self.text, key.offset, key.len).with_the_rest_hidden()
    }

    /// A problem at a value.
    pub(super) fn problem(&self, code: &'static str, span: Span, what: impl Into<String>) -> Problem {
        Problem::error(code, self.place(span), what)
    }

    /// The line in which a value begins, counted from 1.
    pub(super) fn line(&self, span: Span) -> usize {
        self.text.get(..span.offset).unwrap_or_default().matches('\n').count() + 1
    }

    /// Where the key of a value is: the last place before the value that has its name.
    pub(super) fn key_before(&self, value: Span, name: &str) -> Span {
        let before = self.text.get(..value.offset).unwrap_or_default();
        before.rfind(name).filter(|_| !name.is_empty()).map_or(value, |at| Span { offset: at, len: name.len() })
    }

    /// Where a key of a map is.
    pub(super) fn key_in(&self, map: Span, name: &str) -> Span {
        let inside = self.text.get(map.range()).unwrap_or_default();
        let found = [format!("{name}:"), format!("{name}\"")].iter().find_map(|key| inside.find(key.as_str()));
        found.map_or(map, |at| Span { offset: map.offset + at, len: name.len() })
    }

    /// Whether a line may hold a credential: any of the section `livedesk` but the address, a webhook's secret,
    /// and the address of one that is notified.
    fn is_private(&self, offset: usize) -> bool {
        let rest = self.text.get(offset..).unwrap_or_default();
        let line_end = offset + rest.find('\n').unwrap_or(rest.len());
        let lines: Vec<&str> = self.text.get(..line_end).unwrap_or_default().lines().collect();
        let line = lines.last().copied().unwrap_or_default();
        if line.contains("webhook_secret") {
            return true;
        }
        let is_address = line.contains("base_url") && !["@", "key", "sec"].iter().any(|word| line.contains(word));
        let top_level = |line: &&&str| line.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '"' | '\''));
        let section = lines.iter().rev().find(top_level).copied().unwrap_or_default();
        let is_webhook = section.starts_with("notify") && (line.contains("://") || line.contains("url"));
        is_webhook || !is_address && section.contains("livedesk")
    }

    /// The place of `len` bytes at `at` inside the string `value` that is at `span`. Exact for plain, quoted and
    /// `|` scalars without escapes; otherwise the place of the whole value.
    pub fn place_inside(&self, span: Span, value: &str, at: usize, len: usize) -> Place {
        self.offset_inside(span, value, at)
            .map_or_else(|| self.place(span), |offset| Place::in_text(&self.name, &self.text, offset, len))
    }

    fn offset_inside(&self, span: Span, value: &str, at: usize) -> Option<usize> {
        let before = value.get(..at)?;
        let line_index = before.matches('\n').count();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let wanted = value[line_start..].lines().next()?;
        let mut offset = span.offset;
        for _ in 0..line_index {
            offset += self.text.get(offset..)?.find('\n')? + 1;
        }
        let found = self.text.get(offset..)?.lines().next()?.find(wanted)?;
        Some(offset + found + (at - line_start))
    }

    fn first_line(&self, span: Span) -> &str {
        let end = (span.offset + span.len).min(self.text.len());
        self.text.get(span.offset..end).and_then(|text| text.lines().next()).unwrap_or_default().trim_end()
    }
}
