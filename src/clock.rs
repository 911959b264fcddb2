//! A clock that nobody can set. What the system calls the time may be set forward and back, in a run and between two; the
//! limits of how much may leave in a minute or a day must neither be emptied nor closed for ever by that.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Smaller differences are a clock that is kept right.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// The time as it was when it was made, plus what has really passed since, sleep of the machine included.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    begun: Timestamp,
    since_boot: Duration,
}

impl Clock {
    /// Shows the system's time, from which it goes on by itself.
    pub fn new() -> Self {
        Self { begun: Timestamp::now(), since_boot: since_boot() }
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        let passed = since_boot().saturating_sub(self.since_boot);
        self.begun.checked_add(passed).unwrap_or(Timestamp::MAX)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// What the system's clock showed at a moment that can be told again as long as the machine runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockMark {
    wall: Timestamp,
    boot: String,
    since_boot: Duration,
}

impl ClockMark {
    /// Now; `None` where the system does not say which boot this is.
    pub fn now() -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self { wall: Timestamp::now(), boot: boot.trim().to_owned(), since_boot: since_boot() })
    }

    /// By how much the system's clock was set forward since `earlier` (negative: back); zero where that cannot be told.
    pub fn set_forward_since(&self, earlier: &Self) -> SignedDuration {
        let passed = self.since_boot.checked_sub(earlier.since_boot).filter(|_| self.boot == earlier.boot);
        let Some(passed) = passed.and_then(|passed| SignedDuration::try_from(passed).ok()) else {
            return SignedDuration::ZERO;
        };
        let set = self.wall.duration_since(earlier.wall) - passed;
        if set.abs() > TOLERANCE { set } else { SignedDuration::ZERO }
    }
}

/// Since the machine was booted.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Since some moment in this process.
#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    static BEGUN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGUN.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(wall: i64, boot: &str, since_boot: u64) -> ClockMark {
        let wall = Timestamp::from_second(1_000_000 + wall).unwrap();
        ClockMark { wall, boot: boot.to_owned(), since_boot: Duration::from_secs(since_boot) }
    }

    #[test]
    fn a_clock_that_was_set_is_found_out_as_long_as_the_machine_runs() {
        let set = |now: ClockMark| now.set_forward_since(&mark(0, "a", 100)).as_secs();
        assert_eq!(set(mark(60, "a", 160)), 0, "a minute has passed");
        assert_eq!(set(mark(86_460, "a", 160)), 86_400);
        assert_eq!(set(mark(-3_540, "a", 160)), -3_600);
        assert_eq!(set(mark(86_460, "b", 160)), 0, "another boot: nobody knows");
    }
}
