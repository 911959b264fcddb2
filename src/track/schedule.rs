//! When to look at a message again, counted from when it was accepted: soon at first, then rarely, and once more at the end.

use std::time::Duration;

use jiff::Timestamp;

use crate::receipt::FIRST_LOOK;

const HOUR: Duration = Duration::from_secs(3_600);

/// After the last of these, at the end of `track.until`.
const LOOKS: [Duration; 5] = [
    FIRST_LOOK,
    HOUR,
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(24 * 3_600),
    Duration::from_secs(72 * 3_600),
];

/// When to look next; `None` if never again.
pub(super) fn next_look(accepted_at: Timestamp, now: Timestamp, until: Duration) -> Option<Timestamp> {
    let at = |after: Duration| accepted_at.checked_add(after).ok();
    let looks = LOOKS.into_iter().filter(|after| *after < until).chain([until]);
    looks.filter_map(at).find(|look| *look > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_soon_then_rare_and_the_last_is_at_the_end() {
        let accepted = Timestamp::from_second(1_000_000).unwrap();
        let hours = |hours: f64| accepted + jiff::SignedDuration::from_secs_f64(hours * 3_600.0);
        let next = |now: f64, until: f64| next_look(accepted, hours(now), Duration::from_secs_f64(until * 3_600.0));
        for (now, until, wanted) in [
            (0.0, 72.0, Some(0.25)),
            (0.25, 72.0, Some(1.0)),
            (2.0, 72.0, Some(6.0)),
            (23.0, 72.0, Some(24.0)),
            (25.0, 72.0, Some(72.0)),
            (72.0, 72.0, None),
            (2.0, 3.0, Some(3.0)),
            (0.0, 0.1, Some(0.1)),
            (25.0, 100.0, Some(72.0)),
            (73.0, 100.0, Some(100.0)),
            (-5.0, 72.0, Some(0.25)),
        ] {
            assert_eq!(next(now, until), wanted.map(hours), "{now} of {until}");
        }
    }
}
