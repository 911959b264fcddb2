//! Phone numbers in the one form that LiveDesk takes: `+` and digits (E.164).
//!
//! An international number keeps its digits: the numbering plans only judge it. Plans rewrite national numbers alone,
//! by the steps of Google's libphonenumber. (`phonenumber::parse` takes trunk prefixes off international numbers as
//! well, so `+7 812 ...` would leave as somebody else's; only its metadata is used.)

use phonenumber::Metadata;
use phonenumber::metadata::{DATABASE, Descriptor};

use super::{is_invisible, spreadsheet_artifacts};

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

const TOO_SHORT: &str = "too short for a phone number";
const TOO_LONG: &str = "too long for a phone number";
const ZEROS: &str = "begins with more zeros than an international number";
const TRUNK_PREFIX: &str = "has a national prefix (such as 0) after the country code: remove it";

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

/// A number as it was written.
#[derive(Debug)]
struct Notation {
    digits: String,
    /// It begins with `+`.
    is_international: bool,
    /// Where a `(0)` is: a zero that is dialled inside the country only, except where it is part of the number.
    optional_zero: Option<usize>,
}

impl Notation {
    /// Whether it begins with what stands before a country's code.
    fn has_country(&self, region: Option<&str>) -> bool {
        let dialled = |region| after_international_prefix(DATABASE.by_id(region)?, &self.digits);
        self.is_international || self.digits.starts_with("00") || region.and_then(dialled).is_some()
    }

    fn of(text: &str) -> Result<Self, &'static str> {
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
fn cleaned(text: &str) -> String {
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

fn international_digits(number: &Notation, region: Option<&str>) -> Result<String, &'static str> {
    let digits = number.digits.as_str();
    if number.is_international {
        return international(digits, number.optional_zero);
    }
    let plan = region.and_then(|region| DATABASE.by_id(region));
    if let Some(rest) = digits.strip_prefix("00") {
        // `00` is what people write for `+`. Some countries dial more digits than that, such as Australia's `0011`.
        let dialled = plan.and_then(|plan| after_international_prefix(plan, digits));
        return match dialled {
            Some(other) if other != rest && is_known(other) && !is_known(rest) => international(other, None),
            Some(other) if other != rest && is_known(other) => {
                Err("begins like two international numbers: write `+` and the country code")
            }
            _ => international(rest, number.optional_zero.and_then(|at| at.checked_sub(2))),
        };
    }
    match plan {
        Some(plan) => national(digits, plan).map_err(|what| lost_sign(digits, region).unwrap_or(what)),
        None => Err(lost_sign(digits, None).unwrap_or(NO_COUNTRY)),
    }
}

/// The digits of an international number: as they are, or what is wrong with them.
fn international(digits: &str, optional_zero: Option<usize>) -> Result<String, &'static str> {
    if let Some(at) = optional_zero {
        let without = format!("{}{}", &digits[..at], &digits[at + 1..]);
        return match (is_known(digits), is_known(&without)) {
            (false, true) => Ok(without),
            (true, false) => Ok(digits.to_owned()),
            _ => Err("`(0)` is ambiguous: write the number as it is dialled from abroad"),
        };
    }
    match digits.len() {
        _ if digits.starts_with('0') => return Err(ZEROS),
        ..7 => return Err(TOO_SHORT),
        16.. => return Err(TOO_LONG),
        _ => {}
    }
    let Some((code, plans)) = plans(digits) else { return Err("unknown country code") };
    let own = &digits[code..];
    let without_prefix = |plan: &&Metadata| own.strip_prefix(plan.national_prefix()?);
    // Most numbers do not begin with one, and asking the plans takes long.
    for rest in plans.iter().filter_map(without_prefix) {
        if !is_known(digits) && is_known(&format!("{}{rest}", &digits[..code])) {
            return Err(TRUNK_PREFIX);
        }
    }
    Ok(digits.to_owned())
}

/// The international digits of a number that is written as people of one country do.
fn national(digits: &str, plan: &Metadata) -> Result<String, &'static str> {
    if let Some(rest) = after_international_prefix(plan, digits) {
        return international(rest, None);
    }
    let code = plan.country_code().to_string();
    let general = plan.descriptors().general();
    // Written with the country's code and without `+`.
    if let Some(rest) = digits.strip_prefix(&code) {
        let own = without_national_prefix(rest, plan);
        let is_too_long = general.possible_length().last().is_some_and(|most| digits.len() > usize::from(*most));
        let with_code = format!("{code}{own}");
        // Where national numbers begin with a zero, one without it is more likely to have its country's code: Germany
        // has subscribers for which `4915123456789` is a national number, but nobody writes it so.
        let lacks_zero = plan.national_prefix() == Some("0");
        if !matches(general, digits) && matches(general, &own) || is_too_long || lacks_zero && is_known(&with_code) {
            return international(&with_code, None);
        }
    }
    let own = without_national_prefix(digits, plan);
    let lengths = [general.possible_length(), general.possible_local_length()];
    let longest = lengths.into_iter().flatten().max().copied().unwrap_or(15);
    let shortest = lengths.into_iter().flatten().min().copied().unwrap_or(4);
    let digits = format!("{code}{own}");
    if own.len() < usize::from(shortest) || digits.len() < 7 {
        Err(TOO_SHORT)
    } else if own.len() > usize::from(longest) || digits.len() > 15 {
        Err(TOO_LONG)
    } else {
        Ok(digits)
    }
}

fn after_international_prefix<'a>(plan: &Metadata, digits: &'a str) -> Option<&'a str> {
    let found = plan.international_prefix()?.find(digits).filter(|found| found.start() == 0)?;
    let rest = &digits[found.end()..];
    (!rest.is_empty() && !rest.starts_with('0')).then_some(rest)
}

/// A national number without its trunk prefix and without a carrier's code.
fn without_national_prefix(digits: &str, plan: &Metadata) -> String {
    let general = plan.descriptors().general();
    let stripped = || {
        let Some(pattern) = plan.national_prefix_for_parsing() else {
            return digits.strip_prefix(plan.national_prefix()?).map(str::to_owned);
        };
        let groups = pattern.captures(digits)?;
        let whole = groups.get(0).filter(|found| found.start() == 0)?;
        let rest = &digits[whole.end()..];
        let last = (groups.len() > 1).then(|| groups.get(groups.len() - 1)).flatten();
        match plan.national_prefix_transform_rule() {
            Some(rule) if last.is_some() => {
                let mut own = String::new();
                groups.expand(&braced(rule), &mut own);
                Some(own + rest)
            }
            _ => Some(rest.to_owned()),
        }
    };
    let Some(own) = stripped() else { return digits.to_owned() };
    let too_short = general.possible_length().first().is_some_and(|least| own.len() < usize::from(*least));
    if too_short || matches(general, digits) && !matches(general, &own) { digits.to_owned() } else { own }
}

/// `9$1` as `9${1}`: what follows a group's number is no part of it.
fn braced(rule: &str) -> String {
    let mut braced = String::with_capacity(rule.len() + 2);
    let mut chars = rule.chars().peekable();
    while let Some(c) = chars.next() {
        braced.push(c);
        if c == '$'
            && let Some(digit) = chars.next_if(char::is_ascii_digit)
        {
            braced.extend(['{', digit, '}']);
        }
    }
    braced
}

/// The numbering plans of the country code that a number begins with, and how long that is.
fn plans(digits: &str) -> Option<(usize, Vec<&'static Metadata>)> {
    // No code is the beginning of another.
    (1..=3).find_map(|len| Some((len, DATABASE.by_code(&digits.get(..len)?.parse::<u16>().ok()?)?)))
}

/// Whether all of a number is what a plan describes; the library's own check is content with its beginning.
fn matches(of: &Descriptor, own: &str) -> bool {
    let lengths = of.possible_length();
    (lengths.is_empty() || lengths.iter().any(|length| usize::from(*length) == own.len()))
        && of.national_number().find(own).is_some_and(|found| found.start() == 0 && found.end() == own.len())
}

/// Whether a numbering plan has this international number.
fn is_known(digits: &str) -> bool {
    let Some((code, plans)) = plans(digits) else { return false };
    let own = &digits[code..];
    plans.into_iter().any(|plan| {
        let types = plan.descriptors();
        let known = |of: Option<&Descriptor>| of.is_some_and(|of| matches(of, own));
        matches(types.general(), own)
            && [
                types.mobile(),
                types.fixed_line(),
                types.toll_free(),
                types.premium_rate(),
                types.shared_cost(),
                types.personal_number(),
                types.voip(),
                types.pager(),
                types.uan(),
                types.voicemail(),
            ]
            .into_iter()
            .any(known)
    })
}

/// What a number without a sign lost in a spreadsheet, which keeps neither a `+` nor a leading zero: told only where
/// the number is in a numbering plan with it.
fn lost_sign(text: &str, region: Option<&str>) -> Option<&'static str> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) || text.starts_with('0') {
        return None;
    }
    if is_known(text) {
        return Some(
            "looks like an international number that has lost its `+`: format the column as text and export it again, \
             or write `+` before the column in the template",
        );
    }
    let plan = DATABASE.by_id(region?)?;
    national(&format!("0{text}"), plan).is_ok_and(|digits| is_known(&digits)).then_some(
        "looks like a national number that has lost its leading zero: format the column as text and export it again, \
         or write `0` before the column in the template",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        let examples = include_str!("../../tests/phones/examples.csv");
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
