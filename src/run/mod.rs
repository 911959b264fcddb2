//! The pipeline: pending deliveries come out of the ledger, each goes its way, and its outcome goes back in.
//!
//! A recipient's failure is data. [`Run::send`] fails only with the ledger; every other reason to end is an [`End`].
//! Nothing is printed here: what happens is emitted as [`Event`]s.

mod deliver;
mod credentials;
mod recent_answers;
mod guard;
mod circuit_breaker;
mod admission;
mod attempt;
mod prepare;
mod pending_refusals;
mod quotas;
mod workers;
mod rate_limits;
mod reachability;
mod shared_refusals;
mod stopped;
mod waiting;

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use futures_util::TryStreamExt;
use jiff::Timestamp;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, watch};

use crate::attachment::{Contents, Folder};
use crate::ledger::{Deliver, LedgerError, Limits, TrackedMessage};
use crate::livedesk::Client;
use crate::message::ProofTo;
use crate::pace::Pace;
use crate::plan::{RowEvaluator, requests_each};
use crate::specification::Spec;
use crate::state::State;
use admission::AdmissionPass;
use circuit_breaker::CircuitBreaker;
use credentials::Denied;
pub use guard::Guard;
use quotas::KnownFull;
use rate_limits::RateLimits;
use reachability::Warnings;
use recent_answers::RecentAnswers;
use shared_refusals::SharedRefusals;
pub use stopped::{Stopped, StoppedBy};

/// Deliveries that wait at the back of the queue at most: one more keeps its place in flight.
const MAX_REQUEUED: usize = 1_000;

/// Something that happened, for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A delivery is settled.
    Settled(State),
    /// Nothing is sent until then.
    Paused {
        /// Why: "paused by send.window", "rate limited by LiveDesk".
        why: String,
        /// When it goes on.
        until: Timestamp,
    },
    /// LiveDesk was probed again and is still away, since so long.
    Away(Duration),
    /// Something worth a line of its own.
    Noted(String),
    /// Something that a person should look at.
    Warned(String),
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nothing was left to do, or as much was done as was asked for.
    Done,
    /// The operator stopped it.
    Interrupted,
    /// A guard of the spec stopped it: a person has to look.
    Guard(Stopped),
    /// Hours or a quota hold, and nobody waits for them: nothing is wrong, run it again later.
    Paused(Stopped),
    /// The server cannot be reached or does not let us in.
    Environment(String),
}

/// The way to end a run early: what is in flight is finished, nothing new begins. The first reason counts.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<Option<Asked>>);

#[derive(Debug, Clone)]
struct Asked {
    end: End,
    mode: ShutdownMode,
}

/// What becomes of those who wait for their turn when a run is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ShutdownMode {
    /// They have been let in and go on.
    FinishAdmitted,
    /// They go back, pending.
    AtOnce,
}

impl Stop {
    /// Nobody has asked to stop.
    pub fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Asks to stop: only what is in flight is finished.
    pub fn because(&self, end: End) {
        self.ask(end, ShutdownMode::AtOnce);
    }

    /// Asks to let nobody in any more; whoever has been let in goes on.
    fn after_these(&self, end: End) {
        self.ask(end, ShutdownMode::FinishAdmitted);
    }

    fn ask(&self, end: End, mode: ShutdownMode) {
        self.0.send_modify(|current| match current {
            Some(asked) => asked.mode = asked.mode.max(mode),
            None => *current = Some(Asked { end, mode }),
        });
    }

    fn asked(&self) -> Option<End> {
        self.0.borrow().as_ref().map(|asked| asked.end.clone())
    }

    /// Ends when somebody asks to stop, and says why.
    pub async fn asked_to(&self) -> End {
        self.wait_for(ShutdownMode::FinishAdmitted).await;
        self.asked().unwrap_or(End::Interrupted)
    }

    /// Ends when somebody asks to stop at least so quickly.
    async fn wait_for(&self, mode: ShutdownMode) {
        let quickly = |asked: &Option<Asked>| asked.as_ref().is_some_and(|asked| asked.mode >= mode);
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(quickly).await;
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// Which deliveries this run is for.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these keys; everybody if `None`.
    pub only: Option<HashSet<String>>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// What to do when a limit of hours or days is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnHold {
    /// Wait.
    #[default]
    Wait,
    /// End the run.
    Stop,
}

/// A run, ready to go.
pub struct Run<'a, L> {
    ledger: &'a L,
    client: &'a Client,
    evaluator: &'a RowEvaluator,
    spec: &'a Spec,
    pace: &'a Pace,
    /// The limits that count for all workers together.
    limits: Limits,
    folder: Folder,
    proof_to: Option<&'a ProofTo>,
    on_hold: OnHold,
    stop: Stop,
    guard: RefCell<Guard>,
    denied: RefCell<Denied>,
    shared_refusals: RefCell<SharedRefusals>,
    probing: AsyncMutex<()>,
    breaker: RefCell<CircuitBreaker>,
    /// Held by the one who asks the other workers' quotas.
    known_full: AsyncMutex<Option<KnownFull>>,
    /// Held by the one who asks the server whether it is there.
    asking: AsyncMutex<()>,
    /// Held by the one whose message shows what becomes of messages.
    trial: AsyncMutex<()>,
    recent_answers: RefCell<RecentAnswers>,
    rate_limits: RefCell<RateLimits>,
    /// Places in flight, handed out in the order in which they are asked for.
    slots: Semaphore,
    /// Places at the back of the queue: so many wait there at most, each in memory.
    back_of_queue: Semaphore,
    said_unreachable: AtomicBool,
    reachability_warnings: RefCell<Warnings>,
    /// Counts the requests.
    requests_begun: AtomicU64,
    emit: &'a dyn Fn(Event),
    accepted: &'a dyn Fn(TrackedMessage),
}

impl<L> std::fmt::Debug for Run<'_, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("spec", &self.spec.name).finish_non_exhaustive()
    }
}

/// What a run works with.
pub struct RunConfig<'a, L> {
    /// The record.
    pub ledger: &'a L,
    /// What the attachments held when they were checked.
    pub attachments: Contents,
    /// The way to LiveDesk.
    pub client: &'a Client,
    /// The templates.
    pub evaluator: &'a RowEvaluator,
    /// The spec.
    pub spec: &'a Spec,
    /// The limits.
    pub pace: &'a Pace,
    /// Whether an earlier run has sent anything.
    pub sent_before: bool,
    /// Where all messages go instead of to the recipients; `None` of a run that is no proof.
    pub proof_to: Option<&'a ProofTo>,
    /// Whether to wait for hours.
    pub on_hold: OnHold,
    /// How to stop it.
    pub stop: Stop,
    /// Who wants to know what happens.
    pub emit: &'a dyn Fn(Event),
    /// Who wants to know which messages were accepted that will have a receipt.
    pub accepted: &'a dyn Fn(TrackedMessage),
}

impl<L> std::fmt::Debug for RunConfig<'_, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunConfig").field("spec", &self.spec.name).finish_non_exhaustive()
    }
}

impl<'a, L: Deliver> Run<'a, L> {
    /// Prepares a run.
    pub fn new(config: RunConfig<'a, L>) -> Self {
        Self {
            ledger: config.ledger,
            client: config.client,
            evaluator: config.evaluator,
            spec: config.spec,
            pace: config.pace,
            limits: Limits {
                messages: config.spec.send.rate,
                requests: config.spec.send.requests,
                requests_each: requests_each(config.spec),
            },
            folder: Folder::frozen(&config.spec.folder, config.attachments),
            proof_to: config.proof_to,
            on_hold: config.on_hold,
            stop: config.stop,
            guard: RefCell::new(Guard::new(config.spec.send.stop_when)),
            denied: RefCell::new(Denied::default()),
            shared_refusals: RefCell::new(SharedRefusals::new(config.sent_before)),
            probing: AsyncMutex::default(),
            breaker: RefCell::new(CircuitBreaker::new(config.spec.send.retry, config.spec.send.outage)),
            known_full: AsyncMutex::default(),
            asking: AsyncMutex::default(),
            trial: AsyncMutex::default(),
            recent_answers: RefCell::default(),
            rate_limits: RefCell::new(RateLimits::new(&config.spec.send)),
            slots: Semaphore::new(config.spec.send.concurrency),
            back_of_queue: Semaphore::new(MAX_REQUEUED),
            said_unreachable: AtomicBool::new(false),
            reachability_warnings: RefCell::default(),
            requests_begun: AtomicU64::default(),
            emit: config.emit,
            accepted: config.accepted,
        }
    }

    /// Sends to everybody who is selected and pending.
    ///
    /// # Errors
    /// The ledger's alone: without it nothing may be sent.
    pub async fn send(&self, selection: &Selection) -> Result<End, LedgerError> {
        let end = tokio::select! {
            end = self.send_all(selection) => end,
            never = self.stop_at_not_after() => match never {},
        };
        self.sum_up_reachability();
        end
    }

    async fn send_all(&self, selection: &Selection) -> Result<End, LedgerError> {
        let mut pass = AdmissionPass::new(selection);
        loop {
            self.admitted(&pass)
                // The only concurrent line. How many are in flight is said by the slots with which they come.
                .try_for_each_concurrent(None, |admitted| self.deliver_unless_taken_over(admitted, &pass))
                .await?;
            self.settle_denied().await?;
            self.settle_shared_refusals().await?;
            match self.after(pass).await? {
                Some(next) => pass = next,
                None => return Ok(self.stop.asked().unwrap_or(End::Done)),
            }
        }
    }
}
