//! `send`: speed, limits, retries and guards.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::canary::RawCanary;
use super::checker::Checker;
use super::one_or_many::OneOrMany;
use super::schema_patterns;
use super::span::Spanned;
use super::units::{Rate, Speed, duration, share};
use super::window::{RawWindow, SendWindow};

/// A quota is counted message by message, so it has a limit.
const MAX_QUOTA: u32 = 1_000_000;

/// Speed, limits, retries and guards.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Send")]
pub(super) struct RawSend {
    /// Message rate, evenly paced: `N/s`, `N/min`, `N/h` or `unlimited`. Default `20/s`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Speed>")]
    pub(super) rate: Option<Spanned<String>>,
    /// Most messages in any rolling window, such as `1000/day` or `600/h`; one or a list. Counted over all runs.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::OneOrMany<schema_patterns::Quota>>")]
    pub(super) quota: Option<OneOrMany>,
    /// Rate of API requests of all kinds, evenly paced. Default `50/s`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Speed>")]
    pub(super) requests: Option<Spanned<String>>,
    /// How many messages may be sent back to back. Default 1.
    #[serde(default)]
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) burst: Option<Spanned<u32>>,
    /// Most requests in flight. Default 16.
    #[serde(default)]
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) concurrency: Option<Spanned<u32>>,
    /// Timeout of an answer, from when the request is sent. Default `30s`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    pub(super) timeout: Option<Spanned<String>>,
    /// Timeout of a connection attempt. Default `10s`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    pub(super) connect_timeout: Option<Spanned<String>>,
    /// How long to wait for a server that has stopped answering, or answers only 429, before the run ends (exit 1). A
    /// `Retry-After` is always honoured, up to `not_after`. Default `5m`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    pub(super) outage: Option<Spanned<String>>,
    /// Retries after a request that was certainly not accepted.
    #[serde(default)]
    pub(super) retry: RawRetry,
    /// When to stop the whole run.
    #[serde(default)]
    pub(super) stop_when: RawStopWhen,
    /// Send to the first N, then stop until somebody approves it: at the terminal, or with `--approve-canary`. A map
    /// also says how many of them must be confirmed by receipts for the rest to follow without approval.
    #[serde(default)]
    pub(super) canary: Option<RawCanary>,
    /// Hours in which messages are sent, in each recipient's local time. Messages outside these hours wait.
    #[serde(default)]
    #[schemars(with = "Option<RawWindow>")]
    pub(super) window: Option<Spanned<RawWindow>>,
    /// Nothing is sent before this time (RFC 3339).
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Time>")]
    pub(super) not_before: Option<Spanned<String>>,
    /// Nothing is sent after this time (RFC 3339); the rest stays pending.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Time>")]
    pub(super) not_after: Option<Spanned<String>>,
}

/// Retries after a request that was certainly not accepted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Retry")]
pub(super) struct RawRetry {
    /// Most attempts in all. Default 5.
    #[serde(default)]
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) attempts: Option<Spanned<u32>>,
    /// The first wait; it doubles each time, with jitter. Default `500ms`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    pub(super) backoff: Option<Spanned<String>>,
    /// The longest wait. Default `60s`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    pub(super) max_backoff: Option<Spanned<String>>,
}

/// When to stop the whole run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StopWhen")]
pub(super) struct RawStopWhen {
    /// Share of failures that are not the recipient's own, such as `10%`. Default `10%`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Share>")]
    pub(super) failed: Option<Spanned<String>>,
    /// How many messages must be done before the share counts. Default 50.
    #[serde(default)]
    #[schemars(with = "Option<u64>")]
    pub(super) after: Option<Spanned<u64>>,
    /// How often the same error that may concern everybody (a template, the account) may come in a row. Default 20.
    /// When the run stops, those who were refused so are still pending.
    #[serde(default)]
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) same_error: Option<Spanned<u32>>,
}

/// Speed, limits, guards.
#[derive(Debug, Clone)]
pub struct Send {
    /// Messages.
    pub rate: Speed,
    /// Messages in rolling windows.
    pub quota: Vec<Rate>,
    /// Requests of any kind.
    pub requests: Speed,
    /// How many may leave back to back.
    pub burst: std::num::NonZeroU32,
    /// Requests in flight.
    pub concurrency: usize,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long the server may be away, or serve nobody, before that ends the run.
    pub outage: Duration,
    /// After what is certain not to have been accepted.
    pub retry: Retry,
    /// When to stop.
    pub stop_when: StopWhen,
    /// How many to send before asking.
    pub canary: Option<u64>,
    /// What lets the rest follow the canary without asking.
    pub canary_confirmation: Option<CanaryConfirmation>,
    /// The hours in which messages leave.
    pub window: Option<SendWindow>,
    /// Nothing leaves before.
    pub not_before: Option<jiff::Timestamp>,
    /// Nothing leaves after.
    pub not_after: Option<jiff::Timestamp>,
}

/// After what is certain not to have been accepted.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Tries in all, 1 or more.
    pub attempts: u32,
    /// The first wait.
    pub backoff: Duration,
    /// The longest wait.
    pub max_backoff: Duration,
}

/// How many of the canary must arrive, and by when, for the rest to follow without anybody's approval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CanaryConfirmation {
    /// The share that must be delivered or read, as a fraction of one.
    pub confirmed: f64,
    /// How long to wait for that.
    pub within: Duration,
}

/// When to stop the whole run.
#[derive(Debug, Clone, Copy)]
pub struct StopWhen {
    /// Share of failures that are not the recipient's own, as a fraction of one.
    pub failed: f64,
    /// How many must be settled before the share counts.
    pub after: u64,
    /// How often the same run-wide error may come in a row.
    pub same_error: u32,
}

impl Checker<'_> {
    pub(super) fn send(&mut self, raw: &RawSend) -> Option<Send> {
        let rate = self.parsed(raw.rate.as_ref(), "20/s", Speed::from_str);
        let requests = self.parsed(raw.requests.as_ref(), "50/s", Speed::from_str);
        let quota = self.quota(raw.quota.as_ref());
        let timeout = self.parsed(raw.timeout.as_ref(), "30s", duration);
        let connect_timeout = self.parsed(raw.connect_timeout.as_ref(), "10s", duration);
        let outage = self.parsed(raw.outage.as_ref(), "5m", duration);
        let burst = self.positive(raw.burst.as_ref(), 1);
        let concurrency = self.positive(raw.concurrency.as_ref(), 16);
        let retry = self.retry(&raw.retry);
        let stop_when = self.stop_when(&raw.stop_when);
        let canary_confirmation = self.canary(raw.canary.as_ref());
        let window = self.window(raw.window.as_ref());
        let not_before = self.time(raw.not_before.as_ref());
        let not_after = self.time(raw.not_after.as_ref());
        Some(Send {
            rate: rate?,
            quota: quota?,
            requests: requests?,
            burst: burst?,
            concurrency: usize::try_from(concurrency?.get()).unwrap_or(usize::MAX),
            timeout: timeout?,
            connect_timeout: connect_timeout?,
            outage: outage?,
            retry: retry?,
            stop_when: stop_when?,
            canary: raw.canary.as_ref().map(|canary| canary.count().value),
            canary_confirmation,
            window,
            not_before,
            not_after,
        })
    }

    fn canary(&mut self, raw: Option<&RawCanary>) -> Option<CanaryConfirmation> {
        if let Some(count) = raw.map(RawCanary::count).filter(|count| count.value == 0) {
            let hint = "give a number of 1 or more, or remove the key";
            self.problem("zero", count.span, "a canary must be at least 1", hint);
        }
        let Some(RawCanary::Map(map)) = raw else { return None };
        let within = self.parsed(map.within.as_ref(), "10m", duration);
        match (&map.confirmed, &map.within) {
            (Some(confirmed), _) => {
                let confirmed = self.parsed(Some(confirmed), "", share);
                Some(CanaryConfirmation { confirmed: confirmed?, within: within? })
            }
            (None, Some(raw)) => {
                let hint = "add `confirmed: 90%`, or remove `within`: then somebody approves the canary";
                self.problem("contradiction", raw.span, "`within` has no effect without `confirmed`", hint);
                None
            }
            (None, None) => None,
        }
    }

    /// A value by its own grammar, or the default by the same grammar.
    pub(super) fn parsed<T>(
        &mut self,
        raw: Option<&Spanned<String>>,
        default: &str,
        parse: fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let Some(raw) = raw else { return parse(default).ok() };
        parse(&raw.value)
            .map_err(|hint| self.problem("cannot-read", raw.span, format!("cannot read `{}`", raw.value), hint))
            .ok()
    }

    fn positive(&mut self, raw: Option<&Spanned<u32>>, default: u32) -> Option<NonZeroU32> {
        let Some(raw) = raw else { return NonZeroU32::new(default) };
        let number = NonZeroU32::new(raw.value);
        if number.is_none() {
            self.problem("zero", raw.span, "0 would mean that nothing is ever sent", "give a number of 1 or more");
        }
        number
    }

    fn quota(&mut self, raw: Option<&OneOrMany>) -> Option<Vec<Rate>> {
        let Some(OneOrMany(many)) = raw else { return Some(Vec::new()) };
        let rates: Vec<Option<Rate>> = many
            .iter()
            .map(|raw| {
                let rate = self.parsed(Some(raw), "", Rate::from_str)?;
                if rate.count.get() > MAX_QUOTA {
                    self.problem(
                        "quota-too-large",
                        raw.span,
                        format!("a quota is at most {MAX_QUOTA}"),
                        "use a shorter period, or `rate`",
                    );
                    return None;
                }
                Some(rate)
            })
            .collect();
        rates.into_iter().collect()
    }

    fn retry(&mut self, raw: &RawRetry) -> Option<Retry> {
        let attempts = self.positive(raw.attempts.as_ref(), 5);
        let backoff = self.parsed(raw.backoff.as_ref(), "500ms", duration);
        let max_backoff = self.parsed(raw.max_backoff.as_ref(), "60s", duration);
        let (backoff, max_backoff): (Duration, Duration) = (backoff?, max_backoff?);
        if let Some(raw) = raw.backoff.as_ref().or(raw.max_backoff.as_ref()).filter(|_| backoff > max_backoff) {
            self.problem(
                "backoff-too-long",
                raw.span,
                "`backoff` is longer than `max_backoff`",
                "the waits grow from `backoff` to `max_backoff`",
            );
        }
        Some(Retry { attempts: attempts?.get(), backoff, max_backoff })
    }

    fn stop_when(&mut self, raw: &RawStopWhen) -> Option<StopWhen> {
        let failed = self.parsed(raw.failed.as_ref(), "10%", share);
        let same_error = self.positive(raw.same_error.as_ref(), 20);
        Some(StopWhen {
            failed: failed?,
            after: raw.after.as_ref().map_or(50, |after| after.value),
            same_error: same_error?.get(),
        })
    }

    fn time(&mut self, raw: Option<&Spanned<String>>) -> Option<jiff::Timestamp> {
        let raw = raw?;
        let time = raw.value.parse().ok();
        if time.is_none() {
            self.problem(
                "not-a-time",
                raw.span,
                format!("`{}` is not a date and time", raw.value),
                "write RFC 3339 with a zone, such as `2026-12-01T09:00:00+01:00`",
            );
        }
        time
    }
}
