//! Speed, limits, retries and guards.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::Checker;
use crate::specification::span::Spanned;
use crate::specification::units::{Rate, Speed, duration, share};
use crate::specification::{Retry, Send, StopWhen, raw};

/// Shorter windows than this would be a speed, not a quota, and are counted message by message.
const LARGEST_QUOTA: u32 = 1_000_000;

impl Checker<'_> {
    pub(super) fn send(&mut self, raw: &raw::Send) -> Option<Send> {
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
        if let Some(canary) = raw.canary.as_ref().filter(|canary| canary.value == 0) {
            self.problem("zero", canary.span, "a canary of nobody", "give a number of 1 or more, or leave the key out");
        }
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
            canary: raw.canary.as_ref().map(|canary| canary.value),
            window,
            not_before,
            not_after,
        })
    }

    /// A value by its own grammar, or the default by the same grammar.
    fn parsed<T>(
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

    fn quota(&mut self, raw: Option<&raw::OneOrMany>) -> Option<Vec<Rate>> {
        let Some(raw::OneOrMany(many)) = raw else { return Some(Vec::new()) };
        let rates: Vec<Option<Rate>> = many
            .iter()
            .map(|raw| {
                let rate = self.parsed(Some(raw), "", Rate::from_str)?;
                if rate.count.get() > LARGEST_QUOTA {
                    self.problem(
                        "quota-too-large",
                        raw.span,
                        format!("a quota is counted message by message, up to {LARGEST_QUOTA}"),
                        "use a shorter window, or `rate`",
                    );
                    return None;
                }
                Some(rate)
            })
            .collect();
        rates.into_iter().collect()
    }

    fn retry(&mut self, raw: &raw::Retry) -> Option<Retry> {
        let attempts = self.positive(raw.attempts.as_ref(), 5);
        let backoff = self.parsed(raw.backoff.as_ref(), "500ms", duration);
        let max_backoff = self.parsed(raw.max_backoff.as_ref(), "60s", duration);
        let (backoff, max_backoff): (Duration, Duration) = (backoff?, max_backoff?);
        if let Some(raw) = raw.backoff.as_ref().or(raw.max_backoff.as_ref()).filter(|_| backoff > max_backoff) {
            self.problem(
                "backoff-too-long",
                raw.span,
                "`backoff` is longer than `max_backoff`",
                "the first wait grows up to the longest",
            );
        }
        Some(Retry { attempts: attempts?.get(), backoff, max_backoff })
    }

    fn stop_when(&mut self, raw: &raw::StopWhen) -> Option<StopWhen> {
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
                format!("`{}` is not a point in time", raw.value),
                "write RFC 3339 with a zone, such as `2026-12-01T09:00:00+01:00`",
            );
        }
        time
    }
}
