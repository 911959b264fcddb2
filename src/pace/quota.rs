//! So many messages in any window of a given length, over all runs.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use crate::specification::Rate;

/// Why a quota has no place for one more message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaFull {
    /// Messages on their way keep the last places. When there will be one shows once they have left: look again soon.
    InFlight,
    /// There is one after so long, at the earliest.
    For(Duration),
}

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

    /// Why there is no room; `None` if there is.
    pub(super) fn full(&mut self, now: Timestamp) -> Option<QuotaFull> {
        while self.recent.front().is_some_and(|oldest| *oldest + self.rate.quota_window() <= now) {
            self.recent.pop_front();
        }
        let excess = (self.recent.len() + self.kept).checked_sub(self.rate.count.get() as usize)?;
        let free_at = self.recent.get(excess).map(|oldest| *oldest + self.rate.quota_window());
        Some(free_at.map_or(QuotaFull::InFlight, |at| QuotaFull::For(at.duration_since(now).unsigned_abs())))
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
        let full_for = |millis| Some(QuotaFull::For(Duration::from_millis(millis)));
        assert_eq!(quota.full(at(59)), full_for(1_100));
        assert_eq!(quota.full(at(60)), full_for(100));
        assert_eq!(quota.full(at(61)), None);
        quota.recent.push_back(at(61));
        assert_eq!(quota.full(at(62)), full_for(28_100));
    }

    #[test]
    fn places_that_are_kept_say_nothing_about_when_they_are_free() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let mut quota = Quota::new("2/min".parse().unwrap(), Vec::new());
        quota.keep();
        quota.keep();
        assert_eq!(quota.full(now), Some(QuotaFull::InFlight));
        quota.give_back(Some(now));
        assert_eq!(quota.full(now), Some(QuotaFull::For(Duration::from_millis(60_100))));
        quota.give_back(None);
        assert_eq!(quota.full(now), None);
    }
}
