//! How a phone number is written: its digits, signs and separators. Must not know numbering plans, apart from asking one
//! how a call abroad begins.

use phonenumber::Metadata;
use phonenumber::metadata::DATABASE;

use super::super::{is_invisible, spreadsheet_artifacts};

/// A number as it was written.
#[derive(Debug)]
pub(super) struct Notation {
    pub(super) digits: String,
    /// It begins with `+`.
    pub(super) is_international: bool,
    /// Where a `(0)` is: a zero that is dialled inside the country only, except where it is part of the number.
    pub(super) optional_zero: Option<usize>,
}

impl Notation {
    /// Whether it begins with what is before a country's code.
    pub(super) fn has_country(&self, region: Option<&str>) -> bool {
        let dialled = |region| after_international_prefix(DATABASE.by_id(region)?, &self.digits);
        self.is_international || self.digits.starts_with("00") || region.and_then(dialled).is_some()
    }

    pub(super) fn of(text: &str) -> Result<Self, &'static str> {
        let text = cleaned(text);
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+');
        if !is_plain {
            no_number(&text)?;
        }
        if text.is_empty() {
            return Err("empty");
        }
        let (mut digits, mut is_international) = (String::with_capacity(text.len()), false);
        for c in text.chars() {
            match c {
                '0'..='9' => digits.push(c),
                '+' if digits.is_empty() && !is_international => is_international = true,
                '+' => return Err("more than one number, or a `+` inside one"),
                _ if is_separator(c) => {}
                'x' | 'X' | 'e' | 'E' | '#' | ';' if digits.len() >= 7 => {
                    return Err("has an extension or other text after the number: remove it");
                }
                _ => return Err("not a phone number"),
            }
        }
        if digits.is_empty() {
            return Err("not a phone number");
        }
        let spaceless: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let optional_zero = spaceless.find("(0)").map(|at| spaceless[..at].bytes().filter(u8::is_ascii_digit).count());
        Ok(Self { digits, is_international, optional_zero })
    }
}

/// What is behind the digits with which a call abroad begins in this country.
pub(super) fn after_international_prefix<'a>(plan: &Metadata, digits: &'a str) -> Option<&'a str> {
    let found = plan.international_prefix()?.find(digits).filter(|found| found.start() == 0)?;
    let rest = &digits[found.end()..];
    (!rest.is_empty() && !rest.starts_with('0')).then_some(rest)
}

/// What spreadsheets make of numbers.
fn no_number(text: &str) -> Result<(), &'static str> {
    if spreadsheet_artifacts::looks_rounded(text) {
        return Err("a number that a spreadsheet rounded (`E+`): format the column as text and export it again");
    }
    if spreadsheet_artifacts::looks_like_a_date(text) {
        return Err(
            "a date: a spreadsheet may have converted the number; format the column as text and export it again",
        );
    }
    if spreadsheet_artifacts::is_an_amount(text) {
        return Err("a number with a decimal point: a program treated it as an amount; export the column as text");
    }
    Ok(())
}

/// The text without what nobody sees and with ASCII digits.
pub(super) fn cleaned(text: &str) -> String {
    let text: String = text.chars().filter(|c| c.is_whitespace() || !is_invisible(*c)).map(as_ascii).collect();
    // Excel's mark of a text, which some exports leave before it.
    let text = text.trim().trim_start_matches('\'').trim_start();
    let is_uri = text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:"));
    if is_uri { text[4..].trim_start().to_owned() } else { text.to_owned() }
}

/// Full-width digits and signs, as East Asian keyboards type them, and the digits of other scripts.
fn as_ascii(c: char) -> char {
    let digit = |zero: u32| char::from_digit(c as u32 - zero, 10).unwrap_or(c);
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{660}'..='\u{669}' => digit(0x660),
        '\u{6f0}'..='\u{6f9}' => digit(0x6f0),
        '\u{966}'..='\u{96f}' => digit(0x966),
        '\u{9e6}'..='\u{9ef}' => digit(0x9e6),
        _ => c,
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '.' | '(' | ')' | '/' | '[' | ']' | '~' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fc}'
        )
}
