//! Times for people: UTC, which means the same everywhere, with the local time beside it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time in UTC, with the local time of a zone where that is another one: `2026-11-25T08:00:00Z (Wed 25 Nov 09:00
/// Europe/Berlin)`.
pub fn with_local_time(at: Timestamp, zone: &TimeZone) -> String {
    match zone_name(zone) {
        "UTC" => format!("{at:.0}"),
        name => format!("{at:.0} ({} {name})", at.to_zoned(zone.clone()).strftime("%a %-d %b %H:%M")),
    }
}

/// The name of a zone. A machine that does not say where it is has UTC.
pub fn zone_name(zone: &TimeZone) -> &str {
    match zone.iana_name() {
        Some("UTC" | "Etc/UTC") => "UTC",
        Some(name) => name,
        None if zone.is_unknown() => "UTC",
        None => "local time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_time_is_beside_the_time_in_utc() {
        let at: Timestamp = "2026-11-25T23:30:00.4Z".parse().unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(with_local_time(at, &berlin), "2026-11-25T23:30:00Z (Thu 26 Nov 00:30 Europe/Berlin)");
        for utc in [TimeZone::UTC, TimeZone::unknown(), TimeZone::get("Etc/UTC").unwrap()] {
            assert_eq!(with_local_time(at, &utc), "2026-11-25T23:30:00Z");
        }
    }
}
