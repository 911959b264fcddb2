//! Refusals that may concern everybody: a template that WhatsApp does not have, an account that is blocked, an inbox
//! that does not exist. Nobody fails for what all get, so whoever is refused so waits, pending, and the next messages
//! leave one at a time, until somebody else's request of the same kind succeeds. Then it was a matter of those
//! recipients, and they failed. If nobody's does, the guard stops the run and they are still pending.

use super::pending_refusals::{PendingRefusal, PendingRefusals};
use super::recent_answers::{Endpoint, Request};
use super::{Event, Run};
use crate::codes::{Scope, explain, scope};
use crate::ledger::{Deliver, Lease, LedgerError};
use crate::livedesk::Reply;
use crate::state::{Failure, Outcome, State};

/// Open cases at most, each in memory. Whoever lets a run go on for longer than that does not take them for
/// everybody's.
const MAX_OPEN: usize = 1_000;

/// Whether a refusal may concern others than this recipient.
pub(super) fn may_be_shared(failure: &Failure) -> bool {
    scope(&failure.code) != Scope::Recipient
}

#[derive(Debug)]
pub(super) struct SharedRefusals {
    open: PendingRefusals,
    /// The last request of each kind that succeeded.
    succeeded: [Option<Request>; Endpoint::COUNT],
    /// A message that was refused, after which none has been accepted.
    last_message: Option<Request>,
    /// Whether an earlier run of this campaign has sent anything.
    sent_before: bool,
}

impl SharedRefusals {
    pub(super) fn new(sent_before: bool) -> Self {
        Self { open: PendingRefusals::default(), succeeded: Default::default(), last_message: None, sent_before }
    }

    /// Whether only one message may leave, to see what becomes of it.
    pub(super) const fn needs_trial(&self) -> bool {
        self.last_message.is_some()
    }

    fn refused(&mut self, request: Request) {
        if request.endpoint.is_message() && !self.is_disproved(request) {
            self.last_message = Some(request);
        }
    }

    /// `request` succeeded. Gives those that were refused before for reasons of their own.
    fn succeeded(&mut self, request: Request) -> Vec<PendingRefusal> {
        let last = &mut self.succeeded[request.endpoint as usize];
        if last.is_none_or(|last| last.seq < request.seq) {
            *last = Some(request);
        }
        self.last_message.take_if(|refused| request.is_later_and_for_another(*refused));
        self.open.close(request)
    }

    /// Whether a later request of the same kind for somebody else has succeeded.
    fn is_disproved(&self, refused: Request) -> bool {
        self.succeeded[refused.endpoint as usize].is_some_and(|other| other.is_later_and_for_another(refused))
    }

    /// At the end of a list: whether everybody who was tried was refused for the same reason, and nobody ever sent to.
    fn are_everybodys(&self) -> bool {
        let [first, others @ ..] = self.open.as_slice() else { return false };
        let is_same = |case: &PendingRefusal| case.failure.code == first.failure.code;
        let nobody_served = self.succeeded[first.request.endpoint as usize].is_none();
        !self.sent_before && nobody_served && !others.is_empty() && others.iter().all(is_same)
    }
}

impl<L: Deliver> Run<'_, L> {
    /// Takes note of an answer as soon as it comes, before anything is written.
    pub(super) fn note_refusal<T>(&self, reply: &Reply<T>, request: Request) {
        if let Reply::Refused(failure) = reply
            && may_be_shared(failure)
        {
            self.shared_refusals.borrow_mut().refused(request);
        }
    }

    /// The delivery waits, pending, until it is known whether it was refused for a reason of its own.
    pub(super) async fn refused_perhaps_like_all(
        &self,
        request: Request,
        lease: Lease,
        failure: Failure,
    ) -> Result<(), LedgerError> {
        self.rate_limits().forget(request.delivery);
        let outcome = Outcome::Failed(failure.clone());
        let stop = self.guard_observes(&outcome);
        let closed = {
            let mut shared = self.shared_refusals.borrow_mut();
            let case = PendingRefusal { request, lease, failure };
            if shared.is_disproved(request) {
                Some(case)
            } else {
                shared.open.open(case);
                shared.open.take_oldest_beyond(MAX_OPEN)
            }
        };
        self.fail_each(closed).await?;
        if let Some(why) = stop {
            let open = self.shared_refusals.borrow().open.as_slice().len();
            let nobody = match open {
                0 => String::new(),
                _ => format!(
                    ". It may affect everyone, so the refused recipients stay pending ({open}): fix it and run again. \
                     If only these recipients are wrong, raise the limit"
                ),
            };
            self.stop_by_guard(why + &nobody);
        }
        Ok(())
    }

    /// `request` succeeded: those who were refused the same before failed for reasons of their own.
    pub(super) async fn settle_own_refusals(&self, request: Request) -> Result<(), LedgerError> {
        let closed = self.shared_refusals.borrow_mut().succeeded(request);
        self.fail_each(closed).await
    }

    /// At the end of a list: whoever is left was refused for a reason of their own, unless it was everybody.
    pub(super) async fn settle_shared_refusals(&self) -> Result<(), LedgerError> {
        if self.stop.asked().is_some() {
            return Ok(());
        }
        let everybodys = {
            let shared = self.shared_refusals.borrow();
            let is_nobody_served = !self.guard.borrow().have_others_accepted();
            (is_nobody_served && shared.are_everybodys()).then(|| explain(&shared.open.as_slice()[0].failure))
        };
        if let Some(failure) = everybodys {
            let text = format!(
                "every message was refused for the same reason, so all stay pending: {failure}. Fix it and run again"
            );
            self.stop_by_guard(text);
            return Ok(());
        }
        let open = {
            let mut shared = self.shared_refusals.borrow_mut();
            shared.last_message = None;
            shared.open.take_all()
        };
        self.fail_each(open).await
    }

    /// Settles cases as failed; the guard knows of them.
    async fn fail_each(&self, cases: impl IntoIterator<Item = PendingRefusal>) -> Result<(), LedgerError> {
        for case in cases {
            self.ledger.refuse(case.lease, case.failure).await?;
            (self.emit)(Event::Settled(State::Failed));
        }
        Ok(())
    }
}
