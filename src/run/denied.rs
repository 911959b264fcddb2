//! 401 and 403: the credentials, or one object that this key may not touch? LiveDesk answers both alike, so another
//! recipient must tell. Until then those who were denied wait, pending.

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
}

impl Denied {
    /// The moment at which a request begins.
    pub(super) const fn begin(&mut self) -> Moment {
        self.clock += 1;
        self.clock
    }

    /// A request that began at `began` was denied. If it began after an earlier denial, for somebody else, that is
    /// the proof: it is the credentials. Otherwise the delivery waits for one.
    pub(super) fn deny(&mut self, began: Moment, lease: Lease, failure: Failure) -> Option<Failure> {
        if self.since.is_some_and(|since| began > since) {
            return Some(failure);
        }
        self.since.get_or_insert(self.clock);
        self.waiting.push((lease, failure));
        None
    }

    /// A request that began at `began` was let in. If it began after the denial, the credentials are good, and those
    /// who wait failed for reasons of their own.
    pub(super) fn let_in(&mut self, began: Moment) -> Vec<(Lease, Failure)> {
        if self.since.is_none_or(|since| began <= since) {
            return Vec::new();
        }
        self.since = None;
        std::mem::take(&mut self.waiting)
    }

    /// Nobody else is left to tell: then it is taken for the credentials, because nothing is lost by asking again.
    pub(super) fn open_case(&self) -> Option<&Failure> {
        self.waiting.first().map(|(_, failure)| failure)
    }
}
