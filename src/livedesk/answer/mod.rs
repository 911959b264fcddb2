//! What an answer means. Pure: the same bytes always mean the same.
//!
//! The rule for messages: only what is certain counts. A message was *not taken* only if no connection came about or
//! the application said so in a way that leaves no doubt; whatever else is unclear is `unknown`, and never sent again
//! by itself. [`classification`] has the table of all answers. Then:
//!
//! - **Lenient where it is safe** ([`body`]): ids, states and errors are read whatever else is in the answer.
//! - **Strict where it matters**: an answer that names another conversation, contact or inbox than was asked for is the
//!   answer to another request, or the id leads to somebody else. Before a message that is a conflict; after it, `unknown`.
//!   What an answer does not name is no contradiction: LiveDesk's documented replies leave out much.
//! - **No secrets of ours**: every text of the server that is kept passes [`Answer::text`].

pub(super) mod body;
pub(super) mod classification;
mod contact;
mod conversation;
pub(super) mod message;
mod obstacle;
mod retry_after;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::Value;

use crate::codes;
use crate::humanize::{changes_direction, shortened};
use crate::message::Contact;
use crate::secret::Redactor;
use crate::state::{Failure, MessageId};
use body::Body;
use classification::{Class, Idempotence, classify, envelope_code};
pub use contact::{Attribute, ContactReply, Owner};
pub use conversation::{Conversation, ConversationRequest};
pub use message::{MessageRequest, Sent};
use message::{Posted, external_error};
pub use obstacle::Obstacle;

/// Contacts on a page of a search; a shorter page is the last one.
const CONTACTS_PER_PAGE: usize = 15;
/// As much of a server's text as is kept.
const MAX_TEXT_LENGTH: usize = 300;

/// The code of a success that cannot be read.
const UNREADABLE: &str = "unreadable-answer";

/// What came of a request, as far as the transport knows.
#[derive(Debug, Clone)]
pub enum Exchange {
    /// A whole answer came.
    Answered(Answer),
    /// No connection came about: the request did not leave.
    NotSent(String),
    /// The request left, or may have; no whole answer came.
    Lost(Failure),
}

/// A whole answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// The `Date` header: the server's own clock, by which its `Retry-After` dates are meant.
    pub date: Option<String>,
    /// Headers that name limits, in lower case.
    pub limits: Vec<(String, String)>,
    /// When it came, by our clock: for a `Retry-After` date without a `Date` beside it.
    pub came: Timestamp,
    /// The body; what is not UTF-8 in it is replaced.
    pub body: String,
    /// Whether the body was longer than is read.
    pub is_cut: bool,
    /// Takes our secrets out of the server's texts.
    pub redactor: Redactor,
}

/// What an answer means for the step that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<T> {
    /// It was done.
    Done(T),
    /// It was refused for good.
    Refused(Failure),
    /// It was certainly not done, for a reason that is not this recipient's.
    NotAccepted(RetryReason),
    /// It may or may not have been done.
    Unknown(Failure),
}

/// Why a request was certainly not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryReason {
    /// No connection.
    Unreachable(String),
    /// The server asks to wait, perhaps for so long: everybody, or whoever asks for this object.
    RateLimited {
        /// The answer.
        failure: Failure,
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// This conversation has had too many messages; other conversations have not.
    ConversationLimit(Failure),
    /// 401 or 403: the credentials, or this object; another recipient tells which.
    Denied(Failure),
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(answer) => answer.status.fmt(f),
            Self::NotSent(why) => write!(f, "not sent ({why})"),
            Self::Lost(failure) => failure.code.fmt(f),
        }
    }
}

impl Exchange {
    /// As the answer to making this contact.
    pub fn contact(self, asked: &Contact) -> Reply<ContactReply> {
        if let Self::Answered(answer) = &self
            && answer.status == 422
            && let Some(attributes) = contact::taken(Body::read(&answer.body).json())
        {
            return Reply::Done(ContactReply::Conflict(attributes));
        }
        let (answer, body) = match self.success(Idempotence::Idempotent) {
            Ok(success) => success,
            Err(reply) => return reply.retyped(),
        };
        // Where nothing says that it is a contact, what is in an inbox is a conversation, whose id is no contact's.
        let named = [&body["payload"]["contact"], &body["contact"]];
        let unnamed = [&body["payload"], &body].into_iter().filter(|place| place["inbox_id"].is_null());
        let mut contacts = named.into_iter().chain(unnamed);
        let Some(owner) = contacts.find_map(Owner::read) else {
            return Reply::Unknown(answer.unreadable("the contact's id"));
        };
        match owner.contradiction(asked) {
            None => Reply::Done(ContactReply::Created(owner)),
            Some(attribute) => {
                let text = format!(
                    "LiveDesk returned contact {}, whose {} differs from the row's",
                    owner.id,
                    attribute.name()
                );
                Reply::Refused(Failure::new(codes::CONTACT_CONFLICT, text))
            }
        }
    }

    /// As the answer to a search: the contacts who have exactly this, and whether a page more is worth asking for.
    pub fn matches(self, attribute: Attribute, value: &str) -> Reply<(Vec<Owner>, bool)> {
        let (answer, body) = match self.success(Idempotence::Idempotent) {
            Ok(success) => success,
            Err(reply) => return reply.retyped(),
        };
        let Some(contacts) = body["payload"].as_array() else {
            return Reply::Unknown(answer.unreadable("the list of contacts"));
        };
        let owners = contacts.iter().filter_map(Owner::read).filter(|owner| owner.has(attribute, value)).collect();
        Reply::Done((owners, contacts.len() >= CONTACTS_PER_PAGE))
    }

    /// As the answer to a request of which only matters whether it was authorized.
    pub fn authorization(self) -> Reply<()> {
        match self.success(Idempotence::Idempotent) {
            Ok(_) => Reply::Done(()),
            Err(reply) => reply,
        }
    }

    /// As the answer to making this conversation.
    pub fn conversation(self, asked: ConversationRequest<'_>) -> Reply<Conversation> {
        let (answer, body) = match self.success(Idempotence::Idempotent) {
            Ok(success) => success,
            Err(reply) => return reply.retyped(),
        };
        let Some(conversation) = Conversation::read(&body) else {
            return Reply::Unknown(answer.unreadable("the conversation's id"));
        };
        match conversation.contradiction(asked) {
            None => Reply::Done(conversation),
            Some(text) => Reply::Refused(Failure::new(codes::CONVERSATION_CONFLICT, text)),
        }
    }

    /// As the answer to sending this message.
    pub fn message(self, asked: MessageRequest) -> Reply<Sent> {
        let (answer, body) = match self.success(Idempotence::NotIdempotent) {
            Ok(success) => success,
            Err(reply) => return reply.retyped(),
        };
        let posted = Posted::read(&body);
        if let Some(text) = posted.contradiction(asked) {
            return Reply::Unknown(Failure::new(codes::MISMATCH, text));
        }
        let message_id = posted.message_id;
        let livedesk_status = posted.status.map(|status| answer.text(&status));
        match (message_id, livedesk_status) {
            (message_id, Some(status)) if status == "failed" => {
                let text = external_error(&body["content_attributes"]).or_else(|| words(&body));
                let text = text.map_or_else(|| "no reason given".to_owned(), |text| answer.text(&text));
                let code = codes::code_in(&text).map_or_else(|| "failed".to_owned(), |code| code.to_string());
                Reply::Refused(Failure { code, text, message_id, livedesk_status: Some(status) })
            }
            (Some(message_id), Some(livedesk_status)) => match words(&body) {
                None => Reply::Done(Sent { message_id, livedesk_status }),
                Some(words) => {
                    let text = format!("the answer says `{livedesk_status}` but has an error: {}", answer.text(&words));
                    let failure = Failure::new(codes::MISMATCH, text);
                    Reply::Unknown(Failure {
                        message_id: Some(message_id),
                        livedesk_status: Some(livedesk_status),
                        ..failure
                    })
                }
            },
            (message_id, livedesk_status) => {
                let why = answer.unreadable("the message's id and status");
                Reply::Unknown(Failure { message_id, livedesk_status, ..why })
            }
        }
    }

    /// A success and its result; otherwise what it means whatever was asked for.
    fn success(self, idempotence: Idempotence) -> Result<(Answer, Value), Reply<()>> {
        let answer = match self {
            Self::Answered(answer) => answer,
            Self::NotSent(why) => return Err(Reply::NotAccepted(RetryReason::Unreachable(why))),
            Self::Lost(failure) => return Err(Reply::Unknown(failure)),
        };
        let body = Body::read(&answer.body);
        match classify(answer.status, &body, answer.retry_after.is_some(), idempotence) {
            Class::Success => Ok((answer, result(body))),
            Class::RateLimited => {
                let (failure, retry_after) = (answer.failure(&body), answer.wait());
                Err(Reply::NotAccepted(RetryReason::RateLimited { failure, retry_after }))
            }
            Class::ConversationLimit => Err(Reply::NotAccepted(RetryReason::ConversationLimit(answer.failure(&body)))),
            Class::Denied => Err(Reply::NotAccepted(RetryReason::Denied(answer.failure(&body)))),
            Class::Refused => Err(Reply::Refused(answer.failure(&body))),
            Class::Unknown => Err(Reply::Unknown(answer.failure(&body))),
        }
    }
}

/// What an answer brings, without its envelope.
fn result(body: Body) -> Value {
    match body {
        Body::Json(Value::Object(mut map)) if is_envelope_with_data(&map) => map.remove("data").unwrap_or_default(),
        Body::Json(value) => value,
        _ => Value::Null,
    }
}

fn is_envelope_with_data(map: &serde_json::Map<String, Value>) -> bool {
    map.get("code").is_some_and(|code| !code.is_null()) && map.get("data").is_some_and(Value::is_object)
}

impl<T> Reply<T> {
    /// The same reply to another question; only replies without a result have this to offer.
    fn retyped<U>(self) -> Reply<U> {
        match self {
            Self::Done(_) => Reply::Unknown(Failure::new(UNREADABLE, "the answer reports success but has no result")),
            Self::Refused(failure) => Reply::Refused(failure),
            Self::NotAccepted(reason) => Reply::NotAccepted(reason),
            Self::Unknown(failure) => Reply::Unknown(failure),
        }
    }

    /// Whether the answer is about something else than was asked for, or not even of its kind: it may belong to another
    /// request, and what comes over the same connection as well.
    pub(super) fn is_about_something_else(&self) -> bool {
        let is_other = |code: &str| codes::is_conflict(code) || code == UNREADABLE;
        matches!(self, Self::Refused(failure) | Self::Unknown(failure) if is_other(&failure.code))
    }
}

impl Reply<Sent> {
    /// The message that the answer is about, where it names one.
    pub(super) fn message_id(&self) -> Option<MessageId> {
        match self {
            Self::Done(sent) => Some(sent.message_id),
            Self::Refused(failure) | Self::Unknown(failure) => failure.message_id,
            Self::NotAccepted(_) => None,
        }
    }
}

impl Answer {
    /// One clean line of the server's words, without our secrets: the only way in which they are kept.
    pub(super) fn text(&self, words: &str) -> String {
        one_line(&self.redactor.redact(words))
    }

    pub(super) fn wait(&self) -> Option<Duration> {
        retry_after::wait(self.retry_after.as_deref()?, self.date.as_deref(), self.came.into())
    }

    /// A success without what it should bring.
    fn unreadable(&self, what: &str) -> Failure {
        let words =
            words(Body::read(&self.body).json()).map_or_else(String::new, |words| format!(" ({})", self.text(&words)));
        Failure::new(UNREADABLE, format!("the answer reports success but lacks {what}{words}"))
    }

    /// The server's own words, in whichever of its shapes they come.
    pub(super) fn failure(&self, body: &Body) -> Failure {
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let reason = reason.unwrap_or("an unknown status");
        let code = match envelope_code(body.json()) {
            Some(code) if self.status < 300 => self.text(&format!("livedesk-{code}")),
            _ => format!("http-{}", self.status),
        };
        let text = match (words(body.json()), body) {
            (Some(words), _) => self.text(&words),
            _ if (300..400).contains(&self.status) => {
                format!("{reason}: a redirect, which is never followed; check `livedesk.base_url`")
            }
            (None, Body::Empty) => format!("{reason}, without a body"),
            (None, Body::Html) => format!("{reason}, as an HTML page"),
            (None, Body::Json(_) | Body::Text) => self.text(&self.body),
        };
        Failure::new(code, text)
    }
}

/// What a body says of an error, in whichever of its shapes: a text, an object that has one, or a list of either.
pub(super) fn words(body: &Value) -> Option<String> {
    let said = |value: &Value| -> Option<String> {
        let inner = match value {
            Value::Array(list) => list.first()?,
            other => other,
        };
        let text = match inner {
            Value::Object(error) => ["message", "error", "title"].iter().find_map(|name| error.get(*name)?.as_str()),
            other => other.as_str(),
        };
        match (text, inner) {
            (Some(text), _) => Some(text.to_owned()).filter(|text| !text.trim().is_empty()),
            // `{"email": ["is taken"]}`, or a shape that nobody knows.
            (None, Value::Object(error)) if !error.is_empty() => Some(inner.to_string()),
            _ => None,
        }
    };
    [&body["error"], &body["message"], &body["errors"]].into_iter().find_map(said)
}

/// An id, which may come as a number or as a text of digits.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// A state as LiveDesk's enumerations have it.
fn status_word(text: &str) -> String {
    one_line(text).to_lowercase()
}

/// One clean line: no control characters, which could drive a terminal, and no more than is worth reading.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control() || changes_direction(c))
        .filter(|word| !word.is_empty())
        .collect();
    shortened(&words.join(" "), MAX_TEXT_LENGTH).into_owned()
}

#[cfg(test)]
mod tests;
