//! JSON Schemas, made from the types that read and write the files.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The schema of a type: what a person writes may lack an optional key and is never `null`, what a program writes has every key.
/// Descriptions are running text.
pub fn of<T: JsonSchema>(null: Null) -> Value {
    let settings = SchemaSettings::draft2020_12();
    let settings = if null == Null::Allowed { settings.for_serialize() } else { settings };
    let generator = settings.into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    RecursiveTransform(running_text).transform(&mut schema);
    if null == Null::Never {
        RecursiveTransform(never_null).transform(&mut schema);
    }
    schema.to_value()
}

/// Whether `null` may stand for an absent value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Null {
    /// It may: what a program writes.
    Allowed,
    /// It may not: what a person writes.
    Never,
}

fn running_text(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

fn never_null(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(choices)) = schema.get_mut("anyOf") else { return };
    choices.retain(|choice| choice["type"] != "null");
    if let [Value::Object(only)] = choices.as_slice() {
        // Nothing is left to choose from: the one choice takes their place.
        let only = only.clone();
        schema.remove("anyOf");
        for (key, value) in only {
            schema.ensure_object().entry(key).or_insert(value);
        }
    }
}
