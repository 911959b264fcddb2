//! How long a server asks to wait.

use std::time::{Duration, SystemTime};

/// A longer wait than this is not believed: some clock or some digit is wrong.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait that a `Retry-After` header asks for: seconds, or a date, which is meant by the server's own clock (its `Date`
/// header) and by ours only without one.
pub(super) fn wait(retry_after: &str, date: Option<&str>, received: SystemTime) -> Option<Duration> {
    let text = retry_after.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => MAX_WAIT,
        Err(_) => {
            let until = httpdate::parse_http_date(text).ok()?;
            let now = date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(received);
            until.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_seconds_or_dates_by_the_servers_clock() {
        let seconds =
            |text| wait(text, Some("Sat, 21 Nov 2026 10:00:00 GMT"), SystemTime::now()).map(|wait| wait.as_secs());
        assert_eq!(seconds("7"), Some(7));
        assert_eq!(seconds("Sat, 21 Nov 2026 10:00:30 GMT"), Some(30));
        assert_eq!(seconds("Sat, 21 Nov 2026 09:00:00 GMT"), Some(0), "it is over");
        assert_eq!(seconds("99999999999"), Some(86_400));
        assert_eq!(seconds("99999999999999999999999"), Some(86_400), "more than any number");
        for text in ["soon", "", "-5", "0.5"] {
            assert_eq!(seconds(text), None, "{text:?}");
        }
    }
}
