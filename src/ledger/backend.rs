//! One of the implementations, chosen when the ledger is opened.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::{Receiver, Sender};

use super::canary::{CanaryRecord, CanaryVerdict};
use super::contract::{Deliver, Enroll, Inspect, Operate, Prove, RecordQuery, Track};
use super::delivery::{Claim, ClaimEnd, Lease, Position};
use super::enrolment::{Duplicate, Enrolment, Entry, RetryRules, Version};
use super::error::LedgerError;
use super::holder::Holder;
use super::postgres::Postgres;
use super::proof::{Proof, ProofNumber, Proofs};
use super::share::{
    Fingerprint, Limits, News, Outage, QuotaPlace, Remaining, RequestKind, Share, SharedQuota, StopRequest, Worker,
    WorkerEvent,
};
use super::sqlite::Sqlite;
use super::tables::Chunk;
use super::totals::{KeyLookup, Resolved, Totals};
use super::tracking::{Observation, Resolution, TrackQuery, TrackedMessage, UnknownDelivery};
use super::transfer::Transfer;
use crate::report::Record;
use crate::state::{ContactId, ConversationId, Failure, SkipReason};

/// The ledger of a location, whichever kind it is.
#[derive(Debug)]
pub(super) enum Backend {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

impl Backend {
    pub(super) fn postgres(ledger: Postgres) -> Self {
        Self::Postgres(Box::new(ledger))
    }
}

/// Calls a method of whichever it is.
macro_rules! dispatch {
    ($backend:expr, $ledger:ident => $call:expr) => {
        match $backend {
            Backend::Sqlite($ledger) => $call,
            Backend::Postgres($ledger) => $call,
        }
    };
}

impl Share for Backend {
    fn is_shared(&self) -> bool {
        dispatch!(self, ledger => ledger.is_shared())
    }

    fn joined(&self) -> Option<&Holder> {
        dispatch!(self, ledger => ledger.joined())
    }

    async fn compare_fingerprint(&self, on: Fingerprint) -> Result<Vec<&'static str>, LedgerError> {
        dispatch!(self, ledger => ledger.compare_fingerprint(on).await)
    }

    async fn acquire_leases(&self, leases: Vec<Lease>) -> Result<Vec<Lease>, LedgerError> {
        dispatch!(self, ledger => ledger.acquire_leases(leases).await)
    }

    async fn release_lease(&self, position: Position) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.release_lease(position).await)
    }

    async fn remaining(&self) -> Result<Remaining, LedgerError> {
        dispatch!(self, ledger => ledger.remaining().await)
    }

    async fn wait_for_limits(&self, kind: RequestKind, limits: Limits) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.wait_for_limits(kind, limits).await)
    }

    fn use_project(&self, name: String) {
        dispatch!(self, ledger => ledger.use_project(name));
    }

    async fn begin_quotas(&self, quotas: Vec<SharedQuota>) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.begin_quotas(quotas).await)
    }

    async fn take_place(&self) -> Result<QuotaPlace, LedgerError> {
        dispatch!(self, ledger => ledger.take_place().await)
    }

    async fn is_alive(&self) -> Result<bool, LedgerError> {
        dispatch!(self, ledger => ledger.is_alive().await)
    }

    async fn next_event(&self) -> WorkerEvent {
        dispatch!(self, ledger => ledger.next_event().await)
    }

    fn announce(&self, news: News) {
        dispatch!(self, ledger => ledger.announce(news));
    }

    async fn acquire_trial(&self) -> Result<bool, LedgerError> {
        dispatch!(self, ledger => ledger.acquire_trial().await)
    }

    async fn acquire_canary(&self) -> Result<bool, LedgerError> {
        dispatch!(self, ledger => ledger.acquire_canary().await)
    }

    async fn stop_all(&self, guard: &'static str, why: &str) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.stop_all(guard, why).await)
    }

    async fn outage(&self) -> Outage {
        dispatch!(self, ledger => ledger.outage().await)
    }

    async fn outage_over(&self) {
        dispatch!(self, ledger => ledger.outage_over().await);
    }

    async fn leave(&self) -> Result<bool, LedgerError> {
        dispatch!(self, ledger => ledger.leave().await)
    }

    async fn workers(&self) -> Result<Vec<Worker>, LedgerError> {
        dispatch!(self, ledger => ledger.workers().await)
    }

    async fn request_stop(&self) -> Result<Vec<StopRequest>, LedgerError> {
        dispatch!(self, ledger => ledger.request_stop().await)
    }
}

/// What a copy needs of both.
impl Backend {
    /// The campaign whose ledger it is; `None` of one that was never used.
    pub(super) async fn owner(&self) -> Result<Option<String>, LedgerError> {
        dispatch!(self, ledger => ledger.owner().await)
    }

    /// What a copy has left here.
    pub(super) async fn transfer(&self) -> Result<Option<Transfer>, LedgerError> {
        dispatch!(self, ledger => ledger.transfer().await)
    }

    pub(super) async fn set_transfer(&self, transfer: Option<Transfer>) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.set_transfer(transfer).await)
    }

    /// Sends all rows, as they are at one moment, until nobody takes them any more.
    pub(super) async fn export(&self, to: Sender<Chunk>) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.export(to).await)
    }

    /// Takes all rows in, in place of whatever is there, together with a mark. All or nothing.
    pub(super) async fn import(&self, chunks: Receiver<Chunk>, transfer: Option<Transfer>) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.import(chunks, transfer).await)
    }
}

impl Enroll for Backend {
    async fn begin_enrolment(&self, campaign: &str, retry: Option<RetryRules>) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.begin_enrolment(campaign, retry).await)
    }

    async fn begin_without_list(&self) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.begin_without_list().await)
    }

    async fn enroll(&self, batch: Vec<Entry>) -> Result<Vec<Duplicate>, LedgerError> {
        dispatch!(self, ledger => ledger.enroll(batch).await)
    }

    async fn skip(&self, people: Vec<(Lease, SkipReason)>) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.skip(people).await)
    }

    async fn finish_enrolment(&self) -> Result<Enrolment, LedgerError> {
        dispatch!(self, ledger => ledger.finish_enrolment().await)
    }

    async fn keep_enrolment(&self, version: Option<Version>) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.keep_enrolment(version).await)
    }

    async fn restart_canary(&self) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.restart_canary().await)
    }

    async fn abandon_enrolment(&self) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.abandon_enrolment().await)
    }

    async fn discard_if_new(self) {
        dispatch!(self, ledger => ledger.discard_if_new().await);
    }
}

impl Deliver for Backend {
    async fn begin_run(&self) -> Result<Option<Timestamp>, LedgerError> {
        dispatch!(self, ledger => ledger.begin_run().await)
    }

    async fn end_run(&self, last_request: Timestamp) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.end_run(last_request).await)
    }

    fn interrupted(&self) -> u64 {
        dispatch!(self, ledger => ledger.interrupted())
    }

    async fn settle_interrupted(&self) -> Result<u64, LedgerError> {
        dispatch!(self, ledger => ledger.settle_interrupted().await)
    }

    async fn decide_canary(&self, verdict: CanaryVerdict) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.decide_canary(verdict).await)
    }

    async fn lost(&self) -> LedgerError {
        dispatch!(self, ledger => ledger.lost().await)
    }

    async fn lease(&self, after: Option<Position>, limit: usize) -> Result<Vec<Lease>, LedgerError> {
        dispatch!(self, ledger => ledger.lease(after, limit).await)
    }

    async fn refuse(&self, lease: Lease, failure: Failure) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.refuse(lease, failure).await)
    }

    async fn record_claim(&self, lease: &Lease, conversation_id: ConversationId) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.record_claim(lease, conversation_id).await)
    }

    async fn record_ids(&self, lease: &Lease) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.record_ids(lease).await)
    }

    async fn record_end(&self, claim: &Claim, end: ClaimEnd) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.record_end(claim, end).await)
    }
}

impl Inspect for Backend {
    async fn belongs_to(&self, campaign: &str) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.belongs_to(campaign).await)
    }

    async fn version(&self) -> Result<Option<Version>, LedgerError> {
        dispatch!(self, ledger => ledger.version().await)
    }

    async fn totals(&self) -> Result<Totals, LedgerError> {
        dispatch!(self, ledger => ledger.totals().await)
    }

    async fn canary(&self) -> Result<CanaryRecord, LedgerError> {
        dispatch!(self, ledger => ledger.canary().await)
    }

    async fn look_up(&self, keys: Vec<String>) -> Result<KeyLookup, LedgerError> {
        dispatch!(self, ledger => ledger.look_up(keys).await)
    }

    async fn messaged(&self) -> Result<u64, LedgerError> {
        dispatch!(self, ledger => ledger.messaged().await)
    }

    async fn untouched(&self, keys: Vec<String>) -> Result<u64, LedgerError> {
        dispatch!(self, ledger => ledger.untouched(keys).await)
    }

    async fn last_send_time(&self) -> Result<Option<Timestamp>, LedgerError> {
        dispatch!(self, ledger => ledger.last_send_time().await)
    }

    async fn holder(&self) -> Result<Option<Holder>, LedgerError> {
        dispatch!(self, ledger => ledger.holder().await)
    }

    fn risk(&self) -> Option<&str> {
        dispatch!(self, ledger => ledger.risk())
    }

    async fn sent_within(&self, window: Duration) -> Result<u64, LedgerError> {
        dispatch!(self, ledger => ledger.sent_within(window).await)
    }

    async fn send_times_within(&self, window: Duration, most: u32) -> Result<Vec<Timestamp>, LedgerError> {
        dispatch!(self, ledger => ledger.send_times_within(window, most).await)
    }

    async fn records<E: From<LedgerError>>(
        &self,
        query: &RecordQuery,
        each: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        dispatch!(self, ledger => ledger.records(query, each).await)
    }

    async fn columns(&self) -> Result<Vec<String>, LedgerError> {
        dispatch!(self, ledger => ledger.columns().await)
    }

    async fn messaged_among(&self, keys: Vec<String>) -> Result<Vec<Lease>, LedgerError> {
        dispatch!(self, ledger => ledger.messaged_among(keys).await)
    }

    async fn failed_with(&self, code: &str) -> Result<Vec<Lease>, LedgerError> {
        dispatch!(self, ledger => ledger.failed_with(code).await)
    }
}

impl Operate for Backend {
    async fn resolve(
        &self,
        keys: Option<Vec<String>>,
        sent: bool,
        note: Option<String>,
    ) -> Result<Resolved, LedgerError> {
        dispatch!(self, ledger => ledger.resolve(keys, sent, note).await)
    }

    async fn settle_by_evidence(&self, resolutions: Vec<Resolution>) -> Result<u64, LedgerError> {
        dispatch!(self, ledger => ledger.settle_by_evidence(resolutions).await)
    }

    async fn retry_failed(&self, retry: RetryRules) -> Result<u64, LedgerError> {
        dispatch!(self, ledger => ledger.retry_failed(retry).await)
    }
}

impl Track for Backend {
    async fn tracked(
        &self,
        which: TrackQuery,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<TrackedMessage>, LedgerError> {
        dispatch!(self, ledger => ledger.tracked(which, after, limit).await)
    }

    async fn tracked_in(
        &self,
        conversations: Vec<ConversationId>,
        contacts: Vec<ContactId>,
    ) -> Result<Vec<TrackedMessage>, LedgerError> {
        dispatch!(self, ledger => ledger.tracked_in(conversations, contacts).await)
    }

    async fn observe(&self, observations: Vec<Observation>) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.observe(observations).await)
    }

    async fn unknown_deliveries(&self) -> Result<Vec<UnknownDelivery>, LedgerError> {
        dispatch!(self, ledger => ledger.unknown_deliveries().await)
    }

    async fn complete_until(&self) -> Result<Option<Timestamp>, LedgerError> {
        dispatch!(self, ledger => ledger.complete_until().await)
    }

    async fn set_complete_until(&self, until: Timestamp) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.set_complete_until(until).await)
    }
}

impl Prove for Backend {
    async fn begin_proofs(&self, campaign: &str) -> Result<(), LedgerError> {
        dispatch!(self, ledger => ledger.begin_proofs(campaign).await)
    }

    async fn record_proof(&self, number: Option<ProofNumber>, proof: &Proof) -> Result<ProofNumber, LedgerError> {
        dispatch!(self, ledger => ledger.record_proof(number, proof).await)
    }

    async fn proofs(&self) -> Result<Proofs, LedgerError> {
        dispatch!(self, ledger => ledger.proofs().await)
    }
}
