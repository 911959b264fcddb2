//! What a template refers to, and where in its text: columns, filters, tests.
//!
//! The engine tells unknown filters and tests only when a row comes by, and unknown variables without their place. So
//! the template's own tokens are read.

use std::ops::Range;

use minijinja::Environment;
use minijinja::ErrorKind;
use minijinja::machinery::{Span, Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::context::WHOLE_ROW;

/// A name in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// The name.
    pub(super) text: String,
    /// What it names.
    pub(super) of: ReferenceKind,
    /// Its bytes in the template.
    pub(super) range: Range<usize>,
}

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReferenceKind {
    /// A variable: a column, a constant, or something of the template's own.
    Variable {
        /// Whether this use takes it well if there is none: `is defined`, `default`.
        guarded: bool,
    },
    /// A column that is reached through the whole row: `row["Order No."]`.
    Cell,
    /// A filter: `name|title`.
    Filter,
    /// A test: `name is number`.
    Test,
}

/// A token with its bytes in the template.
pub(super) type Placed<'s> = (Token<'s>, Range<usize>);

/// The tokens of a template (or of an expression), up to the first that is none.
pub(super) fn tokens(source: &str, is_expression: bool) -> Vec<Placed<'_>> {
    let placed = |(token, span): (_, Span)| (token, span.start_offset as usize..span.end_offset as usize);
    tokenize(source, is_expression, SyntaxConfig::default()).map_while(Result::ok).map(placed).collect()
}

/// Whether all cells of a row may be used: `row` without the name of a column that is written out.
pub(super) fn uses_whole_row(source: &str, is_expression: bool) -> bool {
    let tokens = tokens(source, is_expression);
    (0..tokens.len()).any(|at| {
        let is_row = matches!(tokens[at].0, Token::Ident(WHOLE_ROW));
        let is_attribute = at.checked_sub(1).is_some_and(|before| matches!(tokens[before].0, Token::Dot));
        is_row && !is_attribute && name(&tokens, at).is_none()
    })
}

/// The names of a template (or of an expression) in their order. Those of variables include the template's own.
pub(super) fn names(source: &str, is_expression: bool) -> Vec<Reference> {
    let tokens = tokens(source, is_expression);
    (0..tokens.len()).filter_map(|at| name(&tokens, at)).collect()
}

fn name(tokens: &[Placed<'_>], at: usize) -> Option<Reference> {
    let (Token::Ident(text), range) = &tokens[at] else { return None };
    let token = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map(|(token, _)| token);
    let word = |at: Option<usize>| match token(at) {
        Some(Token::Ident(word)) => Some(*word),
        _ => None,
    };
    let (before, after) = (at.checked_sub(1), Some(at + 1));
    let name =
        |text: &str, of, range: &Range<usize>| Some(Reference { text: text.to_owned(), of, range: range.clone() });
    match (token(before), *text) {
        (Some(Token::Pipe), _) => name(text, ReferenceKind::Filter, range),
        (Some(Token::Dot), _) | (_, "is" | "not" | "and" | "or" | "in" | "if" | "else") => None,
        _ if word(before) == Some("filter") && matches!(token(at.checked_sub(2)), Some(Token::BlockStart)) => {
            name(text, ReferenceKind::Filter, range)
        }
        _ if word(before) == Some("is") => name(text, ReferenceKind::Test, range),
        _ if word(before) == Some("not") && word(at.checked_sub(2)) == Some("is") => {
            name(text, ReferenceKind::Test, range)
        }
        (_, WHOLE_ROW) => match (token(after), tokens.get(at + 2), token(Some(at + 3))) {
            // A name that is put together, `row["Text " ~ language]`, is known only row by row.
            (Some(Token::BracketOpen), Some((Token::Str(cell), range)), Some(Token::BracketClose))
            | (Some(Token::Dot), Some((Token::Ident(cell), range)), _) => name(cell, ReferenceKind::Cell, range),
            _ => None,
        },
        _ => {
            let guarded = matches!(
                (token(after), word(Some(at + 2)), word(Some(at + 3))),
                (Some(Token::Ident("is")), Some("not"), Some("defined" | "undefined"))
                    | (Some(Token::Ident("is")), Some("defined" | "undefined"), _)
                    | (Some(Token::Pipe), Some("default" | "d"), _)
            );
            name(text, ReferenceKind::Variable { guarded }, range)
        }
    }
}

/// Where a slice goes backwards, or by a step that is known only row by row: the engine breaks down at that where there
/// is nothing to slice.
pub(super) fn backward_slices(source: &str, is_expression: bool) -> Vec<Range<usize>> {
    let tokens = tokens(source, is_expression);
    // The brackets that are open: whether each is a square one, and its colons so far.
    let mut open: Vec<(bool, u32)> = Vec::new();
    let mut found = Vec::new();
    for pair in tokens.windows(2) {
        let [(token, _), (next, range)] = pair else { continue };
        match token {
            Token::BracketOpen => open.push((true, 0)),
            Token::ParenOpen | Token::BraceOpen => open.push((false, 0)),
            Token::BracketClose | Token::ParenClose | Token::BraceClose => _ = open.pop(),
            Token::Colon => {
                let Some((is_square, colons)) = open.last_mut() else { continue };
                *colons += 1;
                let is_forward = matches!(next, Token::Int(_) | Token::BracketClose);
                if *is_square && *colons == 2 && !is_forward {
                    found.push(range.clone());
                }
            }
            _ => {}
        }
    }
    found
}

/// The conditions on which a template branches, as they are written: of `{% if %}` and of `a if b else c`.
pub(super) fn conditions(source: &str) -> Vec<&str> {
    let tokens = tokens(source, false);
    let begins = tokens.iter().enumerate().filter(|(_, (token, _))| matches!(token, Token::Ident("if" | "elif")));
    begins
        .filter_map(|(at, (_, word))| source.get(word.end..condition_end(&tokens[at + 1..])?))
        .map(str::trim)
        .collect()
}

/// Where a condition ends: at its `else`, at the end of the braces, or at a bracket that it has not opened.
fn condition_end(tokens: &[Placed<'_>]) -> Option<usize> {
    let mut depth = 0_u32;
    for (token, range) in tokens {
        let closes = matches!(token, Token::ParenClose | Token::BracketClose | Token::BraceClose);
        let ends = matches!(token, Token::Ident("else") | Token::VariableEnd | Token::BlockEnd);
        if depth == 0 && (closes || ends) {
            return Some(range.start);
        }
        let opens = matches!(token, Token::ParenOpen | Token::BracketOpen | Token::BraceOpen);
        depth = depth + u32::from(opens) - u32::from(closes);
    }
    None
}

/// Whether the engine has such a filter.
pub(super) fn has_filter(environment: &Environment<'_>, name: &str) -> bool {
    let called = environment.empty_state().apply_filter(name, &[]);
    !called.is_err_and(|error| error.kind() == ErrorKind::UnknownFilter)
}

/// Whether the engine has such a test.
pub(super) fn has_test(environment: &Environment<'_>, name: &str) -> bool {
    let called = environment.empty_state().perform_test(name, &[]);
    !called.is_err_and(|error| error.kind() == ErrorKind::UnknownTest)
}

/// All filters, for suggestions; `docs/templates.md` shows what each does.
pub(super) const FILTERS: [&str; 59] = [
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "date",
    "dateformat",
    "datetimeformat",
    "default",
    "dictsort",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "phone",
    "pluralize",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "striptags",
    "sum",
    "timeformat",
    "title",
    "todate",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "zip",
];

/// All tests, for suggestions.
pub(super) const TESTS: [&str; 34] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> Vec<(String, ReferenceKind)> {
        names(source, false).into_iter().map(|name| (name.text, name.of)).collect()
    }

    #[test]
    fn each_name_is_known_for_what_it_is() {
        let variable = |text: &str| (text.to_owned(), ReferenceKind::Variable { guarded: false });
        let guarded = |text: &str| (text.to_owned(), ReferenceKind::Variable { guarded: true });
        assert_eq!(of("Hi {{ name|title }}"), [variable("name"), ("title".to_owned(), ReferenceKind::Filter)]);
        assert_eq!(
            of("{{ row['Order No.'] }}{{ row.city }}"),
            [("Order No.".to_owned(), ReferenceKind::Cell), ("city".to_owned(), ReferenceKind::Cell)]
        );
        assert_eq!(of("{{ a is not defined }}"), [guarded("a"), ("defined".to_owned(), ReferenceKind::Test)]);
        assert_eq!(of("{{ a|default('x') }}"), [guarded("a"), ("default".to_owned(), ReferenceKind::Filter)]);
        assert_eq!(of("{{ 'a' ~ b.c }}"), [variable("b")]);
    }

    #[test]
    fn conditions_are_found_in_blocks_and_in_expressions() {
        let source = "{% if vip %}a{% elif n > (1 if x else 2) %}b{% endif %}{{ 'c' if city == 'B' else ('d' if e) }}";
        assert_eq!(conditions(source), ["vip", "n > (1 if x else 2)", "x", "city == 'B'", "e"]);
        assert!(conditions("if {{ name }} else").is_empty());
    }

    #[test]
    fn what_is_suggested_exists() {
        let mut environment = Environment::new();
        minijinja_contrib::add_to_environment(&mut environment);
        super::super::date_filters::add(&mut environment);
        super::super::phone_filter::add(&mut environment);
        let no_filter: Vec<&str> = FILTERS.into_iter().filter(|name| !has_filter(&environment, name)).collect();
        let no_test: Vec<&str> = TESTS.into_iter().filter(|name| !has_test(&environment, name)).collect();
        assert_eq!((no_filter, no_test), (Vec::new(), Vec::new()));
        let documented = include_str!("../../docs/templates.md");
        let lacks = |name: &&str| !documented.contains(&format!("`{name}`"));
        assert_eq!(FILTERS.into_iter().chain(TESTS).filter(lacks).collect::<Vec<_>>(), Vec::<&str>::new());
        assert!(!has_filter(&environment, "titel") && !has_test(&environment, "defind"));
    }
}
