//! Whatever a server answers to a read, nothing is made up: ids and texts come from the answer, in order and bounded.
#![no_main]

use campaign::livedesk::{Answer, Exchange};
use campaign::state::ConversationId;
use libfuzzer_sys::fuzz_target;

const STATUSES: [u16; 8] = [200, 201, 302, 401, 404, 422, 429, 503];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else { return };
    let status = STATUSES[usize::from(choice & 7)];
    let is_cut = choice & 8 != 0;
    let body = String::from_utf8_lossy(body).into_owned();
    let exchange = || Exchange::Answered(Answer { status, body: body.clone(), is_cut, ..Answer::default() });
    if let Ok(messages) = exchange().observed_messages(ConversationId(7)) {
        assert!((200..300).contains(&status) && !is_cut);
        assert!(messages.is_sorted_by(|a, b| a.id < b.id));
        for message in messages {
            assert!(body.contains(&message.id.to_string()), "{message:?}");
            assert!(message.conversation_id.is_none_or(|id| id == ConversationId(7)));
        }
    }
    if let Ok(page) = exchange().observed_conversations() {
        assert!((200..300).contains(&status) && !is_cut);
        assert!(page.conversations.len() <= page.listed);
        for conversation in page.conversations {
            assert!(conversation.messages.len() <= page.listed.max(1) * 10_000);
            assert!(conversation.messages.is_sorted_by(|a, b| a.id < b.id));
        }
    }
});
