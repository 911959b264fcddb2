//! Numbers, durations, sizes and texts as people read them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// `1 problem`, `2 problems`, `1,000 deliveries`.
pub fn counted(count: u64, thing: &str) -> String {
    let number = grouped(count);
    match thing.strip_suffix('y') {
        _ if count == 1 => format!("{number} {thing}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{number} {stem}ies"),
        _ => format!("{number} {thing}s"),
    }
}

/// A number as people read it: `1,000,000`.
pub fn grouped(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

/// A duration as people say it: the two largest units.
pub fn duration(duration: Duration) -> impl fmt::Display {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds < 1 => "less than a second".to_owned(),
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Bytes as people say them.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        2..1_000 | 0 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes / 100 % 10),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

/// The text, or its first `most` characters and an ellipsis.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Whether a character changes the direction of the text around it, which can make it read as another text.
pub const fn changes_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_counted() {
        let said =
            [(0, "problem"), (1, "delivery"), (2_000, "delivery"), (2, "key")].map(|(n, thing)| counted(n, thing));
        assert_eq!(said, ["0 problems", "1 delivery", "2,000 deliveries", "2 keys"]);
    }

    #[test]
    fn durations_are_said_in_two_units() {
        let said = |seconds| duration(Duration::from_secs(seconds)).to_string();
        assert_eq!(said(0), "less than a second");
        assert_eq!(said(59), "59 s");
        assert_eq!(said(61), "1 min 1 s");
        assert_eq!(said(3_720), "1 h 2 min");
        assert_eq!(said(90_000), "1 d 1 h");
    }

    #[test]
    fn bytes_are_said_in_round_numbers() {
        let said = [0, 1, 999, 1_000, 1_550, 999_999, 1_000_000, 40 << 20].map(bytes);
        assert_eq!(said, ["0 bytes", "1 byte", "999 bytes", "1.0 kB", "1.5 kB", "999.9 kB", "1.0 MB", "41.9 MB"]);
    }
}
