//! What spreadsheets do to numbers that were none.

/// Names of months as spreadsheets shorten them, in English and German.
const MONTHS: [&str; 17] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", // English
    "mrz", "mär", "mai", "okt", "dez", // where German differs
];

/// `4.91512E+12`, `4,91512E+12`: what Excel makes of a number that is wider than its column. The digits that it left
/// out are lost.
pub fn looks_rounded(text: &str) -> bool {
    if !text.contains('+') {
        return false;
    }
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.trim().trim_start_matches(['+', '-']);
    let Some((number, exponent)) = text.split_once(['E', 'e']) else { return false };
    let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    whole.len() == 1 && all_digits(whole) && all_digits(fraction) && exponent.strip_prefix('+').is_some_and(all_digits)
}

/// `4915123456789.0`: what programs make of a number in a column that has gaps. A phone number with a point before its
/// last one or two zeros would be that of somebody else.
pub fn is_an_amount(text: &str) -> bool {
    let Some((whole, fraction)) = text.trim().split_once(['.', ',']) else { return false };
    let whole = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    whole.len() > 4 && whole.bytes().all(|byte| byte.is_ascii_digit()) && matches!(fraction, "0" | "00")
}

/// `2026-12-01`, `01.12.2026`, `12/1/26`, `Dec-05`, `5. Dez`: what Excel makes of `5-12` and other ids.
pub fn looks_like_a_date(text: &str) -> bool {
    let text = text.trim();
    // Most ids are nothing but digits.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let date = text.split_once(['T', ' ']).filter(|(_, time)| is_a_time(time)).map_or(text, |(date, _)| date);
    let separated = ['-', '.', '/'].into_iter().any(|separator| in_digits(date, separator));
    separated || with_a_month(&date.to_lowercase())
}

fn is_a_time(text: &str) -> bool {
    text.contains(':') && text.bytes().all(|byte| byte.is_ascii_digit() || b":.Z".contains(&byte))
}

/// Year, month and day, or day, month and year, in digits.
fn in_digits(text: &str, separator: char) -> bool {
    let parts: Vec<&str> = text.split(separator).collect();
    let number = |part: &str| part.parse::<u16>().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()));
    let day = |part: &str| part.len() <= 2 && number(part).is_some_and(|day| (1..=31).contains(&day));
    let long_year = |part: &str| part.len() == 4 && number(part).is_some_and(|year| (1900..2200).contains(&year));
    let year = |part: &str| long_year(part) || part.len() == 2 && number(part).is_some();
    match parts.as_slice() {
        [first, month, last] => {
            let turned = long_year(first) && day(last);
            let usual = day(first) && if separator == '/' { year(last) } else { long_year(last) };
            day(month) && (turned || usual)
        }
        _ => false,
    }
}

/// A month by its name with one or two numbers, `Dec-05` or `5. Dez 26`.
fn with_a_month(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', '.', ' ']).filter(|part| !part.is_empty()).collect();
    let is_month = |part: &&&str| MONTHS.contains(*part);
    let is_number = |part: &&&str| matches!(part.len(), 1 | 2 | 4) && part.bytes().all(|byte| byte.is_ascii_digit());
    let months = parts.iter().filter(is_month).count();
    let numbers = parts.iter().filter(is_number).count();
    months == 1 && (1..=2).contains(&numbers) && months + numbers == parts.len()
}

#[cfg(test)]
mod tests {
    use super::{looks_like_a_date, looks_rounded};

    #[test]
    fn a_rounded_number_is_known_by_its_exponent() {
        for text in ["4.91512E+12", "4,91512E+12", "5E+15", "-1.0e+10", " 4.9E+12 "] {
            assert!(looks_rounded(text), "{text}");
        }
        for text in ["", "E+", "12E5", "1e5", "49151", "AE+12", "4.9E", "4.E+1", "1.2.3E+4", "12.5E+3"] {
            assert!(!looks_rounded(text), "{text}");
        }
    }

    #[test]
    fn a_date_is_known_by_its_form() {
        for text in
            ["2026-12-01", "2026-12-01T00:00:00", "2026-12-01 09:30", "01.12.2026", "1/12/26", "12/31/2026", "Dec-05"]
        {
            assert!(looks_like_a_date(text), "{text}");
        }
        for text in ["05. Dez", "5-Dec-26", "Mär 26", "01-12-2026"] {
            assert!(looks_like_a_date(text), "{text}");
        }
        for text in
            ["", "101", "A-7", "1-2-3", "01.12.20.26", "030.12.2026", "2026", "May", "Dec-Jan", "12.05", "1.2.34"]
        {
            assert!(!looks_like_a_date(text), "{text}");
        }
    }
}
