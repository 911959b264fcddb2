//! Sending what was confirmed, in one go or in two with a canary, and reporting what became of it.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::HumanCount;
use jiff::Timestamp;

use super::canary::Canary;
use super::plan::sent_within_quotas;
use super::unknown_examples::{UnknownExamples, first_unknown};
use super::{Answer, Campaign, CampaignError, CanaryResult, Notice, Operator, Question, ReportOptions, ReportTargets};
use crate::ledger::{Ledger, LedgerError, Totals};
use crate::livedesk::Client;
use crate::pace::{EarlierSends, Pace};
use crate::run::{Confirmation, End, Run, RunConfig, Selection, Stop, Stopped, StoppedBy};
use crate::specification::{CanaryConfirmation, Spec};
use crate::state::State;

/// A campaign that may be sent: whoever must be asked has said yes, and the list is kept.
#[derive(Debug)]
pub struct Confirmed<L>(Campaign<L>);

/// How sending ended.
#[derive(Debug)]
pub struct Sent {
    /// Why.
    pub end: End,
    /// How long it took.
    pub took: Duration,
    /// How much of that was spent waiting because the server asked for it.
    pub rate_limited_for: Duration,
}

/// What became of a campaign so far.
#[derive(Debug)]
pub struct Outcome {
    /// Why sending ended.
    pub end: End,
    /// Rows by outcome.
    pub totals: Totals,
    /// The first deliveries whose outcome is unknown.
    pub unknown: UnknownExamples,
    /// Whether the reports could be written. The ledger is complete all the same.
    pub reports: Result<(), CampaignError>,
}

impl<L: Ledger> Confirmed<L> {
    pub(super) const fn new(campaign: Campaign<L>) -> Self {
        Self(campaign)
    }

    /// The spec.
    pub fn spec(&self) -> &Spec {
        &self.0.spec
    }

    pub(super) const fn ledger(&self) -> &L {
        &self.0.ledger
    }

    /// Sends through `client`. `stop` ends the run in good order; when `abort` ends, the run ends at once, and what is
    /// in flight is `unknown`.
    ///
    /// # Errors
    /// The ledger's: nothing is sent that cannot be recorded.
    pub async fn send(
        &self,
        client: &Client,
        stop: &Stop,
        abort: impl Future<Output = ()>,
        operator: &impl Operator,
    ) -> Result<Sent, CampaignError> {
        let Campaign { spec, ledger, evaluator, attachments, options, .. } = &self.0;
        let last_request = ledger.begin_run().await?;
        let pace = pace(spec, ledger, last_request).await?;
        let began = Instant::now();
        let emit = |event| operator.notice(Notice::Event(&event));
        let run = Run::new(RunConfig {
            ledger,
            attachments: attachments.clone(),
            client,
            evaluator,
            spec,
            pace: &pace,
            sent_before: self.0.totals.of(State::Accepted) > 0,
            proof_to: None,
            on_hold: options.on_hold,
            stop: stop.clone(),
            emit: &emit,
        });
        let end = tokio::select! {
            end = Box::pin(self.in_stages(&run, operator)) => end?,
            lost = ledger.lost() => return Err(lost.into()),
            never = Box::pin(run.handle_worker_events()) => match never? {},
            () = abort => End::Interrupted,
        };
        operator.notice(Notice::SendingEnded);
        ledger.end_run(pace.now()).await?;
        Ok(Sent { end, took: began.elapsed(), rate_limited_for: pace.paused_for() })
    }

    /// Everybody; or the first few alone, where the spec asks for a canary and nobody has approved it yet.
    async fn in_stages(&self, run: &Run<'_, L>, operator: &impl Operator) -> Result<End, CampaignError> {
        let Campaign { spec, options, totals, plan, .. } = &self.0;
        let messages = plan.next.messages;
        let stage = async |limit: Option<u64>, messages: u64| {
            operator.notice(Notice::Sending { messages });
            let end = run.send(&Selection { limit, ..options.selection.clone() }).await;
            operator.notice(Notice::SendingEnded);
            end
        };
        let unsent = match Canary::after(spec.send.canary, totals.settled()) {
            Canary::Unsent(unsent) if unsent < messages => unsent,
            Canary::Sent if messages > 0 => 0,
            _ => return Ok(stage(options.selection.limit, messages).await?),
        };
        if unsent > 0 {
            let end = stage(Some(unsent), unsent).await?;
            if end != End::Done {
                return Ok(end);
            }
        }
        let unconfirmed = match (spec.send.canary_confirmation, unsent > 0) {
            (None, _) => None,
            (Some(_), false) => Some("its receipts did not confirm it when it was sent".to_owned()),
            (Some(wanted), true) => match self.confirmation(run, wanted).await? {
                Confirmation::Confirmed => return self.rest(&stage, unsent).await,
                Confirmation::NotConfirmed(why) => Some(why),
                Confirmation::Ended(end) => return Ok(end),
            },
        };
        if let Some(why) = self.canary_is_not_approved(unsent > 0, unconfirmed.as_deref(), operator).await? {
            return Ok(End::Guard(Stopped::by(StoppedBy::Canary, why)));
        }
        self.rest(&stage, unsent).await
    }

    /// Everybody but the canary.
    async fn rest(
        &self,
        stage: &impl AsyncFn(Option<u64>, u64) -> Result<End, LedgerError>,
        canary: u64,
    ) -> Result<End, CampaignError> {
        let limit = self.0.options.selection.limit.map(|limit| limit - canary);
        Ok(stage(limit, self.0.plan.next.messages - canary).await?)
    }

    /// What the receipts of a canary say that was sent just now. Of one that was refused nothing need be waited for.
    async fn confirmation(&self, run: &Run<'_, L>, wanted: CanaryConfirmation) -> Result<Confirmation, CampaignError> {
        let totals = self.0.ledger.totals().await?;
        let result = CanaryResult { messages: totals.settled(), totals: &totals, unconfirmed: None };
        Ok(match result.failure() {
            Some(why) => Confirmation::NotConfirmed(why),
            None => run.confirm_canary(wanted).await,
        })
    }

    /// Why the rest may not follow the canary, if so. One that was sent just now and failed is not even asked about:
    /// its result must be seen first, and what was wrong mended.
    async fn canary_is_not_approved(
        &self,
        is_new: bool,
        unconfirmed: Option<&str>,
        operator: &impl Operator,
    ) -> Result<Option<String>, CampaignError> {
        let totals = self.0.ledger.totals().await?;
        let messages = self.0.spec.send.canary.unwrap_or_default();
        let result = CanaryResult { messages, totals: &totals, unconfirmed };
        let (messages, failure) = (HumanCount(result.messages), result.failure());
        let approved = !(is_new && failure.is_some()) && operator.ask(Question::Canary(result)).await == Answer::Yes;
        Ok((!approved).then(|| match failure {
            Some(_) if result.has_no_failed_answer() => format!(
                "the canary of {messages} was not confirmed: {}. Fix what is wrong and check what arrived, then run again \
                 with `--approve-canary` to send the rest",
                unconfirmed.unwrap_or_default()
            ),
            None => format!(
                "the canary of {messages} was sent; check what arrived, then run again with `--approve-canary` to send \
                 the rest"
            ),
            Some(failure) => format!(
                "the canary of {messages} failed: {failure}. Fix that, then run again with `--retry-failed`; or with \
                 `--approve-canary` to send the rest anyway"
            ),
        }))
    }

    /// Writes the reports, and gives what became of everybody so far. When `abort` ends, what is not written yet is left;
    /// the ledger is complete all the same.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn report(
        self,
        sent: Sent,
        abort: impl Future<Output = ()>,
        operator: &impl Operator,
    ) -> Result<Outcome, CampaignError> {
        let Campaign { spec, ledger, reports, .. } = &self.0;
        let is_last = ledger.leave().await?;
        ledger.settle_interrupted().await?;
        if !is_last {
            operator.notice(Notice::OthersGoOn);
        }
        let nowhere = ReportTargets::default();
        let reports = if is_last { reports } else { &nowhere };
        let written = |path: &Path| operator.notice(Notice::ReportWritten(path));
        let options = ReportOptions::default();
        let mut writing = pin!(reports.write(ledger, spec, &options, written));
        let reports = tokio::select! {
            reports = &mut writing => reports,
            () = abort => {
                options.aborted.store(true, Ordering::Relaxed);
                writing.await
            }
        };
        let end = if matches!(reports, Err(CampaignError::ReportInterrupted(_))) { End::Interrupted } else { sent.end };
        let totals = ledger.totals().await?;
        let unknown = first_unknown(ledger, &totals).await?;
        Ok(Outcome { end, totals, unknown, reports })
    }
}

/// The limits, with the quotas as full as earlier runs and proofs have left them.
pub(super) async fn pace(
    spec: &Spec,
    ledger: &impl Ledger,
    last_request: Option<Timestamp>,
) -> Result<Pace, CampaignError> {
    let quotas = sent_within_quotas(spec, ledger).await?;
    let last_message = ledger.last_send_time().await?;
    Ok(Pace::new(&spec.send, EarlierSends { quotas, last_message, last_request }))
}
