//! From the tree to the raw shape, by serde: what the shape has left in the tree is read, and nothing else.

use std::fmt;

use serde::de::value::{Error, MapAccessDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::span::{Span, Spanned};
use super::yaml_tree::{Node, NodeKind};

/// By this name a type asks for the place of its value.
const WITH_SPAN: &str = "value with its span";

/// Reads a tree whose shape is right.
pub(super) fn read<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, Error> {
    T::deserialize(node)
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(WITH_SPAN, SpanAndValue(std::marker::PhantomData))
    }
}

struct SpanAndValue<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SpanAndValue<T> {
    type Value = Spanned<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a spec")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Spanned<T>, A::Error> {
        let missing = || A::Error::custom("a value without its place");
        let (offset, len) = pair.next_element::<(usize, usize)>()?.ok_or_else(missing)?;
        let value = pair.next_element()?.ok_or_else(missing)?;
        Ok(Spanned { value, span: Span::from(offset..offset + len) })
    }
}

/// First the span, then the value.
struct Pair<'de> {
    node: &'de Node,
    told: bool,
}

impl<'de> SeqAccess<'de> for Pair<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.told {
            return seed.deserialize(self.node).map(Some);
        }
        self.told = true;
        let range = self.node.span.range();
        let numbers = [range.start, range.len()].into_iter();
        seed.deserialize(serde::de::value::SeqDeserializer::new(numbers)).map(Some)
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.what {
            NodeKind::Scalar(scalar) => visitor.visit_borrowed_str(&scalar.text),
            NodeKind::List(items) => visitor.visit_seq(serde::de::value::SeqDeserializer::new(items.iter())),
            NodeKind::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.name.as_str(), value));
                MapAccessDeserializer::new(serde::de::value::MapDeserializer::new(entries)).deserialize_any(visitor)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == WITH_SPAN {
            visitor.visit_seq(Pair { node: self, told: false })
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text = String::deserialize(self)?;
        IntoDeserializer::<Error>::into_deserializer(text).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.parsed().and_then(|value| visitor.visit_bool(value))
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.parsed().and_then(|value| visitor.visit_u32(value))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.parsed().and_then(|value| visitor.visit_u64(value))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct
        map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl Node {
    fn parsed<T: std::str::FromStr>(&self) -> Result<T, Error> {
        match &self.what {
            NodeKind::Scalar(scalar) => {
                scalar.text.parse().map_err(|_| Error::custom("another kind of value is expected"))
            }
            NodeKind::List(_) | NodeKind::Map(_) => Err(Error::custom("a single value is expected")),
        }
    }
}
