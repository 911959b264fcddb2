//! What is about to happen, in words that a person can approve.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::check::left_out_in_words;
use super::exit::CliError;
use super::output::{counted, grouped};
use crate::enroll::EnrolmentReport;
use crate::ledger::{Enrolment, Sqlite, Totals};
use crate::plan::{Forecast, Load, RowEvaluator, forecast, requests_each};
use crate::specification::{Spec, Speed};

/// Messages that would be sent.
pub(super) struct Plan<'a> {
    pub(super) spec: &'a Spec,
    pub(super) messages: u64,
    /// Where `send.window` holds: how many of them go to which zone.
    pub(super) zones: Vec<(TimeZone, u64)>,
}

impl Plan<'_> {
    /// What the list holds, and who of it is left out.
    pub(super) fn of_list(evaluator: &RowEvaluator, survey: &EnrolmentReport) -> Vec<String> {
        if survey.rows == 0 {
            return Vec::new();
        }
        let left_out = left_out_in_words(survey);
        let mut lines = vec![format!("  list     {}: {}{left_out}", evaluator.list, counted(survey.rows, "row"))];
        // A list of those who must not be messaged that has nobody on it is a mistake to be seen.
        let lists = evaluator.suppression.lists();
        lines.extend(lists.map(|(name, entries)| format!("  suppress {name}: {entries}")));
        let rewritten = &survey.rewritten;
        if rewritten.count > 0 {
            let first: Vec<String> = rewritten.first.iter().map(|(was, is)| format!("{was} as {is}")).collect();
            let more = if rewritten.count > first.len() as u64 { ", ..." } else { "" };
            let numbers = counted(rewritten.count, "number");
            lines.push(format!("  phones   {numbers} in international form: {}{more}", first.join(", ")));
        }
        lines.extend(survey.enrolment.as_ref().filter(|change| change.is_reenrolment).map(since));
        lines
    }

    /// Where the record of a first run will be. Whoever expects it to continue sees here that it does not.
    pub(super) fn of_first_run(ledger: &Path) -> String {
        format!("  ledger   {}: none there yet, so this is the first run", ledger.display())
    }

    /// What earlier runs have done.
    pub(super) fn of_settled(totals: &Totals) -> Option<String> {
        let settled = totals.settled();
        (settled > 0).then(|| format!("  settled  {} by earlier runs; never repeated", counted(settled, "message")))
    }

    /// How many messages and requests go where.
    pub(super) fn to(&self, to: &str) -> String {
        let requests = counted(self.messages * requests_each(self.spec), "request");
        format!("  to send  {}, {requests} to {to}", counted(self.messages, "message"))
    }

    /// The limits, and when it will be finished under them.
    pub(super) async fn limits(&self, ledger: &Sqlite) -> Result<Vec<String>, CliError> {
        let zone = TimeZone::system();
        let forecast = self.forecast(ledger, zone.clone()).await?;
        let mut lines =
            vec![format!("  limits   {}", limits(self.spec)), format!("  takes    {}", forecast.in_words())];
        lines.extend(forecast.by_the_clock(&zone).map(|when| format!("  when     {when}")));
        Ok(lines)
    }

    /// When it will be finished, with the quotas as full as earlier runs have left them.
    pub(super) async fn forecast(&self, ledger: &Sqlite, zone: TimeZone) -> Result<Forecast, CliError> {
        let claimed = claimed(self.spec, ledger).await?;
        let load = Load {
            now: Timestamp::now(),
            zone,
            messages: self.messages,
            requests_each: requests_each(self.spec),
            claimed,
            zones: self.zones.clone(),
        };
        Ok(forecast(&self.spec.send, load))
    }
}

/// How full earlier runs have left each quota: the times of the messages that it still counts.
pub(super) async fn claimed(spec: &Spec, ledger: &Sqlite) -> Result<Vec<Vec<Timestamp>>, CliError> {
    let mut claimed = Vec::new();
    for quota in &spec.send.quota {
        claimed.push(ledger.departures_within(quota.per, quota.count.get()).await?);
    }
    Ok(claimed)
}

/// What has changed in the list.
fn since(change: &Enrolment) -> String {
    let first = &change.first;
    let lines = |lines: &[u64]| lines.iter().map(|line| format!("line {line}")).collect::<Vec<_>>();
    let keys: Vec<String> = first.gone.iter().map(|key| format!("key {key}")).collect();
    let said = |count: u64, word: &str, which: &[String]| {
        let more = if count > which.len() as u64 { ", ..." } else { "" };
        let which = if which.is_empty() { String::new() } else { format!(" ({}{more})", which.join(", ")) };
        format!("{} {word}{which}", grouped(count))
    };
    format!(
        "  since    the last run: {}, {}, {}",
        said(change.new, "new", &lines(&first.new)),
        said(change.changed, "changed", &lines(&first.changed)),
        said(change.gone, "gone", &keys)
    )
}

fn limits(spec: &Spec) -> String {
    let send = &spec.send;
    let mut parts = vec![match send.rate {
        Speed::Unlimited => "messages unlimited".to_owned(),
        Speed::Limited(rate) => format!("{rate} messages"),
    }];
    parts.push(format!("{} requests", send.requests));
    parts.extend(send.quota.iter().map(|quota| format!("at most {quota}")));
    parts.push(format!("{} in flight", send.concurrency));
    parts.extend((send.burst.get() > 1).then(|| format!("{} back to back", send.burst)));
    parts.extend(send.canary.map(|canary| format!("a canary of {canary}")));
    parts.extend(send.window.as_ref().map(|window| format!("from {} where the recipient is", window.hours)));
    parts.extend(send.not_before.map(|time| format!("not before {time}")));
    parts.extend(send.not_after.map(|time| format!("not after {time}")));
    parts.join(", ")
}
