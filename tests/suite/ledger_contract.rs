//! The rules of `campaign::ledger::Ledger`, each once, held by every implementation. A new one is added to the list at the
//! end, and to nothing else.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use campaign::ledger::{
    self, Acknowledged, Claim, ClaimEnd, Deliver, Enroll, Entry, Found, Gone, Inspect, Lease, Ledger, LedgerError,
    Location, Observation, Operate, Purpose, RecordQuery, Resolution, Resolved, Retry, RetryIf, RetryUndelivered,
    Totals, Track, TrackQuery, Version,
};
use campaign::receipt::{FIRST_LOOK, MessageStatus, OptOut, Receipt, ReceiptState, StatusUpdate};
use campaign::recipients::{Columns, Row};
use campaign::report::Record;
use campaign::state::{
    ContactId, ConversationId, Failure, MessageId, OperatorAction, Outcome, RESOLVED, SkipReason, State,
};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::memory_ledger::Disk;
#[cfg(unix)]
use crate::postgres_server::Server;

const CONVERSATION: ConversationId = ConversationId(7);

/// One way to keep ledgers.
trait Backend {
    /// Opens the one ledger of this backend for a run, as a process would that was just started.
    async fn open(&self) -> Result<impl Ledger, LedgerError>;

    /// The same for looking only, beside the one that is open.
    async fn look(&self) -> impl Ledger;

    /// The same to follow messages, beside the one that is open.
    async fn track(&self) -> impl Ledger;
}

/// SQLite in a file.
struct File(TempDir);

impl Default for File {
    fn default() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl File {
    fn location(&self) -> Location {
        Location::File(self.0.path().join("ledgers/c.sqlite"))
    }
}

impl Backend for File {
    async fn open(&self) -> Result<impl Ledger, LedgerError> {
        ledger::open(&self.location(), Purpose::Run, Acknowledged::default()).await
    }

    async fn look(&self) -> impl Ledger {
        ledger::open_read_only(&self.location()).await.unwrap().unwrap()
    }

    async fn track(&self) -> impl Ledger {
        ledger::open_to_track(&self.location()).await.unwrap().unwrap()
    }
}

/// PostgreSQL: a database of the test's own.
#[cfg(unix)]
struct Database(Location);

#[cfg(unix)]
impl Database {
    /// `None` where there is no PostgreSQL.
    fn new(test: &str) -> Option<Self> {
        let address = Server::shared(test)?.database();
        Some(Self(Location::parse(&address, "c").unwrap()))
    }
}

#[cfg(unix)]
impl Backend for Database {
    async fn open(&self) -> Result<impl Ledger, LedgerError> {
        ledger::open(&self.0, Purpose::Run, Acknowledged::default()).await
    }

    async fn look(&self) -> impl Ledger {
        ledger::open_read_only(&self.0).await.unwrap().unwrap()
    }

    async fn track(&self) -> impl Ledger {
        ledger::open_to_track(&self.0).await.unwrap().unwrap()
    }
}

/// The dull one.
#[derive(Default)]
struct Memory(Disk);

impl Backend for Memory {
    async fn open(&self) -> Result<impl Ledger, LedgerError> {
        Ok(self.0.open())
    }

    async fn look(&self) -> impl Ledger {
        self.0.look()
    }

    async fn track(&self) -> impl Ledger {
        self.0.look()
    }
}

fn row_of(line: u64, column: &str, cell: &str) -> Row {
    Row::new(line, Arc::new(Columns::new(vec![column.to_owned()])), [cell.into()].into())
}

fn entry_at(line: u64, key: &str) -> Entry {
    Entry::Delivery { key: key.to_owned(), row: row_of(line, "name", key), message: None }
}

fn entries(keys: &[&str]) -> Vec<Entry> {
    keys.iter().zip(2..).map(|(key, line)| entry_at(line, key)).collect()
}

fn left_out(line: u64, key: &str) -> Entry {
    let row = (!key.is_empty()).then(|| row_of(line, "name", key));
    Entry::Skipped { line, key: key.to_owned(), reason: SkipReason::Where, row }
}

fn version() -> Version {
    let attachments = BTreeMap::from([("a.pdf".to_owned(), "0123".to_owned())]);
    Version { spec: "name: c".to_owned(), vars: "{}".to_owned(), attachments }
}

/// Takes a list in and keeps it.
async fn enroll_rows(ledger: &impl Ledger, list: Vec<Entry>, retry: Option<Retry>) -> campaign::ledger::Enrolment {
    ledger.begin_enrolment("c", retry).await.unwrap();
    ledger.enroll(list).await.unwrap();
    let enrolment = ledger.finish_enrolment().await.unwrap();
    ledger.keep_enrolment(Some(version())).await.unwrap();
    enrolment
}

/// A ledger with these keys pending and a run begun.
async fn enrolled<'b, B: Backend>(backend: &'b B, keys: &[&str]) -> impl Ledger + use<'b, B> {
    let ledger = backend.open().await.unwrap();
    enroll_rows(&ledger, entries(keys), None).await;
    ledger.begin_run().await.unwrap();
    ledger
}

async fn leases(ledger: &impl Ledger) -> Vec<Lease> {
    ledger.lease(None, usize::MAX).await.unwrap()
}

async fn pending(ledger: &impl Ledger) -> Vec<String> {
    leases(ledger).await.into_iter().map(|lease| lease.key).collect()
}

async fn lease(ledger: &impl Ledger, key: &str) -> Lease {
    leases(ledger).await.into_iter().find(|lease| lease.key == key).unwrap()
}

async fn claim(ledger: &impl Ledger, key: &str) -> Claim {
    let mut lease = lease(ledger, key).await;
    lease.attempts += 1;
    ledger.claim(lease, CONVERSATION).await.unwrap()
}

fn accepted() -> Outcome {
    Outcome::Accepted { message_id: MessageId(9), livedesk_status: "sent".to_owned() }
}

fn failed(code: &str) -> Outcome {
    Outcome::Failed(Failure::new(code, "no"))
}

fn unknown() -> Outcome {
    Outcome::Unknown(Failure::new("timeout", "no answer"))
}

async fn settle(ledger: &impl Ledger, key: &str, outcome: Outcome) {
    let claim = claim(ledger, key).await;
    ledger.settle(claim, outcome).await.unwrap();
}

async fn records(ledger: &impl Ledger) -> Vec<Record> {
    let mut all = Vec::new();
    let each = |record| {
        all.push(record);
        Ok::<_, LedgerError>(())
    };
    ledger.records(&RecordQuery { only: Vec::new(), with_rows: true }, each).await.unwrap();
    all
}

async fn record(ledger: &impl Ledger, key: &str) -> Record {
    records(ledger).await.into_iter().find(|record| record.key == key).unwrap()
}

async fn state(ledger: &impl Ledger, key: &str) -> State {
    record(ledger, key).await.outcome
}

#[track_caller]
fn is_conflict<T: std::fmt::Debug>(result: &Result<T, LedgerError>) {
    assert!(matches!(result, Err(LedgerError::Conflict(_))), "{result:?}");
}

/// Totals are the sums of the records, whatever those are.
async fn totals_add_up(ledger: &impl Ledger) {
    let (totals, mut counted, mut off_list) = (ledger.totals().await.unwrap(), BTreeMap::new(), 0);
    for record in records(ledger).await {
        *counted.entry(record.outcome).or_default() += 1;
        off_list += u64::from(record.line.is_none());
    }
    assert_eq!(totals.off_list, off_list);
    assert_eq!(totals.states, counted);
    assert_eq!(totals.left_out.values().sum::<u64>(), totals.of(State::Skipped));
    let errors: u64 = totals.errors.iter().map(|error| error.count).sum();
    assert_eq!(errors, totals.of(State::Failed) + totals.of(State::Unknown));
    let mut receipts = [0; 5];
    for record in records(ledger).await.iter().filter(|record| record.outcome == State::Accepted) {
        receipts[match record.receipt.receipt {
            None | Some(ReceiptState::Sent) => 0,
            Some(ReceiptState::Delivered) => 1,
            Some(ReceiptState::Read) => 2,
            Some(ReceiptState::Failed) => 3,
            Some(ReceiptState::None) => 4,
        }] += 1;
    }
    let of = &totals.receipts;
    assert_eq!([of.open, of.delivered, of.read, of.undelivered, of.no_receipt], receipts);
    assert_eq!(of.accepted(), totals.of(State::Accepted));
    assert_eq!(totals.undelivered.iter().map(|error| error.count).sum::<u64>(), of.undelivered);
}

// One delivery a key.

async fn a_key_is_one_delivery_however_often_the_list_names_it<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    ledger.begin_enrolment("c", None).await.unwrap();
    assert_eq!(ledger.enroll(entries(&["a", "b"])).await.unwrap(), []);
    let duplicates = ledger.enroll(vec![entry_at(4, "a"), entry_at(5, "c")]).await.unwrap();
    assert_eq!(duplicates.iter().map(|row| (row.line, row.first_line)).collect::<Vec<_>>(), [(4, 2)]);
    ledger.finish_enrolment().await.unwrap();
    ledger.keep_enrolment(None).await.unwrap();
    assert_eq!(pending(&ledger).await, ["a", "b", "c"]);
    let of_a: Vec<_> = records(&ledger).await.into_iter().filter(|record| record.key == "a").collect();
    assert_eq!(
        of_a.iter().map(|record| (record.line, record.outcome)).collect::<Vec<_>>(),
        [(Some(2), State::Pending), (Some(4), State::Skipped)]
    );
    totals_add_up(&ledger).await;
}

async fn a_known_row_is_taken_over_while_it_is_pending<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", accepted()).await;
    let changed =
        |line: u64, key: &str| Entry::Delivery { key: key.to_owned(), row: row_of(line, "name", "x"), message: None };
    let enrolment = enroll_rows(&ledger, vec![changed(7, "a"), changed(8, "b"), entry_at(9, "c")], None).await;
    assert_eq!((enrolment.new, enrolment.known, enrolment.changed, enrolment.gone), (1, 2, 1, 0));
    assert_eq!((enrolment.first.new, enrolment.first.changed), (vec![9], vec![8]));
    assert_eq!(&*lease(&ledger, "b").await.row.cells, ["x"]);
    assert_eq!(record(&ledger, "a").await.line, Some(7), "the line is the one of today's list");
    assert_eq!(state(&ledger, "a").await, State::Accepted);
}

async fn deliveries_come_in_the_order_in_which_they_were_first_enrolled<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c", "d"]).await;
    enroll_rows(&ledger, entries(&["e", "d", "b", "a"]), None).await;
    assert_eq!(pending(&ledger).await, ["a", "b", "d", "e"]);
    let first = ledger.lease(None, 2).await.unwrap();
    assert_eq!(first.iter().map(|lease| lease.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let next = ledger.lease(Some(first[1].position()), 2).await.unwrap();
    assert_eq!(next.iter().map(|lease| lease.key.as_str()).collect::<Vec<_>>(), ["d", "e"]);
    assert!(ledger.lease(Some(next[1].position()), 2).await.unwrap().is_empty());
}

// Enrolment is all or nothing.

async fn an_enrolment_is_seen_by_others_when_it_is_kept<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    let other = backend.look().await;
    ledger.begin_enrolment("c", None).await.unwrap();
    ledger.enroll(entries(&["a"])).await.unwrap();
    ledger.finish_enrolment().await.unwrap();
    assert_eq!(ledger.totals().await.unwrap().of(State::Pending), 1, "whoever enrols sees it at once");
    assert_eq!(other.totals().await.unwrap(), Totals::default());
    ledger.keep_enrolment(Some(version())).await.unwrap();
    assert_eq!(other.totals().await.unwrap().of(State::Pending), 1);
    assert_eq!(other.version().await.unwrap(), Some(version()));
}

async fn an_abandoned_enrolment_changes_nothing<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", failed("131047")).await;
    let (before, pending_before) = (records(&ledger).await, pending(&ledger).await);
    let codes = [("131047".to_owned(), RetryIf::FailedBy(Timestamp::MAX))].into();
    let retry = Retry { only: None, codes, undelivered: BTreeMap::new() };
    ledger.begin_enrolment("c", Some(retry)).await.unwrap();
    ledger.enroll(vec![entry_at(2, "a"), left_out(3, "x"), entry_at(4, "new")]).await.unwrap();
    assert_eq!(ledger.finish_enrolment().await.unwrap().retried, 1);
    ledger.abandon_enrolment().await.unwrap();
    assert_eq!((records(&ledger).await, pending(&ledger).await), (before, pending_before));
}

async fn an_enrolment_that_was_cut_off_changes_nothing<B: Backend>(backend: B) {
    drop(enrolled(&backend, &["a"]).await);
    let ledger = backend.open().await.unwrap();
    ledger.begin_enrolment("c", None).await.unwrap();
    ledger.enroll(entries(&["b"])).await.unwrap();
    drop(ledger);
    assert_eq!(pending(&backend.open().await.unwrap()).await, ["a"]);
}

async fn a_version_counts_when_it_is_kept_with_one<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    assert_eq!(ledger.version().await.unwrap(), None);
    enroll_rows(&ledger, entries(&["a"]), None).await;
    ledger.begin_enrolment("c", None).await.unwrap();
    ledger.enroll(entries(&["a"])).await.unwrap();
    ledger.finish_enrolment().await.unwrap();
    ledger.keep_enrolment(None).await.unwrap();
    assert_eq!(ledger.version().await.unwrap(), Some(version()));
}

async fn whoever_left_the_list_is_forgotten_unless_they_were_tried<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c", "d"]).await;
    settle(&ledger, "a", accepted()).await;
    let tried = claim(&ledger, "b").await;
    ledger.release(tried).await.unwrap();
    let enrolment = enroll_rows(&ledger, entries(&["d"]), None).await;
    assert_eq!((enrolment.gone, enrolment.first.gone), (1, vec!["c".to_owned()]));
    assert_eq!(pending(&ledger).await, ["d"]);
    let left = record(&ledger, "b").await;
    assert_eq!((left.outcome, left.error_code.as_deref()), (State::Skipped, Some(Totals::GONE)));
    let lines: Vec<_> = records(&ledger).await.into_iter().map(|record| (record.key, record.line)).collect();
    assert_eq!(lines, [("d".to_owned(), Some(2)), ("a".to_owned(), None), ("b".to_owned(), None)]);
    assert_eq!((ledger.totals().await.unwrap().on_list(), ledger.totals().await.unwrap().off_list), (1, 2));
    totals_add_up(&ledger).await;
    enroll_rows(&ledger, entries(&["d", "a"]), None).await;
    assert_eq!(record(&ledger, "a").await.line, Some(3), "who comes back has a line again");
}

async fn a_row_that_is_left_out_today_and_was_tried_before_has_one_record<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", accepted()).await;
    enroll_rows(&ledger, vec![left_out(5, "a"), left_out(6, "b")], None).await;
    let outcomes: Vec<_> =
        records(&ledger).await.into_iter().map(|record| (record.key, record.line, record.outcome)).collect();
    assert_eq!(
        outcomes,
        [("a".to_owned(), Some(5), State::Accepted), ("b".to_owned(), Some(6), State::Skipped)],
        "it has the line of its row"
    );
    totals_add_up(&ledger).await;
}

async fn somebody_can_be_left_out_without_a_list<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    ledger.begin_without_list().await.unwrap();
    let reason = SkipReason::Suppressed { place: "stop.csv:2".to_owned() };
    ledger.skip(vec![(lease(&ledger, "a").await, reason)]).await.unwrap();
    ledger.keep_enrolment(None).await.unwrap();
    assert_eq!(pending(&ledger).await, ["b"]);
    let record = record(&ledger, "a").await;
    assert_eq!((record.outcome, record.error_code.as_deref()), (State::Skipped, Some("suppressed")));
    totals_add_up(&ledger).await;
}

async fn a_new_ledger_that_is_discarded_leaves_no_trace<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    ledger.begin_enrolment("c", None).await.unwrap();
    ledger.enroll(entries(&["a"])).await.unwrap();
    ledger.abandon_enrolment().await.unwrap();
    ledger.discard_if_new().await;
    let ledger = backend.open().await.unwrap();
    ledger.belongs_to("another").await.unwrap();
    assert_eq!(records(&ledger).await, []);
}

async fn a_ledger_is_one_campaigns<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    ledger.belongs_to("another").await.unwrap();
    enroll_rows(&ledger, entries(&["a"]), None).await;
    ledger.belongs_to("c").await.unwrap();
    assert!(matches!(ledger.belongs_to("another").await, Err(LedgerError::OtherCampaign(name)) if name == "c"));
}

// A claim is made once, and ended by its run.

async fn of_two_leases_of_a_delivery_one_can_be_claimed<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let (one, other) = (lease(&ledger, "a").await, lease(&ledger, "a").await);
    let claim = ledger.claim(one, CONVERSATION).await.unwrap();
    is_conflict(&ledger.claim(other, CONVERSATION).await);
    assert_eq!(pending(&ledger).await, Vec::<String>::new());
    ledger.settle(claim, accepted()).await.unwrap();
}

async fn a_lease_that_is_dropped_is_pending<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    drop(lease(&ledger, "a").await);
    assert_eq!(pending(&ledger).await, ["a"]);
}

async fn a_claim_ends_once<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let claim = claim(&ledger, "a").await;
    ledger.record_end(&claim, ClaimEnd::Settled(accepted())).await.unwrap();
    for end in [ClaimEnd::Withdrawn, ClaimEnd::Released, ClaimEnd::Settled(failed("131047"))] {
        is_conflict(&ledger.record_end(&claim, end).await);
    }
    assert_eq!(state(&ledger, "a").await, State::Accepted);
}

async fn a_claim_of_a_dead_run_is_unknown_and_ended_by_nobody<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    let claim = claim(&ledger, "a").await;
    drop(ledger);
    let ledger = backend.open().await.unwrap();
    assert_eq!(ledger.interrupted(), 1);
    assert_eq!(pending(&ledger).await, ["b"]);
    ledger.begin_run().await.unwrap();
    is_conflict(&ledger.record_end(&claim, ClaimEnd::Settled(accepted())).await);
    is_conflict(&ledger.release(claim).await);
    let record = record(&ledger, "a").await;
    assert_eq!((record.outcome, record.error_code.as_deref()), (State::Unknown, Some("cut-off")));
    totals_add_up(&ledger).await;
}

async fn a_run_does_not_end_claims_of_the_one_before<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let claim = claim(&ledger, "a").await;
    ledger.begin_run().await.unwrap();
    is_conflict(&ledger.record_end(&claim, ClaimEnd::Released).await);
    assert_eq!(ledger.settle_interrupted().await.unwrap(), 1);
    assert_eq!(state(&ledger, "a").await, State::Unknown);
}

async fn a_claim_that_is_withdrawn_was_no_attempt_and_one_that_is_released_was<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let withdrawn = claim(&ledger, "a").await;
    ledger.withdraw(withdrawn).await.unwrap();
    let record = records(&ledger).await.remove(0);
    assert_eq!((record.outcome, record.attempts, record.first_attempt_at), (State::Pending, 0, None));
    let released = claim(&ledger, "a").await;
    let lease = ledger.release(released).await.unwrap();
    assert_eq!((lease.attempts, lease.conversation_id), (1, Some(CONVERSATION)));
    let record = records(&ledger).await.remove(0);
    assert!((record.outcome, record.attempts) == (State::Pending, 1) && record.first_attempt_at.is_some());
    ledger.claim(lease, CONVERSATION).await.unwrap().leaves(Timestamp::now());
}

async fn an_outcome_is_recorded_as_it_was<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    settle(&ledger, "a", accepted()).await;
    let failure = Failure {
        message_id: Some(MessageId(u64::MAX)),
        livedesk_status: Some("failed".to_owned()),
        ..Failure::new("131047", "too late")
    };
    settle(&ledger, "b", Outcome::Failed(failure)).await;
    settle(&ledger, "c", unknown()).await;
    let records = records(&ledger).await;
    let (a, b, c) = (&records[0], &records[1], &records[2]);
    assert_eq!((a.outcome, a.message_id, a.livedesk_status.as_deref()), (State::Accepted, Some(9), Some("sent")));
    assert_eq!((b.outcome, b.message_id, b.error_code.as_deref()), (State::Failed, Some(u64::MAX), Some("131047")));
    assert_eq!((b.error.as_deref(), b.livedesk_status.as_deref()), (Some("too late"), Some("failed")));
    assert_eq!((c.outcome, c.conversation_id, c.attempts), (State::Unknown, Some(7), 1));
    assert!(
        [a, b, c].iter().all(|record| record.settled_at >= record.first_attempt_at && record.duration_ms.is_some())
    );
    totals_add_up(&ledger).await;
}

async fn a_refusal_is_a_failure_without_a_message<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let (mut one, other) = (lease(&ledger, "a").await, lease(&ledger, "a").await);
    one.attempts += 1;
    ledger.refuse(one, Failure::new("http-404", "no such inbox")).await.unwrap();
    is_conflict(&ledger.refuse(other, Failure::new("x", "y")).await);
    let record = record(&ledger, "a").await;
    assert_eq!(
        (record.outcome, record.error_code.as_deref(), record.message_id),
        (State::Failed, Some("http-404"), None)
    );
    assert_eq!(ledger.failed_with("http-404").await.unwrap().len(), 1);
    assert_eq!(ledger.failed_with("131050").await.unwrap().len(), 0);
}

async fn what_is_on_disk_outlives_the_process<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c", "d"]).await;
    settle(&ledger, "a", accepted()).await;
    settle(&ledger, "b", failed("131047")).await;
    let (in_flight, before) = (claim(&ledger, "c").await, records(&ledger).await);
    drop((in_flight, ledger));
    let ledger = backend.open().await.unwrap();
    let after = records(&ledger).await;
    assert_eq!((&after[..2], &after[3..]), (&before[..2], &before[3..]));
    assert_eq!(after[2].outcome, State::Unknown);
}

// Ids of earlier attempts.

async fn ids_are_kept_for_the_next_attempt_until_they_are_forgotten<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let mut first = lease(&ledger, "a").await;
    first.target("address".to_owned(), "message".to_owned());
    ledger.note(&mut first, Found::Contact(ContactId(5))).await.unwrap();
    ledger.note(&mut first, Found::Conversation(CONVERSATION)).await.unwrap();
    assert!(!first.has_kept_contact(), "what was found just now is not kept from before");
    let mut next = lease(&ledger, "a").await;
    assert_eq!((next.contact_id, next.conversation_id), (Some(ContactId(5)), Some(CONVERSATION)));
    assert!(next.has_kept_contact() && next.has_kept_conversation());
    next.target("address".to_owned(), "another message".to_owned());
    assert!(next.has_kept_contact(), "the address is the same");
    ledger.forget(&mut next, Gone::Conversation).await.unwrap();
    let next = lease(&ledger, "a").await;
    assert_eq!((next.contact_id, next.conversation_id), (Some(ContactId(5)), None));
}

async fn ids_are_not_kept_for_another_address<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let mut first = lease(&ledger, "a").await;
    first.target("address".to_owned(), "message".to_owned());
    ledger.note(&mut first, Found::Contact(ContactId(5))).await.unwrap();
    let mut next = lease(&ledger, "a").await;
    next.target("another".to_owned(), "message".to_owned());
    assert_eq!((next.contact_id, next.conversation_id, next.failed_message), (None, None, None));
}

async fn a_message_that_failed_is_known_to_the_retry_of_the_same_message_alone<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let mut first = lease(&ledger, "a").await;
    first.target("address".to_owned(), "message".to_owned());
    let claim = ledger.claim(first, CONVERSATION).await.unwrap();
    let failure = Failure { message_id: Some(MessageId(4)), ..Failure::new("131053", "no") };
    ledger.settle(claim, Outcome::Failed(failure)).await.unwrap();
    enroll_rows(&ledger, entries(&["a"]), Some(retry(&[("131053", RetryIf::FailedBy(Timestamp::MAX))]))).await;
    let mut same = lease(&ledger, "a").await;
    same.target("address".to_owned(), "message".to_owned());
    assert_eq!(same.failed_message, Some(MessageId(4)));
    same.target("address".to_owned(), "another".to_owned());
    assert_eq!(same.failed_message, None);
}

// What is settled stays, but for an operator's word.

fn retry(codes: &[(&str, RetryIf)]) -> Retry {
    let codes = codes.iter().map(|(code, when)| ((*code).to_owned(), *when)).collect();
    Retry { only: None, codes, undelivered: BTreeMap::new() }
}

async fn what_is_settled_is_not_sent_again_by_reading_the_list<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    settle(&ledger, "a", accepted()).await;
    settle(&ledger, "b", failed("131047")).await;
    settle(&ledger, "c", unknown()).await;
    enroll_rows(&ledger, entries(&["a", "b", "c"]), None).await;
    assert_eq!(pending(&ledger).await, Vec::<String>::new());
}

async fn failed_deliveries_are_retried_by_code_time_and_key<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c", "d", "e"]).await;
    for (key, code) in [("a", "now"), ("b", "later"), ("c", "never"), ("d", "now"), ("e", "now")] {
        settle(&ledger, key, failed(code)).await;
    }
    let yesterday = Timestamp::now() - Duration::from_hours(24);
    let codes = retry(&[("now", RetryIf::FailedBy(Timestamp::MAX)), ("later", RetryIf::FailedBy(yesterday))]);
    let only = Some(["a", "b", "c", "e"].map(str::to_owned).to_vec());
    let enrolment = enroll_rows(&ledger, entries(&["a", "b", "c", "d"]), Some(Retry { only, ..codes })).await;
    assert_eq!(enrolment.retried, 1, "`e` is no longer on the list");
    assert_eq!(pending(&ledger).await, ["a"]);
    let record = record(&ledger, "a").await;
    assert_eq!((record.error_code, record.settled_at), (None, None));
    assert_eq!(record.earlier.len(), 1, "how it had ended stays on record");
    let earlier = &record.earlier[0];
    assert_eq!((earlier.outcome, earlier.error_code.as_deref()), (State::Failed, Some("now")));
    assert_eq!(earlier.action, OperatorAction::Retried);
    totals_add_up(&ledger).await;
}

async fn a_failure_of_the_message_is_retried_if_the_message_has_changed<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    for key in ["a", "b"] {
        let mut lease = lease(&ledger, key).await;
        lease.target("address".to_owned(), "message".to_owned());
        let claim = ledger.claim(lease, CONVERSATION).await.unwrap();
        ledger.settle(claim, failed("132000")).await.unwrap();
    }
    let entry = |line: u64, key: &str, message: &str| Entry::Delivery {
        key: key.to_owned(),
        row: row_of(line, "name", "new"),
        message: Some(message.to_owned()),
    };
    let list = vec![entry(2, "a", "message"), entry(3, "b", "another")];
    enroll_rows(&ledger, list, Some(retry(&[("132000", RetryIf::MessageChanged)]))).await;
    assert_eq!(pending(&ledger).await, ["b"]);
    assert_eq!(&*lease(&ledger, "b").await.row.cells, ["new"], "with the row of today");
}

async fn failed_deliveries_are_retried_without_a_list<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", failed("now")).await;
    settle(&ledger, "b", failed("132000")).await;
    ledger.begin_without_list().await.unwrap();
    let codes = retry(&[("now", RetryIf::FailedBy(Timestamp::MAX)), ("132000", RetryIf::MessageChanged)]);
    assert_eq!(ledger.retry_failed(codes).await.unwrap(), 1);
    ledger.keep_enrolment(None).await.unwrap();
    assert_eq!(pending(&ledger).await, ["a"]);
}

async fn an_unknown_delivery_is_settled_by_an_operator<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    for key in ["a", "b", "c"] {
        settle(&ledger, key, unknown()).await;
    }
    let note = Some("asked her".to_owned());
    let resolved = ledger.resolve(Some(vec!["a".to_owned()]), true, note).await.unwrap();
    assert_eq!(resolved, Resolved::All(1));
    assert_eq!(ledger.resolve(None, false, None).await.unwrap(), Resolved::All(2));
    assert_eq!(pending(&ledger).await, ["b", "c"]);
    let (a, b) = (record(&ledger, "a").await, record(&ledger, "b").await);
    assert_eq!((a.outcome, a.error_code.as_deref()), (State::Accepted, Some(RESOLVED)));
    assert_eq!(
        (a.earlier[0].action, a.earlier[0].note.as_deref()),
        (OperatorAction::ResolvedAsSent, Some("asked her"))
    );
    assert_eq!((b.outcome, b.earlier[0].action), (State::Pending, OperatorAction::ResolvedAsNotSent));
    assert_eq!(b.earlier[0].error_code.as_deref(), Some("timeout"));
    totals_add_up(&ledger).await;
}

async fn an_operators_word_is_for_all_the_keys_or_for_none<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", unknown()).await;
    settle(&ledger, "b", accepted()).await;
    let keys = ["a", "b", "nobody"].map(str::to_owned).to_vec();
    let resolved = ledger.resolve(Some(keys), false, None).await.unwrap();
    assert_eq!(resolved, Resolved::NotUnknown(["b", "nobody"].map(str::to_owned).to_vec()));
    assert_eq!((state(&ledger, "a").await, state(&ledger, "b").await), (State::Unknown, State::Accepted));
}

// Reading.

async fn records_come_in_the_order_of_the_list_and_as_asked_for<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["c", "a"]).await;
    settle(&ledger, "a", accepted()).await;
    enroll_rows(&ledger, vec![left_out(2, "x"), entry_at(3, "a"), entry_at(4, "b"), left_out(5, "")], None).await;
    let all = records(&ledger).await;
    assert_eq!(all.iter().map(|record| record.line).collect::<Vec<_>>(), [2, 3, 4, 5].map(Some));
    let mut skipped = Vec::new();
    let each = |record: Record| {
        skipped.push(record.line);
        Ok::<_, LedgerError>(())
    };
    ledger.records(&RecordQuery { only: vec![State::Skipped, State::Failed], with_rows: false }, each).await.unwrap();
    assert_eq!(skipped, [2, 5].map(Some));
    totals_add_up(&ledger).await;
}

async fn records_come_with_the_rows_of_the_list<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    let other = Entry::Delivery { key: "b".to_owned(), row: row_of(4, "mobile", "123"), message: None };
    enroll_rows(&ledger, vec![entry_at(2, "a"), left_out(3, "x"), other, entry_at(5, "a"), left_out(6, "")], None)
        .await;
    let cell = |record: &Record, column: &str| record.row.as_ref().and_then(|row| row.get(column).cloned());
    let all = records(&ledger).await;
    let names: Vec<_> = all.iter().map(|record| cell(record, "name")).collect();
    assert_eq!(names, [Some("a".into()), Some("x".into()), None, Some("a".into()), None]);
    assert_eq!(cell(&all[2], "mobile"), Some("123".into()));
    assert_eq!(ledger.columns().await.unwrap(), ["name", "mobile"]);
}

async fn whoever_wants_no_more_records_gets_no_more<B: Backend>(backend: B) {
    let keys: Vec<String> = (0..6_000).map(|at| at.to_string()).collect();
    let ledger = enrolled(&backend, &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let taken = Cell::new(0);
    let each = |_| {
        taken.set(taken.get() + 1);
        if taken.get() == 3 { Err(LedgerError::Closed) } else { Ok(()) }
    };
    assert!(matches!(ledger.records(&RecordQuery::default(), each).await, Err(LedgerError::Closed)));
    assert_eq!(taken.get(), 3);
    assert_eq!(records(&ledger).await.len(), 6_000, "and the ledger goes on");
}

async fn errors_are_counted_by_code<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c", "d"]).await;
    settle(&ledger, "a", Outcome::Failed(Failure::new("131047", "too late"))).await;
    settle(&ledger, "b", Outcome::Failed(Failure::new("131047", "another text"))).await;
    settle(&ledger, "c", unknown()).await;
    let errors = ledger.totals().await.unwrap().errors;
    let counted: Vec<_> = errors
        .iter()
        .map(|error| (error.state, error.code.as_str(), error.text.as_str(), error.varies, error.count))
        .collect();
    assert_eq!(
        counted,
        [(State::Failed, "131047", "another text", true, 2), (State::Unknown, "timeout", "no answer", false, 1)]
    );
}

async fn keys_are_looked_up<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    settle(&ledger, "a", accepted()).await;
    settle(&ledger, "b", unknown()).await;
    let keys = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let found = ledger.look_up(keys.clone()).await.unwrap();
    assert_eq!((found.pending, found.missing), (1, vec!["d".to_owned()]));
    assert_eq!(ledger.messaged().await.unwrap(), 2);
    ledger.resolve(None, false, None).await.unwrap();
    assert_eq!(ledger.untouched(keys).await.unwrap(), 1, "`b` is pending by an operator's word");
    assert_eq!(ledger.messaged().await.unwrap(), 2, "whatever was decided about it since");
}

async fn departures_count_as_long_as_the_message_may_have_been_taken<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    assert_eq!(ledger.last_send_time().await.unwrap(), None);
    let times = [3, 2, 1].map(|minutes| Timestamp::now() - Duration::from_mins(minutes));
    // As precise as a ledger keeps it.
    let times = times.map(|time| Timestamp::from_millisecond(time.as_millisecond()).unwrap());
    for (key, at) in ["a", "b", "c"].into_iter().zip(times) {
        let mut claim = claim(&ledger, key).await;
        claim.leaves(at);
        match key {
            "a" => ledger.settle(claim, accepted()).await.unwrap(),
            "b" => drop(ledger.release(claim).await.unwrap()),
            _ => ledger.settle(claim, unknown()).await.unwrap(),
        }
    }
    let within = async |minutes: u64, most| ledger.send_times_within(Duration::from_mins(minutes), most).await.unwrap();
    assert_eq!(within(60, 9).await, [times[0], times[2]]);
    assert_eq!(within(60, 1).await, [times[2]], "the newest");
    assert_eq!(within(2, 9).await, [times[2]]);
    assert_eq!(ledger.last_send_time().await.unwrap(), Some(times[2]));
    assert_eq!(ledger.sent_within(Duration::from_mins(60)).await.unwrap(), 2);
    ledger.resolve(None, false, None).await.unwrap();
    assert_eq!(within(60, 9).await, [times[0], times[2]], "it may have been taken, whatever is decided now");
}

async fn a_run_knows_when_the_last_request_of_the_one_before_left<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    enroll_rows(&ledger, entries(&["a"]), None).await;
    assert_eq!(ledger.begin_run().await.unwrap(), None);
    let last = Timestamp::from_second(1_790_000_000).unwrap();
    ledger.end_run(last).await.unwrap();
    assert_eq!(ledger.begin_run().await.unwrap().map(Timestamp::as_second), Some(last.as_second()));
    let killed = ledger.begin_run().await.unwrap().unwrap();
    assert!(Timestamp::now().duration_since(killed).as_secs() < 60, "one that was killed says nothing: not after now");
}

/// Steps that change a delivery, in a row: nobody is ever in two states, and no walk ends where a person would be messaged
/// twice.
async fn nobody_is_claimed_twice_whoever_tries<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c", "d"]).await;
    let copies = [leases(&ledger).await, leases(&ledger).await, leases(&ledger).await];
    let mut claimed = HashSet::new();
    for lease in copies.into_iter().flatten() {
        let key = lease.key.clone();
        match ledger.claim(lease, CONVERSATION).await {
            Ok(claim) => {
                assert!(claimed.insert(key), "claimed twice");
                ledger.settle(claim, accepted()).await.unwrap();
            }
            Err(error) => assert!(matches!(error, LedgerError::Conflict(_)) && claimed.contains(&key), "{error}"),
        }
    }
    assert_eq!(claimed.len(), 4);
}

// Receipts.

fn seen(status: MessageStatus, at: Timestamp) -> Receipt {
    Receipt { seen: Some(StatusUpdate::new(status, at)), checked_at: Some(at), ..Receipt::default() }
}

fn undelivered(code: &str, at: Timestamp, checked_at: Timestamp) -> Receipt {
    let why = StatusUpdate {
        code: Some(code.to_owned()),
        error: Some("no".to_owned()),
        ..StatusUpdate::new(MessageStatus::Failed, at)
    };
    Receipt { seen: Some(why), checked_at: Some(checked_at), ..Receipt::default() }
}

/// Records that somebody has looked at the message of a key.
async fn observe(ledger: &impl Ledger, key: &str, receipt: Receipt, next_look: Option<Timestamp>) {
    let all = ledger.tracked_in(vec![CONVERSATION], Vec::new()).await.unwrap();
    let accepted = records(ledger).await.into_iter().filter(|record| record.outcome == State::Accepted);
    let at = accepted.into_iter().position(|record| record.key == key).unwrap();
    let (position, message_id) = (all[at].position, all[at].message_id);
    ledger.observe(vec![Observation { position, message_id, receipt, next_look }]).await.unwrap();
}

/// Times are kept in milliseconds.
fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap()
}

fn hours_ago(hours: i64) -> Timestamp {
    now() - jiff::SignedDuration::from_hours(hours)
}

async fn an_accepted_message_is_due_for_a_first_look_and_then_as_was_said<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    settle(&ledger, "a", accepted()).await;
    settle(&ledger, "b", failed("131047")).await;
    let due = async |by: Timestamp| ledger.tracked(TrackQuery::DueBy(by), None, 10).await.unwrap();
    assert_eq!(due(Timestamp::now()).await, []);
    let first = due(Timestamp::MAX).await.remove(0);
    assert_eq!(due(Timestamp::MAX).await.len(), 1);
    assert_eq!((first.message_id, first.conversation_id), (MessageId(9), CONVERSATION));
    assert_eq!(first.receipt, Receipt::default());
    let wait = first.next_look.unwrap().duration_since(first.accepted_at);
    assert!((wait.as_secs() - 15 * 60).abs() <= 1 && FIRST_LOOK == Duration::from_mins(15), "{wait}");
    observe(&ledger, "a", seen(MessageStatus::Sent, now()), Some(hours_ago(1))).await;
    assert_eq!(due(Timestamp::now()).await.len(), 1);
    assert_eq!(ledger.tracked(TrackQuery::DueBy(Timestamp::MAX), Some(first.position), 10).await.unwrap(), []);
    assert_eq!(ledger.tracked(TrackQuery::DueBy(Timestamp::MAX), None, 0).await.unwrap(), []);
    observe(&ledger, "a", seen(MessageStatus::Delivered, now()), None).await;
    assert_eq!(due(Timestamp::MAX).await, []);
    assert_eq!(ledger.tracked(TrackQuery::Open, None, 10).await.unwrap(), []);
    totals_add_up(&ledger).await;
}

async fn what_is_seen_is_merged_and_stands_in_the_record<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    settle(&ledger, "a", accepted()).await;
    assert_eq!(record(&ledger, "a").await.receipt.receipt, None);
    let (early, late) = (hours_ago(2), hours_ago(1));
    observe(&ledger, "a", undelivered("131050", early, early), Some(late)).await;
    let line = record(&ledger, "a").await.receipt;
    assert_eq!((line.receipt, line.receipt_at), (Some(ReceiptState::Failed), Some(early)));
    assert_eq!((line.receipt_code.as_deref(), line.receipt_error.as_deref()), (Some("131050"), Some("no")));
    assert_eq!((line.opted_out, line.checked_at), (Some(OptOut::Yes), Some(early)));
    totals_add_up(&ledger).await;
    let reply = Receipt { replied_at: Some(early), ..seen(MessageStatus::Read, late) };
    observe(&ledger, "a", reply, None).await;
    let line = record(&ledger, "a").await.receipt;
    assert_eq!((line.receipt, line.receipt_at), (Some(ReceiptState::Read), Some(late)));
    assert_eq!((line.receipt_code, line.replied_at, line.opted_out), (None, Some(early), Some(OptOut::Yes)));
    let totals = ledger.totals().await.unwrap().receipts;
    assert_eq!((totals.read, totals.replied, totals.opted_out, totals.checked_at), (1, 1, 1, Some(late)));
    assert_eq!(record(&ledger, "a").await.outcome, State::Accepted, "receipts change no outcome");
    totals_add_up(&ledger).await;
}

async fn without_a_receipt_until_the_end_there_is_none<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", accepted()).await;
    observe(&ledger, "a", seen(MessageStatus::Sent, now()), None).await;
    assert_eq!(record(&ledger, "a").await.receipt.receipt, Some(ReceiptState::None));
    // What an operator knows to be sent has no message that could be looked at.
    settle(&ledger, "b", unknown()).await;
    ledger.resolve(Some(vec!["b".to_owned()]), true, None).await.unwrap();
    assert_eq!(record(&ledger, "b").await.receipt.receipt, Some(ReceiptState::None));
    assert_eq!(ledger.tracked(TrackQuery::DueBy(Timestamp::MAX), None, 10).await.unwrap(), []);
    totals_add_up(&ledger).await;
}

async fn messages_are_found_by_conversation_and_by_contact<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    let mut first = lease(&ledger, "a").await;
    first.target("address".to_owned(), "message".to_owned());
    ledger.note(&mut first, Found::Contact(ContactId(5))).await.unwrap();
    settle(&ledger, "a", accepted()).await;
    settle(&ledger, "b", accepted()).await;
    let found = async |conversations: &[u64], contacts: &[u64]| {
        let conversations = conversations.iter().copied().map(ConversationId).collect();
        let contacts = contacts.iter().copied().map(ContactId).collect();
        ledger.tracked_in(conversations, contacts).await.unwrap().len()
    };
    assert_eq!(found(&[7, 8], &[]).await, 2);
    assert_eq!(found(&[], &[5, 7]).await, 1);
    assert_eq!(found(&[7], &[5]).await, 2);
    assert_eq!(found(&[u64::MAX], &[0]).await, 0);
}

async fn whoever_tracks_beside_a_run_is_seen_by_it_and_keeps_it_from_nothing<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", accepted()).await;
    let in_flight = claim(&ledger, "b").await;
    let tracker = backend.track().await;
    observe(&tracker, "a", seen(MessageStatus::Read, now()), None).await;
    assert_eq!(tracker.unknown_deliveries().await.unwrap().len(), 0, "what a run has in flight is not in doubt");
    ledger.settle(in_flight, accepted()).await.unwrap();
    assert_eq!(ledger.totals().await.unwrap().receipts.read, 1);
    drop((tracker, ledger));
    assert_eq!(state(&backend.open().await.unwrap(), "b").await, State::Accepted);
}

async fn how_far_all_was_seen_only_grows<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    assert_eq!(ledger.complete_until().await.unwrap(), None);
    let (early, late) = (hours_ago(2), hours_ago(1));
    for until in [late, early] {
        ledger.set_complete_until(until).await.unwrap();
        assert_eq!(ledger.complete_until().await.unwrap(), Some(late));
    }
}

fn retry_undelivered(code: &str, hours: u64, if_message_changed: bool) -> Retry {
    let rule = RetryUndelivered { after: Duration::from_secs(hours * 3600), if_message_changed };
    Retry { undelivered: BTreeMap::from([(code.to_owned(), rule)]), ..Retry::default() }
}

async fn an_undelivered_message_is_sent_again_only_after_a_late_look_and_never_once_it_arrived<B: Backend>(backend: B) {
    let keys = ["late", "fresh", "unchecked", "arrived", "other", "sent", "stopped"];
    let ledger = enrolled(&backend, &keys).await;
    for key in keys {
        settle(&ledger, key, accepted()).await;
    }
    let (before, after) = (hours_ago(30), hours_ago(1));
    observe(&ledger, "late", undelivered("131049", before, after), None).await;
    observe(&ledger, "fresh", undelivered("131049", after, now()), None).await;
    observe(&ledger, "unchecked", undelivered("131049", before, hours_ago(28)), None).await;
    observe(&ledger, "arrived", undelivered("131049", before, after), None).await;
    observe(&ledger, "arrived", seen(MessageStatus::Delivered, after), None).await;
    observe(&ledger, "other", undelivered("131026", before, after), None).await;
    observe(&ledger, "sent", seen(MessageStatus::Sent, after), None).await;
    let stopped = Receipt { opted_out: Some(OptOut::Maybe), ..undelivered("131049", before, after) };
    observe(&ledger, "stopped", stopped, None).await;
    assert_eq!(ledger.retry_failed(retry_undelivered("131049", 24, false)).await.unwrap(), 1);
    assert_eq!(pending(&ledger).await, ["late"]);
    let line = record(&ledger, "late").await;
    assert_eq!(line.receipt, campaign::report::ReceiptColumns::default());
    assert_eq!(line.earlier.len(), 1);
    let past = &line.earlier[0];
    assert_eq!((past.outcome, past.error_code.as_deref()), (State::Failed, Some("131049")));
    assert_eq!(past.action, OperatorAction::Retried);
    totals_add_up(&ledger).await;
    // Its next message is followed like any other, and looks at the one before count for nothing.
    let again = claim(&ledger, "late").await;
    let second = Outcome::Accepted { message_id: MessageId(10), livedesk_status: "sent".to_owned() };
    ledger.settle(again, second).await.unwrap();
    let position = ledger.tracked_in(vec![CONVERSATION], Vec::new()).await.unwrap()[0].position;
    let receipt = seen(MessageStatus::Read, now());
    let stale = Observation { position, message_id: MessageId(9), receipt, next_look: None };
    ledger.observe(vec![stale]).await.unwrap();
    assert_eq!(record(&ledger, "late").await.receipt.receipt, None);
    totals_add_up(&ledger).await;
}

async fn an_undelivered_message_that_must_change_waits_for_the_change<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    settle(&ledger, "a", accepted()).await;
    observe(&ledger, "a", undelivered("132000", hours_ago(30), hours_ago(1)), None).await;
    assert_eq!(ledger.retry_failed(retry_undelivered("132000", 24, true)).await.unwrap(), 0);
    let changed = Entry::Delivery { key: "a".to_owned(), row: row_of(2, "name", "a"), message: Some("new".to_owned()) };
    let enrolment = enroll_rows(&ledger, vec![changed], Some(retry_undelivered("132000", 24, true))).await;
    assert_eq!((enrolment.retried, pending(&ledger).await), (1, vec!["a".to_owned()]));
}

async fn an_unknown_delivery_is_settled_by_what_was_seen<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    let before = Timestamp::now() - jiff::SignedDuration::from_secs(1);
    settle(&ledger, "a", unknown()).await;
    settle(&ledger, "b", unknown()).await;
    drop(claim(&ledger, "c").await);
    drop(ledger);
    let ledger = backend.open().await.unwrap();
    let unknown_deliveries = ledger.unknown_deliveries().await.unwrap();
    assert_eq!(unknown_deliveries.iter().map(|it| it.lease.key.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(
        unknown_deliveries.iter().all(|it| it.lease.conversation_id == Some(CONVERSATION) && it.claimed_at > before)
    );
    let resolution = |at: usize, message_id| Resolution {
        position: unknown_deliveries[at].lease.position(),
        message_id,
        note: "seen there".to_owned(),
    };
    let resolutions = vec![resolution(0, Some(MessageId(44))), resolution(1, None)];
    assert_eq!(ledger.settle_by_evidence(resolutions.clone()).await.unwrap(), 2);
    assert_eq!(ledger.settle_by_evidence(resolutions).await.unwrap(), 0, "they are no longer unknown");
    let (sent, not) = (record(&ledger, "a").await, record(&ledger, "b").await);
    assert_eq!((sent.outcome, sent.message_id), (State::Accepted, Some(44)));
    assert_eq!(sent.error_code.as_deref(), Some(RESOLVED));
    assert_eq!((not.outcome, not.message_id), (State::Pending, None));
    assert_eq!(sent.earlier[0].note.as_deref(), Some("seen there"));
    assert_eq!(not.earlier[0].action, OperatorAction::ResolvedAsNotSent);
    assert_eq!(ledger.tracked(TrackQuery::DueBy(Timestamp::MAX), None, 10).await.unwrap()[0].message_id, MessageId(44));
    assert_eq!(state(&ledger, "c").await, State::Unknown);
    totals_add_up(&ledger).await;
}

/// Only where the files of one ledger are: nobody else may hold it.
#[test]
fn a_file_is_held_by_one_run_at_a_time() {
    block_on(async {
        let backend = File::default();
        let ledger = backend.open().await.unwrap();
        assert!(matches!(backend.open().await, Err(LedgerError::Held(_))));
        drop(ledger);
        drop(backend.open().await.unwrap());
    });
}

#[test]
fn a_rehearsal_is_a_copy_and_changes_nothing() {
    block_on(async {
        let backend = File::default();
        drop(enrolled(&backend, &["a", "b"]).await);
        let copy = ledger::open(&backend.location(), Purpose::DryRun, Acknowledged::default()).await.unwrap();
        copy.begin_run().await.unwrap();
        settle(&copy, "a", accepted()).await;
        assert_eq!(pending(&copy).await, ["b"]);
        drop(copy);
        assert_eq!(pending(&backend.open().await.unwrap()).await, ["a", "b"]);
    });
}

#[cfg(unix)]
#[test]
fn a_rehearsal_of_a_database_is_a_copy_of_all_of_it() {
    let Some(backend) = Database::new("ledger_contract::a_rehearsal_of_a_database_is_a_copy_of_all_of_it") else {
        return;
    };
    block_on(async {
        let ledger = enrolled(&backend, &["a", "b", "c", "d"]).await;
        settle(&ledger, "a", accepted()).await;
        settle(&ledger, "b", unknown()).await;
        ledger.resolve(None, false, Some("asked".to_owned())).await.unwrap();
        settle(&ledger, "c", failed("131047")).await;
        let copy = ledger::open(&backend.0, Purpose::DryRun, Acknowledged::default()).await.unwrap();
        assert_eq!(records(&copy).await, records(&ledger).await);
        assert_eq!(copy.version().await.unwrap(), ledger.version().await.unwrap());
        copy.begin_run().await.unwrap();
        settle(&copy, "d", accepted()).await;
        assert_eq!(pending(&ledger).await, ["b", "d"], "what a rehearsal does is its own");
    });
}

#[test]
fn a_sandbox_is_empty_and_goes_with_the_process() {
    block_on(async {
        let backend = File::default();
        drop(enrolled(&backend, &["a"]).await);
        for _ in 0..2 {
            let ledger = ledger::open(&backend.location(), Purpose::Sandbox, Acknowledged::default()).await.unwrap();
            assert_eq!(records(&ledger).await, []);
            enroll_rows(&ledger, entries(&["a"]), None).await;
        }
    });
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

macro_rules! rules {
    ($($rule:ident)*) => {
        mod in_a_file {
            $(#[test] fn $rule() { super::block_on(super::$rule(super::File::default())); })*
        }
        #[cfg(unix)]
        mod in_postgres {
            $(#[test] fn $rule() {
                let test = concat!(module_path!(), "::", stringify!($rule));
                if let Some(database) = super::Database::new(test) {
                    super::block_on(super::$rule(database));
                }
            })*
        }
        mod in_memory {
            $(#[test] fn $rule() { super::block_on(super::$rule(super::Memory::default())); })*
        }
    };
}

rules! {
    a_key_is_one_delivery_however_often_the_list_names_it
    a_known_row_is_taken_over_while_it_is_pending
    deliveries_come_in_the_order_in_which_they_were_first_enrolled
    an_enrolment_is_seen_by_others_when_it_is_kept
    an_abandoned_enrolment_changes_nothing
    an_enrolment_that_was_cut_off_changes_nothing
    a_version_counts_when_it_is_kept_with_one
    whoever_left_the_list_is_forgotten_unless_they_were_tried
    a_row_that_is_left_out_today_and_was_tried_before_has_one_record
    somebody_can_be_left_out_without_a_list
    a_new_ledger_that_is_discarded_leaves_no_trace
    a_ledger_is_one_campaigns
    of_two_leases_of_a_delivery_one_can_be_claimed
    a_lease_that_is_dropped_is_pending
    a_claim_ends_once
    a_claim_of_a_dead_run_is_unknown_and_ended_by_nobody
    a_run_does_not_end_claims_of_the_one_before
    a_claim_that_is_withdrawn_was_no_attempt_and_one_that_is_released_was
    an_outcome_is_recorded_as_it_was
    a_refusal_is_a_failure_without_a_message
    what_is_on_disk_outlives_the_process
    ids_are_kept_for_the_next_attempt_until_they_are_forgotten
    ids_are_not_kept_for_another_address
    a_message_that_failed_is_known_to_the_retry_of_the_same_message_alone
    what_is_settled_is_not_sent_again_by_reading_the_list
    failed_deliveries_are_retried_by_code_time_and_key
    a_failure_of_the_message_is_retried_if_the_message_has_changed
    failed_deliveries_are_retried_without_a_list
    an_unknown_delivery_is_settled_by_an_operator
    an_operators_word_is_for_all_the_keys_or_for_none
    records_come_in_the_order_of_the_list_and_as_asked_for
    records_come_with_the_rows_of_the_list
    whoever_wants_no_more_records_gets_no_more
    errors_are_counted_by_code
    keys_are_looked_up
    departures_count_as_long_as_the_message_may_have_been_taken
    a_run_knows_when_the_last_request_of_the_one_before_left
    nobody_is_claimed_twice_whoever_tries
    an_accepted_message_is_due_for_a_first_look_and_then_as_was_said
    what_is_seen_is_merged_and_stands_in_the_record
    without_a_receipt_until_the_end_there_is_none
    messages_are_found_by_conversation_and_by_contact
    whoever_tracks_beside_a_run_is_seen_by_it_and_keeps_it_from_nothing
    how_far_all_was_seen_only_grows
    an_undelivered_message_is_sent_again_only_after_a_late_look_and_never_once_it_arrived
    an_undelivered_message_that_must_change_waits_for_the_change
    an_unknown_delivery_is_settled_by_what_was_seen
}
