//! People who must never be messaged, however they are spelled.

use std::io::Read;

use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::{Unreadable, Written, csv, damage, is_invisible, jsonl, phone, xlsx};
use crate::problem::{Place, Problem};
use crate::spec::Format;

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
    /// How many cells of each file were read.
    counts: Vec<u64>,
    entries: Vec<Entry>,
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
        let entries = &mut self.entries;
        let mut lost = Vec::new();
        let mut count = 0;
        let add = |line: u64, text: &str| {
            count += u64::from(!text.trim_matches(is_invisible).is_empty());
            lost.extend(nobody_any_more(text).map(|what| unrecognisable(name, line, what)));
            let line = u32::try_from(line).unwrap_or(u32::MAX);
            entries.extend(spellings(text, region).map(|spelling| Entry { hash: hash(&spelling), file, line }));
        };
        each_cell(name, input, add)
            .map_err(|problems| problems.into_iter().map(without_settings).collect::<Vec<_>>())?;
        if !lost.is_empty() {
            return Err(lost);
        }
        self.counts.push(count);
        // The first place of each is told.
        self.entries.sort_unstable();
        self.entries.dedup_by_key(|entry| entry.hash);
        self.entries.shrink_to_fit();
        Ok(())
    }

    /// The lists by name, and how many cells each has.
    pub fn lists(&self) -> impl Iterator<Item = (&str, u64)> {
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
        let names = names.into_iter().flat_map(|text| spellings(text, region));
        // A cell that is neither could be anything, such as an order number that happens to be somebody's key.
        let personal = |text: &String| text.starts_with('+') || text.contains('@');
        let cells = cells.into_iter().flat_map(|text| spellings(text, region)).filter(personal);
        let listed = names.chain(cells).find_map(|spelling| self.entry(&spelling))?;
        Some(format!("{}:{}", self.files.get(listed.file as usize)?, listed.line))
    }

    fn entry(&self, spelling: &str) -> Option<Entry> {
        let hash = hash(spelling);
        let at = self.entries.binary_search_by(|entry| entry.hash.cmp(&hash)).ok()?;
        self.entries.get(at).copied()
    }
}

fn each_cell(
    name: &str,
    input: impl Read + Send + 'static,
    mut each: impl FnMut(u64, &str),
) -> Result<(), Vec<Problem>> {
    let written = |format| Written { name, format, delimiter: None, encoding: None };
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    match ending.as_str() {
        "xlsx" => xlsx::cells(input, name, each),
        "jsonl" | "ndjson" => {
            for row in jsonl::read(input, &written(Format::Jsonl))? {
                let row = row.map_err(|(Unreadable::Row(problem) | Unreadable::List(problem))| vec![problem])?;
                for cell in row.cells.iter() {
                    match cell {
                        Value::String(text) => each(row.line, text),
                        Value::Number(number) => each(row.line, &number.to_string()),
                        _ => {}
                    }
                }
            }
            Ok(())
        }
        _ => csv::cells(input, &written(Format::Csv), each),
    }
}

/// A number of which a spreadsheet has lost digits names nobody, and whoever it was would be messaged.
fn nobody_any_more(text: &str) -> Option<&'static str> {
    let text = text.trim_matches(is_invisible);
    let long = |exponent: &str| exponent.parse::<u32>().is_ok_and(|exponent| exponent >= SHORTEST_NUMBER);
    if damage::looks_rounded(text) && text.rsplit_once('+').is_some_and(|(_, exponent)| long(exponent)) {
        return Some("a number that a spreadsheet has rounded (`E+`): nobody can be recognised by it");
    }
    let is_filler = text.len() >= 3 && text.bytes().all(|byte| byte == b'#');
    is_filler.then_some("`###`, which a spreadsheet shows for what is too wide: nobody can be recognised by it")
}

fn unrecognisable(file: &str, line: u64, what: &str) -> Problem {
    let hint = "format the column as text, fill it again, and export again; or delete it if it names nobody";
    Problem::error("rounded-number", Place::line(file, line), what).hint(hint)
}

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

/// The spellings by which a text is compared: its international forms if it can be a phone number, or else small letters
/// without outer white space. WhatsApp's own ids are phone numbers without the plus.
fn spellings(text: &str, region: Option<&str>) -> impl Iterator<Item = String> {
    let text = text.trim_matches(is_invisible);
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let (mut given, mut with_plus) = (None, None);
    if digits >= 7 && !text.contains('@') {
        given = phone::e164(text, region).ok();
        if digits == text.len() {
            with_plus = phone::e164(&format!("+{text}"), None).ok();
        }
    }
    let as_written = (given.is_none() && with_plus.is_none() && !text.is_empty()).then(|| text.to_lowercase());
    let with_plus = with_plus.filter(|number| Some(number) != given.as_ref());
    [given, with_plus, as_written].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::Suppression;

    #[test]
    fn a_person_is_found_however_spelled() {
        let list = "phone;mail\n0171 3920055;\n;Ada@Example.com\nC-17;\n";
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
    fn a_list_that_cannot_be_read_to_its_end_suppresses_nobody_in_silence() {
        for list in [&b"phone\n\"+491713920055\n+491713920056\n"[..], b"phone\nM\xfcller\n", b"phone\n\0\n"] {
            assert!(Suppression::default().add("stop.csv", list, None).is_err(), "{list:?}");
        }
    }
}
