//! A campaign from its spec to its report: the use case that all modules above are for, as a library.
//!
//! ```text
//! Inputs::read → open → plan → confirm → send → report
//! ```
//!
//! Nothing is printed here, and nobody is asked: an [`Operator`] is told and asked. The order of the steps is in the
//! types: only a [`Confirmed`] campaign can be sent, and what was not confirmed leaves no trace in the ledger.
//!
//! Must not know the command line, the environment, terminals and exit codes.

mod atomic_file;
mod canary;
mod canary_turn;
mod changes;
mod check;
mod doctor;
mod earlier_runs;
mod enroll;
mod error;
mod resolve_by_evidence;
mod first_records;
mod inputs;
mod joining;
mod list_fingerprint;
mod named_keys;
mod ledger_copies;
mod moved_recipients;
mod operator;
mod opted_out;
mod pending_scan;
mod plan;
mod plan_files;
mod proof;
mod sandbox_receipts;
mod reports;
mod run_receipts;
mod retry_failed;
mod sending;
mod status;
mod stop;
mod track;
mod unknown_examples;
mod open_ledger;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::attachment::Contents;
use crate::ledger::{Acknowledged, Lease, Ledger, Totals, Version};
use crate::message::Delivery;
use crate::plan::{Decision, RowEvaluator, Sample};
use crate::problem::Problems;
use crate::run::{OnHold, Selection};
use crate::specification::Spec;
use crate::state::State;
pub use atomic_file::{write_public, write_whole};
pub use canary::CanaryResult;
pub use changes::Changes;
pub use check::{Checked, CheckedSpec, check, check_without_list};
pub use doctor::{Check, CheckStatus, Diagnosis, Tracking, doctor};
pub use earlier_runs::check_against_reports;
pub use enroll::{EnrolmentOptions, EnrolmentReport, Invalid, Rewritten, enroll};
pub use error::CampaignError;
pub use inputs::{Inputs, input_files, read_spec};
pub use ledger_copies::{MovedCampaign, RecoverOptions, RecoveredLedger, backup, move_ledger, recover};
pub use moved_recipients::{MovedRecipient, MovedRecipients};
pub use named_keys::as_in_ledger;
pub use open_ledger::{open_existing, open_read_only};
pub use operator::{Answer, Notice, Operator, Question};
pub use opted_out::{opted_out, write_opted_out};
pub use plan::{FirstRun, ListPlan, NextRun, Plan};
pub use proof::{ConfirmedProof, ProofOutcome, ProofPlan, ProofRequest, ProofRun, open_proof};
pub use reports::{ReportOptions, ReportTargets, is_one_of, write_report};
pub use resolve_by_evidence::{Evidence, EvidenceError, UnknownCase};
pub use retry_failed::RetryFailed;
pub use sending::{Confirmed, Outcome, Sent};
pub use status::{ActiveRun, Progress, Status, status};
pub use stop::{Stopping, request_stop};
pub use track::{only_inbox, open_to_track, opt_out_words};
pub use unknown_examples::UnknownExamples;

use canary::Canary;
use changes::MessageChange;
use inputs::List;
use pending_scan::{PendingScan, each_pending, pending_scan};
use plan_files::PlanFiles;

/// What a run does with the campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is sent, once, and recorded.
    #[default]
    Send,
    /// It is planned on a copy of the ledger; nothing is kept.
    DryRun,
    /// It is sent to a sandbox, at any hour, with a ledger that goes with the run.
    Sandbox,
}

/// How a campaign is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What it does.
    pub mode: Mode,
    /// Where the ledger is: a path or `sqlite:PATH`; `.campaign/NAME.sqlite` next to the spec by default.
    pub ledger: Option<String>,
    /// What the operator acknowledges where the files cannot tell.
    pub acknowledged: Acknowledged,
    /// Whom this run is for.
    pub selection: Selection,
    /// How the list is taken in.
    pub enrolment: EnrolmentOptions,
    /// Whether to choose messages that show what all are like: [`Campaign::samples`].
    pub samples: bool,
    /// Where reports go, instead of where the spec says; of a dry run, where the plan goes, see [`Campaign::write_plan`].
    pub reports: Vec<PathBuf>,
    /// What to do when a quota, a window or a time holds.
    pub on_hold: OnHold,
}

/// A campaign whose list is taken in, with a plan of what a run would do. Nothing of it is kept yet.
#[derive(Debug)]
pub struct Campaign<L> {
    spec: Arc<Spec>,
    options: Options,
    reports: ReportTargets,
    plan_files: PlanFiles,
    ledger: L,
    evaluator: RowEvaluator,
    totals: Totals,
    scan: PendingScan,
    /// What the attachments held when the list was taken in.
    attachments: Contents,
    plan: Plan,
}

/// Opens the ledger, takes the list in and makes the plan.
///
/// # Errors
/// The ledger is not the one that it should be, or something is wrong with the list. Nothing was changed.
pub async fn open<O: Operator>(
    inputs: Inputs,
    options: Options,
    operator: &O,
) -> Result<Campaign<impl Ledger + use<O>>, CampaignError> {
    let reports = ReportTargets::of_run(&options, &inputs.spec)?;
    let plan_files = PlanFiles::of_run(&options, &inputs.spec, &reports)?;
    let location = open_ledger::locate(&inputs.spec, options.ledger.as_deref())?;
    let first_run = open_ledger::may_begin(&inputs.spec, &location, &options, &reports).await?;
    let Inputs { spec, list, evaluator } = inputs;
    if let (Err(missing), true) = (&list, first_run) {
        return Err(missing.clone().into());
    }
    operator.notice(Notice::Warnings { warnings: &inputs::warnings(&spec, &evaluator), blocked: false });
    let ledger = open_ledger::open(&location, &options, operator).await?;
    let is_empty = !first_run && open_ledger::is_unused(&ledger).await?;
    let first_run = first_run || is_empty;
    let list = list_if_needed(list, first_run, operator)?;
    let spec = if options.mode == Mode::Sandbox { Arc::new(spec.at_any_time()) } else { spec };
    let first_run = first_run.then_some(FirstRun { ledger: location, is_empty });
    let plan = Plan::begin(&spec, options.mode, first_run.filter(|_| options.mode != Mode::Sandbox));
    let mut campaign = Campaign {
        spec,
        options,
        reports,
        plan_files,
        ledger,
        evaluator,
        totals: Totals::default(),
        scan: PendingScan::default(),
        attachments: Contents::new(),
        plan,
    };
    match campaign.prepare(list, operator).await {
        Ok(()) => Ok(campaign),
        Err(error) => {
            campaign.abandon().await;
            Err(error)
        }
    }
}

impl<L: Ledger> Campaign<L> {
    /// Everything up to the plan.
    async fn prepare(&mut self, list: Option<List>, operator: &impl Operator) -> Result<(), CampaignError> {
        self.recover(operator).await?;
        if let Some(other) = self.ledger.joined().cloned() {
            return self.join(other, list, operator).await;
        }
        let changes = Changes::since_last_run(&self.spec, &self.ledger).await?;
        let report = self.enroll(list, operator).await?;
        self.refuse_older_ledger().await?;
        let pending = self.select(&report, operator).await?;
        self.scan_pending().await?;
        self.finish_plan(report, changes, pending).await
    }

    /// What became of everybody so far.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// What a run would do.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Messages that show what all are like, if [`Options::samples`] asked for them.
    pub fn samples(&self) -> &[Sample] {
        &self.scan.samples
    }

    /// The folder of the spec, which paths in it are relative to.
    pub fn folder(&self) -> &Path {
        &self.spec.folder
    }

    /// The first `most` messages in the order in which a run would send them.
    ///
    /// # Errors
    /// The ledger's, or a row that cannot be rendered.
    pub async fn each_message(&self, most: u64, mut see: impl FnMut(Lease, Delivery)) -> Result<(), CampaignError> {
        let Self { evaluator, options: Options { selection, .. }, .. } = self;
        let limit = Some(most.min(selection.limit.unwrap_or(u64::MAX)));
        each_pending(&self.ledger, &Selection { limit, ..selection.clone() }, |lease| {
            let delivery = evaluator.templates.render(&lease.row, &evaluator.list)?;
            see(lease, delivery);
            Ok(())
        })
        .await
    }

    /// Asks for what needs somebody's word, and keeps the list as it was taken in.
    ///
    /// # Errors
    /// The operator said no, or is not there to approve a changed message, or a report cannot be written. The ledger is
    /// as it was before.
    pub async fn confirm(self, operator: &impl Operator) -> Result<Confirmed<L>, CampaignError> {
        let approved = match self.approve(operator).await {
            Ok(is_this_version) => self.reports.prepare().map(|()| is_this_version),
            Err(error) => Err(error),
        };
        match approved {
            Ok(is_this_version) => {
                self.keep(is_this_version).await?;
                Ok(Confirmed::new(self))
            }
            Err(error) => {
                self.abandon().await;
                Err(error)
            }
        }
    }

    /// The ledger is as it was before: a run that was declined leaves no trace.
    pub async fn abandon(self) {
        if self.ledger.joined().is_some() {
            return;
        }
        // Without a transaction there is nothing to take back, and what went wrong was said already.
        let _ = self.ledger.abandon_enrolment().await;
        self.ledger.discard_if_new().await;
    }

    async fn recover(&self, operator: &impl Operator) -> Result<(), CampaignError> {
        self.ledger.belongs_to(&self.spec.name).await?;
        if self.ledger.interrupted() > 0 {
            operator.notice(Notice::Interrupted { messages: self.ledger.interrupted() });
        }
        if let Some(risk) = self.ledger.risk() {
            operator.notice(Notice::LedgerAtRisk { risk });
        }
        Ok(())
    }

    /// Takes the list in; where it is gone, evaluates the ledger's own rows again.
    async fn enroll(&mut self, list: Option<List>, operator: &impl Operator) -> Result<EnrolmentReport, CampaignError> {
        let fingerprint = self.ledger.is_shared();
        let mut options = EnrolmentOptions { fingerprint, ..self.options.enrolment.clone() };
        if !self.plan_files.is_empty() && options.invalid == Invalid::Stop {
            options.invalid = Invalid::Plan;
        }
        let report = match list {
            Some(list) => {
                let report = inputs::take_in(&self.ledger, &self.evaluator, list, options, operator).await?;
                if report.enrolment.is_some() && !report.problems.is_empty() {
                    self.write_planned(true).await?;
                    self.plan_files().for_each(|path| operator.notice(Notice::PlanWritten(path)));
                }
                let report = inputs::without_problems(report, operator)?;
                operator.notice(Notice::Warnings { warnings: &report.warnings, blocked: false });
                report
            }
            None => self.without_list(options.retry).await?,
        };
        self.attachments.clone_from(&report.attachments);
        if fingerprint {
            self.ledger.compare_fingerprint(self.fingerprint(&report)).await?;
        }
        Ok(report)
    }

    /// The list is gone, so the ledger's own rows are evaluated again: templates, `where` and suppression lists may
    /// have changed since they were enrolled.
    async fn without_list(&self, retry: Option<RetryFailed>) -> Result<EnrolmentReport, CampaignError> {
        let version = self.ledger.version().await?.unwrap_or_default();
        let attachments = changes::attachments_now(&self.spec, &version);
        self.ledger.begin_without_list().await?;
        let retried = match retry {
            Some(retry) => self.ledger.retry_failed(retry.decide(&self.ledger).await?).await?,
            None => 0,
        };
        let (mut found, mut left_out) = (Problems::default(), Vec::new());
        each_pending(&self.ledger, &Selection::default(), |lease| {
            match self.evaluator.evaluate(&lease.row) {
                Decision::Deliver(_) => {}
                Decision::Skip { reason, .. } => left_out.push((lease, reason)),
                Decision::Invalid(problems) => found.extend(problems),
            }
            Ok::<_, CampaignError>(())
        })
        .await?;
        if !found.is_empty() {
            return Err(found.into());
        }
        self.ledger.skip(left_out).await?;
        Ok(EnrolmentReport { attachments, retried, ..EnrolmentReport::default() })
    }

    async fn refuse_older_ledger(&self) -> Result<(), CampaignError> {
        let acknowledged = self.options.acknowledged;
        if self.options.mode == Mode::Sandbox || acknowledged.first_run || acknowledged.older {
            return Ok(());
        }
        check_against_reports(&self.ledger, &self.reports).await
    }

    /// How many are pending among those who are selected.
    async fn select(&mut self, report: &EnrolmentReport, operator: &impl Operator) -> Result<u64, CampaignError> {
        let named = named_keys::select(&self.ledger, &mut self.options.selection).await?;
        self.totals = self.ledger.totals().await?;
        if self.options.enrolment.retry.is_some() {
            operator.notice(Notice::Retrying { retried: report.retried, totals: &self.totals });
        }
        Ok(named.unwrap_or_else(|| self.totals.of(State::Pending)))
    }

    /// Looks at those who are pending, where there is something to see: samples, the hours of many zones.
    async fn scan_pending(&mut self) -> Result<(), CampaignError> {
        let Options { samples, selection, .. } = &self.options;
        if *samples || self.spec.send.window.is_some() {
            self.scan = pending_scan(&self.ledger, &self.evaluator, selection, *samples).await?;
        }
        Ok(())
    }

    async fn finish_plan(
        &mut self,
        report: EnrolmentReport,
        changes: Changes,
        pending: u64,
    ) -> Result<(), CampaignError> {
        let others = self.totals.of(State::Pending).saturating_sub(report.retried);
        let messages = pending.min(self.options.selection.limit.unwrap_or(u64::MAX));
        self.plan.changes = changes.for_pending(self.totals.of(State::Pending), others);
        self.plan.changes.count_affected(&self.ledger, &self.evaluator).await?;
        self.plan.settled = self.totals.settled();
        self.plan.is_canary_sent = self.is_canary_sent().await?;
        self.plan.list = ListPlan::of(&self.evaluator, report);
        self.plan.next = NextRun::forecast(&self.spec, &self.ledger, messages, self.scan.zones.clone()).await?;
        Ok(())
    }

    /// Whether an earlier run has sent the canary of the message that counts now, and nobody has approved it.
    async fn is_canary_sent(&self) -> Result<bool, CampaignError> {
        if self.spec.send.canary.is_none() || self.plan.changes.needs_approval() {
            return Ok(false);
        }
        let canary = Canary::of(self.spec.send.canary, &self.ledger.canary().await?);
        Ok(matches!(canary, Canary::Sent { .. }))
    }

    /// Asks for what needs somebody's word. Gives whether the spec as it is now counts from now on.
    async fn approve(&self, operator: &impl Operator) -> Result<bool, CampaignError> {
        let is_this_version = match self.plan.changes.message_change() {
            MessageChange::None => true,
            // While there is nobody to decide about, nothing is decided: who comes later would get it unasked.
            MessageChange::NobodyPending => false,
            MessageChange::AffectsPending => match operator.ask(Question::ChangedMessage { plan: &self.plan }).await {
                Answer::Yes => true,
                Answer::No => return Err(CampaignError::Declined),
                Answer::NotAsked => return Err(self.plan.changes.need_approval(&self.spec)),
            },
        };
        let sends = self.plan.next.messages > 0;
        if sends && operator.ask(Question::Send { plan: &self.plan }).await == Answer::No {
            return Err(CampaignError::Declined);
        }
        Ok(is_this_version)
    }

    /// Keeps the list as it was taken in. From here on the ledger is changed.
    async fn keep(&self, is_this_version: bool) -> Result<(), CampaignError> {
        if self.ledger.joined().is_some() {
            return Ok(());
        }
        let version = is_this_version.then(|| Version {
            spec: self.spec.source.text.clone(),
            vars: serde_json::to_string(&self.spec.vars).unwrap_or_default(),
            attachments: self.attachments.clone(),
        });
        if is_this_version && self.plan.changes.needs_approval() {
            self.ledger.restart_canary().await?;
        }
        Ok(self.ledger.keep_enrolment(version).await?)
    }
}

/// The list; none where it is gone and the ledger knows it.
fn list_if_needed(
    list: Result<List, inputs::MissingList>,
    first_run: bool,
    operator: &impl Operator,
) -> Result<Option<List>, CampaignError> {
    match list {
        Ok(list) => Ok(Some(list)),
        Err(missing) if first_run => Err(missing.into()),
        Err(missing) => {
            operator.notice(Notice::ListMissing { name: &missing.name });
            Ok(None)
        }
    }
}
