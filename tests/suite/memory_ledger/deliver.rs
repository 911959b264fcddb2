//! Leases and claims.

use super::*;

impl Deliver for MemoryLedger {
    async fn begin_run(&self) -> Result<Option<Timestamp>, LedgerError> {
        Ok(self.store(|store| {
            let is_first = store.run == 0;
            store.run += 1;
            self.run.set(store.run);
            let last_request = store.last_request.take().unwrap_or_else(Timestamp::now);
            (!is_first).then_some(last_request)
        }))
    }

    async fn end_run(&self, last_request: Timestamp) -> Result<(), LedgerError> {
        self.store(|store| store.last_request = Some(last_request));
        Ok(())
    }

    fn interrupted(&self) -> u64 {
        self.interrupted
    }

    async fn settle_interrupted(&self) -> Result<u64, LedgerError> {
        Ok(self.interrupt())
    }

    async fn decide_canary(&self, verdict: CanaryVerdict) -> Result<(), LedgerError> {
        self.store(|store| store.canary_verdict = Some(verdict));
        Ok(())
    }

    async fn lost(&self) -> LedgerError {
        pending().await
    }

    async fn lease(&self, after: Option<Position>, limit: usize) -> Result<Vec<Lease>, LedgerError> {
        Ok(self.store(|store| {
            let reading = store.reading;
            let pending = store.deliveries.iter().filter(|delivery| {
                delivery.state == State::Pending
                    && delivery.reading == reading
                    && after.is_none_or(|after| delivery.stored.position > after)
            });
            pending.take(limit).map(|delivery| delivery.stored.clone().into()).collect()
        }))
    }

    async fn refuse(&self, lease: Lease, failure: Failure) -> Result<(), LedgerError> {
        self.step(
            &lease,
            State::Pending,
            |_| true,
            |delivery| {
                delivery.state = State::Failed;
                delivery.run = self.run.get();
                delivery.stored.attempts = lease.attempts;
                delivery.stored.failed_message = failure.message_id;
                delivery.livedesk_status.clone_from(&failure.livedesk_status);
                delivery.failure = Some(failure);
                delivery.settled_at = Some(Timestamp::now());
                delivery.first_attempt_at = delivery.first_attempt_at.or(delivery.settled_at);
            },
        )
    }

    async fn record_claim(&self, lease: &Lease, conversation_id: ConversationId) -> Result<(), LedgerError> {
        self.step(
            lease,
            State::Pending,
            |_| true,
            |delivery| {
                delivery.state = State::Claimed;
                delivery.run = self.run.get();
                delivery.claimed_at = Some(Timestamp::now());
                delivery.first_attempt_at = delivery.first_attempt_at.or(delivery.claimed_at);
                delivery.stored.attempts = lease.attempts;
                delivery.stored.contact_id = lease.contact_id;
                delivery.stored.conversation_id = Some(conversation_id);
                delivery.stored.address = lease.address().map(str::to_owned);
                delivery.stored.message = lease.message().map(str::to_owned);
            },
        )
    }

    async fn record_ids(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.step(
            lease,
            State::Pending,
            |_| true,
            |delivery| {
                delivery.stored.contact_id = lease.contact_id;
                delivery.stored.conversation_id = lease.conversation_id;
                delivery.stored.failed_message = lease.failed_message;
                delivery.stored.address = lease.address().map(str::to_owned);
            },
        )
    }

    async fn record_end(&self, claim: &Claim, end: ClaimEnd) -> Result<(), LedgerError> {
        let run = self.run.get();
        self.step(
            claim.lease(),
            State::Claimed,
            |delivery| delivery.run == run,
            |delivery| {
                if end != ClaimEnd::Withdrawn {
                    delivery.left_at = claim.left_at().or(delivery.left_at);
                }
                match end {
                    ClaimEnd::Withdrawn => {
                        delivery.state = State::Pending;
                        delivery.stored.attempts -= 1;
                        delivery.first_attempt_at = delivery.first_attempt_at.filter(|_| delivery.stored.attempts > 0);
                    }
                    ClaimEnd::Released => delivery.state = State::Pending,
                    ClaimEnd::Settled(outcome) => settle(delivery, outcome),
                }
            },
        )
    }
}

pub(super) fn settle(delivery: &mut Delivery, outcome: Outcome) {
    delivery.state = outcome.state();
    delivery.settled_at = Some(Timestamp::now());
    match outcome {
        Outcome::Accepted { message_id, livedesk_status } => {
            delivery.stored.failed_message = Some(message_id);
            delivery.livedesk_status = Some(livedesk_status);
            delivery.failure = None;
            delivery.accept(Timestamp::now());
        }
        Outcome::Failed(failure) | Outcome::Unknown(failure) => {
            delivery.stored.failed_message = failure.message_id;
            delivery.livedesk_status.clone_from(&failure.livedesk_status);
            delivery.failure = Some(failure);
        }
    }
}
