//! What is no YAML, said in our words and at its cause, which is seldom where a parser gives up.

use std::ops::Range;

use granit_parser::{ErrorKind, Event, ScanError, StructureStyle};

use super::span::{Source, Span};
use crate::problem::Problem;

const QUOTE_BRACES: &str = "a value that begins with `{` must be quoted: \"{{ name }}\"";

/// The problem that a parser's error stands for, given what was read before it.
pub(super) fn explain(source: &Source, error: &ScanError, before: &[(Event<'_>, Range<usize>)]) -> Problem {
    let at = source.text.floor_char_boundary(error.marker().byte_offset().unwrap_or(source.text.len()));
    let read_to = before.last().map_or(0, |(_, range)| range.end.min(at));
    let slip = Mistake { source, at, read_to };
    slip.unquoted_braces()
        .or_else(|| slip.unclosed_quote(error.kind()))
        .or_else(|| slip.wrong_character(error.kind()))
        .or_else(|| slip.wrong_bracket(error.kind(), before))
        .unwrap_or_else(|| slip.wrong_line(error.kind()))
}

/// A second document in one file.
pub(super) fn several_documents(source: &Source, at: usize) -> Problem {
    // The first thing after the marker tells where it is; the marker itself is before it.
    let at = source.text.get(..at).and_then(|before| before.rfind("\n---")).map_or(at, |line| line + 1);
    source
        .problem("several-documents", Span::from(at..at + 3), "a second YAML document begins here")
        .hint("a spec is one document: remove `---`, or make two files")
}

struct Mistake<'a> {
    source: &'a Source,
    /// Where the parser gave up.
    at: usize,
    /// The end of what it had understood before.
    read_to: usize,
}

impl Mistake<'_> {
    fn text(&self) -> &str {
        &self.source.text
    }

    fn problem(&self, code: &'static str, range: Range<usize>, what: impl Into<String>) -> Problem {
        self.source.problem(code, Span::from(range), what)
    }

    /// The line in which a byte is.
    fn line(&self, at: usize) -> Range<usize> {
        let start = self.text()[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text()[start..].find('\n').map_or(self.text().len(), |newline| start + newline);
        start..end
    }

    /// The values of the line in question and of the one before it, where the parser may have stumbled already.
    fn values(&self) -> impl Iterator<Item = Range<usize>> {
        let this = self.line(self.at);
        let previous = self.line(this.start.saturating_sub(1));
        [previous, this].into_iter().filter_map(|line| value(self.text(), line))
    }

    /// `content: {{ name }} hello`: braces are a map for YAML.
    fn unquoted_braces(&self) -> Option<Problem> {
        let value = self.values().find(|value| {
            let text = &self.text()[value.clone()];
            text.starts_with("{{") || text.starts_with("{%")
        })?;
        Some(self.problem("unquoted-braces", value, "text that begins with `{` is read as a map").hint(QUOTE_BRACES))
    }

    fn unclosed_quote(&self, kind: &ErrorKind) -> Option<Problem> {
        use ErrorKind as K;
        let (what, hint) = match kind {
            K::UnclosedQuotedScalar | K::DocumentIndicatorInQuotedScalar | K::InvalidQuotedScalarIndent => {
                ("a quote that is not closed", "close it at the end of the text")
            }
            K::InvalidTrailingSingleQuotedScalar => (
                "there is text after the closing quote",
                "inside single quotes write a quote twice, `''`, or use double quotes around the whole text",
            ),
            K::InvalidTrailingDoubleQuotedScalar => (
                "there is text after the closing quote",
                "inside double quotes write a quote as `\\\"`, and quote the whole text",
            ),
            K::UnknownQuotedScalarEscape
            | K::InvalidQuotedScalarHexEscape
            | K::InvalidUnicodeEscape
            | K::InvalidLowSurrogate
            | K::InvalidLowSurrogateHexEscape
            | K::MissingLowSurrogate
            | K::UnpairedLowSurrogate => {
                let backslash = self.text()[..self.at].rfind('\\').unwrap_or(self.at);
                let problem =
                    self.problem("yaml-escape", backslash..backslash + 2, "an escape that YAML does not know");
                return Some(problem.hint("write `\\\\` for a backslash, or use single quotes"));
            }
            _ => return None,
        };
        let quote = self.opening_quote().unwrap_or(self.at);
        let several_lines = self.line(quote) != self.line(self.at);
        let (what, hint) = if several_lines {
            ("a quote that is not closed on its line", "close it at the end of the text")
        } else {
            (what, hint)
        };
        Some(self.problem("unclosed-quote", quote..self.line(quote).end, what).hint(hint))
    }

    /// The first quote after what was understood.
    fn opening_quote(&self) -> Option<usize> {
        let begins = |at: usize| self.text()[..at].ends_with([' ', '\t', '\n', '[', '{', ',']);
        let quotes = self.text()[self.read_to..].match_indices(['"', '\'']);
        quotes.map(|(at, _)| self.read_to + at).find(|at| begins(*at))
    }

    fn wrong_character(&self, kind: &ErrorKind) -> Option<Problem> {
        use ErrorKind as K;
        let here = self.at..self.at + 1;
        let quote = "quote text that begins with one of `& * ! @ % | >` or a backtick";
        Some(match kind {
            K::TabNotAllowed
            | K::TabInBlockIndentation
            | K::TabInIndentation
            | K::TabInPlainScalar
            | K::TabAtBlockScalarStart => {
                let tab = self.tab_before_text().unwrap_or(self.at);
                self.problem("yaml-tab", tab..tab + 1, "a tab where YAML allows only spaces").hint("indent with spaces")
            }
            K::UnexpectedCharacter { character } if character.is_control() => {
                let what = format!("a control character, U+{:04X}", u32::from(*character));
                self.problem("control-character", here, what).hint("remove it")
            }
            K::UnexpectedCharacter { character } => self.problem("unquoted-text", here, begins(*character)).hint(quote),
            K::UnknownAnchor => {
                let word = self.at..self.at + self.word().len();
                self.problem("unknown-alias", word, "an unknown alias").hint("text that begins with `*` must be quoted")
            }
            K::MissingAnchorOrAliasName => {
                self.problem("unquoted-text", self.word_at(), "`&` and `*` begin a name in YAML").hint(quote)
            }
            K::UndeclaredTagHandle
            | K::MissingTagUri
            | K::ExpectedTagBang
            | K::InvalidTagTerminator
            | K::InvalidGlobalTagCharacter
            | K::UnclosedVerbatimTag
            | K::InvalidTagEscape
            | K::InvalidTagUtf8
            | K::InvalidTagUtf8LeadingByte
            | K::InvalidTagUtf8TrailingByte => self
                .problem("yaml-tag", here, "`!` begins a YAML tag, which specs do not use")
                .hint("text that begins with `!` must be quoted"),
            K::DuplicateVersionDirective
            | K::UnsupportedYamlMajorVersion
            | K::MissingYamlVersion
            | K::YamlVersionTooLong
            | K::InvalidDirectiveTerminator
            | K::InvalidDirectiveName
            | K::MissingDirectiveName
            | K::MissingDocumentEndBeforeDirective
            | K::MissingYamlVersionSeparator
            | K::ExpectedDocumentStart => self
                .problem("yaml-directive", self.directive(), "`%` begins a YAML directive, which needs `---` after it")
                .hint("a spec needs none: remove the line"),
            K::RecursionLimitExceeded => self
                .problem("spec-too-deep", here, "maps and lists nested more than 64 deep")
                .hint("no spec needs that; is there an extra bracket?"),
            _ => return None,
        })
    }

    /// The last line before here that begins with `%`.
    fn directive(&self) -> Range<usize> {
        let before = &self.text()[..self.line(self.at).end];
        let first = if before.starts_with('%') { 0 } else { self.at };
        let at = before.rfind("\n%").map_or(first, |newline| newline + 1);
        at..self.line(at).end
    }

    /// The first tab that is before a line's text, from where the parser stopped.
    fn tab_before_text(&self) -> Option<usize> {
        let mut start = self.line(self.at).start;
        for line in self.text()[start..].split_inclusive('\n') {
            let indent = line.len() - line.trim_start().len();
            if let Some(tab) = line[..indent].find('\t') {
                return Some(start + tab);
            }
            start += line.len();
        }
        None
    }

    fn word(&self) -> &str {
        self.text()[self.at..].split_whitespace().next().unwrap_or_default()
    }

    /// Where a value's first character is, if the parser has gone past it.
    fn word_at(&self) -> Range<usize> {
        let start = self.text()[..self.at].trim_end_matches([' ', '&', '*']).len();
        let start = start + self.text()[start..self.at].find(['&', '*']).unwrap_or(self.at - start);
        start..start + 1
    }

    fn wrong_bracket(&self, kind: &ErrorKind, before: &[(Event<'_>, Range<usize>)]) -> Option<Problem> {
        use ErrorKind as K;
        match kind {
            K::UnclosedFlowCollection { .. }
            | K::UnexpectedEofFlowSequence
            | K::UnexpectedEofFlowMapping
            | K::UnexpectedEofImplicitFlowMapping
            | K::ExpectedFlowMappingSeparator
            | K::ExpectedFlowSequenceSeparator
            | K::MismatchedFlowCollectionEnd { .. }
            | K::InvalidFlowScalarIndent
            | K::BlockEntryInFlowCollection => {
                let open = innermost_open(before).unwrap_or(self.at);
                let comma = matches!(kind, K::ExpectedFlowMappingSeparator | K::ExpectedFlowSequenceSeparator);
                if comma && self.line(open) == self.line(self.at) && !self.text()[self.at..].starts_with('\n') {
                    let hint = "separate the items with commas; text with brackets, colons or commas must be quoted";
                    let here = self.at..self.at + 1;
                    return Some(
                        self.problem("missing-comma", here, "a comma or the closing bracket is missing before this")
                            .hint(hint),
                    );
                }
                let bracket = self.text()[open..].chars().next().filter(|c| "[{".contains(*c))?;
                let what = format!("a `{bracket}` that is not closed");
                let hint = "close it, and separate the items with commas; text with brackets or commas must be quoted";
                Some(self.problem("unclosed-bracket", open..open + 1, what).hint(hint))
            }
            K::MisplacedFlowCollectionEnd => Some(
                self.problem("unclosed-bracket", self.at..self.at + 1, "a bracket that was never opened")
                    .hint("text that begins with a bracket must be quoted"),
            ),
            _ => None,
        }
    }

    /// Everything else is about how a line fits to those above it.
    fn wrong_line(&self, kind: &ErrorKind) -> Problem {
        let line = self.line(self.at);
        let cut = |value: &Range<usize>| {
            let words = &self.text()[value.clone()];
            words.starts_with(['[', '{']) && !words.ends_with([']', '}'])
        };
        if let Some(value) = self.values().find(cut) {
            let what = "there is text after the closing bracket";
            return self.problem("unquoted-text", value, what).hint("text that begins with a bracket must be quoted");
        }
        if let Some(dash) = self.values().find(|value| &self.text()[value.clone()] == "-") {
            return self
                .problem("unquoted-dash", dash, "a `-` without quotes begins a list")
                .hint("quote `-` for standard input: `recipients: \"-\"`");
        }
        if let Some(colon) = self.values().find_map(|value| colon_in(self.text(), value)) {
            return self
                .problem("unquoted-text", colon..colon + 1, "a colon and a space inside text without quotes")
                .hint("put the whole text in quotes");
        }
        let text = &self.text()[line.clone()];
        let start = line.start + (text.len() - text.trim_start().len());
        let shown = start..line.end.max(start);
        let words = text.trim();
        if !words.is_empty() && !words.contains(':') && !words.starts_with('-') {
            return self
                .problem("yaml", shown, "this line is neither a key nor part of the text above it")
                .hint("a key ends with `:`; multi-line text follows `|` or `>-` and is indented");
        }
        let problem = self.problem("yaml", shown, "this line does not match the lines above it");
        match kind {
            ErrorKind::InvalidBlockScalarHeader => problem.hint("after `|` or `>` the text begins on the next line"),
            _ => problem.hint("keys of one map begin in the same column and end with `: `"),
        }
    }
}

fn begins(character: char) -> String {
    if character == '`' {
        "text cannot begin with a backtick".to_owned()
    } else {
        format!("text cannot begin with `{character}`")
    }
}

/// What follows a line's first colon, or the dash of a list.
fn value(text: &str, line: Range<usize>) -> Option<Range<usize>> {
    let words = text[line.clone()].trim_end();
    let start = match words.find(": ") {
        Some(colon) => colon + 2,
        None => words.find("- ").filter(|dash| words[..*dash].trim().is_empty())? + 2,
    };
    let start = start + (words[start..].len() - words[start..].trim_start().len());
    (start < words.len()).then(|| line.start + start..line.start + words.len())
}

/// A colon inside text without quotes.
fn colon_in(text: &str, value: Range<usize>) -> Option<usize> {
    let words = &text[value.clone()];
    let quoted = words.starts_with(['"', '\'', '{', '[', '|', '>', '&', '*', '#']);
    let colon = words.find(": ").or_else(|| words.ends_with(':').then(|| words.len() - 1));
    colon.filter(|_| !quoted).map(|colon| value.start + colon)
}

/// Where the bracket is that was opened last and never closed.
fn innermost_open(before: &[(Event<'_>, Range<usize>)]) -> Option<usize> {
    let mut open = Vec::new();
    for (event, range) in before {
        match event {
            Event::MappingStart(style, ..) | Event::SequenceStart(style, ..) => open.push((*style, range.start)),
            Event::MappingEnd | Event::SequenceEnd => drop(open.pop()),
            _ => {}
        }
    }
    open.iter().rev().find(|(style, _)| *style == StructureStyle::Flow).map(|(_, start)| *start)
}
