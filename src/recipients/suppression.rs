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
            let entry = spelling(cell, region);
            if !entry.is_empty() {
                self.entries.entry(entry).or_insert(Listed { file, line });
            }
        })
    }

    /// Whether nobody is listed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where any of these spellings of a recipient is listed, as `file:line`.
    pub fn find<'a>(&self, spellings: impl IntoIterator<Item = &'a str>, region: Option<&str>) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let listed = spellings.into_iter().find_map(|text| self.entries.get(&spelling(text, region)))?;
        Some(format!("{}:{}", self.files[listed.file], listed.line))
    }
}

/// One spelling for all: numbers in international form, everything else without outer white space and in small letters.
fn spelling(text: &str, region: Option<&str>) -> String {
    let text = text.trim_matches(is_invisible);
    let could_be_a_phone = text.chars().filter(char::is_ascii_digit).count() >= 6 && !text.contains('@');
    match normalise(text, region) {
        Ok(phone) if could_be_a_phone => phone.e164,
        _ => text.to_lowercase(),
    }
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
            ("+49 171 3920056", None),
        ] {
            assert_eq!(suppression.find([spelling], Some("DE")).as_deref(), place, "{spelling}");
        }
    }
}
