//! A second ledger, as dull as it can be: everything in memory, every rule in the plainest words. What the contract suite
//! holds the real one to, it holds this one to as well, so that the suite itself is tested; and the two are compared.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use campaign::ledger::{
    Claim, ClaimEnd, Deliver, Duplicate, Enroll, Enrolment, Entry, ErrorCount, Examples, Holder, Inspect, KeyLookup,
    Lease, LedgerError, Observation, Operate, Position, RecordQuery, Resolution, Resolved, Retry, RetryIf, Share,
    Stored, Totals, Track, TrackQuery, TrackedMessage, UnknownDelivery, Version, Worker,
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
            contact_id: self.stored.contact_id,
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

    fn mark(&mut self, retry: &Retry) {
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

impl Enroll for MemoryLedger {
    async fn begin_enrolment(&self, campaign: &str, retry: Option<Retry>) -> Result<(), LedgerError> {
        self.begin();
        self.store(|store| {
            store.name.get_or_insert_with(|| campaign.to_owned());
            store.reading += 1;
            store.left_out.clear();
            if let Some(retry) = &retry {
                store.mark(retry);
            }
        });
        Ok(())
    }

    async fn begin_without_list(&self) -> Result<(), LedgerError> {
        self.begin();
        Ok(())
    }

    async fn enroll(&self, batch: Vec<Entry>) -> Result<Vec<Duplicate>, LedgerError> {
        let duplicates = self.store(|store| {
            let mut duplicates = Vec::new();
            for entry in batch {
                match entry {
                    Entry::Skipped { line, key, reason, row } => store.left_out.push((line, key, reason, row)),
                    Entry::Delivery { key, row, message } => {
                        let line = row.line;
                        if let Some(first_line) = deliver(store, key.clone(), row.clone(), message.as_deref()) {
                            store.left_out.push((line, key, SkipReason::Duplicate { first_line }, Some(row)));
                            duplicates.push(Duplicate { line, first_line });
                        }
                    }
                }
            }
            duplicates
        });
        Ok(duplicates)
    }

    async fn skip(&self, people: Vec<(Lease, SkipReason)>) -> Result<(), LedgerError> {
        self.store(|store| {
            for (lease, why) in people {
                store
                    .deliveries
                    .retain(|delivery| delivery.stored.key != lease.key || delivery.state != State::Pending);
                store.left_out.push((lease.row.line, lease.key, why, Some(lease.row)));
            }
        });
        Ok(())
    }

    async fn finish_enrolment(&self) -> Result<Enrolment, LedgerError> {
        Ok(self.store(|store| {
            let now = store.reading;
            let on_list = |delivery: &&Delivery| delivery.reading == now;
            let line = |delivery: &Delivery| delivery.stored.row.line;
            let all = store.deliveries.iter();
            let new: Vec<u64> = all.clone().filter(|delivery| delivery.first_reading == now).map(line).collect();
            let changed: Vec<u64> = all.clone().filter(|delivery| delivery.changed_in == now).map(line).collect();
            let known = all.clone().filter(on_list).count() - new.len();
            let left = all.filter(|delivery| delivery.reading < now && delivery.state == State::Pending);
            let gone: Vec<String> =
                left.filter(|delivery| !delivery.was_tried()).map(|delivery| delivery.stored.key.clone()).collect();
            store.forget_those_who_left();
            let is_reenrolment = now > 1;
            let mut enrolment = Enrolment {
                new: new.len() as u64,
                known: known as u64,
                changed: changed.len() as u64,
                gone: gone.len() as u64,
                retried: store.retry(),
                is_reenrolment,
                first: Examples::default(),
            };
            if is_reenrolment {
                enrolment.first = Examples { new, changed, gone };
                enrolment.first.new.truncate(3);
                enrolment.first.changed.truncate(3);
                enrolment.first.gone.truncate(3);
            }
            enrolment
        }))
    }

    async fn keep_enrolment(&self, version: Option<Version>) -> Result<(), LedgerError> {
        let mut store = self.enrolling.borrow_mut().take().unwrap();
        store.version = version.or(store.version);
        *self.disk.0.borrow_mut() = store;
        Ok(())
    }

    async fn abandon_enrolment(&self) -> Result<(), LedgerError> {
        *self.enrolling.borrow_mut() = None;
        Ok(())
    }

    async fn discard_if_new(self) {}
}

/// Adds a delivery or recognises it; gives the line of an earlier row of this reading that has its key.
fn deliver(store: &mut Store, key: String, row: Row, message: Option<&str>) -> Option<u64> {
    let reading = store.reading;
    let Some(known) = store.find(&key) else {
        store.next += 1;
        let stored = Stored {
            position: Position::new(store.next),
            key,
            row,
            attempts: 0,
            contact_id: None,
            conversation_id: None,
            address: None,
            message: None,
            failed_message: None,
        };
        store.deliveries.push(Delivery {
            stored,
            state: State::Pending,
            reading,
            first_reading: reading,
            changed_in: 0,
            run: 0,
            failure: None,
            livedesk_status: None,
            retry: None,
            first_attempt_at: None,
            claimed_at: None,
            left_at: None,
            settled_at: None,
            receipt: None,
            history: Vec::new(),
        });
        return None;
    };
    if known.reading == reading {
        return Some(known.stored.row.line);
    }
    known.reading = reading;
    let same_cells = known.stored.row.cells == row.cells;
    if known.state == State::Pending && !(same_cells && known.stored.row.columns.names() == row.columns.names()) {
        known.changed_in = reading;
    }
    if known.state == State::Pending || known.retry.is_some() {
        known.stored.row = row;
    } else {
        known.stored.row.line = row.line;
    }
    if known.retry == Some(RetryIf::MessageChanged) {
        known.retry = (message != known.stored.message.as_deref()).then_some(RetryIf::FailedBy(Timestamp::MAX));
    }
    None
}

impl Share for MemoryLedger {
    async fn workers(&self) -> Result<Vec<Worker>, LedgerError> {
        Ok(Vec::new())
    }
}

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

fn settle(delivery: &mut Delivery, outcome: Outcome) {
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

impl Inspect for MemoryLedger {
    async fn belongs_to(&self, campaign: &str) -> Result<(), LedgerError> {
        match self.store(|store| store.name.clone()) {
            Some(owner) if owner != campaign => Err(LedgerError::OtherCampaign(owner)),
            _ => Ok(()),
        }
    }

    async fn version(&self) -> Result<Option<Version>, LedgerError> {
        Ok(self.store(|store| store.version.clone()))
    }

    async fn totals(&self) -> Result<Totals, LedgerError> {
        Ok(self.store(|store| {
            let mut totals = Totals::default();
            let mut errors: BTreeMap<(State, String), Vec<String>> = BTreeMap::new();
            let mut times: BTreeMap<(State, String), Vec<Timestamp>> = BTreeMap::new();
            for delivery in &store.deliveries {
                let state = store.seen(delivery);
                *totals.states.entry(state).or_default() += 1;
                totals.off_list += u64::from(delivery.stored.row.line == 0);
                if state == State::Skipped {
                    *totals.left_out.entry(Totals::GONE.to_owned()).or_default() += 1;
                }
                if let (State::Failed | State::Unknown, Some(failure)) = (state, &delivery.failure) {
                    errors.entry((state, failure.code.clone())).or_default().push(failure.text.clone());
                    times.entry((state, failure.code.clone())).or_default().extend(delivery.settled_at);
                }
            }
            for (_, _, why, _) in &store.left_out {
                *totals.states.entry(State::Skipped).or_default() += 1;
                *totals.left_out.entry(why.word().to_owned()).or_default() += 1;
            }
            let error = |((state, code), mut texts): ((State, String), Vec<String>)| {
                let count = texts.len() as u64;
                texts.sort();
                texts.dedup();
                let times = times.get(&(state, code.clone())).into_iter().flatten();
                let settled = times.clone().min().copied().zip(times.max().copied());
                ErrorCount { state, code, text: texts[0].clone(), varies: texts.len() > 1, count, settled }
            };
            let mut undelivered: BTreeMap<(State, String), Vec<String>> = BTreeMap::new();
            for delivery in &store.deliveries {
                if let Some((receipt, _, next)) = &delivery.receipt {
                    totals.receipts.add(receipt, next.is_none());
                }
                if let Some(seen) = delivery.failed_on_the_way() {
                    let code = (State::Accepted, seen.code.clone().unwrap_or_default());
                    undelivered.entry(code).or_default().push(seen.error.clone().unwrap_or_default());
                }
            }
            totals.undelivered = undelivered.into_iter().map(error).collect();
            totals.undelivered.sort_by(|one, other| (other.count, &one.code).cmp(&(one.count, &other.code)));
            totals.errors = errors.into_iter().map(error).collect();
            totals.errors.sort_by(|one, other| (other.count, &one.code).cmp(&(one.count, &other.code)));
            totals
        }))
    }

    async fn look_up(&self, keys: Vec<String>) -> Result<KeyLookup, LedgerError> {
        Ok(self.store(|store| {
            let mut found = KeyLookup::default();
            for key in keys {
                let state = store.deliveries.iter().find(|delivery| delivery.stored.key == key);
                match state.map(|delivery| store.seen(delivery)) {
                    Some(State::Pending) => found.pending += 1,
                    Some(_) => {}
                    None => found.missing.push(key),
                }
            }
            found
        }))
    }

    async fn messaged(&self) -> Result<u64, LedgerError> {
        let sent = |delivery: &&Delivery| {
            matches!(delivery.state, State::Accepted | State::Unknown | State::Claimed) || !delivery.history.is_empty()
        };
        Ok(self.store(|store| store.deliveries.iter().filter(sent).count() as u64))
    }

    async fn untouched(&self, keys: Vec<String>) -> Result<u64, LedgerError> {
        Ok(self.store(|store| {
            let untouched = store.deliveries.iter().filter(|delivery| {
                store.seen(delivery) == State::Pending
                    && delivery.history.is_empty()
                    && keys.contains(&delivery.stored.key)
            });
            untouched.count() as u64
        }))
    }

    async fn last_send_time(&self) -> Result<Option<Timestamp>, LedgerError> {
        Ok(self.store(|store| store.deliveries.iter().filter_map(Delivery::departure).max()))
    }

    async fn holder(&self) -> Result<Option<Holder>, LedgerError> {
        Ok(None)
    }

    async fn sent_within(&self, window: Duration) -> Result<u64, LedgerError> {
        let since = Timestamp::now() - window;
        let left = |delivery: &&Delivery| delivery.state != State::Pending && delivery.departure() > Some(since);
        Ok(self.store(|store| store.deliveries.iter().filter(left).count() as u64))
    }

    async fn send_times_within(&self, window: Duration, most: u32) -> Result<Vec<Timestamp>, LedgerError> {
        let since = Timestamp::now() - window;
        Ok(self.store(|store| {
            let now = store.deliveries.iter().filter(|delivery| delivery.state != State::Pending);
            let before = store.deliveries.iter().flat_map(|delivery| &delivery.history).filter_map(|(_, at)| *at);
            let mut times: Vec<_> =
                now.filter_map(Delivery::departure).chain(before).filter(|at| *at > since).collect();
            times.sort();
            times.split_off(times.len().saturating_sub(most as usize))
        }))
    }

    async fn records<E: From<LedgerError>>(
        &self,
        query: &RecordQuery,
        each: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut records = self.store(|store| {
            let left_out = store.left_out.iter().map(left_out);
            store
                .deliveries
                .iter()
                .map(|delivery| record(delivery, store.seen(delivery)))
                .chain(left_out)
                .collect::<Vec<_>>()
        });
        records.sort_by_key(|record| (record.line.is_none(), record.line));
        let RecordQuery { only, with_rows } = query;
        if !with_rows {
            for record in &mut records {
                record.row = None;
            }
        }
        records.into_iter().filter(|record| only.is_empty() || only.contains(&record.outcome)).try_for_each(each)
    }

    async fn columns(&self) -> Result<Vec<String>, LedgerError> {
        Ok(self.store(|store| {
            let delivered = store.deliveries.iter().map(|delivery| &delivery.stored.row);
            let rows = delivered.chain(store.left_out.iter().filter_map(|(.., row)| row.as_ref()));
            let mut names: Vec<String> = Vec::new();
            for name in rows.flat_map(|row| row.columns.names()) {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            names
        }))
    }

    async fn failed_with(&self, code: &str) -> Result<Vec<Lease>, LedgerError> {
        Ok(self.store(|store| {
            let failed =
                store.deliveries.iter().filter(|delivery| delivery.state == State::Failed && delivery.code() == code);
            failed.map(|delivery| delivery.stored.clone().into()).collect()
        }))
    }
}

fn left_out((line, key, why, row): &LeftOutRow) -> Record {
    Record {
        line: Some(*line),
        key: key.clone(),
        outcome: State::Skipped,
        livedesk_status: None,
        error_code: Some(why.word().to_owned()),
        error: Some(why.to_string()),
        attempts: 0,
        contact_id: None,
        conversation_id: None,
        message_id: None,
        first_attempt_at: None,
        settled_at: None,
        duration_ms: None,
        earlier: Vec::new(),
        row: row.clone(),
        receipt: ReceiptColumns::default(),
    }
}

fn record(delivery: &Delivery, outcome: State) -> Record {
    let gone = outcome == State::Skipped;
    let (code, text) = match &delivery.failure {
        _ if gone => (Some(Totals::GONE.to_owned()), Some("no longer on the list".to_owned())),
        Some(failure) => (Some(failure.code.clone()), Some(failure.text.clone()).filter(|text| !text.is_empty())),
        None => (None, None),
    };
    let duration = delivery.first_attempt_at.zip(delivery.settled_at);
    Record {
        line: Some(delivery.stored.row.line).filter(|line| *line > 0),
        key: delivery.stored.key.clone(),
        outcome,
        livedesk_status: delivery.livedesk_status.clone(),
        error_code: code,
        error: text,
        attempts: delivery.stored.attempts,
        contact_id: delivery.stored.contact_id.map(|id| id.0),
        conversation_id: delivery.stored.conversation_id.map(|id| id.0),
        message_id: delivery.stored.failed_message.map(|id| id.0),
        first_attempt_at: delivery.first_attempt_at,
        settled_at: delivery.settled_at,
        duration_ms: duration
            .and_then(|(first, settled)| u64::try_from(settled.duration_since(first).as_millis()).ok()),
        earlier: delivery.history.iter().map(|(earlier, _)| earlier.clone()).collect(),
        row: Some(delivery.stored.row.clone()),
        receipt: delivery
            .receipt
            .clone()
            .map(|(receipt, _, next)| ReceiptColumns::new(receipt, next.is_none()))
            .unwrap_or_default(),
    }
}

impl Operate for MemoryLedger {
    async fn resolve(
        &self,
        keys: Option<Vec<String>>,
        sent: bool,
        note: Option<String>,
    ) -> Result<Resolved, LedgerError> {
        Ok(self.store(|store| {
            let is_unknown = |delivery: &Delivery| delivery.state == State::Unknown;
            let mut others = keys.clone().unwrap_or_default();
            others.retain(|key| !store.find(key).is_some_and(|delivery| is_unknown(delivery)));
            if !others.is_empty() {
                return Resolved::NotUnknown(others);
            }
            let asked = |delivery: &&mut Delivery| keys.as_ref().is_none_or(|keys| keys.contains(&delivery.stored.key));
            let mut resolved = 0;
            for delivery in store.deliveries.iter_mut().filter(|delivery| is_unknown(delivery)).filter(asked) {
                let status = delivery.livedesk_status.clone();
                delivery.decide(
                    if sent { OperatorAction::ResolvedAsSent } else { OperatorAction::ResolvedAsNotSent },
                    note.clone(),
                );
                delivery.livedesk_status = status;
                if sent {
                    delivery.accept(Timestamp::now());
                    delivery.failure = Some(Failure::new(RESOLVED, ""));
                } else {
                    delivery.stored.failed_message = None;
                }
                resolved += 1;
            }
            Resolved::All(resolved)
        }))
    }

    async fn settle_by_evidence(&self, resolutions: Vec<Resolution>) -> Result<u64, LedgerError> {
        Ok(self.store(|store| {
            let mut settled = 0;
            for Resolution { position, message_id, note } in resolutions {
                let found = store.deliveries.iter_mut().find(|delivery| delivery.stored.position == position);
                let Some(delivery) = found.filter(|delivery| delivery.state == State::Unknown) else { continue };
                let status = delivery.livedesk_status.clone();
                let sent = message_id.is_some();
                let action = if sent { OperatorAction::ResolvedAsSent } else { OperatorAction::ResolvedAsNotSent };
                delivery.decide(action, Some(note));
                delivery.livedesk_status = status;
                delivery.stored.failed_message = message_id;
                if sent {
                    delivery.accept(Timestamp::now());
                    delivery.failure = Some(Failure::new(RESOLVED, ""));
                }
                settled += 1;
            }
            settled
        }))
    }

    async fn retry_failed(&self, retry: Retry) -> Result<u64, LedgerError> {
        Ok(self.store(|store| {
            store.mark(&retry);
            store.retry()
        }))
    }
}

impl Track for MemoryLedger {
    async fn tracked(
        &self,
        which: TrackQuery,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<TrackedMessage>, LedgerError> {
        let wanted = |tracked: &TrackedMessage| match which {
            TrackQuery::DueBy(time) => tracked.next_look.is_some_and(|at| at <= time),
            TrackQuery::Open => {
                let failed = tracked.receipt.status() == Some(MessageStatus::Failed) && !tracked.receipt.is_gone;
                tracked.next_look.is_some() || failed
            }
        };
        Ok(self.store(|store| {
            let all = store.deliveries.iter().filter_map(Delivery::tracked).filter(wanted);
            all.filter(|tracked| after.is_none_or(|after| tracked.position > after)).take(limit).collect()
        }))
    }

    async fn tracked_in(
        &self,
        conversations: Vec<ConversationId>,
        contacts: Vec<ContactId>,
    ) -> Result<Vec<TrackedMessage>, LedgerError> {
        let wanted = |tracked: &TrackedMessage| {
            conversations.contains(&tracked.conversation_id)
                || tracked.contact_id.is_some_and(|contact| contacts.contains(&contact))
        };
        Ok(self.store(|store| store.deliveries.iter().filter_map(Delivery::tracked).filter(wanted).collect()))
    }

    async fn observe(&self, observations: Vec<Observation>) -> Result<(), LedgerError> {
        self.store(|store| {
            for Observation { position, message_id, receipt, next_look } in observations {
                let delivery = store.deliveries.iter_mut().find(|delivery| delivery.stored.position == position);
                let Some(delivery) = delivery.filter(|it| it.stored.failed_message == Some(message_id)) else {
                    continue;
                };
                if let Some((known, _, next)) = &mut delivery.receipt {
                    *known = std::mem::take(known).merge(receipt);
                    *next = next_look;
                }
            }
        });
        Ok(())
    }

    async fn unknown_deliveries(&self) -> Result<Vec<UnknownDelivery>, LedgerError> {
        Ok(self.store(|store| {
            let unknown = store.deliveries.iter().filter(|delivery| delivery.state == State::Unknown);
            let unknown_deliveries = unknown.map(|delivery| UnknownDelivery {
                lease: delivery.stored.clone().into(),
                claimed_at: delivery.departure().unwrap_or_default(),
            });
            unknown_deliveries.collect()
        }))
    }

    async fn complete_until(&self) -> Result<Option<Timestamp>, LedgerError> {
        Ok(self.store(|store| store.complete_until))
    }

    async fn set_complete_until(&self, until: Timestamp) -> Result<(), LedgerError> {
        self.store(|store| store.complete_until = store.complete_until.max(Some(until)));
        Ok(())
    }
}
