//! 401 and 403: the credentials, or one object that this key may not touch? LiveDesk answers both alike. A harmless
//! request that touches no object may tell: let in, it was the object. Otherwise another recipient tells: let in, it was
//! the object; denied as well, it is the credentials. Until it is told, those who were denied wait, pending.

use crate::ledger::Lease;
use crate::state::Failure;

/// Orders requests in time: which began before which.
pub(super) type Moment = u64;

/// Deliveries that were denied and whose case is open.
#[derive(Debug, Default)]
pub(super) struct Denied {
    clock: Moment,
    /// When the first of them was denied.
    since: Option<Moment>,
    waiting: Vec<(Lease, Failure)>,
    /// Whether the harmless request was denied since.
    pub(super) knocked_in_vain: bool,
}

impl Denied {
    /// The moment at which a request begins.
    pub(super) const fn begin(&mut self) -> Moment {
        self.clock += 1;
        self.clock
    }

    /// A request that began at `began` was denied, and the delivery waits. `true` if it is another one's: it began
    /// after an earlier denial.
    pub(super) fn deny(&mut self, began: Moment, lease: Lease, failure: Failure) -> bool {
        let again = self.since.is_some_and(|since| began > since);
        self.since.get_or_insert(self.clock);
        self.waiting.push((lease, failure));
        again
    }

    /// A request that began at `began` was let in. If it began after the denial, the credentials are good, and those
    /// who wait failed for reasons of their own.
    pub(super) fn let_in(&mut self, began: Moment) -> Vec<(Lease, Failure)> {
        if self.since.is_none_or(|since| began <= since) {
            return Vec::new();
        }
        self.clear()
    }

    /// The credentials are good: whoever waits failed for reasons of their own.
    pub(super) fn clear(&mut self) -> Vec<(Lease, Failure)> {
        self.since = None;
        self.knocked_in_vain = false;
        std::mem::take(&mut self.waiting)
    }

    /// Why the first of those who wait was denied.
    pub(super) fn open_case(&self) -> Option<Failure> {
        self.waiting.first().map(|(_, failure)| failure.clone())
    }
}
