//! The apostrophe with which reports keep spreadsheets from running a cell, and how it comes off again when such a report
//! is read: as a list, as a suppression list, or key by key from the command line.

use std::borrow::Cow;

/// What the report of a campaign has among its columns; no list of customers has all of them.
const OF_A_REPORT: [&str; 5] = ["key", "outcome", "attempts", "message_id", "first_attempt_at"];

/// A text that no spreadsheet evaluates: what begins like a formula gets an apostrophe in front, which spreadsheets
/// hide. `+` or `-` and digits are a number at worst, so phone numbers stay as they are.
pub fn guarded(text: &str) -> Cow<'_, str> {
    // One that has an apostrophe already gets another, so that taking one off gives the text back.
    if begins_like_a_formula(text) && !is_number(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The text that was guarded, or the text itself if it was not.
pub fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| begins_like_a_formula(rest)).unwrap_or(text)
}

fn begins_like_a_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether these are the columns of a report, with or without columns of the list in front.
pub(super) fn is_report<T: AsRef<str>>(names: &[T]) -> bool {
    OF_A_REPORT.iter().all(|column| names.iter().any(|name| name.as_ref() == *column))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_phone_numbers_stay() {
        for (text, guarded_text) in [
            ("=1+1", "'=1+1"),
            ("=1", "'=1"),
            ("@1", "'@1"),
            ("-", "'-"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2+3", "'-2+3"),
            ("-1", "-1"),
            ("+4915123456789", "+4915123456789"),
            ("'=1+1", "''=1+1"),
            ("plain", "plain"),
            ("'t Hooft", "'t Hooft"),
        ] {
            assert_eq!(guarded(text), guarded_text);
        }
    }

    proptest! {
        #[test]
        fn what_is_guarded_comes_back(text in "['=+@\t\r0-9a-]{0,6}") {
            let written = guarded(&text);
            prop_assert_eq!(unguarded(&written), &text);
        }
    }
}
