//! What the numbering plans of the countries make of a number's digits.

use phonenumber::Metadata;
use phonenumber::metadata::{DATABASE, Descriptor};

use super::NO_COUNTRY;
use super::notation::{Notation, after_international_prefix};

const TOO_SHORT: &str = "too short for a phone number";
const TOO_LONG: &str = "too long for a phone number";
const ZEROS: &str = "begins with more zeros than an international number";
pub(super) const TRUNK_PREFIX: &str = "has a national prefix (such as 0) after the country code: remove it";

pub(super) fn international_digits(number: &Notation, region: Option<&str>) -> Result<String, &'static str> {
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
pub(super) fn matches(of: &Descriptor, own: &str) -> bool {
    let lengths = of.possible_length();
    (lengths.is_empty() || lengths.iter().any(|length| usize::from(*length) == own.len()))
        && of.national_number().find(own).is_some_and(|found| found.start() == 0 && found.end() == own.len())
}

/// Whether a numbering plan has this international number.
pub(super) fn is_known(digits: &str) -> bool {
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

/// What a number without a sign lost in a spreadsheet, which keeps neither a `+` nor a leading zero: reported only where
/// the number is in a numbering plan with it.
pub(super) fn lost_sign(text: &str, region: Option<&str>) -> Option<&'static str> {
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
