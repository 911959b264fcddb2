//! One recipient's path: contact, conversation, claim, message, outcome; and again where that is safe.

use jiff::Timestamp;

use super::admission::{AdmissionPass, Admitted};
use super::attempt::{AttemptError, Requeue};
use super::recent_answers::{Endpoint, Request};
use super::shared_refusals::may_be_shared;
use super::{Event, Run};
use crate::backoff::RetryBudget;
use crate::codes;
use crate::ledger::{Deliver, Gone, Lease, LedgerError, News, TrackedMessage};
use crate::livedesk::{Reply, RetryReason, Sent};
use crate::message::{Address, Delivery, Message};
use crate::receipt::Receipt;
use crate::specification::MessageType;
use crate::state::{ConversationId, Failure, Outcome};

/// How a try ended when the lease is still in hand.
enum Attempt {
    Settled,
    NotYet(Box<Lease>, AttemptError),
}

impl<L: Deliver> Run<'_, L> {
    /// Takes one delivery as far as it goes. If its window closes meanwhile, it is left for a later pass.
    pub(super) async fn deliver(&self, admitted: Admitted<'_>, pass: &AdmissionPass<'_>) -> Result<(), LedgerError> {
        let Admitted { mut lease, slot } = admitted;
        let mut slot = Some(slot);
        let delivery = match self.render(&lease) {
            Ok(delivery) => delivery,
            Err(failure) => return self.refuse(lease, failure).await,
        };
        lease.retarget(&delivery);
        let mut tries = RetryBudget::new(self.spec.send.retry);
        let mut is_first = true;
        loop {
            let error = match self.attempt(lease, &delivery, is_first).await? {
                Attempt::Settled => return Ok(()),
                Attempt::NotYet(back, error) => {
                    lease = *back;
                    error
                }
            };
            is_first = false;
            match error {
                AttemptError::Stopped => return Ok(()),
                AttemptError::WindowClosed(until) => {
                    pass.turn_away(until);
                    return self.ledger.release_lease(lease.position()).await;
                }
                AttemptError::Paused => {}
                // What is made anew is not kept from an earlier attempt, so this happens once for each id.
                AttemptError::Gone(gone) => self.ledger.forget(&mut lease, gone).await?,
                AttemptError::Ledger(error) => return Err(error),
                AttemptError::Refused(failure, Some(request)) if may_be_shared(&failure) => {
                    return self.refused_perhaps_like_all(request, lease, failure).await;
                }
                AttemptError::Refused(failure, _) => return self.refuse(lease, failure).await,
                AttemptError::Retry(reason, request) => match *reason {
                    RetryReason::Denied(failure) => return self.denied(request, lease, failure).await,
                    RetryReason::RateLimited { failure, retry_after } => {
                        if self.back_of_queue(&lease, &failure, retry_after, &mut slot).await == Requeue::Never {
                            return self.refuse(lease, failure).await;
                        }
                    }
                    RetryReason::ConversationLimit(failure) => {
                        if self.back_of_queue(&lease, &failure, None, &mut slot).await == Requeue::Never {
                            return self.refuse(lease, failure).await;
                        }
                    }
                    // A server that has answered before is waited for; one that never has is probably not there.
                    RetryReason::Unreachable(_) if self.breaker().has_answered() => {}
                    RetryReason::Unreachable(why) => match tries.after_failure() {
                        Some(wait) => self.sleep(wait).await,
                        None => {
                            self.unreachable(&why);
                            return Ok(());
                        }
                    },
                },
                AttemptError::Unknown(failure) => match tries.after_failure() {
                    Some(wait) => self.sleep(wait).await,
                    None => return self.refuse(lease, failure).await,
                },
            }
        }
    }

    fn render(&self, lease: &Lease) -> Result<Delivery, Failure> {
        let failed = |what: String| Failure::new("not-renderable", what);
        let mut delivery = self
            .evaluator
            .templates
            .render(&lease.row, &self.evaluator.list)
            .map_err(|problems| failed(problems.first().map(|problem| problem.what.clone()).unwrap_or_default()))?;
        if let Some(mine) = self.proof_to {
            delivery.address = mine.in_place_of(&delivery.address).map_err(|problem| failed(problem.what))?;
        }
        Ok(delivery)
    }

    /// One try: everything up to the answer to the message.
    async fn attempt(&self, mut lease: Lease, delivery: &Delivery, is_first: bool) -> Result<Attempt, LedgerError> {
        let ready = async {
            let quota = self.admit(delivery.zone.as_ref()).await?;
            let conversation_id = self.conversation(&mut lease, delivery, is_first).await?;
            let place = self.unless_stopped(self.pace.claim_slot()).await?;
            let attachments = self.attachments(delivery)?;
            let trial = self.acquire_trial().await?;
            self.in_window(delivery.zone.as_ref(), Timestamp::now())?;
            Ok((quota, conversation_id, attachments, place, trial))
        };
        let (mut quota, conversation_id, attachments, place, trial) = match ready.await {
            Ok(ready) => ready,
            Err(AttemptError::Ledger(error)) => return Err(error),
            Err(error) => return Ok(Attempt::NotYet(Box::new(lease), error)),
        };
        // Requests for the message count, and not what had to be made before it.
        lease.attempts += 1;
        let mut claim = self.ledger.claim(lease, conversation_id).await?;
        if let Err(error) = self.await_send_slot(delivery.zone.as_ref(), trial.is_some()).await {
            let mut lease = self.ledger.withdraw(claim).await?;
            lease.attempts -= 1;
            return Ok(Attempt::NotYet(Box::new(lease), error));
        }
        drop(place);
        let failed_message = claim.lease().failed_message;
        let endpoint = if failed_message.is_some() { Endpoint::RetryMessage } else { Endpoint::Message };
        let (left_at, request) = (self.pace.now(), self.begin(endpoint, Some(claim.lease().position())));
        claim.leaves(left_at);
        quota.leaves(left_at);
        let reply = match failed_message {
            Some(message_id) => self.client.send_again(&claim, message_id).await,
            None => self.client.send(&claim, &delivery.message, attachments).await,
        };
        let counts = self.observe_reply(&reply, request);
        self.on_success(&reply, request).await?;
        drop(trial);
        if matches!(reply, Reply::NotAccepted(_)) {
            quota.is_unused();
        }
        drop(quota);
        let outcome = match outcome(reply, request, claim.lease(), &delivery.address) {
            Ok(outcome) => outcome,
            Err(error) => {
                let lease = self.ledger.release(claim).await?;
                return Ok(Attempt::NotYet(Box::new(lease), error));
            }
        };
        let awaited = awaited(&outcome, claim.lease(), conversation_id, &delivery.message);
        self.ledger.settle(claim, outcome.clone()).await?;
        awaited.into_iter().for_each(self.accepted);
        self.observe(&outcome, counts);
        self.rate_limits().forget(request.delivery);
        Ok(Attempt::Settled)
    }

    /// A request succeeded: those who were refused the same before failed for reasons of their own.
    pub(super) async fn on_success<T>(&self, reply: &Reply<T>, request: Request) -> Result<(), LedgerError> {
        if matches!(reply, Reply::Done(_)) {
            self.settle_own_denials(request).await?;
            self.settle_own_refusals(request).await?;
        }
        Ok(())
    }

    /// Records a failure that is the recipient's own.
    pub(super) async fn refuse(&self, lease: Lease, failure: Failure) -> Result<(), LedgerError> {
        self.rate_limits().forget(Some(lease.position()));
        self.ledger.refuse(lease, failure.clone()).await?;
        self.observe(&Outcome::Failed(failure), true);
        Ok(())
    }

    /// Tells of an outcome, and stops the run when it is time to. `counts` is false for doubt that is one more of the same
    /// trouble: an outage is not many failures.
    fn observe(&self, outcome: &Outcome, counts: bool) {
        (self.emit)(Event::Settled(outcome.state()));
        if !counts {
            return;
        }
        let stop = self.guard_observes(outcome);
        if let Some(why) = stop {
            self.stop_by_guard(why);
        }
    }

    /// Says why to stop, if it is time to. What was counted is told to the other workers.
    pub(super) fn guard_observes(&self, outcome: &Outcome) -> Option<String> {
        let mut guard = self.guard.borrow_mut();
        let stop = guard.observe(outcome);
        self.ledger.announce(News::Counted(guard.tally()));
        stop
    }
}

/// How the delivery ended with the answer to its message; or, where it is certain that nobody got anything, what follows.
fn outcome(reply: Reply<Sent>, request: Request, lease: &Lease, address: &Address) -> Result<Outcome, AttemptError> {
    match reply {
        Reply::Done(Sent { message_id, livedesk_status }) => Ok(Outcome::Accepted { message_id, livedesk_status }),
        Reply::NotAccepted(reason) => Err(AttemptError::Retry(Box::new(reason), request)),
        Reply::Unknown(failure) => Ok(Outcome::Unknown(failure)),
        Reply::Refused(failure) => match gone(&failure, lease, address) {
            Some(gone) => Err(AttemptError::Gone(gone)),
            None if may_be_shared(&failure) => Err(AttemptError::Refused(failure, Some(request))),
            None => Ok(Outcome::Failed(failure)),
        },
    }
}

/// An accepted message whose receipt can be waited for: not one that nobody gets.
fn awaited(
    outcome: &Outcome,
    lease: &Lease,
    conversation_id: ConversationId,
    message: &Message,
) -> Option<TrackedMessage> {
    let Outcome::Accepted { message_id, .. } = *outcome else { return None };
    let is_sent_to_somebody = message.private != Some(true) && message.message_type != Some(MessageType::Incoming);
    is_sent_to_somebody.then(|| TrackedMessage {
        position: lease.position(),
        conversation_id,
        message_id,
        contact_id: lease.contact_id,
        accepted_at: Timestamp::now(),
        receipt: Receipt::default(),
        next_look: None,
    })
}

/// What a refused message shows to be gone. A conversation that the row names is the row's own: it fails.
fn gone(failure: &Failure, lease: &Lease, address: &Address) -> Option<Gone> {
    if !codes::is_not_found(&failure.code) {
        return None;
    }
    let is_the_rows = matches!(address, Address::Conversation(_));
    match lease.failed_message {
        Some(_) => Some(Gone::Message),
        None => (lease.has_kept_conversation() && !is_the_rows).then_some(Gone::Conversation),
    }
}
