//! Texts that are used as truth values: `{% if vip %}` is true for every text but the empty one, also for `no`.
//!
//! The template tells which columns and constants decide a condition (see [`dataflow`](super::dataflow)); what a
//! comparison, a test, `|bool` or `|length` gives counts as neither. Whether a cell is a text is known beforehand for CSV, and row by row for all other lists.
//!
//! One idiom stays: a condition that only asks whether there is something to write, and writes it. `{% if note %}{{ note
//! }}{% endif %}` and `{{ note if note }}` are refused only where the cell holds a word for no; `{{ name or 'friend' }}` and
//! `|default('friend', true)` write the text that they ask for, so they are never wrong.

use std::borrow::Cow;

use super::booleans::is_no;
use super::context::WHOLE_ROW;
use super::dataflow::Decision;
use crate::humanize;
use crate::recipients::Row;

/// Letters of an expression that a problem shows.
const MAX_EXPRESSION_LENGTH: usize = 200;

/// The code of a text that is used as a truth value.
pub(super) const TEXT_FOR_TRUTH: &str = "text-for-truth";

/// How to ask a text what was meant.
pub(super) const TRUTH_HINT: &str = "`column|bool` understands words such as yes and no, `column == \"yes\"` compares, \
     `column != \"\"` checks that it is not empty";

pub(super) fn misled(expression: &str, is_written: bool) -> String {
    let expression = shortened(expression);
    if is_written {
        format!("the condition `{expression}` is true, but the text says no")
    } else {
        format!("`{expression}` is text used as a condition: every non-empty text is true, even `no`")
    }
}

/// An expression as problems name it: of a long one its beginning, because each row may have the problem.
pub(super) fn shortened(expression: &str) -> Cow<'_, str> {
    humanize::shortened(expression, MAX_EXPRESSION_LENGTH)
}

impl Decision {
    /// Whether a text is wrong in this place.
    pub(super) fn is_misled_by(&self, text: &str) -> bool {
        if self.is_written { is_no(text) } else { !text.is_empty() }
    }

    /// Whether a constant is a text that is wrong in this place.
    pub(super) fn is_misled_by_constant(&self, constant: &serde_json::Value) -> bool {
        match (&self.source.key, constant) {
            (None, serde_json::Value::String(text)) => !self.is_written || self.is_misled_by(text),
            _ => self.is_misled_by_cell(constant),
        }
    }

    /// Whether the row holds a text that is wrong in this place.
    pub(super) fn is_misled_by_row(&self, row: &Row) -> bool {
        if self.source.name == WHOLE_ROW {
            return row.cells.iter().any(|cell| self.is_misled_by_cell(cell));
        }
        row.get(&self.source.name).is_some_and(|cell| self.is_misled_by_cell(cell))
    }

    fn is_misled_by_cell(&self, cell: &serde_json::Value) -> bool {
        match &self.source.key {
            None => self.texts_mislead(cell),
            Some(key) => self.keys_mislead(cell, key),
        }
    }

    fn texts_mislead(&self, value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::String(text) => self.is_misled_by(text),
            serde_json::Value::Array(items) => {
                items.iter().any(|item| item.as_str().is_some_and(|text| self.is_written && self.is_misled_by(text)))
            }
            _ => false,
        }
    }

    fn keys_mislead(&self, value: &serde_json::Value, key: &str) -> bool {
        match value {
            serde_json::Value::Array(items) => items.iter().any(|item| self.keys_mislead(item, key)),
            serde_json::Value::Object(map) => {
                map.get(key).is_some_and(|value| self.texts_mislead(value))
                    || map.values().any(|value| !value.is_string() && self.keys_mislead(value, key))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dataflow::Flow;

    fn found(source: &str) -> Vec<(&str, String, bool)> {
        let found = Flow::of(source).decisions.into_iter();
        found.map(|found| (source.get(found.range).unwrap_or("?"), found.source.name, found.is_written)).collect()
    }

    #[test]
    fn a_text_that_decides_is_found_in_every_form() {
        for source in [
            "{% if vip %}a{% endif %}",
            "{% if x == 'a' %}{% elif vip %}a{% endif %}",
            "{% if (vip) %}a{% endif %}",
            "{% if not vip %}a{% endif %}",
            "{% if vip and x == 'a' %}a{% endif %}",
            "{% if x == 'a' or vip %}a{% endif %}",
            "{% if vip|trim|lower %}a{% endif %}",
            "{% if vip.strip() %}a{% endif %}",
            "{% if row['vip'] %}a{% endif %}",
            "{% if row.vip %}a{% endif %}",
            "{% if row.get('vip') %}a{% endif %}",
            "{{ 'a' if vip else 'b' }}",
            "{{ 'a' if vip }}",
            "{{ vip and 'a' }}",
            "{{ not vip }}",
            "{% if vip is true %}a{% endif %}",
            "{% if vip == true %}a{% endif %}",
            "{% if false != vip %}a{% endif %}",
            "{% set flag = vip %}{% if flag %}a{% endif %}",
            "{% set flag %}{{ vip }}{% endset %}{% if flag %}a{% endif %}",
            "{% set flag = 'a' %}{% if x == 'a' %}{% set flag = vip %}{% endif %}{% if flag %}a{% endif %}",
            "{% with flag = vip %}{% if flag %}a{% endif %}{% endwith %}",
            "{% for x in [1] if vip %}a{% endfor %}",
            "{% for flag in [vip] %}{% if flag %}a{% endif %}{% endfor %}",
            "{% set ns = namespace(on=1) %}{% for x in [1, 2] %}{% if ns.on %}a{% endif %}{% set ns.on = vip %}{% endfor %}",
            "{% macro m(flag) %}{% if flag %}a{% endif %}{% endmacro %}{{ m(vip) }}",
            "{% macro m(flag) %}{% if flag %}a{% endif %}{% endmacro %}{{ m(flag=vip) }}",
            "{% macro m() %}{{ vip }}{% endmacro %}{% if m() %}a{% endif %}",
            "{{ [vip]|reject|list|length }}",
            "{{ ([a]|join) if vip }}",
            "{{ {'x': 'a' if vip}.x }}",
        ] {
            let found = found(source);
            assert!(found.iter().any(|(_, name, is_written)| name == "vip" && !is_written), "{source}: {found:?}");
        }
    }

    #[test]
    fn a_text_that_is_written_where_there_is_one_is_told_from_the_others() {
        for source in [
            "{% if note %}{{ note }}{% endif %}",
            "{% if not note %}-{% else %}{{ note|upper }}{% endif %}",
            "{{ 'Hi ' ~ note if note }}",
            "{{ note and ', ' ~ note }}",
            "{{ [note, 'b']|select|join(', ') }}",
        ] {
            let found = found(source);
            assert!(!found.is_empty() && found.iter().all(|(_, _, is_written)| *is_written), "{source}: {found:?}");
        }
    }

    #[test]
    fn what_is_no_text_any_more_may_decide() {
        for source in [
            "{{ vip }}",
            "{% if vip == 'yes' %}a{% endif %}",
            "{% if 'a' in vip %}a{% endif %}",
            "{% if vip is defined %}a{% endif %}",
            "{% if vip|bool %}a{% endif %}",
            "{% if vip|length %}a{% endif %}",
            "{% if vip|int %}a{% endif %}",
            "{% if vip.startswith('a') %}a{% endif %}",
            "{% set vip = vip|bool %}{% if vip %}a{% endif %}",
            "{{ vip or 'b' }}",
            "{{ vip|default('b', true) }}",
            "{% for x in [1] %}{% if loop.last %}a{% endif %}{% endfor %}",
            "{% if row %}a{% endif %}",
        ] {
            assert_eq!(found(source), [], "{source}");
        }
    }

    #[test]
    fn the_condition_is_marked_and_not_more() {
        assert_eq!(found("{% if a == 'b' and row['Is VIP'] %}a{% endif %}")[0].0, "row['Is VIP']");
    }
}
