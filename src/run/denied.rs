//! 401 and 403: the credentials, or one object that this key may not touch? LiveDesk answers both alike. A harmless
//! request that touches no object may tell: let in, it was the object. Otherwise another recipient tells: let in, it was
//! the object; denied as well, it is the credentials. Until it is told, those who were denied wait, pending.

use std::sync::PoisonError;

use super::deliver::is_welcome;
use super::waiting::Step;
use super::{End, Run};
use crate::ledger::{Lease, Ledger, LedgerError};
use crate::livedesk::{Reply, RetryReason};
use crate::retry::RequestSeq;
use crate::state::Failure;

/// Deliveries that were denied and whose case is open.
#[derive(Debug, Default)]
pub(super) struct Denied {
    /// When the first of them was denied.
    since: Option<RequestSeq>,
    waiting: Vec<(Lease, Failure)>,
    /// Whether the harmless request was denied since.
    probe_denied: bool,
}

impl Denied {
    /// A request that began at `began` was denied, it is `now`, and the delivery waits. `true` if it is another one's: it
    /// began after an earlier denial.
    fn deny(&mut self, began: RequestSeq, now: RequestSeq, lease: Lease, failure: Failure) -> bool {
        let again = self.since.is_some_and(|since| began > since);
        self.since.get_or_insert(now);
        self.waiting.push((lease, failure));
        again
    }

    /// A request that began at `began` was let in. If it began after the denial, the credentials are good, and those
    /// who wait failed for reasons of their own.
    fn on_authorized(&mut self, began: RequestSeq) -> Vec<(Lease, Failure)> {
        if self.since.is_none_or(|since| began <= since) {
            return Vec::new();
        }
        self.clear()
    }

    /// The credentials are good: whoever waits failed for reasons of their own.
    fn clear(&mut self) -> Vec<(Lease, Failure)> {
        self.since = None;
        self.probe_denied = false;
        std::mem::take(&mut self.waiting)
    }

    /// Why the first of those who wait was denied.
    fn open_case(&self) -> Option<Failure> {
        self.waiting.first().map(|(_, failure)| failure.clone())
    }
}

impl<L: Ledger> Run<'_, L> {
    /// The delivery stays pending until it is known whose fault it is.
    pub(super) async fn denied(&self, began: RequestSeq, lease: Lease, failure: Failure) -> Result<(), LedgerError> {
        let again =
            self.denied.lock().unwrap_or_else(PoisonError::into_inner).deny(began, self.last_seq(), lease, failure);
        self.whose_fault(again).await
    }

    /// Probes, unless that was in vain before, and draws the conclusion. `last_word`: whether it is the credentials if the
    /// probe does not say otherwise.
    async fn whose_fault(&self, last_word: bool) -> Result<(), LedgerError> {
        let _one_at_a_time = self.probing.lock().await;
        let (open_case, in_vain) = {
            let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
            (denied.open_case(), denied.probe_denied)
        };
        let Some(failure) = open_case.filter(|_| self.stop.asked().is_none()) else { return Ok(()) };
        if !in_vain {
            if self.unless_stopped(self.pace.request()).await.is_err() {
                return Ok(());
            }
            let began = self.begin();
            let reply = self.client.probe().await;
            self.learn(&reply, began, Step::Preparing);
            if is_welcome(&reply) {
                let cleared = self.denied.lock().unwrap_or_else(PoisonError::into_inner).clear();
                return self.refuse_all(cleared).await;
            }
            let in_vain = matches!(reply, Reply::NotTaken(RetryReason::Denied(_)));
            self.denied.lock().unwrap_or_else(PoisonError::into_inner).probe_denied = in_vain;
        }
        if last_word {
            self.stop.because(End::Environment(format!(
                "LiveDesk refuses the credentials ({failure}): check `{}` and `{}`",
                self.spec.livedesk.api_key, self.spec.livedesk.api_secret
            )));
        }
        Ok(())
    }

    /// After a welcome: those who were denied before failed for reasons of their own.
    pub(super) async fn on_authorized(&self, welcome: bool, began: RequestSeq) -> Result<(), LedgerError> {
        if !welcome {
            return Ok(());
        }
        let cleared = self.denied.lock().unwrap_or_else(PoisonError::into_inner).on_authorized(began);
        self.refuse_all(cleared).await
    }

    async fn refuse_all(&self, cleared: Vec<(Lease, Failure)>) -> Result<(), LedgerError> {
        for (lease, failure) in cleared {
            self.refuse(lease, failure).await?;
        }
        Ok(())
    }

    /// At the end of a run: denials that no other recipient has cleared up.
    pub(super) async fn still_denied(&self) -> Result<(), LedgerError> {
        self.whose_fault(true).await
    }
}
