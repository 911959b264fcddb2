//! Phone numbers and e-mail addresses in what is said on the way: a log goes to more people than a report. Server texts
//! and paths may hold them; enough is left to recognise one's own.

use std::borrow::Cow;

/// So many digits in a row are a phone number, and never an id or a time of ours.
const DIGITS: usize = 9;

/// So many are behind a `+`.
const DIGITS_WITH_PLUS: usize = 6;

/// No number is longer, however it is spaced out.
const LONGEST: usize = 40;

/// The text without whole phone numbers and e-mail addresses: `+49…89`, `a…@example.com`.
pub fn masked(text: &str) -> Cow<'_, str> {
    if !text.contains('@')
        && !text.contains("%40")
        && text.bytes().filter(u8::is_ascii_digit).count() < DIGITS_WITH_PLUS
    {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len());
    let (mut rest, mut inside_a_word) = (text, false);
    while let Some(next) = rest.chars().next() {
        let address = if inside_a_word { 0 } else { address(rest) };
        let number = number(rest);
        let length = if address > 0 {
            result.push(next);
            result.push('…');
            result.push_str(&rest[name(&rest[..address])..address]);
            address
        } else if number > 0 {
            push_number(&mut result, &rest[..number]);
            number
        } else {
            // Digits that are too few are passed over together: the last of them are no number either.
            let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()).max(next.len_utf8());
            result.push_str(&rest[..length]);
            length
        };
        inside_a_word = is_of_a_word(next);
        rest = &rest[length..];
    }
    Cow::Owned(result)
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '@' | '.' | '_' | '-' | '%' | '+')
}

/// How long the e-mail address at the start of a text is; 0 if there is none.
fn address(text: &str) -> usize {
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
fn number(text: &str) -> usize {
    let sign = match text.get(..3) {
        _ if text.starts_with('+') => 1,
        Some(start) if start.eq_ignore_ascii_case("%2b") => 3,
        _ => 0,
    };
    let (mut digits, mut end) = (0, 0);
    for (at, c) in text[sign..].char_indices().take(LONGEST) {
        if c.is_ascii_digit() {
            digits += 1;
            end = sign + at + 1;
        } else if sign == 0 || !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/') {
            break;
        }
    }
    let enough = if sign > 0 { DIGITS_WITH_PLUS } else { DIGITS };
    if digits >= enough { end } else { 0 }
}

/// The beginning and the last two digits.
fn push_number(result: &mut String, number: &str) {
    let head = if number.starts_with('%') { 5 } else { 3 };
    result.push_str(&number[..head]);
    result.push('…');
    result.push_str(&number[number.len() - 2..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::masked;

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
    fn a_long_text_is_no_trouble() {
        for text in ["a1", "+1(", "@", "a@", "%40", "12345678 "] {
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
        fn an_address_is_never_whole(before in "[ =:/&(]{0,3}", name in "[a-z][a-z0-9._]{2,12}", after in "[ ,:)&]{0,3}") {
            let address = format!("{name}@example.com");
            let text = masked(&format!("{before}{address}{after}")).into_owned();
            prop_assert!(!text.contains(&address), "{}", text);
        }
    }
}
