//! Phone numbers in the one form that LiveDesk takes: `+` and digits (E.164).
//!
//! An international number keeps its digits: the numbering plans only judge it. Plans rewrite national numbers alone,
//! by the steps of Google's libphonenumber. (`phonenumber::parse` takes trunk prefixes off international numbers as
//! well, so `+7 812 ...` would leave as somebody else's; only its metadata is used.)

mod notation;
mod numbering_plan;

use phonenumber::Metadata;
use phonenumber::metadata::DATABASE;

use self::notation::{Notation, cleaned};
use self::numbering_plan::{international_digits, is_known, lost_sign, matches};

/// A phone number in international form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    /// `+` and 7 to 15 digits.
    pub e164: String,
    /// Whether the numbering plans doubt it. They age, so this alone does not make a number wrong.
    pub doubtful: bool,
    /// Whether it was written without its country.
    pub is_completed: bool,
}

impl Phone {
    /// Why a number that was written without its country may be one of another country.
    pub fn suspicion(&self, text: &str, region: &str) -> Option<&'static str> {
        let plan = DATABASE.by_id(region).filter(|_| self.is_completed && !self.doubtful)?;
        let digits = Notation::of(text).ok()?.digits;
        let code = plan.country_code().to_string();
        let own = self.e164.strip_prefix('+')?.strip_prefix(&code)?;
        if plan.descriptors().mobile().is_some_and(|mobile| matches(mobile, own)) {
            return None;
        }
        let lacks_zero = plan.national_prefix() == Some("0") && !digits.starts_with('0') && !digits.starts_with(&code);
        if lacks_zero && is_known(&digits) {
            Some("may be an international number without its `+`")
        } else {
            Some("is not a mobile number there")
        }
    }
}

/// What is wrong with a national number where no country is known.
pub const NO_COUNTRY: &str = "no country code: begin it with `+`, or set `recipients.default_region`";

/// Whether this is the code of a country that has a numbering plan: two capital letters.
pub fn is_region(code: &str) -> bool {
    DATABASE.by_id(code).is_some()
}

/// Whether numbers of two countries begin with the same country code, as those of `US` and `CA` do.
pub fn share_a_code(one: &str, other: &str) -> bool {
    let code = |region| DATABASE.by_id(region).map(Metadata::country_code);
    code(one) == code(other)
}

/// Brings a number into international form. `region` is the country of numbers that are written without one.
///
/// # Errors
/// What is wrong with the text, without repeating it.
pub fn normalise(text: &str, region: Option<&str>) -> Result<Phone, &'static str> {
    let notation = Notation::of(text)?;
    let digits = international_digits(&notation, region)?;
    let doubtful = !is_known(&digits);
    let is_completed = !notation.has_country(region);
    let phone = Phone { e164: format!("+{digits}"), doubtful, is_completed };
    if !doubtful {
        return Ok(phone);
    }
    let text = cleaned(text);
    lost_sign(&text, region).map_or(Ok(phone), Err)
}

/// The international form alone: whether the plans know the number takes longer than all the rest.
pub(super) fn e164(text: &str, region: Option<&str>) -> Result<String, &'static str> {
    Ok(format!("+{}", international_digits(&Notation::of(text)?, region)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::numbering_plan::TRUNK_PREFIX;
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
    fn an_international_number_keeps_its_digits() {
        for (text, digits) in [
            ("+78121234567", "+78121234567"),
            ("+1415-555-2671", "+14155552671"),
            ("+9198765-43210", "+919876543210"),
            ("+49\u{a0}1512\u{2009}3456789", "+4915123456789"),
            ("(+49) 1512 3456789", "+4915123456789"),
            ("tel:+49-1512-3456789", "+4915123456789"),
            ("+٤٩١٥١٢٣٤٥٦٧٨٩", "+4915123456789"),
            ("+39 06 12345678", "+390612345678"),
        ] {
            for region in [None, Some("DE"), Some("RU"), Some("US")] {
                assert_eq!(e164(text, region).as_deref(), Ok(digits), "{text} in {region:?}");
            }
        }
    }

    #[test]
    fn a_zero_for_calls_inside_the_country_is_left_out_only_where_the_notation_says_so() {
        assert_eq!(e164("+49 (0) 1512 3456789", None).as_deref(), Ok("+4915123456789"));
        assert_eq!(e164("0049 (0)1512 3456789", None).as_deref(), Ok("+4915123456789"));
        assert_eq!(e164("+4901512 3456789", None), Err(TRUNK_PREFIX));
    }

    #[test]
    fn what_follows_a_number_is_refused() {
        for text in ["+49 1512 3456789 x12", "+4915123456789;ext=12", "+4915123456789 ext. 5", "+4915123456789#1"] {
            assert!(e164(text, None).is_err_and(|what| what.contains("extension")), "{text}");
        }
        for text in ["1-800-FLOWERS", "+4915123456789 Ada", "+4915123456789, +4915123456780"] {
            assert!(e164(text, Some("US")).is_err(), "{text}");
        }
    }

    #[test]
    fn the_examples_of_all_regions_are_what_another_implementation_says() {
        let examples = include_str!("../../../tests/phones/examples.csv");
        let (mut wrong, mut doubted) = (Vec::new(), 0);
        for line in ::csv::Reader::from_reader(examples.as_bytes()).records() {
            let line = line.unwrap();
            let (region, written, expected) = (&line[0], &line[1], &line[2]);
            let found = normalise(written, Some(region).filter(|region| !region.is_empty()));
            if found.as_ref().is_ok_and(|phone| phone.doubtful) {
                doubted += 1;
            }
            if found.as_ref().map(|phone| phone.e164.as_str()) != Ok(expected) {
                wrong.push(format!("{region} {written}: {found:?}, not {expected}"));
            }
        }
        // The second source is of another month, and a number is in the table in four notations.
        assert!(doubted < 40, "{doubted}");
        assert!(wrong.is_empty(), "{} of all:\n{}", wrong.len(), wrong.join("\n"));
    }

    proptest! {
        #[test]
        fn no_separator_changes_an_international_number(
            digits in "[1-9][0-9]{8,13}", cuts in prop::collection::vec((0..14_usize, "[ .\u{a0}\u{2009}-]"), 0..5),
        ) {
            let mut spaced = String::new();
            for (at, digit) in digits.chars().enumerate() {
                spaced.extend(cuts.iter().filter(|(cut, _)| *cut == at).map(|(_, separator)| separator.as_str()));
                spaced.push(digit);
            }
            let typed = format!("+{digits}");
            let plain = e164(&typed, None);
            prop_assert!(plain.is_err() || plain.as_ref() == Ok(&typed));
            // Separators may make a date or an amount of it, but never another number.
            let spaced = e164(&format!("+{spaced}"), Some("RU"));
            prop_assert!(spaced.is_err() || spaced == plain, "{:?} {:?}", spaced, plain);
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,40}", region in prop::sample::select(vec!["DE", "US", "AR", "BR", "SG"])) {
            let _ = normalise(&text, Some(region));
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
    fn a_completed_number_that_may_be_of_another_country_is_suspicious() {
        let suspicion =
            |text, region| normalise(text, Some(region)).ok().and_then(|phone| phone.suspicion(text, region));
        // Mobile numbers of Austria and Switzerland, read as German ones.
        for text in ["0664 1234567", "079 123 45 67"] {
            assert_eq!(suspicion(text, "DE"), Some("is not a mobile number there"), "{text}");
        }
        assert_eq!(suspicion("447911123456", "DE"), Some("may be an international number without its `+`"));
        for (text, region) in [
            ("0151 23456789", "DE"),
            ("4915123456789", "DE"),
            ("15123456789", "DE"),
            ("0664 1234567", "AT"),
            ("079 123 45 67", "CH"),
            ("(312) 555-1003", "US"),
            ("+43 1 5880", "DE"),
            ("0043 1 588010", "DE"),
        ] {
            assert_eq!(suspicion(text, region), None, "{text}");
        }
    }

    #[test]
    fn a_number_that_only_the_plans_doubt_is_kept_and_marked() {
        let documented_sample = normalise("+123456789", None).unwrap();
        assert_eq!(documented_sample, Phone { e164: "+123456789".to_owned(), doubtful: true, is_completed: false });
        assert!(!normalise("+4915123456789", None).unwrap().doubtful);
    }
}
