//! What becomes of a message after the answer `sent`: which rule of the script it follows, and when what happens.
//!
//! Knows what a message is about (`Facts`), not how it is kept.

use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;

use super::faults::{Facts, Match, duration};
use super::templates::Failure;

/// The provider takes so long until it reports anything.
const FIRST_STATUS: Duration = Duration::from_millis(100);
/// From one status to the next.
const NEXT_STATUS: Duration = Duration::from_millis(900);
/// From the last status to a reply.
const REPLY: Duration = Duration::from_millis(200);

/// A status that the provider reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Sent,
    Delivered,
    Read,
    Failed,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
        }
    }
}

/// Something that happens to a message or its conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Status(Status),
    Failed(Failure),
    /// The recipient writes.
    Reply {
        text: String,
        new_conversation: bool,
    },
    /// Somebody deletes the conversation.
    Delete,
}

/// What happens to a message, and how long after it was accepted.
pub(super) type Events = Vec<(Duration, Event)>;

/// A rule of the script.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawReceipt {
    #[serde(rename = "match")]
    matches: Match,
    times: Option<u64>,
    statuses: Option<Vec<Status>>,
    after: Option<String>,
    every: Option<String>,
    fail: Option<Failure>,
    reply: Option<String>,
    reply_after: Option<String>,
    new_conversation: bool,
    delete_after: Option<String>,
}

/// A rule, checked.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    matches: Match,
    times: Option<u64>,
    events: Events,
}

impl RawReceipt {
    pub(super) fn check(self) -> Result<Receipt, String> {
        let time = |text: Option<&String>, usual| text.map_or(Ok(usual), |text| duration(text));
        if !self.matches.is_possible() {
            return Err("`until` is not after `from`: this rule would never apply".to_owned());
        }
        if self.reply.is_none() && (self.reply_after.is_some() || self.new_conversation) {
            return Err("`reply_after` and `new_conversation` need a `reply`".to_owned());
        }
        let statuses = match (self.statuses, &self.fail) {
            (Some(statuses), Some(_)) if !statuses.contains(&Status::Failed) => {
                return Err("`fail` needs `failed` among the `statuses`, or no `statuses`".to_owned());
            }
            (Some(statuses), None) if statuses.contains(&Status::Failed) => {
                return Err("`failed` needs a reason: `fail: { code: 131026, title: ... }`".to_owned());
            }
            (Some(statuses), _) => statuses,
            (None, Some(_)) => vec![Status::Failed],
            (None, None) => vec![Status::Delivered, Status::Read],
        };
        let (mut at, every) = (time(self.after.as_ref(), FIRST_STATUS)?, time(self.every.as_ref(), NEXT_STATUS)?);
        let mut events = Events::new();
        for status in statuses {
            let event = match (status, &self.fail) {
                (Status::Failed, Some(failure)) => Event::Failed(failure.clone()),
                (status, _) => Event::Status(status),
            };
            events.push((at, event));
            at += every;
        }
        if let Some(text) = self.reply {
            let last = events.last().map_or(Duration::ZERO, |(at, _)| *at);
            let at = time(self.reply_after.as_ref(), last + REPLY)?;
            events.push((at, Event::Reply { text, new_conversation: self.new_conversation }));
        }
        if let Some(after) = &self.delete_after {
            events.push((duration(after)?, Event::Delete));
        }
        Ok(Receipt { matches: self.matches, times: self.times, events })
    }
}

/// How long after a message was accepted nothing more happens to it, whichever rule it follows.
pub(super) fn end_after(rules: &[Receipt]) -> Duration {
    let last = |events: &Events| events.iter().map(|(at, _)| *at).max();
    rules.iter().filter_map(|rule| last(&rule.events)).max().unwrap_or_default().max(FIRST_STATUS + NEXT_STATUS)
}

/// The rules of a script at work.
pub(super) struct Receipts {
    rules: Vec<Receipt>,
    usual: Events,
    counts: Mutex<Counts>,
}

struct Counts {
    /// Messages that were accepted so far.
    messages: u64,
    /// How often each rule has applied.
    applied: Vec<u64>,
}

impl Receipts {
    pub(super) fn new(rules: Vec<Receipt>) -> Self {
        let usual = vec![
            (FIRST_STATUS, Event::Status(Status::Delivered)),
            (FIRST_STATUS + NEXT_STATUS, Event::Status(Status::Read)),
        ];
        let counts = Counts { messages: 0, applied: vec![0; rules.len()] };
        Self { rules, usual, counts: Mutex::new(counts) }
    }

    /// Whether there is nothing to look for, so that nobody has to collect facts.
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Counts a message, and says what becomes of it.
    pub(super) fn of(&self, facts: &Facts) -> &Events {
        let mut counts = self.counts.lock();
        counts.messages += 1;
        let nth = counts.messages;
        let position = self.rules.iter().enumerate().position(|(position, rule)| {
            rule.times.is_none_or(|times| counts.applied[position] < times) && rule.matches.holds(facts, nth)
        });
        let Some(position) = position else { return &self.usual };
        counts.applied[position] += 1;
        &self.rules[position].events
    }
}
