//! So many messages in any window of a given length, over all runs.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use crate::specification::Rate;

/// How soon to look again for a place that somebody keeps.
const SOON: Duration = Duration::from_millis(100);

/// So many messages in any window of a given length.
#[derive(Debug)]
pub(super) struct Quota {
    rate: Rate,
    /// When the messages of the last window left, oldest first.
    recent: VecDeque<Timestamp>,
    /// Places that are kept for messages on their way.
    kept: usize,
}

impl Quota {
    pub(super) fn new(rate: Rate, recent: Vec<Timestamp>) -> Self {
        Self { rate, recent: recent.into(), kept: 0 }
    }

    /// When there is room again; `None` if there is room.
    pub(super) fn full_until(&mut self, now: Timestamp) -> Option<Timestamp> {
        while self.recent.front().is_some_and(|oldest| *oldest + self.rate.per <= now) {
            self.recent.pop_front();
        }
        let excess = (self.recent.len() + self.kept).checked_sub(self.rate.count.get() as usize)?;
        // Places that are kept say nothing about when they will be free: look again soon.
        Some(self.recent.get(excess).map_or(now + SOON, |oldest| *oldest + self.rate.per))
    }

    /// Keeps a place.
    pub(super) const fn keep(&mut self) {
        self.kept += 1;
    }

    /// A place is kept no longer: its message left at this time, or never.
    pub(super) fn give_back(&mut self, left_at: Option<Timestamp>) {
        self.kept = self.kept.saturating_sub(1);
        self.recent.extend(left_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
