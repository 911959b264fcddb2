//! Deliveries that were refused and wait, pending, until others show whether it was for a reason of their own. Knows no
//! meaning of a refusal: `credentials` and `shared_refusals` decide what becomes of them.

use super::Run;
use super::recent_answers::Request;
use crate::ledger::{Deliver, Lease};
use crate::state::Failure;

/// Recipients that a message names; the report has them all.
const NAMED: usize = 3;

/// A delivery that was refused and waits, pending.
#[derive(Debug)]
pub(super) struct PendingRefusal {
    pub(super) request: Request,
    pub(super) lease: Lease,
    pub(super) failure: Failure,
}

/// The open ones, the oldest first.
#[derive(Debug, Default)]
pub(super) struct PendingRefusals(Vec<PendingRefusal>);

impl PendingRefusals {
    pub(super) fn open(&mut self, case: PendingRefusal) {
        self.0.push(case);
    }

    pub(super) fn as_slice(&self) -> &[PendingRefusal] {
        &self.0
    }

    /// `request` succeeded: those whose request of the same kind was refused before it began have reasons of their own.
    pub(super) fn close(&mut self, request: Request) -> Vec<PendingRefusal> {
        self.0.extract_if(.., |case| request.is_later_and_for_another(case.request)).collect()
    }

    /// The oldest one that is beyond so many.
    pub(super) fn take_oldest_beyond(&mut self, most: usize) -> Option<PendingRefusal> {
        (self.0.len() > most).then(|| self.0.remove(0))
    }

    pub(super) fn take_all(&mut self) -> Vec<PendingRefusal> {
        std::mem::take(&mut self.0)
    }
}

impl<L: Deliver> Run<'_, L> {
    /// The first recipients of some cases, by line and key.
    pub(super) fn named(&self, cases: &[PendingRefusal]) -> String {
        let named: Vec<String> = cases.iter().take(NAMED).map(|case| self.place(&case.lease)).collect();
        let more = cases.len().saturating_sub(named.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", named.join(", "))
    }
}
