//! One cell of a sheet: what it holds, as a person reads it.

use std::io::BufRead;

use quick_xml::events::BytesStart;
use serde_json::Value;

use super::error::WorkbookError;
use super::number_format::NumberFormat;
use super::strings::{push_unescaped, rich_text};
use super::workbook::Workbook;
use super::xml::{Node, Xml, attribute};
use crate::recipients::{FlawKind, is_invisible};

/// Excel keeps fifteen digits of a number, and makes zeros of those behind.
const TOO_MANY_DIGITS: f64 = 1e15;

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Empty,
    Text(String),
    Bool(bool),
    /// A value that is lost, and what is left of it.
    Flawed(FlawKind, String),
}

impl Cell {
    pub(super) fn is_blank(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.chars().all(is_invisible),
            Self::Bool(_) | Self::Flawed(..) => false,
        }
    }

    /// As the cell of a row, and what is wrong with it.
    pub(super) fn into_value(self) -> (Value, Option<FlawKind>) {
        match self {
            Self::Empty => (Value::String(String::new()), None),
            Self::Text(text) => (Value::String(text), None),
            Self::Bool(value) => (Value::Bool(value), None),
            Self::Flawed(kind, text) => (Value::String(text), Some(kind)),
        }
    }

    /// As a text.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            other => other.into_value().0.as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// How a cell is written: what its element says.
pub(super) struct CellKind {
    kind: Option<String>,
    style: usize,
}

impl CellKind {
    pub(super) fn of(element: &BytesStart<'_>) -> Self {
        let style = attribute(element, "s").and_then(|style| style.parse().ok()).unwrap_or_default();
        Self { kind: attribute(element, "t"), style }
    }

    /// Reads the rest of the cell.
    pub(super) fn read<R: BufRead>(&self, xml: &mut Xml<R>, workbook: &Workbook) -> Result<Cell, WorkbookError> {
        let (mut value, mut inline, mut has_formula) = (None, None, false);
        loop {
            match xml.next()? {
                Node::Start(start) => match start.local_name().as_ref() {
                    "v" => value = Some(xml.text()?),
                    "is" => rich_text(xml, inline.insert(String::new()))?,
                    name => {
                        has_formula |= name == "f";
                        xml.text()?;
                    }
                },
                Node::End => break,
                Node::Eof => return Err(WorkbookError::Damaged),
                Node::Text(_) | Node::Other => {}
            }
        }
        if let Some(text) = inline {
            return Ok(text_or_empty(text));
        }
        let value = value.unwrap_or_default();
        match self.kind.as_deref() {
            Some("str") => {
                let mut text = String::with_capacity(value.len());
                push_unescaped(&mut text, &value);
                Ok(text_or_empty(text))
            }
            _ if value.is_empty() && has_formula => Ok(Cell::Flawed(FlawKind::NotCalculated, String::new())),
            _ if value.is_empty() => Ok(Cell::Empty),
            Some("s") => {
                let text = value.trim().parse().ok().and_then(|number| workbook.strings.get(number));
                let text = text.ok_or(WorkbookError::Unsupported("a cell refers to a missing text"))?;
                Ok(text_or_empty(text.to_owned()))
            }
            Some("b") => Ok(Cell::Bool(matches!(value.trim(), "1" | "true"))),
            Some("e") => Ok(Cell::Flawed(FlawKind::SpreadsheetError, value)),
            // `d` is a date in ISO 8601.
            Some("d" | "inlineStr") => Ok(text_or_empty(value)),
            _ => Ok(self.number(value, workbook)),
        }
    }

    fn number(&self, written: String, workbook: &Workbook) -> Cell {
        let Ok(number) = written.trim().parse::<f64>() else { return text_or_empty(written) };
        let format = workbook.formats.get(self.style).copied().unwrap_or_default();
        match format {
            NumberFormat::Number if number.fract() == 0.0 && number.abs() >= TOO_MANY_DIGITS => {
                Cell::Flawed(FlawKind::MoreThanFifteenDigits, number.to_string())
            }
            NumberFormat::Number => Cell::Text(decimal(number)),
            _ => match format.show(number, workbook.since_1904) {
                Some(shown) => Cell::Text(shown),
                None => Cell::Flawed(FlawKind::NoDate, decimal(number)),
            },
        }
    }
}

fn text_or_empty(text: String) -> Cell {
    if text.is_empty() { Cell::Empty } else { Cell::Text(text) }
}

/// Excel keeps every number as a float and shows fifteen digits of it: `0.1 + 0.2` is `0.3` to those who typed it.
fn decimal(number: f64) -> String {
    let shown: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    shown.to_string()
}
