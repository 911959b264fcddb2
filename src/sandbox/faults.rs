//! Faults: which one a request gets, and how many times it is left.
//!
//! Knows what a request is about (`Facts`), not how it came.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, de};

use super::templates::Failure;

/// The kinds of requests that a fault can be for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Contact,
    Search,
    Conversation,
    Message,
    Retry,
    ReadMessages,
    ListConversations,
    ListUpdated,
    ReadInbox,
    #[default]
    Any,
}

impl Kind {
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Contact => Some("contact"),
            Self::Search => Some("search"),
            Self::Conversation => Some("conversation"),
            Self::Message => Some("message"),
            Self::Retry => Some("retry"),
            Self::ReadMessages => Some("read_messages"),
            Self::ListConversations => Some("list_conversations"),
            Self::ListUpdated => Some("list_updated"),
            Self::ReadInbox => Some("read_inbox"),
            Self::Any => None,
        }
    }
}

/// The conditions of a fault; what is absent holds always.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Match {
    conversation_id: Option<String>,
    contact_id: Option<String>,
    phone_number: Option<String>,
    email: Option<String>,
    identifier: Option<String>,
    content: Option<String>,
    nth: Option<u64>,
    #[serde(deserialize_with = "some_duration")]
    from: Option<Duration>,
    #[serde(deserialize_with = "some_duration")]
    until: Option<Duration>,
}

/// What is answered in the sandbox's place.
#[derive(Clone, Debug)]
pub(super) struct Canned {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// Whether the request is carried out all the same.
    pub(super) accept: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Answer as usual (after the delay).
    None,
    Answer(Canned),
    /// Close the connection without a reply.
    Hangup {
        accept: bool,
    },
    /// Take the message and let it fail.
    Fail(Failure),
}

#[derive(Clone, Debug)]
pub(super) struct InjectedFault {
    pub(super) matches: Match,
    pub(super) on: Kind,
    pub(super) times: Option<u64>,
    pub(super) delay: Duration,
    pub(super) action: Action,
}

/// What a request is about, as far as it is known before it is carried out.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) conversation_id: Option<String>,
    pub(super) contact_id: Option<String>,
    pub(super) phone_number: Option<String>,
    pub(super) email: Option<String>,
    pub(super) identifier: Option<String>,
    pub(super) content: Option<String>,
    /// How long after the first request of all it came.
    pub(super) after_first: Duration,
}

/// The faults of a script at work.
pub(super) struct Faults {
    faults: Vec<InjectedFault>,
    counts: Mutex<Counts>,
}

struct Counts {
    /// Requests so far, by `Kind as usize`; the last is all of them.
    requests: [u64; Kind::Any as usize + 1],
    /// How often each fault was played.
    played: Vec<u64>,
}

impl Faults {
    pub(super) fn new(faults: Vec<InjectedFault>) -> Self {
        let counts = Counts { requests: [0; Kind::Any as usize + 1], played: vec![0; faults.len()] };
        Self { faults, counts: Mutex::new(counts) }
    }

    /// Whether there is nothing to look for, so that nobody has to collect facts.
    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Counts a request of this kind, and gives the fault that is played on it with its position in the script.
    pub(super) fn pick(&self, kind: Kind, facts: &Facts) -> Option<(usize, &InjectedFault)> {
        let mut counts = self.counts.lock();
        counts.requests[Kind::Any as usize] += 1;
        if kind != Kind::Any {
            counts.requests[kind as usize] += 1;
        }
        let position = self.faults.iter().enumerate().position(|(position, fault)| {
            (fault.on == kind || fault.on == Kind::Any)
                && fault.times.is_none_or(|times| counts.played[position] < times)
                && fault.matches.holds(facts, counts.requests[fault.on as usize])
        })?;
        counts.played[position] += 1;
        Some((position, &self.faults[position]))
    }
}

impl Match {
    pub(super) fn holds(&self, facts: &Facts, nth: u64) -> bool {
        let same = |wanted: &Option<String>, given: &Option<String>| wanted.is_none() || wanted == given;
        let same_email = match (&self.email, &facts.email) {
            (Some(wanted), Some(given)) => wanted.to_lowercase() == given.to_lowercase(),
            (wanted, _) => wanted.is_none(),
        };
        let contains = match (&self.content, &facts.content) {
            (Some(wanted), Some(given)) => given.contains(wanted.as_str()),
            (wanted, _) => wanted.is_none(),
        };
        same(&self.conversation_id, &facts.conversation_id)
            && same(&self.contact_id, &facts.contact_id)
            && same(&self.phone_number, &facts.phone_number)
            && same(&self.identifier, &facts.identifier)
            && same_email
            && contains
            && self.nth.is_none_or(|wanted| wanted == nth)
            && self.from.is_none_or(|from| from <= facts.after_first)
            && self.until.is_none_or(|until| facts.after_first < until)
    }

    /// Whether there is a time at which it holds.
    pub(super) fn is_possible(&self) -> bool {
        self.until.is_none_or(|until| self.from.unwrap_or_default() < until)
    }
}

/// A time as a script writes it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Option<jiff::SignedDuration> = text.parse().ok();
    parsed
        .and_then(|parsed| Duration::try_from(parsed).ok())
        .ok_or_else(|| format!("`{text}` is not a duration, such as `250ms` or `2s`"))
}

fn some_duration<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(value)?;
    duration(&text).map(Some).map_err(de::Error::custom)
}
