//! Phone numbers and e-mail addresses in what is said on the way: a log goes to more people than a report. Server texts
//! and paths may hold them; enough is left to recognise one's own.

use std::borrow::Cow;

/// So many digits in a row are a phone number, and never an id or a time of ours.
const DIGITS: usize = 9;

/// So many are behind a `+`.
const DIGITS_WITH_PLUS: usize = 6;

/// The text without whole phone numbers and e-mail addresses: `+49…89`, `a…@example.com`.
pub fn masked(text: &str) -> Cow<'_, str> {
    if !text.contains('@')
        && !text.contains("%40")
        && text.bytes().filter(u8::is_ascii_digit).count() < DIGITS_WITH_PLUS
    {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let word = rest.find(|c: char| !is_of_a_word(c)).unwrap_or(rest.len());
        let number = number(rest);
        if number > 0 {
            push_number(&mut result, &rest[..number]);
            rest = &rest[number..];
        } else if word > 0 {
            push_word(&mut result, &rest[..word]);
            rest = &rest[word..];
        } else {
            result.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    Cow::Owned(result)
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '@' | '.' | '_' | '-' | '%' | '+')
}

/// How long the phone number at the start of a text is; 0 if there is none.
fn number(text: &str) -> usize {
    let plus = text.starts_with('+') || text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%2b"));
    let mut end = if text.starts_with('+') {
        1
    } else if plus {
        3
    } else {
        0
    };
    let (mut digits, mut last) = (0, 0);
    for c in text[end..].chars() {
        if c.is_ascii_digit() {
            digits += 1;
            last = end + 1;
        } else if !(plus && matches!(c, ' ' | '-' | '.' | '(' | ')' | '/')) {
            break;
        }
        end += c.len_utf8();
    }
    let enough = if plus { DIGITS_WITH_PLUS } else { DIGITS };
    if digits >= enough { last } else { 0 }
}

/// The beginning and the last two digits.
fn push_number(result: &mut String, number: &str) {
    let head = if number.starts_with('%') { 5 } else { 3 };
    result.push_str(&number[..head]);
    result.push('…');
    result.push_str(&number[number.len() - 2..]);
}

/// A word as it is, without the name of an e-mail address, and without a number at its end.
fn push_word(result: &mut String, word: &str) {
    let at = word.find('@').map(|at| (at, 1)).or_else(|| word.to_ascii_lowercase().find("%40").map(|at| (at, 3)));
    match at {
        Some((at, length)) if at > 0 && at + length < word.len() => {
            result.extend(word.chars().next());
            result.push('…');
            result.push_str(&word[at..]);
        }
        _ => match word.find(|c: char| c.is_ascii_digit() || matches!(c, '+' | '%')).filter(|start| *start > 0) {
            Some(start) => {
                result.push_str(&word[..start]);
                result.push_str(&masked(&word[start..]));
            }
            None => push_digits(result, word),
        },
    }
}

/// A word that begins with digits: they are no number themselves, but what follows may be.
fn push_digits(result: &mut String, word: &str) {
    let head = word.find(|c: char| !matches!(c, '0'..='9' | '+' | '%')).unwrap_or(word.len()).max(1);
    let head = if word.is_char_boundary(head) { head } else { word.len() };
    result.push_str(&word[..head]);
    if head < word.len() {
        result.push_str(&masked(&word[head..]));
    }
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
