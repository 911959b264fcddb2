//! The spec's text as a small tree in which every key and every value knows its place.
//!
//! A reader straight into types stops at the first key that it does not know. The tree takes in whatever is YAML, so
//! that [`super::schema_check`] can name all that is wrong at once. It is made from the events of the parser that
//! `serde_yaml` uses too: they tell quoted text from plain text, and every place.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, Tag};

use super::span::{Source, Span};
use super::{MAX_PROBLEMS, yaml_errors};
use crate::humanize::shortened;
use crate::problem::Problem;

/// Values in one spec at most, counting aliases in full: an end to every bomb.
const MAX_NODES: usize = 20_000;
/// Maps and lists inside each other at most.
const MAX_DEPTH: usize = 64;

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) what: NodeKind,
}

#[derive(Debug, Clone)]
pub(super) enum NodeKind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A single value, word for word: `0012` and `no` stay what they are.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Without quotes, so that it can be a number, `true` or nothing at all.
    pub(super) plain: bool,
}

impl Scalar {
    /// Whether a key has no value at all.
    pub(super) fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

/// A key and its place.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) span: Span,
    /// Braces without quotes, which YAML takes for a map: no name at all.
    pub(super) is_map: bool,
    /// It came in with `<<` and gives way to a key that is in the map itself.
    merged: bool,
}

/// The keys of a map so far.
#[derive(Default)]
struct Entries {
    entries: Vec<(Key, Node)>,
    /// Where each key is among them.
    seen: HashMap<String, usize>,
}

/// Reads a text. What can be read in spite of the problems is the tree.
pub(super) fn read(source: &Source, problems: &mut Vec<Problem>) -> Option<Node> {
    let events = match events(source) {
        Ok(events) => events,
        Err(problem) => {
            problems.push(*problem);
            return None;
        }
    };
    let mut reader = Reader { source, events: events.into_iter(), anchors: HashMap::new(), nodes: 0, problems };
    reader.node().map_err(|problem| problems.push(*problem)).ok()
}

type Events<'a> = Vec<(Event<'a>, Range<usize>)>;

/// All that is in the one document of a text.
fn events(source: &Source) -> Result<Events<'_>, Box<Problem>> {
    let options: Options = granit_parser::options! { flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH };
    let mut events = Vec::new();
    let mut documents = 0;
    for event in Parser::new_from_str_with_options(&source.text, options) {
        let (event, span) = event.map_err(|error| Box::new(yaml_errors::explain(source, &error, &events)))?;
        let range = span.byte_range().unwrap_or_default();
        match event {
            Event::DocumentStart(..) => documents += 1,
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            _ if documents > 1 => return Err(Box::new(yaml_errors::several_documents(source, range.start))),
            _ => events.push((event, range)),
        }
        // Each value is at most a beginning and an end.
        if events.len() > 2 * MAX_NODES {
            return Err(Box::new(too_many(source, Span::default())));
        }
    }
    // A document of nothing but comments has one empty value.
    let is_empty =
        |(event, _): &(Event<'_>, _)| matches!(event, Event::Scalar(text, ScalarStyle::Plain, ..) if text.is_empty());
    if events.is_empty() || events.len() == 1 && is_empty(&events[0]) {
        return Err(Box::new(
            source
                .problem("spec-empty", Span::default(), "the spec is empty")
                .hint("`campaign init` writes one to begin with"),
        ));
    }
    Ok(events)
}

fn too_many(source: &Source, span: Span) -> Problem {
    source
        .problem("spec-too-large", span, format!("more than {MAX_NODES} values, counting aliases in full"))
        .hint("a spec describes one message; recipients go in the list")
}

struct Reader<'a, 'p> {
    source: &'a Source,
    events: std::vec::IntoIter<(Event<'a>, Range<usize>)>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    problems: &'p mut Vec<Problem>,
}

impl Reader<'_, '_> {
    /// The next value with all that is in it.
    fn node(&mut self) -> Result<Node, Box<Problem>> {
        let Some((event, range)) = self.events.next() else {
            return Err(Box::new(self.source.problem("yaml", Span::default(), "a value is missing")));
        };
        let span = Span::from(range.clone());
        self.count(1, span)?;
        let (what, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tagged = self.tag(tag.as_deref(), span);
                let plain = style == ScalarStyle::Plain && !tagged;
                if plain {
                    self.comment_behind(range.end);
                }
                (NodeKind::Scalar(Scalar { text: text.into_owned(), plain }), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span);
                (self.list()?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span);
                (self.map()?, anchor)
            }
            Event::Alias(id) => return self.alias(id, span),
            _ => return Err(Box::new(self.source.problem("yaml", span, "a value is missing"))),
        };
        let node = Node { span: self.whole(span, &what), what };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// `content: Order #{{ order }}`: what looks like the rest of the text is a comment.
    fn comment_behind(&mut self, end: usize) {
        let rest = self.source.text.get(end..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let comment = rest.trim();
        if comment.starts_with('#') && comment.contains("{{") && self.problems.len() < MAX_PROBLEMS {
            let start = end + (rest.len() - rest.trim_start().len());
            let what = "a comment cuts this text: ` #` begins one";
            let place = self.source.place(Span::from(start..start + comment.len()));
            let problem = Problem::warning("comment-cuts-text", place, what);
            self.problems.push(problem.hint("put the text in quotes; put a comment on its own line"));
        }
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), Box<Problem>> {
        self.nodes += more;
        if self.nodes > MAX_NODES { Err(Box::new(too_many(self.source, span))) } else { Ok(()) }
    }

    /// A list or map begins where its bracket or first entry is, and goes on to where the next event is.
    fn whole(&self, span: Span, what: &NodeKind) -> Span {
        let is_scalar = matches!(what, NodeKind::Scalar(_));
        let next = self.events.as_slice().first().map_or(self.source.text.len(), |(_, range)| range.start);
        if is_scalar { span } else { span.until(next) }
    }

    fn list(&mut self) -> Result<NodeKind, Box<Problem>> {
        let mut items = Vec::new();
        while !self.ends(&Event::SequenceEnd) {
            items.push(self.node()?);
        }
        Ok(NodeKind::List(items))
    }

    fn map(&mut self) -> Result<NodeKind, Box<Problem>> {
        let mut entries = Entries::default();
        while !self.ends(&Event::MappingEnd) {
            let key = self.node()?;
            let value = self.node()?;
            match key.what {
                NodeKind::Scalar(Scalar { text, plain: true }) if text == "<<" => {
                    self.merge(&mut entries, key.span, value);
                }
                NodeKind::Scalar(Scalar { text, .. }) => {
                    self.insert(&mut entries, Key { name: text, span: key.span, is_map: false, merged: false }, value);
                }
                // `{{ name }}` without quotes is a map whose key is a map; the shape says what it should have been.
                NodeKind::List(_) | NodeKind::Map(_) => {
                    self.insert(
                        &mut entries,
                        Key { name: "{".to_owned(), span: key.span, is_map: true, merged: false },
                        value,
                    );
                }
            }
        }
        Ok(NodeKind::Map(entries.entries))
    }

    fn insert(&mut self, entries: &mut Entries, key: Key, value: Node) {
        let Entries { entries, seen } = entries;
        match seen.get(&key.name).and_then(|at| entries.get_mut(*at)) {
            None => {
                seen.insert(key.name.clone(), entries.len());
                entries.push((key, value));
            }
            Some(known) if known.0.merged => *known = (key, value),
            Some(_) if self.problems.len() >= MAX_PROBLEMS => {}
            Some((first, _)) => {
                let line = self.source.line(first.span);
                let what = format!("duplicate key `{}`; the first is on line {line}", shown(&key.name));
                self.problems.push(self.source.problem("duplicate-key", key.span, what).hint("remove one of the two"));
            }
        }
    }

    /// `<<: *base`: the keys of another map, or of several, where this one has no such key itself.
    fn merge(&mut self, entries: &mut Entries, span: Span, value: Node) {
        let maps = match value.what {
            NodeKind::List(maps) => maps,
            _ => vec![value],
        };
        for map in maps {
            let NodeKind::Map(more) = map.what else {
                let what = "`<<` merges a map, but this is not a map";
                self.problems.push(
                    self.source.problem("merge", span, what).hint("such as `<<: *name`, with `&name` at the map"),
                );
                continue;
            };
            for (key, value) in more {
                if !entries.seen.contains_key(&key.name) {
                    self.insert(entries, Key { merged: true, ..key }, value);
                }
            }
        }
    }

    fn ends(&mut self, end: &Event<'_>) -> bool {
        let ends = self.events.as_slice().first().is_none_or(|(event, _)| event == end);
        if ends {
            self.events.next();
        }
        ends
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Node, Box<Problem>> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            let what = "this alias refers to itself";
            return Err(Box::new(
                self.source.problem("alias-of-itself", span, what).hint("write the value here instead of the alias"),
            ));
        };
        self.count(size(&node), span)?;
        // What is wrong inside a text is wrong where it is written.
        let span = if matches!(node.what, NodeKind::Scalar(_)) { node.span } else { span };
        Ok(Node { span, ..node })
    }

    /// Whether a tag makes the value text. Other tags are refused: what they would do is not done.
    fn tag(&mut self, tag: Option<&Tag>, span: Span) -> bool {
        let Some(tag) = tag else { return false };
        if tag.is_yaml_core_schema_tag("str") {
            return true;
        }
        let hint = "text that begins with `!` must be quoted";
        let span = self.source.key_before(span, &tag.original());
        self.problems.push(self.source.problem("yaml-tag", span, "a YAML tag, which specs do not use").hint(hint));
        false
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.what {
        NodeKind::Scalar(_) => 0,
        NodeKind::List(items) => items.iter().map(size).sum(),
        NodeKind::Map(entries) => entries.iter().map(|(_, value)| 1 + size(value)).sum(),
    }
}

/// A key as it may be in a sentence.
pub(super) fn shown(name: &str) -> String {
    const MAX_LENGTH: usize = 60;
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    shortened(name, MAX_LENGTH).chars().map(clean).collect()
}
