//! Answers of a server that is broken, or means harm.

use std::time::Duration;

use campaign::livedesk::{Answer, Attribute, ConversationRequest, Exchange, MessageRequest, Reply, RetryReason, Sent};
use campaign::message::Contact;
use campaign::state::{ConversationId, Failure, InboxId};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{cases, files, in_time};

const MAX_WAIT: Duration = Duration::from_hours(24);
/// As much of a server's text as is worth keeping, with room to spare.
const MAX_TEXT_LENGTH: usize = 400;

/// A message may count as sent only if this says so: read from the body without any of the product's code. What is no
/// JSON by the letter, and is read all the same, is not judged here.
fn may_be_sent(answer: &Answer) -> bool {
    let Ok(body) = serde_json::from_str::<Value>(&answer.body) else { return (200..300).contains(&answer.status) };
    let inner = if body.get("code").is_some() && body["data"].is_object() { &body["data"] } else { &body };
    let id = inner["id"].is_u64() || inner["id"].as_str().is_some_and(|id| id.trim().parse::<u64>().is_ok());
    let status = inner["status"].as_str().map_or_else(|| inner["status"].to_string(), str::to_lowercase);
    let failed = ["failed", "3", "null"].contains(&status.trim());
    (200..300).contains(&answer.status) && id && !failed
}

/// Only these can say for certain that nothing was taken.
fn may_be_not_taken(answer: &Answer) -> bool {
    match answer.status {
        401 | 403 | 429 => true,
        422 => answer.body.contains("Too many messages") || answer.body.contains("3004"),
        200..=499 => ["3004", "2001"].iter().any(|code| answer.body.contains(code)),
        _ => false,
    }
}

fn is_clean(text: &str) -> bool {
    !text.contains(char::is_control) && text.chars().count() <= MAX_TEXT_LENGTH
}

fn check_failure(failure: &Failure) {
    for text in [Some(&failure.code), Some(&failure.text), failure.livedesk_status.as_ref()].into_iter().flatten() {
        assert!(is_clean(text), "not fit to be shown: {text:?}");
    }
}

/// What holds of every reply, whatever was asked for.
fn check<T>(reply: Reply<T>) -> Option<T> {
    match reply {
        Reply::Done(result) => return Some(result),
        Reply::Refused(failure)
        | Reply::Unknown(failure)
        | Reply::NotAccepted(RetryReason::Denied(failure) | RetryReason::ConversationLimit(failure)) => {
            check_failure(&failure);
        }
        Reply::NotAccepted(RetryReason::RateLimited { retry_after: wait, .. }) => {
            assert!(wait.is_none_or(|wait| wait <= MAX_WAIT), "{wait:?}");
        }
        Reply::NotAccepted(RetryReason::Unreachable(_)) => {}
    }
    None
}

/// What is read back is in the answer, in order, and fit to be shown; an answer that says failure has nothing.
fn read_back_holds(answer: &Answer) {
    let exchange = || Exchange::Answered(answer.clone());
    let is_success = (200..300).contains(&answer.status);
    match exchange().observed_messages(ConversationId(1)) {
        Ok(messages) => {
            assert!(is_success && messages.is_sorted_by(|a, b| a.id < b.id), "{messages:?} of {answer:?}");
            for message in messages {
                assert!(message.external_error.is_none_or(|error| is_clean(&error)), "{answer:?}");
            }
        }
        Err(error) => assert!(is_clean(&error.to_string()), "{error:?}"),
    }
    match exchange().observed_conversations() {
        Ok(page) => assert!(is_success && page.conversations.len() <= page.listed, "{page:?} of {answer:?}"),
        Err(error) => assert!(is_clean(&error.to_string()), "{error:?}"),
    }
}

fn holds(answer: &Answer) {
    let exchange = || Exchange::Answered(answer.clone());
    let reply = exchange().message(MessageRequest { conversation_id: ConversationId(1), message_id: None });
    assert!(!matches!(reply, Reply::NotAccepted(_)) || may_be_not_taken(answer), "{reply:?} of {answer:?}");
    assert!(!matches!(reply, Reply::Done(_)) || may_be_sent(answer), "{reply:?} of {answer:?}");
    if matches!(reply, Reply::Refused(_)) {
        assert!(matches!(answer.status, 200..=299 | 400..=499), "{reply:?} of {answer:?}");
    }
    if let Some(Sent { livedesk_status, .. }) = check(reply) {
        assert!(is_clean(&livedesk_status), "{livedesk_status:?}");
    }
    read_back_holds(answer);
    check(exchange().conversation(ConversationRequest {
        inbox_id: InboxId(1),
        contact_id: None,
        source_id: None,
        contact: None,
    }));
    check(exchange().matches(Attribute::Email, "Ada@example.com"));
    check(exchange().authorization());
    check(exchange().contact(&Contact::default()));
}

fn status() -> impl Strategy<Value = u16> {
    prop_oneof![
        3 => Just(200_u16),
        2 => prop::sample::select(vec![201_u16, 204, 401, 403, 404, 422, 429, 500, 503]),
        1 => any::<u16>(),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => any::<String>(),
        1 => prop::sample::select(vec!["sent", "failed", " failed\u{7}", "delivered", "", "taken", "Too many messages"])
            .prop_map(str::to_owned),
        1 => "[0-9+-]{1,22}",
        1 => "\\(?#?[0-9]{1,7}[:)] .{0,20}",
        1 => (any::<char>(), 200_usize..2000).prop_map(|(c, times)| c.to_string().repeat(times)),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ]
}

/// Bodies of the server's shapes with anything in their places.
fn shaped() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "id",
        "status",
        "code",
        "data",
        "message",
        "error",
        "errors",
        "payload",
        "contact",
        "attributes",
        "email",
        "content_attributes",
        "external_error",
    ]);
    scalar().prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            3 => prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

fn body() -> impl Strategy<Value = String> {
    let message = (scalar(), text(), text()).prop_map(
        |(id, status, error)| json!({ "id": id, "status": status, "content_attributes": { "external_error": error } }),
    );
    let taken = prop::collection::vec(text(), 0..4)
        .prop_map(|attributes| json!({ "message": "has already been taken", "attributes": attributes }));
    let message = message.boxed();
    prop_oneof![
        3 => shaped().prop_map(|value| value.to_string()),
        3 => message.clone().prop_map(|value| value.to_string()),
        1 => message.prop_map(|value| json!({ "code": 0, "message": "", "data": value }).to_string()),
        1 => taken.prop_map(|value| value.to_string()),
        2 => any::<String>(),
    ]
}

/// A header that is a number, a date of any year, or neither.
fn header() -> impl Strategy<Value = Option<String>> {
    let date = (0_u32..100, 0_u32..10_000, 0_u32..100)
        .prop_map(|(day, year, hour)| format!("Sat, {day:02} Nov {year:04} {hour:02}:00:30 GMT"));
    prop_oneof![
        Just(None),
        any::<u64>().prop_map(|seconds| Some(seconds.to_string())),
        "-?[0-9]{1,30}(\\.[0-9])?".prop_map(Some),
        date.prop_map(Some),
        any::<String>().prop_map(Some),
    ]
}

fn came() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        Just(Timestamp::MIN),
        Just(Timestamp::MAX),
        (-60_000_000_000_i64..200_000_000_000).prop_map(|second| Timestamp::from_second(second).unwrap_or_default()),
    ]
}

#[test]
fn every_answer_that_was_tried_before_holds_the_promise() {
    for (name, bytes) in files("tests/seeds/answer", "") {
        let body = String::from_utf8_lossy(&bytes).into_owned();
        for status in [200, 201, 204, 302, 400, 401, 404, 422, 429, 500, 503] {
            let answer = Answer { status, body: body.clone(), ..Answer::default() };
            in_time(&name, || holds(&answer));
        }
    }
}

#[test]
fn a_body_of_nothing_but_brackets_is_read_in_time() {
    for body in ["[".repeat(1 << 17), "{\"data\":".repeat(20_000), "\u{1}".repeat(1 << 17)] {
        for status in [200, 422, 500] {
            let answer = Answer { status, body: body.clone(), ..Answer::default() };
            in_time("a deep body", || holds(&answer));
        }
    }
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn only_an_answer_that_says_so_is_sent_or_not_taken(
        status in status(), retry_after in header(), date in header(), came in came(), body in body(),
    ) {
        holds(&Answer { status, retry_after, date, came, body, ..Answer::default() });
    }
}
