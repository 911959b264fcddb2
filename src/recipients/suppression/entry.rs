//! What one cell of a suppression list says: a phone number, an e-mail address, a key, or an id of LiveDesk's.
//!
//! A cell that looks like an attempt at a number or an address and cannot be understood is a problem, never a key:
//! whoever it names would get the message. This file knows neither files nor what is done with entries.

use super::super::{email, is_invisible, phone, spreadsheet_artifacts, unguarded};
use super::columns::{Column, of_id};

pub(super) use super::super::phone::NO_COUNTRY;

/// What a cell was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Phone,
    Email,
    Key,
    /// LiveDesk's id of a contact or conversation.
    Id,
}

/// Words for "no value".
const FILLERS: [&str; 8] = ["-", "n/a", "na", "null", "none", "nan", "unknown", "#n/a"];

/// The forms by which an entry is compared, and what it is; `None` where the cell is empty or says nothing about people.
///
/// # Errors
/// Why it cannot be understood.
pub(super) fn read(
    text: &str,
    column: Column,
    region: Option<&str>,
) -> Result<Option<(Kind, Vec<String>)>, &'static str> {
    let written = text.trim_matches(is_invisible);
    let text = unguarded(written);
    let is_comment = column == Column::Unnamed && text.starts_with('#') && !text.starts_with("##");
    let named = matches!(column, Column::Phone | Column::Email);
    if text.is_empty() || is_comment || named && FILLERS.contains(&text.to_lowercase().as_str()) {
        return Ok(None);
    }
    let understood = match column {
        Column::Id { kind: of, is_key } => {
            let id = text.parse().ok().map(|id| of_id(of, id));
            // What is no id can only be somebody's key.
            let keys = if is_key || id.is_none() { key(written, region)? } else { Vec::new() };
            let kind = if id.is_some() { Kind::Id } else { Kind::Key };
            return Ok(Some((kind, id.into_iter().chain(keys).collect())));
        }
        Column::Key => return key(written, region).map(|forms| Some((Kind::Key, forms))),
        Column::Email => address(text),
        Column::Phone => number(text, region),
        _ if text.contains('@') && !text.starts_with('@') => address(text),
        _ if is_attempt(text) => number(text, region),
        Column::Other => return Ok(None),
        Column::Unnamed => return Ok(Some((Kind::Key, of_key(written, region)))),
    };
    match understood {
        Ok(entry) => Ok(Some(entry)),
        // A note or a date beside those who are named.
        Err(_) if column == Column::Other => Ok(None),
        Err(_) if column == Column::Unnamed && is_plain_id(text) => Ok(Some((Kind::Key, of_key(written, region)))),
        Err(what) => Err(what),
    }
}

/// The forms of an entry that is said to be a key. One that looks like a number or an address that was damaged is a
/// problem all the same: whoever it was meant for has another key.
fn key(written: &str, region: Option<&str>) -> Result<Vec<String>, &'static str> {
    let text = unguarded(written);
    let mut forms = of_key(written, region);
    if text.contains('@') && !text.starts_with('@') {
        match address(text) {
            Ok((_, addresses)) => forms.extend(addresses),
            Err(what) if is_damaged_address(text) => return Err(what),
            Err(_) => {}
        }
    } else if text.starts_with('+') && is_attempt(text) {
        forms.extend(number(text, region)?.1);
    }
    Ok(forms)
}

/// The forms of a key as it is written, and without what keeps spreadsheets from running it.
fn of_key(written: &str, region: Option<&str>) -> Vec<String> {
    let mut all = forms(written, region);
    if unguarded(written) != written {
        all.extend(forms(unguarded(written), region));
    }
    all
}

/// `f@x,de`, `<c@x.de`, `a@x..de`: no key of anybody, unlike `ada@office`.
fn is_damaged_address(text: &str) -> bool {
    let host = text.rsplit('@').next().unwrap_or_default();
    host.contains('.') || text.contains(|c: char| "<>,;\"()".contains(c) || c.is_whitespace())
}

/// The forms of a recipient's own key, number or address.
pub(super) fn forms(text: &str, region: Option<&str>) -> Vec<String> {
    let text = text.trim_matches(is_invisible);
    if text.contains('@') {
        return vec![email::normalise(text).unwrap_or_else(|_| text.to_lowercase())];
    }
    let mut forms = numbers(text, region);
    if forms.is_empty() && !text.is_empty() {
        forms.push(text.to_lowercase());
    }
    forms
}

/// The numbers that a text may be: WhatsApp's own ids are phone numbers without the plus.
fn numbers(text: &str, region: Option<&str>) -> Vec<String> {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    // Some countries have numbers of five digits; as few as that are an id, unless the numbering plan knows them.
    let is_short_number = || region.is_some() && phone::normalise(text, region).is_ok_and(|phone| !phone.doubtful);
    let is_number = digits >= 7 || !text.is_ascii() || digits >= 4 && is_short_number();
    let given = if is_number { phone::e164(text, region).ok() } else { None };
    let with_plus =
        if digits >= 7 && digits == text.len() { phone::e164(&format!("+{text}"), None).ok() } else { None };
    let with_plus = with_plus.filter(|number| Some(number) != given.as_ref());
    given.into_iter().chain(with_plus).collect()
}

fn number(text: &str, region: Option<&str>) -> Result<(Kind, Vec<String>), &'static str> {
    let text = without_label(text).trim_end_matches([',', ';', '.']);
    // A whole number that a program has given a fraction of nothing is still that number.
    let whole =
        if spreadsheet_artifacts::is_an_amount(text) { text.split(['.', ',']).next().unwrap_or(text) } else { text };
    let numbers = numbers(whole, region);
    if numbers.is_empty() {
        Err(phone::e164(text, region).err().unwrap_or("not a phone number"))
    } else {
        Ok((Kind::Phone, numbers))
    }
}

fn address(text: &str) -> Result<(Kind, Vec<String>), &'static str> {
    let inside = text.rsplit_once('<').and_then(|(_, rest)| rest.trim_end_matches([',', ';']).strip_suffix('>'));
    let text = without_label(inside.unwrap_or(text)).trim_end_matches([',', ';', '.']);
    Ok((Kind::Email, vec![email::normalise(text)?]))
}

/// What is after `mailto:`, `tel:`, `Phone:`.
fn without_label(text: &str) -> &str {
    let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphabetic() || " -.".contains(c));
    text.split_once(':').filter(|(label, _)| is_label(label)).map_or(text, |(_, rest)| rest.trim())
}

/// Whether somebody meant a phone number: a sign, a label, or nothing but digits and what is between them.
fn is_attempt(text: &str) -> bool {
    let value = without_label(text);
    let digits = value.chars().filter(|c| c.is_numeric()).count();
    let bare = value.trim_start_matches(['(', '\'']);
    digits >= 7
        && !spreadsheet_artifacts::looks_like_a_date(value)
        && (value != text
            || bare.starts_with(['+', '\u{ff0b}'])
            || bare.starts_with("00")
            || spreadsheet_artifacts::looks_rounded(value)
            || !value.contains(|c: char| c.is_alphabetic()))
}

/// Digits alone that cannot be a national number: an order's id, say.
fn is_plain_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::super::columns::IdKind;
    use super::*;

    fn kind(text: &str, column: Column, region: Option<&str>) -> Result<Option<Kind>, &'static str> {
        read(text, column, region).map(|entry| entry.map(|(kind, _)| kind))
    }

    #[test]
    fn a_short_national_number_is_a_number_where_its_country_has_such() {
        assert_eq!(forms("62889", Some("AC")), ["+24762889"]);
        assert_eq!(forms("62889", None), ["62889"]);
        assert_eq!(forms("103", Some("DE")), ["103"]);
    }

    #[test]
    fn a_person_is_understood_however_written() {
        for text in [
            "+1415-555-2671",
            "tel:+14155552671",
            "Phone: +1 415 555 2671",
            "14155552671.0",
            "14155552671",
            "'+14155552671",
        ] {
            let (kind, forms) = read(text, Column::Unnamed, None).unwrap().unwrap();
            assert_eq!((kind, forms), (Kind::Phone, vec!["+14155552671".to_owned()]), "{text}");
        }
        for text in ["Angela <a@x.de>", "mailto:a@x.de", "A@X.de;", "E-Mail: a@x.de"] {
            let (kind, forms) = read(text, Column::Unnamed, None).unwrap().unwrap();
            assert_eq!((kind, forms), (Kind::Email, vec!["a@x.de".to_owned()]), "{text}");
        }
    }

    #[test]
    fn an_attempt_that_fails_is_a_problem_and_an_id_is_a_key() {
        for text in ["+14155552671 (left)", "0171 3920055", "01713920055", "a@x", "a@x.de and b@x.de"] {
            assert!(read(text, Column::Unnamed, None).is_err(), "{text}");
        }
        assert!(read("nobody", Column::Phone, None).is_err());
        for text in ["C-17", "103", "ORDER-20261201", "@ada"] {
            assert_eq!(kind(text, Column::Unnamed, None), Ok(Some(Kind::Key)), "{text}");
        }
        for text in ["2024-0001234", "ada@office", "a@x.de", "@ada", "=1+1", "+a"] {
            assert_eq!(kind(text, Column::Key, None), Ok(Some(Kind::Key)), "{text}");
        }
        for text in ["f@x,de", "a@x.de and b@x.de", "a@x..de", "<a@x.de", "+14155552671 (left)"] {
            assert!(read(text, Column::Key, None).is_err(), "{text}");
        }
        assert_eq!(kind("2026-12-01 by mail", Column::Other, None), Ok(None));
    }

    #[test]
    fn an_id_beside_keys_is_nobodys_key() {
        let forms = |is_key| read("40", Column::Id { kind: IdKind::Conversation, is_key }, None).unwrap().unwrap().1;
        assert_eq!(forms(false), [of_id(IdKind::Conversation, 40)]);
        assert_eq!(forms(true), [of_id(IdKind::Conversation, 40), "40".to_owned()]);
    }

    #[test]
    fn a_header_is_known_by_its_words() {
        let header = |cells: &[&str]| Column::header(&cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
        assert_eq!(header(&["key", "phone_number", "email"]), Some(vec![Column::Key, Column::Phone, Column::Email]));
        assert_eq!(header(&["Mobile", "Date"]), Some(vec![Column::Phone, Column::Other]));
        let report = ["key", "outcome", "attempts", "contact_id", "message_id", "first_attempt_at"];
        assert_eq!(header(&report).map(|columns| columns[3]), Some(Column::Other), "ids of LiveDesk are no keys");
        let id = |is_key| Column::Id { kind: IdKind::Contact, is_key };
        assert_eq!(header(&["contact_id"]), Some(vec![id(true)]), "as the keys of a list may be");
        assert_eq!(header(&["contact_id", "key"]), Some(vec![id(false), Column::Key]), "beside keys it is none");
        assert_eq!(header(&["C-17"]), None);
        assert_eq!(header(&["mail@x.de"]), None);
    }
}
