//! The pace after the server asked for patience: how fast it went before, and the way back there.

use std::collections::VecDeque;
use std::time::Duration;

/// After the server asked for patience, everybody begins again at this share of the pace at which it did.
const GENTLE: f64 = 0.5;

/// How long it takes from there back to the old pace.
const RAMP: Duration = Duration::from_secs(30);

/// A rare refusal among many answers slows everybody down to this share, and that grows back by so much in a second.
const DIP: f64 = 0.85;
const RECOVERY: f64 = 0.1;

/// A pace that was seen to be slower than this was slow for another reason, such as the waits themselves: halving it
/// again and again would bring everything to a stop. How long to wait for a server that refuses is said by the waits.
const SLOWEST_SEEN: Duration = Duration::from_millis(500);

/// So many are watched to tell the pace.
const WATCHED: usize = 32;

/// The pace at which a gate was passed, and the way back to it after the server asked for patience. Times are since the
/// gate's start.
#[derive(Debug, Default)]
pub(super) struct SlowStart {
    /// When the last ones passed.
    recent: VecDeque<Duration>,
    ramp: Option<RampUp>,
}

#[derive(Debug, Clone, Copy)]
struct RampUp {
    from: Duration,
    /// From one to the next at the old pace.
    interval: Duration,
    /// The share of the old pace with which it begins, and by how much that grows in a second.
    start: f64,
    growth: f64,
}

impl RampUp {
    /// The share of the old pace, 1 when the ramp is over.
    fn share(&self, now: Duration) -> f64 {
        (self.start + self.growth * now.saturating_sub(self.from).as_secs_f64()).min(1.0)
    }
}

impl SlowStart {
    pub(super) fn passed(&mut self, at: Duration) {
        self.recent.push_back(at);
        if self.recent.len() > WATCHED {
            self.recent.pop_front();
        }
    }

    /// Begins to ramp up at `from`. `interval` is that of the setting: nobody was faster.
    pub(super) fn begin(&mut self, from: Duration, interval: Duration) {
        let interval = self.old_interval(interval);
        self.ramp = Some(RampUp { from, interval, start: GENTLE, growth: (1.0 - GENTLE) / RAMP.as_secs_f64() });
        // What passes from now on says more about the pace than what passed before the wait.
        self.recent.clear();
    }

    /// Slows down a little at `now`, unless the pace is lower already because the server asked for that.
    pub(super) fn dip(&mut self, now: Duration, interval: Duration) {
        let (interval, share) = match self.ramp {
            Some(ramp) if ramp.growth < RECOVERY && ramp.share(now) < 1.0 => return,
            Some(ramp) => (ramp.interval, ramp.share(now)),
            None => (self.old_interval(interval), 1.0),
        };
        self.ramp = Some(RampUp { from: now, interval, start: share * DIP, growth: RECOVERY });
    }

    /// From one to the next as it was seen lately.
    fn old_interval(&self, least: Duration) -> Duration {
        let steps = u32::try_from(self.recent.len().saturating_sub(1)).unwrap_or_default();
        let seen = self
            .recent
            .back()
            .zip(self.recent.front())
            .and_then(|(last, first)| last.saturating_sub(*first).checked_div(steps));
        let known = self.ramp.map(|ramp| ramp.interval);
        seen.or(known).unwrap_or_default().min(SLOWEST_SEEN).max(least)
    }

    /// How long after the one that passed now the next one may, if the ramp is not over.
    pub(super) fn distance(&mut self, now: Duration) -> Duration {
        let Some(ramp) = self.ramp else { return Duration::ZERO };
        let share = ramp.share(now);
        if share >= 1.0 {
            self.ramp = None;
            return Duration::ZERO;
        }
        ramp.interval.div_f64(share)
    }
}
