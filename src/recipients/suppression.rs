//! People who must never be messaged, however they are spelled.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::suppression_entry::{self, Column, Kind, forms};
use super::{ListOptions, RowError, csv, is_invisible, jsonl, spreadsheet_artifacts, xlsx};
use crate::problem::{Place, Problem};
use crate::specification::Format;

/// A rounded number with a smaller exponent is no phone number, but perhaps somebody's turnover.
const SHORTEST_NUMBER: u32 = 8;

/// Keys, phone numbers and e-mail addresses of suppression lists.
///
/// Lists of millions are common, and all that is asked is whether somebody is on one. So only half a SHA-256 of each
/// spelling is kept, in order. Two of a thousand million spellings share one with a probability of 10⁻²¹, and nobody
/// can write a spelling that has somebody else's.
#[derive(Debug, Default)]
pub struct Suppression {
    files: Vec<String>,
    /// What was recognised in each file.
    counts: Vec<Recognised>,
    entries: Vec<Entry>,
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
        if words.is_empty() { write!(f, "0 entries: nobody is on it") } else { write!(f, "{}", words.join(", ")) }
    }
}

/// A spelling, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    hash: [u8; 16],
    file: u32,
    line: u32,
}

impl Suppression {
    /// Adds a list: every cell of every line is an entry, so a bare list of numbers and an export with a header row
    /// both do; the words of a header suppress nobody. It may be a workbook or JSON Lines, by its ending.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn add(
        &mut self,
        name: &str,
        input: impl Read + Send + 'static,
        region: Option<&str>,
    ) -> Result<(), Vec<Problem>> {
        let file = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.push(name.to_owned());
        let mut reading = RowSource {
            name,
            file,
            region,
            columns: None,
            header: Vec::new(),
            recognised: Recognised::default(),
            problems: Vec::new(),
        };
        let entries = &mut self.entries;
        if is_json_lines(name) {
            reading.json_lines(input, entries).map_err(own_hints)?;
            let RowSource { recognised, problems, .. } = reading;
            return self.finish(recognised, problems);
        }
        let mut cells: Vec<String> = Vec::new();
        let mut current = 0;
        let mut add = |line: u64, text: &str| {
            if line != current {
                reading.line(current, &cells, entries);
                cells.clear();
                current = line;
            }
            cells.push(text.to_owned());
        };
        let ended = each_cell(name, input, &mut add);
        ended.map_err(own_hints)?;
        reading.line(current, &cells, entries);
        let RowSource { recognised, problems, .. } = reading;
        self.finish(recognised, problems)
    }

    /// Keeps what was recognised in a file, unless something in it was not understood.
    fn finish(&mut self, recognised: Recognised, problems: Vec<Problem>) -> Result<(), Vec<Problem>> {
        if !problems.is_empty() {
            return Err(problems);
        }
        self.counts.push(recognised);
        // The first place of each is told.
        self.entries.sort_unstable();
        self.entries.dedup_by_key(|entry| entry.hash);
        self.entries.shrink_to_fit();
        Ok(())
    }

    /// The lists by name, and what was recognised in each.
    pub fn lists(&self) -> impl Iterator<Item = (&str, Recognised)> {
        self.files.iter().map(String::as_str).zip(self.counts.iter().copied())
    }

    /// Whether nobody is listed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where a recipient is listed, as `file:line`: by any of their `names` (key, identifier, ...), or by any cell of
    /// their row that is a phone number or an e-mail address.
    pub fn find<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        cells: impl IntoIterator<Item = &'a str>,
        region: Option<&str>,
    ) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let names = names.into_iter().flat_map(|text| forms(text, region));
        // A cell that is neither could be anything, such as an order number that happens to be somebody's key.
        let personal = |text: &String| text.starts_with('+') || text.contains('@');
        let cells = cells.into_iter().flat_map(|text| forms(text, region)).filter(personal);
        let listed = names.chain(cells).find_map(|spelling| self.entry(&spelling))?;
        Some(format!("{}:{}", self.files.get(listed.file as usize)?, listed.line))
    }

    fn entry(&self, spelling: &str) -> Option<Entry> {
        let hash = hash(spelling);
        let at = self.entries.binary_search_by(|entry| entry.hash.cmp(&hash)).ok()?;
        self.entries.get(at).copied()
    }
}

/// Problems that are kept: of a list of millions none may be understood.
const MOST_PROBLEMS: usize = 1000;

/// A file while it is read.
struct RowSource<'a> {
    name: &'a str,
    file: u32,
    region: Option<&'a str>,
    /// What the columns are; `None` before the first line.
    columns: Option<Vec<Column>>,
    header: Vec<Arc<str>>,
    recognised: Recognised,
    /// What was not understood: at most [`MOST_PROBLEMS`].
    problems: Vec<Problem>,
}

impl RowSource<'_> {
    fn line(&mut self, line: u64, cells: &[String], entries: &mut Vec<Entry>) {
        if cells.iter().all(|cell| cell.trim_matches(is_invisible).is_empty()) {
            return;
        }
        if self.columns.is_none() {
            let header = Column::header(cells);
            let is_header = header.is_some();
            self.columns = Some(header.unwrap_or_default());
            if is_header {
                self.header = cells.iter().map(|cell| Arc::from(cell.trim_matches(is_invisible))).collect();
                return;
            }
        }
        for (at, text) in cells.iter().enumerate() {
            let column = self.columns.as_ref().and_then(|columns| columns.get(at)).copied().unwrap_or(Column::Unnamed);
            let place = Place::line(self.name, line).in_field(self.header.get(at).cloned());
            self.entry(&place, column, text, entries);
        }
    }

    /// Every record names its own fields, so what a field is does not depend on the first line.
    fn json_lines(&mut self, input: impl Read + Send + 'static, entries: &mut Vec<Entry>) -> Result<(), Vec<Problem>> {
        let written = ListOptions { name: self.name, format: Format::Jsonl, delimiter: None, encoding: None };
        for row in jsonl::read(input, &written)? {
            let row = row.map_err(|(RowError::Row(problem) | RowError::List(problem))| vec![problem])?;
            let names = row.columns.names();
            let columns = Column::header(names).unwrap_or_default();
            for (at, cell) in row.cells.iter().enumerate() {
                let column = columns.get(at).copied().unwrap_or(Column::Unnamed);
                let field = names.get(at).map(|name| Arc::from(name.as_str()));
                let place = Place::line(self.name, row.line).in_field(field);
                match cell {
                    Value::String(text) => self.entry(&place, column, text, entries),
                    Value::Number(number) => self.entry(&place, column, &number.to_string(), entries),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, place: &Place, column: Column, text: &str, entries: &mut Vec<Entry>) {
        let mut problem = |code: &'static str, what: &str, hint: &str| {
            if self.problems.len() < MOST_PROBLEMS {
                self.problems.push(Problem::error(code, place.clone(), what).hint(hint));
            }
        };
        if let Some(what) = nobody_any_more(text) {
            problem("rounded-number", what, REFILL);
            return;
        }
        match suppression_entry::read(text, column, self.region) {
            Ok(None) => {}
            Ok(Some((kind, forms))) => {
                let count = match kind {
                    Kind::Phone => &mut self.recognised.phones,
                    Kind::Email => &mut self.recognised.emails,
                    Kind::Key => &mut self.recognised.keys,
                };
                *count += 1;
                let line = place.line.and_then(|line| u32::try_from(line).ok()).unwrap_or(u32::MAX);
                entries.extend(forms.iter().map(|form| Entry { hash: hash(form), file: self.file, line }));
            }
            Err(why) => problem(
                "suppression-entry",
                &format!("this entry is not understood, so it would suppress nobody: {why}"),
                REWRITE,
            ),
        }
    }
}

fn each_cell(
    name: &str,
    input: impl Read + Send + 'static,
    each: &mut impl FnMut(u64, &str),
) -> Result<(), Vec<Problem>> {
    let written = |format| ListOptions { name, format, delimiter: None, encoding: None };
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    match ending.as_str() {
        "xlsx" => xlsx::cells(input, name, each),
        _ => csv::cells(input, &written(Format::Csv), each),
    }
}

fn is_json_lines(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    ["jsonl", "ndjson"].iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// A number of which a spreadsheet has lost digits names nobody, and whoever it was would be messaged.
fn nobody_any_more(text: &str) -> Option<&'static str> {
    let text = text.trim_matches(is_invisible);
    let long = |exponent: &str| exponent.parse::<u32>().is_ok_and(|exponent| exponent >= SHORTEST_NUMBER);
    if spreadsheet_artifacts::looks_rounded(text) && text.rsplit_once('+').is_some_and(|(_, exponent)| long(exponent)) {
        return Some("a number that a spreadsheet has rounded (`E+`): nobody can be recognised by it");
    }
    let is_filler = text.len() >= 3 && text.bytes().all(|byte| byte == b'#');
    is_filler.then_some("`###`, which a spreadsheet shows for what is too wide: nobody can be recognised by it")
}

const REFILL: &str = "format the column as text, fill it again, and export again; or delete it if it names nobody";
const REWRITE: &str =
    "write the number (`+` and country code) or the address alone; head the column `key` if these are keys";

/// The settings of `recipients` are about the list itself, not about suppression lists.
fn without_settings(problem: Problem) -> Problem {
    match problem.code {
        "wrong-encoding" | "nul" => problem.hint("save it as UTF-8"),
        "not-text" | "not-a-workbook" => problem.hint("save it as CSV in UTF-8, or as .xlsx with that ending"),
        _ => problem,
    }
}

fn own_hints(problems: Vec<Problem>) -> Vec<Problem> {
    problems.into_iter().map(without_settings).collect()
}

fn hash(spelling: &str) -> [u8; 16] {
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest(&SHA256, spelling.as_bytes()).as_ref()[..16]);
    hash
}

#[cfg(test)]
mod tests {
    use super::Suppression;

    #[test]
    fn a_person_is_found_however_spelled() {
        let list = "phone;mail;key\n0171 3920055;;\n;Ada@Example.com;\n;;C-17\n";
        let mut suppression = Suppression::default();
        suppression.add("stop.csv", list.as_bytes(), Some("DE")).unwrap();
        for (spelling, place) in [
            ("+49 171 3920055", Some("stop.csv:2")),
            ("ada@example.COM ", Some("stop.csv:3")),
            ("c-17", Some("stop.csv:4")),
            ("491713920055", Some("stop.csv:2")),
            ("+49 171 3920056", None),
        ] {
            assert_eq!(suppression.find([spelling], [], Some("DE")).as_deref(), place, "{spelling}");
        }
        assert_eq!(suppression.find(["141"], ["0171/3920055"], Some("DE")).as_deref(), Some("stop.csv:2"));
        assert_eq!(suppression.find(["141"], ["C-17"], Some("DE")), None, "a cell is no key");
    }

    #[test]
    fn the_first_of_several_places_is_told() {
        let mut suppression = Suppression::default();
        suppression.add("a.csv", &b"x\ny\nx\n"[..], None).unwrap();
        suppression.add("b.csv", &b"y\nz\n"[..], None).unwrap();
        for (key, place) in [("x", Some("a.csv:1")), ("y", Some("a.csv:2")), ("z", Some("b.csv:2")), ("w", None)] {
            assert_eq!(suppression.find([key], [], None).as_deref(), place, "{key}");
        }
    }

    #[test]
    fn a_person_is_found_whatever_divides_the_fields() {
        for list in ["phone\n+491713920055;left\n", "phone,why\n+491713920055,left\n", "{\"phone\": 491713920055}"] {
            let name = if list.starts_with('{') { "stop.jsonl" } else { "stop.txt" };
            let mut suppression = Suppression::default();
            suppression.add(name, list.as_bytes(), None).unwrap();
            assert!(suppression.find(["+491713920055"], [], None).is_some(), "{list}");
        }
    }

    #[test]
    fn a_field_of_json_lines_is_what_its_name_says() {
        let list = "{\"key\": \"2024-0001234\", \"why\": \"left\"}\n{\"why\": \"left\", \"key\": 14155552}\n";
        let mut suppression = Suppression::default();
        suppression.add("stop.jsonl", list.as_bytes(), None).unwrap();
        for key in ["2024-0001234", "14155552"] {
            assert!(suppression.find([key], [], None).is_some(), "{key}");
        }
        assert!(suppression.find(["left"], [], None).is_none(), "a reason is no key");
    }

    #[test]
    fn a_list_that_cannot_be_read_to_its_end_suppresses_nobody_in_silence() {
        for list in [&b"phone\n\"+491713920055\n+491713920056\n"[..], b"phone\nM\xfcller\n", b"phone\n\0\n"] {
            assert!(Suppression::default().add("stop.csv", list, None).is_err(), "{list:?}");
        }
    }
}
