//! Proofs: real rows, rendered exactly as they are, to an operator's own address.
//!
//! What is sent is what the recipient would get; only the address is another one. The list is checked as a whole and taken
//! into no ledger, so the recipients stay as they are, and the next run does not know of it. The ledger records the proofs
//! beside its deliveries: they count for every limit, and in no total.

mod choose;
mod queue;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::attachment::Contents;
use crate::ledger::{self, Deliver, Inspect, Lease, Ledger, Proof};
use crate::livedesk::Client;
use crate::mask::masked;
use crate::message::{Address, Delivery, ProofTo};
use crate::plan::RowEvaluator;
use crate::run::{End, Run, RunConfig, Selection, Stop, Stopped};
use crate::specification::Spec;

use super::sending::pace;
use super::{
    Answer, CampaignError, Inputs, ListPlan, Mode, NextRun, Notice, Operator, Options, Question, ReportTargets, inputs,
    open_ledger,
};
use queue::{Origin, ProofQueue};

/// What an operator wants to see.
#[derive(Debug, Clone)]
pub struct ProofRequest {
    /// Where it goes.
    pub to: ProofTo,
    /// The lines of the rows to show; together with the keys of the selection, or the first row without either.
    pub lines: Vec<u64>,
    /// Who asks.
    pub by: String,
}

/// What would be sent, for a person to read and approve.
#[derive(Debug, Clone)]
pub struct ProofPlan {
    /// The campaign's name.
    pub name: String,
    /// What the list holds.
    pub list: Option<ListPlan>,
    /// Line and key of each row that is shown.
    pub rows: Vec<(u64, String)>,
    /// The operator's address.
    pub to: String,
    /// Settings of the spec that do not hold a proof.
    pub not_held_by: Vec<&'static str>,
    /// Where the messages go; `None` is the sandbox.
    pub base_url: Option<String>,
    /// What would be sent, and when.
    pub next: NextRun,
}

/// Proofs that are ready. Nothing was sent yet, and nothing recorded.
#[derive(Debug)]
pub struct ProofRun<L> {
    spec: Arc<Spec>,
    options: Options,
    request: ProofRequest,
    ledger: L,
    evaluator: RowEvaluator,
    attachments: Contents,
    rows: Vec<(Lease, Delivery)>,
    plan: ProofPlan,
}

/// Proofs that may be sent.
#[derive(Debug)]
pub struct ConfirmedProof<L>(ProofRun<L>);

/// What became of the proofs.
#[derive(Debug)]
pub struct ProofOutcome {
    /// Why sending ended.
    pub end: End,
    /// How long it took.
    pub took: Duration,
    /// How much of that was spent waiting because the server asked for it.
    pub rate_limited_for: Duration,
    /// Those that were begun.
    pub proofs: Vec<Proof>,
    /// How many were to be sent.
    pub wanted: u64,
}

/// Checks the list as a run does, chooses the rows, and opens the ledger.
///
/// # Errors
/// Something is wrong with the list, a row cannot be shown, or the address must not be messaged. Nothing was changed.
pub async fn open_proof<O: Operator>(
    inputs: Inputs,
    options: Options,
    request: ProofRequest,
    operator: &O,
) -> Result<ProofRun<impl Ledger + use<O>>, CampaignError> {
    let reports = ReportTargets::of_run(&options, &inputs.spec)?;
    let location = open_ledger::locate(&inputs.spec, options.ledger.as_deref())?;
    open_ledger::may_begin(&inputs.spec, &location, &options, &reports).await?;
    let Inputs { spec, list, evaluator } = inputs;
    operator.notice(Notice::Warnings { warnings: &inputs::warnings(&spec, &evaluator), blocked: false });
    let scratch = ledger::scratch()?;
    let report = inputs::take_in(&scratch, &evaluator, list?, options.enrolment.clone(), operator).await?;
    let report = inputs::without_problems(report, operator)?;
    operator.notice(Notice::Warnings { warnings: &report.warnings, blocked: false });
    let rows = choose::rows(&scratch, &evaluator, &request, &options.selection).await?;
    drop(scratch);
    let ledger = open_ledger::open_alone(&location, &options, operator).await?;
    ledger.belongs_to(&spec.name).await?;
    if ledger.interrupted() > 0 {
        operator.notice(Notice::Interrupted { messages: ledger.interrupted() });
    }
    // A canary and hours are for recipients; one after the other, proofs arrive in the order of the list.
    let mut of_proofs = spec.at_any_time();
    (of_proofs.send.canary, of_proofs.send.concurrency) = (None, 1);
    let attachments = report.attachments.clone();
    let plan = ProofPlan {
        name: spec.name.clone(),
        rows: rows.iter().map(|(lease, _)| (lease.row.line, lease.key.clone())).collect(),
        to: request.to.to_string(),
        not_held_by: not_held_by(&spec),
        base_url: (options.mode != Mode::Sandbox).then(|| spec.livedesk.base_url.clone()),
        next: next(&of_proofs, &ledger, &rows).await?,
        list: ListPlan::of(&evaluator, report),
    };
    Ok(ProofRun { spec: Arc::new(of_proofs), options, request, ledger, evaluator, attachments, rows, plan })
}

/// What the proofs ask of the limits. Contact and conversation are made once for each address.
async fn next(spec: &Spec, ledger: &impl Ledger, rows: &[(Lease, Delivery)]) -> Result<NextRun, CampaignError> {
    let messages = rows.len() as u64;
    let mut next = NextRun::forecast(spec, ledger, messages, Vec::new()).await?;
    let mut addresses: Vec<String> = rows.iter().map(|(_, delivery)| delivery.address.fingerprint()).collect();
    addresses.sort();
    addresses.dedup();
    let before_a_message = match rows.first().map(|(_, delivery)| &delivery.address) {
        Some(Address::Contact { .. }) => 2,
        Some(Address::Sender { .. }) => 1,
        _ => 0,
    };
    next.requests = messages + before_a_message * addresses.len() as u64;
    Ok(next)
}

fn not_held_by(spec: &Spec) -> Vec<&'static str> {
    let send = &spec.send;
    let settings = [
        (send.window.is_some(), "send.window"),
        (send.not_before.is_some(), "send.not_before"),
        (send.not_after.is_some(), "send.not_after"),
        (send.canary.is_some(), "send.canary"),
    ];
    settings.into_iter().filter(|(is_set, _)| *is_set).map(|(_, setting)| setting).collect()
}

impl<L: Ledger> ProofRun<L> {
    /// What would be sent.
    pub const fn plan(&self) -> &ProofPlan {
        &self.plan
    }

    /// The rows that are shown, and their messages with the operator's address.
    pub fn messages(&self) -> &[(Lease, Delivery)] {
        &self.rows
    }

    /// Asks whether to send.
    ///
    /// # Errors
    /// The operator said no. The ledger is as it was before.
    pub async fn confirm(self, operator: &impl Operator) -> Result<ConfirmedProof<L>, CampaignError> {
        if operator.ask(Question::Proof { plan: &self.plan }).await == Answer::No {
            self.ledger.discard_if_new().await;
            return Err(CampaignError::Declined);
        }
        Ok(ConfirmedProof(self))
    }
}

impl<L: Ledger> ConfirmedProof<L> {
    /// Sends through `client`. `stop` ends it in good order; when `abort` ends, it ends at once.
    ///
    /// # Errors
    /// The ledger's: nothing is sent that cannot be recorded.
    pub async fn send(
        self,
        client: &Client,
        stop: &Stop,
        abort: impl Future<Output = ()>,
        operator: &impl Operator,
    ) -> Result<ProofOutcome, CampaignError> {
        let ProofRun { spec, options, request, ledger, evaluator, attachments, rows, .. } = self.0;
        let wanted = rows.len() as u64;
        ledger.begin_proofs(&spec.name).await?;
        let last_request = ledger.begin_run().await?;
        let pace = pace(&spec, &ledger, last_request).await?;
        let began = Instant::now();
        let origin = Origin { by: request.by, to: masked(&request.to.to_string()).into_owned() };
        let queue = ProofQueue::new(&ledger, origin, rows);
        let emit = |event| operator.notice(Notice::Event(&event));
        let run = Run::new(RunConfig {
            accepted: &|_| {},
            ledger: &queue,
            attachments,
            client,
            evaluator: &evaluator,
            spec: &spec,
            pace: &pace,
            sent_before: false,
            proof_to: Some(&request.to),
            on_hold: options.on_hold,
            stop: stop.clone(),
            emit: &emit,
        });
        operator.notice(Notice::Sending { messages: wanted });
        let everybody = Selection::default();
        let end = tokio::select! {
            end = run.send(&everybody) => end?,
            lost = ledger.lost() => return Err(lost.into()),
            never = Box::pin(run.handle_worker_events()) => match never? {},
            () = abort => End::Interrupted,
        };
        drop(run);
        operator.notice(Notice::SendingEnded);
        ledger.end_run(pace.now()).await?;
        let proofs = queue.finish(why(&end)).await?;
        Ok(ProofOutcome { end, took: began.elapsed(), rate_limited_for: pace.paused_for(), proofs, wanted })
    }
}

/// Why what was not sent was not.
fn why(end: &End) -> Option<&str> {
    match end {
        End::Environment(why) | End::Guard(Stopped { why, .. }) | End::Paused(Stopped { why, .. }) => Some(why),
        End::Interrupted => Some("interrupted"),
        End::Done => None,
    }
}
