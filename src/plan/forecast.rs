//! When it would be finished: one message after the other through all limits, on paper.
//!
//! It is the earliest that the limits allow. How long the server takes, and how often it asks for patience, nobody
//! knows.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

use indicatif::HumanCount;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, ToSpan, Unit};

use crate::humanize::duration;
use crate::specification::{Send, Speed};
use crate::window::Status;

/// Days that are said one by one; after them only the last one is.
const DAYS_SAID: usize = 2;

/// What is to be sent, and what was sent already.
#[derive(Debug)]
pub struct Load {
    /// When it begins.
    pub now: Timestamp,
    /// Whose clock the days are in.
    pub zone: TimeZone,
    /// How many messages.
    pub messages: u64,
    /// Requests for each of them.
    pub requests_each: u64,
    /// For each quota of the spec the times of earlier messages that it still counts.
    pub claimed: Vec<Vec<Timestamp>>,
    /// Where `send.window` holds: how many of the messages go to which zone.
    pub zones: Vec<(TimeZone, u64)>,
}

/// When it would be finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// From now to the last message.
    pub duration: Duration,
    /// The settings that hold messages back, the one that does most first.
    pub bound_by: Vec<&'static str>,
    /// What leaves on which day.
    pub days: Vec<Day>,
    /// Messages that `send.not_after` leaves pending.
    pub too_late: u64,
}

/// What leaves on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Days from today.
    pub ahead: i32,
    /// The day.
    pub date: Date,
    /// How many messages.
    pub messages: u64,
    /// When the last of them leaves.
    pub until: Timestamp,
}

impl Forecast {
    /// `about 3 min 20 s (limited by send.rate)`.
    pub fn in_words(&self) -> String {
        let about = if self.duration < Duration::from_secs(1) { "" } else { "about " };
        let limited = match self.bound_by.as_slice() {
            [] => String::new(),
            settings => format!(" (limited by {})", settings.join(" and ")),
        };
        format!("{about}{}{limited}", duration(self.duration))
    }

    /// `4,000 today until 20:00, the rest tomorrow by 11:40 CET`; `None` for runs of less than a minute.
    pub fn by_the_clock(&self, zone: &TimeZone) -> Option<String> {
        if self.duration < Duration::from_secs(60) && self.too_late == 0 {
            return None;
        }
        // A minute that has begun counts: "by 11:40" must not be too early.
        let minute = TimestampRound::new().smallest(Unit::Minute).mode(RoundMode::Ceil);
        let clock = |at: Timestamp, format: &str| {
            at.round(minute).unwrap_or(at).to_zoned(zone.clone()).strftime(format).to_string()
        };
        let mut text = String::new();
        for (at, day) in self.days.iter().enumerate() {
            let last = at + 1 == self.days.len();
            if !last && at >= DAYS_SAID {
                continue;
            }
            let amount = match (last, self.days.len(), self.too_late) {
                (true, 1, 0) => "done".to_owned(),
                (true, 2.., 0) => "the rest".to_owned(),
                _ => HumanCount(day.messages).to_string(),
            };
            let word = if last && self.too_late == 0 { "by" } else { "until" };
            let comma = if text.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "{comma}{amount} {} {word} {}",
                named(day),
                clock(day.until, if last { "%H:%M %Z" } else { "%H:%M" })
            );
        }
        if self.too_late > 0 {
            let comma = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{comma}{} are left pending by send.not_after", HumanCount(self.too_late));
        }
        Some(text)
    }
}

fn named(day: &Day) -> String {
    match day.ahead {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        _ => day.date.strftime("on %a %-d %b").to_string(),
    }
}

/// The earliest that the limits allow.
pub fn forecast(send: &Send, load: Load) -> Forecast {
    let today = load.now.to_zoned(load.zone.clone()).date();
    let mut days = Calendar { zone: load.zone.clone(), today, days: Vec::new(), midnight: load.now };
    let (now, messages) = (load.now, load.messages);
    let mut limits = Limits::new(send, load);
    let mut at = now;
    let mut left = messages;
    while left > 0 {
        let Some(next) = limits.next(at) else { break };
        at = next;
        days.note(at);
        left -= 1;
    }
    let duration = if left == messages { Duration::ZERO } else { at.duration_since(now).unsigned_abs() };
    Forecast { duration, bound_by: limits.bound_by(), days: days.days, too_late: left }
}

/// Sorts messages into days.
struct Calendar {
    zone: TimeZone,
    today: Date,
    days: Vec<Day>,
    /// The end of the last day.
    midnight: Timestamp,
}

impl Calendar {
    fn note(&mut self, at: Timestamp) {
        if let Some(day) = self.days.last_mut().filter(|_| at < self.midnight) {
            day.messages += 1;
            day.until = at;
            return;
        }
        let date = at.to_zoned(self.zone.clone()).date();
        let ahead = (date - self.today).get_days();
        let midnight = date.saturating_add(1.day()).to_zoned(self.zone.clone());
        self.midnight = midnight.map_or(Timestamp::MAX, |midnight| midnight.timestamp());
        self.days.push(Day { ahead, date, messages: 1, until: at });
    }
}

/// All limits as they are after the messages so far.
struct Limits<'a> {
    send: &'a Send,
    /// The time between two messages, and the setting that makes it so.
    interval: (SignedDuration, &'static str),
    /// When the next one may leave by that.
    free: Option<Timestamp>,
    quotas: Vec<VecDeque<Timestamp>>,
    /// The zones with messages left, and until when they are open.
    zones: Vec<Zone>,
    /// How long each setting has held messages back.
    held: Vec<(&'static str, SignedDuration)>,
}

struct Zone {
    zone: TimeZone,
    left: u64,
    status: Option<Status>,
}

impl<'a> Limits<'a> {
    fn new(send: &'a Send, load: Load) -> Self {
        let spaced = |speed: Speed, each: u64| match speed {
            Speed::Unlimited => SignedDuration::ZERO,
            Speed::Limited(rate) => {
                let nanos = rate.interval().as_nanos().saturating_mul(u128::from(each));
                SignedDuration::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
            }
        };
        let by_rate = (spaced(send.rate, 1), "send.rate");
        let by_requests = (spaced(send.requests, load.requests_each), "send.requests");
        Self {
            send,
            interval: if by_requests.0 > by_rate.0 { by_requests } else { by_rate },
            free: None,
            quotas: load.claimed.into_iter().map(VecDeque::from).collect(),
            zones: load.zones.into_iter().map(|(zone, left)| Zone { zone, left, status: None }).collect(),
            held: Vec::new(),
        }
    }

    /// When the next message leaves, if one does.
    fn next(&mut self, last: Timestamp) -> Option<Timestamp> {
        let mut at = last;
        let mut wait = |limits: &mut Self, until: Timestamp, setting| {
            if until > at {
                limits.hold(setting, until.duration_since(at));
                at = until;
            }
            at
        };
        let start = self.send.not_before.unwrap_or(last);
        wait(self, start, "send.not_before");
        if let Some(free) = self.free {
            wait(self, free, self.interval.1);
        }
        let full = self.quota_until();
        let mut now = wait(self, full.unwrap_or(last), "send.quota");
        if !self.zones.is_empty() {
            let opens = self.opens(now);
            now = wait(self, opens, "send.window");
            self.take_from_zone(now);
        }
        if self.send.not_after.is_some_and(|end| now >= end) {
            return None;
        }
        self.free = now.checked_add(self.interval.0).ok();
        for (rate, taken) in self.send.quota.iter().zip(&mut self.quotas) {
            if taken.len() >= rate.count.get() as usize {
                taken.pop_front();
            }
            taken.push_back(now);
        }
        Some(now)
    }

    /// When every quota has room.
    fn quota_until(&self) -> Option<Timestamp> {
        let full = |(rate, taken): (&crate::specification::Rate, &VecDeque<Timestamp>)| {
            let oldest = taken.front().filter(|_| taken.len() >= rate.count.get() as usize)?;
            oldest.checked_add(SignedDuration::try_from(rate.per).ok()?).ok()
        };
        self.send.quota.iter().zip(&self.quotas).filter_map(full).max()
    }

    /// The first moment at which a zone with messages left is open.
    fn opens(&mut self, now: Timestamp) -> Timestamp {
        let Some(window) = &self.send.window else { return now };
        let left = self.zones.iter_mut().filter(|zone| zone.left > 0);
        let opens = left.map(|zone| match zone.status {
            Some(Status::Open { closes }) if now < closes => now,
            Some(Status::Closed { opens }) if now < opens => opens,
            _ => {
                let status = window.hours.at(now, &zone.zone);
                zone.status = Some(status);
                match status {
                    Status::Open { .. } => now,
                    Status::Closed { opens } => opens,
                }
            }
        });
        opens.min().unwrap_or(now)
    }

    /// One message less for a zone that is open: the one that closes first.
    fn take_from_zone(&mut self, now: Timestamp) {
        self.opens(now);
        let closes = |zone: &Zone| match zone.status {
            Some(Status::Open { closes }) => Some(closes),
            _ => None,
        };
        let open = self.zones.iter_mut().filter(|zone| zone.left > 0 && closes(zone).is_some());
        if let Some(zone) = open.min_by_key(|zone| closes(zone)) {
            zone.left -= 1;
        }
    }

    fn hold(&mut self, setting: &'static str, wait: SignedDuration) {
        match self.held.iter_mut().find(|(name, _)| *name == setting) {
            Some((_, held)) => *held = held.saturating_add(wait),
            None => self.held.push((setting, wait)),
        }
    }

    /// The settings that make up at least a tenth of all waiting.
    fn bound_by(mut self) -> Vec<&'static str> {
        let all = self.held.iter().map(|(_, wait)| wait.as_secs_f64()).sum::<f64>();
        self.held.sort_by_key(|(_, wait)| std::cmp::Reverse(*wait));
        self.held.retain(|(_, wait)| wait.as_secs_f64() * 10.0 >= all);
        self.held.into_iter().map(|(setting, _)| setting).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::specification::{Source, Spec};

    fn send(settings: &str) -> Send {
        let text = format!(
            "name: c\nrecipients: l.csv\nto: {{ conversation_id: '1' }}\nmessage: {{ content: Hi }}\nsend: {settings}\n"
        );
        let source = Source { name: "c.yaml".to_owned(), text };
        Spec::parse(&source, PathBuf::from("."), &[]).unwrap().send
    }

    fn load(messages: u64) -> Load {
        let now = "2026-11-23T14:00:00Z".parse().unwrap();
        Load { now, zone: TimeZone::UTC, messages, requests_each: 1, claimed: Vec::new(), zones: Vec::new() }
    }

    fn said(settings: &str, load: Load) -> String {
        let zone = load.zone.clone();
        let forecast = forecast(&send(settings), load);
        format!("{}; {}", forecast.in_words(), forecast.by_the_clock(&zone).unwrap_or_default())
    }

    #[test]
    fn the_slowest_limit_says_how_long_it_takes() {
        assert_eq!(said("{ rate: 20/s }", load(21)), "about 1 s (limited by send.rate); ");
        assert_eq!(
            said("{ rate: 1/s }", load(3_601)),
            "about 1 h 0 min (limited by send.rate); done today by 15:00 UTC"
        );
        assert_eq!(said("{ rate: unlimited, requests: unlimited }", load(1_000_000)), "less than a second; ");
        let three = Load { requests_each: 3, ..load(501) };
        assert_eq!(said("{ rate: 20/s, requests: 50/s }", three), "about 30 s (limited by send.requests); ");
    }

    #[test]
    fn a_quota_that_is_partly_used_rolls_on() {
        let used: Timestamp = "2026-11-23T13:00:00Z".parse().unwrap();
        let load = Load { claimed: vec![vec![used; 500]], ..load(1_500) };
        assert_eq!(
            said("{ rate: unlimited, requests: unlimited, quota: 1000/day }", load),
            "about 1 d 0 h (limited by send.quota); 500 today until 14:00, the rest tomorrow by 14:00 UTC"
        );
    }

    #[test]
    fn days_are_told_by_the_clock() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let windowed = Load { zones: vec![(berlin.clone(), 20_000)], zone: berlin, ..load(20_000) };
        assert_eq!(
            said("{ rate: 1000/h, window: { from: '09:00', to: '20:00', timezone: Europe/Berlin } }", windowed),
            "about 1 d 21 h (limited by send.window and send.rate); 5,000 today until 20:00, 11,000 tomorrow until \
             20:00, the rest on Wed 25 Nov by 13:00 CET"
        );
        assert_eq!(
            said("{ rate: 1000/h, not_after: '2026-11-23T16:00:00Z' }", load(5_000)),
            "about 1 h 59 min (limited by send.rate); 2,000 today until 16:00 UTC; 3,000 are left pending by \
             send.not_after"
        );
        assert_eq!(
            said("{ rate: 1000/h, not_before: '2026-11-25T08:00:00Z' }", load(1_001)),
            "about 1 d 19 h (limited by send.not_before); done on Wed 25 Nov by 09:00 UTC"
        );
    }

    #[test]
    fn zones_that_close_earlier_go_first() {
        let zones = [("Asia/Tokyo", 100), ("Europe/Berlin", 100)];
        let zones = zones.map(|(zone, count)| (TimeZone::get(zone).unwrap(), count)).to_vec();
        assert_eq!(
            said(
                "{ rate: 100/h, window: { from: '09:00', to: '20:00', timezone: '{{ tz }}' } }",
                Load { zones, ..load(200) }
            ),
            "about 10 h 59 min (limited by send.window and send.rate); 100 today until 15:00, the rest tomorrow by \
             01:00 UTC"
        );
    }
}
