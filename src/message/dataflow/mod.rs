//! Which values flow where in a template: which of them decide its conditions, which meet in an operator, and which a loop
//! goes over. A value that is changed or copied on the way (`|trim`, `{% set %}`, a loop) still counts as the column's.
//!
//! This tells what is in the template; what that means for a row is for [`truthiness`](super::truthiness) and
//! [`mixed_kinds`](super::mixed_kinds) to say.

mod analysis;
mod operands;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use minijinja::machinery::parse;
use minijinja::syntax::SyntaxConfig;
use serde_json::Value;

use self::analysis::Analysis;
pub(super) use self::operands::{Operand, OperandValue, Operation, Operator};
use super::context::WHOLE_ROW;

/// Where a value comes from: a column or a constant, or something in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    /// The column or the constant; [`WHOLE_ROW`] if it may be any column.
    pub(super) name: String,
    /// The key of the object in the cell, for lists that hold such.
    pub(super) key: Option<String>,
}

type Sources = BTreeSet<Source>;

impl Source {
    /// The values that it may be of, where a name has one. None of them are known where any column may be meant.
    pub(super) fn values<'v>(&self, find: impl Fn(&str) -> Option<&'v Value>) -> Vec<&'v Value> {
        let mut values = Vec::new();
        match (&self.key, find(&self.name)) {
            _ if self.name == WHOLE_ROW => {}
            (None, found) => values.extend(found),
            (Some(key), Some(found)) => collect_keyed(found, key, &mut values),
            (Some(_), None) => {}
        }
        values
    }
}

/// The values of a key at any depth.
fn collect_keyed<'v>(value: &'v Value, key: &str, into: &mut Vec<&'v Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_keyed(item, key, into)),
        Value::Object(map) => {
            into.extend(map.get(key));
            map.values().filter(|value| !value.is_string()).for_each(|value| collect_keyed(value, key, into));
        }
        _ => {}
    }
}

/// A condition that a value may decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    /// What decides.
    pub(super) source: Source,
    /// The bytes of the condition, or of the part of it, in the template.
    pub(super) range: Range<usize>,
    /// Whether what depends on it writes the same value.
    pub(super) is_written: bool,
}

/// What a template does with values of the row and constants.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// The conditions that such a value may decide, each once.
    pub(super) decisions: Vec<Decision>,
    /// The operators that such a value may meet another in.
    pub(super) operations: Vec<Operation>,
    /// What loops go over.
    pub(super) loops: Vec<Operand>,
}

impl Flow {
    /// What a template does; nothing if it cannot be read.
    pub(super) fn of(source: &str) -> Self {
        let Ok(template) = parse(source, "", SyntaxConfig::default()) else { return Self::default() };
        let mut analysis = Analysis::default();
        // What a loop or a macro is given further down is known only after a first look.
        for _ in 0..2 {
            analysis.scopes = vec![BTreeMap::new()];
            analysis.flow = Self::default();
            analysis.statement(&template);
        }
        let mut flow = analysis.flow;
        flow.decisions.dedup();
        flow
    }

    /// The same for the text without its first bytes.
    pub(super) fn without_first(mut self, bytes: usize) -> Self {
        let shifted = |range: &mut Range<usize>| {
            *range = range.start.saturating_sub(bytes)..range.end.saturating_sub(bytes);
        };
        self.decisions.iter_mut().for_each(|decision| shifted(&mut decision.range));
        let sides = self.operations.iter_mut().flat_map(|operation| [&mut operation.left, &mut operation.right]);
        sides.chain(&mut self.loops).for_each(|operand| shifted(&mut operand.range));
        self
    }

    /// Whether there is nothing to look at in a row.
    pub(super) fn is_empty(&self) -> bool {
        self.decisions.is_empty() && self.operations.is_empty() && self.loops.is_empty()
    }
}
