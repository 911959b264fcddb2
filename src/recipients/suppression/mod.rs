//! People who must never be messaged, however they are spelled.

mod columns;
mod entry;
mod reader;

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use ring::digest::{SHA256, digest};
use serde_json::Value;

pub use self::columns::IdKind;
use self::entry::forms;
use self::reader::Reader;
use super::{Row, is_invisible};
use crate::problem::{Keep, Problems};

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
    /// LiveDesk's ids of contacts and conversations.
    pub ids: u64,
    /// Anything else, compared with keys and identifiers as it is.
    pub keys: u64,
}

impl fmt::Display for Recognised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.phones, "phone number", "phone numbers"),
            (self.emails, "e-mail address", "e-mail addresses"),
            (self.ids, "id", "ids"),
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
    Fixed(Option<&'a str>),
    /// Each line says it by its other cells.
    PerLine(&'a dyn Fn(&Row) -> Option<String>),
}

impl fmt::Debug for Country<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(region) => f.debug_tuple("OfAll").field(region).finish(),
            Self::PerLine(_) => f.write_str("OfLine"),
        }
    }
}

impl Country<'_> {
    fn of(&self, row: impl FnOnce() -> Option<Row>) -> Option<Cow<'_, str>> {
        match self {
            Self::Fixed(region) => region.map(Cow::Borrowed),
            Self::PerLine(region) => region(&row()?).map(Cow::Owned),
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
        let (file, problems) = Reader::new(name, country, keep, self).read(input);
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
        self.place(first?)
    }

    /// Where a recipient is listed by an id of LiveDesk's, in a column `contact_id` or `conversation_id`: these are no keys,
    /// which may be the same numbers. `names` are the columns of their row, whose `cells` may have such ids as well.
    pub fn find_id(
        &self,
        known: impl IntoIterator<Item = (IdKind, u64)>,
        names: &[String],
        cells: &[Value],
    ) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let of_cells = names.iter().zip(cells).filter_map(|(name, cell)| Some((IdKind::of_column(name)?, id(cell)?)));
        let mut first = None;
        for (kind, id) in known.into_iter().chain(of_cells) {
            first = first.or(self.look_up(&columns::of_id(kind, id)));
        }
        self.place(first?)
    }

    fn place(&self, line: &Line) -> Option<String> {
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

fn id(cell: &Value) -> Option<u64> {
    cell.as_u64().or_else(|| cell.as_str()?.trim_matches(is_invisible).parse().ok())
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
            let added = suppression.add(name, input, Country::Fixed(region), Keep::All);
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
        suppression.add("stop.csv", list.as_bytes(), Country::PerLine(&country), Keep::All).unwrap();
        for number in ["+491713920055", "+33612345678"] {
            assert!(suppression.find([number], &[], None).is_some(), "{number}");
        }
        let refused = suppression.add("bare.csv", &b"phone\n0171 3920055\n"[..], Country::PerLine(&country), Keep::All);
        let problems = refused.unwrap_err();
        let problem = problems.kinds().next().unwrap();
        assert!(problem.first.what.contains("default_region"), "{problem:?}");
    }

    #[test]
    fn all_that_is_not_understood_is_counted() {
        let list = format!("phone\n{}", "nobody\n".repeat(5_000));
        let input = std::io::Cursor::new(list.into_bytes());
        let refused = Suppression::default().add("stop.csv", input, Country::Fixed(None), Keep::First(3));
        let problems = refused.unwrap_err();
        let kept: usize = problems.kinds().map(|kind| kind.each().count()).sum();
        assert_eq!((problems.count(), kept), (5_000, 3));
    }

    #[test]
    fn a_list_that_cannot_be_read_to_its_end_suppresses_nobody_in_silence() {
        for list in [&b"phone\n\"+491713920055\n+491713920056\n"[..], b"phone\nM\xfcller\n", b"phone\n\0\n"] {
            let read = Suppression::default().add("stop.csv", list, Country::Fixed(None), Keep::All);
            assert!(read.is_err(), "{list:?}");
        }
    }
}
