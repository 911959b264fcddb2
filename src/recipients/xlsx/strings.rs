//! The texts of a workbook: most cells name one by its number. All are kept, one after the other.

use std::io::BufRead;

use super::error::WorkbookError;
use super::xml::{Node, Xml, attribute};

/// Bytes that all texts of a workbook may have together: they are kept in memory.
pub(super) const MAX_TEXT_BYTES: u64 = 160 * 1024 * 1024;

/// Texts that a workbook may have: twice as many as a million rows of eight columns.
const MAX_TEXTS: usize = 16_000_000;

/// The texts by their numbers.
#[derive(Debug, Default)]
pub(super) struct Strings {
    text: String,
    ends: Vec<u32>,
}

impl Strings {
    pub(super) fn read<R: BufRead>(xml: &mut Xml<R>) -> Result<Self, WorkbookError> {
        let mut strings = Self::default();
        loop {
            xml.begin_element();
            match xml.next()? {
                Node::Start(start) if start.local_name().as_ref() == "si" => {
                    rich_text(xml, &mut strings.text)?;
                    let end = u32::try_from(strings.text.len()).unwrap_or(u32::MAX);
                    strings.ends.push(end);
                    if u64::from(end) > MAX_TEXT_BYTES || strings.ends.len() > MAX_TEXTS {
                        return Err(WorkbookError::TooLarge { what: "the text of all cells", most: MAX_TEXT_BYTES });
                    }
                }
                Node::Eof => return Ok(strings),
                _ => {}
            }
        }
    }

    /// A text by its number.
    pub(super) fn get(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number)? as usize;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.text.get(start..end)
    }
}

/// A text that may consist of runs in several fonts, up to the end of its element. How it is pronounced is left out.
pub(super) fn rich_text<R: BufRead>(xml: &mut Xml<R>, text: &mut String) -> Result<(), WorkbookError> {
    // The elements that are open, and whether one of them says how the text is pronounced.
    let (mut depth, mut phonetic) = (0_u32, None);
    loop {
        match xml.next()? {
            Node::Start(start) => match start.local_name().as_ref() {
                "t" if phonetic.is_none() => {
                    let keeps_spaces = attribute(&start, "space").is_some_and(|value| value == "preserve");
                    let run = xml.text()?;
                    let run = if keeps_spaces { &run } else { run.trim_matches([' ', '\t', '\r', '\n']) };
                    push_unescaped(text, run);
                }
                name => {
                    depth += 1;
                    if name == "rPh" && phonetic.is_none() {
                        phonetic = Some(depth);
                    }
                }
            },
            Node::End if depth == 0 => return Ok(()),
            Node::End => {
                phonetic = phonetic.filter(|begun| *begun != depth);
                depth -= 1;
            }
            Node::Text(_) | Node::Other => {}
            Node::Eof => return Err(WorkbookError::Damaged),
        }
    }
}

/// Excel writes characters that XML has not as `_x000D_`, and such a text itself as `_x005F_x000D_`.
pub(super) fn push_unescaped(text: &mut String, mut run: &str) {
    while let Some(at) = run.find("_x") {
        let escaped = run.get(at + 2..at + 7).and_then(|code| code.strip_suffix('_'));
        let character = escaped.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        match character {
            Some(character) => {
                text.push_str(&run[..at]);
                text.push(character);
                run = &run[at + 7..];
            }
            None => {
                text.push_str(&run[..at + 2]);
                run = &run[at + 2..];
            }
        }
    }
    text.push_str(run);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(xml: &str) -> Strings {
        Strings::read(&mut Xml::new(xml.as_bytes())).unwrap()
    }

    #[test]
    fn texts_are_found_by_their_numbers() {
        let strings = read(
            "<sst><si><t>Ada</t></si><si/><si><r><t>Tom</t></r><r><rPr><b/></rPr><t xml:space=\"preserve\"> &amp; Co</t>\
             </r><rPh sb=\"0\" eb=\"1\"><t>to</t></rPh></si><si><t>  x </t></si><si><t>a_x000D_b_x005F_x000D_ _xyz_</t></si></sst>",
        );
        let texts: Vec<_> = (0..6).map(|number| strings.get(number)).collect();
        assert_eq!(texts, [Some("Ada"), Some(""), Some("Tom & Co"), Some("x"), Some("a\rb_x000D_ _xyz_"), None]);
    }
}
