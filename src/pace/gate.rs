//! Lets one through at a time, in the order they came, evenly spaced.
//!
//! It counts from when they really left: after a stall nobody hurries to catch up. The counting itself is governor's (a
//! generic cell rate algorithm), driven by a clock of our own that runs along with tokio's.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Cells, RateLimiter};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};
use tokio::time::{Instant, sleep_until};

use super::slow_start::SlowStart;
use crate::specification::Speed;

/// By so much every gate is slower than configured: on the way to the server, messages drift by some milliseconds, and the
/// server must not see one too many in a second.
const MARGIN: f64 = 1.005;

/// Timers are late by a millisecond or so. So much lateness is made up for; a longer stall is not.
const LATENESS: Duration = Duration::from_millis(2);

type Limiter = RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>;

/// Lets one through at a time, evenly spaced.
#[derive(Debug)]
pub(super) struct Gate {
    /// The limit and its clock; `None` lets everybody through.
    limiter: Option<(Limiter, FakeRelativeClock)>,
    /// From one to the next.
    interval: Duration,
    burst: NonZeroU32,
    started: Instant,
    turn: AsyncMutex<Turn>,
    slow_start: Mutex<SlowStart>,
}

/// Whose turn it is, and from when on the next may pass; both in time since the start.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// What the limiter's clock shows.
    shown: Duration,
    /// Nobody passes before: after somebody left late.
    not_before: Duration,
}

impl Gate {
    pub(super) fn new(speed: Speed, burst: NonZeroU32) -> Self {
        let interval = speed.interval().unwrap_or_default().mul_f64(MARGIN);
        let limiter = Cells::with_period(interval).map(|cells| {
            let clock = FakeRelativeClock::default();
            (RateLimiter::direct_with_clock(cells.allow_burst(burst), clock.clone()), clock)
        });
        Self {
            limiter,
            interval,
            burst,
            started: Instant::now(),
            turn: AsyncMutex::default(),
            slow_start: Mutex::default(),
        }
    }

    /// The same gate, through which somebody passed so long ago. Nobody knows how much of the burst had been used by then:
    /// all of it, so that it is earned anew from that time on.
    pub(super) fn after(self, since_last: Option<Duration>) -> Self {
        if let (Some(since), Some((limiter, clock))) = (since_last, &self.limiter) {
            while limiter.check().is_ok() {}
            // Longer ago makes no difference: the burst is whole by then.
            clock.advance(since.min(self.interval * self.burst.get()));
        }
        self
    }

    /// Waits for the turn and for the limit. Nobody else passes while the turn is held.
    pub(super) async fn pass(&self) -> MutexGuard<'_, Turn> {
        let mut turn = self.turn.lock().await;
        if turn.not_before > self.started.elapsed() {
            sleep_until(self.started + turn.not_before).await;
        }
        if let Some((limiter, clock)) = &self.limiter {
            self.wait_for(limiter, clock, &mut turn).await;
        }
        let now = self.started.elapsed();
        let mut slow_start = self.slow_start();
        slow_start.passed(now);
        turn.not_before = turn.not_before.max(now + slow_start.distance(now));
        drop(slow_start);
        turn
    }

    async fn wait_for(&self, limiter: &Limiter, clock: &FakeRelativeClock, turn: &mut Turn) {
        loop {
            // The limiter's clock runs at most [`LATENESS`] behind, so that timers that fire late do not add up.
            turn.show(clock, self.behind());
            let Err(not_yet) = limiter.check() else { return };
            let due = turn.shown + not_yet.wait_time_from(clock.now());
            sleep_until(self.started + due).await;
            turn.show(clock, due.max(self.behind()));
            if limiter.check().is_ok() {
                return;
            }
        }
    }

    /// From `resume` on, begins below the pace of now and ramps up to it.
    pub(super) fn ramp_up(&self, resume: Instant) {
        self.slow_start().begin(resume.saturating_duration_since(self.started), self.interval);
    }

    /// Slows down a little, for a few seconds.
    pub(super) fn dip(&self) {
        self.slow_start().dip(self.started.elapsed(), self.interval);
    }

    fn slow_start(&self) -> parking_lot::MutexGuard<'_, SlowStart> {
        self.slow_start.lock()
    }

    /// Whoever passed leaves only now: if that is late, the next one keeps the distance all the same.
    pub(super) fn left(&self, turn: &mut Turn) {
        let now = self.started.elapsed();
        if now > turn.shown + LATENESS * 2 {
            turn.not_before = turn.not_before.max(now + self.interval);
        }
    }

    fn behind(&self) -> Duration {
        self.started.elapsed().saturating_sub(LATENESS)
    }
}

impl Turn {
    fn show(&mut self, clock: &FakeRelativeClock, time: Duration) {
        if let Some(by) = time.checked_sub(self.shown) {
            clock.advance(by);
            self.shown = time;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(rate: &str, burst: u32) -> Gate {
        Gate::new(rate.parse().unwrap(), NonZeroU32::new(burst).unwrap())
    }

    /// The times at which `count` pass, with a stall of `stall` after the tenth.
    async fn passes(gate: &Gate, count: usize, stall: Duration) -> Vec<Duration> {
        let start = Instant::now();
        let mut times = Vec::new();
        for n in 0..count {
            drop(gate.pass().await);
            times.push(start.elapsed());
            if n == 10 {
                tokio::time::advance(stall).await;
            }
        }
        times
    }

    fn most_in_any_second(times: &[Duration]) -> usize {
        let second = Duration::from_secs(1);
        (0..times.len())
            .map(|from| times[from..].iter().filter(|at| **at < times[from] + second).count())
            .max()
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_evenly_spaced_from_the_first_on() {
        let times = passes(&gate("50/s", 1), 250, Duration::ZERO).await;
        assert_eq!(most_in_any_second(&times), 50);
        let rate = 249.0 / times[249].as_secs_f64();
        assert!((49.5..=50.0).contains(&rate), "{rate}");
        assert!(times.windows(2).all(|pair| pair[1] > pair[0] + Duration::from_millis(17)), "no start-up burst");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_hurries_after_a_stall() {
        let times = passes(&gate("50/s", 1), 250, Duration::from_millis(700)).await;
        assert!(most_in_any_second(&times) <= 50);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_leaves_back_to_back_and_no_more() {
        let times = passes(&gate("10/s", 5), 20, Duration::ZERO).await;
        assert_eq!(times.iter().filter(|at| **at < Duration::from_millis(50)).count(), 5);
        assert!(times[19] >= Duration::from_millis(1_500));
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_server_asked_for_patience_the_pace_begins_gently_and_climbs_back() {
        let gate = gate("50/s", 1);
        passes(&gate, 100, Duration::ZERO).await;
        gate.ramp_up(Instant::now());
        let times = passes(&gate, 2_000, Duration::ZERO).await;
        let within = |from: u64| {
            let (from, to) = (Duration::from_secs(from), Duration::from_secs(from + 2));
            times.iter().filter(|at| (from..to).contains(at)).count() / 2
        };
        assert!((24..=27).contains(&within(0)), "{}", within(0));
        assert!((36..=40).contains(&within(14)), "{}", within(14));
        assert!((49..=50).contains(&within(31)), "{}", within(31));
    }

    #[tokio::test(start_paused = true)]
    async fn the_old_pace_of_an_unlimited_gate_is_the_one_that_was_seen() {
        let gate = Gate::new(Speed::Unlimited, NonZeroU32::MIN);
        for _ in 0..50 {
            drop(gate.pass().await);
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        gate.ramp_up(Instant::now());
        let times = passes(&gate, 60, Duration::ZERO).await;
        assert!((45..=52).contains(&most_in_any_second(&times)), "{}", most_in_any_second(&times));
    }
}
