//! What is read from good, odd and hostile answers.

use std::time::Duration;

use serde_json::json;

use super::*;

const ASKED: ConversationId = ConversationId(7);

fn answered(status: u16, body: &str) -> Exchange {
    Exchange::Answered(Answer { status, body: body.to_owned(), ..Answer::default() })
}

fn messages(body: &Value) -> Vec<ObservedMessage> {
    answered(200, &body.to_string()).observed_messages(ASKED).unwrap()
}

fn conversations(status: u16, body: &str) -> Result<ConversationPage, ReadError> {
    answered(status, body).observed_conversations()
}

#[test]
fn messages_are_read_in_the_order_of_their_ids() {
    let body = json!({ "meta": { "labels": [] }, "payload": [
        { "id": 12, "content": "STOP", "message_type": 0, "conversation_id": 7, "created_at": 1_700_000_060, "status": "sent" },
        { "id": 11, "content": "Hello", "message_type": 1, "conversation_id": 7, "created_at": 1_700_000_000,
          "status": "failed", "content_attributes": { "external_error": "131026: undeliverable" }, "private": false,
          "source_id": "wamid.1" },
    ] });
    let read = messages(&body);
    assert_eq!(read.iter().map(|message| message.id.0).collect::<Vec<_>>(), [11, 12]);
    assert_eq!(read[0].status, Some(MessageStatus::Failed));
    assert_eq!(read[0].external_error.as_deref(), Some("131026: undeliverable"));
    assert_eq!(read[0].source_id.as_deref(), Some("wamid.1"));
    assert_eq!(read[0].created_at, Timestamp::from_second(1_700_000_000).ok());
    assert_eq!((read[1].direction, read[1].content.as_deref()), (Direction::Incoming, Some("STOP")));
}

#[test]
fn odd_fields_are_read_or_left_out_and_never_guessed() {
    let body = json!({ "payload": [
        { "id": "11", "status": "DELIVERED", "message_type": "outgoing", "created_at": "2026-11-21T10:00:00.000Z",
          "conversation_id": "7", "private": "true", "content_attributes": { "external_error": "an old failure" } },
        { "id": 12, "status": "teleported", "message_type": 9, "created_at": "soon", "content": { "a": 1 } },
        { "id": 13, "status": 2, "created_at": 1_700_000_000.5 },
        { "id": 13, "status": 2, "created_at": 1_700_000_000.5 },
        { "id": -1 }, { "id": null }, { "content": "no id" }, null, 7, "text", [],
    ] });
    let read = messages(&body);
    assert_eq!(read.len(), 3, "{read:?}");
    assert_eq!((read[0].status, read[0].is_private), (Some(MessageStatus::Delivered), true));
    assert_eq!(read[0].external_error, None, "it has arrived");
    assert_eq!(read[0].created_at.unwrap().to_string(), "2026-11-21T10:00:00Z");
    assert_eq!((read[1].status, read[1].direction), (None, Direction::Unknown));
    assert_eq!((read[1].created_at, &read[1].content), (None, &None));
    assert_eq!(read[2].status, Some(MessageStatus::Read));
    assert_eq!(read[2].created_at, Timestamp::from_millisecond(1_700_000_000_500).ok());
}

#[test]
fn messages_of_another_conversation_are_the_answer_to_another_request() {
    let body = json!({ "payload": [{ "id": 1, "conversation_id": 7 }, { "id": 2, "conversation_id": 8 }] });
    let error = answered(200, &body.to_string()).observed_messages(ASKED).unwrap_err();
    assert!(error.may_pass(), "{error:?}");
}

#[test]
fn conversations_are_read_with_their_last_messages() {
    let body = json!({ "data": { "meta": { "mine_count": 1, "all_count": "57" }, "payload": [
        { "id": 40, "inbox_id": 79, "meta": { "sender": { "id": 5 } }, "updated_at": 1_700_000_000.25,
          "messages": [{ "id": 9, "message_type": 2, "conversation_id": 40 }],
          "last_non_activity_message": { "id": 8, "status": "read", "message_type": 1, "conversation_id": 40 } },
        { "id": "41", "account_info": { "contact_id": 6 }, "messages": [{ "id": 3, "conversation_id": 77 }] },
        { "id": 42, "messages": [], "last_non_activity_message": null, "updated_at": null },
        { "no": "id" },
    ] } });
    let page = conversations(200, &body.to_string()).unwrap();
    assert_eq!((page.all_count, page.listed, page.conversations.len()), (Some(57), 4, 3));
    let [first, second, third] = page.conversations.as_slice() else { panic!("{page:?}") };
    assert_eq!(first.messages.iter().map(|message| message.id.0).collect::<Vec<_>>(), [8, 9]);
    assert_eq!((first.contact_id, first.inbox_id), (Some(ContactId(5)), Some(InboxId(79))));
    assert_eq!(first.newest().unwrap().id, MessageId(9));
    assert_eq!((second.id, second.contact_id), (ConversationId(41), Some(ContactId(6))));
    assert!(second.messages.is_empty(), "the message says that it is in another conversation");
    assert!(third.messages.is_empty() && third.updated_at.is_none());
}

#[test]
fn lists_are_found_in_any_envelope() {
    for body in [
        json!([{ "id": 1 }]),
        json!({ "payload": [{ "id": 1 }] }),
        json!({ "data": [{ "id": 1 }] }),
        json!({ "data": { "payload": [{ "id": 1 }] } }),
        json!({ "code": 0, "message": "ok", "data": { "payload": [{ "id": 1 }] } }),
    ] {
        assert_eq!(conversations(200, &body.to_string()).unwrap().conversations.len(), 1, "{body}");
    }
    assert_eq!(conversations(200, r#"{"data":{"payload":[]}}"#).unwrap(), ConversationPage::default());
}

#[test]
fn a_long_delta_is_read_whole() {
    let list: Vec<Value> = (1..=2_000).map(|id| json!({ "id": id, "junk": "x".repeat(100) })).collect();
    let page = conversations(200, &json!({ "data": { "payload": list } }).to_string()).unwrap();
    assert_eq!(page.conversations.len(), 2_000);
}

/// What a reader makes of an answer: whether it is refused here, gone, or worth another try.
fn kind(result: &Result<ConversationPage, ReadError>) -> String {
    match result {
        Ok(_) => "read".to_owned(),
        Err(ReadError::Unavailable { status, .. }) => format!("unavailable {status}"),
        Err(ReadError::Gone { .. }) => "gone".to_owned(),
        Err(ReadError::RateLimited { retry_after, .. }) => format!("limited {retry_after:?}"),
        Err(ReadError::Failed { .. }) => "failed".to_owned(),
        Err(ReadError::TooLarge) => "too large".to_owned(),
    }
}

#[test]
fn every_refusal_says_whether_asking_again_helps() {
    let html = "<!DOCTYPE html><title>Sign in</title>";
    for (status, body, wanted) in [
        (404, r#"{"error":"Resource could not be found"}"#, "gone"),
        (404, r#"{"status":404,"error":"Not Found"}"#, "unavailable 404"),
        (404, html, "unavailable 404"),
        (404, "", "unavailable 404"),
        (401, r#"{"errors":["You need to sign in"]}"#, "unavailable 401"),
        (403, "Forbidden\n", "unavailable 403"),
        (405, "", "unavailable 405"),
        (302, "", "unavailable 302"),
        (200, html, "unavailable 200"),
        (200, "{}", "unavailable 200"),
        (200, r#"{"code":2001,"message":"bad key"}"#, "unavailable 200"),
        (200, r#"{"data":{"payload":[{"id":1},{"id"#, "failed"),
        (200, "", "failed"),
        (500, r#"{"error":"Rack::Timeout"}"#, "failed"),
        (502, html, "failed"),
        (429, "Retry later\n", "limited None"),
        (400, r#"{"code":3004,"message":"too fast"}"#, "limited None"),
    ] {
        let result = conversations(status, body);
        assert_eq!(kind(&result), wanted, "{status} {body}");
        assert!(result.is_err_and(|error| !error.to_string().is_empty()), "{status} {body}");
    }
    let limited = Answer { status: 429, retry_after: Some("7".to_owned()), ..Answer::default() };
    let wanted = format!("limited {:?}", Some(Duration::from_secs(7)));
    assert_eq!(kind(&Exchange::Answered(limited).observed_conversations()), wanted);
}

#[test]
fn an_answer_that_is_too_large_is_no_short_one() {
    let cut = Answer { status: 200, body: r#"{"payload":[]}"#.to_owned(), is_cut: true, ..Answer::default() };
    assert_eq!(Exchange::Answered(cut).observed_conversations(), Err(ReadError::TooLarge));
    let many = format!(r#"{{"payload":[{}0]}}"#, "0,".repeat(1_000_000));
    assert_eq!(conversations(200, &many), Err(ReadError::TooLarge));
}
