//! What the sandbox answers has the keys and types of the documented replies, which `tests/wire/replies` holds.

use super::*;

/// The same keys at every level, and the same types wherever neither is null.
fn same_shape(documented: &Value, given: &Value, at: &str) {
    match (documented, given) {
        (Value::Object(documented), Value::Object(given)) => {
            let mut keys: [Vec<&String>; 2] = [documented.keys().collect(), given.keys().collect()];
            keys[0].sort();
            keys[1].sort();
            assert_eq!(keys[0], keys[1], "at {at}");
            for (key, value) in documented {
                same_shape(value, &given[key], &format!("{at}/{key}"));
            }
        }
        (Value::Array(documented), Value::Array(given)) => {
            if let Some(documented) = documented.first() {
                for given in given {
                    same_shape(documented, given, &format!("{at}/-"));
                }
            }
            assert_eq!(documented.is_empty(), given.is_empty(), "at {at}");
        }
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Number(documented), Value::Number(given)) => {
            assert_eq!(documented.is_f64(), given.is_f64(), "at {at}");
        }
        (documented, given) => {
            assert_eq!(std::mem::discriminant(documented), std::mem::discriminant(given), "at {at}");
        }
    }
}

fn documented(text: &str, given: &(u16, Value)) {
    assert_eq!(given.0, 200, "{}", given.1);
    same_shape(&serde_json::from_str(text).unwrap(), &given.1, "");
}

#[tokio::test]
async fn every_reply_has_the_documented_shape() {
    let desk = Served::start("faults: [{ match: { conversation_id: 9 }, fail: { code: 131047, title: Re-engagement message is not allowed } }]").await;
    let contact = desk.post("/contacts", json!({ "inbox_id": 407, "name": "Test", "email": "alice@acme.inc" })).await;
    documented(include_str!("../../wire/replies/contact_created.json"), &contact);

    let id = &contact.1["payload"]["contact"]["id"];
    let conversation = desk.post("/conversations", json!({ "inbox_id": "407", "contact_id": id })).await;
    documented(include_str!("../../wire/replies/conversation_created.json"), &conversation);

    let messages = format!("/conversations/{}/messages", conversation.1["id"]);
    let text = desk.post(&messages, json!({ "content": "hi", "private": false })).await;
    documented(include_str!("../../wire/replies/text_sent.json"), &text);
    documented(include_str!("../../wire/replies/template_sent.json"), &desk.post(&messages, template()).await);

    let form = Form::new().part("attachments[]", png(48)).text("content", "see the picture");
    documented(include_str!("../../wire/replies/attachment_sent.json"), &desk.upload(&messages, form).await);

    let failed = desk.post("/conversations/9/messages", template()).await;
    documented(include_str!("../../wire/replies/template_failed.json"), &failed);
    assert_eq!(failed.1["content_attributes"]["external_error"], "131047: Re-engagement message is not allowed");
    desk.stop().await.unwrap();
}
