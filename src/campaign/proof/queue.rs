//! The rows of a proof in the place of a ledger's deliveries: what a run does with them is recorded as proofs, and no delivery
//! is touched.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;

use crate::ledger::{
    CanaryVerdict, Claim, ClaimEnd, Deliver, Lease, LedgerError, Position, Proof, ProofNumber, Prove, Share, Worker,
    WorkerEvent,
};
use crate::message::Delivery;
use crate::state::{ContactId, ConversationId, Failure, Outcome, State};

/// Who sends proofs, and where they go, as the ledger keeps it.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) by: String,
    /// Masked.
    pub(super) to: String,
}

/// The rows that are shown, one after the other.
pub(super) struct ProofQueue<'a, L> {
    ledger: &'a L,
    origin: Origin,
    waiting: RefCell<VecDeque<(Lease, String)>>,
    /// Contact and conversation of the operator, by the address that they were made for: the next proof needs no others.
    made: RefCell<HashMap<String, Made>>,
    recorded: RefCell<Vec<Recorded>>,
}

type Made = (Option<ContactId>, Option<ConversationId>);

struct Recorded {
    position: Position,
    number: ProofNumber,
    proof: Proof,
}

impl<'a, L: Prove> ProofQueue<'a, L> {
    pub(super) fn new(ledger: &'a L, origin: Origin, rows: Vec<(Lease, Delivery)>) -> Self {
        let waiting = rows.into_iter().map(|(lease, delivery)| (lease, delivery.address.fingerprint()));
        let waiting = RefCell::new(waiting.collect());
        Self { ledger, origin, waiting, made: RefCell::default(), recorded: RefCell::default() }
    }

    /// What became of the proofs. `why`: why those that certainly did not leave did not.
    pub(super) async fn finish(self, why: Option<&str>) -> Result<Vec<Proof>, LedgerError> {
        let mut proofs = Vec::new();
        for Recorded { number, mut proof, .. } in self.recorded.into_inner() {
            if let (State::Pending, Some(why)) = (proof.state, why) {
                proof.error = Some(why.to_owned());
                self.ledger.record_proof(Some(number), &proof).await?;
            }
            proofs.push(proof);
        }
        Ok(proofs)
    }

    async fn record(&self, lease: &Lease, change: impl FnOnce(&mut Proof)) -> Result<(), LedgerError> {
        let position = lease.position();
        let known = self
            .recorded
            .borrow()
            .iter()
            .find(|known| known.position == position)
            .map(|known| (known.number, known.proof.clone()));
        let (number, mut proof) = match known {
            Some((number, proof)) => (Some(number), proof),
            None => (None, self.begun(lease)),
        };
        change(&mut proof);
        let number = self.ledger.record_proof(number, &proof).await?;
        let mut recorded = self.recorded.borrow_mut();
        match recorded.iter_mut().find(|known| known.position == position) {
            Some(known) => known.proof = proof,
            None => recorded.push(Recorded { position, number, proof }),
        }
        Ok(())
    }

    fn begun(&self, lease: &Lease) -> Proof {
        let Origin { by, to } = self.origin.clone();
        Proof {
            at: Timestamp::now(),
            by,
            line: lease.row.line,
            key: lease.key.clone(),
            to,
            state: State::Pending,
            left_at: None,
            conversation_id: None,
            message_id: None,
            livedesk_status: None,
            error_code: None,
            error: None,
        }
    }
}

/// The rows are this process's own; whether it may still send is the ledger's to say.
impl<L: Deliver> Share for ProofQueue<'_, L> {
    async fn is_alive(&self) -> Result<bool, LedgerError> {
        self.ledger.is_alive().await
    }

    async fn next_event(&self) -> WorkerEvent {
        self.ledger.next_event().await
    }

    async fn leave(&self) -> Result<bool, LedgerError> {
        self.ledger.leave().await
    }

    async fn workers(&self) -> Result<Vec<Worker>, LedgerError> {
        self.ledger.workers().await
    }
}

impl<L: Deliver + Prove> Deliver for ProofQueue<'_, L> {
    async fn begin_run(&self) -> Result<Option<Timestamp>, LedgerError> {
        self.ledger.begin_run().await
    }

    async fn end_run(&self, last_request: Timestamp) -> Result<(), LedgerError> {
        self.ledger.end_run(last_request).await
    }

    fn interrupted(&self) -> u64 {
        self.ledger.interrupted()
    }

    async fn settle_interrupted(&self) -> Result<u64, LedgerError> {
        self.ledger.settle_interrupted().await
    }

    /// Proofs have no canary.
    async fn decide_canary(&self, _: CanaryVerdict) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn lost(&self) -> LedgerError {
        self.ledger.lost().await
    }

    /// One at a time: the next one uses what was made for the one before.
    async fn lease(&self, _: Option<Position>, _: usize) -> Result<Vec<Lease>, LedgerError> {
        let next = self.waiting.borrow_mut().pop_front();
        let next = next.map(|(mut lease, address)| {
            let made = self.made.borrow().get(&address).copied();
            lease.target(address, String::new());
            if let Some((contact_id, conversation_id)) = made {
                (lease.contact_id, lease.conversation_id) = (contact_id, conversation_id);
            }
            lease
        });
        Ok(next.into_iter().collect())
    }

    async fn refuse(&self, lease: Lease, failure: Failure) -> Result<(), LedgerError> {
        self.record(&lease, |proof| *proof = Proof { state: State::Failed, ..failed(proof, failure) }).await
    }

    async fn record_claim(&self, lease: &Lease, conversation_id: ConversationId) -> Result<(), LedgerError> {
        self.record(lease, |proof| {
            proof.state = State::Claimed;
            proof.left_at = Some(Timestamp::now());
            proof.conversation_id = Some(conversation_id);
        })
        .await
    }

    async fn record_ids(&self, lease: &Lease) -> Result<(), LedgerError> {
        if let Some(address) = lease.address() {
            self.made.borrow_mut().insert(address.to_owned(), (lease.contact_id, lease.conversation_id));
        }
        Ok(())
    }

    async fn record_end(&self, claim: &Claim, end: ClaimEnd) -> Result<(), LedgerError> {
        let left_at = claim.left_at();
        self.record(claim.lease(), |proof| {
            proof.left_at = left_at.or(proof.left_at);
            *proof = match end {
                ClaimEnd::Withdrawn => Proof { state: State::Pending, left_at: None, ..proof.clone() },
                ClaimEnd::Released => Proof { state: State::Pending, ..proof.clone() },
                ClaimEnd::Settled(Outcome::Accepted { message_id, livedesk_status }) => Proof {
                    state: State::Accepted,
                    message_id: Some(message_id),
                    livedesk_status: Some(livedesk_status),
                    ..proof.clone()
                },
                ClaimEnd::Settled(Outcome::Failed(failure)) => Proof { state: State::Failed, ..failed(proof, failure) },
                ClaimEnd::Settled(Outcome::Unknown(failure)) => {
                    Proof { state: State::Unknown, ..failed(proof, failure) }
                }
            };
        })
        .await
    }
}

fn failed(proof: &Proof, failure: Failure) -> Proof {
    Proof {
        message_id: failure.message_id,
        livedesk_status: failure.livedesk_status,
        error_code: Some(failure.code),
        error: Some(failure.text),
        ..proof.clone()
    }
}
