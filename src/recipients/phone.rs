//! Phone numbers in the one form that LiveDesk takes: `+` and digits (E.164).

use phonenumber::{Mode, country};

use super::is_invisible;

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
    let text: String = text.chars().filter(|c| *c == ' ' || !is_invisible(*c)).map(halfwidth).collect();
    let text = text.trim();
    if text.is_empty() {
        return Err("empty");
    }
    if looks_like_a_float(text) {
        return Err("a number that a spreadsheet has rounded (`E+`): format the column as text and export again");
    }
    let region: Option<country::Id> = region.and_then(|region| region.parse().ok());
    if region.is_none() && !text.starts_with('+') && !text.starts_with("00") && !text.starts_with("tel:") {
        return Err("written without a country: begin it with `+`, or set `recipients.default_region`");
    }
    // The library knows no dialling prefix without a country; `00` is the one that people use.
    let international = text.strip_prefix("00").map(|rest| format!("+{rest}"));
    let parsed =
        phonenumber::parse(region, international.as_deref().unwrap_or(text)).map_err(|_| "not a phone number")?;
    let e164 = parsed.format().mode(Mode::E164).to_string();
    let digits = e164.strip_prefix('+').unwrap_or_default();
    if !(7..=15).contains(&digits.len()) || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("too short or too long for a phone number");
    }
    Ok(Phone { doubtful: !parsed.is_valid(), e164 })
}

/// Full-width digits and signs, as East Asian keyboards type them.
fn halfwidth(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

/// `4.91512E+12`: what Excel makes of a number that is wider than its column.
fn looks_like_a_float(text: &str) -> bool {
    text.contains(['e', 'E']) && text.parse::<f64>().is_ok()
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
        for text in ["", "  ", "+", "nobody", "+1 23", "+49 1512 3456789 and +49 1512 3456780"] {
            assert!(e164(text, Some("DE")).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_that_only_the_plans_doubt_is_kept_and_marked() {
        let documented_sample = normalise("+123456789", None).unwrap();
        assert_eq!(documented_sample, Phone { e164: "+123456789".to_owned(), doubtful: true });
        assert!(!normalise("+4915123456789", None).unwrap().doubtful);
    }
}
