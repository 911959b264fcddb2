//! Keys that may be a string or something larger. Written by hand: serde's `untagged` loses both the place and the
//! message of what is wrong inside.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::recipients::{RawRecipients, RawRecipientsMap};
use super::schema_patterns;
use super::span::Spanned;

/// One string or a list of them.
#[derive(Debug, Clone)]
pub(super) struct OneOrMany(pub(super) Vec<Spanned<String>>);

/// What is there, before it knows its own place.
enum Shape {
    One(String),
    Many(Vec<Spanned<String>>),
    Map(Box<RawRecipientsMap>),
}

struct Allowed {
    map: bool,
}

impl<'de> Visitor<'de> for Allowed {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.map { "a path or a map with `file`" } else { "a string or a list of strings" })
    }

    fn visit_str<E>(self, text: &str) -> Result<Shape, E> {
        Ok(Shape::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut many = Vec::new();
        while let Some(item) = items.next_element()? {
            many.push(item);
        }
        Ok(Shape::Many(many))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Shape, A::Error> {
        if !self.map {
            return Err(serde::de::Error::invalid_type(serde::de::Unexpected::Map, &self));
        }
        RawRecipientsMap::deserialize(MapAccessDeserializer::new(map)).map(|map| Shape::Map(Box::new(map)))
    }
}

struct PathOrMap(Shape);

impl<'de> Deserialize<'de> for PathOrMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Allowed { map: true }).map(Self)
    }
}

struct StringOrList(Shape);

impl<'de> Deserialize<'de> for StringOrList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Allowed { map: false }).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawRecipients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: PathOrMap(shape), span } = Spanned::deserialize(deserializer)?;
        match shape {
            Shape::One(value) => Ok(Self::Path(Spanned { value, span })),
            Shape::Map(map) => Ok(Self::Map(map)),
            Shape::Many(_) => Err(serde::de::Error::custom("expected a path or a map with `file`, found a list")),
        }
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: StringOrList(shape), span } = Spanned::deserialize(deserializer)?;
        Ok(match shape {
            Shape::One(value) => Self(vec![Spanned { value, span }]),
            Shape::Many(many) => Self(many),
            Shape::Map(_) => Self(Vec::new()),
        })
    }
}

impl JsonSchema for RawRecipients {
    fn schema_name() -> Cow<'static, str> {
        "Recipients".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut path = generator.subschema_for::<schema_patterns::InputFile>();
        path.insert("description".to_owned(), "A path, or `\"-\"` for standard input.".into());
        let map = generator.subschema_for::<RawRecipientsMap>();
        json_schema!({ "anyOf": [path, map] })
    }
}
