//! How a cell shows its number: as it is, as a date, a time of day, both, or a duration.
//!
//! A workbook keeps dates as days since 1900 (or 1904), and only the format says that a number is one.

use std::fmt::Write;

use jiff::ToSpan;
use jiff::civil::{Date, date};

/// The day after 31 December 9999, the last one that Excel knows, in days since 1900.
const END: f64 = 2_958_466.0;

/// Days between Excel's two ways of counting.
const FROM_1904: f64 = 1_462.0;

/// Excel takes 1900 for a leap year, as its forerunner did: this day never was.
const NEVER_WAS: i32 = 60;

const SECONDS: f64 = 86_400.0;

/// What a number is shown as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum NumberFormat {
    /// A number: also amounts of money and per cent.
    #[default]
    Number,
    /// A day: `2026-11-02`.
    Date,
    /// A day with the time: `2026-11-02T09:30:00`.
    DateTime,
    /// A time of day: `09:30:00`.
    Time,
    /// Hours, minutes and seconds, as many as there are: `26:30:00`.
    Duration,
}

/// Excel's own formats, which a workbook names by their numbers alone.
pub(super) const fn builtin(id: u32) -> NumberFormat {
    match id {
        14..=17 | 27..=31 | 34..=36 | 50..=54 | 57 | 58 => NumberFormat::Date,
        18..=21 | 32 | 33 | 45 | 47 | 55 | 56 => NumberFormat::Time,
        22 => NumberFormat::DateTime,
        46 => NumberFormat::Duration,
        _ => NumberFormat::Number,
    }
}

impl NumberFormat {
    /// What a format's code says, such as `dd.mm.yyyy`, `h:mm AM/PM`, `[h]:mm:ss` or `#,##0.00`. Its first section is for
    /// positive numbers.
    pub(super) fn of(code: &str) -> Self {
        let (mut day, mut month_or_minute, mut time) = (false, false, false);
        let mut letters = code.chars();
        if code.eq_ignore_ascii_case("general") {
            return Self::Number;
        }
        while let Some(letter) = letters.next() {
            match letter.to_ascii_lowercase() {
                ';' => break,
                '"' => _ = letters.by_ref().find(|c| *c == '"'),
                '\\' | '_' | '*' => _ = letters.next(),
                '[' => {
                    let inside: String = letters.by_ref().take_while(|c| *c != ']').collect();
                    let is_elapsed = |letter| inside.chars().all(|c| c.eq_ignore_ascii_case(&letter));
                    if !inside.is_empty() && ['h', 'm', 's'].into_iter().any(is_elapsed) {
                        return Self::Duration;
                    }
                }
                'a' if letters.as_str().get(..4).is_some_and(|next| next.eq_ignore_ascii_case("m/pm")) => {
                    time = true;
                    _ = letters.by_ref().nth(3);
                }
                'a' if letters.as_str().get(..2).is_some_and(|next| next.eq_ignore_ascii_case("/p")) => {
                    time = true;
                    _ = letters.by_ref().nth(1);
                }
                'd' | 'y' => day = true,
                'h' | 's' => time = true,
                'm' => month_or_minute = true,
                _ => {}
            }
        }
        match (day, time) {
            (true, true) => Self::DateTime,
            (true, false) => Self::Date,
            (false, true) => Self::Time,
            (false, false) if month_or_minute => Self::Date,
            (false, false) => Self::Number,
        }
    }

    /// The number as it is shown, in the forms of ISO 8601; `None` if it is none that can be shown so, or if it is shown as
    /// the number that it is.
    pub(super) fn show(self, number: f64, since_1904: bool) -> Option<String> {
        if !number.is_finite() || number.abs() >= END {
            return None;
        }
        let seconds = (number.abs() * SECONDS).round();
        if self == Self::Duration {
            let sign = if number < 0.0 && seconds > 0.0 { "-" } else { "" };
            return Some(format!("{sign}{}", clock(seconds)));
        }
        if number < 0.0 {
            return None;
        }
        let days = (seconds / SECONDS).floor();
        let time = clock(seconds - days * SECONDS);
        match self {
            Self::Time => Some(time),
            // A day is shown as it is at its beginning: what is left of it is not rounded up to the next one.
            Self::Date => day(number.floor(), since_1904).map(|day| day.to_string()),
            Self::DateTime => day(days, since_1904).map(|day| format!("{day}T{time}")),
            Self::Number | Self::Duration => None,
        }
    }
}

/// `26:30:00`.
fn clock(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the seconds of 8,100 years")]
    let seconds = seconds as u64;
    let mut text = String::with_capacity(8);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    // Writing into a text cannot fail.
    _ = write!(text, "{hours:02}:{minutes:02}:{seconds:02}");
    text
}

fn day(number: f64, since_1904: bool) -> Option<Date> {
    let number = if since_1904 { number + FROM_1904 } else { number };
    #[expect(clippy::cast_possible_truncation, reason = "less than 3 million")]
    let number = number as i32;
    // Day 0 is what a formula gives for an empty cell.
    let before_1900 = match number {
        ..=0 | NEVER_WAS => return None,
        1..NEVER_WAS => date(1899, 12, 31),
        _ => date(1899, 12, 30),
    };
    before_1900.checked_add(number.days()).ok()
}

#[cfg(test)]
mod tests {
    use super::NumberFormat as Is;

    #[test]
    fn a_format_is_known_by_its_letters() {
        for (code, format) in [
            ("General", Is::Number),
            ("0.00E+00", Is::Number),
            ("#,##0.00\\ [$€-407]", Is::Number),
            ("0%", Is::Number),
            ("@", Is::Number),
            ("\"d\"0\" h\"", Is::Number),
            ("[Red]0_d;[h]", Is::Number),
            ("[$-409]d\\-mmm\\-yy;@", Is::Date),
            ("dd.mm.yyyy", Is::Date),
            ("mmm", Is::Date),
            ("yyyy\\-mm\\-dd\\Thh:mm:ss", Is::DateTime),
            ("m/d/yy h:mm", Is::DateTime),
            ("[$-F400]h:mm:ss\\ AM/PM", Is::Time),
            ("hh:mm", Is::Time),
            ("mm:ss.0", Is::Time),
            ("a/p h", Is::Time),
            ("[h]:mm", Is::Duration),
            ("[Blue][HH]:MM:SS", Is::Duration),
            ("[mm]", Is::Duration),
        ] {
            assert_eq!(Is::of(code), format, "{code}");
        }
    }

    #[test]
    fn a_number_comes_out_as_the_cell_shows_it() {
        for (format, number, shown) in [
            (Is::Time, 0.395_833_333_333_333_3, Some("09:30:00")),
            (Is::Time, 45_000.999_999_9, Some("00:00:00")),
            (Is::Duration, 1.104_166_666_666_666_7, Some("26:30:00")),
            (Is::Duration, -0.062_5, Some("-01:30:00")),
            (Is::Date, 46_328.0, Some("2026-11-02")),
            (Is::Date, 46_328.999_999, Some("2026-11-02")),
            (Is::DateTime, 46_328.395_833_333_336, Some("2026-11-02T09:30:00")),
            (Is::DateTime, 46_328.999_999_9, Some("2026-11-03T00:00:00")),
            (Is::Date, 1.0, Some("1900-01-01")),
            (Is::Date, 59.0, Some("1900-02-28")),
            (Is::Date, 60.0, None),
            (Is::Date, 61.0, Some("1900-03-01")),
            (Is::Date, 0.0, None),
            (Is::Date, -1.0, None),
            (Is::Date, 2_958_465.0, Some("9999-12-31")),
            (Is::DateTime, 2_958_466.0, None),
            (Is::Time, f64::NAN, None),
        ] {
            assert_eq!(format.show(number, false).as_deref(), shown, "{format:?} {number}");
        }
        assert_eq!(Is::Date.show(44_866.0, true).as_deref(), Some("2026-11-02"));
    }
}
