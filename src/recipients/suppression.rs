//! People who must never be messaged, however they are spelled.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::suppression_entry::{self, Column, Kind, forms};
use super::{Columns, ListOptions, Row, RowError, csv, is_invisible, jsonl, spreadsheet_artifacts, xlsx};
use crate::problem::{Keep, Place, Problem, Problems};
use crate::specification::Format;

/// A rounded number with a smaller exponent is no phone number, but perhaps somebody's turnover.
const MIN_NUMBER_LENGTH: u32 = 8;

/// Lines whose first entry is kept, to show which of them match nobody.
const LINES_KEPT: usize = 1_000;

/// Problems of each kind that are kept: of a list of millions no entry may be understood.
const MAX_PROBLEMS: usize = 1_000;

/// Lines that match nobody and are shown.
const LINES_SHOWN: usize = 3;

/// Keys, phone numbers and e-mail addresses of suppression lists.
///
/// Lists of millions are common, and all that is asked is whether somebody is on one. So only half a SHA-256 of each
/// spelling is kept, in order. Two of a thousand million spellings share one with a probability of 10⁻²¹, and nobody
/// can write a spelling that has somebody else's.
#[derive(Debug, Default)]
pub struct Suppression {
    files: Vec<File>,
    spellings: Vec<Spelling>,
    lines: Vec<Line>,
}

/// A suppression list.
#[derive(Debug)]
struct File {
    name: String,
    recognised: Recognised,
    /// The first lines, as they are written: the number of the line and its first entry.
    first: Vec<(u32, Box<str>)>,
}

/// A line of a list with at least one entry.
#[derive(Debug)]
struct Line {
    file: u32,
    number: u32,
    /// Whether somebody was looked up who is on it.
    is_matched: AtomicBool,
}

/// One spelling of an entry, and the line that it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Spelling {
    hash: [u8; 16],
    line: u32,
}

/// How many entries were recognised as what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recognised {
    /// Phone numbers.
    pub phones: u64,
    /// E-mail addresses.
    pub emails: u64,
    /// Anything else, compared with keys and identifiers as it is.
    pub keys: u64,
}

impl fmt::Display for Recognised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.phones, "phone number", "phone numbers"),
            (self.emails, "e-mail address", "e-mail addresses"),
            (self.keys, "key", "keys"),
        ];
        let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
        let words: Vec<String> = counts
            .map(|(count, one, many)| {
                format!("{} {}", indicatif::HumanCount(count), if count == 1 { one } else { many })
            })
            .collect();
        if words.is_empty() { write!(f, "0 entries") } else { write!(f, "{}", words.join(", ")) }
    }
}

/// What is known of a suppression list once all recipients were looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSummary {
    /// Its name.
    pub name: String,
    /// What its entries are.
    pub recognised: Recognised,
    /// How many of its lines are about none of those who were looked up.
    pub unmatched: u64,
    /// The first of these lines: the number, and the first entry as it is written, where that was kept.
    pub first_unmatched: Vec<(u32, Option<String>)>,
}

/// How the country of a number is known that is written without one.
#[derive(Clone, Copy)]
pub enum Country<'a> {
    /// It is the same for every line; `None` if it is not known.
    OfAll(Option<&'a str>),
    /// Each line says it by its other cells.
    OfLine(&'a dyn Fn(&Row) -> Option<String>),
}

impl fmt::Debug for Country<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfAll(region) => f.debug_tuple("OfAll").field(region).finish(),
            Self::OfLine(_) => f.write_str("OfLine"),
        }
    }
}

impl Country<'_> {
    fn of(&self, row: impl FnOnce() -> Option<Row>) -> Option<Cow<'_, str>> {
        match self {
            Self::OfAll(region) => region.map(Cow::Borrowed),
            Self::OfLine(region) => region(&row()?).map(Cow::Owned),
        }
    }
}

impl Suppression {
    /// Adds a list: every cell of every line is an entry, so a bare list of numbers and an export with a header row
    /// both do; the words of a header suppress nobody. It may be a workbook or JSON Lines, by its ending. Of the
    /// problems of each kind as many are kept as `keep` says, a thousand at most, and all are counted.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn add(
        &mut self,
        name: &str,
        input: impl Read + Send + 'static,
        country: Country<'_>,
        keep: Keep,
    ) -> Result<(), Problems> {
        let mut reader = Reader::new(name, country, keep, self);
        let read = if is_json_lines(name) { reader.json_lines(input) } else { reader.table(input) };
        if let Err(problems) = read {
            reader.problems.extend(problems.into_iter().map(without_settings));
        }
        let Reader { file, problems, .. } = reader;
        self.files.push(file);
        self.spellings.sort_unstable();
        self.spellings.dedup();
        self.spellings.shrink_to_fit();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The lists, what was recognised in each, and what of it is about nobody who was looked up so far.
    pub fn lists(&self) -> impl Iterator<Item = ListSummary> {
        self.files.iter().enumerate().map(|(at, file)| {
            let of_file = self.lines.iter().filter(move |line| line.file as usize == at);
            let unmatched = || of_file.clone().filter(|line| !line.is_matched.load(Ordering::Relaxed));
            let text = |number| file.first.iter().find(|(kept, _)| *kept == number).map(|(_, text)| text.to_string());
            ListSummary {
                name: file.name.clone(),
                recognised: file.recognised,
                unmatched: unmatched().count() as u64,
                first_unmatched: unmatched().take(LINES_SHOWN).map(|line| (line.number, text(line.number))).collect(),
            }
        })
    }

    /// Whether nobody is listed.
    pub fn is_empty(&self) -> bool {
        self.spellings.is_empty()
    }

    /// Where a recipient is listed, as `file:line`: by any of their `names` (key, identifier, ...), or by anything in
    /// the cells of their row that is a phone number or an e-mail address.
    pub fn find<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        cells: &[Value],
        region: Option<&str>,
    ) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let mut first = None;
        for spelling in names.into_iter().flat_map(|text| forms(text, region)) {
            first = first.or(self.look_up(&spelling));
        }
        for cell in cells {
            each_text(cell, &mut |text| {
                // A cell that is neither could be anything, such as an order number that happens to be somebody's key.
                let is_personal = |text: &String| text.starts_with('+') || text.contains('@');
                for spelling in forms(text, region).into_iter().filter(is_personal) {
                    first = first.or(self.look_up(&spelling));
                }
            });
        }
        let line = first?;
        Some(format!("{}:{}", self.files.get(line.file as usize)?.name, line.number))
    }

    /// The first line with a spelling. All that have it match somebody from now on.
    fn look_up(&self, spelling: &str) -> Option<&Line> {
        let hash = hash(spelling);
        let begin = self.spellings.partition_point(|known| known.hash < hash);
        let same = self.spellings.get(begin..)?.iter().take_while(|known| known.hash == hash);
        let mut lines = same.filter_map(|known| self.lines.get(known.line as usize));
        let first = lines.next()?;
        first.is_matched.store(true, Ordering::Relaxed);
        lines.for_each(|line| line.is_matched.store(true, Ordering::Relaxed));
        Some(first)
    }
}

/// Every text and every number in a cell, at any depth.
fn each_text(cell: &Value, each: &mut impl FnMut(&str)) {
    match cell {
        Value::String(text) => each(text),
        Value::Number(number) => each(&number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, each)),
        Value::Object(map) => map.values().for_each(|value| each_text(value, each)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// A file while it is read.
struct Reader<'a> {
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
    fn new(name: &str, country: Country<'a>, keep: Keep, suppression: &'a mut Suppression) -> Self {
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
        match suppression_entry::read(text, site.column, site.region) {
            Ok(None) => {}
            Ok(Some((kind, forms))) => {
                let recognised = &mut self.file.recognised;
                let count = match kind {
                    Kind::Phone => &mut recognised.phones,
                    Kind::Email => &mut recognised.emails,
                    Kind::Key => &mut recognised.keys,
                };
                *count += 1;
                let line = self.line_number(site.line, text);
                self.spellings.extend(forms.iter().map(|form| Spelling { hash: hash(form), line }));
            }
            Err(why) => {
                let why = match self.country {
                    Country::OfLine(_) if why == suppression_entry::NO_COUNTRY => COUNTRY_NOT_IN_LINE,
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

fn hash(spelling: &str) -> [u8; 16] {
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest(&SHA256, spelling.as_bytes()).as_ref()[..16]);
    hash
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listed(lists: &[(&str, &str)], region: Option<&str>) -> Suppression {
        let mut suppression = Suppression::default();
        for (name, list) in lists {
            let input = std::io::Cursor::new(list.as_bytes().to_vec());
            let added = suppression.add(name, input, Country::OfAll(region), Keep::All);
            assert!(added.is_ok(), "{list}: {added:?}");
        }
        suppression
    }

    #[test]
    fn a_person_is_found_however_spelled() {
        let suppression =
            listed(&[("stop.csv", "phone;mail;key\n0171 3920055;;\n;Ada@Example.com;\n;;C-17\n")], Some("DE"));
        for (spelling, place) in [
            ("+49 171 3920055", Some("stop.csv:2")),
            ("ada@example.COM ", Some("stop.csv:3")),
            ("c-17", Some("stop.csv:4")),
            ("491713920055", Some("stop.csv:2")),
            ("+49 171 3920056", None),
        ] {
            assert_eq!(suppression.find([spelling], &[], Some("DE")).as_deref(), place, "{spelling}");
        }
        assert_eq!(suppression.find(["141"], &["0171/3920055".into()], Some("DE")).as_deref(), Some("stop.csv:2"));
        assert_eq!(suppression.find(["141"], &["C-17".into()], Some("DE")), None, "a cell is no key");
    }

    #[test]
    fn a_person_is_found_in_whatever_a_cell_of_json_holds() {
        let suppression =
            listed(&[("stop.jsonl", "{\"people\": [{\"phone\": 491713920055}, {\"mail\": \"a@x.de\"}]}")], None);
        for cell in [json!(491_713_920_055_u64), json!({"phones": ["+49 171 3920055"]}), json!([["A@x.de"]])] {
            assert!(suppression.find(["7"], std::slice::from_ref(&cell), None).is_some(), "{cell}");
        }
    }

    #[test]
    fn the_first_of_several_places_is_told() {
        let suppression = listed(&[("a.csv", "x\ny\nx\n"), ("b.csv", "y\nz\n")], None);
        for (key, place) in [("x", Some("a.csv:1")), ("y", Some("a.csv:2")), ("z", Some("b.csv:2")), ("w", None)] {
            assert_eq!(suppression.find([key], &[], None).as_deref(), place, "{key}");
        }
    }

    #[test]
    fn lines_that_are_about_nobody_are_counted_and_the_first_are_named() {
        let suppression = listed(&[("a.csv", "key,phone\nx,\ny,+491713920055\nz,\n"), ("b.csv", "y\nw\n")], None);
        suppression.find(["y"], &[], None);
        let of = |at| suppression.lists().nth(at).unwrap();
        assert_eq!(
            (of(0).unmatched, of(0).first_unmatched),
            (2, vec![(2, Some("x".to_owned())), (4, Some("z".to_owned()))])
        );
        assert_eq!((of(1).unmatched, of(1).first_unmatched), (1, vec![(2, Some("w".to_owned()))]));
        suppression.find(["1"], &["+49 171 3920055".into()], None);
        assert_eq!(of(0).unmatched, 2, "the line of `y` was matched before by its key");
    }

    #[test]
    fn a_person_is_found_whatever_divides_the_fields() {
        for list in ["phone\n+491713920055;left\n", "phone,why\n+491713920055,left\n", "{\"phone\": 491713920055}"] {
            let name = if list.starts_with('{') { "stop.jsonl" } else { "stop.txt" };
            assert!(listed(&[(name, list)], None).find(["+491713920055"], &[], None).is_some(), "{list}");
        }
    }

    #[test]
    fn a_field_of_json_lines_is_what_its_name_says() {
        let list = "{\"key\": \"2024-0001234\", \"why\": \"left\"}\n{\"why\": \"left\", \"key\": 14155552}\n";
        let suppression = listed(&[("stop.jsonl", list)], None);
        for key in ["2024-0001234", "14155552"] {
            assert!(suppression.find([key], &[], None).is_some(), "{key}");
        }
        assert!(suppression.find(["left"], &[], None).is_none(), "a reason is no key");
    }

    #[test]
    fn a_line_may_say_the_country_of_its_number() {
        let country = |row: &Row| row.get("Country").and_then(Value::as_str).map(str::to_owned);
        let mut suppression = Suppression::default();
        let list = "phone,Country\n0171 3920055,DE\n06 12 34 56 78,FR\n";
        suppression.add("stop.csv", list.as_bytes(), Country::OfLine(&country), Keep::All).unwrap();
        for number in ["+491713920055", "+33612345678"] {
            assert!(suppression.find([number], &[], None).is_some(), "{number}");
        }
        let refused = suppression.add("bare.csv", &b"phone\n0171 3920055\n"[..], Country::OfLine(&country), Keep::All);
        let problems = refused.unwrap_err();
        let problem = problems.kinds().next().unwrap();
        assert!(problem.first.what.contains("default_region"), "{problem:?}");
    }

    #[test]
    fn all_that_is_not_understood_is_counted() {
        let list = format!("phone\n{}", "nobody\n".repeat(5_000));
        let input = std::io::Cursor::new(list.into_bytes());
        let refused = Suppression::default().add("stop.csv", input, Country::OfAll(None), Keep::First(3));
        let problems = refused.unwrap_err();
        let kept: usize = problems.kinds().map(|kind| kind.each().count()).sum();
        assert_eq!((problems.count(), kept), (5_000, 3));
    }

    #[test]
    fn a_list_that_cannot_be_read_to_its_end_suppresses_nobody_in_silence() {
        for list in [&b"phone\n\"+491713920055\n+491713920056\n"[..], b"phone\nM\xfcller\n", b"phone\n\0\n"] {
            let read = Suppression::default().add("stop.csv", list, Country::OfAll(None), Keep::All);
            assert!(read.is_err(), "{list:?}");
        }
    }
}
