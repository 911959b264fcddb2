//! One of the implementations, chosen when the ledger is opened.

use std::time::Duration;

use jiff::Timestamp;

use super::contract::{Deliver, Enroll, Inspect, Operate, RecordQuery, Track};
use super::delivery::{Claim, ClaimEnd, Lease, Position};
use super::enrolment::{Duplicate, Enrolment, Entry, Retry, Version};
use super::error::LedgerError;
use super::holder::Holder;
use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::totals::{KeyLookup, Resolved, Totals};
use super::tracking::{Followed, InDoubt, Observation, Verdict, Which};
use crate::report::Record;
use crate::state::{ContactId, ConversationId, Failure, LeftOut};

/// A ledger of either kind.
#[derive(Debug)]
pub(super) enum Either {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

impl Either {
    pub(super) fn postgres(ledger: Postgres) -> Self {
        Self::Postgres(Box::new(ledger))
    }
}

/// Calls a method of whichever it is.
macro_rules! either {
    ($either:expr, $ledger:ident => $call:expr) => {
        match $either {
            Either::Sqlite($ledger) => $call,
            Either::Postgres($ledger) => $call,
        }
    };
}

impl Enroll for Either {
    async fn begin_enrolment(&self, campaign: &str, retry: Option<Retry>) -> Result<(), LedgerError> {
        either!(self, ledger => ledger.begin_enrolment(campaign, retry).await)
    }

    async fn begin_without_list(&self) -> Result<(), LedgerError> {
        either!(self, ledger => ledger.begin_without_list().await)
    }

    async fn enroll(&self, batch: Vec<Entry>) -> Result<Vec<Duplicate>, LedgerError> {
        either!(self, ledger => ledger.enroll(batch).await)
    }

    async fn leave_out(&self, people: Vec<(Lease, LeftOut)>) -> Result<(), LedgerError> {
        either!(self, ledger => ledger.leave_out(people).await)
    }

    async fn finish_enrolment(&self) -> Result<Enrolment, LedgerError> {
        either!(self, ledger => ledger.finish_enrolment().await)
    }

    async fn keep_enrolment(&self, version: Option<Version>) -> Result<(), LedgerError> {
        either!(self, ledger => ledger.keep_enrolment(version).await)
    }

    async fn abandon_enrolment(&self) -> Result<(), LedgerError> {
        either!(self, ledger => ledger.abandon_enrolment().await)
    }

    async fn discard_if_new(self) {
        either!(self, ledger => ledger.discard_if_new().await);
    }
}

impl Deliver for Either {
    async fn begin_run(&self) -> Result<Option<Timestamp>, LedgerError> {
        either!(self, ledger => ledger.begin_run().await)
    }

    async fn end_run(&self, last_request: Timestamp) -> Result<(), LedgerError> {
        either!(self, ledger => ledger.end_run(last_request).await)
    }

    fn interrupted(&self) -> u64 {
        either!(self, ledger => ledger.interrupted())
    }

    async fn settle_interrupted(&self) -> Result<u64, LedgerError> {
        either!(self, ledger => ledger.settle_interrupted().await)
    }

    async fn lost(&self) -> LedgerError {
        either!(self, ledger => ledger.lost().await)
    }

    async fn lease(&self, after: Option<Position>, limit: usize) -> Result<Vec<Lease>, LedgerError> {
        either!(self, ledger => ledger.lease(after, limit).await)
    }

    async fn refuse(&self, lease: Lease, failure: Failure) -> Result<(), LedgerError> {
        either!(self, ledger => ledger.refuse(lease, failure).await)
    }

    async fn record_claim(&self, lease: &Lease, conversation_id: ConversationId) -> Result<(), LedgerError> {
        either!(self, ledger => ledger.record_claim(lease, conversation_id).await)
    }

    async fn record_ids(&self, lease: &Lease) -> Result<(), LedgerError> {
        either!(self, ledger => ledger.record_ids(lease).await)
    }

    async fn record_end(&self, claim: &Claim, end: ClaimEnd) -> Result<(), LedgerError> {
        either!(self, ledger => ledger.record_end(claim, end).await)
    }
}

impl Inspect for Either {
    async fn belongs_to(&self, campaign: &str) -> Result<(), LedgerError> {
        either!(self, ledger => ledger.belongs_to(campaign).await)
    }

    async fn version(&self) -> Result<Option<Version>, LedgerError> {
        either!(self, ledger => ledger.version().await)
    }

    async fn totals(&self) -> Result<Totals, LedgerError> {
        either!(self, ledger => ledger.totals().await)
    }

    async fn look_up(&self, keys: Vec<String>) -> Result<KeyLookup, LedgerError> {
        either!(self, ledger => ledger.look_up(keys).await)
    }

    async fn messaged(&self) -> Result<u64, LedgerError> {
        either!(self, ledger => ledger.messaged().await)
    }

    async fn untouched(&self, keys: Vec<String>) -> Result<u64, LedgerError> {
        either!(self, ledger => ledger.untouched(keys).await)
    }

    async fn last_departure(&self) -> Result<Option<Timestamp>, LedgerError> {
        either!(self, ledger => ledger.last_departure().await)
    }

    async fn holder(&self) -> Result<Option<Holder>, LedgerError> {
        either!(self, ledger => ledger.holder().await)
    }

    fn risk(&self) -> Option<&str> {
        either!(self, ledger => ledger.risk())
    }

    async fn departed_within(&self, window: Duration) -> Result<u64, LedgerError> {
        either!(self, ledger => ledger.departed_within(window).await)
    }

    async fn departures_within(&self, window: Duration, most: u32) -> Result<Vec<Timestamp>, LedgerError> {
        either!(self, ledger => ledger.departures_within(window, most).await)
    }

    async fn records<E: From<LedgerError>>(
        &self,
        query: &RecordQuery,
        each: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        either!(self, ledger => ledger.records(query, each).await)
    }

    async fn columns(&self) -> Result<Vec<String>, LedgerError> {
        either!(self, ledger => ledger.columns().await)
    }

    async fn failed_with(&self, code: &str) -> Result<Vec<Lease>, LedgerError> {
        either!(self, ledger => ledger.failed_with(code).await)
    }
}

impl Operate for Either {
    async fn resolve(
        &self,
        keys: Option<Vec<String>>,
        sent: bool,
        note: Option<String>,
    ) -> Result<Resolved, LedgerError> {
        either!(self, ledger => ledger.resolve(keys, sent, note).await)
    }

    async fn settle_by_evidence(&self, verdicts: Vec<Verdict>) -> Result<u64, LedgerError> {
        either!(self, ledger => ledger.settle_by_evidence(verdicts).await)
    }

    async fn retry_failed(&self, retry: Retry) -> Result<u64, LedgerError> {
        either!(self, ledger => ledger.retry_failed(retry).await)
    }
}

impl Track for Either {
    async fn followed(
        &self,
        which: Which,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Followed>, LedgerError> {
        either!(self, ledger => ledger.followed(which, after, limit).await)
    }

    async fn followed_of(
        &self,
        conversations: Vec<ConversationId>,
        contacts: Vec<ContactId>,
    ) -> Result<Vec<Followed>, LedgerError> {
        either!(self, ledger => ledger.followed_of(conversations, contacts).await)
    }

    async fn observe(&self, observations: Vec<Observation>) -> Result<(), LedgerError> {
        either!(self, ledger => ledger.observe(observations).await)
    }

    async fn in_doubt(&self) -> Result<Vec<InDoubt>, LedgerError> {
        either!(self, ledger => ledger.in_doubt().await)
    }

    async fn complete_until(&self) -> Result<Option<Timestamp>, LedgerError> {
        either!(self, ledger => ledger.complete_until().await)
    }

    async fn set_complete_until(&self, until: Timestamp) -> Result<(), LedgerError> {
        either!(self, ledger => ledger.set_complete_until(until).await)
    }
}
