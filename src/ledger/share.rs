//! Several processes at work on one campaign: what they share, and what each learns of the others.

use std::future::{Future, pending};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::delivery::{Lease, Position};
use super::error::LedgerError;
use super::holder::Holder;
use crate::specification::Speed;

/// Working on a ledger beside other processes. A ledger that one run holds alone shares nothing: the provided methods are
/// its answers.
///
/// # Rules
///
/// **A lease is one worker's.** What [`acquire_leases`](Self::acquire_leases) returns, nobody else is given while this
/// worker is alive. It counts as dead when it has not sent a heartbeat for too long, by the clock of the ledger and no other;
/// then its leases are free, and what it had claimed is `unknown`.
///
/// **A claim stays its worker's.** Nobody takes a claim over. A worker that was believed dead can still end its own claims: it
/// alone knows what became of them.
///
/// **One limit for all.** What [`wait_for_limits`](Self::wait_for_limits) lets through is within the limits, however many
/// workers there are.
pub trait Share {
    /// Whether other processes may work on the campaign at the same time.
    fn is_shared(&self) -> bool {
        false
    }

    /// Who was at work when this ledger was opened: they have taken the list in, and this worker takes none in. `None` if
    /// nobody was.
    fn joined(&self) -> Option<&Holder> {
        None
    }

    /// Says what this worker sends. Returns in what it differs from what the others send: nothing, if it may join them.
    fn compare_fingerprint(&self, on: Fingerprint) -> impl Future<Output = Result<Vec<&'static str>, LedgerError>> {
        let _ = on;
        async { Ok(Vec::new()) }
    }

    /// Leases pending deliveries to this worker. Returns those that now are its own.
    fn acquire_leases(&self, leases: Vec<Lease>) -> impl Future<Output = Result<Vec<Lease>, LedgerError>> {
        async { Ok(leases) }
    }

    /// Releases the lease of a delivery that is still pending.
    fn release_lease(&self, position: Position) -> impl Future<Output = Result<(), LedgerError>> {
        let _ = position;
        async { Ok(()) }
    }

    /// What remains when this worker finds no more leases.
    fn remaining(&self) -> impl Future<Output = Result<Remaining, LedgerError>> {
        async { Ok(Remaining::Nothing) }
    }

    /// Waits until the limits of all workers together let a request leave. It must leave at once.
    fn wait_for_limits(&self, kind: RequestKind, limits: Limits) -> impl Future<Output = Result<(), LedgerError>> {
        let _ = (kind, limits);
        async { Ok(()) }
    }

    /// Says to which project requests go: those of other campaigns count as well for the limit of requests. Before any of them.
    fn use_project(&self, name: String) {
        let _ = name;
    }

    /// Makes quotas known that count for all workers together, before any of them sends.
    fn begin_quotas(&self, quotas: Vec<SharedQuota>) -> impl Future<Output = Result<(), LedgerError>> {
        let _ = quotas;
        async { Ok(()) }
    }

    /// Takes a place for a message in every quota that counts for all workers together. It is given back by
    /// [`News::PlaceReturned`].
    fn take_place(&self) -> impl Future<Output = Result<QuotaPlace, LedgerError>> {
        async { Ok(QuotaPlace::Taken(Place::default())) }
    }

    /// Whether this worker still counts as alive, so that its messages may leave.
    fn is_alive(&self) -> impl Future<Output = Result<bool, LedgerError>> {
        async { Ok(true) }
    }

    /// Waits for something that concerns every worker.
    fn next_event(&self) -> impl Future<Output = WorkerEvent> {
        pending()
    }

    /// Tells the other workers something, as soon as possible. Nobody waits for that.
    fn announce(&self, news: News) {
        let _ = news;
    }

    /// Waits for nobody: whether this worker's message may go alone, while all others wait for what becomes of it. It may until
    /// [`News::TrialOver`].
    fn acquire_trial(&self) -> impl Future<Output = Result<bool, LedgerError>> {
        async { Ok(true) }
    }

    /// Waits for nobody: whether it is this worker that sends the canary and has it approved, until it leaves.
    fn acquire_canary(&self) -> impl Future<Output = Result<bool, LedgerError>> {
        async { Ok(true) }
    }

    /// Stops all workers: a guard of this one, by its key in the spec, says why. The first one that stops them counts.
    fn stop_all(&self, guard: &'static str, why: &str) -> impl Future<Output = Result<(), LedgerError>> {
        let _ = (guard, why);
        async { Ok(()) }
    }

    /// Waits until the ledger's database is away. Nothing is claimed then until it is back; what waits for it goes on.
    fn outage(&self) -> impl Future<Output = Outage> {
        pending()
    }

    /// Waits until the ledger's database is back.
    fn outage_over(&self) -> impl Future<Output = ()> {
        pending()
    }

    /// This worker is done. Returns whether it was the last one.
    fn leave(&self) -> impl Future<Output = Result<bool, LedgerError>> {
        async { Ok(true) }
    }

    /// Who is at work, the first one first.
    fn workers(&self) -> impl Future<Output = Result<Vec<Worker>, LedgerError>>;

    /// Asks everybody who is at work to stop: they finish what is in flight, record it, and claim nothing more. Returns who is
    /// at work, and whether they could be asked from here.
    fn request_stop(&self) -> impl Future<Output = Result<Vec<StopRequest>, LedgerError>> {
        async {
            let unasked = |worker| StopRequest { worker, is_sent: false };
            Ok(self.workers().await?.into_iter().map(unasked).collect())
        }
    }
}

/// Somebody at work, who is to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopRequest {
    /// Who it is.
    pub worker: Worker,
    /// Whether the request is on its way to them. Otherwise they must be stopped where they run.
    pub is_sent: bool,
}

/// What all workers of a campaign must send alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The spec's text.
    pub spec: String,
    /// The constants in force.
    pub vars: String,
    /// What the attachments hold.
    pub attachments: String,
    /// What the list comes to; `None` where there is no list any more.
    pub list: Option<String>,
}

impl Fingerprint {
    /// In what it differs from another one. A list that one of them does not have makes no difference.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let lists_differ = self.list.as_ref().zip(other.list.as_ref()).is_some_and(|(one, other)| one != other);
        [
            (self.spec != other.spec, "the spec"),
            (self.vars != other.vars, "the constants (`vars`, `--var`)"),
            (self.attachments != other.attachments, "the attachments"),
            (lists_differ, "the list"),
        ]
        .into_iter()
        .filter_map(|(differs, what)| differs.then_some(what))
        .collect()
    }
}

/// What remains of a campaign when a worker finds no more leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remaining {
    /// Nothing.
    Nothing,
    /// Deliveries that can be leased: their worker released them, or died.
    Available,
    /// Deliveries that other workers hold, and that are free if those die.
    HeldByOthers,
}

/// What kind of request is about to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// A message.
    Message,
    /// A request that is no message.
    Other,
}

/// Limits that count for all workers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages.
    pub messages: Speed,
    /// Requests of any kind, messages included, to the project.
    pub requests: Speed,
    /// Requests that a message usually takes, itself included.
    pub requests_each: u64,
}

/// A quota that counts for all workers together: so many messages in any window of a given length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedQuota {
    /// So many.
    pub count: u32,
    /// The window.
    pub per: Duration,
    /// How long ago messages left that it still counts.
    pub sent_before: Vec<Duration>,
}

/// A place for one message in every quota that counts for all workers together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place(i64);

impl Place {
    pub(super) const fn new(number: i64) -> Self {
        Self(number)
    }

    pub(super) const fn number(self) -> i64 {
        self.0
    }
}

/// Whether there is a place in every quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaPlace {
    /// It is this worker's.
    Taken(Place),
    /// There is none for so long, at the earliest.
    Full(Duration),
    /// Messages on their way keep the last ones.
    InFlight,
}

/// What one worker has learned, and all must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// LiveDesk refuses everybody: nobody sends anything for so long.
    Paused {
        /// For how long.
        wait: Duration,
        /// Whether LiveDesk itself said for how long.
        was_asked_for: bool,
    },
    /// LiveDesk gave no clear answer: nobody sends anything until it gives one.
    Outage {
        /// Whether that was to a message.
        message: bool,
        /// Whether that message went alone.
        trial: bool,
        /// What shows it.
        why: String,
    },
    /// A message was answered clearly: messages are in doubt no more.
    DoubtOver,
    /// What became of the message that went alone is known.
    TrialOver,
    /// What this worker has counted since it began.
    Counted(Tally),
    /// A place in the quotas is kept no longer.
    PlaceReturned {
        /// Which one.
        place: Place,
        /// How long ago its message left; `None` if none did.
        left_before: Option<Duration>,
    },
}

/// What guards count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Outcomes.
    pub settled: u64,
    /// Those that were accepted.
    pub accepted: u64,
    /// Failures that are not the recipients' own.
    pub failed: u64,
    /// Those in doubt.
    pub unknown: u64,
    /// The code of the last failure, if nothing was accepted since.
    pub last_code: Option<String>,
    /// How often it came, one after the other.
    pub in_a_row: u64,
    /// How often something has ended such a row, or would have: an acceptance, or another code.
    pub breaks: u64,
}

/// Something that concerns every worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerEvent {
    /// Somebody asked all of them to stop.
    Stop,
    /// The others believe this worker dead, and have taken over what it had.
    TakenOver,
    /// Another worker was told to wait: nobody sends anything for so long.
    Paused {
        /// For how long.
        wait: Duration,
        /// Whether LiveDesk itself said for how long.
        was_asked_for: bool,
        /// Which worker.
        by: String,
    },
    /// Another worker was given no clear answer.
    Outage {
        /// Whether messages are in doubt.
        message: bool,
        /// So many messages that went alone, one after the other, were not answered clearly either.
        failed_trials: u32,
        /// What shows it.
        why: String,
        /// Which worker.
        by: String,
    },
    /// A message of another worker was answered clearly: messages are in doubt no more.
    DoubtOver,
    /// What guards count has changed.
    Counted {
        /// What all other workers have counted.
        others: Tally,
        /// The code of the last failure of anybody, and how often it came, one after the other.
        row: Option<(String, u64)>,
    },
    /// A guard of another worker has stopped all.
    GuardStopped {
        /// Its key in the spec.
        guard: String,
        /// Why.
        why: String,
        /// Which worker.
        by: String,
    },
}

/// The ledger's database is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Since when.
    pub since: Timestamp,
    /// What shows it.
    pub why: String,
}

/// A process that works on a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Who it is.
    pub holder: Holder,
    /// Messages that it has settled; `None` where nobody counts.
    pub messages: Option<u64>,
    /// Messages that it has claimed and not settled; `None` where nobody counts.
    pub in_flight: Option<u64>,
    /// When it was last heard of; `None` where nobody listens.
    pub heartbeat: Option<Timestamp>,
}

impl Worker {
    /// Somebody of whom no more is known.
    pub const fn of(holder: Holder) -> Self {
        Self { holder, messages: None, in_flight: None, heartbeat: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_a_missing_list_is_no_difference() {
        let one = Fingerprint { spec: "a".to_owned(), list: Some("l".to_owned()), ..Fingerprint::default() };
        let other = Fingerprint { spec: "b".to_owned(), list: None, ..Fingerprint::default() };
        assert_eq!(one.differences(&other), ["the spec"]);
        let other = Fingerprint { list: Some("m".to_owned()), ..one.clone() };
        assert_eq!(one.differences(&other), ["the list"]);
        assert!(one.differences(&one.clone()).is_empty());
    }
}
