//! Phone numbers in the one form that LiveDesk takes: `+` and digits (E.164).

use phonenumber::metadata::DATABASE;
use phonenumber::{Metadata, PhoneNumber, country};

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
    let text = cleaned(text);
    if is_e164(&text) { Some(text) } else { parsed(&text, region).ok().map(|(_, e164)| e164) }
}

/// Whether parsing would give the same text again. Lists of millions of such numbers are common, and parsing is slow.
fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    // No code is the beginning of another.
    let plans = (1..=3).find_map(|len| Some((DATABASE.by_code(&digits[..len].parse::<u16>().ok()?)?, len)));
    plans.is_some_and(|(plans, len)| {
        let national = &digits[len..];
        let cuts = |plan: &Metadata| {
            let prefix = plan.national_prefix_for_parsing().and_then(|prefix| prefix.find(national));
            prefix.is_some_and(|found| found.start() == 0)
                || plan.national_prefix().is_some_and(|prefix| national.starts_with(prefix))
        };
        !digits.starts_with('0') && !plans.into_iter().any(cuts)
    })
}

/// The text without what nobody sees, with the digits and signs that the library reads.
fn cleaned(text: &str) -> String {
    let text: String = text.chars().filter(|c| *c == ' ' || !is_invisible(*c)).map(halfwidth).collect();
    // Excel's mark of a text, which some exports leave before it.
    text.trim().trim_start_matches('\'').to_owned()
}

fn parsed(text: &str, region: Option<&str>) -> Result<(PhoneNumber, String), &'static str> {
    if text.is_empty() {
        return Err("empty");
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+');
    if !is_plain && damage::looks_rounded(text) {
        return Err("a number that a spreadsheet has rounded (`E+`): format the column as text and export again");
    }
    if !is_plain && damage::looks_like_a_date(text) {
        return Err(
            "a date: a spreadsheet may have taken a number for one; format the column as text and export again",
        );
    }
    if !is_plain && damage::is_an_amount(text) {
        return Err("a number with a decimal point: a program took it for an amount; export the column as text");
    }
    if !text.contains(|c: char| c.is_ascii_digit()) {
        return Err("not a phone number");
    }
    let region: Option<country::Id> = region.and_then(|region| region.parse().ok());
    let is_international = ["+", "00", "tel:"].into_iter().any(|prefix| text.starts_with(prefix));
    if region.is_none() && !is_international {
        return Err(lost_sign(text, None)
            .unwrap_or("written without a country: begin it with `+`, or set `recipients.default_region`"));
    }
    // The library knows no dialling prefix without a country; `00` is the one that people use. With a country it would
    // take that country's leading zero off the number of another: Italy's numbers keep theirs.
    let international = text.strip_prefix("00").map(|rest| format!("+{rest}"));
    let region = region.filter(|_| !is_international);
    let number =
        phonenumber::parse(region, international.as_deref().unwrap_or(text)).map_err(|_| "not a phone number")?;
    // As the library's formatter does for this form, which first looks for the patterns of all others.
    let e164 = format!("+{}{}", number.country().code(), number.national());
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
            ("'+4915123456789", None),
            ("＋４９１５１２３４５６７８９", None),
        ] {
            assert_eq!(e164(text, region).as_deref(), Ok("+4915123456789"), "{text}");
        }
    }

    #[test]
    fn what_is_taken_as_it_stands_is_what_parsing_gives() {
        let mut taken = 0;
        // Odd factors give numbers of all codes and lengths in no order.
        for at in 0..400_u64 {
            let len = 7 + at % 9;
            let digits = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 4;
            let text = format!("+{:0>1$}", digits % 10_u64.pow(u32::try_from(len).unwrap()), 7);
            if is_e164(&text) {
                taken += 1;
                assert_eq!(e164(&text, None).as_ref(), Ok(&text));
            }
        }
        assert!(taken > 100, "{taken} of 400");
        for text in ["+4901713920055", "+999123456789", "+0491713920055", "+49171 3920055", "491713920055", "+123456"] {
            assert!(!is_e164(text), "{text}");
        }
    }

    #[test]
    fn the_own_country_changes_nothing_about_numbers_of_others() {
        for text in ["+390612345678", "00390612345678", "+74951234567", "+14155550123", "+8613812345678"] {
            let expected = format!("+{}", text.trim_start_matches(['+', '0']));
            for region in [None, Some("DE"), Some("US"), Some("RU"), Some("IT")] {
                assert_eq!(e164(text, region).as_ref(), Ok(&expected), "{text} in {region:?}");
            }
        }
    }

    #[test]
    fn what_is_no_number_says_why() {
        assert!(e164("01512 3456789", None).unwrap_err().contains("default_region"));
        assert!(e164("4.91512E+12", None).unwrap_err().contains("spreadsheet"));
        assert!(e164("4,91512E+12", Some("DE")).unwrap_err().contains("spreadsheet"));
        assert!(e164("2026-12-01", Some("DE")).unwrap_err().contains("a date"));
        for text in ["4915123456789.0", "15123456789,00"] {
            assert!(e164(text, Some("DE")).unwrap_err().contains("decimal point"), "{text}");
        }
        assert_eq!(e164("#N/A", None), Err("not a phone number"));
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
