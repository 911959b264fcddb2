//! What a conversation shows of a message of which nobody knows whether LiveDesk took it.
//!
//! A wrong `sent` loses somebody and a wrong `not sent` messages somebody twice, so whatever speaks against a finding makes
//! it unclear, and a person decides. Pure: reading is `reader`'s.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::reader::{Gap, Thread};
use crate::humanize::{counted, duration};
use crate::livedesk::{Direction, ObservedMessage};
use crate::opt_out::normalized;
use crate::state::{ConversationId, MessageId};

/// What LiveDesk has taken may show this much later.
const MAX_LISTING_DELAY: Duration = Duration::from_mins(10);
/// Times of the server are whole seconds, and the difference of the clocks is measured to the second.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);
/// A request takes no longer. A message with this text that was made later may be somebody else's.
const MAX_REQUEST_TIME: SignedDuration = SignedDuration::from_mins(10);
/// What is so much older than the claim was there before, even if a clock was set since.
const LONG_BEFORE: SignedDuration = SignedDuration::from_hours(1);
/// A text of as many letters that is part of another one is no coincidence.
const MIN_PART: usize = 20;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The conversation that it was sent into.
    pub conversation_id: ConversationId,
    /// Its text.
    pub text: String,
    /// When it was claimed, by our clock.
    pub claimed_at: Timestamp,
}

/// What is known of the server before anything is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// By how much the server's clock is ahead of ours; `None` if that is not certain.
    pub clock_ahead: Option<SignedDuration>,
    /// Whether an accepted message was found again, with its text: without that a missing one says nothing.
    pub is_proven: bool,
    /// The time, by our clock.
    pub now: Timestamp,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The message is there.
    Sent {
        /// Its id.
        message_id: MessageId,
        /// When it was made, by the server's clock.
        created_at: Timestamp,
    },
    /// The whole conversation was read, and it is not there.
    NotSent {
        /// How many messages are there.
        messages: u64,
        /// How long ago it was claimed.
        after: Duration,
    },
    /// Neither is evident.
    Unclear(Doubt),
}

/// Why neither is evident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It has no text to find it by.
    NoText,
    /// It is not the message that the spec and the row make today.
    Changed,
    /// It is a kind of message that reads do not show.
    NotShown,
    /// LiveDesk was asked to send a message again that had failed, which makes no new one.
    SentAgain,
    /// It is not known into which conversation it went.
    NoConversation,
    /// The conversation is deleted.
    Deleted,
    /// This conversation cannot be read.
    Refused,
    /// Not all messages were read.
    Gap(Gap),
    /// There is a message with its text that may be another one.
    SameText(MessageId),
    /// There is a message whose text resembles it, or was deleted, or cannot be read.
    Resembles(MessageId),
    /// Other deliveries have the same text and the same conversation, and not all of them are there.
    Shared,
    /// It was claimed a moment ago, and may still show.
    TooEarly,
    /// No accepted message was found again, so a missing one says nothing.
    Unproven,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { message_id, created_at } => {
                write!(f, "message {message_id} has this text, created {created_at:.0}")
            }
            Self::NotSent { messages, after } => {
                let read = counted(*messages, "message");
                write!(f, "no message with this text among all {read} there, {} later", duration(*after))
            }
            Self::Unclear(doubt) => doubt.fmt(f),
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoText => f.write_str("it has no text to find it by"),
            Self::Changed => f.write_str("spec or row have changed since, so its text is not known"),
            Self::NotShown => f.write_str("private and incoming messages cannot be found this way"),
            Self::SentAgain => f.write_str("it had failed and was sent again, which leaves no new message"),
            Self::NoConversation => f.write_str("its conversation is not known"),
            Self::Deleted => f.write_str("the conversation was deleted"),
            Self::Refused => f.write_str("the conversation cannot be read"),
            Self::Gap(Gap::TooLong) => f.write_str("not found, and the conversation is too long to read all of it"),
            Self::Gap(Gap::NoPages) => f.write_str("not found, and LiveDesk does not show all of the conversation"),
            Self::Gap(Gap::Unreadable) => f.write_str("not found, and some messages there cannot be read"),
            Self::SameText(id) => write!(f, "message {id} has this text, but was not made when this one was sent"),
            Self::Resembles(id) => write!(f, "not found, but message {id} may be it: its text was changed or deleted"),
            Self::Shared => f.write_str("several of these have the same text there, and only some were sent"),
            Self::TooEarly => write!(f, "not found, but look again {} after it was sent", duration(MAX_LISTING_DELAY)),
            Self::Unproven => f.write_str("not found, but accepted messages are not found here either"),
        }
    }
}

/// When a message was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// Certainly before the claim.
    Before,
    /// When it was sent.
    Then,
    /// At another time, or nobody knows when.
    Unsure,
}

/// Finds `wanted` in its conversation. Messages of other deliveries are `taken`.
pub fn find(thread: &Thread, wanted: &Wanted, taken: &BTreeSet<MessageId>, baseline: &Baseline) -> Finding {
    let made = |message: &ObservedMessage| made(message, wanted.claimed_at, baseline.clock_ahead);
    let ours: Vec<&ObservedMessage> =
        thread.messages.iter().filter(|message| may_be_ours(message) && !taken.contains(&message.id)).collect();
    let same = || ours.iter().filter(|message| has_text(message, &wanted.text));
    let found = same().find(|message| made(message) == Made::Then);
    if let Some((message, created_at)) = found.and_then(|message| Some((message, message.created_at?))) {
        return Finding::Sent { message_id: message.id, created_at };
    }
    let doubt = if let Some(message) = same().find(|message| made(message) == Made::Unsure) {
        Some(Doubt::SameText(message.id))
    } else if let Some(gap) = thread.gap {
        Some(Doubt::Gap(gap))
    } else if let Some(message) =
        ours.iter().find(|message| made(message) != Made::Before && resembles(message, &wanted.text))
    {
        Some(Doubt::Resembles(message.id))
    } else if !baseline.is_proven {
        Some(Doubt::Unproven)
    } else {
        None
    };
    let after = Duration::try_from(baseline.now.duration_since(wanted.claimed_at)).unwrap_or_default();
    match doubt {
        Some(doubt) => Finding::Unclear(doubt),
        None if after < MAX_LISTING_DELAY => Finding::Unclear(Doubt::TooEarly),
        None => Finding::NotSent { messages: thread.messages.len() as u64, after },
    }
}

/// Finds several with the same text and the same conversation: of which of them a message is cannot be told, so all or none
/// are there.
pub fn find_all(thread: &Thread, wanted: &[&Wanted], taken: &BTreeSet<MessageId>, baseline: &Baseline) -> Vec<Finding> {
    let mut taken = taken.clone();
    let findings: Vec<Finding> = wanted
        .iter()
        .map(|wanted| {
            let finding = find(thread, wanted, &taken, baseline);
            if let Finding::Sent { message_id, .. } = finding {
                taken.insert(message_id);
            }
            finding
        })
        .collect();
    let sent = findings.iter().filter(|finding| matches!(finding, Finding::Sent { .. })).count();
    if sent > 0 && sent < findings.len() {
        return vec![Finding::Unclear(Doubt::Shared); findings.len()];
    }
    findings
}

/// Whether a message that we know of is shown with this text.
pub fn is_shown(messages: &[ObservedMessage], id: MessageId, text: &str) -> bool {
    messages.iter().any(|message| message.id == id && may_be_ours(message) && has_text(message, text))
}

const fn may_be_ours(message: &ObservedMessage) -> bool {
    !matches!(message.direction, Direction::Incoming | Direction::Activity) && !message.is_private
}

fn made(message: &ObservedMessage, claimed_at: Timestamp, clock_ahead: Option<SignedDuration>) -> Made {
    let claimed = clock_ahead.and_then(|ahead| claimed_at.checked_add(ahead).ok());
    let Some((created, claimed)) = message.created_at.zip(claimed) else { return Made::Unsure };
    let age = claimed.duration_since(created);
    if (-MAX_REQUEST_TIME..=CLOCK_TOLERANCE).contains(&age) {
        Made::Then
    } else if age > LONG_BEFORE {
        Made::Before
    } else {
        Made::Unsure
    }
}

fn has_text(message: &ObservedMessage, text: &str) -> bool {
    message.content.as_deref().is_some_and(|content| lines(content).eq(lines(text)))
}

/// Its lines without what a server may take off their ends.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.trim().lines().map(str::trim_end)
}

/// Whether a message may have been this one before somebody, or the server, changed it.
fn resembles(message: &ObservedMessage, text: &str) -> bool {
    let Some(content) = message.content.as_deref().filter(|_| !message.is_deleted) else { return true };
    let (content, text) = (normalized(content), normalized(text));
    let is_part = |part: &str, whole: &str| part.chars().count() >= MIN_PART && whole.contains(part);
    content == text || is_part(&content, &text) || is_part(&text, &content)
}

#[cfg(test)]
mod tests;
