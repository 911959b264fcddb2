//! `send.canary`: a number, or a map with more. Written by hand: serde's `untagged` loses both the place and the message of
//! what is wrong inside.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::schema_patterns;
use super::span::Spanned;

/// The first messages, and how many of them must arrive for the rest to follow.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Canary")]
pub(super) struct RawCanaryMap {
    /// How many messages the canary has.
    #[schemars(with = "u64", range(min = 1))]
    pub(super) count: Spanned<u64>,
    /// Share of the canary that must be delivered or read, such as `90%`, before the rest is sent without approval.
    /// Without it, somebody must approve.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Share>")]
    pub(super) confirmed: Option<Spanned<String>>,
    /// How long to wait for that; then the run stops (exit 5). Default `10m`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    pub(super) within: Option<Spanned<String>>,
}

/// A number, or a map with more.
#[derive(Debug)]
pub(super) enum RawCanary {
    Count(Spanned<u64>),
    Map(RawCanaryMap),
}

impl RawCanary {
    /// How many messages it has.
    pub(super) fn count(&self) -> &Spanned<u64> {
        match self {
            Self::Count(count) | Self::Map(RawCanaryMap { count, .. }) => count,
        }
    }
}

struct NumberOrMap(CanaryShape);

/// What is there, before it knows its own place.
enum CanaryShape {
    Count(u64),
    Map(RawCanaryMap),
}

impl<'de> Visitor<'de> for CanaryAllowed {
    type Value = CanaryShape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number or a map with `count`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<CanaryShape, E> {
        text.parse().map(CanaryShape::Count).map_err(|_| E::custom("a whole number is expected"))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CanaryShape, A::Error> {
        RawCanaryMap::deserialize(MapAccessDeserializer::new(map)).map(CanaryShape::Map)
    }
}

struct CanaryAllowed;

impl<'de> Deserialize<'de> for NumberOrMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CanaryAllowed).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawCanary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: NumberOrMap(shape), span } = Spanned::deserialize(deserializer)?;
        Ok(match shape {
            CanaryShape::Count(value) => Self::Count(Spanned { value, span }),
            CanaryShape::Map(map) => Self::Map(map),
        })
    }
}

impl JsonSchema for RawCanary {
    fn schema_name() -> Cow<'static, str> {
        "CanaryOrCount".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<RawCanaryMap>();
        json_schema!({ "anyOf": [{ "type": "integer", "format": "uint64", "minimum": 1 }, map] })
    }
}
