//! The durable record of who gets what, and of what became of it.
//!
//! The API has no idempotency key and no documented way to read a message back, so this record is the only guard
//! against sending twice. [`Ledger`] is the whole contract: its rules are written there, `tests/suite/ledger_contract.rs`
//! holds every implementation to them, and nothing outside of this module uses anything else. [`open()`] is where a ledger
//! comes from; which database keeps it is known here alone.

mod canary;
mod contract;
mod copy;
mod delivery;
mod backend;
mod enrolment;
mod error;
mod holder;
mod location;
mod open;
mod postgres;
mod proof;
mod share;
mod sqlite;
mod tables;
mod totals;
mod tracking;
mod transfer;
mod values;

pub use canary::{CanaryRecord, CanaryVerdict};
pub use contract::{Deliver, Enroll, Inspect, Ledger, Operate, Prove, RecordQuery, Track};
pub use copy::{campaigns, copy};
pub use delivery::{Claim, ClaimEnd, Found, Gone, Lease, Position, Stored};
use enrolment::EXAMPLES;
pub use enrolment::{Duplicate, Enrolment, Entry, Examples, RetryIf, RetryRules, Version};
pub use error::{Cause, LedgerError};
pub use holder::Holder;
pub use location::{Acknowledged, Location, LocationError};
pub use open::{
    Neighbour, Purpose, backup, is_first_run, neighbours, open, open_read_only, open_to_track, recover, scratch,
};
pub use postgres::Address;
pub use proof::{Proof, ProofNumber, Proofs};
pub use share::{
    Fingerprint, Limits, News, Outage, Place, QuotaPlace, Remaining, RequestKind, Share, SharedQuota, StopRequest,
    Tally, Worker, WorkerEvent,
};
pub use sqlite::{Backup, Recovered, Recovery, register_checksum};
pub use totals::{ErrorCount, KeyLookup, Resolved, Totals};
pub use tracking::{Observation, Resolution, RetryUndelivered, TrackQuery, TrackedMessage, UnknownDelivery};
