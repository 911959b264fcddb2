//! Texts that are used as numbers, and numbers as texts: the engine finds every text greater than any number and equal to
//! none, `"9" < "10"` false, and twice `"19.50"` `"19.5019.50"`.
//!
//! The template tells which columns and constants meet in an operator; see [`dataflow`](super::dataflow). Whether a cell
//! is a text is known beforehand for CSV and workbooks, and row by row for JSON Lines.

use std::cmp::Ordering;
use std::ops::Range;

use serde_json::Value;

use super::dataflow::{Operand, OperandValue, Operation, Operator, Source};

/// A side of an operator that is of the wrong kind, or a loop over letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// The bytes of what is wrong, in the template.
    pub(super) range: Range<usize>,
    pub(super) kind: MismatchKind,
    /// The value that is of the wrong kind, where a row has it.
    pub(super) value: Option<String>,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MismatchKind {
    /// A text where a number is meant.
    TextForNumber,
    /// A number where a text is meant.
    NumberForText,
    /// Two texts that are numbers, put in the order of their letters.
    OrderOfLetters,
    /// Two texts that are numbers, put together instead of added.
    Joined,
    /// A loop over the letters of a text.
    Letters,
}

impl MismatchKind {
    /// The problem's code.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::TextForNumber | Self::OrderOfLetters | Self::Joined => TEXT_FOR_NUMBER,
            Self::NumberForText => NUMBER_FOR_TEXT,
            Self::Letters => TEXT_FOR_LIST,
        }
    }

    /// What is wrong, of the expression that it is about.
    pub(super) fn explain(self, expression: &str) -> String {
        match self {
            Self::TextForNumber => format!("`{expression}` is text, used as a number"),
            Self::NumberForText => format!("`{expression}` is a number, compared with a text"),
            Self::OrderOfLetters => {
                format!("`{expression}` compares two texts letter by letter, so that `10` comes before `9`")
            }
            Self::Joined => format!("`{expression}` joins two texts, as `9` and `10` to `910`"),
            Self::Letters => format!("`{expression}` is a text, and a loop over it gives its letters"),
        }
    }
}

/// The code of a text that is used as a number.
pub(super) const TEXT_FOR_NUMBER: &str = "text-for-number";

/// The code of a number that is used as a text.
pub(super) const NUMBER_FOR_TEXT: &str = "number-for-text";

/// The code of a text that is used as a list.
pub(super) const TEXT_FOR_LIST: &str = "text-for-list";

/// How to make a number of a text.
pub(super) const NUMBER_HINT: &str = "convert it first: `total|float >= 1000`, `price|float * 2`; `~` joins texts";

/// How to make a text of a number.
pub(super) const TEXT_HINT: &str = "write the number without quotes, or compare `column|string`";

/// How to make a list of a text.
pub(super) const LIST_HINT: &str = "`column.split(',')` makes a list of it, and `column|list` one of its letters";

/// What is wrong with an operation before any row is read, where it is known of each source whether it is a text.
pub(super) fn known_mismatch(operation: &Operation, is_text: impl Fn(&Source) -> bool) -> Option<Mismatch> {
    let Operation { operator, left, right } = operation;
    let is_text = |operand: &Operand| match &operand.value {
        OperandValue::From(sources) => sources.iter().any(&is_text),
        _ => false,
    };
    let wrong = match (&left.value, &right.value) {
        (OperandValue::Number, _) if is_text(right) => right,
        (_, OperandValue::Number) if is_text(left) && *operator != Operator::Membership => left,
        (_, OperandValue::Numbers) if is_text(left) && *operator == Operator::Membership => left,
        _ => return None,
    };
    Some(Mismatch { range: wrong.range.clone(), kind: MismatchKind::TextForNumber, value: None })
}

/// What is wrong with an operation on the values of a row.
pub(super) fn mismatch<'v>(operation: &'v Operation, values: impl Fn(&Source) -> Vec<&'v Value>) -> Option<Mismatch> {
    let Operation { operator, left, right } = operation;
    let (lefts, rights) = (Side::of(left, &values), Side::of(right, &values));
    lefts.iter().find_map(|one| rights.iter().find_map(|other| wrong(*operator, (left, one), (right, other))))
}

/// Whether a loop goes over the letters of a text.
pub(super) fn letters<'v>(operand: &Operand, values: impl Fn(&Source) -> Vec<&'v Value>) -> Option<Mismatch> {
    let OperandValue::From(sources) = &operand.value else { return None };
    let mut values = sources.iter().flat_map(values);
    let text = values.find_map(|value| value.as_str().filter(|text| !text.is_empty()))?;
    Some(Mismatch { range: operand.range.clone(), kind: MismatchKind::Letters, value: Some(text.to_owned()) })
}

/// A value that a side of an operator may have.
#[derive(Debug, Clone, Copy)]
enum Side<'v> {
    Number,
    Numbers,
    Texts,
    WrittenText(&'v str),
    CellText(&'v str),
    CellNumber,
}

impl<'v> Side<'v> {
    fn of(operand: &'v Operand, values: &impl Fn(&Source) -> Vec<&'v Value>) -> Vec<Self> {
        match &operand.value {
            OperandValue::Number => vec![Self::Number],
            OperandValue::Numbers => vec![Self::Numbers],
            OperandValue::Texts => vec![Self::Texts],
            OperandValue::Text(text) => vec![Self::WrittenText(text)],
            OperandValue::From(sources) => sources.iter().flat_map(values).flat_map(Self::of_cell).collect(),
            OperandValue::Unknown => Vec::new(),
        }
    }

    /// A cell, or each item of the list that it holds.
    fn of_cell(value: &'v Value) -> Vec<Self> {
        match value {
            Value::String(text) => vec![Self::CellText(text)],
            Value::Number(_) => vec![Self::CellNumber],
            Value::Array(items) => items.iter().flat_map(Self::of_cell).collect(),
            _ => Vec::new(),
        }
    }
}

fn wrong(operator: Operator, left: (&Operand, &Side<'_>), right: (&Operand, &Side<'_>)) -> Option<Mismatch> {
    let about = |operand: &Operand, kind, text: &str| {
        Some(Mismatch { range: operand.range.clone(), kind, value: Some(text.to_owned()) })
    };
    let both = |kind, text: &str| {
        let range = left.0.range.start.min(right.0.range.start)..right.0.range.end.max(left.0.range.end);
        Some(Mismatch { range, kind, value: Some(text.to_owned()) })
    };
    match (operator, left.1, right.1) {
        (Operator::Membership, Side::Number | Side::CellNumber, Side::CellText(text)) => {
            about(right.0, MismatchKind::TextForNumber, text)
        }
        (Operator::Membership, Side::CellText(text), Side::Numbers) => about(left.0, MismatchKind::TextForNumber, text),
        (Operator::Membership, Side::CellNumber, Side::Texts) => about(left.0, MismatchKind::NumberForText, ""),
        // `!= ""` asks whether there is something.
        (Operator::Membership, ..)
        | (Operator::Equality, Side::WrittenText(""), _)
        | (Operator::Equality, _, Side::WrittenText("")) => None,
        (_, Side::CellText(text), Side::Number | Side::CellNumber) => about(left.0, MismatchKind::TextForNumber, text),
        (_, Side::Number | Side::CellNumber, Side::CellText(text)) => about(right.0, MismatchKind::TextForNumber, text),
        (Operator::Order | Operator::Equality, Side::CellNumber, Side::WrittenText(text)) => {
            about(left.0, MismatchKind::NumberForText, text)
        }
        (Operator::Order | Operator::Equality, Side::WrittenText(text), Side::CellNumber) => {
            about(right.0, MismatchKind::NumberForText, text)
        }
        (
            Operator::Order,
            Side::CellText(one) | Side::WrittenText(one),
            Side::CellText(other) | Side::WrittenText(other),
        ) if are_in_another_order(one, other) => both(MismatchKind::OrderOfLetters, one),
        (Operator::Add, Side::CellText(one), Side::CellText(other)) if is_number(one) && is_number(other) => {
            both(MismatchKind::Joined, one)
        }
        _ => None,
    }
}

fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let begins = text.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|_| begins)
}

fn is_number(text: &str) -> bool {
    number(text).is_some()
}

/// Whether two texts are numbers and come in another order as such.
pub(super) fn are_in_another_order(one: &str, other: &str) -> bool {
    let numbers = number(one).zip(number(other));
    numbers
        .and_then(|(a, b)| a.partial_cmp(&b))
        .is_some_and(|order| order != Ordering::Equal && order != one.cmp(other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::dataflow::Flow;
    use super::*;

    /// The part of a template that is wrong for a row, and how.
    fn found<'s>(source: &'s str, row: &Value) -> Option<(&'s str, MismatchKind)> {
        let flow = Flow::of(source);
        let values = |source: &Source| source.values(|name| row.get(name));
        let of_operations = flow.operations.iter().find_map(|operation| mismatch(operation, values));
        let found = of_operations.or_else(|| flow.loops.iter().find_map(|operand| letters(operand, values)))?;
        Some((&source[found.range], found.kind))
    }

    #[test]
    fn a_text_that_meets_a_number_is_found_in_every_form() {
        let row = json!({ "a": "9", "b": 10, "items": [{ "n": "3" }], "tags": "x,y" });
        for (source, part) in [
            ("{% if a > 5 %}{% endif %}", "a"),
            ("{{ 'x' if 5 <= a }}", "a"),
            ("{{ 1 < a < 20 }}", "a"),
            ("{{ a == -9 }}", "a"),
            ("{{ b != a }}", "a"),
            ("{{ row['a'] >= b }}", "row['a']"),
            ("{{ a|trim * 2 }}", "a|trim"),
            ("{{ b + a }}", "a"),
            ("{{ a|float == a }}", "a"),
            ("{% set x = a %}{{ x > 5 }}", "x"),
            ("{% for item in items %}{{ item.n > 2 }}{% endfor %}", "item.n"),
            ("{{ a in [9, 10] }}", "a"),
            ("{{ 9 in tags }}", "tags"),
            ("{{ (a or 5) > 3 }}", "a or 5"),
        ] {
            assert_eq!(found(source, &row), Some((part, MismatchKind::TextForNumber)), "{source}");
        }
        for (source, part) in [("{{ b > '5' }}", "b"), ("{{ '10' == b }}", "b"), ("{{ b in ['10', '11'] }}", "b")] {
            assert_eq!(found(source, &row), Some((part, MismatchKind::NumberForText)), "{source}");
        }
    }

    #[test]
    fn two_texts_that_are_numbers_are_neither_put_in_order_nor_joined() {
        let row = json!({ "a": "9", "b": "10", "year": "2026", "day": "2026-12-01", "name": "Ada" });
        for (source, part, kind) in [
            ("{{ a < b }}", "a < b", MismatchKind::OrderOfLetters),
            ("{{ a > '10' }}", "a > '10'", MismatchKind::OrderOfLetters),
            ("{{ a + b }}", "a + b", MismatchKind::Joined),
        ] {
            assert_eq!(found(source, &row), Some((part, kind)), "{source}");
        }
        for source in
            ["{{ day >= '2026-01-01' }}", "{{ year < '2027' }}", "{{ name + a }}", "{{ a == b }}", "{{ a ~ b }}"]
        {
            assert_eq!(found(source, &row), None, "{source}");
        }
    }

    #[test]
    fn a_loop_over_a_text_is_found() {
        let row = json!({ "tags": "x,y", "none": "", "list": ["x", "y"] });
        for source in ["{% for t in tags %}{% endfor %}", "{% for t in tags|upper if t != 'x' %}{% endfor %}"] {
            assert!(matches!(found(source, &row), Some((_, MismatchKind::Letters))), "{source}");
        }
        for source in ["tags.split(',')", "tags|list", "list", "none", "[tags]", "range(3)"] {
            assert_eq!(found(&format!("{{% for t in {source} %}}{{% endfor %}}"), &row), None, "{source}");
        }
    }

    #[test]
    fn values_of_one_kind_may_meet() {
        let row = json!({ "a": "9", "b": 10, "c": 2.5, "list": ["x"], "flag": true });
        for source in [
            "{{ b > 5 }}",
            "{{ b * c > 20 }}",
            "{{ a|int > 5 }}",
            "{{ a|float + b }}",
            "{{ a == '9' }}",
            "{{ a != '' }}",
            "{{ b != '' }}",
            "{{ a in ['9', '10'] }}",
            "{{ 'x' in list }}",
            "{{ a|length > 0 }}",
            "{{ '-' * 20 }}",
            "{{ flag == true }}",
            "{{ loop.index > 1 }}",
            "{{ missing > 5 }}",
        ] {
            assert_eq!(found(source, &row), None, "{source}");
        }
    }

    #[test]
    fn a_column_of_texts_is_known_beforehand() {
        let wrong = |source: &str| {
            let flow = Flow::of(source);
            flow.operations.iter().any(|operation| known_mismatch(operation, |source| source.name != "n").is_some())
        };
        for source in ["{{ a > 3 }}", "{{ 10 <= row['a'] }}", "{{ a * 2 }}", "{{ a|int > b }}", "{{ a in [1, 2] }}"] {
            assert!(wrong(source), "{source}");
        }
        for source in
            ["{{ a > '3' }}", "{{ a|float > 3 }}", "{{ a > b }}", "{{ n > 3 }}", "{{ a ~ 2 }}", "{{ 'x' in a }}"]
        {
            assert!(!wrong(source), "{source}");
        }
    }
}
