//! How often a delivery is tried, and how long to wait in between. Knows no clock: it hands out waits, jitter included.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::spec::Retry;

/// Orders requests in time: which began before which.
pub type RequestSeq = u64;

/// The tries of one delivery.
#[derive(Debug)]
pub struct Tries {
    backoff: ExponentialBackoff,
}

impl Tries {
    /// All tries still to be had.
    pub fn new(retry: Retry) -> Self {
        let waits = usize::try_from(retry.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        Self { backoff: growing(retry, waits) }
    }

    /// How long to wait before the next try; `None` when there is none left.
    pub fn after_failure(&mut self) -> Option<Duration> {
        self.backoff.next()
    }
}

/// "Too many requests": one wait for everybody, which uses up nobody's tries.
#[derive(Debug)]
pub struct Busy {
    retry: Retry,
    backoff: ExponentialBackoff,
    /// Requests that began before are answered by the wait that everybody is in.
    known: RequestSeq,
}

impl Busy {
    /// A server that has not asked for patience.
    pub fn new(retry: Retry) -> Self {
        Self { retry, backoff: growing(retry, usize::MAX), known: 0 }
    }

    /// The request that began at `began` was answered so, and it is `now`. How long everybody waits: what the server
    /// said, and no less than our own waits, which grow. `None` if that request had left before the last such wait.
    pub fn answered(&mut self, began: RequestSeq, now: RequestSeq, told: Option<Duration>) -> Option<Duration> {
        if began <= self.known {
            return None;
        }
        self.known = now;
        // "Come back in 0 seconds" is no licence to hammer.
        self.backoff.next().max(told)
    }

    /// The request that began at `began` was not answered so: if it left after the last wait, the server has had enough
    /// of a rest, and the next wait is short again.
    pub fn over(&mut self, began: RequestSeq) {
        if self.known > 0 && began > self.known {
            *self = Self::new(self.retry);
        }
    }
}

/// Waits that double, with jitter, so many times.
pub fn growing(retry: Retry, times: usize) -> ExponentialBackoff {
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
        let mut tries = Tries::new(RETRY);
        let waits: Vec<Duration> = std::iter::from_fn(|| tries.after_failure()).collect();
        assert_eq!(waits.len(), 4, "five tries have four waits between them");
        assert!(waits[0] >= Duration::from_millis(500));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(6)), "{waits:?}");
    }

    #[test]
    fn a_burst_of_busy_answers_is_one_wait() {
        let mut busy = Busy::new(RETRY);
        assert_eq!(busy.answered(1, 9, Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(busy.answered(8, 10, None), None, "it was in flight when the first was answered");
        assert!(busy.answered(11, 12, None).unwrap() >= Duration::from_secs(1), "our own waits grow");
        busy.over(10);
        assert!(busy.answered(13, 14, None).unwrap() >= Duration::from_secs(2), "that answer was to an older request");
        busy.over(15);
        assert!(busy.answered(16, 17, None).unwrap() < Duration::from_secs(2));
        assert!((20..120).all(|moment| busy.answered(moment * 2, moment * 2 + 1, None).is_some()), "without end");
    }
}
