//! The tree against the JSON Schema that is made from [`super::raw`]: every key that is unknown, missing, empty or of
//! the wrong kind, all at once.
//!
//! What is wrong is taken out of the tree, so that the rest can be read and checked in the same go.

use std::collections::BTreeSet;

use serde_json::Value;

use super::MAX_PROBLEMS;
use super::span::{Source, Span};
use super::yaml_tree::{Key, Node, NodeKind, Scalar, shown};
use crate::problem::{Problem, did_you_mean};

/// Holds a tree against the schema.
pub(super) struct SchemaCheck<'a> {
    source: &'a Source,
    schema: &'a Value,
    problems: &'a mut Vec<Problem>,
    /// Maps from which something was taken out: what they lack now is nobody's fault.
    pub(super) spoiled: Vec<Span>,
    /// Keys of the first level that are somewhere else, so that they are not reported as missing as well.
    misplaced: Vec<String>,
}

/// The keys of a map: those that it may have, and those that it has.
struct Keys<'a> {
    known: Vec<&'a str>,
    given: BTreeSet<String>,
}

/// Where a key belongs that is not known here.
enum Elsewhere {
    /// In a section that contains this one or is inside it.
    Around(String),
    /// In another one, so that a key of this section may be meant as well.
    Far(String),
}

/// The way to a value, for naming it.
#[derive(Clone, Copy)]
struct Way<'a> {
    path: &'a str,
    /// The place of the key or list item, for what is missing inside.
    span: Span,
}

impl<'a> SchemaCheck<'a> {
    pub(super) fn new(source: &'a Source, schema: &'a Value, problems: &'a mut Vec<Problem>) -> Self {
        Self { source, schema, problems, spoiled: Vec::new(), misplaced: Vec::new() }
    }

    /// Whether enough is left to be read.
    pub(super) fn holds(&mut self, root: &mut Node) -> bool {
        let (schema, way) = (self.schema, Way { path: "", span: root.span });
        self.value(root, schema, way)
    }

    fn problem(&mut self, code: &'static str, span: Span, what: impl Into<String>, hint: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(self.source.problem(code, span, what).hint(hint));
        }
    }

    /// The schema that a reference points to.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let name = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/"));
        name.map_or(schema, |name| &self.schema["$defs"][name])
    }

    /// Whether the value can be read; what is wrong inside it is taken out.
    fn value(&mut self, node: &mut Node, schema: &'a Value, way: Way<'_>) -> bool {
        let choices = self.choices(schema);
        let Some(schema) = choices.iter().copied().find(|choice| fits(node, choice)) else {
            self.mistyped(node, &choices, way);
            return false;
        };
        match &mut node.what {
            NodeKind::Map(entries) => {
                let (span, mut taken) = (node.span, std::mem::take(entries));
                let holds = self.map(&mut taken, schema, Way { span: way.span, ..way }, span);
                *entries = taken;
                holds
            }
            NodeKind::List(items) => {
                items.retain_mut(|item| {
                    let way = Way { span: item.span, ..way };
                    self.present(item, way, false) && self.value(item, &schema["items"], way)
                });
                true
            }
            NodeKind::Scalar(scalar) => self.scalar(scalar, node.span, schema),
        }
    }

    fn choices(&self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolved(schema);
        match schema["anyOf"].as_array() {
            Some(choices) => choices.iter().map(|choice| self.resolved(choice)).collect(),
            None => vec![schema],
        }
    }

    fn map(&mut self, entries: &mut Vec<(Key, Node)>, schema: &'a Value, way: Way<'_>, span: Span) -> bool {
        let before = entries.len();
        let mut meant = BTreeSet::new();
        let properties = schema["properties"].as_object();
        let keys = Keys {
            known: properties.into_iter().flat_map(|known| known.keys().map(String::as_str)).collect(),
            given: entries.iter().map(|(key, _)| key.name.clone()).collect(),
        };
        entries.retain_mut(|(key, node)| {
            if key.is_map {
                self.problem(
                    "mistyped",
                    key.span,
                    "a key is expected here, found a map",
                    "such as `{ name: \"{{ name }}\" }`: text with braces must be quoted",
                );
                return false;
            }
            let known = properties
                .and_then(|known| known.get(&key.name))
                .or_else(|| schema.get("additionalProperties").filter(|any| any.is_object()));
            let Some(known) = known else {
                meant.extend(self.unknown(key, &keys, way));
                return false;
            };
            let path =
                if way.path.is_empty() { shown(&key.name) } else { format!("{}.{}", way.path, shown(&key.name)) };
            let way = Way { path: &path, span: key.span };
            self.present(node, way, schema_requires(schema, &key.name)) && self.value(node, known, way)
        });
        if entries.len() < before {
            self.spoiled.push(span);
        }
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let lacking: Vec<&str> = required.filter(|name| !entries.iter().any(|(key, _)| key.name == *name)).collect();
        for name in lacking.iter().filter(|name| !meant.contains(**name) && !keys.given.contains(**name)) {
            if way.path.is_empty() && self.misplaced.iter().any(|misplaced| misplaced == name) {
                continue;
            }
            let inside = if way.path.is_empty() { String::new() } else { format!(" in `{}`", way.path) };
            self.problem("missing-key", way.span, format!("`{name}` is missing{inside}"), example(name));
        }
        lacking.is_empty()
    }

    /// Names a key that is not known here, and returns the known one that was meant.
    fn unknown(&mut self, key: &Key, keys: &Keys<'a>, way: Way<'_>) -> Option<&'a str> {
        if self.problems.len() >= MAX_PROBLEMS {
            return None;
        }
        let Keys { known, given } = keys;
        let near = did_you_mean(&key.name, known.iter().copied().filter(|name| !given.contains(*name)))
            .or_else(|| did_you_mean(&key.name, known.iter().copied()));
        let known_here = || format!("known keys: {}", known.join(", "));
        let hint = match (near, self.elsewhere(&key.name, way.path)) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(Elsewhere::Around(place))) => format!("`{}` belongs in {place}", key.name),
            (None, Some(Elsewhere::Far(place))) => format!("{}; `{}` is a key of `{place}`", known_here(), key.name),
            (None, None) => known_here(),
        };
        // What is in this section by mistake may be a credential.
        let is_harmless = near.is_some() || !way.path.starts_with("livedesk");
        let what = if is_harmless { format!("unknown key `{}`", shown(&key.name)) } else { "unknown key".to_owned() };
        self.problem("unknown-key", key.span, what, hint);
        near
    }

    /// The section that a key belongs into, if there is exactly one.
    fn elsewhere(&mut self, name: &str, here: &str) -> Option<Elsewhere> {
        let sections = self.sections();
        let found: Vec<&str> = sections
            .iter()
            .filter(|(path, shape)| path != here && shape["properties"].get(name).is_some())
            .map(|(path, _)| path.as_str())
            .collect();
        // A section inside this one is nearer than any other.
        let inside = format!("{here}.");
        let nearest: Vec<&str> = found.iter().copied().filter(|path| path.starts_with(&inside)).collect();
        match (nearest.as_slice(), found.as_slice()) {
            ([path], _) => Some(Elsewhere::Around(format!("`{path}`"))),
            ([], [""]) => {
                self.misplaced.push(name.to_owned());
                Some(Elsewhere::Around("the spec's first level: it is indented too far".to_owned()))
            }
            ([], [path]) if here.is_empty() || inside.starts_with(&format!("{path}.")) => {
                Some(Elsewhere::Around(format!("`{path}`")))
            }
            ([], [path]) => Some(Elsewhere::Far((*path).to_owned())),
            _ => None,
        }
    }

    /// The sections of a spec that are maps, each with its path and its shape. The first is the spec itself.
    fn sections(&self) -> Vec<(String, &'a Value)> {
        let mut sections = vec![(String::new(), self.schema)];
        let mut next = 0;
        while let Some((path, shape)) = sections.get(next).cloned() {
            next += 1;
            // Shapes do not contain themselves; the bound is for one that would.
            let properties = shape["properties"].as_object().filter(|_| sections.len() < MAX_SECTIONS);
            for (name, value) in properties.into_iter().flatten() {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let maps = self.choices(value).into_iter().filter(|shape| shape["properties"].is_object());
                sections.extend(maps.map(|shape| (path.clone(), shape)));
            }
        }
        sections
    }

    /// Whether there is a value at all.
    fn present(&mut self, node: &Node, way: Way<'_>, required: bool) -> bool {
        let absent = matches!(&node.what, NodeKind::Scalar(scalar) if scalar.is_null());
        if absent {
            let last = way.path.rsplit('.').next().unwrap_or_default();
            let hint = if required {
                example(last)
            } else {
                "remove the key, or give it a value; to write the word null, quote it".to_owned()
            };
            self.problem("no-value", way.span, format!("`{}` has no value", way.path), hint);
        }
        !absent
    }

    fn scalar(&mut self, scalar: &Scalar, span: Span, schema: &'a Value) -> bool {
        if let Some(choices) = schema["oneOf"].as_array() {
            let allowed: Vec<&str> = choices.iter().filter_map(|choice| choice["const"].as_str()).collect();
            return self.one_of(scalar, span, &allowed);
        }
        match schema["type"].as_str() {
            Some("integer") => self.whole_number(scalar, span, schema),
            Some("boolean") if !matches!(scalar.text.as_str(), "true" | "false") => {
                self.problem("mistyped", span, "`true` or `false` is expected here", "remove the quotes");
                false
            }
            _ => true,
        }
    }

    fn one_of(&mut self, scalar: &Scalar, span: Span, allowed: &[&str]) -> bool {
        if allowed.contains(&scalar.text.as_str()) {
            return true;
        }
        let list = allowed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let hint = match did_you_mean(&scalar.text, allowed.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? It is one of {list}"),
            None if scalar.text.contains("{{") => {
                format!("use one of {list}; this key cannot be a template")
            }
            None => format!("one of {list}"),
        };
        self.problem("unknown-value", span, format!("`{}` is not allowed here", shown(&scalar.text)), hint);
        false
    }

    fn whole_number(&mut self, scalar: &Scalar, span: Span, schema: &Value) -> bool {
        let most = if schema["format"] == "uint32" { u64::from(u32::MAX) } else { u64::MAX };
        let digits = !scalar.text.is_empty() && scalar.text.bytes().all(|byte| byte.is_ascii_digit());
        let hint = match scalar.text.parse::<u64>() {
            _ if !scalar.plain => "remove the quotes".to_owned(),
            Ok(_) if scalar.text.len() > 1 && scalar.text.starts_with('0') => "remove the leading zeros".to_owned(),
            Ok(number) if digits && number <= most => return true,
            _ if digits => "this number is too large".to_owned(),
            _ if scalar.text.contains("{{") => "this key cannot be a template".to_owned(),
            _ => "use plain digits, such as `16`".to_owned(),
        };
        self.problem("mistyped", span, "a whole number is expected here", hint);
        false
    }

    fn mistyped(&mut self, node: &Node, choices: &[&Value], way: Way<'_>) {
        let expected = choices.iter().map(|choice| kind(choice)).collect::<Vec<_>>().join(" or ");
        let found = match node.what {
            NodeKind::Map(_) => "a map",
            NodeKind::List(_) => "a list",
            NodeKind::Scalar(_) => "text",
        };
        let text = self.source.text.get(node.span.range()).unwrap_or_default();
        let wants = |kind: &str| choices.iter().any(|choice| choice["type"] == kind);
        let keys = || {
            let names =
                choices.iter().filter_map(|choice| choice["properties"].as_object()).flat_map(|keys| keys.keys());
            names.cloned().collect::<Vec<_>>().join(", ")
        };
        let hint = match &node.what {
            NodeKind::Map(_) if text.starts_with("{{") || text.starts_with("{%") => QUOTE.to_owned(),
            NodeKind::Map(_) if wants("array") => "begin each item of the list with `- `".to_owned(),
            NodeKind::Map(_) if text.starts_with('{') => "text that begins with `{` must be quoted".to_owned(),
            NodeKind::Map(_) => "the keys below this one do not belong to it".to_owned(),
            NodeKind::List(_) if wants("object") && text.starts_with('-') => {
                "write the keys without `- ` before them".to_owned()
            }
            NodeKind::List(_) if wants("object") && !wants("string") => format!("keys here: {}", keys()),
            NodeKind::List(_) => "this key has one value; text that begins with `[` must be quoted".to_owned(),
            NodeKind::Scalar(scalar) if wants("object") && scalar.plain && scalar.text.contains(':') => {
                format!("put a space after the colon; keys here: {}", keys())
            }
            NodeKind::Scalar(_) if wants("object") => match keys() {
                keys if keys.is_empty() => "such as `{ name: value }`".to_owned(),
                keys => format!("keys here: {keys}"),
            },
            NodeKind::Scalar(_) => "put it in brackets, `[...]`, or on its own line after `- `".to_owned(),
        };
        let what = if way.path.is_empty() {
            format!("a spec is {expected}, but this is {found}")
        } else {
            format!("{expected} is expected here, found {found}")
        };
        self.problem("mistyped", node.span, what, hint);
    }
}

/// A spec has some twenty sections.
const MAX_SECTIONS: usize = 100;

const QUOTE: &str = "a value that begins with `{` must be quoted: \"{{ name }}\"";

fn schema_requires(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name))
}

/// Whether the kinds of value and schema go together.
fn fits(node: &Node, schema: &Value) -> bool {
    match node.what {
        NodeKind::Map(_) => schema["type"] == "object",
        NodeKind::List(_) => schema["type"] == "array",
        NodeKind::Scalar(_) => schema["type"] != "object" && schema["type"] != "array",
    }
}

fn kind(schema: &Value) -> &'static str {
    match schema["type"].as_str() {
        Some("object") => "a map",
        Some("array") => "a list",
        Some("integer") => "a whole number",
        Some("boolean") => "`true` or `false`",
        _ if schema["oneOf"].is_array() => "one word",
        _ => "text",
    }
}

/// How a required key may look.
fn example(name: &str) -> String {
    let example = match name {
        "name" => "name: order_update",
        "recipients" => "recipients: orders.csv",
        "to" => "to: { conversation_id: \"{{ conversation_id }}\" }",
        "message" => "message: { content: \"Hi {{ name }}\" }",
        "file" => "file: orders.csv",
        "count" => "count: 20",
        "language" => "language: en_US",
        "type" => "type: text",
        "text_variables" => "text_variables: { \"1\": \"{{ name }}\" }",
        "index" => "index: 0",
        "url" => "url: \"${NOTIFY_URL}\"",
        "sub_type" => "sub_type: url",
        "latitude" => "latitude: \"52.52\"",
        "from" => "from: \"09:00\"",
        "timezone" => "timezone: \"{{ timezone }}\"",
        "longitude" => "longitude: \"13.40\"",
        _ => return format!("give `{name}` a value"),
    };
    format!("such as `{example}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specification::Spec;

    #[test]
    fn every_required_key_has_an_example() {
        let schema = Spec::json_schema();
        let shapes = schema["$defs"].as_object().unwrap().values().chain([&schema]);
        let required: Vec<&Value> = shapes.filter_map(|shape| shape["required"].as_array()).flatten().collect();
        assert!(required.len() > 10);
        for name in required {
            let example = example(name.as_str().unwrap());
            assert!(example.starts_with("such as"), "{name}: {example}");
        }
    }
}
