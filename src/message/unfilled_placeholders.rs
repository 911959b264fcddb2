//! Slips that the engine takes for text: `{name}`, `[name]`, `{{1}}`, `{{ "name" }}`. Whoever gets the message would
//! read them.

use std::ops::Range;

use minijinja::machinery::Token;

use super::references::tokens;
use crate::problem::{Place, Problem};

/// A name or a number that was meant to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnfilledPlaceholder {
    /// What it is.
    pub(super) kind: Kind,
    /// Its bytes in the template.
    pub(super) range: Range<usize>,
}

/// How it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{name}`: a brace too few.
    OneBrace,
    /// `[name]`, `%name%`, `<name>`: as other programs have it.
    OtherMarks,
    /// `{{1}}`: as `WhatsApp` has it.
    Position,
    /// `{{ "name" }}`: a text, not a column.
    Quoted,
}

impl UnfilledPlaceholder {
    /// What to say about it.
    pub(super) fn problem(&self, place: &Place, source: &str) -> Problem {
        let name = source.get(self.range.clone()).unwrap_or_default().trim_matches(['"', '\'']);
        let meant = format!("write `{{{{ {name} }}}}`");
        let error = |what, hint| Problem::error("not-filled-in", place.clone(), what).hint(hint);
        let warning = |what| {
            Problem::warning("not-filled-in", place.clone(), what).hint(format!("if you mean the column, {meant}"))
        };
        match self.kind {
            Kind::OneBrace => error(
                format!("`{name}` in single braces is not replaced"),
                format!("{meant}; or `{{{{ '{{{name}}}' }}}}` if you mean it literally"),
            ),
            Kind::Position => error(
                format!("`{{{{{name}}}}}` renders the number {name}, not a column"),
                "write the name of a column, such as `{{ name }}`".to_owned(),
            ),
            Kind::OtherMarks => warning(format!("`{name}` would be sent as it is")),
            Kind::Quoted => warning(format!("`{name}` is in quotes, so it is text and not a column")),
        }
    }
}

/// No template has as many variables: what is more is a number that somebody reckoned with.
const LAST_POSITION: u64 = 99;

const MARKS: [(char, char, Kind); 5] = [
    ('{', '}', Kind::OneBrace),
    ('｛', '｝', Kind::OneBrace),
    ('[', ']', Kind::OtherMarks),
    ('<', '>', Kind::OtherMarks),
    ('%', '%', Kind::OtherMarks),
];

/// The slips of a template, in which names are meant that are known.
pub(super) fn unfilled_placeholders(source: &str, is_known: impl Fn(&str) -> bool) -> Vec<UnfilledPlaceholder> {
    let tokens = tokens(source, false);
    let mut unfilled_placeholders = Vec::new();
    for (token, range) in &tokens {
        if matches!(token, Token::TemplateData(_)) && !is_raw(source, range.start) {
            unfilled_placeholders.extend(in_text(source, range, &is_known));
        }
    }
    for three in tokens.windows(3) {
        let [(Token::VariableStart, _), (inner, range), (Token::VariableEnd, _)] = three else { continue };
        let kind = match inner {
            Token::Int(position) if *position <= LAST_POSITION => Kind::Position,
            Token::Str(text) if is_known(text) => Kind::Quoted,
            _ => continue,
        };
        unfilled_placeholders.push(UnfilledPlaceholder { kind, range: range.clone() });
    }
    unfilled_placeholders.sort_by_key(|unfilled| unfilled.range.start);
    unfilled_placeholders
}

/// Whether text that begins here is in a `{% raw %}` block, which says that it is meant literally.
fn is_raw(source: &str, start: usize) -> bool {
    let tag = source.get(..start).and_then(|before| before.trim_end().strip_suffix("%}"));
    tag.is_some_and(|tag| tag.trim_end_matches(['-', '+']).trim_end().ends_with("raw"))
}

fn in_text(source: &str, range: &Range<usize>, is_known: &impl Fn(&str) -> bool) -> Vec<UnfilledPlaceholder> {
    let Some(text) = source.get(range.clone()) else { return Vec::new() };
    let of_marks = |(open, close, kind): (char, char, Kind)| {
        text.match_indices(open).filter_map(move |(at, mark)| {
            let from = at + mark.len();
            let inner = text.get(from..)?.split(close).next()?;
            let name = inner.trim();
            let begin = range.start + from + (inner.len() - inner.trim_start().len());
            is_known(name).then(|| UnfilledPlaceholder { kind, range: begin..begin + name.len() })
        })
    };
    MARKS.into_iter().flat_map(of_marks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_in_the_wrong_marks_is_a_slip() {
        for (source, kind, part) in [
            ("Hi {name}", Kind::OneBrace, "name"),
            ("Hi ${ name }!", Kind::OneBrace, "name"),
            ("Hi {{ name }}, { {name} }", Kind::OneBrace, "name"),
            ("Grüße, ｛｛ name ｝｝", Kind::OneBrace, "name"),
            ("Hi [name]", Kind::OtherMarks, "name"),
            ("5% off, %name%", Kind::OtherMarks, "name"),
            ("Hi <name>", Kind::OtherMarks, "name"),
            ("Hi {{1}}", Kind::Position, "1"),
            ("Hi {{ 'name' }}", Kind::Quoted, "'name'"),
        ] {
            let found = unfilled_placeholders(source, |word| word == "name");
            let range = found.first().map(|unfilled| (unfilled.kind, &source[unfilled.range.clone()]));
            assert_eq!((found.len(), range), (1, Some((kind, part))), "{source}");
        }
    }

    #[test]
    fn all_else_is_text() {
        for source in [
            "Hi {{ name }}",
            "{other}",
            "[x]",
            "{% raw %}{name}{% endraw %}",
            "{%- raw -%} {{ name }}{% endraw %}",
            "{{ 1_000 }}",
            "{{ '{name}' }}",
            "{{ name ~ 1 }}",
            "{",
            "5% or 6%",
            "name",
            "",
        ] {
            assert_eq!(unfilled_placeholders(source, |word| word == "name"), [], "{source}");
        }
    }
}
