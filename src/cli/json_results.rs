//! What commands print with `--format json`, as types: the JSON Schemas are made from them, so neither can say something else.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::campaign::{ActiveRun, Diagnosis};
use crate::codes;
use crate::json_schema::{self, Null};
use crate::ledger::{ErrorCount, Proof, Proofs, Totals};
use crate::mask::masked;
use crate::run::{End, Stopped, StoppedBy};
use crate::state::State;

/// The result of a run.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "campaign run", description = "What `campaign run --format json` prints at its end.")]
pub(super) struct RunResult {
    #[serde(flatten)]
    summary: Summary,
    /// What stopped the run before its end; `null` if nothing did.
    stopped: Option<StopReason>,
}

impl RunResult {
    pub(super) fn new(campaign: &str, totals: &Totals, end: &End) -> Self {
        Self { summary: Summary::new(campaign, totals), stopped: StopReason::of(end) }
    }

    pub(super) fn json_schema() -> Value {
        json_schema::of::<Self>(Null::Allowed)
    }
}

/// How far a campaign is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(
    title = "campaign status",
    description = "What `campaign status --format json` prints: one line, or one for each campaign of a folder."
)]
#[serde(untagged)]
pub(super) enum CampaignStatus {
    /// Nothing was run yet.
    NotBegun {
        /// The campaign's name.
        campaign: String,
        /// `false`: nothing was run yet.
        #[schemars(extend("const" = false))]
        begun: bool,
        /// Messages to the operator's own address.
        proofs: ProofSummary,
    },
    /// Something was run.
    Begun {
        #[serde(flatten)]
        summary: Box<Summary>,
        /// `true`: the ledger holds recipients.
        #[schemars(extend("const" = true))]
        begun: bool,
        /// Messages to the operator's own address; in no total.
        proofs: ProofSummary,
        /// The run that is under way; `null` if none is.
        run: Option<RunInProgress>,
    },
}

impl CampaignStatus {
    pub(super) fn not_begun(campaign: &str, proofs: &Proofs) -> Self {
        Self::NotBegun { campaign: campaign.to_owned(), begun: false, proofs: proofs.into() }
    }

    pub(super) fn begun(campaign: &str, totals: &Totals, proofs: &Proofs, run: Option<&ActiveRun>) -> Self {
        let summary = Box::new(Summary::new(campaign, totals));
        Self::Begun { summary, begun: true, proofs: proofs.into(), run: run.map(RunInProgress::from) }
    }

    pub(super) fn json_schema() -> Value {
        json_schema::of::<Self>(Null::Allowed)
    }
}

/// What became of accepted messages.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "campaign track", description = "What `campaign track --format json` prints at its end.")]
pub(super) struct TrackResult {
    #[serde(flatten)]
    receipts: Receipts,
    /// The campaign's name.
    campaign: String,
    /// Accepted messages: the sum of `delivered`, `read`, `undelivered`, `no_receipt` and `open`.
    accepted: u64,
}

impl TrackResult {
    pub(super) fn new(campaign: &str, totals: &Totals) -> Self {
        Self { receipts: totals.into(), campaign: campaign.to_owned(), accepted: totals.receipts.accepted() }
    }

    pub(super) fn json_schema() -> Value {
        json_schema::of::<Self>(Null::Allowed)
    }
}

/// The JSON Schema of what `campaign doctor --format json` prints.
pub(super) fn doctor_schema() -> Value {
    json_schema::of::<Diagnosis>(Null::Allowed)
}

/// What became of everybody so far.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Summary {
    /// The campaign's name.
    campaign: String,
    /// Rows of the list, and recipients who were tried and are no longer on it: the sum of `outcomes`.
    recipients: u64,
    /// Recipients among them who are no longer on the list.
    no_longer_on_list: u64,
    /// Recipients by outcome.
    outcomes: Outcomes,
    /// What became of the accepted messages.
    receipts: Receipts,
    /// Skipped rows by reason: `where`, `suppressed`, `duplicate`, `invalid`.
    skipped: BTreeMap<String, u64>,
    /// Failed and unknown messages by code, the most frequent first.
    errors: Vec<ErrorSummary>,
}

impl Summary {
    fn new(campaign: &str, totals: &Totals) -> Self {
        Self {
            campaign: campaign.to_owned(),
            recipients: totals.all(),
            no_longer_on_list: totals.off_list,
            outcomes: totals.into(),
            receipts: totals.into(),
            skipped: totals.left_out.clone(),
            errors: totals.errors.iter().map(ErrorSummary::from).collect(),
        }
    }
}

/// Recipients by outcome.
#[derive(Debug, Serialize, JsonSchema)]
struct Outcomes {
    /// Not sent yet.
    pending: u64,
    /// In flight.
    claimed: u64,
    /// Accepted by LiveDesk.
    accepted: u64,
    /// Refused.
    failed: u64,
    /// May have been sent; never sent again by itself.
    unknown: u64,
    /// Left out.
    skipped: u64,
}

impl From<&Totals> for Outcomes {
    fn from(totals: &Totals) -> Self {
        Self {
            pending: totals.of(State::Pending),
            claimed: totals.of(State::Claimed),
            accepted: totals.of(State::Accepted),
            failed: totals.of(State::Failed),
            unknown: totals.of(State::Unknown),
            skipped: totals.of(State::Skipped),
        }
    }
}

/// What became of accepted messages. `delivered`, `read`, `undelivered`, `no_receipt` and `open` add up to them.
#[derive(Debug, Serialize, JsonSchema)]
struct Receipts {
    /// On the recipient's phone, and not opened as far as is known.
    delivered: u64,
    /// Opened.
    read: u64,
    /// Not delivered, and it will not be.
    undelivered: u64,
    /// No receipt until `track.until`.
    no_receipt: u64,
    /// Nothing known yet.
    open: u64,
    /// Recipients who replied.
    replied: u64,
    /// Recipients who want no more messages.
    opted_out: u64,
    /// Recipients whose reply a person should read, because it may be an opt-out.
    maybe_opted_out: u64,
    /// When somebody last looked (RFC 3339, UTC); `null` if nobody has.
    #[schemars(with = "Option<String>")]
    checked_at: Option<Timestamp>,
    /// Messages that were not delivered, by WhatsApp's code, the most frequent first.
    undelivered_by_code: Vec<CodeCount>,
}

impl From<&Totals> for Receipts {
    fn from(totals: &Totals) -> Self {
        let receipts = &totals.receipts;
        let count = |ErrorCount { code, count, .. }: &ErrorCount| CodeCount { code: code.clone(), count: *count };
        Self {
            delivered: receipts.delivered,
            read: receipts.read,
            undelivered: receipts.undelivered,
            no_receipt: receipts.no_receipt,
            open: receipts.open,
            replied: receipts.replied,
            opted_out: receipts.opted_out,
            maybe_opted_out: receipts.maybe_opted_out,
            checked_at: receipts.checked_at,
            undelivered_by_code: totals.undelivered.iter().map(count).collect(),
        }
    }
}

/// How many messages have a code.
#[derive(Debug, Serialize, JsonSchema)]
struct CodeCount {
    /// WhatsApp's code; empty where it gave none.
    code: String,
    /// How many.
    count: u64,
}

/// Failed or unknown messages with the same code.
#[derive(Debug, Serialize, JsonSchema)]
struct ErrorSummary {
    /// `failed` or `unknown`.
    outcome: State,
    /// A WhatsApp code such as `131026`, or a word such as `http-404` or `timeout`.
    error_code: String,
    /// LiveDesk's words, of one of them.
    error: String,
    /// What the code means; `null` where that is not known.
    meaning: Option<&'static str>,
    /// How many.
    count: u64,
}

impl From<&ErrorCount> for ErrorSummary {
    fn from(ErrorCount { state, code, text, varies, count, .. }: &ErrorCount) -> Self {
        let text = if *varies { one_of_many(text) } else { text.clone() };
        Self {
            outcome: *state,
            error_code: code.clone(),
            error: masked(&text).into_owned(),
            meaning: codes::meaning(code).map(|meaning| meaning.words),
            count: *count,
        }
    }
}

/// What stopped a run.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StopReason {
    /// The guard, limit or time.
    by: StoppedBy,
    /// When it can continue, if time alone helps (RFC 3339, UTC).
    #[schemars(with = "Option<String>")]
    until: Option<Timestamp>,
    /// The reason in words.
    reason: String,
}

impl StopReason {
    pub(super) fn of(end: &End) -> Option<Self> {
        match end {
            End::Guard(stopped) | End::Paused(stopped) => {
                let Stopped { by, until, why } = stopped;
                Some(Self { by: *by, until: *until, reason: masked(why).into_owned() })
            }
            _ => None,
        }
    }
}

/// The run that is under way.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RunInProgress {
    /// The process id on its host.
    process: u32,
    /// The host's name.
    host: String,
    /// When it began (RFC 3339, UTC).
    #[schemars(with = "String")]
    since: Timestamp,
    /// Messages that left in the last minute.
    messages_last_minute: u64,
    /// Messages a second, in the last minute or since the run began.
    messages_per_second: f64,
    /// All processes that work on it, the first one first.
    workers: Vec<WorkerStatus>,
}

impl From<&ActiveRun> for RunInProgress {
    fn from(run: &ActiveRun) -> Self {
        let worker = |worker: &crate::ledger::Worker| WorkerStatus {
            process: worker.holder.process,
            host: worker.holder.host.clone(),
            since: worker.holder.since,
            messages: worker.messages,
            in_flight: worker.in_flight,
            heartbeat: worker.heartbeat,
        };
        Self {
            process: run.holder.process,
            host: run.holder.host.clone(),
            since: run.holder.since,
            messages_last_minute: run.last_minute,
            messages_per_second: run.messages_per_second(),
            workers: run.workers.iter().map(worker).collect(),
        }
    }
}

/// A process that works on a campaign.
#[derive(Debug, Serialize, JsonSchema)]
struct WorkerStatus {
    /// The process id on its host.
    process: u32,
    /// The host's name.
    host: String,
    /// When it began (RFC 3339, UTC).
    #[schemars(with = "String")]
    since: Timestamp,
    /// Messages that it has settled; `null` with a ledger in a file.
    messages: Option<u64>,
    /// Messages that it has in flight; `null` with a ledger in a file.
    in_flight: Option<u64>,
    /// When it was last heard of (RFC 3339, UTC); `null` with a ledger in a file.
    #[schemars(with = "Option<String>")]
    heartbeat: Option<Timestamp>,
}

/// What a ledger knows of proofs.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ProofSummary {
    /// How many were sent, or may have been.
    count: u64,
    /// The last of them.
    last: Option<ProofResult>,
}

impl From<&Proofs> for ProofSummary {
    fn from(proofs: &Proofs) -> Self {
        Self { count: proofs.count, last: proofs.last.as_ref().map(ProofResult::from) }
    }
}

/// A message to the operator's own address.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ProofResult {
    /// The line of the row that it shows.
    line: u64,
    /// The key of that row.
    key: String,
    /// The address that it went to, masked.
    to: String,
    /// `accepted`, `failed`, `unknown`, or `not sent`.
    outcome: &'static str,
    /// When it was begun (RFC 3339, UTC).
    #[schemars(with = "String")]
    at: Timestamp,
    /// Who sent it.
    by: String,
    /// LiveDesk's status of the message.
    livedesk_status: Option<String>,
    /// Its message.
    message_id: Option<u64>,
    /// The conversation that it went to.
    conversation_id: Option<u64>,
    /// The code of its failure.
    error_code: Option<String>,
    /// The reason in words.
    error: Option<String>,
}

impl From<&Proof> for ProofResult {
    fn from(proof: &Proof) -> Self {
        Self {
            line: proof.line,
            key: proof.key.clone(),
            to: proof.to.clone(),
            outcome: proof_word(proof),
            at: proof.at,
            by: proof.by.clone(),
            livedesk_status: proof.livedesk_status.clone(),
            message_id: proof.message_id.map(|id| id.0),
            conversation_id: proof.conversation_id.map(|id| id.0),
            error_code: proof.error_code.clone(),
            error: proof.error.as_deref().map(|error| masked(error).into_owned()),
        }
    }
}

/// The result of proofs.
#[derive(Debug, Serialize)]
pub(super) struct ProofRunResult {
    /// The campaign's name.
    pub(super) campaign: String,
    /// The proofs of this run.
    pub(super) proofs: Vec<ProofResult>,
    /// What stopped the run before its end; `null` if nothing did.
    pub(super) stopped: Option<StopReason>,
}

/// The text of one of several failures.
pub(super) fn one_of_many(text: &str) -> String {
    format!("for example {text}")
}

/// The outcome of a proof: what was in flight when its process ended is not known.
const fn outcome(proof: &Proof) -> State {
    match proof.state {
        State::Claimed => State::Unknown,
        state => state,
    }
}

/// The outcome of a proof in a word.
pub(super) fn proof_word(proof: &Proof) -> &'static str {
    match outcome(proof) {
        State::Pending => "not sent",
        state => state.word(),
    }
}
