//! Why something could not be read, and whether asking again can help.

use std::time::Duration;

use super::super::answer::body::{Body, Fields};
use super::super::answer::classification::{Class, Idempotence, classify};
use super::super::answer::{Answer, Exchange, words};

/// Why something could not be read. The texts are the server's or the transport's, cleaned, without credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// This read cannot be used here: the server does not have it, or does not allow it.
    #[error("{text}")]
    Unavailable {
        /// The HTTP status of the answer.
        status: u16,
        /// What was answered.
        text: String,
    },
    /// What was asked for is not there: a 404 in the words that the application has for a record, not for a path.
    #[error("{text}")]
    Gone {
        /// What was answered.
        text: String,
    },
    /// Too many requests.
    #[error("too many requests: {text}")]
    RateLimited {
        /// How long the server asks to wait, where it says so.
        retry_after: Option<Duration>,
        /// What was answered.
        text: String,
    },
    /// No answer, half an answer, or an error of the server: asking again may help.
    #[error("{text}")]
    Failed {
        /// What happened.
        text: String,
    },
    /// The answer is longer than is read: ask for less.
    #[error("the answer is too large")]
    TooLarge,
}

impl ReadError {
    /// Whether the same read may succeed later.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Failed { .. })
    }
}

/// A success and these fields of its body; otherwise why there is none.
pub(super) fn success_with(exchange: Exchange, fields: &'static Fields) -> Result<(Answer, Body), ReadError> {
    let answer = match exchange {
        Exchange::Answered(answer) => answer,
        Exchange::NotSent(text) => return Err(ReadError::Failed { text }),
        Exchange::Lost(failure) => return Err(ReadError::Failed { text: failure.text }),
    };
    if answer.is_cut && (200..300).contains(&answer.status) {
        return Err(ReadError::TooLarge);
    }
    let body = Body::read_fields(&answer.body, fields);
    let class = classify(answer.status, &body, answer.retry_after.is_some(), Idempotence::Idempotent);
    let said = || answer.text(&answer.failure(&body).to_string());
    let status = answer.status;
    match class {
        Class::Success => Ok((answer, body)),
        Class::RateLimited => Err(ReadError::RateLimited { retry_after: answer.wait(), text: said() }),
        _ if status == 404 && names_a_record(&body) => Err(ReadError::Gone { text: said() }),
        Class::Denied | Class::Refused | Class::ConversationLimit => {
            Err(ReadError::Unavailable { status, text: said() })
        }
        // To a login page, for one.
        Class::Unknown if (300..400).contains(&status) => Err(ReadError::Unavailable { status, text: said() }),
        Class::Unknown => Err(ReadError::Failed { text: said() }),
    }
}

/// Whether a 404 is about a record. `Not Found`, as text, HTML or in JSON, is what frameworks and gateways say of a path.
fn names_a_record(body: &Body) -> bool {
    words(body.json()).is_some_and(|words| !words.trim().eq_ignore_ascii_case("not found"))
}
