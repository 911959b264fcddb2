//! Bytes to rows: whatever a list is written in, each row knows its line.
//!
//! This module reads from any `Read`, and knows neither templates nor what a row is used for. A list is streamed, so that
//! memory does not grow with it; of a workbook only the texts of its cells are kept.

mod csv;
pub mod spreadsheet_artifacts;
mod delimiter;
pub mod email;
mod encoding;
mod flaw;
mod formula_guard;
mod encoding_guess;
mod header;
mod json;
mod jsonl;
mod mojibake;
mod phone;
mod quotes;
mod suppression;
mod tally;
mod xlsx;

use std::io::Read;
use std::sync::Arc;

use foldhash::HashMap;
use serde_json::Value;

use crate::problem::{Place, Problem};
use crate::specification::Format;
pub use flaw::{Flaw, FlawKind};
pub use formula_guard::{guarded, unguarded};
pub use header::RepeatedColumn;
pub use phone::{NO_COUNTRY, Phone, is_region, normalise, share_a_code};
pub use suppression::{Country, IdKind, ListSummary, Suppression};

/// The columns of a list, shared by its rows.
#[derive(Debug, PartialEq, Eq)]
pub struct Columns {
    names: Vec<String>,
    index: HashMap<String, usize>,
}

impl Columns {
    /// Columns by their names, in their order. Of several with one name the first is found by it.
    pub fn new(names: Vec<String>) -> Self {
        let index = names.iter().enumerate().rev().map(|(at, name)| (name.clone(), at)).collect();
        Self { names, index }
    }

    /// The names in the order of the list.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Where a column is.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }
}

/// One recipient as the list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line on which it begins, counted from 1.
    pub line: u64,
    /// The names of its cells.
    pub columns: Arc<Columns>,
    /// Its cells, one for each column: text, or whatever a JSON line holds. Shared, for the templates of a row keep it.
    pub cells: Arc<[Value]>,
    /// What is wrong with single cells. It matters only where something uses the cell; most rows have none.
    pub flaws: Vec<Flaw>,
}

impl Row {
    /// A row whose cells are as they were written.
    pub const fn new(line: u64, columns: Arc<Columns>, cells: Arc<[Value]>) -> Self {
        Self { line, columns, cells, flaws: Vec::new() }
    }

    /// The cell of a column.
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.cells.get(self.columns.position(column)?)
    }
}

/// How a list is written, as far as it was said.
#[derive(Debug, Clone, Copy)]
pub struct ListOptions<'a> {
    /// The list's name, for problems.
    pub name: &'a str,
    /// Its format.
    pub format: Format,
    /// The byte between fields, if it was said.
    pub delimiter: Option<u8>,
    /// The encoding, if it was said.
    pub encoding: Option<&'a str>,
    /// The sheet of a workbook, if it was said.
    pub sheet: Option<&'a str>,
}

/// Why a row could not be read.
#[derive(Debug)]
pub enum RowError {
    /// This row is broken; the others are not.
    Row(Problem),
    /// From here on nothing can be read: who follows is not known, so this can never be passed over.
    List(Problem),
}

/// A list being read.
pub struct Rows {
    /// The columns, where the format has them up front (JSON Lines has not).
    pub columns: Option<Arc<Columns>>,
    /// What was detected and is worth saying: the delimiter when not a comma, the encoding when not UTF-8.
    pub notes: Vec<String>,
    /// Names that several columns have: nobody can say which of them a template means.
    pub repeated: Vec<RepeatedColumn>,
    /// What is doubtful about the header.
    warnings: Vec<Problem>,
    rows: Box<dyn RowSource>,
}

/// The rows of one format.
trait RowSource: Iterator<Item = Result<Row, RowError>> + Send {
    /// What was seen on the way and is about no single row.
    fn warnings(&self) -> Vec<Problem> {
        Vec::new()
    }
}

impl Rows {
    /// What a person should know about the list: its header and, as far as it was read, what was passed over and what
    /// looks damaged.
    pub fn warnings(&self) -> Vec<Problem> {
        self.warnings.iter().cloned().chain(self.rows.warnings()).collect()
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl Iterator for Rows {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.next()
    }
}

/// Begins to read a list.
///
/// # Errors
/// What is wrong with the list as a whole: its encoding, its header, or that it cannot be read.
pub fn read(input: impl Read + Send + 'static, written: &ListOptions<'_>) -> Result<Rows, Vec<Problem>> {
    match written.format {
        Format::Csv | Format::Tsv => csv::read(input, written),
        Format::Jsonl => jsonl::read(input, written),
        Format::Xlsx => xlsx::read(input, written),
    }
}

/// White space, and the characters that spreadsheets leave behind and nobody sees.
pub fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        // Fillers of Korean and Braille, with which people get past fields that must not be empty.
        || matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A list without a single row would be a campaign to nobody: most often the wrong file.
fn empty(file: &str) -> Vec<Problem> {
    vec![
        Problem::error("list-empty", Place::file(file), "the list is empty")
            .hint("the first line must be the column names"),
    ]
}
