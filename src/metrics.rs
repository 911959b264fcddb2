//! Numbers of a run for Prometheus: counted while it goes on, and written in Prometheus' text format.
//!
//! No label holds anything of a recipient. Knows neither files nor when they are written.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{
    Counter, Error, Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::ledger::Totals;
use crate::livedesk::request::Request;
use crate::livedesk::{Exchange, RequestObserver};
use crate::run::Event;
use crate::state::State;

/// Upper bounds of the request duration histogram, in seconds: an answer takes some 50 ms, a timeout some 30 s.
const BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// What is known of the last runs: it has to outlive them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Earlier {
    /// The campaign's name.
    pub campaign: Option<String>,
    /// When a run last ended with exit code 0, in seconds since 1970.
    pub last_success: Option<f64>,
}

/// The numbers of one process.
#[derive(Debug)]
pub struct Metrics {
    /// `run` or `track`: both may write about the same campaign at the same time.
    command: &'static str,
    campaign: OnceLock<String>,
    recipients: IntGaugeVec,
    receipts: IntGaugeVec,
    requests: IntCounterVec,
    durations: HistogramVec,
    in_flight: IntGauge,
    held: Counter,
    hold: Mutex<Option<Hold>>,
    sending: Mutex<Option<Sending>>,
    seconds_left: Gauge,
    in_progress: IntGauge,
    last_run: Gauge,
    last_success: Gauge,
    exit_code: IntGauge,
}

/// One stage of sending: the canary, or the rest.
#[derive(Debug, Clone, Copy)]
struct Sending {
    since: Timestamp,
    messages: u64,
    done: u64,
}

/// Nothing can be sent.
#[derive(Debug, Clone, Copy)]
struct Hold {
    /// Up to here it is counted.
    counted_to: Timestamp,
    /// Until then it holds.
    until: Timestamp,
}

impl Metrics {
    /// Nothing is counted yet; the process has begun.
    ///
    /// # Errors
    /// Never: names and labels are valid. The crate checks them when a metric is made.
    pub fn new(command: &'static str, now: Timestamp, earlier: &Earlier) -> Result<Self, Error> {
        let metrics = Self {
            command,
            campaign: OnceLock::new(),
            recipients: IntGaugeVec::new(
                Opts::new("campaign_recipients", "Recipients of the list by outcome."),
                &["outcome"],
            )?,
            receipts: IntGaugeVec::new(
                Opts::new("campaign_receipts", "Accepted messages by receipt, when receipts were last read."),
                &["receipt"],
            )?,
            requests: IntCounterVec::new(
                Opts::new(
                    "campaign_requests_total",
                    "Requests to LiveDesk by operation and HTTP status, or why no answer came.",
                ),
                &["operation", "status"],
            )?,
            durations: HistogramVec::new(
                HistogramOpts::new(
                    "campaign_request_duration_seconds",
                    "Time from a request to the end of its answer.",
                )
                .buckets(BUCKETS.to_vec()),
                &["operation"],
            )?,
            in_flight: IntGauge::new("campaign_requests_in_flight", "Requests that have no answer yet.")?,
            held: Counter::new(
                "campaign_held_seconds_total",
                "Time in which nothing could be sent because of LiveDesk, a quota or a send window.",
            )?,
            hold: Mutex::default(),
            sending: Mutex::default(),
            seconds_left: Gauge::new("campaign_seconds_left", "Estimated time until everything is sent.")?,
            in_progress: IntGauge::new("campaign_in_progress", "1 while the command runs, else 0.")?,
            last_run: Gauge::new("campaign_last_run_timestamp_seconds", "When the command was last started.")?,
            last_success: Gauge::new(
                "campaign_last_success_timestamp_seconds",
                "When the command last ended with exit code 0; 0 if never.",
            )?,
            exit_code: IntGauge::new(
                "campaign_exit_code",
                "The exit code of the last command that ended; -1 while it runs.",
            )?,
        };
        metrics.in_progress.set(1);
        metrics.exit_code.set(-1);
        metrics.last_run.set(seconds(now));
        metrics.last_success.set(earlier.last_success.unwrap_or_default());
        Ok(metrics)
    }

    /// From now on the campaign's name is known.
    pub fn name(&self, campaign: &str) {
        // It has one name: the first stays.
        let _ = self.campaign.set(campaign.to_owned());
    }

    /// The ledger's own numbers.
    pub fn totals(&self, totals: &Totals) {
        for state in State::ALL {
            self.recipients.with_label_values(&[state.word()]).set(signed(totals.of(state)));
        }
        let receipts = &totals.receipts;
        if receipts.checked_at.is_none() {
            return;
        }
        for (word, count) in [
            ("delivered", receipts.delivered),
            ("read", receipts.read),
            ("undelivered", receipts.undelivered),
            ("no_receipt", receipts.no_receipt),
            ("open", receipts.open),
        ] {
            self.receipts.with_label_values(&[word]).set(signed(count));
        }
    }

    /// So many messages are about to be sent.
    pub fn sending(&self, messages: u64, now: Timestamp) {
        *self.sending.lock() = Some(Sending { since: now, messages, done: 0 });
    }

    /// Sending has ended.
    pub fn sending_ended(&self, now: Timestamp) {
        self.count_hold(now);
        self.hold.lock().take();
        self.sending.lock().take();
        self.seconds_left.set(0.0);
    }

    /// Something happened.
    pub fn event(&self, event: &Event, now: Timestamp) {
        match event {
            Event::Settled(state) => {
                self.recipients.with_label_values(&[State::Pending.word()]).dec();
                self.recipients.with_label_values(&[state.word()]).inc();
                if let Some(sending) = &mut *self.sending.lock() {
                    sending.done += 1;
                }
            }
            Event::Paused { until, .. } => self.hold_until(*until, now),
            Event::Away(_) | Event::Noted(_) | Event::Warned(_) => {}
        }
    }

    /// Nothing leaves until then. Each delivery that waits says so: what overlaps counts once.
    fn hold_until(&self, until: Timestamp, now: Timestamp) {
        self.count_hold(now);
        let mut hold = self.hold.lock();
        let until = hold.map_or(until, |before| before.until.max(until));
        *hold = Some(Hold { counted_to: now, until });
    }

    /// Counts what has passed of a hold.
    fn count_hold(&self, now: Timestamp) {
        if let Some(hold) = &mut *self.hold.lock() {
            let to = now.min(hold.until);
            if to > hold.counted_to {
                self.held.inc_by(seconds(to) - seconds(hold.counted_to));
                hold.counted_to = to;
            }
        }
    }

    /// The process ends with this exit code.
    pub fn ended(&self, exit_code: u8, now: Timestamp) {
        self.sending_ended(now);
        self.in_progress.set(0);
        self.in_flight.set(0);
        self.exit_code.set(exit_code.into());
        if exit_code == 0 {
            self.last_success.set(seconds(now));
        }
    }

    /// All of it in Prometheus' text format. `fallback` names the campaign where its spec could not be read.
    ///
    /// # Errors
    /// Never: see [`Metrics::new`].
    pub fn text(&self, fallback: &str, now: Timestamp) -> Result<String, Error> {
        self.count_hold(now);
        self.estimate(now);
        let campaign = self.campaign.get().map_or(fallback, String::as_str);
        let labels = HashMap::from([
            ("campaign".to_owned(), campaign.to_owned()),
            ("command".to_owned(), self.command.to_owned()),
        ]);
        let registry = Registry::new_custom(None, Some(labels))?;
        let collectors: [Box<dyn Collector>; 11] = [
            Box::new(self.recipients.clone()),
            Box::new(self.receipts.clone()),
            Box::new(self.requests.clone()),
            Box::new(self.durations.clone()),
            Box::new(self.in_flight.clone()),
            Box::new(self.held.clone()),
            Box::new(self.seconds_left.clone()),
            Box::new(self.in_progress.clone()),
            Box::new(self.last_run.clone()),
            Box::new(self.last_success.clone()),
            Box::new(self.exit_code.clone()),
        ];
        for collector in collectors {
            registry.register(collector)?;
        }
        TextEncoder::new().encode_to_string(&registry.gather())
    }

    fn estimate(&self, now: Timestamp) {
        let Some(Sending { since, messages, done }) = *self.sending.lock() else { return };
        if done > 0 {
            let each = (seconds(now) - seconds(since)) / done as f64;
            self.seconds_left.set(each * messages.saturating_sub(done) as f64);
        }
    }
}

impl Earlier {
    /// What an earlier text says, so that a run which fails does not forget when one last succeeded.
    pub fn read(text: &str) -> Self {
        let line = text.lines().find_map(|line| line.strip_prefix("campaign_last_success_timestamp_seconds{"));
        let Some((labels, value)) = line.and_then(|line| line.rsplit_once("} ")) else { return Self::default() };
        // Labels come in any order.
        let campaign = labels.split(',').find_map(|label| label.strip_prefix("campaign=\"")?.strip_suffix('"'));
        Self {
            campaign: campaign.map(str::to_owned),
            last_success: value.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0),
        }
    }
}

/// Counts requests for [`Metrics`].
#[derive(Debug)]
pub struct RequestCounter<M>(pub M);

impl<M: std::ops::Deref<Target = Metrics>> RequestObserver for RequestCounter<M> {
    fn began(&self, _: &Request) {
        self.0.in_flight.inc();
    }

    fn ended(&self, request: &Request, exchange: &Exchange, took: Duration) {
        let operation = request.operation.word();
        let status = match exchange {
            Exchange::Answered(answer) => &answer.status.to_string(),
            Exchange::NotSent(_) => "not_sent",
            Exchange::Lost(_) => "no_answer",
        };
        self.0.in_flight.dec();
        self.0.requests.with_label_values(&[operation, status]).inc();
        self.0.durations.with_label_values(&[operation]).observe(took.as_secs_f64());
    }
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn value(metrics: &Metrics, name: &str, now: i64) -> String {
        let text = metrics.text("?", at(now)).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line.rsplit(' ').next().unwrap().to_owned()
    }

    #[test]
    fn holds_that_overlap_count_once_and_only_up_to_the_end() {
        let metrics = Metrics::new("run", at(100), &Earlier::default()).unwrap();
        let hold = |until, now| metrics.event(&Event::Paused { why: String::new(), until: at(until) }, at(now));
        hold(110, 100);
        hold(110, 101);
        hold(115, 105);
        assert_eq!(value(&metrics, "campaign_held_seconds_total", 115), "15");
        hold(130, 120);
        // Interrupted after two of ten seconds.
        metrics.ended(130, at(122));
        assert_eq!(value(&metrics, "campaign_held_seconds_total", 122), "17");
    }

    #[test]
    fn a_hold_is_counted_while_it_lasts() {
        let metrics = Metrics::new("run", at(100), &Earlier::default()).unwrap();
        metrics.event(&Event::Paused { why: String::new(), until: at(160) }, at(100));
        assert_eq!(value(&metrics, "campaign_held_seconds_total", 115), "15");
        assert_eq!(value(&metrics, "campaign_held_seconds_total", 130), "30");
        assert_eq!(value(&metrics, "campaign_held_seconds_total", 200), "60");
    }

    #[test]
    fn the_last_success_outlives_a_failure() {
        let metrics = Metrics::new("run", at(100), &Earlier::default()).unwrap();
        metrics.name("weekly");
        metrics.ended(0, at(200));
        let earlier = Earlier::read(&metrics.text("?", at(200)).unwrap());
        assert_eq!(earlier, Earlier { campaign: Some("weekly".to_owned()), last_success: Some(200.0) });
        let metrics = Metrics::new("run", at(300), &earlier).unwrap();
        metrics.ended(1, at(310));
        assert_eq!(value(&metrics, "campaign_last_success_timestamp_seconds", 310), "200");
        assert_eq!(value(&metrics, "campaign_exit_code", 310), "1");
        assert_eq!(Earlier::read("garbage"), Earlier::default());
    }

    #[test]
    fn the_time_left_follows_from_the_pace_so_far() {
        let metrics = Metrics::new("run", at(0), &Earlier::default()).unwrap();
        metrics.sending(10, at(0));
        for _ in 0..4 {
            metrics.event(&Event::Settled(State::Accepted), at(8));
        }
        assert_eq!(value(&metrics, "campaign_seconds_left", 8), "12");
        metrics.sending_ended(at(20));
        assert_eq!(value(&metrics, "campaign_seconds_left", 20), "0");
    }
}
