//! The rules of `campaign::ledger::Ledger`, each once, held by every implementation. A new one is a
//! `Backend` and a line in the macro at the end. A new rule is a function in the file of its topic and a name in the list at the
//! end.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

mod canary;
mod deciding;
mod delivering;
mod enrolment;
mod reading;
mod tracking;

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use campaign::ledger::{
    self, Acknowledged, CanaryRecord, CanaryVerdict, Claim, ClaimEnd, Deliver, Enroll, Entry, Found, Gone, Inspect,
    Lease, Ledger, LedgerError, Location, Observation, Operate, Proof, Proofs, Prove, Purpose, RecordQuery, Resolution,
    Resolved, RetryIf, RetryRules, RetryUndelivered, Totals, Track, TrackQuery, Version,
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

use canary::*;
use deciding::*;
use delivering::*;
use enrolment::*;
use reading::*;
use tracking::*;

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

/// In memory: the plain implementation that others are compared with.
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
async fn enroll_rows(ledger: &impl Ledger, list: Vec<Entry>, retry: Option<RetryRules>) -> campaign::ledger::Enrolment {
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

// What is settled stays, but for an operator's word.

fn retry(codes: &[(&str, RetryIf)]) -> RetryRules {
    let codes = codes.iter().map(|(code, when)| ((*code).to_owned(), *when)).collect();
    RetryRules { only: None, codes, undelivered: BTreeMap::new() }
}

/// Only where the files of one ledger are: nobody else may hold it.
#[test]
fn a_file_is_held_by_one_run_at_a_time() {
    block_on(async {
        let backend = File::default();
        let ledger = backend.open().await.unwrap();
        assert!(matches!(backend.open().await, Err(LedgerError::InUse(_))));
        drop(ledger);
        drop(backend.open().await.unwrap());
    });
}

#[test]
fn a_dry_run_is_a_copy_and_changes_nothing() {
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
fn a_dry_run_of_a_database_is_a_copy_of_all_of_it() {
    let Some(backend) = Database::new("ledger_contract::a_dry_run_of_a_database_is_a_copy_of_all_of_it") else {
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
        assert_eq!(pending(&ledger).await, ["b", "d"], "what a dry run does is its own");
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
    proofs_count_for_limits_and_for_nothing_else
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
    a_canary_is_what_was_sent_since_the_message_changed
    what_was_decided_about_a_canary_is_kept_until_it_restarts
}
