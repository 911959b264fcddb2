//! How often a request is tried, and the waits between: exponential, with jitter. Its numbers are those of the spec's
//! `send.retry`. It knows no clock: it hands out waits.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::specification::Retry;

/// The number of a request in the order in which they began.
pub type RequestSeq = u64;

/// The tries of one delivery.
#[derive(Debug)]
pub struct RetryBudget {
    backoff: ExponentialBackoff,
}

impl RetryBudget {
    /// All tries still to be had.
    pub fn new(retry: Retry) -> Self {
        let waits = usize::try_from(retry.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        Self { backoff: exponential(retry, waits) }
    }

    /// How long to wait before the next try; `None` when there is none left.
    pub fn after_failure(&mut self) -> Option<Duration> {
        self.backoff.next()
    }
}

/// One wait for everybody, which uses up nobody's tries: for "too many requests".
#[derive(Debug)]
pub struct SharedBackoff {
    retry: Retry,
    backoff: ExponentialBackoff,
    /// Requests that began at this one or before are answered by the wait that everybody is in.
    known: RequestSeq,
}

impl SharedBackoff {
    /// Nobody waits.
    pub fn new(retry: Retry) -> Self {
        Self { retry, backoff: exponential(retry, usize::MAX), known: 0 }
    }

    /// The request that began at `began` was answered so, and `now` is the last that has begun. How long everybody waits:
    /// what the server said, and no less than our own waits, which grow. `None` if that request had left before the last
    /// such wait.
    pub fn failed(&mut self, began: RequestSeq, now: RequestSeq, told: Option<Duration>) -> Option<Duration> {
        if self.is_covered(began) {
            return None;
        }
        self.known = now;
        // "Come back in 0 seconds" is no licence to hammer.
        self.backoff.next().max(told)
    }

    /// The request that began at `began` was not answered so: if it left after the last wait, the server has had enough
    /// of a rest, and the next wait is short again.
    pub fn succeeded(&mut self, began: RequestSeq) {
        if self.known > 0 && !self.is_covered(began) {
            *self = Self::new(self.retry);
        }
    }

    /// Whether the request that began at `began` had left before the last shared wait.
    pub const fn is_covered(&self, began: RequestSeq) -> bool {
        began <= self.known
    }
}

/// Waits that double, with jitter, so many times.
pub fn exponential(retry: Retry, times: usize) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(retry.backoff)
        .with_max_delay(retry.max_backoff)
        .with_max_times(times)
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry =
        Retry { attempts: 5, backoff: Duration::from_millis(500), max_backoff: Duration::from_secs(3) };

    #[test]
    fn tries_run_out_and_waits_grow_up_to_the_longest() {
        let mut tries = RetryBudget::new(RETRY);
        let waits: Vec<Duration> = std::iter::from_fn(|| tries.after_failure()).collect();
        assert_eq!(waits.len(), 4, "five tries have four waits between them");
        assert!(waits[0] >= Duration::from_millis(500));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(6)), "{waits:?}");
    }

    #[test]
    fn a_burst_of_busy_answers_is_one_wait() {
        let mut shared = SharedBackoff::new(RETRY);
        assert_eq!(shared.failed(1, 9, Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(shared.failed(8, 10, None), None, "it was in flight when the first was answered");
        assert!(shared.failed(11, 12, None).unwrap() >= Duration::from_secs(1), "our own waits grow");
        shared.succeeded(10);
        assert!(shared.failed(13, 14, None).unwrap() >= Duration::from_secs(2), "that answer was to an older request");
        shared.succeeded(15);
        assert!(shared.failed(16, 17, None).unwrap() < Duration::from_secs(2));
        assert!((20..120).all(|seq| shared.failed(seq * 2, seq * 2 + 1, None).is_some()), "without end");
    }
}
