//! People who must never be messaged, however they are spelled.

use std::collections::HashMap;
use std::io::Read;

use super::{Written, is_invisible, normalise};
use crate::problem::Problem;
use crate::spec::Format;

/// Keys, phone numbers and e-mail addresses of suppression lists.
#[derive(Debug, Default)]
pub struct Suppression {
    files: Vec<String>,
    entries: HashMap<String, Listed>,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    file: usize,
    /// The line of the entry.
    pub line: u64,
}

impl Suppression {
    /// Adds a list: every cell of every line is an entry, so a bare list of numbers and an export with a header row
    /// both do; the words of a header suppress nobody.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn add(
        &mut self,
        name: &str,
        input: impl Read + Send + 'static,
        region: Option<&str>,
    ) -> Result<(), Vec<Problem>> {
        let file = self.files.len();
        self.files.push(name.to_owned());
        let written = Written { name, format: Format::Csv, delimiter: None, encoding: None };
        super::csv::cells(input, &written, |line, cell| {
            for entry in spellings(cell, region) {
                self.entries.entry(entry).or_insert(Listed { file, line });
            }
        })
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
        let listed = names.chain(cells).find_map(|text| self.entries.get(&text))?;
        Some(format!("{}:{}", self.files[listed.file], listed.line))
    }
}

/// The spellings by which a text is compared: small letters without outer white space and, where it can be a phone
/// number, its international form. WhatsApp's own ids are such numbers without the plus.
fn spellings(text: &str, region: Option<&str>) -> Vec<String> {
    let text = text.trim_matches(is_invisible);
    let mut spellings = Vec::new();
    if text.is_empty() {
        return spellings;
    }
    spellings.push(text.to_lowercase());
    let digits = text.chars().filter(char::is_ascii_digit).count();
    if digits >= 7 && !text.contains('@') {
        spellings.extend(normalise(text, region).ok().map(|phone| phone.e164));
        if digits == text.len() {
            spellings.extend(normalise(&format!("+{text}"), None).ok().map(|phone| phone.e164));
        }
    }
    spellings
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
}
