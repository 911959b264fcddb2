use super::*;
use crate::state::{ContactId, ConversationId, InboxId};

const CONVERSATION: ConversationRequest<'_> =
    ConversationRequest { inbox_id: InboxId(1), contact_id: None, source_id: None, contact: None };

const ASKED: MessageRequest = MessageRequest { conversation_id: ConversationId(40), message_id: None };

fn message(status: u16, body: &str) -> Reply<Sent> {
    answer(status, body).message(ASKED)
}

fn answer(status: u16, body: &str) -> Exchange {
    Exchange::Answered(Answer { status, body: body.to_owned(), ..Answer::default() })
}

#[test]
fn a_message_is_taken_only_when_the_answer_says_so() {
    let taken = message(200, r#"{"id": 3030, "status": "sent", "content_attributes": {}}"#);
    assert_eq!(taken, Reply::Done(Sent { message_id: MessageId(3030), livedesk_status: "sent".to_owned() }));
    let as_text = message(200, r#"{"id": "3030", "status": "delivered", "new_field": null}"#);
    assert!(matches!(as_text, Reply::Done(_)));
    for body in ["", "not json", "{}", "[]", "null", r#"{"status": "sent"}"#, r#"{"id": 1}"#, "<html>"] {
        assert!(matches!(message(200, body), Reply::Unknown(_)), "{body}");
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
        let Reply::Refused(failure) = message(200, &body) else { panic!("{text}") };
        assert_eq!((failure.code.as_str(), failure.text.as_str()), (code, text));
        assert_eq!(failure.message_id, Some(MessageId(123)));
    }
}

#[test]
fn doubt_is_never_taken_for_a_refusal() {
    for status in [302, 307, 500, 502, 503, 504] {
        assert!(matches!(message(status, ""), Reply::Unknown(_)), "{status}");
    }
    assert!(matches!(Exchange::Lost(Failure::default()).message(ASKED), Reply::Unknown(_)));
    assert!(matches!(Exchange::NotSent(String::new()).message(ASKED), Reply::NotAccepted(RetryReason::Unreachable(_))));
    for status in [400, 404, 409, 413, 422] {
        assert!(matches!(message(status, "{}"), Reply::Refused(_)), "{status}");
    }
    for status in [401, 403] {
        assert!(matches!(message(status, "{}"), Reply::NotAccepted(RetryReason::Denied(_))), "{status}");
    }
}

#[test]
fn an_answer_about_something_else_is_never_taken_for_ours() {
    let other = message(200, r#"{"id": 7, "status": "sent", "conversation_id": 41}"#);
    assert!(matches!(&other, Reply::Unknown(failure) if failure.code == codes::MISMATCH), "{other:?}");
    assert!(other.is_about_something_else());
    assert!(matches!(message(200, r#"{"id": 7, "status": "sent", "conversation_id": "40"}"#), Reply::Done(_)));
    let again = answer(200, r#"{"id": 7, "status": "sent"}"#)
        .message(MessageRequest { message_id: Some(MessageId(8)), ..ASKED });
    assert!(matches!(again, Reply::Unknown(_)), "{again:?}");
    let both = message(200, r#"{"id": 7, "status": "sent", "error": "no"}"#);
    assert!(matches!(both, Reply::Unknown(_)), "{both:?}");
    let asked = ConversationRequest { contact_id: Some(ContactId(5)), ..CONVERSATION };
    for body in [
        r#"{"id": 9, "inbox_id": 2}"#,
        r#"{"id": 9, "meta": {"sender": {"id": 6}}}"#,
        r#"{"id": 9, "account_info": {"contact_id": 6}}"#,
    ] {
        let reply = answer(200, body).conversation(asked);
        assert!(matches!(&reply, Reply::Refused(failure) if failure.code == codes::CONVERSATION_CONFLICT), "{body}");
    }
    assert!(matches!(answer(200, r#"{"id": 9}"#).conversation(asked), Reply::Done(_)));
}

#[test]
fn a_contact_is_one_by_its_name_in_the_answer_or_by_having_no_inbox() {
    let made = |body: &str| matches!(answer(200, body).contact(&Contact::default()), Reply::Done(_));
    assert!(made(r#"{"payload": {"contact": {"id": 5, "inbox_id": 7}}}"#));
    assert!(made(r#"{"contact": {"id": 5, "inbox_id": 7}}"#));
    assert!(made(r#"{"payload": {"id": 5}}"#));
    assert!(made(r#"{"id": 5}"#));
    assert!(!made(r#"{"payload": {"id": 5, "inbox_id": 7}}"#), "a conversation");
    assert!(!made(r#"{"id": 5, "inbox_id": 7}"#), "a conversation");
}

#[test]
fn our_secrets_are_not_kept_with_the_servers_words() {
    let secret = |text: &str| crate::secret::Secret::new(text.to_owned());
    let redactor = Redactor::of_basic_auth(&secret("test-key-1"), &secret("test-secret-1"));
    let body = r#"{"error": "bad header Basic dGVzdC1rZXktMTp0ZXN0LXNlY3JldC0x for test-key-1"}"#.to_owned();
    let exchange = Exchange::Answered(Answer { status: 422, body, redactor, ..Answer::default() });
    let Reply::Refused(failure) = exchange.message(ASKED) else { panic!() };
    assert_eq!(failure.text, "bad header Basic *** for ***");
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
        let Reply::Refused(failure) = answer(422, body).conversation(CONVERSATION) else { panic!("{body}") };
        assert_eq!(failure.text, text);
    }
    assert_eq!(one_line(&"x".repeat(1_000)).chars().count(), MAX_TEXT_LENGTH + 1);
}

#[test]
fn a_taken_contact_names_the_attributes() {
    let body = r#"{"message":"Email has already been taken, Phone number has already been taken","attributes":["email","phone_number"]}"#;
    let taken = ContactReply::Conflict(vec![Attribute::Email, Attribute::PhoneNumber]);
    assert_eq!(answer(422, body).contact(&Contact::default()), Reply::Done(taken));
    let made = answer(200, r#"{"payload":{"contact":{"id":2219259},"contact_inbox":{"source_id":null}}}"#)
        .contact(&Contact::default());
    assert!(matches!(made, Reply::Done(ContactReply::Created(owner)) if owner.id == ContactId(2_219_259)));
}

#[test]
fn only_exact_matches_of_a_search_count() {
    let body = r#"{"meta":{"count":3,"current_page":"1"},"payload":[
        {"id":1,"email":"ada@example.com"},{"id":2,"email":"Ada@Example.com.au"},{"id":"3","email":"ADA@example.com"}]}"#;
    let Reply::Done((found, false)) = answer(200, body).matches(Attribute::Email, "ada@example.com") else { panic!() };
    assert_eq!(found.iter().map(|owner| owner.id).collect::<Vec<_>>(), [ContactId(1), ContactId(3)]);
    let found = answer(200, r#"{"payload":[{"id":1,"phone_number":"+491512345678"}]}"#)
        .matches(Attribute::PhoneNumber, "+49151234567");
    assert_eq!(found, Reply::Done((vec![], false)));
}
