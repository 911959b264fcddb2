//! All limits, in one place: messages, requests, quotas, and the one deadline before which nobody may send.
//!
//! The promise is "never faster than the limit, over any window". `gate` spaces messages and requests, `quota` counts them
//! in long windows, and `slow_start` is the pace after the server asked for patience.

mod gate;
mod quota;
mod slow_start;

use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

use crate::clock::Clock;
use crate::specification::{Send, Speed};
use gate::Gate;
use quota::Quota;

pub use quota::QuotaFull;

/// A message may be claimed so long before its turn: the time that it takes to get the claim on disk.
const LEAD: Duration = Duration::from_millis(50);

/// When messages and requests of earlier runs left.
#[derive(Debug, Default)]
pub struct EarlierSends {
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
    pub fn new(send: &Send, earlier: EarlierSends) -> Self {
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
    /// Why the fullest quota has no room.
    pub fn take_quota(&self) -> Result<Ticket<'_>, QuotaFull> {
        let now = self.clock.now();
        let mut quotas = self.quotas.lock();
        if let Some(full) = quotas.iter_mut().filter_map(|quota| quota.full(now)).max() {
            return Err(full);
        }
        quotas.iter_mut().for_each(Quota::keep);
        Ok(Ticket { pace: self, left_at: None })
    }

    /// Waits for a claim slot: few may be claimed and not yet sent, so that a crash leaves few in doubt. There is none
    /// while everybody must wait.
    pub async fn claim_slot(&self) -> Option<SemaphorePermit<'_>> {
        self.unpaused().await;
        self.claim_slots.acquire().await.ok()
    }

    /// Waits until a message may leave: for its turn here, and then for `shared`, the limits that count elsewhere as well.
    ///
    /// # Errors
    /// [`Paused`] when everybody must wait: whoever has claimed should not hold the claim for so long.
    pub async fn message<T>(&self, shared: impl Future<Output = T>) -> Result<T, Paused> {
        let turn = async {
            let mut turn = self.messages.pass().await;
            drop(self.requests.pass().await);
            let shared = shared.await;
            self.messages.left(&mut turn);
            shared
        };
        tokio::select! {
            biased;
            () = self.paused() => Err(Paused),
            shared = turn => Ok(shared),
        }
    }

    /// The same for a request that is no message.
    pub async fn request<T>(&self, shared: impl AsyncFn() -> T) -> T {
        loop {
            self.unpaused().await;
            drop(self.requests.pass().await);
            let shared = shared().await;
            // Whoever was in the queue when everybody was told to wait waits as well.
            if self.pause_in_force().is_none() {
                return shared;
            }
        }
    }

    /// Nobody may send before `wait` is over, and then everybody begins gently. A shorter wait never cuts a longer one.
    pub fn pause(&self, wait: Duration) {
        let now = Instant::now();
        let known = self.pause_in_force().unwrap_or(now);
        let until = known.max(now + wait);
        *self.paused_for.lock() += until - known;
        self.paused_until.send_replace(Some(until));
        self.messages.ramp_up(until);
        self.requests.ramp_up(until);
    }

    /// The server refused one of many: a little slower for a few seconds, and nobody waits.
    pub fn slow_down_briefly(&self) {
        self.messages.dip();
        self.requests.dip();
    }

    /// The time, by a clock that nobody can set.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// For how long everybody had to wait for the server, in all; a wait that was cut short counts whole.
    pub fn paused_for(&self) -> Duration {
        *self.paused_for.lock()
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
#[must_use = "a ticket that is dropped gives its place back, or spends it if its message has left"]
pub struct Ticket<'a> {
    pace: &'a Pace,
    left_at: Option<Timestamp>,
}

impl Ticket<'_> {
    /// The message leaves at this time: its place counts from then on, not from when it was kept.
    pub const fn leaves(&mut self, left_at: Timestamp) {
        self.left_at = Some(left_at);
    }

    /// Nobody got the message.
    pub const fn is_unused(&mut self) {
        self.left_at = None;
    }

    /// How long ago the message left; `None` if none did.
    pub fn left_before(&self) -> Option<Duration> {
        self.left_at.map(|at| self.pace.now().duration_since(at).unsigned_abs())
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut quotas = self.pace.quotas.lock();
        for quota in quotas.iter_mut() {
            quota.give_back(self.left_at);
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everybody_and_the_longest_counts() {
        let send = crate::specification::Send {
            rate: Speed::Unlimited,
            quota: Vec::new(),
            requests: Speed::Unlimited,
            burst: NonZeroU32::MIN,
            concurrency: 4,
            timeout: LEAD,
            connect_timeout: LEAD,
            outage: LEAD,
            retry: crate::specification::Retry { attempts: 1, backoff: LEAD, max_backoff: LEAD },
            stop_when: crate::specification::StopWhen { failed: 1.0, after: 1, same_error: 1 },
            canary: None,
            canary_confirmation: None,
            window: None,
            not_before: None,
            not_after: None,
        };
        let pace = Pace::new(&send, EarlierSends::default());
        pace.pause(Duration::from_secs(5));
        pace.pause(Duration::from_secs(2));
        let start = Instant::now();
        pace.request(async || ()).await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }
}
