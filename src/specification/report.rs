//! `report`: the files that the result goes to.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::DeclaredColumn;
use super::checker::Checker;
use super::schema_patterns;
use super::span::{Span, Spanned};

/// What a report is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// Comma-separated, with a header.
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// One self-contained page.
    Html,
}

impl ReportFormat {
    /// By file ending. `None` for others.
    pub fn by_ending(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "jsonl" => Some(Self::Jsonl),
            "html" => Some(Self::Html),
            _ => None,
        }
    }
}

/// `report` as it is written: one file or several.
#[derive(Debug)]
pub(super) struct RawReports(pub(super) Vec<RawReport>);

/// A file to write, with what is shown in it beside the outcomes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReportMap")]
pub(super) struct RawReport {
    /// The report's path, relative to this file.
    #[schemars(with = "schema_patterns::Report")]
    pub(super) file: Spanned<String>,
    /// Columns of the list that the report shows in front of its own, such as `[Customer No., Mobile]`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) columns: Vec<Spanned<String>>,
}

/// What is there, before it knows its own place.
enum Shape {
    Path(String),
    Map(RawReport),
    Many(Vec<RawReportItem>),
}

struct RawReportItem(RawReport);

struct Allowed {
    list: bool,
}

impl<'de> Visitor<'de> for Allowed {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.list {
            "a path, a map with `file`, or a list of them"
        } else {
            "a path or a map with `file`"
        })
    }

    fn visit_str<E>(self, text: &str) -> Result<Shape, E> {
        Ok(Shape::Path(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Shape, A::Error> {
        RawReport::deserialize(MapAccessDeserializer::new(map)).map(Shape::Map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        if !self.list {
            return Err(serde::de::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        let mut many = Vec::new();
        while let Some(item) = items.next_element()? {
            many.push(item);
        }
        Ok(Shape::Many(many))
    }
}

struct OneOrMany(Shape);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Allowed { list: true }).map(Self)
    }
}

struct One(Shape);

impl<'de> Deserialize<'de> for One {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Allowed { list: false }).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawReportItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: One(shape), span } = Spanned::deserialize(deserializer)?;
        Ok(Self(listed(shape, span).into_iter().next().unwrap_or_else(|| path_only(String::new(), span))))
    }
}

impl<'de> Deserialize<'de> for RawReports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: OneOrMany(shape), span } = Spanned::deserialize(deserializer)?;
        Ok(Self(listed(shape, span)))
    }
}

fn listed(shape: Shape, span: Span) -> Vec<RawReport> {
    match shape {
        Shape::Path(path) => vec![path_only(path, span)],
        Shape::Map(report) => vec![report],
        Shape::Many(many) => many.into_iter().map(|RawReportItem(report)| report).collect(),
    }
}

const fn path_only(value: String, span: Span) -> RawReport {
    RawReport { file: Spanned { value, span }, columns: Vec::new() }
}

impl JsonSchema for RawReports {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Reports".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let path = generator.subschema_for::<schema_patterns::Report>();
        let map = generator.subschema_for::<RawReport>();
        json_schema!({ "anyOf": [path, map, { "type": "array", "items": { "anyOf": [path, map] } }] })
    }
}

/// A report as the spec names it.
#[derive(Debug, Clone)]
pub struct ReportFile {
    /// Relative to the spec's folder.
    pub path: PathBuf,
    /// Columns of the list that it shows in front of its own.
    pub columns: Vec<DeclaredColumn>,
    /// Where it is named, unless it is the default.
    pub span: Option<Span>,
}

impl Checker<'_> {
    pub(super) fn report(&mut self, raw: Option<RawReports>, name: &str) -> Vec<ReportFile> {
        let Some(RawReports(reports)) = raw else {
            let path = PathBuf::from(format!("reports/{name}.csv"));
            return vec![ReportFile { path, columns: Vec::new(), span: None }];
        };
        for RawReport { file, .. } in &reports {
            if ReportFormat::by_ending(Path::new(&file.value)).is_none() {
                self.problem(
                    "report-ending",
                    file.span,
                    format!("`{}` is not a report format", file.value),
                    "use a name that ends in `.csv`, `.jsonl` or `.html`",
                );
            }
        }
        for RawReport { file, .. } in &reports {
            self.file_name("report-name", "the report's name", file);
        }
        let file = |RawReport { file, columns }: RawReport| {
            let span = Some(file.span);
            ReportFile { path: file.value.into(), columns: self.columns(columns), span }
        };
        reports.into_iter().map(file).collect()
    }
}
