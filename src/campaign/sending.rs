//! Sending what was confirmed, in one go or in two with a canary, and reporting what became of it.

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::HumanCount;
use jiff::Timestamp;

use super::plan::sent_within_quotas;
use super::{Answer, Campaign, CampaignError, Notice, Operator, Question};
use crate::ledger::{Sqlite, Totals};
use crate::livedesk::Client;
use crate::pace::{Earlier, Pace};
use crate::run::{End, Run, RunConfig, Selection, Stop};
use crate::specification::Spec;
use crate::state::State;

/// A campaign that may be sent: whoever must be asked has said yes, and the list is kept.
#[derive(Debug)]
pub struct Confirmed(Campaign);

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
    /// Whether the reports could be written. The ledger is complete all the same.
    pub reports: Result<(), CampaignError>,
}

impl Confirmed {
    pub(super) const fn new(campaign: Campaign) -> Self {
        Self(campaign)
    }

    /// The spec.
    pub fn spec(&self) -> &Spec {
        &self.0.spec
    }

    /// Sends through `client`. `stop` ends the run in good order; when `abort` ends, the run ends at once, and what is in
    /// flight is `unknown`.
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
        let pace = self.pace(last_request).await?;
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
            on_hold: options.on_hold,
            stop: stop.clone(),
            emit: &emit,
        });
        let end = tokio::select! {
            end = self.in_stages(&run, operator) => end?,
            lost = ledger.lost() => return Err(lost.into()),
            () = abort => End::Interrupted,
        };
        operator.notice(Notice::SendingEnded);
        ledger.end_run(pace.now()).await?;
        Ok(Sent { end, took: began.elapsed(), rate_limited_for: pace.paused_for() })
    }

    /// Everybody; or the first few alone, where the spec asks for a canary and they have not been sent yet.
    async fn in_stages(&self, run: &Run<'_, Sqlite>, operator: &impl Operator) -> Result<End, CampaignError> {
        let Campaign { spec, ledger, options, totals, plan, .. } = &self.0;
        let messages = plan.next.messages;
        let stage = async |selection: &Selection, messages: u64| {
            operator.notice(Notice::Sending { messages });
            let end = run.send(selection).await;
            operator.notice(Notice::SendingEnded);
            end
        };
        let canary = spec.send.canary.and_then(|canary| canary.checked_sub(totals.settled()));
        let Some(canary) = canary.filter(|canary| (1..messages).contains(canary)) else {
            return Ok(stage(&options.selection, messages).await?);
        };
        let first = Selection { limit: Some(canary), ..options.selection.clone() };
        let end = stage(&first, canary).await?;
        if end != End::Done {
            return Ok(end);
        }
        let totals = ledger.totals().await?;
        if operator.ask(Question::Canary { messages: canary, totals: &totals }).await != Answer::Yes {
            return Ok(End::Guard(format!("the canary of {} is sent; run again for the rest", HumanCount(canary))));
        }
        let limit = options.selection.limit.map(|limit| limit - canary);
        Ok(stage(&Selection { limit, ..options.selection.clone() }, messages - canary).await?)
    }

    /// The limits, with the quotas as full as earlier runs have left them.
    async fn pace(&self, last_request: Option<Timestamp>) -> Result<Pace, CampaignError> {
        let Campaign { spec, ledger, .. } = &self.0;
        let quotas = sent_within_quotas(spec, ledger).await?;
        let last_message = ledger.last_departure().await?;
        Ok(Pace::new(&spec.send, Earlier { quotas, last_message, last_request }))
    }

    /// Writes the reports, and gives what became of everybody so far.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn report(self, sent: Sent, operator: &impl Operator) -> Result<Outcome, CampaignError> {
        let Campaign { spec, ledger, reports, .. } = &self.0;
        ledger.settle_interrupted().await?;
        let written = |path: &Path| operator.notice(Notice::ReportWritten(path));
        let reports = reports.write(ledger, spec, &[], written).await;
        Ok(Outcome { end: sent.end, totals: ledger.totals().await?, reports })
    }
}
