//! What a run would do, for a person to read and approve.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{CampaignError, Changes, EnrolmentReport, Mode, MovedRecipients, Rewritten};
use crate::ledger::{Enrolment, Inspect, Location};
use crate::plan::{Forecast, Load, RowEvaluator, forecast, requests_each};
use crate::recipients::ListSummary;
use crate::specification::{Send, Spec};

/// What a run would do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The campaign's name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// What the list holds; `None` where it is gone.
    pub list: Option<ListPlan>,
    /// That this is the first run, if so.
    pub first_run: Option<FirstRun>,
    /// What has changed in the spec since the last run.
    pub changes: Changes,
    /// Messages that earlier runs have settled.
    pub settled: u64,
    /// Whether earlier runs have sent the canary, and nobody has approved it.
    pub is_canary_sent: bool,
    /// Where the messages go; `None` is the sandbox.
    pub base_url: Option<String>,
    /// What would be sent, and when.
    pub next: NextRun,
}

/// The first run of a campaign.
#[derive(Debug, Clone)]
pub struct FirstRun {
    /// Where the ledger is, or will be.
    pub ledger: Location,
    /// There is a ledger, and it holds no recipients: only proofs, or nothing that a run has kept.
    pub is_empty: bool,
}

/// What a list holds.
#[derive(Debug, Clone)]
pub struct ListPlan {
    /// What people call it.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Rows that are left out, by reason.
    pub left_out: BTreeMap<&'static str, u64>,
    /// The suppression lists, what was understood of each, and what of it is about nobody on the list.
    pub suppression: Vec<ListSummary>,
    /// Phone numbers that were written otherwise than they are sent.
    pub rewritten: Rewritten,
    /// Recipients whose address has changed since they were messaged.
    pub moved: MovedRecipients,
    /// What has changed in the list since the last run; `None` in the first one.
    pub since: Option<Enrolment>,
}

/// What would be sent, and when.
#[derive(Debug, Clone)]
pub struct NextRun {
    /// So many messages.
    pub messages: u64,
    /// So many requests, if nothing goes wrong.
    pub requests: u64,
    /// The limits.
    pub limits: Send,
    /// When it is finished under them.
    pub forecast: Forecast,
}

impl Plan {
    /// What is known before the list is read.
    pub(super) fn begin(spec: &Spec, mode: Mode, first_run: Option<FirstRun>) -> Self {
        Self {
            name: spec.name.clone(),
            description: spec.description.clone(),
            list: None,
            first_run,
            changes: Changes::default(),
            settled: 0,
            is_canary_sent: false,
            base_url: (mode != Mode::Sandbox).then(|| spec.livedesk.base_url.clone()),
            next: NextRun::nothing(&spec.send),
        }
    }
}

impl ListPlan {
    pub(super) fn of(evaluator: &RowEvaluator, report: EnrolmentReport) -> Option<Self> {
        (report.rows > 0).then(|| Self {
            name: evaluator.list.clone(),
            rows: report.rows,
            left_out: report.left_out,
            suppression: evaluator.suppression.lists().collect(),
            rewritten: report.rewritten,
            moved: report.moved,
            since: report.enrolment.filter(|change| change.is_reenrolment),
        })
    }
}

impl NextRun {
    fn nothing(send: &Send) -> Self {
        let forecast =
            Forecast { duration: std::time::Duration::ZERO, bound_by: Vec::new(), days: Vec::new(), too_late: 0 };
        Self { messages: 0, requests: 0, limits: send.clone(), forecast }
    }

    /// So many messages, with the quotas as full as earlier runs have left them. `zones`: how many of them go to which
    /// zone, where `send.window` asks for it.
    pub(super) async fn forecast(
        spec: &Spec,
        ledger: &impl Inspect,
        messages: u64,
        zones: Vec<(TimeZone, u64)>,
    ) -> Result<Self, CampaignError> {
        let requests_each = requests_each(spec);
        let claimed = sent_within_quotas(spec, ledger).await?;
        let load = Load { now: Timestamp::now(), zone: TimeZone::system(), messages, requests_each, claimed, zones };
        let forecast = forecast(&spec.send, load);
        Ok(Self { messages, requests: messages * requests_each, limits: spec.send.clone(), forecast })
    }
}

/// For each quota the times of the messages that it still counts.
pub(super) async fn sent_within_quotas(
    spec: &Spec,
    ledger: &impl Inspect,
) -> Result<Vec<Vec<Timestamp>>, CampaignError> {
    let mut sent = Vec::new();
    for quota in &spec.send.quota {
        sent.push(ledger.send_times_within(quota.quota_window(), quota.count.get()).await?);
    }
    Ok(sent)
}
