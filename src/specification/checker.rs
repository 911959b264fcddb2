//! What the checks of all sections share: where problems are collected, and how texts become templates.

use super::span::{Span, Spanned, Text};
use super::{MAX_PROBLEMS, Source, Template};
use crate::problem::Problem;

/// Collects problems while values are taken over.
pub(super) struct Checker<'a> {
    pub(super) source: &'a Source,
    pub(super) problems: Vec<Problem>,
    /// Maps that lack what was taken out of them because it was wrong: what they lack is no second problem.
    pub(super) spoiled: Vec<Span>,
}

pub(super) fn template(key: &str, text: Spanned<Text>) -> Template {
    Template { key: key.to_owned(), text: text.value.0, span: text.span }
}

pub(super) fn optional(key: &str, text: Option<Spanned<Text>>) -> Option<Template> {
    text.map(|text| template(key, text))
}

impl Checker<'_> {
    /// Records a problem at a value.
    pub(super) fn problem(&mut self, code: &'static str, span: Span, what: impl Into<String>, hint: impl Into<String>) {
        if self.is_worth_saying(span) {
            self.problems.push(Problem::error(code, self.source.place(span), what).hint(hint));
        }
    }

    /// Records what is worth knowing about a value.
    pub(super) fn warning(&mut self, code: &'static str, span: Span, what: impl Into<String>, hint: impl Into<String>) {
        if self.is_worth_saying(span) {
            self.problems.push(Problem::warning(code, self.source.place(span), what).hint(hint));
        }
    }

    fn is_worth_saying(&self, span: Span) -> bool {
        self.problems.len() < MAX_PROBLEMS && !self.spoiled.contains(&span)
    }

    /// Nobody means a file whose name has a line feed in it: it came in with a block of text or an escape.
    pub(super) fn file_name(&mut self, code: &'static str, whose: &str, path: &Spanned<String>) {
        if path.value.contains(char::is_control) {
            let what = format!("{whose} contains a control character, such as a line feed");
            self.problem(code, path.span, what, "write the name on one line, without escapes");
        }
    }
}
