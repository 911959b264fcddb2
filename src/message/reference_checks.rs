//! What the names of a template may stand for: columns, constants, filters, tests; and what to suggest for those that
//! stand for nothing.

use std::cell::Cell;
use std::collections::BTreeSet;

use minijinja::Environment;

use super::dataflow::{Decision, Flow, Source};
use super::mixed_kinds::{LIST_HINT, MismatchKind, NUMBER_HINT, TEXT_FOR_NUMBER, known_mismatch};
use super::references::{FILTERS, Reference, ReferenceKind, TESTS, has_filter, has_test, names};
use super::truthiness::{TEXT_FOR_TRUTH, TRUTH_HINT, misled};
use super::unfilled_placeholders::{UnfilledPlaceholder, unfilled_placeholders};
use crate::problem::{Problem, did_you_mean};
use crate::recipients::Columns;
use crate::specification::{Format, LiquidCheck, Spec, Template};

/// Names of one template that are reported at once: each problem shows the whole line of the spec.
const MAX_PROBLEMS: usize = 50;

/// What the names of templates may stand for.
pub(super) struct ReferenceChecker<'a> {
    pub(super) spec: &'a Spec,
    pub(super) environment: &'a Environment<'static>,
    pub(super) columns: Option<&'a Columns>,
    pub(super) list: &'a str,
    /// Comparisons of names that may still be spent on suggestions.
    pub(super) comparisons: Cell<usize>,
}

/// Comparisons of names for all suggestions of a spec: thousands of unknown names against thousands of columns would
/// take minutes, and nobody reads as many.
pub(super) const MAX_COMPARISONS: usize = 200_000;

/// Columns that a hint names.
const COLUMNS_SHOWN: usize = 20;

impl ReferenceChecker<'_> {
    /// The names of a template, without those that it sets itself.
    pub(super) fn names(&self, template: &Template) -> Vec<Reference> {
        let Ok(compiled) = self.environment.get_template(&template.key) else { return Vec::new() };
        let free = compiled.undeclared_variables(false);
        let mut names = names(&template.text, self.spec.is_condition(template));
        names.retain(|name| !matches!(name.of, ReferenceKind::Variable { .. }) || free.contains(&name.text));
        names
    }

    /// Names that nothing has: neither the list, nor the spec, nor the engine. Each is reported once per template, where it
    /// first is.
    pub(super) fn problems(&self, template: &Template, names: &[Reference]) -> Vec<Problem> {
        let globals: BTreeSet<&str> = self.environment.globals().map(|(name, _)| name).collect();
        let guarded: BTreeSet<&str> =
            names.iter().filter(|name| name.of == GUARDED).map(|name| name.text.as_str()).collect();
        let mut told = BTreeSet::new();
        let mut problems = Vec::new();
        for name in names {
            if problems.len() >= MAX_PROBLEMS {
                break;
            }
            let unknown = match name.of {
                ReferenceKind::Variable { .. } => !self.is_column(&name.text) && !globals.contains(name.text.as_str()),
                ReferenceKind::Cell => !self.is_column(&name.text),
                ReferenceKind::Filter => !has_filter(self.environment, &name.text),
                ReferenceKind::Test => !has_test(self.environment, &name.text),
            };
            if unknown && told.insert(name.text.as_str()) {
                problems.push(self.unknown(template, name, guarded.contains(name.text.as_str())));
            } else if self.is_constant_with_braces(&name.text) && told.insert(name.text.as_str()) {
                problems.push(self.constant_for_template(template, name));
            }
        }
        problems
    }

    /// Texts that are used as numbers or lists, as far as that is known before any row is read.
    pub(super) fn mixed_kinds(&self, template: &Template, flow: &Flow) -> Vec<Problem> {
        let mismatches =
            flow.operations.iter().filter_map(|operation| known_mismatch(operation, |of| self.is_text(of)));
        let mut told = BTreeSet::new();
        let numbers = mismatches.filter(|found| told.insert(found.range.start)).map(|found| {
            let expression = template.text.get(found.range.clone()).unwrap_or_default();
            let place = self.spec.place_in(template, &found.range);
            Problem::error(TEXT_FOR_NUMBER, place, found.kind.explain(expression)).hint(NUMBER_HINT)
        });
        let mut problems: Vec<Problem> = numbers.take(MAX_PROBLEMS).collect();
        let loops = flow.loops.iter().filter(|operand| operand.sources().iter().any(|of| self.is_text(of)));
        problems.extend(loops.take(MAX_PROBLEMS).map(|operand| {
            let expression = template.text.get(operand.range.clone()).unwrap_or_default();
            let kind = MismatchKind::Letters;
            Problem::error(kind.code(), self.spec.place_in(template, &operand.range), kind.explain(expression))
                .hint(LIST_HINT.replace("column", expression))
        }));
        problems
    }

    /// Whether a value is a text for every row: a constant, or the column of a list whose cells are texts.
    fn is_text(&self, source: &Source) -> bool {
        match self.spec.vars.get(&source.name) {
            Some(constant) => source.values(|_| Some(constant)).iter().any(|value| value.is_string()),
            None => {
                let has_texts = self.columns.is_some_and(|columns| columns.position(&source.name).is_some());
                has_texts && source.key.is_none()
            }
        }
    }

    /// Conditions that a text decides, as far as that is known before any row is read: by a constant, or by a column of
    /// a list whose cells are all texts.
    pub(super) fn texts_as_conditions(&self, template: &Template, decisions: &[Decision]) -> Vec<Problem> {
        let has_texts_only = self.columns.is_some() && !self.is_workbook();
        let mut places = BTreeSet::new();
        let is_wrong = |decision: &&Decision| match self.spec.vars.get(&decision.source.name) {
            Some(constant) => decision.is_misled_by_constant(constant),
            None => has_texts_only && !decision.is_written && self.is_column(&decision.source.name),
        };
        let wrong = decisions.iter().filter(is_wrong).filter(|decision| places.insert(decision.range.start));
        let problem = |decision: &Decision| {
            let expression = template.text.get(decision.range.clone()).unwrap_or_default();
            let what = misled(expression, decision.is_written);
            Problem::error(TEXT_FOR_TRUTH, self.spec.place_in(template, &decision.range), what)
                .hint(TRUTH_HINT.replace("column", expression))
        };
        wrong.map(problem).collect()
    }

    /// A workbook has booleans of its own.
    fn is_workbook(&self) -> bool {
        self.spec.recipients.format == Some(Format::Xlsx) || self.list.to_lowercase().ends_with(".xlsx")
    }

    fn is_constant_with_braces(&self, name: &str) -> bool {
        let is_refused = self.spec.checks.liquid == LiquidCheck::Refuse;
        let has_braces = |text: &str| text.contains("{{") || text.contains("{%");
        is_refused && self.spec.vars.get(name).and_then(serde_json::Value::as_str).is_some_and(has_braces)
    }

    fn constant_for_template(&self, template: &Template, name: &Reference) -> Problem {
        let place = self.spec.place_in(template, &name.range);
        let what = format!("the constant `{}` contains braces, which would be sent as they are", name.text);
        Problem::error("template-in-constant", place, what).hint("write the value here instead")
    }

    /// Names and numbers that were meant to be filled in, and are none for the engine.
    pub(super) fn unfilled_placeholders(&self, template: &Template) -> Vec<Problem> {
        let is_known = |name: &str| {
            self.spec.vars.contains_key(name) || self.columns.is_some_and(|columns| columns.position(name).is_some())
        };
        let place = |unfilled: &UnfilledPlaceholder| self.spec.place_in(template, &unfilled.range);
        unfilled_placeholders(&template.text, is_known)
            .iter()
            .map(|unfilled| unfilled.problem(&place(unfilled), &template.text))
            .collect()
    }

    /// Whether the list has such a column, or may have: that of JSON Lines is known only row by row.
    fn is_column(&self, name: &str) -> bool {
        self.columns.is_none_or(|columns| columns.position(name).is_some())
    }

    fn unknown(&self, template: &Template, name: &Reference, is_guarded: bool) -> Problem {
        let place = self.spec.place_in(template, &name.range);
        let text = &name.text;
        match name.of {
            ReferenceKind::Filter => Problem::error("unknown-filter", place, format!("unknown filter \"{text}\""))
                .hint(suggestion(text, &FILTERS, "filters")),
            ReferenceKind::Test => Problem::error("unknown-test", place, format!("unknown test \"{text}\""))
                .hint(suggestion(text, &TESTS, "tests")),
            ReferenceKind::Variable { .. } if is_guarded => {
                let what = format!("{} has no column \"{text}\", so this template always uses its default", self.list);
                Problem::warning("missing-column", place, what).hint(self.columns_hint(text))
            }
            ReferenceKind::Variable { .. } | ReferenceKind::Cell => {
                Problem::error("unknown-column", place, format!("unknown column \"{text}\""))
                    .hint(self.columns_hint(text))
            }
        }
    }

    fn columns_hint(&self, name: &str) -> String {
        let names: Vec<&str> = self.columns.iter().flat_map(|columns| columns.names()).map(String::as_str).collect();
        let has = match names.as_slice() {
            [one] if one.contains([',', ';', '\t', '|']) => {
                format!("{} has one column, `{one}`: remove the quotes around whole lines", self.list)
            }
            _ => format!("{} has {}", self.list, listed(&names)),
        };
        let Some(left) = self.comparisons.get().checked_sub(names.len()) else { return has };
        self.comparisons.set(left);
        let constants = self.spec.vars.keys().map(String::as_str);
        let same = names.iter().copied().find(|column| is_same_but_for_marks(column, name));
        same.or_else(|| did_you_mean(name, names.iter().copied().chain(constants)))
            .map(as_expression)
            .map_or_else(|| has.clone(), |near| format!("did you mean `{near}`? {has}"))
    }
}

/// The first columns and the number of the others, each cut where it is as long as no name is.
fn listed(names: &[&str]) -> String {
    const MAX_LENGTH: usize = 60;
    let cut = |name: &&str| name.chars().take(MAX_LENGTH).collect::<String>();
    let shown = names.iter().take(COLUMNS_SHOWN).map(cut).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(COLUMNS_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// How a template names a column: `name`, or `row["First Name"]`.
pub(super) fn as_expression(column: &str) -> String {
    let is_identifier =
        column.chars().all(|c| c.is_alphanumeric() || c == '_') && !column.starts_with(|c: char| c.is_numeric());
    if is_identifier { column.to_owned() } else { format!("row[{}]", serde_json::Value::from(column)) }
}

/// Whether two names have the same letters and digits: `First Name`, `first_name`, `FirstName`.
fn is_same_but_for_marks(column: &str, name: &str) -> bool {
    let letters =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let letters_of_name = letters(name);
    !letters_of_name.is_empty() && letters(column) == letters_of_name
}

/// The column with blanks that was written without quotes where the engine gave up: `{{ First Name }}`.
pub(super) fn column_with_blanks<'a>(columns: Option<&'a Columns>, source: &str, at: usize) -> Option<&'a str> {
    let begin = source.get(..at)?.rfind(['{', '%']).map_or(0, |brace| brace + 1);
    let end = source.get(at..)?.find(['}', '%']).map_or(source.len(), |brace| at + brace);
    let written = source.get(begin..end)?.to_lowercase();
    let names = columns?.names().iter().filter(|name| name.contains(char::is_whitespace));
    names.filter(|name| written.contains(&name.to_lowercase())).max_by_key(|name| name.len()).map(String::as_str)
}

const GUARDED: ReferenceKind = ReferenceKind::Variable { guarded: true };

fn suggestion(name: &str, known: &[&str], kind: &str) -> String {
    let list = format!("docs/templates.md lists all {kind}");
    did_you_mean(name, known.iter().copied())
        .map_or_else(|| list.clone(), |near| format!("did you mean `{near}`? {list}"))
}
