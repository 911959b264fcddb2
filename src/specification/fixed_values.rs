//! Values that are the same for every row: what is wrong with one is one problem at its place, not one in each row.

use super::checker::Checker;
use super::span::{Span, Spanned, Text};
use crate::problem::Severity;
use crate::whatsapp::Breach;

impl Checker<'_> {
    /// A rule for a value that has no template in it.
    pub(super) fn constant(&mut self, text: &Spanned<Text>, rule: fn(&str) -> Result<(), Breach>) {
        if is_constant(text)
            && let Err(breach) = rule(text.value.0.trim())
        {
            self.breach(text.span, breach);
        }
    }

    pub(super) fn constant_if_any(&mut self, text: Option<&Spanned<Text>>, rule: fn(&str) -> Result<(), Breach>) {
        if let Some(text) = text {
            self.constant(text, rule);
        }
    }

    /// A rule for an address, as far as it is the same for every row: up to the end of its host, or whole.
    pub(super) fn beginning(&mut self, text: Option<&Spanned<Text>>, rule: fn(&str) -> Result<(), Breach>) {
        let Some(text) = text else { return };
        let same = text.value.0.split('{').next().unwrap_or_default().trim_start();
        let has_host = same.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        if is_constant(text) {
            self.constant(text, rule);
        } else if let Some(Err(breach)) = has_host.then(|| rule(same.trim_end())) {
            self.breach(text.span, breach);
        }
    }

    pub(super) fn breach(&mut self, span: Span, breach: Breach) {
        match breach.severity {
            Severity::Error => self.problem(breach.code, span, breach.what, breach.hint),
            Severity::Warning => self.warning(breach.code, span, breach.what, breach.hint),
        }
    }
}

/// Whether a text is the same for every row.
pub(super) fn is_constant(text: &Spanned<Text>) -> bool {
    !text.value.0.contains('{')
}

pub(super) fn breach(code: &'static str, what: &str, hint: &str) -> Breach {
    Breach { code, severity: Severity::Error, what: what.to_owned(), hint: hint.to_owned() }
}

pub(super) fn filled(text: &str) -> Result<(), Breach> {
    if text.is_empty() { Err(breach("empty", "an empty value", "give it a value, or remove the key")) } else { Ok(()) }
}
