//! What can become of a delivery, and the ids that LiveDesk gives out on the way.
//!
//! `pending` → `claimed` → `accepted`, `failed` or `unknown`; a row of the list that is left out is `skipped`. Knows
//! nothing of storage, network or time.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of one row of the list, as the ledger keeps it and the report prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing has been sent yet; the next run sends it.
    Pending,
    /// The intent to send is on disk and the answer is not: in flight now, or `unknown` if that process has died.
    Claimed,
    /// LiveDesk accepted the message. LiveDesk's status (sent, delivered, ...) is separate.
    Accepted,
    /// LiveDesk or WhatsApp refused it.
    Failed,
    /// It may or may not have been accepted. Never sent again automatically; `campaign resolve` decides it.
    Unknown,
    /// Not sent: excluded by `where` or a suppression list, a duplicate, or invalid.
    Skipped,
}

impl State {
    /// All states, in the order of their life.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Claimed, Self::Accepted, Self::Failed, Self::Unknown, Self::Skipped];

    /// The word that is in ledger and report.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Claimed => "claimed",
            Self::Accepted => "accepted",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }

    /// Whether a delivery may go from this state to `next`. The ledger's statements assert it where they are written.
    pub const fn can_become(self, next: Self) -> bool {
        use State::{Accepted, Claimed, Failed, Pending, Unknown};
        matches!(
            (self, next),
            // The intent is recorded; or preparing the conversation failed for good before any message.
            (Pending, Claimed | Failed)
                // The answer, or the certainty that the message was not taken.
                | (Claimed, Accepted | Failed | Unknown | Pending)
                // The operator's word: `resolve`, and `run --retry-failed`, also of a message that LiveDesk accepted and
                // WhatsApp did not deliver.
                | (Unknown, Accepted | Pending)
                | (Failed | Accepted, Pending)
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.word() == word)
            .ok_or_else(|| format!("`{word}` is not an outcome; use one of {}", Self::ALL.map(Self::word).join(", ")))
    }
}

/// The code of a delivery that was settled by the operator's word.
pub const RESOLVED: &str = "resolved";

/// How a claimed delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// LiveDesk took the message.
    Accepted {
        /// LiveDesk's id of the message.
        message_id: MessageId,
        /// LiveDesk's own word: `sent` means saved and queued, not yet delivered.
        livedesk_status: String,
    },
    /// Refused for good.
    Failed(Failure),
    /// Nobody can say whether it was taken.
    Unknown(Failure),
}

impl Outcome {
    /// The state that this outcome leads to.
    pub const fn state(&self) -> State {
        match self {
            Self::Accepted { .. } => State::Accepted,
            Self::Failed(_) => State::Failed,
            Self::Unknown(_) => State::Unknown,
        }
    }
}

/// Why a message was refused, or why it is in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    /// A WhatsApp code such as `131047`, or our own word such as `http-404` or `timeout`.
    pub code: String,
    /// The server's text, cleaned and cut to one line.
    pub text: String,
    /// The id of the message, where one was made all the same.
    pub message_id: Option<MessageId>,
    /// LiveDesk's own word for the message's state, where there is one.
    pub livedesk_status: Option<String>,
}

impl Failure {
    /// A failure with a code and a text, and no message behind it.
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into(), ..Self::default() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// How a delivery had ended before an operator's word changed that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastOutcome {
    /// `failed` or `unknown`.
    pub outcome: State,
    /// Its code, where there was one.
    pub error_code: Option<String>,
    /// Its reason in words.
    pub error: Option<String>,
    /// What was done.
    pub action: OperatorAction,
    /// When it was done.
    pub at: Timestamp,
    /// What the operator noted.
    pub note: Option<String>,
}

/// What an operator had done with a delivery that was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorAction {
    /// `campaign resolve --sent`.
    ResolvedAsSent,
    /// `campaign resolve --not-sent`.
    ResolvedAsNotSent,
    /// `campaign run --retry-failed`.
    Retried,
}

impl OperatorAction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ResolvedAsSent, Self::ResolvedAsNotSent, Self::Retried];

    /// The words that ledger and report have for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ResolvedAsSent => "resolved as sent",
            Self::ResolvedAsNotSent => "resolved as not sent",
            Self::Retried => "sent again",
        }
    }
}

/// Why a row of the list is no delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    /// `recipients.where` is false for it.
    Where,
    /// It is on a suppression list.
    Suppressed {
        /// Where, as `file:line`.
        place: String,
    },
    /// An earlier row has the same key.
    Duplicate {
        /// The line of that row.
        first_line: u64,
    },
    /// It has problems, and the operator said to go on without it.
    Invalid {
        /// The first of them.
        what: String,
    },
}

impl SkipReason {
    /// The word for rows with problems.
    pub const INVALID: &str = "invalid";

    /// The word that is in the report's `error_code`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Where => "where",
            Self::Suppressed { .. } => "suppressed",
            Self::Duplicate { .. } => "duplicate",
            Self::Invalid { .. } => Self::INVALID,
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Where => f.write_str("left out by recipients.where"),
            Self::Suppressed { place } => write!(f, "on the suppression list at {place}"),
            Self::Duplicate { first_line } => write!(f, "same key as line {first_line}"),
            Self::Invalid { what } => f.write_str(what),
        }
    }
}

/// Defines an id that LiveDesk gives out: a number on the wire (account ids go beyond 32 bits), never mixed with
/// another.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A channel of the project, named "Channel ID" in its settings.
    InboxId
}
id! {
    /// A person in LiveDesk's address book.
    ContactId
}
id! {
    /// A conversation with one contact through one inbox.
    ConversationId
}
id! {
    /// One message of a conversation.
    MessageId
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn what_was_settled_is_never_sent_again_by_itself() {
        assert!(!State::ALL.iter().any(|next| State::Skipped.can_become(*next)));
        // From these only an operator's word leads back, and to `pending`.
        for settled in [State::Accepted, State::Failed, State::Unknown] {
            assert!(!settled.can_become(State::Claimed), "{settled}");
        }
        assert!(!State::Accepted.can_become(State::Failed) && !State::Accepted.can_become(State::Unknown));
    }

    #[test]
    fn words_and_states_are_one_to_one() {
        for state in State::ALL {
            assert_eq!(state.word().parse(), Ok(state));
        }
        assert!("sent".parse::<State>().is_err());
    }
}
