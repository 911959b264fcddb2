//! What remains to be sent: the real ledger against a dull second one, under whatever may happen in whatever order.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use campaign::ledger::{Acknowledged, Claim, Entry, Found, Gone, Lease, Ledger, LedgerError, Sqlite};
use campaign::recipients::{Columns, Row};
use campaign::specification::{Source, Spec};
use campaign::state::{ContactId, ConversationId, Failure, LeftOut, MessageId, Outcome, State};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What a list says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Deliver,
    Where,
    Suppressed,
}

/// A row: who, what is said of them, and a cell that may change from one list to the next.
type Listed = (u8, Said, u8);

#[derive(Debug, Clone)]
enum Step {
    /// A new run reads a list and keeps it, or finds a problem in it and keeps nothing.
    Run { list: Vec<Listed>, keep: bool },
    /// The process dies, and another opens the ledger.
    Crash,
    /// One that is pending is claimed and stays in flight.
    Claim(usize),
    /// One that is pending is in two hands, and both claim it.
    ClaimTwice(usize),
    /// What was found on the way to one that is pending.
    Note(usize),
    /// What was found before leads nowhere any more.
    Forget(usize),
    /// The way to one that is pending is barred.
    Refuse(usize),
    /// One in flight was certainly not taken.
    Release(usize),
    /// One in flight ends.
    Settle(usize, State),
    /// The operator's word on one that is in doubt.
    Resolve(u8, bool),
    /// The list is not there any more, and one who is pending has been suppressed since.
    LeaveOut(usize),
}

/// The second implementation: as dull as it can be.
#[derive(Debug, Default)]
struct Model {
    known: BTreeMap<String, Known>,
    /// Rows of the list that are no delivery: their keys.
    left_out: Vec<String>,
    reading: u32,
    order: u32,
    rows: usize,
}

#[derive(Debug, Clone)]
struct Known {
    state: State,
    order: u32,
    reading: u32,
    tried: bool,
}

impl Model {
    fn read(&mut self, list: &[Listed]) {
        self.reading += 1;
        self.rows = list.len();
        self.left_out.clear();
        let mut seen = BTreeSet::new();
        for (who, said, _) in list {
            let key = key(*who);
            if *said != Said::Deliver {
                self.left_out.push(key);
            } else if seen.insert(key.clone()) {
                self.order += 1;
                let new = Known { state: State::Pending, order: self.order, reading: 0, tried: false };
                self.known.entry(key).or_insert(new).reading = self.reading;
            } else {
                self.left_out.push(key);
            }
        }
        let reading = self.reading;
        self.known.retain(|_, known| known.reading == reading || known.tried);
        // Whoever was tried speaks for one of the rows that leave them out today.
        for (key, known) in &self.known {
            if known.reading < reading
                && let Some(at) = self.left_out.iter().position(|left_out| left_out == key)
            {
                self.left_out.remove(at);
            }
        }
    }

    fn crash(&mut self) {
        for known in self.known.values_mut().filter(|known| known.state == State::Claimed) {
            known.state = State::Unknown;
        }
    }

    fn become_(&mut self, key: &str, next: State) {
        let known = self.known.get_mut(key).unwrap();
        assert!(known.state.can_become(next), "{key}: {} may not become {next}", known.state);
        known.state = next;
        known.tried = true;
    }

    /// Keys that may be leased, in the order in which they were first seen.
    fn leasable(&self) -> Vec<String> {
        let on_list = |known: &Known| known.state == State::Pending && known.reading == self.reading;
        let mut keys: Vec<_> = self.known.iter().filter(|(_, known)| on_list(known)).collect();
        keys.sort_by_key(|(_, known)| known.order);
        keys.into_iter().map(|(key, _)| key.clone()).collect()
    }

    /// Every record that a report must have.
    fn records(&self) -> Vec<(String, State)> {
        let delivered = self.known.iter().map(|(key, known)| {
            let gone = known.state == State::Pending && known.reading < self.reading;
            (key.clone(), if gone { State::Skipped } else { known.state })
        });
        let left_out = self.left_out.iter().map(|key| (key.clone(), State::Skipped));
        let mut records: Vec<_> = delivered.chain(left_out).collect();
        records.sort();
        records
    }
}

/// The real ledger: every call to it stands here.
struct Real {
    runtime: Runtime,
    folder: TempDir,
    ledger: Option<Sqlite>,
    spec: Spec,
    in_flight: Vec<Claim>,
    /// Claims of a run that has died.
    dead: Vec<Claim>,
}

impl Real {
    fn new() -> Self {
        let text = "name: c\nrecipients: l.csv\nto: { conversation_id: '{{ id }}' }\nmessage: { content: Hi }\n";
        let source = Source { name: "c.yaml".to_owned(), text: text.to_owned() };
        let spec = Spec::parse(&source, PathBuf::new(), &[]).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut real = Self { runtime, folder, ledger: None, spec, in_flight: Vec::new(), dead: Vec::new() };
        real.reopen();
        real
    }

    fn ledger(&self) -> &Sqlite {
        self.ledger.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.dead = std::mem::take(&mut self.in_flight);
        self.ledger = None;
        self.ledger = Some(Sqlite::open(&self.folder.path().join("c.sqlite"), Acknowledged::default()).unwrap());
    }

    fn read(&self, list: &[Listed], keep: bool) {
        let columns = [Arc::new(Columns::new(vec!["id".to_owned()])), Arc::new(Columns::new(vec!["other".to_owned()]))];
        let entries: Vec<Entry> = list
            .iter()
            .zip(2..)
            .map(|(&(who, said, cell), line)| {
                let columns = columns[usize::from(cell % 2)].clone();
                let row = Row::new(line, columns, [cell.into()].into());
                match said {
                    Said::Deliver => Entry::Delivery { key: key(who), row, message: None },
                    Said::Where => Entry::LeftOut { line, key: key(who), reason: LeftOut::Where },
                    Said::Suppressed => {
                        Entry::LeftOut { line, key: key(who), reason: LeftOut::Suppressed { place: "s:1".to_owned() } }
                    }
                }
            })
            .collect();
        self.runtime.block_on(async {
            let ledger = self.ledger();
            ledger.begin_enrolment(&self.spec, None).await.unwrap();
            ledger.enroll(entries).await.unwrap();
            if keep {
                ledger.finish_enrolment().await.unwrap();
                ledger.keep_enrolment(Some(&self.spec)).await.unwrap();
                ledger.begin_run().await.unwrap();
            } else {
                ledger.abandon_enrolment().await.unwrap();
            }
        });
    }

    /// All that may be leased, taken in steps of three as a run takes them in batches.
    fn leases(&self) -> Vec<Lease> {
        self.runtime.block_on(async {
            let mut all: Vec<Lease> = Vec::new();
            loop {
                let next = self.ledger().lease(all.last().map(Lease::position), 3).await.unwrap();
                if next.is_empty() {
                    return all;
                }
                all.extend(next);
            }
        })
    }

    fn claim(&self, mut lease: Lease) -> Result<Claim, LedgerError> {
        lease.attempts += 1;
        self.runtime.block_on(self.ledger().claim(lease, ConversationId(7)))
    }

    fn note(&self, mut lease: Lease) {
        self.runtime.block_on(self.ledger().note(&mut lease, Found::Contact(ContactId(5)))).unwrap();
    }

    fn forget(&self, mut lease: Lease) {
        let position = lease.position();
        self.runtime.block_on(self.ledger().forget(&mut lease, Gone::Contact)).unwrap();
        let kept = self.leases().into_iter().find(|kept| kept.position() == position).unwrap();
        let ids = (kept.contact_id, kept.conversation_id, kept.failed_message);
        assert_eq!(ids, (None, None, None), "what was forgotten is asked for again");
    }

    fn refuse(&self, mut lease: Lease) {
        lease.attempts += 1;
        self.runtime.block_on(self.ledger().refuse(lease, Failure::new("http-404", "no"))).unwrap();
    }

    fn release(&self, claim: Claim) {
        self.runtime.block_on(self.ledger().release(claim)).unwrap();
    }

    fn settle(&self, claim: Claim, state: State) -> Result<(), LedgerError> {
        let outcome = match state {
            State::Accepted => {
                Outcome::Accepted { message_id: MessageId(u64::MAX), livedesk_status: "sent".to_owned() }
            }
            State::Failed => Outcome::Failed(Failure::new("131047", "too late")),
            _ => Outcome::Unknown(Failure::new("timeout", "no answer")),
        };
        self.runtime.block_on(self.ledger().settle(claim, outcome))
    }

    fn resolve(&self, who: u8, sent: bool) -> usize {
        self.runtime.block_on(self.ledger().resolve(Some(vec![key(who)]), sent, None)).unwrap()
    }

    fn leave_out(&self, lease: Lease) {
        let reason = LeftOut::Suppressed { place: "s:2".to_owned() };
        self.runtime.block_on(self.ledger().leave_out(vec![(lease, reason)])).unwrap();
    }

    fn records(&self) -> Vec<(String, State)> {
        let collect = |records: &campaign::ledger::Records<'_>| {
            let mut all = Vec::new();
            records.each(|record| {
                all.push((record.key.clone(), record.outcome));
                Ok::<_, LedgerError>(())
            })?;
            Ok::<_, LedgerError>(all)
        };
        let mut all = self.runtime.block_on(self.ledger().report(Vec::new(), collect)).unwrap();
        all.sort();
        all
    }

    fn totals(&self) -> BTreeMap<State, u64> {
        self.runtime.block_on(self.ledger().totals()).unwrap().states
    }
}

fn key(who: u8) -> String {
    format!("k{who}")
}

/// Both ledgers, doing the same.
struct Both {
    real: Real,
    model: Model,
}

impl Both {
    fn take(&self, nth: usize) -> Option<Lease> {
        let mut leases = self.real.leases();
        (!leases.is_empty()).then(|| leases.swap_remove(nth % leases.len()))
    }

    fn take_claim(&mut self, nth: usize) -> Option<Claim> {
        let flying = &mut self.real.in_flight;
        (!flying.is_empty()).then(|| flying.swap_remove(nth % flying.len()))
    }

    fn crash(&mut self) {
        self.real.reopen();
        self.model.crash();
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Run { list, keep } => {
                self.crash();
                self.real.read(list, *keep);
                if *keep {
                    self.model.read(list);
                }
                for claim in std::mem::take(&mut self.real.dead) {
                    let late = self.real.settle(claim, State::Accepted);
                    assert!(matches!(late, Err(LedgerError::Conflict(_))), "a dead run settled its claim: {late:?}");
                }
            }
            Step::Crash => self.crash(),
            Step::Claim(nth) => {
                if let Some(lease) = self.take(*nth) {
                    self.claimed(lease);
                }
            }
            Step::ClaimTwice(nth) => {
                if let (Some(one), Some(other)) = (self.take(*nth), self.take(*nth)) {
                    assert_eq!(one.key, other.key);
                    self.claimed(one);
                    assert!(matches!(self.real.claim(other), Err(LedgerError::Conflict(_))), "claimed twice");
                }
            }
            Step::Note(nth) => self.take(*nth).into_iter().for_each(|lease| self.real.note(lease)),
            Step::Forget(nth) => self.take(*nth).into_iter().for_each(|lease| self.real.forget(lease)),
            Step::Refuse(nth) => {
                if let Some(lease) = self.take(*nth) {
                    self.model.become_(&lease.key, State::Failed);
                    self.real.refuse(lease);
                }
            }
            Step::Release(nth) => {
                if let Some(claim) = self.take_claim(*nth) {
                    self.model.become_(&claim.lease().key, State::Pending);
                    self.real.release(claim);
                }
            }
            Step::Settle(nth, state) => {
                if let Some(claim) = self.take_claim(*nth) {
                    self.model.become_(&claim.lease().key, *state);
                    self.real.settle(claim, *state).unwrap();
                }
            }
            Step::Resolve(who, sent) => self.resolve(*who, *sent),
            Step::LeaveOut(nth) => {
                if let Some(lease) = self.take(*nth) {
                    self.model.known.remove(&lease.key);
                    self.model.left_out.push(lease.key.clone());
                    self.real.leave_out(lease);
                }
            }
        }
    }

    fn claimed(&mut self, lease: Lease) {
        self.model.become_(&lease.key, State::Claimed);
        let claim = self.real.claim(lease).unwrap();
        self.real.in_flight.push(claim);
    }

    fn resolve(&mut self, who: u8, sent: bool) {
        let in_doubt = self.model.known.get(&key(who)).is_some_and(|known| known.state == State::Unknown);
        assert_eq!(self.real.resolve(who, sent), usize::from(in_doubt));
        if in_doubt {
            self.model.become_(&key(who), if sent { State::Accepted } else { State::Pending });
        }
    }

    fn compare(&self) {
        let leased: Vec<String> = self.real.leases().into_iter().map(|lease| lease.key).collect();
        assert_eq!(leased, self.model.leasable(), "what may be leased");
        let records = self.model.records();
        assert_eq!(self.real.records(), records, "what the report says");
        let mut totals = BTreeMap::new();
        for (_, state) in &records {
            *totals.entry(*state).or_insert(0) += 1;
        }
        assert_eq!(self.real.totals(), totals, "the totals");
        let left = self.model.known.iter().filter(|(_, known)| known.reading < self.model.reading).count();
        assert!(self.model.rows <= records.len(), "a row of the list has no record");
        assert!(records.len() <= self.model.rows + left, "more records than rows and people who left");
    }
}

fn listed() -> impl Strategy<Value = Listed> {
    let said = prop_oneof![8 => Just(Said::Deliver), 1 => Just(Said::Where), 1 => Just(Said::Suppressed)];
    (0_u8..6, said, 0_u8..4)
}

fn run() -> impl Strategy<Value = Step> {
    let keep = prop_oneof![5 => Just(true), 1 => Just(false)];
    (prop::collection::vec(listed(), 0..9), keep).prop_map(|(list, keep)| Step::Run { list, keep })
}

fn step() -> impl Strategy<Value = Step> {
    let settled = prop_oneof![Just(State::Accepted), Just(State::Failed), Just(State::Unknown)];
    prop_oneof![
        3 => run(),
        1 => Just(Step::Crash),
        5 => (0_usize..6).prop_map(Step::Claim),
        1 => (0_usize..6).prop_map(Step::ClaimTwice),
        1 => (0_usize..6).prop_map(Step::Note),
        1 => (0_usize..6).prop_map(Step::Forget),
        1 => (0_usize..6).prop_map(Step::Refuse),
        2 => (0_usize..6).prop_map(Step::Release),
        4 => (0_usize..6, settled).prop_map(|(nth, state)| Step::Settle(nth, state)),
        2 => (0_u8..6, any::<bool>()).prop_map(|(who, sent)| Step::Resolve(who, sent)),
        1 => (0_usize..6).prop_map(Step::LeaveOut),
    ]
}

/// Few by default, for every step is flushed to the disk; `PROPTEST_CASES` says otherwise.
fn cases(few: u32) -> ProptestConfig {
    let asked = std::env::vars().find(|(name, _)| name == "PROPTEST_CASES").and_then(|(_, cases)| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(few), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn what_remains_is_what_a_dull_second_ledger_says(
        first in prop::collection::vec(listed(), 1..9),
        steps in prop::collection::vec(step(), 1..30),
    ) {
        let mut both = Both { real: Real::new(), model: Model::default() };
        both.step(&Step::Run { list: first, keep: true });
        both.compare();
        for step in &steps {
            both.step(step);
            both.compare();
        }
    }

    #[test]
    fn no_walk_through_the_states_sends_what_was_accepted_or_refused(walk in prop::collection::vec(0..State::ALL.len(), 1..60)) {
        let mut state = State::Pending;
        let mut claims = 0;
        for next in walk.into_iter().map(|at| State::ALL[at]).filter(|next| *next != State::Skipped) {
            if !state.can_become(next) {
                continue;
            }
            prop_assert!(!matches!(state, State::Accepted | State::Skipped), "{state} became {next}");
            // An operator may ask for another try, and that is all.
            prop_assert!(state != State::Failed || next == State::Pending, "{state} became {next}");
            if next == State::Claimed {
                prop_assert_eq!(state, State::Pending);
                claims += 1;
            }
            if matches!(next, State::Accepted | State::Unknown) {
                prop_assert!(claims > 0, "{} without a claim", next);
            }
            state = next;
        }
    }
}
