//! Phone numbers in the one form that LiveDesk takes: `+` and digits (E.164).

use phonenumber::{Mode, PhoneNumber, country};

use super::{damage, is_invisible};

/// A phone number in international form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    /// `+` and 7 to 15 digits.
    pub e164: String,
    /// Whether the numbering plans doubt it. They age, so this alone does not make a number wrong.
    pub doubtful: bool,
}

/// Brings a number into international form. `region` is the country of numbers that are written without one.
///
/// # Errors
/// What is wrong with the text, without repeating it.
pub fn normalise(text: &str, region: Option<&str>) -> Result<Phone, &'static str> {
    let text = cleaned(text);
    let (number, e164) = parsed(&text, region)?;
    let doubtful = !number.is_valid();
    if doubtful {
        lost_sign(&text, region).map_or(Ok(()), Err)?;
    }
    Ok(Phone { e164, doubtful })
}

/// The international form alone: whether the plans know the number takes longer than all the rest.
pub(super) fn e164(text: &str, region: Option<&str>) -> Option<String> {
    parsed(&cleaned(text), region).ok().map(|(_, e164)| e164)
}

/// The text without what nobody sees, with the digits and signs that the library reads.
fn cleaned(text: &str) -> String {
    let text: String = text.chars().filter(|c| *c == ' ' || !is_invisible(*c)).map(halfwidth).collect();
    text.trim().to_owned()
}

fn parsed(text: &str, region: Option<&str>) -> Result<(PhoneNumber, String), &'static str> {
    if text.is_empty() {
        return Err("empty");
    }
    if damage::looks_rounded(text) {
        return Err("a number that a spreadsheet has rounded (`E+`): format the column as text and export again");
    }
    if damage::looks_like_a_date(text) {
        return Err(
            "a date: a spreadsheet may have taken a number for one; format the column as text and export again",
        );
    }
    let region: Option<country::Id> = region.and_then(|region| region.parse().ok());
    let is_international = ["+", "00", "tel:"].into_iter().any(|prefix| text.starts_with(prefix));
    if region.is_none() && !is_international {
        return Err(lost_sign(text, None)
            .unwrap_or("written without a country: begin it with `+`, or set `recipients.default_region`"));
    }
    // The library knows no dialling prefix without a country; `00` is the one that people use.
    let international = text.strip_prefix("00").map(|rest| format!("+{rest}"));
    let number =
        phonenumber::parse(region, international.as_deref().unwrap_or(text)).map_err(|_| "not a phone number")?;
    let e164 = number.format().mode(Mode::E164).to_string();
    let digits = e164.strip_prefix('+').unwrap_or_default();
    if !(7..=15).contains(&digits.len()) || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("too short or too long for a phone number");
    }
    Ok((number, e164))
}

/// What a number without a sign lost in a spreadsheet, which keeps neither a `+` nor a leading zero: told only where
/// the number is in a numbering plan with it.
fn lost_sign(text: &str, region: Option<&str>) -> Option<&'static str> {
    let is_known = |text: String, region: Option<country::Id>| {
        phonenumber::parse(region, text).is_ok_and(|number| number.is_valid())
    };
    if !text.bytes().all(|byte| byte.is_ascii_digit()) || text.starts_with('0') {
        return None;
    }
    if is_known(format!("+{text}"), None) {
        return Some(
            "looks like an international number that has lost its `+`: format the column as text and export again, or \
             write `+` before the column in the template",
        );
    }
    let region: country::Id = region?.parse().ok()?;
    is_known(format!("0{text}"), Some(region)).then_some(
        "looks like a national number that has lost its leading zero: format the column as text and export again, or \
         write `0` before the column in the template",
    )
}

/// Full-width digits and signs, as East Asian keyboards type them.
fn halfwidth(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn e164(text: &str, region: Option<&str>) -> Result<String, &'static str> {
        normalise(text, region).map(|phone| phone.e164)
    }

    #[test]
    fn numbers_are_written_in_many_ways_and_sent_in_one() {
        for (text, region) in [
            ("+49 1512 3456789", None),
            ("0049 1512/3456789", None),
            ("01512 3456789", Some("DE")),
            ("\u{202a}+4915123456789\u{202c}", None),
            ("＋４９１５１２３４５６７８９", None),
        ] {
            assert_eq!(e164(text, region).as_deref(), Ok("+4915123456789"), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_says_why() {
        assert!(e164("01512 3456789", None).unwrap_err().contains("default_region"));
        assert!(e164("4.91512E+12", None).unwrap_err().contains("spreadsheet"));
        assert!(e164("4,91512E+12", Some("DE")).unwrap_err().contains("spreadsheet"));
        assert!(e164("2026-12-01", Some("DE")).unwrap_err().contains("a date"));
        for text in ["", "  ", "+", "nobody", "+1 23", "+49 1512 3456789 and +49 1512 3456780"] {
            assert!(e164(text, Some("DE")).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_that_lost_its_sign_says_so() {
        for (text, region, lost) in [
            ("4915123456789", None, "lost its `+`"),
            ("33612345678", Some("US"), "lost its `+`"),
            ("639123456789", Some("US"), "lost its `+`"),
            ("612345678", Some("IT"), "leading zero"),
        ] {
            assert!(e164(text, region).is_err_and(|what| what.contains(lost)), "{text}: {:?}", e164(text, region));
        }
        for (text, region) in [("15123456789", "DE"), ("4915123456789", "DE")] {
            assert_eq!(e164(text, Some(region)).as_deref(), Ok("+4915123456789"), "{text}");
        }
        assert!(!e164("1234567", None).unwrap_err().contains("lost"));
    }

    #[test]
    fn a_number_that_only_the_plans_doubt_is_kept_and_marked() {
        let documented_sample = normalise("+123456789", None).unwrap();
        assert_eq!(documented_sample, Phone { e164: "+123456789".to_owned(), doubtful: true });
        assert!(!normalise("+4915123456789", None).unwrap().doubtful);
    }
}
