//! What the status of an answer, and the shape of its body, say about the request: the one table.
//!
//! For a message there is one question: *is it certain that the application did not take it?* Between us and the
//! application are gateways, caches and firewalls, and each of them answers in its own name, also after the application has
//! done its work. For everything else (contact, search, conversation) asking again does no harm, so less certainty will do.
//!
//! | answer | to a message | to anything else |
//! |---|---|---|
//! | 2xx | see [`super`]: what it says counts | the same |
//! | 2xx or 4xx, an envelope whose `code` is 3004 (EngageLab's rate limit) | rate limited | rate limited |
//! | 2xx, an envelope whose `code` is 2001 (EngageLab's credentials) | denied | denied |
//! | an envelope whose `code` is 1000 or 500 to 599 (internal) | unknown | asked again |
//! | 2xx, an envelope with any other `code` than 0 or a success | refused | refused |
//! | 1xx, 3xx | unknown: whoever redirects may have passed it on | asked again |
//! | 401 | denied: nobody does the work of somebody unknown | denied |
//! | 403 | denied; **unknown** as an HTML page: firewalls also judge what comes back | denied |
//! | 405, 407, 411, 413, 414, 415, 417, 421, 425, 426, 428, 431 | refused, by whomever: they are about receiving it | refused |
//! | 406, 408, 460, 499 | unknown: these are also said after the work is done | asked again |
//! | 422 `Too many messages` | not taken: this conversation's own limit | refused |
//! | 429 | rate limited: a limit is applied before the work | rate limited |
//! | 4xx in JSON whose words are a machine's (`Connection refused`, `PG::…`) | unknown: LiveDesk answers 422 to any exception, also to one after saving | asked again |
//! | any other 4xx in JSON | refused: the application's own words | refused |
//! | any other 4xx as HTML, text or nothing | unknown: some gateways dress up a 5xx as 404 | refused |
//! | 503 | unknown, with or without `Retry-After`: caches add it to any 503 | rate limited with `Retry-After`, else asked again |
//! | any other 5xx, anything else | unknown | asked again |

use serde_json::Value;

use super::body::Body;

/// Whether a request may be made again when nobody knows what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::livedesk) enum Idempotence {
    /// A contact, a search, a conversation.
    Idempotent,
    /// A message: somebody would get it twice.
    NotIdempotent,
}

/// What an answer says about the request, before anybody reads the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::livedesk) enum Class {
    /// It was done, if the result can be read.
    Success,
    /// It was not done: too many requests.
    RateLimited,
    /// It was not done: this conversation has had too many messages.
    ConversationLimit,
    /// It was not done: credentials, or a permission.
    Denied,
    /// It was not done, for good.
    Refused,
    /// Nobody can say.
    Unknown,
}

/// EngageLab's codes, as its other APIs have them.
const RATE_LIMIT: u64 = 3004;
const BAD_CREDENTIALS: u64 = 2001;
const INTERNAL: u64 = 1000;

/// The class of an answer.
pub(in crate::livedesk) fn classify(
    status: u16,
    body: &Body,
    has_retry_after: bool,
    idempotence: Idempotence,
) -> Class {
    let not_idempotent = idempotence == Idempotence::NotIdempotent;
    let words = super::words(body.json()).unwrap_or_default();
    match envelope_code(body.json()) {
        Some(Code::Number(RATE_LIMIT)) if status < 500 => return Class::RateLimited,
        Some(Code::Number(INTERNAL | 500..=599)) => return Class::Unknown,
        Some(Code::Number(BAD_CREDENTIALS)) if is_success(status) => return Class::Denied,
        // It says failure, and beside it an id: these contradict each other.
        Some(_) if is_success(status) && !body.json()["id"].is_null() => return Class::Unknown,
        Some(_) if is_success(status) => return Class::Refused,
        _ => {}
    }
    match status {
        200..=299 => Class::Success,
        401 => Class::Denied,
        403 if !(not_idempotent && *body == Body::Html) => Class::Denied,
        405 | 407 | 411 | 413 | 414 | 415 | 417 | 421 | 425 | 426 | 428 | 431 => Class::Refused,
        406 | 408 | 460 | 499 => Class::Unknown,
        422 if not_idempotent && words.contains("Too many messages") => Class::ConversationLimit,
        429 => Class::RateLimited,
        400..=499 if is_machine_text(&words) => Class::Unknown,
        400..=499 if !not_idempotent || body.json().is_object() => Class::Refused,
        503 if !not_idempotent && has_retry_after => Class::RateLimited,
        _ => Class::Unknown,
    }
}

const fn is_success(status: u16) -> bool {
    status >= 200 && status <= 299
}

/// The code of an envelope that says failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Code {
    /// `3002`.
    Number(u64),
    /// `INVALID_PARAMETER`.
    Word(String),
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(code) => code.fmt(f),
            Self::Word(word) => word.fmt(f),
        }
    }
}

/// The code of an envelope `{code, message, data}`, unless it says success: 0, a 2xx, `ok`, `success`. The code may be a
/// text or an object with a code in it.
pub(super) fn envelope_code(body: &Value) -> Option<Code> {
    if !is_envelope(body) {
        return None;
    }
    let mut code = &body["code"];
    if code.is_object() {
        code = [&code["code"], &code["id"], &code["status"]].into_iter().find(|inner| !inner.is_null()).unwrap_or(code);
    }
    let code = match code {
        Value::Null | Value::Bool(true) => return None,
        Value::Number(number) => number.as_u64().map_or_else(|| Code::Word(number.to_string()), Code::Number),
        Value::String(text) => text.trim().parse().map_or_else(|_| Code::Word(super::one_line(text)), Code::Number),
        other => Code::Word(super::one_line(&other.to_string())),
    };
    match &code {
        Code::Number(0 | 200..=299) => None,
        Code::Word(word) if ["", "ok", "success"].contains(&word.to_lowercase().as_str()) => None,
        _ => Some(code),
    }
}

/// Tickets, and perhaps more, come in an envelope `{code, message, data}`.
pub(super) fn is_envelope(body: &Value) -> bool {
    body.get("code").is_some_and(|code| !code.is_null())
}

/// Whether words come from a machine in trouble and not from somebody who has looked at the message.
fn is_machine_text(words: &str) -> bool {
    let words = words.to_lowercase();
    !words.starts_with("validation failed")
        && [
            "connection refused",
            "connection reset",
            "broken pipe",
            "timeout",
            "timed out",
            "execution expired",
            "redis",
            "pg::",
            "activerecord",
            "deadlock",
            "could not connect",
            "could not obtain",
            "end of file",
            "internal server error",
            "no route to host",
        ]
        .iter()
        .any(|sign| words.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_message(status: u16, body: &str) -> Class {
        classify(status, &Body::read(body), false, Idempotence::NotIdempotent)
    }

    fn of_contact(status: u16, body: &str) -> Class {
        classify(status, &Body::read(body), false, Idempotence::Idempotent)
    }

    const ERROR: &str = r#"{"error":"no"}"#;

    #[test]
    fn a_message_is_refused_only_where_the_application_says_so_or_cannot_have_got_it() {
        for status in [400, 402, 404, 409, 410, 422, 451] {
            assert_eq!(of_message(status, ERROR), Class::Refused, "{status}");
            for body in ["<html>", "", "default backend - 404"] {
                assert_eq!(of_message(status, body), Class::Unknown, "{status} {body}");
                assert_eq!(of_contact(status, body), Class::Refused, "{status} {body}");
            }
        }
        for status in [405, 411, 413, 414, 415, 417, 421, 425, 431] {
            for body in ["<html>", "", ERROR] {
                assert_eq!(of_message(status, body), Class::Refused, "{status} {body}");
            }
        }
    }

    #[test]
    fn what_may_be_said_after_the_work_is_unknown() {
        for status in [101, 300, 302, 307, 406, 408, 460, 499, 500, 501, 502, 503, 504, 520, 599, 600, 999] {
            for body in ["<html>", "", ERROR] {
                assert_eq!(of_message(status, body), Class::Unknown, "{status} {body}");
            }
        }
        let busy = |idempotence| classify(503, &Body::Empty, true, idempotence);
        assert_eq!(
            (busy(Idempotence::NotIdempotent), busy(Idempotence::Idempotent)),
            (Class::Unknown, Class::RateLimited)
        );
        assert_eq!((of_message(403, "<html>"), of_message(403, "Forbidden\n")), (Class::Unknown, Class::Denied));
        for words in
            ["Connection refused - connect(2) for 127.0.0.1:6379", "PG::ConnectionBad: gone", "execution expired"]
        {
            assert_eq!(of_message(422, &format!(r#"{{"error":"{words}"}}"#)), Class::Unknown, "{words}");
        }
        assert_eq!(of_message(422, r#"{"error":"Validation failed: Timeout is invalid"}"#), Class::Refused);
    }

    #[test]
    fn an_envelope_that_says_failure_is_failure_whatever_is_beside_it() {
        for (body, class) in [
            (r#"{"code":0,"message":"ok","data":{"id":1}}"#, Class::Success),
            (r#"{"code":"0","data":{"id":1}}"#, Class::Success),
            (r#"{"code":200,"message":"success","data":{"id":1}}"#, Class::Success),
            (r#"{"code":null,"id":1}"#, Class::Success),
            (r#"{"code":3002,"message":"invalid","data":{"id":1,"status":"sent"}}"#, Class::Refused),
            (r#"{"code":"3002","message":"invalid"}"#, Class::Refused),
            (r#"{"code":"INVALID","message":"invalid"}"#, Class::Refused),
            (r#"{"code":{"code":3002},"message":"invalid"}"#, Class::Refused),
            (r#"{"code":3004,"message":"too many"}"#, Class::RateLimited),
            (r#"{"code":2001,"message":"who?"}"#, Class::Denied),
            (r#"{"code":1000,"message":"internal"}"#, Class::Unknown),
            (r#"{"code":3002,"message":"invalid","id":1,"status":"sent"}"#, Class::Unknown),
        ] {
            assert_eq!(of_message(200, body), class, "{body}");
        }
        assert_eq!(of_message(400, r#"{"code":3004,"message":"too many requests"}"#), Class::RateLimited);
        assert_eq!(of_message(400, r#"{"code":3002,"message":"invalid"}"#), Class::Refused);
    }
}
