//! Whatever a server answers has a meaning, and only what it says clearly counts as sent.
#![no_main]

use campaign::livedesk::{Answer, Attribute, ConversationRequest, Exchange, MessageRequest, Reply};
use campaign::message::Contact;
use campaign::state::{ContactId, ConversationId, InboxId, MessageId};
use libfuzzer_sys::fuzz_target;

const STATUSES: [u16; 8] = [200, 201, 302, 401, 404, 422, 429, 503];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else { return };
    let status = STATUSES[usize::from(choice & 7)];
    let answer = Answer { status, body: String::from_utf8_lossy(body).into_owned(), ..Answer::default() };
    let exchange = || Exchange::Answered(answer.clone());
    for message_id in [None, Some(MessageId(1))] {
        let asked = MessageRequest { conversation_id: ConversationId(1), message_id };
        let sent = matches!(exchange().message(asked), Reply::Done(_));
        assert!(!sent || (200..300).contains(&status) && answer.body.contains("id"), "{answer:?}");
    }
    let contact = Contact { email: Some("ada@example.com".to_owned()), ..Contact::default() };
    let asked =
        ConversationRequest { inbox_id: InboxId(1), contact_id: Some(ContactId(1)), source_id: None, contact: Some(&contact) };
    let _ = exchange().conversation(asked);
    let _ = exchange().contact(&contact);
    let _ = exchange().matches(Attribute::Email, "ada@example.com");
});
