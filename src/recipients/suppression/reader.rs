//! Reading a suppression list, of whatever format: every cell is an entry, and what is none is a problem. Must not know who is
//! looked up.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::super::{Columns, ListOptions, Row, RowError, csv, is_invisible, jsonl, spreadsheet_artifacts, xlsx};
use super::columns::Column;
use super::entry::{self, Kind};
use super::{Country, File, Line, Recognised, Spelling, Suppression, each_text, hash};
use crate::problem::{Keep, Place, Problem, Problems};
use crate::specification::Format;
use serde_json::Value;

/// A rounded number with a smaller exponent is no phone number, but perhaps somebody's turnover.
const MIN_NUMBER_LENGTH: u32 = 8;

/// Lines whose first entry is kept, to show which of them match nobody.
const LINES_KEPT: usize = 1_000;

/// Problems of each kind that are kept: of a list of millions no entry may be understood.
const MAX_PROBLEMS: usize = 1_000;

/// A file while it is read.
pub(super) struct Reader<'a> {
    country: Country<'a>,
    file: File,
    /// Its number among the files.
    number: u32,
    lines: &'a mut Vec<Line>,
    spellings: &'a mut Vec<Spelling>,
    /// What the columns are; `None` before the first line.
    columns: Option<Vec<Column>>,
    /// Their names; none without a header.
    header: Arc<Columns>,
    /// What was not understood.
    problems: Problems,
}

/// Where an entry is.
struct Site<'a> {
    line: u64,
    /// The name of its column, or its number where it has none.
    field: Option<Cow<'a, str>>,
    column: Column,
    /// The country of national numbers in this line.
    region: Option<&'a str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(name: &str, country: Country<'a>, keep: Keep, suppression: &'a mut Suppression) -> Self {
        Self {
            country,
            file: File { name: name.to_owned(), recognised: Recognised::default(), first: Vec::new() },
            number: u32::try_from(suppression.files.len()).unwrap_or(u32::MAX),
            lines: &mut suppression.lines,
            spellings: &mut suppression.spellings,
            columns: None,
            header: Arc::new(Columns::new(Vec::new())),
            problems: Problems::new(if keep == Keep::All { Keep::First(MAX_PROBLEMS) } else { keep }),
        }
    }

    /// The file, with what was not understood of it.
    pub(super) fn read(mut self, input: impl Read + Send + 'static) -> (File, Problems) {
        let read = if is_json_lines(&self.file.name) { self.json_lines(input) } else { self.table(input) };
        if let Err(problems) = read {
            self.problems.extend(problems.into_iter().map(without_settings));
        }
        (self.file, self.problems)
    }

    fn table(&mut self, input: impl Read + Send + 'static) -> Result<(), Vec<Problem>> {
        let name = self.file.name.clone();
        let (mut cells, mut current): (Vec<String>, u64) = (Vec::new(), 0);
        let ended = each_cell(&name, input, &mut |line: u64, text: &str| {
            if line != current {
                self.line(current, &cells);
                cells.clear();
                current = line;
            }
            cells.push(text.to_owned());
        });
        self.line(current, &cells);
        ended
    }

    fn line(&mut self, line: u64, cells: &[String]) {
        if cells.iter().all(|cell| cell.trim_matches(is_invisible).is_empty()) {
            return;
        }
        if self.columns.is_none() {
            let header = Column::header(cells);
            let is_header = header.is_some();
            self.columns = Some(header.unwrap_or_default());
            if is_header {
                let names = cells.iter().map(|cell| cell.trim_matches(is_invisible).to_owned()).collect();
                self.header = Arc::new(Columns::new(names));
                return;
            }
        }
        let header = Arc::clone(&self.header);
        let row = || {
            let cells = cells.iter().map(|cell| Value::from(cell.as_str())).collect();
            (!header.names().is_empty()).then(|| Row::new(line, header.clone(), cells))
        };
        let country = self.country;
        let region = country.of(row);
        for (at, text) in cells.iter().enumerate() {
            let column = self.columns.as_ref().and_then(|columns| columns.get(at)).copied().unwrap_or(Column::Unnamed);
            let name = header.names().get(at).filter(|name| !name.is_empty()).map(|name| Cow::Borrowed(name.as_str()));
            let field = name.or_else(|| (cells.len() > 1).then(|| Cow::Owned((at + 1).to_string())));
            self.entry(&Site { line, field, column, region: region.as_deref() }, text);
        }
    }

    /// Every record names its own fields, so what a field is does not depend on the first line.
    fn json_lines(&mut self, input: impl Read + Send + 'static) -> Result<(), Vec<Problem>> {
        let name = self.file.name.clone();
        let options = ListOptions { name: &name, format: Format::Jsonl, delimiter: None, encoding: None, sheet: None };
        for row in jsonl::read(input, &options)? {
            let row = row.map_err(|(RowError::Row(problem) | RowError::List(problem))| vec![problem])?;
            let names = row.columns.names();
            let columns = Column::header(names).unwrap_or_default();
            let country = self.country;
            let region = country.of(|| Some(row.clone()));
            for (at, cell) in row.cells.iter().enumerate() {
                let column = columns.get(at).copied().unwrap_or(Column::Unnamed);
                let field = names.get(at).map(|name| Cow::Borrowed(name.as_str()));
                let site = Site { line: row.line, field, column, region: region.as_deref() };
                each_text(cell, &mut |text| self.entry(&site, text));
            }
        }
        Ok(())
    }

    fn entry(&mut self, site: &Site<'_>, text: &str) {
        if let Some(what) = nobody_any_more(text) {
            self.refuse(site, text, |place| Problem::error("rounded-number", place, what).hint(REFILL));
            return;
        }
        match entry::read(text, site.column, site.region) {
            Ok(None) => {}
            Ok(Some((kind, forms))) => {
                let recognised = &mut self.file.recognised;
                let count = match kind {
                    Kind::Phone => &mut recognised.phones,
                    Kind::Email => &mut recognised.emails,
                    Kind::Id => &mut recognised.ids,
                    Kind::Key => &mut recognised.keys,
                };
                *count += 1;
                let line = self.line_number(site.line, text);
                self.spellings.extend(forms.iter().map(|form| Spelling { hash: hash(form), line }));
            }
            Err(why) => {
                let why = match self.country {
                    Country::PerLine(_) if why == entry::NO_COUNTRY => COUNTRY_NOT_IN_LINE,
                    _ => why,
                };
                let what = format!("this entry is invalid and would suppress nobody: {why}");
                self.refuse(site, text, |place| Problem::error("suppression-entry", place, what).hint(REWRITE));
            }
        }
    }

    /// The position of a line among all lines.
    fn line_number(&mut self, line: u64, text: &str) -> u32 {
        let number = u32::try_from(line).unwrap_or(u32::MAX);
        let is_new = self.lines.last().is_none_or(|last| (last.file, last.number) != (self.number, number));
        if is_new {
            self.lines.push(Line { file: self.number, number, is_matched: AtomicBool::new(false) });
            if self.file.first.len() < LINES_KEPT {
                self.file.first.push((number, text.trim_matches(is_invisible).into()));
            }
        }
        u32::try_from(self.lines.len() - 1).unwrap_or(u32::MAX)
    }

    fn refuse(&mut self, site: &Site<'_>, text: &str, problem: impl FnOnce(Place) -> Problem) {
        let place = Place::line(&self.file.name, site.line).in_field(site.field.as_deref().map(Arc::from));
        let problem = problem(place).value(text.trim_matches(is_invisible));
        self.problems.extend([match &site.field {
            Some(field) => problem.detail(format!("column {field}")),
            None => problem,
        }]);
    }
}

fn each_cell(
    name: &str,
    input: impl Read + Send + 'static,
    each: &mut impl FnMut(u64, &str),
) -> Result<(), Vec<Problem>> {
    let options = |format| ListOptions { name, format, delimiter: None, encoding: None, sheet: None };
    match Format::by_ending(Path::new(name)) {
        Some(Format::Xlsx) => xlsx::cells(input, name, each),
        _ => csv::cells(input, &options(Format::Csv), each),
    }
}

fn is_json_lines(name: &str) -> bool {
    Format::by_ending(Path::new(name)) == Some(Format::Jsonl)
}

/// A number of which a spreadsheet has lost digits names nobody, and whoever it was would be messaged.
fn nobody_any_more(text: &str) -> Option<&'static str> {
    let text = text.trim_matches(is_invisible);
    let long = |exponent: &str| exponent.parse::<u32>().is_ok_and(|exponent| exponent >= MIN_NUMBER_LENGTH);
    if spreadsheet_artifacts::looks_rounded(text) && text.rsplit_once('+').is_some_and(|(_, exponent)| long(exponent)) {
        return Some("a number that a spreadsheet rounded (`E+`): it identifies nobody");
    }
    let is_filler = text.len() >= 3 && text.bytes().all(|byte| byte == b'#');
    is_filler.then_some("`###`, which a spreadsheet shows when a column is too narrow: it identifies nobody")
}

const REFILL: &str = "format the column as text, enter the values again and export it again; or delete the entry";
const REWRITE: &str =
    "write only the number (`+` and country code) or the address; name the column `key` if these are keys";
const COUNTRY_NOT_IN_LINE: &str = "no country code, and `recipients.default_region` gives no country for this line: \
     begin it with `+`, or add the country's column to this list";

/// The settings of `recipients` are about the list itself, not about suppression lists.
fn without_settings(problem: Problem) -> Problem {
    match problem.code {
        "wrong-encoding" | "nul" => problem.hint("save it as UTF-8"),
        "not-text" | "not-a-workbook" => problem.hint("save it as CSV in UTF-8, or as .xlsx with that ending"),
        _ => problem,
    }
}
