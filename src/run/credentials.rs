//! 401 and 403: the credentials, or one object that this key may not touch? LiveDesk answers both alike, and a key that
//! may read and not write is a real thing. So only what is *comparable* tells: the same kind of request for another
//! recipient that succeeded, having begun after the denied one. Then it was the object, and that recipient failed.
//! Until then those who were denied wait, pending: nobody fails for what all get.

use super::pending_refusals::{PendingRefusal, PendingRefusals};
use super::recent_answers::Request;
use super::{End, Run};
use crate::ledger::{Deliver, Lease, LedgerError};
use crate::livedesk::{Reply, RetryReason};
use crate::state::Failure;

/// What a harmless request was answered that belongs to no recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    Authorized,
    Denied,
    /// Something that says nothing about the credentials.
    Unclear,
}

/// Deliveries that were denied and whose case is open.
#[derive(Debug, Default)]
pub(super) struct Denied {
    open: PendingRefusals,
    /// What the probe was answered since the first of them was denied.
    probe: Option<Probe>,
}

impl Denied {
    /// `request` succeeded: those who were denied the same before it began were denied for reasons of their own.
    fn close(&mut self, request: Request) -> Vec<PendingRefusal> {
        let closed = self.open.close(request);
        if self.open.as_slice().is_empty() {
            self.probe = None;
        }
        closed
    }
}

impl<L: Deliver> Run<'_, L> {
    /// The delivery waits, pending, until it is known whether it was denied for a reason of its own.
    pub(super) async fn denied(&self, request: Request, lease: Lease, failure: Failure) -> Result<(), LedgerError> {
        if self.recent_answers().others_since(request, request.seq).served > 0 {
            return self.refuse(lease, failure).await;
        }
        let cases = {
            let mut denied = self.denied_cases();
            denied.open.open(PendingRefusal { request, lease, failure });
            denied.open.as_slice().len()
        };
        let probe = self.probe_authorization().await;
        let refused_by_all = match probe {
            None => false,
            Some(Probe::Denied) => cases > 1,
            Some(Probe::Authorized | Probe::Unclear) => cases >= self.spec.send.stop_when.same_error as usize,
        };
        if refused_by_all {
            self.stop_for_credentials();
        }
        Ok(())
    }

    /// `request` succeeded: those who were denied the same before failed for reasons of their own.
    pub(super) async fn settle_own_denials(&self, request: Request) -> Result<(), LedgerError> {
        let closed = self.denied_cases().close(request);
        self.refuse_all(closed).await
    }

    /// At the end of a run: whoever was denied while others before were not failed for a reason of their own, if nobody
    /// else was denied with them. Otherwise nobody can tell, and they stay pending.
    pub(super) async fn settle_denied(&self) -> Result<(), LedgerError> {
        let own = {
            let mut denied = self.denied_cases();
            let alone =
                matches!(denied.open.as_slice(), [case] if self.recent_answers().has_served_others(case.request));
            if alone { denied.open.take_all() } else { Vec::new() }
        };
        self.refuse_all(own).await?;
        if !self.denied_cases().open.as_slice().is_empty() && self.probe_authorization().await.is_some() {
            self.stop_for_credentials();
        }
        Ok(())
    }

    async fn refuse_all(&self, cases: Vec<PendingRefusal>) -> Result<(), LedgerError> {
        for case in cases {
            self.refuse(case.lease, case.failure).await?;
        }
        Ok(())
    }

    /// What a probe is answered, asked once for all open cases; `None` when the run is ending.
    async fn probe_authorization(&self) -> Option<Probe> {
        let _one_at_a_time = self.unless_stopped(self.probing.lock()).await.ok()?;
        if let Some(probe) = self.denied_cases().probe {
            return Some(probe);
        }
        let probe = match self.probe().await.ok()? {
            Reply::Done(()) => Probe::Authorized,
            Reply::NotAccepted(RetryReason::Denied(_)) => Probe::Denied,
            _ => Probe::Unclear,
        };
        self.denied_cases().probe = Some(probe);
        Some(probe)
    }

    /// Ends the run, saying what is known of the credentials.
    fn stop_for_credentials(&self) {
        let denied = self.denied_cases();
        let Some(case) = denied.open.as_slice().first() else { return };
        let (failure, verb, livedesk) = (&case.failure, case.request.endpoint.verb(), &self.spec.livedesk);
        let keys = format!("`{}` and `{}`", livedesk.api_key, livedesk.api_secret);
        let served = self.recent_answers().has_served_others(case.request);
        let what = match denied.probe {
            Some(Probe::Denied) if !served => format!("LiveDesk refuses the credentials ({failure}): check {keys}"),
            _ if served || denied.open.as_slice().len() == 1 => format!(
                "LiveDesk refuses to {verb} ({failure}), and no comparable request has succeeded since: either the key \
                 pair in {keys} lacks that permission, or it may not access these recipients ({})",
                self.named(denied.open.as_slice())
            ),
            Some(Probe::Authorized) => format!(
                "LiveDesk accepts the credentials for reading but refuses to {verb} ({failure}): give the key pair in \
                 {keys} that permission"
            ),
            _ => format!("LiveDesk refuses to {verb} ({failure}): check {keys} and the permissions of the key pair"),
        };
        drop(denied);
        self.stop.because(End::Environment(what));
    }

    fn denied_cases(&self) -> std::cell::RefMut<'_, Denied> {
        self.denied.borrow_mut()
    }
}
