//! What remains to be sent: the real ledger against a dull second one, under whatever may happen in whatever order.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::sync::Arc;

use campaign::ledger::{
    self, Acknowledged, Claim, Entry, Found, Gone, Lease, Ledger, LedgerError, Location, Purpose, RecordQuery, RetryIf,
    RetryRules, Version,
};
use campaign::recipients::{Columns, Row};
use campaign::report::Record;
use campaign::state::{ContactId, ConversationId, Failure, MessageId, Outcome, SkipReason, State};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::memory_ledger::Disk;

/// What a list says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Deliver,
    Where,
    Suppressed,
}

/// A row: who, what is said of them, and a cell that may change from one list to the next.
type Listed = (u8, Mark, u8);

#[derive(Debug, Clone)]
enum Step {
    /// A new run reads a list and keeps it, or finds a problem in it and keeps nothing; it may retry those who failed.
    Run { list: Vec<Listed>, keep: bool, retry: bool },
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
    /// One in flight never left.
    Withdraw(usize),
    /// One in flight was certainly not taken.
    Release(usize),
    /// One in flight ends.
    Settle(usize, State),
    /// The operator's word on one that is in doubt.
    Resolve(u8, bool),
    /// The list is not there any more, and one who is pending has been suppressed since.
    LeaveOut(usize),
}

/// One of the two ledgers, with what a run has in its hands.
struct Side<L, F> {
    open: F,
    ledger: Option<L>,
    in_flight: Vec<Claim>,
    /// Claims of a run that has died.
    dead: Vec<Claim>,
}

/// What a step came to, in words that both sides must agree on.
type Said = Vec<String>;

impl<L: Ledger, F: Fn() -> L> Side<L, F> {
    fn new(open: F) -> Self {
        Self { ledger: Some(open()), open, in_flight: Vec::new(), dead: Vec::new() }
    }

    fn ledger(&self) -> &L {
        self.ledger.as_ref().unwrap()
    }

    fn crash(&mut self) {
        self.dead.append(&mut self.in_flight);
        self.ledger = None;
        self.ledger = Some((self.open)());
    }

    async fn read(&self, list: &[Listed], keep: bool, retry: bool) {
        let columns = [Arc::new(Columns::new(vec!["id".to_owned()])), Arc::new(Columns::new(vec!["other".to_owned()]))];
        let entry = |(&(who, mark, cell), line): (&Listed, u64)| {
            let columns = columns[usize::from(cell % 2)].clone();
            let row = Row::new(line, columns, [cell.into()].into());
            let key = key(who);
            match mark {
                Mark::Deliver => Entry::Delivery { key, row, message: Some(cell.to_string()) },
                Mark::Where => Entry::Skipped { line, key, reason: SkipReason::Where, row: Some(row) },
                Mark::Suppressed => {
                    let reason = SkipReason::Suppressed { place: "s:1".to_owned() };
                    Entry::Skipped { line, key, reason, row: Some(row) }
                }
            }
        };
        let ledger = self.ledger();
        let codes = [("131047", RetryIf::FailedBy(Timestamp::MAX)), ("http-404", RetryIf::MessageChanged)];
        let codes = codes.map(|(code, when)| (code.to_owned(), when)).into();
        ledger.begin_enrolment("c", retry.then_some(RetryRules { codes, ..RetryRules::default() })).await.unwrap();
        ledger.enroll(list.iter().zip(2..).map(entry).collect()).await.unwrap();
        if keep {
            ledger.finish_enrolment().await.unwrap();
            ledger.keep_enrolment(Some(Version { spec: "name: c".to_owned(), ..Version::default() })).await.unwrap();
            ledger.begin_run().await.unwrap();
        } else {
            ledger.abandon_enrolment().await.unwrap();
        }
    }

    /// All that may be leased, taken in steps of three as a run takes them in batches.
    async fn leases(&self) -> Vec<Lease> {
        let mut all: Vec<Lease> = Vec::new();
        loop {
            let next = self.ledger().lease(all.last().map(Lease::position), 3).await.unwrap();
            if next.is_empty() {
                return all;
            }
            all.extend(next);
        }
    }

    async fn take(&self, nth: usize) -> Option<Lease> {
        let mut leases = self.leases().await;
        (!leases.is_empty()).then(|| leases.swap_remove(nth % leases.len()))
    }

    fn take_claim(&mut self, nth: usize) -> Option<Claim> {
        let flying = &mut self.in_flight;
        (!flying.is_empty()).then(|| flying.swap_remove(nth % flying.len()))
    }

    async fn claim(&mut self, mut lease: Lease) -> String {
        lease.attempts += 1;
        lease.target("address".to_owned(), lease.row.cells[0].to_string());
        match self.ledger().claim(lease, ConversationId(7)).await {
            Ok(claim) => {
                let said = format!("{} is claimed", claim.lease().key);
                self.in_flight.push(claim);
                said
            }
            Err(error) => error.to_string(),
        }
    }

    async fn settle(&self, claim: Claim, state: State) -> String {
        let outcome = match state {
            State::Accepted => {
                Outcome::Accepted { message_id: MessageId(u64::MAX), livedesk_status: "sent".to_owned() }
            }
            State::Failed => Outcome::Failed(Failure::new("131047", "too late")),
            _ => Outcome::Unknown(Failure::new("timeout", "no answer")),
        };
        format!("{:?}", self.ledger().settle(claim, outcome).await)
    }

    /// Does a step; says what came of it.
    async fn step(&mut self, step: &Step) -> Said {
        let mut said = Said::new();
        match step {
            Step::Run { list, keep, retry } => {
                self.crash();
                self.read(list, *keep, *retry).await;
                for claim in std::mem::take(&mut self.dead) {
                    said.push(self.settle(claim, State::Accepted).await);
                }
                let refused = |said: &String| said.contains("Conflict");
                assert!(!*keep || said.iter().all(refused), "a dead run settled its claim: {said:?}");
            }
            Step::Crash => self.crash(),
            Step::Claim(nth) => {
                if let Some(lease) = self.take(*nth).await {
                    said.push(self.claim(lease).await);
                }
            }
            Step::ClaimTwice(nth) => {
                if let (Some(one), Some(other)) = (self.take(*nth).await, self.take(*nth).await) {
                    said.push(self.claim(one).await);
                    said.push(self.claim(other).await);
                    assert!(said[1].contains("changed by another process"), "claimed twice: {said:?}");
                }
            }
            Step::Resolve(who, sent) => {
                let resolved = self.ledger().resolve(Some(vec![key(*who)]), *sent, None).await.unwrap();
                said.push(format!("{resolved:?}"));
            }
            Step::LeaveOut(nth) => {
                if let Some(lease) = self.take(*nth).await {
                    let reason = SkipReason::Suppressed { place: "s:2".to_owned() };
                    self.ledger().begin_without_list().await.unwrap();
                    self.ledger().skip(vec![(lease, reason)]).await.unwrap();
                    self.ledger().keep_enrolment(None).await.unwrap();
                }
            }
            Step::Withdraw(_) | Step::Release(_) | Step::Settle(..) => self.end_claim(step, &mut said).await,
            _ => self.prepare(step).await,
        }
        said
    }

    /// What happens on the way to a message.
    async fn prepare(&self, step: &Step) {
        match step {
            Step::Note(nth) => {
                if let Some(mut lease) = self.take(*nth).await {
                    self.ledger().note(&mut lease, Found::Contact(ContactId(5))).await.unwrap();
                }
            }
            Step::Forget(nth) => {
                if let Some(mut lease) = self.take(*nth).await {
                    self.ledger().forget(&mut lease, Gone::Contact).await.unwrap();
                }
            }
            Step::Refuse(nth) => {
                if let Some(mut lease) = self.take(*nth).await {
                    lease.attempts += 1;
                    self.ledger().refuse(lease, Failure::new("http-404", "no")).await.unwrap();
                }
            }
            _ => {}
        }
    }

    /// One in flight ends.
    async fn end_claim(&mut self, step: &Step, said: &mut Said) {
        match step {
            Step::Withdraw(nth) => {
                if let Some(claim) = self.take_claim(*nth) {
                    said.push(self.ledger().withdraw(claim).await.unwrap().key);
                }
            }
            Step::Release(nth) => {
                if let Some(claim) = self.take_claim(*nth) {
                    said.push(self.ledger().release(claim).await.unwrap().key);
                }
            }
            Step::Settle(nth, state) => {
                if let Some(claim) = self.take_claim(*nth) {
                    said.push(self.settle(claim, *state).await);
                }
            }
            _ => {}
        }
    }

    /// Everything that a ledger can be asked, but for times.
    async fn observe(&self) -> Said {
        let ledger = self.ledger();
        let mut said: Said = self
            .leases()
            .await
            .into_iter()
            .map(|lease| {
                let ids = (lease.contact_id, lease.conversation_id, lease.failed_message, lease.attempts);
                format!("lease {} {:?} {ids:?}", lease.key, lease.row.cells)
            })
            .collect();
        let mut records = Vec::new();
        let each = |mut record: Record| {
            let times = (record.first_attempt_at.take().is_some(), record.settled_at.take().is_some());
            record.duration_ms = None;
            record.earlier.iter_mut().for_each(|past| past.at = Timestamp::UNIX_EPOCH);
            records.push(format!("{record:?} {times:?}"));
            Ok::<_, LedgerError>(())
        };
        let query = RecordQuery { only: Vec::new(), with_rows: true };
        ledger.records(&query, each).await.unwrap();
        // Rows of one line, of today's list and of one before, come in any order.
        records.sort();
        said.append(&mut records);
        let mut totals = ledger.totals().await.unwrap();
        for error in &mut totals.errors {
            error.settled = None;
        }
        said.push(format!("{totals:?} {:?}", ledger.version().await.unwrap()));
        let keys: Vec<String> = (0..6).map(key).collect();
        said.push(format!("{:?}", ledger.look_up(keys.clone()).await.unwrap()));
        said.push(format!("{:?} {:?}", ledger.messaged().await.unwrap(), ledger.untouched(keys).await.unwrap()));
        said
    }
}

fn key(who: u8) -> String {
    format!("k{who}")
}

fn listed() -> impl Strategy<Value = Listed> {
    let said = prop_oneof![8 => Just(Mark::Deliver), 1 => Just(Mark::Where), 1 => Just(Mark::Suppressed)];
    (0_u8..6, said, 0_u8..4)
}

fn run() -> impl Strategy<Value = Step> {
    let keep = prop_oneof![5 => Just(true), 1 => Just(false)];
    let run = (prop::collection::vec(listed(), 0..9), keep, any::<bool>());
    run.prop_map(|(list, keep, retry)| Step::Run { list, keep, retry })
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
        1 => (0_usize..6).prop_map(Step::Withdraw),
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
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (folder, disk) = (tempfile::tempdir().unwrap(), Disk::default());
        let location = Location::File(folder.path().join("c.sqlite"));
        // Within a step, where the runtime is busy.
        let open = || futures_util::FutureExt::now_or_never(ledger::open(&location, Purpose::Run, Acknowledged::default()));
        let open = || open().unwrap().unwrap();
        let (mut real, mut oracle) = (Side::new(open), Side::new(|| disk.open()));
        let first = Step::Run { list: first, keep: true, retry: false };
        for step in std::iter::once(&first).chain(&steps) {
            prop_assert_eq!(runtime.block_on(real.step(step)), runtime.block_on(oracle.step(step)), "{:?}", step);
            prop_assert_eq!(runtime.block_on(real.observe()), runtime.block_on(oracle.observe()), "after {:?}", step);
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
            prop_assert!(state != State::Skipped, "{state} became {next}");
            // An operator may ask for another try, and that is all.
            let is_settled = matches!(state, State::Accepted | State::Failed);
            prop_assert!(!is_settled || next == State::Pending, "{state} became {next}");
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
