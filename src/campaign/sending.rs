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
use super::run_receipts::{Confirmation, RunReceipts};
use super::unknown_examples::{UnknownExamples, first_unknown};
use super::{Answer, Campaign, CampaignError, CanaryResult, Notice, Operator, Question, ReportOptions, ReportTargets};
use crate::ledger::{CanaryVerdict, Ledger, SharedQuota, Totals};
use crate::livedesk::Client;
use crate::pace::{EarlierSends, Pace};
use crate::run::{End, Run, RunConfig, Selection, Stop, Stopped, StoppedBy};
use crate::specification::{Rate, Spec};
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

/// What sends, and who is told.
pub(super) struct Sending<'a, L, O> {
    run: &'a Run<'a, L>,
    receipts: &'a RunReceipts<'a, L>,
    pub(super) stop: &'a Stop,
    pub(super) operator: &'a O,
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
        ledger.use_project(client.project());
        let pace = pace(spec, ledger, last_request).await?;
        let began = Instant::now();
        let emit = |event| operator.notice(Notice::Event(&event));
        let receipts = RunReceipts::new(spec, ledger, client, &pace, &emit);
        let accepted = |message| receipts.expect(message);
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
            accepted: &accepted,
        });
        let sending = Sending { run: &run, receipts: &receipts, stop, operator };
        let end = tokio::select! {
            end = Box::pin(self.in_stages(&sending)) => end?,
            lost = ledger.lost() => return Err(lost.into()),
            never = Box::pin(run.handle_worker_events()) => match never? {},
            () = abort => End::Interrupted,
        };
        operator.notice(Notice::SendingEnded);
        run.stop_others(&end).await?;
        ledger.end_run(pace.now()).await?;
        Ok(Sent { end, took: began.elapsed(), rate_limited_for: pace.paused_for() })
    }

    /// Everybody; or the first few alone, where the spec asks for a canary and nobody has approved it yet.
    async fn in_stages(&self, sending: &Sending<'_, L, impl Operator>) -> Result<End, CampaignError> {
        let Campaign { ledger, options, plan, .. } = &self.0;
        let canary = match self.canary_in_turn(sending).await? {
            Ok(canary) => canary,
            Err(end) => return Ok(end),
        };
        let (messages, limit) =
            (self.left_to_send(plan.next.messages, &options.selection).await?, options.selection.limit);
        let unsent = match canary {
            Canary::Unsent(unsent) if unsent < messages => unsent,
            Canary::Sent { .. } if messages > 0 => 0,
            // All that is left is part of it.
            Canary::Unsent(unsent) => {
                return self.stage(sending, Some(limit.map_or(unsent, |limit| limit.min(unsent))), messages).await;
            }
            _ => return self.stage(sending, limit, messages).await,
        };
        if unsent > 0 {
            let end = self.stage(sending, Some(unsent), unsent).await?;
            if end != End::Done {
                return Ok(end);
            }
        }
        if let Some(end) = self.judge(sending, canary).await? {
            return Ok(end);
        }
        ledger.decide_canary(CanaryVerdict::Approved).await?;
        self.stage(sending, limit.map(|limit| limit - unsent), messages - unsent).await
    }

    /// Sends so many, while a sample of the receipts is looked at.
    async fn stage(
        &self,
        sending: &Sending<'_, L, impl Operator>,
        limit: Option<u64>,
        messages: u64,
    ) -> Result<End, CampaignError> {
        let selection = Selection { limit, ..self.0.options.selection.clone() };
        sending.operator.notice(Notice::Sending { messages });
        let end = tokio::select! {
            end = sending.run.send(&selection) => end,
            never = sending.receipts.follow_sample(sending.stop) => match never? {},
        };
        sending.operator.notice(Notice::SendingEnded);
        Ok(end?)
    }

    /// Why the rest may not follow a canary that is sent, if so: its receipts say so, or somebody does.
    async fn judge(
        &self,
        sending: &Sending<'_, L, impl Operator>,
        canary: Canary,
    ) -> Result<Option<End>, CampaignError> {
        let Campaign { spec, ledger, .. } = &self.0;
        let sent = ledger.canary().await?.totals;
        let failure =
            CanaryResult { messages: 0, is_new: true, sent: &sent, totals: &sent, unconfirmed: None }.failure();
        let unconfirmed = match (spec.send.canary_confirmation, canary) {
            (None, _) => None,
            (Some(_), Canary::Sent { is_unconfirmed: true }) => {
                Some("its receipts did not confirm it when it was sent".to_owned())
            }
            // Of one that was refused nothing need be waited for.
            (Some(_), _) if failure.is_some() => failure,
            (Some(wanted), _) => match sending.receipts.confirm_canary(wanted, sending.stop).await? {
                Confirmation::Confirmed => return Ok(None),
                Confirmation::NotConfirmed(why) => Some(why),
                Confirmation::Ended(end) => return Ok(Some(end)),
            },
        };
        if unconfirmed.is_some() {
            ledger.decide_canary(CanaryVerdict::NotConfirmed).await?;
        }
        let is_new = matches!(canary, Canary::Unsent(_));
        let why = self.why_not_approved(is_new, unconfirmed.as_deref(), sending.operator).await?;
        Ok(why.map(|why| End::Guard(Stopped::by(StoppedBy::Canary, why))))
    }

    /// Why the rest may not follow the canary, if so. One that was sent just now and failed is not even asked about:
    /// its result must be seen first, and what was wrong mended.
    async fn why_not_approved(
        &self,
        is_new: bool,
        unconfirmed: Option<&str>,
        operator: &impl Operator,
    ) -> Result<Option<String>, CampaignError> {
        let Campaign { spec, ledger, .. } = &self.0;
        let (sent, totals) = (ledger.canary().await?.totals, ledger.totals().await?);
        let messages = spec.send.canary.unwrap_or_default();
        let result = CanaryResult { messages, is_new, sent: &sent, totals: &totals, unconfirmed };
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
    let mut quotas = sent_within_quotas(spec, ledger).await?;
    if ledger.is_shared() {
        // All workers together have them.
        let now = Timestamp::now();
        let age = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
        let shared = |(rate, sent): (&Rate, Vec<Timestamp>)| SharedQuota {
            count: rate.count.get(),
            per: rate.quota_window(),
            sent_before: sent.into_iter().map(age).collect(),
        };
        ledger.begin_quotas(spec.send.quota.iter().zip(std::mem::take(&mut quotas)).map(shared).collect()).await?;
    }
    let last_message = ledger.last_send_time().await?;
    Ok(Pace::new(&spec.send, EarlierSends { quotas, last_message, last_request }))
}
