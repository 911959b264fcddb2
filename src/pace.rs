//! All limits, in one place: messages, requests, quotas, and the one deadline before which nobody may send.
//!
//! The promise is "never faster than told, over any window". So a gate lets one through at a time, in the order they
//! came, and counts from when they really left: after a stall nobody hurries to catch up. The counting itself is
//! governor's (a generic cell rate algorithm), driven by a clock of our own that runs along with tokio's.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Cells, RateLimiter};
use jiff::Timestamp;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard, Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

use crate::clock::Clock;
use crate::spec::{Rate, Send, Speed};

/// By so much every gate is slower than told: on the way to the server, messages drift by some milliseconds, and the
/// server must not see one too many in a second.
const MARGIN: f64 = 1.005;

/// Timers are late by a millisecond or so. So much lateness is made up for; a longer stall is not.
const LATENESS: Duration = Duration::from_millis(2);

/// A message may be claimed so long before its turn: the time that it takes to get the claim on disk.
const LEAD: Duration = Duration::from_millis(50);

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

/// How soon to look again for a place that somebody keeps.
const SOON: Duration = Duration::from_millis(100);

/// When messages and requests of earlier runs left.
#[derive(Debug, Default)]
pub struct Earlier {
    /// For each quota of the spec, those that it still counts, oldest first.
    pub quotas: Vec<Vec<Timestamp>>,
    /// The last message.
    pub last_message: Option<Timestamp>,
    /// The last request of any kind.
    pub last_request: Option<Timestamp>,
}

/// The limits of a run.
#[derive(Debug)]
pub struct Pace {
    messages: Gate,
    requests: Gate,
    quotas: Mutex<Vec<Quota>>,
    paused_until: watch::Sender<Option<Instant>>,
    clock: Clock,
    /// How long everybody had to wait for the server in all.
    paused_for: Mutex<Duration>,
    claim_slots: Semaphore,
}

impl Pace {
    /// The limits of a spec, as earlier runs have left them.
    pub fn new(send: &Send, earlier: Earlier) -> Self {
        let clock = Clock::new();
        let now = clock.now();
        // What left in the future left before the clock was set back.
        let past = |at: Timestamp| at.min(now);
        let recent = |times: Vec<Timestamp>| times.into_iter().map(past).collect();
        let quotas =
            send.quota.iter().zip(earlier.quotas).map(|(rate, times)| Quota::new(*rate, recent(times))).collect();
        let since = |at: Option<Timestamp>| at.map(|at| now.duration_since(past(at)).unsigned_abs());
        Self {
            messages: Gate::new(send.rate, send.burst).after(since(earlier.last_message)),
            requests: Gate::new(send.requests, send.burst).after(since(earlier.last_request)),
            quotas: Mutex::new(quotas),
            paused_until: watch::Sender::new(None),
            clock,
            paused_for: Mutex::default(),
            claim_slots: Semaphore::new(claim_slots(send)),
        }
    }

    /// Takes a place in every quota, or says when there will be one.
    ///
    /// # Errors
    /// How long until the fullest quota has room again.
    pub fn take_quota(&self) -> Result<Ticket<'_>, Duration> {
        let now = self.clock.now();
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = quotas.iter_mut().filter_map(|quota| quota.full_until(now)).max() {
            return Err(until.duration_since(now).unsigned_abs());
        }
        for quota in quotas.iter_mut() {
            quota.kept += 1;
        }
        Ok(Ticket { pace: self, left_at: None })
    }

    /// Waits for a claim slot: few may be claimed and not yet sent, so that a crash leaves few in doubt. There is none
    /// while everybody must wait.
    pub async fn claim_slot(&self) -> Option<SemaphorePermit<'_>> {
        self.unpaused().await;
        self.claim_slots.acquire().await.ok()
    }

    /// Waits until a message may leave.
    ///
    /// # Errors
    /// [`Paused`] when everybody must wait: whoever has claimed should not hold the claim for so long.
    pub async fn message(&self) -> Result<(), Paused> {
        let turn = async {
            let mut turn = self.messages.pass().await;
            drop(self.requests.pass().await);
            self.messages.left(&mut turn);
        };
        tokio::select! {
            biased;
            () = self.paused() => Err(Paused),
            () = turn => Ok(()),
        }
    }

    /// Waits until a request that is no message may leave.
    pub async fn request(&self) {
        loop {
            self.unpaused().await;
            drop(self.requests.pass().await);
            // Whoever stood in the queue when everybody was told to wait waits as well.
            if self.pause_in_force().is_none() {
                return;
            }
        }
    }

    /// Nobody may send before `wait` is over, and then everybody begins gently. A shorter wait never cuts a longer one.
    pub fn pause(&self, wait: Duration) {
        let now = Instant::now();
        let known = self.pause_in_force().unwrap_or(now);
        let until = known.max(now + wait);
        *self.paused_for.lock().unwrap_or_else(PoisonError::into_inner) += until - known;
        self.paused_until.send_replace(Some(until));
        self.messages.ramp_up(until);
        self.requests.ramp_up(until);
    }

    /// The server refused one of many: a little slower for a few seconds, and nobody waits.
    pub fn yield_a_little(&self) {
        self.messages.dip();
        self.requests.dip();
    }

    /// The time, by a clock that nobody can set.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// For how long everybody had to wait for the server, in all; a wait that was cut short counts whole.
    pub fn paused_for(&self) -> Duration {
        *self.paused_for.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause_in_force(&self) -> Option<Instant> {
        self.paused_until.borrow().filter(|until| *until > Instant::now())
    }

    /// Ends when everybody must wait.
    async fn paused(&self) {
        let in_force = |until: &Option<Instant>| until.is_some_and(|until| until > Instant::now());
        // The sender lives as long as `self`.
        let _ = self.paused_until.subscribe().wait_for(in_force).await;
    }

    /// Ends when nobody must wait any more.
    async fn unpaused(&self) {
        loop {
            let Some(until) = self.pause_in_force() else { return };
            sleep_until(until).await;
        }
    }
}

/// Everybody must wait; the turn is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paused;

/// A place in every quota, kept for one message. Dropped unused, it is given back.
#[derive(Debug)]
#[must_use = "a ticket that is dropped gives its place back"]
pub struct Ticket<'a> {
    pace: &'a Pace,
    left_at: Option<Timestamp>,
}

impl Ticket<'_> {
    /// The message left at this time, and may count: its place counts from then on, not from when it was kept.
    pub fn spend(mut self, left_at: Timestamp) {
        self.left_at = Some(left_at);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut quotas = self.pace.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        for quota in quotas.iter_mut() {
            quota.kept = quota.kept.saturating_sub(1);
            quota.recent.extend(self.left_at);
        }
    }
}

/// How many may be claimed and waiting for their turn.
fn claim_slots(send: &Send) -> usize {
    match send.rate {
        Speed::Unlimited => send.concurrency,
        Speed::Limited(rate) => {
            let in_time = LEAD.as_nanos().div_ceil(rate.interval().as_nanos().max(1));
            usize::try_from(in_time).unwrap_or(usize::MAX).clamp(1, send.concurrency)
        }
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>;

/// Lets one through at a time, evenly spaced.
#[derive(Debug)]
struct Gate {
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
struct Turn {
    /// What the limiter's clock shows.
    shown: Duration,
    /// Nobody passes before: after somebody left late.
    not_before: Duration,
}

impl Gate {
    fn new(speed: Speed, burst: NonZeroU32) -> Self {
        let interval = match speed {
            Speed::Unlimited => Duration::ZERO,
            Speed::Limited(rate) => rate.interval().mul_f64(MARGIN),
        };
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
    fn after(self, since_last: Option<Duration>) -> Self {
        if let (Some(since), Some((limiter, clock))) = (since_last, &self.limiter) {
            while limiter.check().is_ok() {}
            // Longer ago makes no difference: the burst is whole by then.
            clock.advance(since.min(self.interval * self.burst.get()));
        }
        self
    }

    /// Waits for the turn and for the limit. Nobody else passes while the turn is held.
    async fn pass(&self) -> MutexGuard<'_, Turn> {
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
    fn ramp_up(&self, resume: Instant) {
        self.slow_start().begin(resume.saturating_duration_since(self.started), self.interval);
    }

    /// Slows down a little, for a few seconds.
    fn dip(&self) {
        self.slow_start().dip(self.started.elapsed(), self.interval);
    }

    fn slow_start(&self) -> std::sync::MutexGuard<'_, SlowStart> {
        self.slow_start.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever passed leaves only now: if that is late, the next one keeps the distance all the same.
    fn left(&self, turn: &mut Turn) {
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

/// The pace at which a gate was passed, and the way back to it after the server asked for patience. Times are since the
/// gate's start.
#[derive(Debug, Default)]
struct SlowStart {
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
    fn passed(&mut self, at: Duration) {
        self.recent.push_back(at);
        if self.recent.len() > WATCHED {
            self.recent.pop_front();
        }
    }

    /// Begins to ramp up at `from`. `interval` is that of the setting: nobody was faster.
    fn begin(&mut self, from: Duration, interval: Duration) {
        let interval = self.old_interval(interval);
        self.ramp = Some(RampUp { from, interval, start: GENTLE, growth: (1.0 - GENTLE) / RAMP.as_secs_f64() });
        // What passes from now on says more about the pace than what passed before the wait.
        self.recent.clear();
    }

    /// Slows down a little at `now`, unless the pace is lower already because the server asked for that.
    fn dip(&mut self, now: Duration, interval: Duration) {
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
    fn distance(&mut self, now: Duration) -> Duration {
        let Some(ramp) = self.ramp else { return Duration::ZERO };
        let share = ramp.share(now);
        if share >= 1.0 {
            self.ramp = None;
            return Duration::ZERO;
        }
        ramp.interval.div_f64(share)
    }
}

/// So many messages in any window of a given length.
#[derive(Debug)]
struct Quota {
    rate: Rate,
    /// When the messages of the last window left, oldest first.
    recent: VecDeque<Timestamp>,
    /// Places that are kept for messages on their way.
    kept: usize,
}

impl Quota {
    fn new(rate: Rate, recent: Vec<Timestamp>) -> Self {
        Self { rate, recent: recent.into(), kept: 0 }
    }

    /// When there is room again; `None` if there is room.
    fn full_until(&mut self, now: Timestamp) -> Option<Timestamp> {
        while self.recent.front().is_some_and(|oldest| *oldest + self.rate.per <= now) {
            self.recent.pop_front();
        }
        let excess = (self.recent.len() + self.kept).checked_sub(self.rate.count.get() as usize)?;
        // Places that are kept say nothing about when they will be free: look again soon.
        Some(self.recent.get(excess).map_or(now + SOON, |oldest| *oldest + self.rate.per))
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
    async fn a_pause_holds_everybody_and_the_longest_counts() {
        let send = crate::spec::Send {
            rate: Speed::Unlimited,
            quota: Vec::new(),
            requests: Speed::Unlimited,
            burst: NonZeroU32::MIN,
            concurrency: 4,
            timeout: LEAD,
            connect_timeout: LEAD,
            outage: LEAD,
            retry: crate::spec::Retry { attempts: 1, backoff: LEAD, max_backoff: LEAD },
            stop_when: crate::spec::StopWhen { failed: 1.0, after: 1, same_error: 1 },
            canary: None,
            window: None,
            not_before: None,
            not_after: None,
        };
        let pace = Pace::new(&send, Earlier::default());
        pace.pause(Duration::from_secs(5));
        pace.pause(Duration::from_secs(2));
        let start = Instant::now();
        pace.request().await;
        assert_eq!(start.elapsed().as_secs(), 5);
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

    #[test]
    fn a_quota_rolls() {
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        let mut quota = Quota::new("2/min".parse().unwrap(), vec![at(0), at(30)]);
        assert_eq!(quota.full_until(at(59)), Some(at(60)));
        assert_eq!(quota.full_until(at(60)), None);
        quota.recent.push_back(at(60));
        assert_eq!(quota.full_until(at(61)), Some(at(90)));
    }
}
