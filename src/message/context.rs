//! A row as its templates see it: columns by their names, and all cells under `row`.

use std::cell::OnceCell;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Serde, Value};

use crate::recipients::Row;

/// The name under which all cells can be reached, whatever their column is called: `row["Order No."]`.
pub(super) const WHOLE_ROW: &str = "row";

/// A row as its templates see it.
pub(super) struct Context<'a> {
    pub(super) row: &'a Row,
    /// What the engine wants of it, made for the first template that needs the engine.
    variables: OnceCell<Value>,
}

impl<'a> Context<'a> {
    pub(super) const fn new(row: &'a Row) -> Self {
        Self { row, variables: OnceCell::new() }
    }

    pub(super) fn variables(&self) -> Value {
        self.variables.get_or_init(|| Value::from_object(RowVariables(Arc::new(Cells(self.row.clone()))))).clone()
    }
}

/// Columns by their names, and all of them under [`WHOLE_ROW`].
#[derive(Debug)]
struct RowVariables(Arc<Cells>);

impl Object for RowVariables {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if key == WHOLE_ROW { Some(Value::from_dyn_object(self.0.clone())) } else { self.0.get_value_by_str(key) }
    }
}

#[derive(Debug)]
struct Cells(Row);

impl Object for Cells {
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.columns.names().iter().map(|name| Value::from(name.as_str())).collect())
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        Some(match self.0.get(key)? {
            serde_json::Value::String(text) => Value::from(text.as_str()),
            // As if it were not there: the engine would write `None` as soon as something is done with it.
            serde_json::Value::Null => return None,
            other => Value::from(Serde(other)),
        })
    }
}
