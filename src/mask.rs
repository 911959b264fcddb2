//! Phone numbers and e-mail addresses in what is said on the way: a log goes to more people than a report. Server texts
//! and paths may hold them; enough is left to recognise one's own.
//!
//! A number after a `+` and nine digits in a row are always cut. So is what looks like a national number: groups of digits
//! with the separators of phone numbers. Where that could be something else, it is cut too; but dates, times, IP addresses,
//! amounts with dots and parts of longer words (`ORD-2026-0012345`, paths) stay, and so do ids and codes of up to eight
//! digits.

use std::borrow::Cow;

/// So many digits in a row are a phone number, and never an id or a time of ours.
const DIGITS: usize = 9;

/// After a `+`, so many digits are cut.
const DIGITS_WITH_PLUS: usize = 6;

/// So many are where separated groups begin with `0` or a parenthesis.
const DIGITS_WITH_TRUNK_PREFIX: usize = 8;

/// The first of separated groups is no longer: a prefix of a country or of an area.
const MAX_PREFIX_LENGTH: usize = 4;

/// No number is longer, however it is spaced out.
const MAX_LENGTH: usize = 40;

/// The text without whole phone numbers and e-mail addresses: `+49…89`, `a…@example.com`.
pub fn masked(text: &str) -> Cow<'_, str> {
    if !text.contains('@')
        && !text.contains("%40")
        && text.bytes().filter(u8::is_ascii_digit).count() < DIGITS_WITH_PLUS
    {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len());
    let (mut rest, mut before) = (text, None);
    while let Some(next) = rest.chars().next() {
        let length = if let address @ 1.. = address(rest, before) {
            result.push(next);
            result.push('…');
            result.push_str(&rest[name(&rest[..address])..address]);
            address
        } else if let number @ 1.. = number(rest, before) {
            push_number(&mut result, &rest[..number]);
            number
        } else {
            // Digits that are too few are passed over together: the last of them are no number either.
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let length = digits.max(no_number(rest)).max(next.len_utf8());
            result.push_str(&rest[..length]);
            length
        };
        before = rest[..length].chars().next_back();
        rest = &rest[length..];
    }
    Cow::Owned(result)
}

/// The shape of a text: its first two characters, its signs, and a dot for every other letter and digit. It tells why a
/// text is no number or no date, and not whose it is.
pub fn outline(text: &str) -> String {
    let dotted = |(at, c): (usize, char)| if at > 1 && c.is_alphanumeric() { '·' } else { c };
    text.chars().enumerate().map(dotted).collect()
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '@' | '.' | '_' | '-' | '%' | '+')
}

/// How long the e-mail address at the start of a text is; 0 if there is none.
fn address(text: &str, before: Option<char>) -> usize {
    if before.is_some_and(is_of_a_word) {
        return 0;
    }
    let word = &text[..text.find(|c: char| !is_of_a_word(c)).unwrap_or(text.len())];
    let name = name(word);
    let at = if word[name..].starts_with('@') { 1 } else { "%40".len() };
    if name > 0 && name + at < word.len() { word.len() } else { 0 }
}

/// How long the part before the `@` of a word is; all of it where there is none.
fn name(word: &str) -> usize {
    word.find('@').or_else(|| word.find("%40")).unwrap_or(word.len())
}

/// How long the phone number at the start of a text is; 0 if there is none.
fn number(text: &str, before: Option<char>) -> usize {
    let sign = match text.get(..3) {
        _ if text.starts_with('+') => 1,
        Some(start) if start.eq_ignore_ascii_case("%2b") => 3,
        _ => 0,
    };
    let groups = Groups::read(&text[sign..], MAX_LENGTH);
    if sign > 0 {
        return if groups.digits >= DIGITS_WITH_PLUS { sign + groups.end } else { 0 };
    }
    let is_word_start = !before.is_some_and(|c| is_of_a_word(c) || matches!(c, '#' | '/'));
    let is_separated = groups.end > groups.first_end;
    if is_word_start && is_separated && no_number(text) == 0 && groups.look_like_a_number(text) {
        return groups.end;
    }
    let row = text.bytes().take(MAX_LENGTH).take_while(u8::is_ascii_digit).count();
    if row >= DIGITS { row } else { 0 }
}

/// Groups of digits between the separators of phone numbers.
#[derive(Default)]
struct Groups {
    digits: usize,
    /// Digits of the first group, and where it ends.
    first: usize,
    first_end: usize,
    /// Where the last group ends.
    end: usize,
}

impl Groups {
    fn read(text: &str, most: usize) -> Self {
        let (mut groups, mut separators, mut within) = (Self::default(), 0, false);
        for (at, c) in text.char_indices().take(most) {
            if c.is_ascii_digit() {
                (separators, groups.digits, groups.end) = (0, groups.digits + 1, at + 1);
                if groups.digits == 1 || (within && groups.first_end == at) {
                    (groups.first, groups.first_end, within) = (groups.digits, at + 1, true);
                }
            } else {
                separators += 1;
                // ` - ` and `) ` are between groups, and more is between sentences.
                if !is_separator(c) || separators > 3 {
                    break;
                }
            }
        }
        groups
    }

    /// Whether separated groups look like a national number.
    fn look_like_a_number(&self, text: &str) -> bool {
        let has_trunk_prefix = text.starts_with(['0', '(']);
        let starts = text.starts_with('(') || text.starts_with(|c: char| c.is_ascii_digit());
        let wanted = if has_trunk_prefix { DIGITS_WITH_TRUNK_PREFIX } else { DIGITS };
        starts && self.digits >= wanted && (has_trunk_prefix || self.first <= MAX_PREFIX_LENGTH)
    }
}

/// Also the blanks that do not break, and the dashes that word processors make.
const fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}' | '\u{2007}'..='\u{200b}' | '\u{2010}'..='\u{2015}' | '\u{202f}')
}

/// How long the date, time, IP address or amount at the start of a text is; 0 if there is none.
fn no_number(text: &str) -> usize {
    let whole = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '/' | ':');
    let length = text.chars().take(MAX_LENGTH).take_while(|c| whole(*c)).count();
    let word = text[..length].trim_end_matches(['.', '-', '/', ':']);
    let is_one = is_date(word) || is_time(word) || is_ip_address(word) || is_amount(word);
    if is_one { word.len() } else { 0 }
}

fn is_date(word: &str) -> bool {
    ['-', '.', '/'].into_iter().any(|separator| {
        let parts: Vec<&str> = word.split(separator).collect();
        let [first, second, third] = parts[..] else { return false };
        let is_year = |part: &str| part.len() == 4 && (part.starts_with("19") || part.starts_with("20"));
        let is_small =
            |part: &str, most: u8| part.len() <= 2 && part.parse().is_ok_and(|n: u8| (1..=most).contains(&n));
        let is_day =
            |one, other| is_small(one, 31) && is_small(other, 31) && (is_small(one, 12) || is_small(other, 12));
        (is_year(first) && is_day(second, third)) || (is_year(third) && is_day(first, second))
    })
}

fn is_time(word: &str) -> bool {
    let parts: Vec<&str> = word.split(':').collect();
    let is_part = |part: &&str| part.len() <= 2 && part.parse().is_ok_and(|n: u8| n < 60);
    (2..=3).contains(&parts.len()) && parts.iter().all(is_part)
}

fn is_ip_address(word: &str) -> bool {
    let host = word.split(':').next().unwrap_or(word);
    host.parse::<core::net::Ipv4Addr>().is_ok()
}

/// `1.234.567.890`: no number begins like that.
fn is_amount(word: &str) -> bool {
    let mut groups = word.split('.');
    let first = groups.next().unwrap_or_default();
    let is_digits = |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
    let mut rest = groups.peekable();
    rest.peek().is_some()
        && is_digits(first)
        && first.len() <= 3
        && !first.starts_with('0')
        && rest.all(|group| group.len() == 3 && is_digits(group))
}

/// The beginning and the last two digits.
fn push_number(result: &mut String, number: &str) {
    let head = if number.starts_with('%') { 5 } else { 3 };
    result.extend(number.chars().take(head));
    result.push('…');
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    result.extend(&digits[digits.len().saturating_sub(2)..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{masked, outline};

    #[test]
    fn numbers_and_addresses_are_cut_and_nothing_else() {
        for (text, wanted) in [
            ("Phone number +4915123456789 has already been taken", "Phone number +49…89 has already been taken"),
            ("q=%2B4915123456789&page=1", "q=%2B49…89&page=1"),
            ("call +49 (151) 234-56789 now", "call +49…89 now"),
            ("4915123456789", "491…89"),
            ("customer-4915123456789", "customer-491…89"),
            ("Email ada.lovelace@example.com is taken", "Email a…@example.com is taken"),
            ("q=ada%40example.com", "q=a…%40example.com"),
            ("1,000,000 rows at 2026-11-21T12:00:00Z", "1,000,000 rows at 2026-11-21T12:00:00Z"),
            (
                "POST /api/v2/accounts/conversations/64464046/messages",
                "POST /api/v2/accounts/conversations/64464046/messages",
            ),
            ("http://127.0.0.1:41237, process 123456", "http://127.0.0.1:41237, process 123456"),
            ("100% of @all, +1 and a@", "100% of @all, +1 and a@"),
        ] {
            assert_eq!(masked(text), wanted);
        }
    }

    #[test]
    fn an_outline_keeps_the_signs() {
        for (text, wanted) in [
            ("0151 2000", "01·· ····"),
            ("ada@x.de;", "ad·@·.··;"),
            ("Müller", "Mü····"),
            ("01.12.2026", "01.··.····"),
            ("no", "no"),
        ] {
            assert_eq!(outline(text), wanted);
        }
    }

    #[test]
    fn numbers_are_cut_in_every_notation() {
        for (text, wanted) in [
            ("call 0151 234 567 89 now", "call 015…89 now"),
            ("(312) 555-1003 is taken", "(31…03 is taken"),
            ("phone:(030) 123456", "phone:(03…56"),
            ("+49 (0) 151/2345-678.", "+49…78."),
            ("+49\u{a0}151\u{202f}23456789", "+49…89"),
            ("0151\u{a0}234\u{a0}567\u{a0}89", "015…89"),
            ("0151\u{2013}2345678", "015…78"),
            ("06.12.34.56.78", "06.…78"),
            ("312.555.1003", "312…03"),
            ("312-555-1003", "312…03"),
            ("1 312 555 1003", "1 3…03"),
            ("612 345 678", "612…78"),
            ("0151 / 23456789", "015…89"),
            ("00 49 151 23456789", "00 …89"),
            ("2026-11-21 0151 2345678", "2026-11-21 015…78"),
            ("a list: 0151 2345678, 0151 2345679", "a list: 015…78, 015…79"),
        ] {
            assert_eq!(masked(text), wanted);
        }
    }

    #[test]
    fn what_is_no_number_stays_whole() {
        for text in [
            "131047: Re-engagement message (#132000), 131047 132000",
            "2026-11-21 12:00:00 21.11.2026 12:30, 11/21/2026 10:15:00",
            "2026-11-21T12:00:00Z",
            "order ORD-2026-0012345, #2026-0012345, order 100234-5678",
            "1.234.567.890 EUR, 1,234,567,890.00, 1 234 567,89",
            "192.168.100.200:8080 and 10.100.200.255",
            "POST /api/v2/accounts/conversations/64464046/messages/1234/5678901 -> 422 in 312 ms",
            "1000 of 5000 rows at 50/min, 3/10, 12345678 bytes",
            "http-422, http-503",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn a_long_text_is_no_trouble() {
        for text in ["a1", "+1(", "@", "a@", "%40", "12345678 ", "1.", "1-", "1:", "("] {
            let _ = masked(&text.repeat(100_000));
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,60}") {
            let _ = masked(&text);
        }

        #[test]
        fn a_number_is_never_whole_whatever_stands_around_it(
            before in "[a-zA-Z =:/&(]{0,8}", number in "[1-9][0-9]{9,13}", after in "[a-zA-Z ,:)&]{0,8}",
        ) {
            for number in [number.clone(), format!("+{number}"), format!("%2B{number}")] {
                let text = format!("{before}{number}{after}");
                prop_assert!(!masked(&text).contains(&number), "{}", masked(&text));
            }
        }

        #[test]
        fn a_spaced_national_number_is_never_whole(
            before in "(|[a-z]{1,8}[ :=(])", area in "[1-9][0-9]{1,3}", first in "[0-9]{2,4}", last in "[0-9]{3,5}",
            separator in "[ \u{a0}\u{202f}/\u{2013}-]", after in "([ ,:)][a-z]{0,8})?",
        ) {
            for number in [format!("0{area}{separator}{first}{last}"), format!("(0{area}) {first}{separator}{last}")] {
                let text = masked(&format!("{before}{number}{after}")).into_owned();
                let enough = number.bytes().filter(u8::is_ascii_digit).count() >= 8;
                prop_assert!(!enough || !text.contains(&number), "{}", text);
            }
        }

        #[test]
        fn an_address_is_never_whole(before in "[ =:/&(]{0,3}", name in "[a-z][a-z0-9._]{2,12}", after in "[ ,:)&]{0,3}") {
            let address = format!("{name}@example.com");
            let text = masked(&format!("{before}{address}{after}")).into_owned();
            prop_assert!(!text.contains(&address), "{}", text);
        }
    }
}
