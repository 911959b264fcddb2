//! A second ledger, as dull as it can be: everything in memory, every rule in the plainest words. What the contract suite
//! holds the real one to, it holds this one to as well, so that the suite itself is tested; and the two are compared.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

mod deliver;
mod enroll;
mod inspect;
mod track;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use campaign::ledger::{
    CanaryRecord, CanaryVerdict, Claim, ClaimEnd, Deliver, Duplicate, Enroll, Enrolment, Entry, ErrorCount, Examples,
    Holder, Inspect, KeyLookup, Lease, LedgerError, Observation, Operate, Position, Proof, ProofNumber, Proofs, Prove,
    RecordQuery, Resolution, Resolved, RetryIf, RetryRules, Share, Stored, Totals, Track, TrackQuery, TrackedMessage,
    UnknownDelivery, Version, Worker,
};
use campaign::receipt::{FIRST_LOOK, MessageStatus, Receipt};
use campaign::recipients::Row;
use campaign::report::{ReceiptColumns, Record};
use campaign::state::{
    ContactId, ConversationId, Failure, OperatorAction, Outcome, PastOutcome, RESOLVED, SkipReason, State,
};
use jiff::Timestamp;

/// What outlives a process.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Rc<RefCell<Store>>);

#[derive(Debug, Clone, Default)]
struct Store {
    name: Option<String>,
    version: Option<Version>,
    reading: u64,
    run: i64,
    last_request: Option<Timestamp>,
    deliveries: Vec<Delivery>,
    left_out: Vec<LeftOutRow>,
    next: i64,
    complete_until: Option<Timestamp>,
    canary_after: i64,
    canary_verdict: Option<CanaryVerdict>,
    proofs: Vec<Proof>,
}

/// A row that is no delivery: its line, key and reason, and its cells where it can be read.
type LeftOutRow = (u64, String, SkipReason, Option<Row>);

#[derive(Debug, Clone)]
struct Delivery {
    stored: Stored,
    state: State,
    reading: u64,
    first_reading: u64,
    changed_in: u64,
    run: i64,
    failure: Option<Failure>,
    livedesk_status: Option<String>,
    retry: Option<RetryIf>,
    first_attempt_at: Option<Timestamp>,
    claimed_at: Option<Timestamp>,
    left_at: Option<Timestamp>,
    settled_at: Option<Timestamp>,
    /// Of an accepted one: what was seen, when it was accepted, and when to look next.
    receipt: Option<(Receipt, Timestamp, Option<Timestamp>)>,
    /// Whose its conversation was seen to be.
    seen_contact: Option<ContactId>,
    /// How it had ended before, and when it was tried if that counts as another message.
    history: Vec<(PastOutcome, Option<Timestamp>)>,
}

impl Delivery {
    fn departure(&self) -> Option<Timestamp> {
        self.left_at.or(self.claimed_at)
    }

    fn was_tried(&self) -> bool {
        self.stored.attempts > 0 || !self.history.is_empty()
    }

    fn code(&self) -> &str {
        self.failure.as_ref().map_or("", |failure| &failure.code)
    }

    fn accept(&mut self, at: Timestamp) {
        self.state = State::Accepted;
        self.settled_at = Some(at);
        let can_be_seen = self.stored.conversation_id.is_some() && self.stored.failed_message.is_some();
        self.seen_contact = None;
        self.receipt = Some((Receipt::default(), at, can_be_seen.then(|| at + FIRST_LOOK)));
    }

    fn failed_on_the_way(&self) -> Option<&campaign::receipt::StatusUpdate> {
        let seen = self.receipt.as_ref()?.0.seen.as_ref()?;
        (seen.status == MessageStatus::Failed).then_some(seen)
    }

    fn tracked(&self) -> Option<TrackedMessage> {
        let (receipt, accepted_at, next_look) = self.receipt.clone()?;
        Some(TrackedMessage {
            position: self.stored.position,
            conversation_id: self.stored.conversation_id?,
            message_id: self.stored.failed_message?,
            contact_id: self.seen_contact.or(self.stored.contact_id),
            accepted_at,
            receipt,
            next_look,
        })
    }

    /// An operator decides: how it had ended is history.
    fn decide(&mut self, action: OperatorAction, note: Option<String>) {
        let undelivered = self.failed_on_the_way().cloned();
        let earlier = PastOutcome {
            outcome: if undelivered.is_some() { State::Failed } else { self.state },
            error_code: match &undelivered {
                Some(seen) => seen.code.clone(),
                None => self.failure.as_ref().map(|failure| failure.code.clone()),
            },
            error: match undelivered {
                Some(seen) => seen.error,
                None => self.failure.as_ref().map(|failure| failure.text.clone()),
            },
            action,
            at: Timestamp::now(),
            note,
        };
        let counts = (action != OperatorAction::ResolvedAsSent).then(|| self.departure()).flatten();
        self.history.push((earlier, counts));
        self.failure = None;
        self.livedesk_status = None;
        self.settled_at = None;
        self.state = State::Pending;
        self.receipt = None;
    }
}

impl Store {
    fn find(&mut self, key: &str) -> Option<&mut Delivery> {
        self.deliveries.iter_mut().find(|delivery| delivery.stored.key == key)
    }

    /// A delivery as it is to be seen: whoever was tried, is pending and has left the list is left out.
    fn seen(&self, delivery: &Delivery) -> State {
        let gone = delivery.state == State::Pending && delivery.reading < self.reading;
        if gone { State::Skipped } else { delivery.state }
    }

    fn retry(&mut self) -> u64 {
        let (reading, now) = (self.reading, Timestamp::now());
        let mut retried = 0;
        for delivery in &mut self.deliveries {
            let Some(RetryIf::FailedBy(time)) = delivery.retry.take() else { continue };
            if delivery.reading == reading && delivery.settled_at.unwrap_or(now) <= time {
                delivery.decide(OperatorAction::Retried, None);
                retried += 1;
            }
        }
        retried
    }

    fn mark(&mut self, retry: &RetryRules) {
        for delivery in &mut self.deliveries {
            let asked = retry.only.as_ref().is_none_or(|keys| keys.contains(&delivery.stored.key));
            if delivery.state == State::Failed && asked {
                delivery.retry = retry.codes.get(delivery.code()).copied();
            }
            let checked_at = delivery.receipt.as_ref().and_then(|(receipt, ..)| receipt.checked_at);
            if let Some(seen) = delivery.failed_on_the_way()
                && let Some(rule) = retry.undelivered.get(seen.code.as_deref().unwrap_or_default())
                && asked
                && delivery.receipt.as_ref().is_some_and(|(receipt, ..)| receipt.opted_out.is_none())
                && seen.at + rule.after <= Timestamp::now()
                && checked_at.is_some_and(|checked| seen.at + rule.after <= checked)
            {
                let when =
                    if rule.if_message_changed { RetryIf::MessageChanged } else { RetryIf::FailedBy(Timestamp::MAX) };
                delivery.retry = Some(when);
            }
        }
    }

    fn forget_those_who_left(&mut self) {
        let reading = self.reading;
        self.deliveries
            .retain(|delivery| delivery.reading == reading || delivery.state != State::Pending || delivery.was_tried());
        for delivery in self.deliveries.iter_mut().filter(|delivery| delivery.reading < reading) {
            // Whoever was tried speaks for one of the rows that leave them out today.
            let same_key = |(_, key, why, _): &LeftOutRow| {
                *key == delivery.stored.key && !matches!(why, SkipReason::Duplicate { .. })
            };
            let same_line = |(line, key, ..): &LeftOutRow| key.is_empty() && *line == delivery.stored.row.line;
            let row = self.left_out.iter().position(same_key).or_else(|| self.left_out.iter().position(same_line));
            // Without a row of the list it has no line.
            delivery.stored.row.line = row.map_or(0, |at| self.left_out.remove(at).0);
        }
    }
}

/// The ledger, opened by one process.
#[derive(Debug)]
pub(super) struct MemoryLedger {
    disk: Disk,
    /// What the process sees before its enrolment is kept.
    enrolling: RefCell<Option<Store>>,
    run: Cell<i64>,
    interrupted: u64,
}

impl Disk {
    pub(super) fn open(&self) -> MemoryLedger {
        let mut ledger = self.look();
        ledger.interrupted = ledger.interrupt();
        ledger
    }

    /// The same for looking only.
    pub(super) fn look(&self) -> MemoryLedger {
        MemoryLedger { disk: self.clone(), enrolling: RefCell::default(), run: Cell::new(0), interrupted: 0 }
    }
}

impl MemoryLedger {
    fn store<T>(&self, work: impl FnOnce(&mut Store) -> T) -> T {
        match &mut *self.enrolling.borrow_mut() {
            Some(store) => work(store),
            None => work(&mut self.disk.0.borrow_mut()),
        }
    }

    fn begin(&self) {
        *self.enrolling.borrow_mut() = Some(self.disk.0.borrow().clone());
    }

    fn interrupt(&self) -> u64 {
        self.store(|store| {
            let mut interrupted = 0;
            for delivery in store.deliveries.iter_mut().filter(|delivery| delivery.state == State::Claimed) {
                delivery.state = State::Unknown;
                delivery.failure = Some(Failure::new("cut-off", "the run ended before the answer came"));
                delivery.settled_at = Some(Timestamp::now());
                delivery.left_at = delivery.settled_at;
                interrupted += 1;
            }
            interrupted
        })
    }

    /// Changes a delivery that is in this state, if the condition holds.
    fn step(
        &self,
        lease: &Lease,
        from: State,
        condition: impl FnOnce(&Delivery) -> bool,
        change: impl FnOnce(&mut Delivery),
    ) -> Result<(), LedgerError> {
        self.store(|store| {
            let found = store.find(&lease.key).filter(|delivery| delivery.state == from && condition(delivery));
            found.map(change).ok_or_else(|| LedgerError::Conflict(lease.key.clone()))
        })
    }
}

impl Share for MemoryLedger {
    async fn workers(&self) -> Result<Vec<Worker>, LedgerError> {
        Ok(Vec::new())
    }
}

impl Prove for MemoryLedger {
    async fn begin_proofs(&self, campaign: &str) -> Result<(), LedgerError> {
        self.store(|store| {
            store.name.get_or_insert_with(|| campaign.to_owned());
        });
        Ok(())
    }

    async fn record_proof(&self, number: Option<ProofNumber>, proof: &Proof) -> Result<ProofNumber, LedgerError> {
        Ok(self.store(|store| {
            let known =
                (0..store.proofs.len()).find(|at| number == Some(ProofNumber::new(i64::try_from(*at).unwrap())));
            match known {
                Some(at) => store.proofs[at] = proof.clone(),
                None => store.proofs.push(proof.clone()),
            }
            ProofNumber::new(i64::try_from(known.unwrap_or(store.proofs.len() - 1)).unwrap())
        }))
    }

    async fn proofs(&self) -> Result<Proofs, LedgerError> {
        Ok(self.store(|store| {
            let left: Vec<&Proof> =
                store.proofs.iter().filter(|proof| proof.state != State::Pending && proof.left_at.is_some()).collect();
            Proofs { count: left.len() as u64, last: left.last().copied().cloned() }
        }))
    }
}
