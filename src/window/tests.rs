use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(from: &str, to: &str) -> Window {
    Window::new(from.parse().unwrap(), to.parse().unwrap(), Days::ALL)
}

fn on(window: Window, days: &[Weekday]) -> Window {
    Window { days: days.iter().copied().collect(), ..window }
}

fn in_zone(name: &str) -> TimeZone {
    zone(name).unwrap()
}

/// When it opens and closes next, from a moment at which it is closed.
fn next(window: Window, zone: &TimeZone, now: &str) -> (String, String) {
    let Status::Closed { opens } = window.at(at(now), zone) else { panic!("open at {now}") };
    let Status::Open { closes } = window.at(opens, zone) else { panic!("closed when it opens, at {opens}") };
    (opens.to_string(), closes.to_string())
}

fn pair(opens: &str, closes: &str) -> (String, String) {
    (opens.to_owned(), closes.to_owned())
}

#[test]
fn the_same_hours_are_other_moments_in_winter_and_in_summer() {
    let (window, berlin) = (window("09:00", "20:00"), in_zone("Europe/Berlin"));
    let winter = pair("2026-01-05T08:00:00Z", "2026-01-05T19:00:00Z");
    assert_eq!(next(window, &berlin, "2026-01-04T20:00:00Z"), winter);
    let summer = pair("2026-07-01T07:00:00Z", "2026-07-01T18:00:00Z");
    assert_eq!(next(window, &berlin, "2026-06-30T20:00:00Z"), summer);
    let new_york = in_zone("America/New_York");
    let other = pair("2026-07-01T13:00:00Z", "2026-07-02T00:00:00Z");
    assert_eq!(next(window, &new_york, "2026-07-01T12:00:00Z"), other);
}

#[test]
fn the_first_moment_belongs_to_a_window_and_the_last_does_not() {
    let (window, utc) = (window("09:00", "20:00"), in_zone("UTC"));
    assert_eq!(window.opens_next(at("2026-01-05T09:00:00Z"), &utc), at("2026-01-05T09:00:00Z"));
    assert_eq!(window.opens_next(at("2026-01-05T19:59:59Z"), &utc), at("2026-01-05T19:59:59Z"));
    assert_eq!(window.opens_next(at("2026-01-05T20:00:00Z"), &utc), at("2026-01-06T09:00:00Z"));
}

#[test]
fn a_beginning_that_the_clock_skips_is_the_first_moment_after() {
    let window = window("02:30", "08:00");
    let berlin = pair("2026-03-29T01:00:00Z", "2026-03-29T06:00:00Z");
    assert_eq!(next(window, &in_zone("Europe/Berlin"), "2026-03-28T20:00:00Z"), berlin);
    let new_york = pair("2026-03-08T07:00:00Z", "2026-03-08T12:00:00Z");
    assert_eq!(next(window, &in_zone("America/New_York"), "2026-03-07T20:00:00Z"), new_york);
}

#[test]
fn an_end_that_the_clock_skips_is_the_first_moment_after() {
    let expected = pair("2026-03-28T21:00:00Z", "2026-03-29T01:00:00Z");
    assert_eq!(next(window("22:00", "02:30"), &in_zone("Europe/Berlin"), "2026-03-28T20:00:00Z"), expected);
}

#[test]
fn a_window_that_the_clock_skips_opens_the_day_after() {
    let expected = pair("2026-03-30T00:10:00Z", "2026-03-30T00:50:00Z");
    assert_eq!(next(window("02:10", "02:50"), &in_zone("Europe/Berlin"), "2026-03-28T20:00:00Z"), expected);
    let only_sunday = on(window("02:10", "02:50"), &[Weekday::Sunday]);
    let a_week_later = pair("2026-04-05T00:10:00Z", "2026-04-05T00:50:00Z");
    assert_eq!(next(only_sunday, &in_zone("Europe/Berlin"), "2026-03-28T20:00:00Z"), a_week_later);
}

#[test]
fn of_hours_that_come_twice_the_first_opens_and_the_last_closes() {
    let berlin = in_zone("Europe/Berlin");
    let from_twice = pair("2026-10-25T00:30:00Z", "2026-10-25T07:00:00Z");
    assert_eq!(next(window("02:30", "08:00"), &berlin, "2026-10-24T20:00:00Z"), from_twice);
    let to_twice = pair("2026-10-24T20:00:00Z", "2026-10-25T01:30:00Z");
    assert_eq!(next(window("22:00", "02:30"), &berlin, "2026-10-24T19:00:00Z"), to_twice);
    let both = pair("2026-11-01T05:15:00Z", "2026-11-01T06:45:00Z");
    assert_eq!(next(window("01:15", "01:45"), &in_zone("America/New_York"), "2026-10-31T20:00:00Z"), both);
}

#[test]
fn a_clock_may_be_changed_by_half_an_hour() {
    let lord_howe = in_zone("Australia/Lord_Howe");
    let skipped = pair("2026-10-03T15:30:00Z", "2026-10-03T17:00:00Z");
    assert_eq!(next(window("02:10", "04:00"), &lord_howe, "2026-10-03T12:00:00Z"), skipped);
    let twice = pair("2026-04-04T14:45:00Z", "2026-04-04T17:30:00Z");
    assert_eq!(next(window("01:45", "04:00"), &lord_howe, "2026-04-04T12:00:00Z"), twice);
}

#[test]
fn a_zone_may_differ_by_three_quarters_of_an_hour() {
    let expected = pair("2026-05-01T03:15:00Z", "2026-05-01T14:15:00Z");
    assert_eq!(next(window("09:00", "20:00"), &in_zone("Asia/Kathmandu"), "2026-05-01T00:00:00Z"), expected);
}

#[test]
fn a_day_that_a_zone_skips_has_no_window() {
    let apia = in_zone("Pacific/Apia");
    // On Thursday, 29 December 2011, midnight led to Saturday.
    let saturday = pair("2011-12-30T19:00:00Z", "2011-12-31T06:00:00Z");
    assert_eq!(next(window("09:00", "20:00"), &apia, "2011-12-30T06:30:00Z"), saturday);
    let fridays = on(window("09:00", "20:00"), &[Weekday::Friday]);
    let in_january = pair("2012-01-05T19:00:00Z", "2012-01-06T06:00:00Z");
    assert_eq!(next(fridays, &apia, "2011-12-25T00:00:00Z"), in_january);
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_opens() {
    let (nights, utc) = (on(window("22:00", "06:00"), &[Weekday::Friday]), in_zone("UTC"));
    let friday = pair("2026-01-09T22:00:00Z", "2026-01-10T06:00:00Z");
    assert_eq!(next(nights, &utc, "2026-01-09T03:00:00Z"), friday);
    assert_eq!(nights.opens_next(at("2026-01-10T05:00:00Z"), &utc), at("2026-01-10T05:00:00Z"));
}

#[test]
fn a_window_opens_on_its_days_only() {
    let working_days = [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
    let window = on(window("09:00", "20:00"), &working_days);
    let monday = pair("2026-01-12T09:00:00Z", "2026-01-12T20:00:00Z");
    assert_eq!(next(window, &in_zone("UTC"), "2026-01-09T20:00:00Z"), monday);
}

#[test]
fn whole_days_follow_each_other_without_a_break() {
    let weekend = on(window("00:00", "00:00"), &[Weekday::Saturday, Weekday::Sunday]);
    let expected = pair("2026-10-23T22:00:00Z", "2026-10-25T23:00:00Z");
    assert_eq!(next(weekend, &in_zone("Europe/Berlin"), "2026-10-21T00:00:00Z"), expected);
}

#[test]
fn zones_are_known_by_their_names_alone() {
    assert_eq!(zone("europe/berlin").unwrap().iana_name(), Some("Europe/Berlin"));
    for name in ["", "Berlin", "+02:00", "CET-1CEST", "Etc/Unknown", "Europe/Berlin ", "../Europe/Berlin"] {
        assert!(zone(name).is_none(), "{name:?}");
    }
}

#[test]
fn a_window_is_shown_as_it_is_written() {
    assert_eq!(window("09:00", "20:00").to_string(), "09:00 to 20:00");
    let window = on(window("22:00:30", "00:00"), &[Weekday::Sunday, Weekday::Monday]);
    assert_eq!(window.to_string(), "22:00:30 to 24:00 on mon, sun");
}

fn some_time() -> impl Strategy<Value = Time> {
    (0..24_i8, 0..60_i8, 0..60_i8).prop_map(|(hour, minute, second)| Time::constant(hour, minute, second, 0))
}

fn some_window() -> impl Strategy<Value = Window> {
    let days = proptest::collection::vec(0..7_i8, 1..8);
    (some_time(), some_time(), days).prop_map(|(from, to, days)| {
        let days = days.into_iter().map(|day| Weekday::from_monday_zero_offset(day).unwrap()).collect();
        Window::new(from, to, days)
    })
}

fn some_zone() -> impl Strategy<Value = TimeZone> {
    proptest::sample::select(zone_names()).prop_map(|name| zone(&name).unwrap())
}

/// From 1990 to 2060.
fn some_moment() -> impl Strategy<Value = Timestamp> {
    (631_152_000_i64..2_840_140_800).prop_map(|second| Timestamp::from_second(second).unwrap())
}

/// Whether the clock on the wall shows a time within the window. It knows nothing of changes of the clock, so it is asked
/// only far from them.
fn by_the_wall(window: Window, moment: Timestamp, zone: &TimeZone) -> bool {
    let local = zone.to_datetime(moment);
    let (time, today) = (local.time(), local.weekday());
    if window.to > window.from {
        return window.days.contains(today) && window.from <= time && time < window.to;
    }
    (window.days.contains(today) && window.from <= time)
        || (window.days.contains(today.wrapping_sub(1)) && time < window.to)
}

/// Whether the zone's clock is changed within two days of a moment.
fn is_near_a_change(zone: &TimeZone, moment: Timestamp) -> bool {
    let two_days = SignedDuration::from_hours(48);
    zone.following(moment - two_days).next().is_some_and(|change| change.timestamp() < moment + two_days)
}

proptest! {
    #[test]
    fn the_next_opening_is_open_and_nothing_before_it_is(
        window in some_window(), zone in some_zone(), now in some_moment()
    ) {
        let opens = window.opens_next(now, &zone);
        prop_assert!(opens >= now);
        let Status::Open { closes } = window.at(opens, &zone) else {
            return Err(TestCaseError::fail(format!("closed when it opens, at {opens}")));
        };
        let minute = SignedDuration::from_mins(1);
        let closed = successors(Some(now), |moment| Some(*moment + minute)).take_while(|moment| *moment < opens);
        // Every minute of a day, and then more coarsely.
        for moment in closed.enumerate().filter(|(n, _)| *n < 1_440 || n % 61 == 0).map(|(_, moment)| moment) {
            prop_assert_eq!(window.at(moment, &zone), Status::Closed { opens });
        }
        let nearly = closes - SignedDuration::from_nanos(1);
        prop_assert_eq!(window.at(nearly, &zone), Status::Open { closes });
    }

    #[test]
    fn far_from_changes_of_the_clock_it_is_open_when_the_wall_says_so(
        window in some_window(), zone in some_zone(), now in some_moment()
    ) {
        prop_assume!(!is_near_a_change(&zone, now));
        prop_assert_eq!(matches!(window.at(now, &zone), Status::Open { .. }), by_the_wall(window, now, &zone));
    }
}
