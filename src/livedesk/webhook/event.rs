//! Which conversation an event is about, whatever else it says.

use serde_json::Value;

use super::super::answer::body::{Body, Fields};
use super::super::answer::number;
use crate::state::ConversationId;

static FIELDS: Fields = Fields {
    needed: &["conversation", "conversation_id", "data", "event", "id", "message", "messages", "payload"],
    whole: &[],
    most: 200,
};

/// The conversation that an event is about; `None` if it names none, or cannot be read.
pub fn conversation_of(body: &[u8]) -> Option<ConversationId> {
    let text = String::from_utf8_lossy(body);
    let body = Body::read_fields(&text, &FIELDS);
    let json = body.json();
    let places = [json, &json["data"], &json["payload"], &json["message"]];
    places.into_iter().find_map(|place| within(place, &json["event"])).filter(|id| *id != 0).map(ConversationId)
}

/// In a message event the id is the message's; in a conversation event it is the conversation's.
fn within(place: &Value, event: &Value) -> Option<u64> {
    let is_conversation = event.as_str().is_some_and(|event| event.trim().to_lowercase().starts_with("conversation"));
    let own = if is_conversation { number(&place["id"]) } else { None };
    let named = [&place["conversation"]["id"], &place["conversation_id"], &place["messages"][0]["conversation_id"]];
    named.into_iter().find_map(number).or(own)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_conversation_is_found_in_every_shape() {
        for (body, wanted) in [
            (json!({ "event": "message_updated", "id": 9, "conversation": { "id": 7, "messages": [] } }), Some(7)),
            (json!({ "event": "message_created", "id": "9", "conversation": { "id": "7" } }), Some(7)),
            (json!({ "event": "message_created", "id": 9, "conversation_id": 7 }), Some(7)),
            (json!({ "event": "conversation_created", "id": 7, "messages": [] }), Some(7)),
            (json!({ "event": "conversation_updated", "data": { "id": 7 } }), Some(7)),
            (json!({ "event": "teleported", "conversation": { "id": 7 } }), Some(7)),
            (json!({ "event": "message_created", "id": 9 }), None),
            (json!({ "event": "contact_created", "id": 9 }), None),
            (json!({ "event": 7, "id": 9 }), None),
            (json!({ "event": "conversation_created", "id": 0 }), None),
            (json!({ "event": "conversation_created", "id": -7 }), None),
            (json!([1, 2]), None),
            (json!(null), None),
        ] {
            assert_eq!(conversation_of(body.to_string().as_bytes()), wanted.map(ConversationId), "{body}");
        }
        for body in [&b""[..], b"{", b"\xff\xfe", b"event=message_created", b"<html>"] {
            assert_eq!(conversation_of(body), None, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn no_body_is_too_odd(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = conversation_of(&body);
        }
    }
}
