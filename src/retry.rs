//! How often a delivery is tried, and how long to wait in between. Knows no clock: it hands out waits, jitter included.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::spec::Retry;

/// The tries of one delivery.
#[derive(Debug)]
pub struct Tries {
    backoff: ExponentialBackoff,
    /// For waits that the server did not measure out; they use up no try, so they have waits of their own.
    busy: ExponentialBackoff,
}

impl Tries {
    /// All tries still to be had.
    pub fn new(retry: Retry) -> Self {
        let waits = |count: usize| {
            ExponentialBuilder::new()
                .with_min_delay(retry.backoff)
                .with_max_delay(retry.max_backoff)
                .with_max_times(count)
                .with_jitter()
                .build()
        };
        Self {
            backoff: waits(usize::try_from(retry.attempts.saturating_sub(1)).unwrap_or(usize::MAX)),
            busy: waits(usize::MAX),
        }
    }

    /// How long to wait before the next try; `None` when there is none left.
    pub fn after_failure(&mut self) -> Option<Duration> {
        self.backoff.next()
    }

    /// How long everybody waits after "too many requests": what the server said, and no less than our own waits.
    pub fn after_busy(&mut self, told: Option<Duration>) -> Duration {
        // "Come back in 0 seconds" is no licence to hammer.
        self.busy.next().max(told).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_run_out_and_waits_grow_up_to_the_longest() {
        let retry = Retry { attempts: 5, backoff: Duration::from_millis(500), max_backoff: Duration::from_secs(3) };
        let mut tries = Tries::new(retry);
        let waits: Vec<Duration> = std::iter::from_fn(|| tries.after_failure()).collect();
        assert_eq!(waits.len(), 4, "five tries have four waits between them");
        assert!(waits[0] >= Duration::from_millis(500));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(6)), "{waits:?}");
        assert_eq!(tries.after_busy(Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert!((0..100).all(|_| tries.after_busy(None) > Duration::ZERO), "busy answers never use tries up");
    }
}
