//! Reading back: messages, pages of conversations, those that changed, the inbox; and what happens after `sent`.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use campaign::livedesk::webhook::{Event, Receiver, Signatures};
use campaign::secret::Secret;
use campaign::state::ConversationId;

use super::Served;

async fn send(served: &Served, conversation: u64, content: &str) -> u64 {
    let (status, body) =
        served.post(&format!("/conversations/{conversation}/messages"), json!({ "content": content })).await;
    assert_eq!((status, &body["status"]), (200, &json!("sent")), "{body}");
    body["id"].as_u64().unwrap()
}

async fn messages(served: &Served, conversation: u64, after: u64) -> Vec<Value> {
    let path = format!("/conversations/{conversation}/messages?after={after}&filter_internal_messages=1");
    let (status, body) = served.get(&path).await;
    assert_eq!(status, 200, "{body}");
    body["payload"].as_array().unwrap().clone()
}

/// Asks until a message has this status.
async fn wait_for(served: &Served, conversation: u64, message: u64, status: &str) -> Value {
    loop {
        let found = messages(served, conversation, message - 1).await;
        if found[0]["status"] == status {
            return found[0].clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_message_is_delivered_and_then_read() {
    let served = Served::start("").await;
    let id = send(&served, 7, "Hello").await;
    let delivered = wait_for(&served, 7, id, "delivered").await;
    assert_eq!((&delivered["message_type"], &delivered["conversation_id"]), (&json!(1), &json!(7)));
    assert_eq!(delivered["source_id"], format!("wamid.{id}"));
    wait_for(&served, 7, id, "read").await;
    let line = served.last();
    assert_eq!(
        (&line["kind"], &line["method"], &line["accepted"]),
        (&json!("read_messages"), &json!("GET"), &json!(true))
    );
}

#[tokio::test]
async fn rules_decide_what_becomes_of_a_message() {
    let served = Served::start(
        "receipts:\n\
         - { match: { content: late }, fail: { code: 131026, title: Undeliverable }, after: 1ms }\n\
         - { match: { content: both }, statuses: [failed, delivered], fail: { code: 131026, title: no }, after: 1ms, every: 1ms }\n\
         - { match: { content: lost }, statuses: [] }\n\
         - { match: { content: stop }, after: 1ms, every: 1ms, reply: STOP, reply_after: 1ms }\n\
         - { match: { content: gone }, delete_after: 1ms }\n",
    )
    .await;
    let late = send(&served, 1, "late").await;
    let failed = wait_for(&served, 1, late, "failed").await;
    assert_eq!(failed["content_attributes"]["external_error"], "131026: Undeliverable");
    let both = send(&served, 2, "both").await;
    let arrived = wait_for(&served, 2, both, "delivered").await;
    assert_eq!(arrived["content_attributes"]["external_error"], "131026: no", "it stays beside");
    let stop = send(&served, 3, "stop").await;
    wait_for(&served, 3, stop, "read").await;
    let found = messages(&served, 3, stop).await;
    assert_eq!((&found[0]["content"], &found[0]["message_type"]), (&json!("STOP"), &json!(0)));
    let lost = send(&served, 4, "lost").await;
    assert_eq!(messages(&served, 4, lost - 1).await[0]["status"], "sent");
    send(&served, 5, "gone").await;
    while served.get("/conversations/5/messages?after=1").await.0 != 404 {}
    assert_eq!(served.post("/conversations/5/messages", json!({ "content": "again" })).await.0, 404);
}

#[tokio::test]
async fn a_template_may_be_refused_after_the_answer() {
    let served = Served::start("templates: []\nlate_templates: true\n").await;
    let (status, body) = served.post("/conversations/7/messages", super::template()).await;
    assert_eq!((status, &body["status"]), (200, &json!("sent")));
    let failed = wait_for(&served, 7, body["id"].as_u64().unwrap(), "failed").await;
    assert!(failed["content_attributes"]["external_error"].as_str().unwrap().starts_with("132001"), "{failed}");
    let id = body["id"].as_u64().unwrap();
    let (_, again) = served.post(&format!("/conversations/7/messages/{id}/retry"), json!({})).await;
    assert_eq!(again["status"], "sent", "so it is called, and WhatsApp does not get it again");
}

#[tokio::test]
async fn conversations_come_by_pages_of_their_inbox() {
    let served = Served::start("").await;
    for contact in 1..=30 {
        let inbox = if contact <= 27 { 5 } else { 6 };
        served.post("/conversations", json!({ "inbox_id": inbox, "contact_id": contact })).await;
    }
    let page = async |query: &str| served.get(&format!("/conversations?status=all&{query}")).await.1["data"].clone();
    let (first, second) = (page("inbox_id=5&page=1").await, page("inbox_id=5&page=2").await);
    let lengths = [&first, &second].map(|page| page["payload"].as_array().unwrap().len());
    assert_eq!((lengths, &first["meta"]["all_count"]), ([25, 2], &json!(27)));
    assert_eq!(page("inbox_id=5&page=3").await["payload"], json!([]));
    let all = page("updated_within=60").await;
    assert_eq!(all["payload"].as_array().unwrap().len(), 30, "not by pages");
    let conversation = first["payload"][0]["id"].as_u64().unwrap();
    let id = send(&served, conversation, "Hello").await;
    let listed = page("inbox_id=5&page=1").await["payload"][0].clone();
    assert_eq!((&listed["messages"][0]["id"], &listed["last_non_activity_message"]["id"]), (&json!(id), &json!(id)));
    let kinds: Vec<Value> = served.lines().iter().map(|line| line["kind"].clone()).collect();
    assert!(kinds.contains(&json!("list_conversations")) && kinds.contains(&json!("list_updated")), "{kinds:?}");
}

#[tokio::test]
async fn no_more_than_100_messages_come_at_a_time() {
    let served = Served::start("").await;
    let mut ids = Vec::new();
    for _ in 0..120 {
        ids.push(send(&served, 7, "again").await);
    }
    let first = messages(&served, 7, ids[0] - 1).await;
    assert_eq!((first.len(), &first[0]["id"]), (100, &json!(ids[0])));
    assert_eq!(messages(&served, 7, ids[99]).await.len(), 20);
}

#[tokio::test]
async fn each_read_can_be_refused_alone() {
    let served = Served::start(
        "faults:\n\
         - { on: list_updated, status: 404 }\n\
         - { on: list_conversations, status: 401 }\n\
         - { on: read_messages, body: \"<html>Sign in</html>\" }\n",
    )
    .await;
    assert_eq!(served.get("/conversations?status=all&updated_within=60").await.0, 404);
    assert_eq!(served.get("/conversations?status=all&page=1").await.0, 401);
    let page = served.request(Method::GET, "/conversations/7/messages").send().await.unwrap();
    assert_eq!((page.status().as_u16(), page.text().await.unwrap().as_str()), (200, "<html>Sign in</html>"));
    assert_eq!(served.get("/inboxes/5").await.1["message_templates"], Value::Null);
}

#[tokio::test]
async fn an_inbox_shows_its_templates() {
    let served = Served::start("templates: [{ name: welcome, language: de, body: 2, status: paused }]\n").await;
    let (_, inbox) = served.get("/inboxes/5").await;
    let template = &inbox["message_templates"][0];
    assert_eq!(
        (&template["name"], &template["language"], &template["status"]),
        (&json!("welcome"), &json!("de"), &json!("PAUSED"))
    );
    assert_eq!(template["components"][0]["text"], "Hello {{1}} {{2}}.");
}

/// The receiver of the product, which must believe what the sandbox signs.
#[tokio::test]
async fn what_happens_is_told_by_webhook_signed_and_as_often_as_the_script_says() {
    let signatures = Signatures::new(&Secret::new("wh-s3cret".to_owned()));
    let receiver = Receiver::bind(([127, 0, 0, 1], 0).into(), Some(signatures)).await.unwrap();
    let address = receiver.local_addr().unwrap();
    let (sender, mut events) = tokio::sync::mpsc::channel(16);
    tokio::spawn(receiver.serve(sender));
    let served =
        Served::start(&format!("webhook: {{ url: 'http://{address}/', secret: wh-s3cret, times: 2 }}\n")).await;
    send(&served, 7, "Hello").await;
    for event in ["created", "created again", "delivered", "delivered again", "read", "read again"] {
        assert_eq!(events.recv().await, Some(Event::Happened(ConversationId(7))), "{event}");
    }
}
