//! What an answer means. Pure: the same bytes always mean the same.
//!
//! The rule for messages: only what is certain counts. A message was *not taken* only if no connection came about or
//! the server said so in a way that leaves no doubt; whatever else is unclear is doubt, and doubt is never sent again.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::Value;

use crate::codes;
use crate::state::{ContactId, ConversationId, Failure, MessageId};

/// A longer wait than this is not believed: some clock or some digit is wrong.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// Contacts on a page of a search; a shorter page is the last one.
const PAGE: usize = 15;
/// As much of a server's text as is kept.
const LONGEST_TEXT: usize = 300;

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
    /// When it came, by our clock: for a `Retry-After` date without a `Date` beside it.
    pub came: Timestamp,
    /// The body, cut at 1 MiB.
    pub body: String,
}

/// What an answer means for the step that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<T> {
    /// It was done.
    Done(T),
    /// It was refused for good.
    Refused(Failure),
    /// It was certainly not done, for a reason that is not this recipient's.
    NotTaken(RetryReason),
    /// It may or may not have been done.
    Doubtful(Failure),
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

/// What came of making a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactReply {
    /// It was made.
    Made(ContactId),
    /// Somebody has one of these attributes already; the answer does not say who.
    Taken(Vec<Attribute>),
}

/// A message that LiveDesk took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub message_id: MessageId,
    /// LiveDesk's word for its state.
    pub livedesk_status: String,
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
    /// As the answer to making a contact.
    pub fn contact(self) -> Reply<ContactReply> {
        if let Self::Answered(answer) = &self
            && let Some(attributes) = answer.taken()
        {
            return Reply::Done(ContactReply::Taken(attributes));
        }
        let answer = match self.unless_refused() {
            Ok(answer) => answer,
            Err(reply) => return reply.retyped(),
        };
        let body = answer.json();
        let id = [&body["payload"]["contact"]["id"], &body["payload"]["id"], &body["id"]].into_iter().find_map(number);
        match id {
            Some(id) => Reply::Done(ContactReply::Made(ContactId(id))),
            None => Reply::Doubtful(answer.unreadable("the contact's id")),
        }
    }

    /// As the answer to a search: the contacts who have exactly this, and whether a page more is worth asking for.
    pub fn matches(self, attribute: Attribute, value: &str) -> Reply<(Vec<Owner>, bool)> {
        let answer = match self.unless_refused() {
            Ok(answer) => answer,
            Err(reply) => return reply.retyped(),
        };
        let body = answer.json();
        let Some(contacts) = body["payload"].as_array() else {
            return Reply::Doubtful(answer.unreadable("the list of contacts"));
        };
        let owners = contacts.iter().filter_map(Owner::read).filter(|owner| owner.has(attribute, value)).collect();
        Reply::Done((owners, contacts.len() >= PAGE))
    }

    /// As the answer to a request of which only matters whether it was authorized.
    pub fn authorization(self) -> Reply<()> {
        match self.unless_refused() {
            Ok(_) => Reply::Done(()),
            Err(reply) => reply,
        }
    }

    /// As the answer to making a conversation.
    pub fn conversation(self) -> Reply<ConversationId> {
        match self.unless_refused() {
            Ok(answer) => match number(&answer.json()["id"]) {
                Some(id) => Reply::Done(ConversationId(id)),
                None => Reply::Doubtful(answer.unreadable("the conversation's id")),
            },
            Err(reply) => reply.retyped(),
        }
    }

    /// As the answer to sending a message.
    pub fn message(self) -> Reply<Sent> {
        let answer = match self.unless_refused() {
            Ok(answer) => answer,
            Err(reply) => return reply.retyped(),
        };
        let body = answer.json();
        let message_id = number(&body["id"]).map(MessageId);
        let status = body["status"].as_str().map(one_line);
        match (message_id, status) {
            (message_id, Some(status)) if status == "failed" => {
                let text = external_error(&body["content_attributes"]);
                let code = codes::code_in(&text).map_or_else(|| "failed".to_owned(), |code| code.to_string());
                Reply::Refused(Failure { code, text, message_id, livedesk_status: Some(status) })
            }
            (Some(message_id), Some(livedesk_status)) => Reply::Done(Sent { message_id, livedesk_status }),
            (message_id, livedesk_status) => {
                let why = answer.unreadable("the message's id and status");
                Reply::Doubtful(Failure { message_id, livedesk_status, ..why })
            }
        }
    }

    /// The answer if it is a 2xx; otherwise what it means whatever was asked for.
    fn unless_refused(self) -> Result<Answer, Reply<()>> {
        let answer = match self {
            Self::Answered(answer) => answer,
            Self::NotSent(why) => return Err(Reply::NotTaken(RetryReason::Unreachable(why))),
            Self::Lost(failure) => return Err(Reply::Doubtful(failure)),
        };
        if answer.is_rate_limited() {
            let (failure, retry_after) = (answer.failure(), answer.wait());
            return Err(Reply::NotTaken(RetryReason::RateLimited { failure, retry_after }));
        }
        if answer.is_conversation_limit() {
            return Err(Reply::NotTaken(RetryReason::ConversationLimit(answer.failure())));
        }
        match answer.status {
            200..=299 => Ok(answer),
            401 | 403 => Err(Reply::NotTaken(RetryReason::Denied(answer.failure()))),
            400..=499 => Err(Reply::Refused(answer.failure())),
            _ => Err(Reply::Doubtful(answer.failure())),
        }
    }
}

impl<T> Reply<T> {
    /// The same reply to another question; only replies without a result have this to offer.
    fn retyped<U>(self) -> Reply<U> {
        match self {
            Self::Done(_) => Reply::Doubtful(Failure::new(UNREADABLE, "the answer says success but no result")),
            Self::Refused(failure) => Reply::Refused(failure),
            Self::NotTaken(hindrance) => Reply::NotTaken(hindrance),
            Self::Doubtful(failure) => Reply::Doubtful(failure),
        }
    }
}

/// The code of a success that cannot be read.
const UNREADABLE: &str = "unreadable-answer";

/// What only one contact of a project may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// Compared whatever the case.
    Email,
    /// In international form.
    PhoneNumber,
    /// The project's own.
    Identifier,
}

impl Attribute {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Email, Self::PhoneNumber, Self::Identifier];

    /// LiveDesk's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::PhoneNumber => "phone_number",
            Self::Identifier => "identifier",
        }
    }
}

/// A contact that a search has found, by what is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub id: ContactId,
    own: [Option<String>; 3],
}

impl Owner {
    fn read(contact: &Value) -> Option<Self> {
        let own = Attribute::ALL.map(|attribute| contact[attribute.name()].as_str().map(str::to_owned));
        Some(Self { id: ContactId(number(&contact["id"])?), own })
    }

    /// Whether it has exactly this.
    pub fn has(&self, attribute: Attribute, value: &str) -> bool {
        self.own(attribute).is_some_and(|own| match attribute {
            Attribute::Email => own.to_lowercase() == value.to_lowercase(),
            Attribute::PhoneNumber | Attribute::Identifier => own == value,
        })
    }

    /// Whether it has something else there: it is somebody else, or somebody who has changed.
    pub fn contradicts(&self, attribute: Attribute, value: &str) -> bool {
        self.own(attribute).is_some_and(|own| !own.is_empty()) && !self.has(attribute, value)
    }

    fn own(&self, attribute: Attribute) -> Option<&str> {
        self.own[attribute as usize].as_deref()
    }
}

/// Why a message failed, in the channel's words. The attributes may come as an object or as JSON text.
fn external_error(attributes: &Value) -> String {
    let parsed: Option<Value> = attributes.as_str().and_then(|text| serde_json::from_str(text).ok());
    let text = match &parsed.as_ref().unwrap_or(attributes)["external_error"] {
        Value::Null => String::new(),
        Value::String(text) => one_line(text),
        other => one_line(&other.to_string()),
    };
    if text.is_empty() { "no reason given".to_owned() } else { text }
}

impl Answer {
    fn json(&self) -> Value {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        // Tickets, and perhaps more, come in an envelope `{code, message, data}`.
        match body {
            Value::Object(mut map) if map.contains_key("code") && map.get("data").is_some_and(Value::is_object) => {
                map.remove("data").unwrap_or_default()
            }
            other => other,
        }
    }

    /// 429; 503 that says when to come back; and the code by which EngageLab's other APIs limit their rate.
    fn is_rate_limited(&self) -> bool {
        match self.status {
            429 => true,
            503 => self.retry_after.is_some(),
            400 => serde_json::from_str::<Value>(&self.body).is_ok_and(|body| body["code"] == 3004),
            _ => false,
        }
    }

    /// More than 200 messages a minute in one conversation.
    fn is_conversation_limit(&self) -> bool {
        self.status == 422 && self.body.contains("Too many messages")
    }

    /// How long the server asks to wait: seconds, or a date by the server's own clock.
    fn wait(&self) -> Option<Duration> {
        let text = self.retry_after.as_deref()?.trim();
        let wait = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => LONGEST_WAIT,
            Err(_) => {
                let until = httpdate::parse_http_date(text).ok()?;
                let now = self.date.as_deref().and_then(|date| httpdate::parse_http_date(date).ok());
                let now = now.unwrap_or_else(|| self.came.into());
                until.duration_since(now).unwrap_or_default()
            }
        };
        Some(wait.min(LONGEST_WAIT))
    }

    /// The attributes that somebody else has, if a 422 says so and names no others.
    fn taken(&self) -> Option<Vec<Attribute>> {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let body = if body["attributes"].is_array() { &body } else { &body["data"] };
        let names: Vec<&str> = body["attributes"].as_array()?.iter().filter_map(Value::as_str).collect();
        let attributes = Attribute::ALL.into_iter().filter(|attribute| names.contains(&attribute.name())).collect();
        let all_known = names.iter().all(|name| Attribute::ALL.iter().any(|attribute| attribute.name() == *name));
        let says_so = body["message"].as_str().is_some_and(|message| message.contains("taken"));
        (self.status == 422 && says_so && all_known && !names.is_empty()).then_some(attributes)
    }

    /// A success without what it should bring.
    fn unreadable(&self, what: &str) -> Failure {
        let words = self.words().map_or_else(String::new, |words| format!(" ({words})"));
        Failure::new(UNREADABLE, format!("the answer says success but not {what}{words}"))
    }

    /// The server's own words, in whichever of its shapes they come.
    fn failure(&self) -> Failure {
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let reason = reason.unwrap_or("an unknown status");
        let text = self.words().unwrap_or_else(|| match self.body.trim_start().chars().next() {
            _ if (300..400).contains(&self.status) => {
                format!("{reason}: a redirect, which is never followed; check `livedesk.base_url`")
            }
            None => format!("{reason}, without a body"),
            Some('<') => format!("{reason}, as an HTML page"),
            Some(_) => one_line(&self.body),
        });
        Failure::new(format!("http-{}", self.status), text)
    }

    /// What the body says in words, in whichever of its shapes.
    fn words(&self) -> Option<String> {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let texts = [&body["error"], &body["message"], &body["errors"][0]];
        texts.into_iter().find_map(|text| text.as_str()).map(one_line).filter(|words| !words.is_empty())
    }
}

/// An id, which may come as a number or as a text of digits.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Characters that change the direction of what stands around them: they would make a text read as another.
const fn turns_the_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One clean line: no control characters, which could drive a terminal, and no more than is worth reading.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control() || turns_the_text(c))
        .filter(|word| !word.is_empty())
        .collect();
    let mut line: String = words.join(" ").chars().take(LONGEST_TEXT).collect();
    if words.iter().map(|word| word.chars().count() + 1).sum::<usize>() > LONGEST_TEXT + 1 {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Exchange {
        Exchange::Answered(Answer { status, body: body.to_owned(), ..Answer::default() })
    }

    #[test]
    fn a_message_is_taken_only_when_the_answer_says_so() {
        let taken = answer(200, r#"{"id": 3030, "status": "sent", "content_attributes": {}}"#).message();
        assert_eq!(taken, Reply::Done(Sent { message_id: MessageId(3030), livedesk_status: "sent".to_owned() }));
        let as_text = answer(200, r#"{"id": "3030", "status": "delivered", "new_field": null}"#).message();
        assert!(matches!(as_text, Reply::Done(_)));
        for body in ["", "not json", "{}", "[]", "null", r#"{"status": "sent"}"#, r#"{"id": 1}"#, "<html>"] {
            assert!(matches!(answer(200, body).message(), Reply::Doubtful(_)), "{body}");
        }
    }

    #[test]
    fn a_failed_message_carries_the_code_of_either_form() {
        for (text, code) in [
            ("131047: Re-engagement message is not allowed", "131047"),
            ("(#132000) Number of parameters does not match", "132000"),
            ("Template not found or invalid template name", "failed"),
        ] {
            let body =
                format!(r#"{{"id": 123, "status": "failed", "content_attributes": {{"external_error": "{text}"}}}}"#);
            let Reply::Refused(failure) = answer(200, &body).message() else { panic!("{text}") };
            assert_eq!((failure.code.as_str(), failure.text.as_str()), (code, text));
            assert_eq!(failure.message_id, Some(MessageId(123)));
        }
    }

    #[test]
    fn doubt_is_never_taken_for_a_refusal() {
        for status in [302, 307, 500, 502, 503, 504] {
            assert!(matches!(answer(status, "").message(), Reply::Doubtful(_)), "{status}");
        }
        assert!(matches!(Exchange::Lost(Failure::default()).message(), Reply::Doubtful(_)));
        assert!(matches!(Exchange::NotSent(String::new()).message(), Reply::NotTaken(RetryReason::Unreachable(_))));
        for status in [400, 404, 409, 413, 422] {
            assert!(matches!(answer(status, "{}").message(), Reply::Refused(_)), "{status}");
        }
        for status in [401, 403] {
            assert!(matches!(answer(status, "{}").message(), Reply::NotTaken(RetryReason::Denied(_))), "{status}");
        }
    }

    #[test]
    fn busy_answers_say_how_long_to_wait() {
        let busy = |status, retry_after: Option<&str>, body: &str| {
            let answer = Answer {
                status,
                retry_after: retry_after.map(str::to_owned),
                date: Some("Sat, 21 Nov 2026 10:00:00 GMT".to_owned()),
                body: body.to_owned(),
                ..Answer::default()
            };
            match Exchange::Answered(answer).message() {
                Reply::NotTaken(RetryReason::RateLimited { retry_after, .. }) => retry_after.map(|wait| wait.as_secs()),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(busy(429, None, "Retry later\n"), None);
        assert_eq!(busy(429, Some("7"), ""), Some(7));
        assert_eq!(busy(503, Some("Sat, 21 Nov 2026 10:00:30 GMT"), ""), Some(30));
        assert_eq!(busy(503, Some("Sat, 21 Nov 2026 09:00:00 GMT"), ""), Some(0));
        assert_eq!(busy(429, Some("99999999999"), ""), Some(86_400));
        assert_eq!(busy(429, Some("soon"), ""), None);
        let flooded = answer(422, r#"{"error":"Validation failed: Too many messages"}"#).message();
        assert!(matches!(flooded, Reply::NotTaken(RetryReason::ConversationLimit(_))), "{flooded:?}");
    }

    #[test]
    fn every_shape_of_error_gives_its_words() {
        for (body, text) in [
            (r#"{"error":"Resource could not be found"}"#, "Resource could not be found"),
            (r#"{"message":"Invalid email","attributes":["email"]}"#, "Invalid email"),
            (r#"{"errors":["You need to sign in"]}"#, "You need to sign in"),
            (r#"{"code":3002,"message":"bad request"}"#, "bad request"),
            ("Forbidden\n", "Forbidden"),
            ("<html><body>Oops</body></html>", "Unprocessable Entity, as an HTML page"),
            ("", "Unprocessable Entity, without a body"),
            ("\u{1b}[31mred\u{7}\n\n alert", "[31mred alert"),
        ] {
            let Reply::Refused(failure) = answer(422, body).conversation() else { panic!("{body}") };
            assert_eq!(failure.text, text);
        }
        assert_eq!(one_line(&"x".repeat(1_000)).chars().count(), LONGEST_TEXT + 1);
    }

    #[test]
    fn a_taken_contact_names_the_attributes() {
        let body = r#"{"message":"Email has already been taken, Phone number has already been taken","attributes":["email","phone_number"]}"#;
        let taken = ContactReply::Taken(vec![Attribute::Email, Attribute::PhoneNumber]);
        assert_eq!(answer(422, body).contact(), Reply::Done(taken));
        let made =
            answer(200, r#"{"payload":{"contact":{"id":2219259},"contact_inbox":{"source_id":null}}}"#).contact();
        assert_eq!(made, Reply::Done(ContactReply::Made(ContactId(2_219_259))));
    }

    #[test]
    fn only_exact_matches_of_a_search_count() {
        let body = r#"{"meta":{"count":3,"current_page":"1"},"payload":[
            {"id":1,"email":"ada@example.com"},{"id":2,"email":"Ada@Example.com.au"},{"id":"3","email":"ADA@example.com"}]}"#;
        let Reply::Done((found, false)) = answer(200, body).matches(Attribute::Email, "ada@example.com") else {
            panic!()
        };
        assert_eq!(found.iter().map(|owner| owner.id).collect::<Vec<_>>(), [ContactId(1), ContactId(3)]);
        let found = answer(200, r#"{"payload":[{"id":1,"phone_number":"+491512345678"}]}"#)
            .matches(Attribute::PhoneNumber, "+49151234567");
        assert_eq!(found, Reply::Done((vec![], false)));
    }
}
