//! What a ledger promises, and to whom. Each trait is what one kind of caller needs; [`Ledger`] is all of them.
//!
//! Knows no database: an implementation lives in a folder of its own, and `open` chooses it.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use super::canary::{CanaryRecord, CanaryVerdict};
use super::delivery::{Claim, ClaimEnd, Found, Gone, Lease, Position};
use super::enrolment::{Duplicate, Enrolment, Entry, RetryRules, Version};
use super::error::LedgerError;
use super::holder::Holder;
use super::proof::{Proof, ProofNumber, Proofs};
use super::share::Share;
use super::totals::{KeyLookup, Resolved, Totals};
use super::tracking::{Observation, Resolution, TrackQuery, TrackedMessage, UnknownDelivery};
use crate::report::Record;
use crate::state::{ContactId, ConversationId, Failure, Outcome, SkipReason, State};

/// A ledger.
///
/// # Rules
///
/// **Durable.** Every future ends after its own change is on disk, and not before. What it returned survives the death
/// of the process and a power cut.
///
/// **One delivery a key.** A key is one delivery for ever, however often the list is read. In one reading of the list
/// the first row that has a key is the delivery; the others are duplicates and left out.
///
/// **Enrolment is all or nothing.** Between `begin_enrolment` (or `begin_without_list`) and `keep_enrolment`, everything
/// this ledger is asked answers as if the enrolment were kept, and nobody else sees any of it.
/// `abandon_enrolment`, an error, or the death of the process leaves the ledger as it was. Nothing is claimed meanwhile.
///
/// **A claim is made once.** Of any number of leases of one delivery, whoever holds them, one can be claimed; for the
/// others `claim` fails with [`LedgerError::Conflict`]. A lease promises nothing and may be dropped.
///
/// **A claim is ended by its run.** `begin_run` gives the run a number of its own, the fence, which its claims carry.
/// `withdraw`, `release` and `settle` by another run, or for the second time, fail with [`LedgerError::Conflict`] and
/// change nothing.
///
/// **In doubt is not pending.** What was claimed by a run that is over and never ended is `unknown`, never `pending`.
///
/// **What is settled stays.** Only an operator's word ([`Operate`]) changes a delivery that is accepted, failed or
/// unknown, and how it had ended before stays on record.
///
/// **Totals add up.** [`Totals::all`] is the number of records: one for each row of the list as last read, and one for each
/// delivery that was tried and is no longer on the list. The latter have no line, and are [`Totals::off_list`].
///
/// **An error ends the run.** After an error nothing may be sent: what could not be recorded did not happen, or is
/// `unknown` for the next run. A recipient's failure is never an error.
///
/// **Proofs are no deliveries.** What [`Prove`] records is in no total and no report, and changes no delivery. It counts for
/// limits: a proof is a departure as every other.
///
/// **Receipts change no outcome.** What [`Track`] records is kept beside the deliveries: it never makes anybody pending, and
/// never keeps a run from being recorded.
///
/// Methods of [`Inspect`] may be called at any time, also on a ledger that was opened read-only beside a run; those of
/// [`Track`] also on one that was opened to track beside a run; the others by the one who opened it for a run.
pub trait Ledger: Enroll + Deliver + Inspect + Operate + Track + Prove {}

impl<L: Enroll + Deliver + Inspect + Operate + Track + Prove> Ledger for L {}

/// Taking a list in.
pub trait Enroll {
    /// Begins to read the list of `campaign`: all rows of the last reading that were left out are forgotten. A ledger that
    /// was never used becomes this campaign's. Failed deliveries that `retry` is for become pending again when the reading is
    /// finished, if they are on the list.
    fn begin_enrolment(
        &self,
        campaign: &str,
        retry: Option<RetryRules>,
    ) -> impl Future<Output = Result<(), LedgerError>>;

    /// Begins to change deliveries without reading a list, by `skip` and [`Operate::retry_failed`].
    fn begin_without_list(&self) -> impl Future<Output = Result<(), LedgerError>>;

    /// Takes rows in, in the order of the list; returns those whose key an earlier row of this reading has. A known
    /// delivery takes over the new row while it is pending or about to be retried; a settled one keeps the row that it
    /// was settled with.
    fn enroll(&self, batch: Vec<Entry>) -> impl Future<Output = Result<Vec<Duplicate>, LedgerError>>;

    /// Leaves out pending deliveries of a list that was not read, because of what has been said since.
    fn skip(&self, people: Vec<(Lease, SkipReason)>) -> impl Future<Output = Result<(), LedgerError>>;

    /// At the end of the list: pending deliveries that were never tried and that the list no longer has are forgotten, and
    /// failed ones are retried. Returns what keeping the enrolment would change.
    fn finish_enrolment(&self) -> impl Future<Output = Result<Enrolment, LedgerError>>;

    /// Keeps the enrolment; with `version`, that this is the version of the message that counts from now on.
    fn keep_enrolment(&self, version: Option<Version>) -> impl Future<Output = Result<(), LedgerError>>;

    /// The message has changed, and somebody has accepted that: what is sent from now on is a canary of its own, about which
    /// nothing is decided.
    fn restart_canary(&self) -> impl Future<Output = Result<(), LedgerError>>;

    /// Forgets the enrolment: the ledger is as it was.
    fn abandon_enrolment(&self) -> impl Future<Output = Result<(), LedgerError>>;

    /// Closes the ledger; if this process has made it and kept nothing in it, no trace of it is left.
    fn discard_if_new(self) -> impl Future<Output = ()>
    where
        Self: Sized;
}

/// Sending. Callers use the provided methods; an implementation writes those that are named `record_...`.
///
/// All methods but `interrupted` and `settle_interrupted` need `begin_run` first.
pub trait Deliver: Share {
    /// Begins a run: what it claims carries its number. If the clock was set since the last run began, times of departure
    /// are set with it, so that limits count the time that has really passed. Returns when the last request left, as far as
    /// that is known; `None` before the first run.
    fn begin_run(&self) -> impl Future<Output = Result<Option<Timestamp>, LedgerError>>;

    /// The run ends in good order; its last request left at that time.
    fn end_run(&self, last_request: Timestamp) -> impl Future<Output = Result<(), LedgerError>>;

    /// How many deliveries an earlier run left in flight: they became `unknown` when this ledger was opened.
    fn interrupted(&self) -> u64;

    /// After a run that was left at once: what it has in flight becomes `unknown`. Returns how many those are.
    fn settle_interrupted(&self) -> impl Future<Output = Result<u64, LedgerError>>;

    /// Records what was decided about the canary.
    fn decide_canary(&self, verdict: CanaryVerdict) -> impl Future<Output = Result<(), LedgerError>>;

    /// Ends, with the reason, when nothing can be recorded any more.
    fn lost(&self) -> impl Future<Output = LedgerError>;

    /// Pending deliveries of the list as last read, in the order in which they were first enrolled, at most `limit`, after
    /// the one at `after`.
    fn lease(&self, after: Option<Position>, limit: usize) -> impl Future<Output = Result<Vec<Lease>, LedgerError>>;

    /// Records that the message is about to be sent into a conversation. From here on it may have left.
    fn claim(&self, lease: Lease, conversation_id: ConversationId) -> impl Future<Output = Result<Claim, LedgerError>> {
        async move {
            self.record_claim(&lease, conversation_id).await?;
            Ok(Claim::recorded(lease, conversation_id))
        }
    }

    /// Keeps an id that was found on the way to the message.
    fn note(&self, lease: &mut Lease, found: Found) -> impl Future<Output = Result<(), LedgerError>> {
        async move {
            lease.mark_found(found);
            self.record_ids(lease).await
        }
    }

    /// Forgets an id that leads nowhere any more, so that no later attempt uses it either.
    fn forget(&self, lease: &mut Lease, gone: Gone) -> impl Future<Output = Result<(), LedgerError>> {
        async move {
            lease.forget(gone);
            self.record_ids(lease).await
        }
    }

    /// Takes the claim back: the request was never made, so it was no attempt.
    fn withdraw(&self, claim: Claim) -> impl Future<Output = Result<Lease, LedgerError>> {
        async move {
            self.record_end(&claim, ClaimEnd::Withdrawn).await?;
            Ok(claim.into_lease())
        }
    }

    /// Takes the claim back: it is certain that LiveDesk did not take the message.
    fn release(&self, claim: Claim) -> impl Future<Output = Result<Lease, LedgerError>> {
        async move {
            self.record_end(&claim, ClaimEnd::Released).await?;
            Ok(claim.into_lease())
        }
    }

    /// Records how it ended.
    fn settle(&self, claim: Claim, outcome: Outcome) -> impl Future<Output = Result<(), LedgerError>> {
        async move { self.record_end(&claim, ClaimEnd::Settled(outcome)).await }
    }

    /// Records that a pending delivery was refused for good, by the answer to its message or on the way to it.
    fn refuse(&self, lease: Lease, failure: Failure) -> impl Future<Output = Result<(), LedgerError>>;

    /// The durable part of `claim`: pending becomes claimed, by this run.
    fn record_claim(
        &self,
        lease: &Lease,
        conversation_id: ConversationId,
    ) -> impl Future<Output = Result<(), LedgerError>>;

    /// The durable part of `note` and `forget`: a pending delivery has the ids of its lease.
    fn record_ids(&self, lease: &Lease) -> impl Future<Output = Result<(), LedgerError>>;

    /// The durable part of `withdraw`, `release` and `settle`: a claim of this run ends.
    fn record_end(&self, claim: &Claim, end: ClaimEnd) -> impl Future<Output = Result<(), LedgerError>>;
}

/// Which records are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordQuery {
    /// Those with one of these outcomes; all of them if there is none.
    pub only: Vec<State>,
    /// Whether they come with the rows of the list.
    pub with_rows: bool,
}

/// Reading.
pub trait Inspect {
    /// Makes sure that the ledger is this campaign's; one that was never used is anybody's. Otherwise it fails with
    /// [`LedgerError::OtherCampaign`].
    fn belongs_to(&self, campaign: &str) -> impl Future<Output = Result<(), LedgerError>>;

    /// The version that was last kept; `None` before the first time.
    fn version(&self) -> impl Future<Output = Result<Option<Version>, LedgerError>>;

    /// How many rows are where.
    fn totals(&self) -> impl Future<Output = Result<Totals, LedgerError>>;

    /// The canary of the message that counts now.
    fn canary(&self) -> impl Future<Output = Result<CanaryRecord, LedgerError>>;

    /// How many of `keys` are pending, and which of them no delivery has.
    fn look_up(&self, keys: Vec<String>) -> impl Future<Output = Result<KeyLookup, LedgerError>>;

    /// How many deliveries were sent to, or may have been, whatever was decided about them since.
    fn messaged(&self) -> impl Future<Output = Result<u64, LedgerError>>;

    /// Those of `keys` that were sent to, or may have been, and are not about to be retried, with the rows that they were
    /// sent to by.
    fn messaged_among(&self, keys: Vec<String>) -> impl Future<Output = Result<Vec<Lease>, LedgerError>>;

    /// How many of `keys` are pending and were never decided about: as far as this ledger knows, nobody sent to them.
    fn untouched(&self, keys: Vec<String>) -> impl Future<Output = Result<u64, LedgerError>>;

    /// When the last message left.
    fn last_send_time(&self) -> impl Future<Output = Result<Option<Timestamp>, LedgerError>>;

    /// Who runs the campaign now, as far as that shows.
    fn holder(&self) -> impl Future<Output = Result<Option<Holder>, LedgerError>>;

    /// What whoever runs the campaign should know of how safely this ledger is kept.
    fn risk(&self) -> Option<&str> {
        None
    }

    /// How many messages left in the last `window`.
    fn sent_within(&self, window: Duration) -> impl Future<Output = Result<u64, LedgerError>>;

    /// When messages left in the last `window`, oldest first, at most `most` of the newest.
    fn send_times_within(
        &self,
        window: Duration,
        most: u32,
    ) -> impl Future<Output = Result<Vec<Timestamp>, LedgerError>>;

    /// Gives `each` the records that are asked for, in the order of the list and then those that it no longer has, as they
    /// all were at one moment. Ends early with the first error of `each`. It must not be called during the call.
    fn records<E: From<LedgerError>>(
        &self,
        query: &RecordQuery,
        each: impl FnMut(Record) -> Result<(), E>,
    ) -> impl Future<Output = Result<(), E>>;

    /// The names of all columns that a row in this ledger has, those of the first rows first.
    fn columns(&self) -> impl Future<Output = Result<Vec<String>, LedgerError>>;

    /// Failed deliveries with this code, with their rows.
    fn failed_with(&self, code: &str) -> impl Future<Output = Result<Vec<Lease>, LedgerError>>;
}

/// An operator's word.
pub trait Operate {
    /// Settles unknown deliveries: `sent` makes them accepted, otherwise they are pending again. No keys means all that are
    /// unknown. If one of the keys has no unknown delivery, nothing changes, and those keys are returned.
    fn resolve(
        &self,
        keys: Option<Vec<String>>,
        sent: bool,
        note: Option<String>,
    ) -> impl Future<Output = Result<Resolved, LedgerError>>;

    /// Settles unknown deliveries by what was seen of them, as [`resolve`](Self::resolve) does. One with a message is accepted
    /// and followed from now on. Those that are no longer unknown are left. Returns how many it settled.
    fn settle_by_evidence(&self, resolutions: Vec<Resolution>) -> impl Future<Output = Result<u64, LedgerError>>;

    /// Makes failed deliveries, and accepted ones that were not delivered, pending again without reading a list; those that
    /// need another message are left. Returns how many it made pending.
    fn retry_failed(&self, retry: RetryRules) -> impl Future<Output = Result<u64, LedgerError>>;
}

/// Following accepted messages to their end: receipts, replies and opt-outs.
///
/// A delivery gets an empty receipt when it becomes accepted, by whatever way; its first look is due
/// [`FIRST_LOOK`](crate::receipt::FIRST_LOOK) later, or never if it has no message or no conversation. It loses its receipt
/// when an operator has it sent again. Every method may be called by several processes at once.
pub trait Track {
    /// Accepted messages to look at, in the order of enrolment, at most `limit`, after the one at `after`. Those without
    /// message or conversation are never among them.
    fn tracked(
        &self,
        which: TrackQuery,
        after: Option<Position>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<TrackedMessage>, LedgerError>>;

    /// All accepted messages in these conversations or to these contacts, each once, in the order of enrolment.
    fn tracked_in(
        &self,
        conversations: Vec<ConversationId>,
        contacts: Vec<ContactId>,
    ) -> impl Future<Output = Result<Vec<TrackedMessage>, LedgerError>>;

    /// Records what was seen, all or nothing: each receipt is what was known before merged with what was seen now
    /// ([`Receipt::merge`](crate::receipt::Receipt::merge)), and the next look is the one that is given here. What was seen of
    /// a message that its delivery has no more is passed over.
    fn observe(&self, observations: Vec<Observation>) -> impl Future<Output = Result<(), LedgerError>>;

    /// Unknown deliveries, also those that a dead run has left in flight.
    fn unknown_deliveries(&self) -> impl Future<Output = Result<Vec<UnknownDelivery>, LedgerError>>;

    /// Every change of the server's conversations up to this time has been observed; `None` if that was never so.
    fn complete_until(&self) -> impl Future<Output = Result<Option<Timestamp>, LedgerError>>;

    /// Says so; an earlier time than is known changes nothing.
    fn set_complete_until(&self, until: Timestamp) -> impl Future<Output = Result<(), LedgerError>>;
}

/// Proofs: messages to an operator's own address.
pub trait Prove {
    /// Before the first proof: a ledger that was never used becomes this campaign's. No list is taken in by that, so the
    /// next run is the first one all the same.
    fn begin_proofs(&self, campaign: &str) -> impl Future<Output = Result<(), LedgerError>>;

    /// Records a proof, or with its number what became of it since. Gives its number.
    fn record_proof(
        &self,
        number: Option<ProofNumber>,
        proof: &Proof,
    ) -> impl Future<Output = Result<ProofNumber, LedgerError>>;

    /// What is known of all proofs.
    fn proofs(&self) -> impl Future<Output = Result<Proofs, LedgerError>>;
}
