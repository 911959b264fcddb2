//! Every action of a fault, which requests it is played on, and what the journal says of it.

use std::time::{Duration, Instant};

use super::*;

const MESSAGES: &str = "/conversations/141/messages";

impl Served {
    /// A text message; the error if there was no reply.
    async fn say(&self, path: &str, content: &str) -> Result<Response, reqwest::Error> {
        self.request(Method::POST, path).json(&json!({ "content": content })).send().await
    }
}

#[tokio::test]
async fn an_answer_replaces_the_sandboxes() {
    let desk = Served::start(
        "faults:
  - { on: message, match: { nth: 1 }, status: 500, body: { error: \"Net::ReadTimeout\" }, accept: true }
  - { on: message, match: { nth: 2 }, status: 503, headers: { Retry-After: 2, X-Number: 7 } }
  - { on: message, match: { nth: 3 }, status: 429 }
  - { on: message, match: { nth: 4 }, body: not json }
  - { on: message, match: { nth: 5 }, body: not json, accept: false }
  - { on: message, match: { nth: 6 }, status: 401, body: { error: x } }",
    )
    .await;
    let mut answers = Vec::new();
    for _ in 0..7 {
        let response = desk.say(MESSAGES, "x").await.unwrap();
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let headers = (header("retry-after"), header("content-type").unwrap());
        answers.push((status, headers, response.text().await.unwrap()));
    }
    let (json, text) = ("application/json; charset=utf-8", "text/plain; charset=utf-8");
    let given: Vec<_> = answers
        .iter()
        .map(|(status, (wait, media), body)| (*status, wait.as_deref(), media.as_str(), body.as_str()))
        .collect();
    assert_eq!(given[0], (500, None, json, r#"{"error":"Net::ReadTimeout"}"#));
    assert_eq!((given[1].0, given[1].1), (503, Some("2")));
    assert_eq!(given[2], (429, None, "text/plain", "Retry later\n"));
    assert_eq!(given[3], (200, None, text, "not json"));
    assert_eq!(given[4], (200, None, text, "not json"));
    assert_eq!(given[5], (401, None, json, r#"{"error":"x"}"#));
    let lines = desk.lines();
    let accepted: Vec<bool> = lines.iter().map(|line| line["accepted"].as_bool().unwrap()).collect();
    assert_eq!(accepted, [true, false, false, true, false, false, true]);
    let faults: Vec<Option<u64>> = lines.iter().map(|line| line["fault"].as_u64()).collect();
    assert_eq!(faults, [Some(0), Some(1), Some(2), Some(3), Some(4), Some(5), None]);
    assert_eq!(lines[0]["status"], 500);
    let last: Value = serde_json::from_str(given[6].3).unwrap();
    assert_eq!(last["sorting_id"], 3, "only what was accepted is counted");
}

#[tokio::test]
async fn a_dropped_connection_gives_an_error_and_the_journal_knows() {
    let desk = Served::start(
        "faults:
  - { match: { content: after }, drop: after_accepting }
  - { match: { content: before }, drop: before_accepting }",
    )
    .await;
    for (content, accepted) in [("after", true), ("before", false)] {
        let error = desk.say(MESSAGES, content).await.unwrap_err();
        assert!(error.is_request() && !error.is_connect() && !error.is_timeout(), "{error:?}");
        assert!(format!("{error:?}").contains("IncompleteMessage"), "{error:?}");
        let line = desk.last();
        assert_eq!((&line["accepted"], &line["status"]), (&json!(accepted), &Value::Null), "{line}");
        assert_eq!(line["answer"].get("message_id").is_some(), accepted);
    }
    let next: Value = desk.say(MESSAGES, "x").await.unwrap().json().await.unwrap();
    assert_eq!(next["sorting_id"], 2);
}

#[tokio::test]
async fn not_a_byte_comes_over_a_dropped_connection() {
    let desk = Served::start("faults: [{ drop: before_accepting }]").await;
    let stream = tokio::net::TcpStream::connect(desk.address).await.unwrap();
    let request = "GET /api/v2/accounts/contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\n\r\n";
    stream.writable().await.unwrap();
    assert_eq!(stream.try_write(request.as_bytes()).unwrap(), request.len());
    let end = loop {
        stream.readable().await.unwrap();
        match stream.try_read(&mut [0; 64]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            end => break end,
        }
    };
    // By a farewell or by a reset.
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    assert_eq!(desk.lines().len(), 1);
}

#[tokio::test]
async fn a_delay_holds_the_answer_and_not_the_acceptance() {
    let desk = Served::start(
        "faults:
  - { match: { content: slow }, delay: 60ms }
  - { match: { content: late }, delay: 60ms, drop: after_accepting }
  - { match: { content: never }, delay: 1h }",
    )
    .await;
    let before = Instant::now();
    assert_eq!(desk.say(MESSAGES, "slow").await.unwrap().status(), 200);
    assert!(before.elapsed() >= Duration::from_millis(60));
    assert!(desk.say(MESSAGES, "late").await.is_err());

    let body = json!({ "content": "never" });
    let never = desk.request(Method::POST, MESSAGES).json(&body).timeout(Duration::from_millis(50));
    assert!(never.send().await.unwrap_err().is_timeout());
    let line = desk.last();
    assert_eq!((&line["accepted"], &line["status"], &line["body"]), (&json!(true), &json!(200), &body));
}

#[tokio::test]
async fn a_held_answer_does_not_hold_the_shutdown() {
    let desk = Served::start("faults: [{ on: message, delay: 1h }, { on: search, status: 204 }]").await;
    let held = tokio::spawn(desk.request(Method::POST, MESSAGES).json(&json!({ "content": "x" })).send());
    // The line is written before the wait begins.
    while desk.lines().is_empty() {
        tokio::task::yield_now().await;
    }
    desk.stop().await.unwrap();
    assert!(held.await.unwrap().is_err());
}

#[tokio::test]
async fn an_outage_begins_and_ends_by_the_time_since_the_first_request() {
    let script =
        "faults: [{ match: { from: 50ms, until: 500ms }, on: any, status: 502 }, { match: { from: 1h }, delay: 1h }]";
    let desk = Served::start(script).await;
    let since_first = |lines: &[Value]| {
        let times: Vec<u64> = lines.iter().map(|line| line["t_us"].as_u64().unwrap()).collect();
        times.iter().map(|time| time - times[0]).collect::<Vec<_>>()
    };
    while since_first(&desk.lines()).last().is_none_or(|time| *time < 500_000) {
        desk.request(Method::GET, "/contacts?page=1").send().await.unwrap();
        desk.say(MESSAGES, "x").await.unwrap();
    }
    let lines = desk.lines();
    assert!(lines.iter().step_by(2).all(|line| line["kind"] == "search"), "a plain listing is a search");
    let in_outage: Vec<bool> = since_first(&lines).iter().map(|time| (50_000..500_000).contains(time)).collect();
    let refused: Vec<bool> = lines.iter().map(|line| line["status"] == 502).collect();
    assert_eq!(refused, in_outage);
    assert!(refused.contains(&true) && !refused[0]);
}

#[tokio::test]
async fn a_padded_answer_is_as_large_as_told_and_still_json() {
    let desk = Served::start("faults: [{ body: { id: 7 }, pad: 2000000 }]").await;
    let answer = desk.say(MESSAGES, "x").await.unwrap().text().await.unwrap();
    assert_eq!(answer.len(), 2_000_000 + r#"{"id":7}"#.len());
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), json!({ "id": 7 }));
}

#[tokio::test]
async fn failures_are_accepted() {
    let desk =
        Served::start("faults: [{ on: message, times: 2, fail: { code: 131026, title: Message undeliverable } }]")
            .await;
    let failed: Value = desk.say(MESSAGES, "x").await.unwrap().json().await.unwrap();
    assert_eq!(failed["content_attributes"]["external_error"], "131026: Message undeliverable");
    let (_, template) = desk.post(MESSAGES, template()).await;
    assert_eq!(template["status"], "failed");
    assert_eq!(desk.last()["accepted"], true);
    let sent: Value = desk.say(MESSAGES, "x").await.unwrap().json().await.unwrap();
    assert_eq!(sent["status"], "sent", "two times are over");
}

impl Served {
    async fn status(&self, path: &str, body: Value) -> u16 {
        self.request(Method::POST, path).json(&body).send().await.unwrap().status().as_u16()
    }

    /// The id of a new contact with one attribute.
    async fn contact(&self, key: &str, value: &str) -> Value {
        let (_, made) = self.post("/contacts", json!({ "inbox_id": 1, key: value })).await;
        made["payload"]["contact"]["id"].clone()
    }

    /// The path of the messages of a new conversation.
    async fn conversation(&self, contact: Value) -> String {
        let body = json!({ "inbox_id": 1, "contact_id": contact });
        let (_, made) = self.post("/conversations", body).await;
        format!("/conversations/{}/messages", made["id"])
    }
}

#[tokio::test]
async fn faults_match_by_the_contact_behind_a_request() {
    let desk = Served::start(
        "faults:
  - { on: conversation, match: { phone_number: +491511 }, status: 500 }
  - { on: message, match: { email: Bob@Acme.inc }, status: 501 }
  - { on: message, match: { contact_id: 64464046 }, status: 502 }
  - { on: contact, match: { identifier: c3 }, status: 503 }
  - { on: search, match: { phone_number: \"+491511\" }, status: 504 }",
    )
    .await;
    let alice = desk.contact("phone_number", "+491511").await;
    let bob = desk.contact("email", "bob@acme.inc").await;
    let text = || json!({ "content": "x" });
    let to_alice = json!({ "inbox_id": 1, "contact_id": alice });
    assert_eq!(desk.status("/conversations", to_alice).await, 500);
    let to_bob = desk.conversation(bob).await;
    assert_eq!(desk.status(&to_bob, text()).await, 501);
    let to_known = desk.conversation(json!(64_464_046)).await;
    assert_eq!(desk.status(&to_known, text()).await, 502);
    let third = json!({ "inbox_id": 1, "identifier": "c3" });
    assert_eq!(desk.status("/contacts", third).await, 503);
    let search = desk.request(Method::GET, "/contacts?q=%2B491511").send().await.unwrap();
    assert_eq!(search.status(), 504);
    assert_eq!(desk.status("/conversations/9/messages", text()).await, 200);
}

#[tokio::test]
async fn faults_match_by_all_their_conditions_in_order() {
    let desk = Served::start(
        "faults:
  - { on: message, match: { conversation_id: 77, content: two }, status: 505 }
  - { match: { nth: 3 }, status: 506 }
  - { on: retry, times: 1, status: 507 }
  - { on: retry, status: 508 }",
    )
    .await;
    let say = |path: &'static str, content: &str| desk.status(path, json!({ "content": content }));
    let (here, there) = ("/conversations/77/messages", "/conversations/78/messages");
    assert_eq!(say(here, "one").await, 200);
    assert_eq!(say(here, "one two").await, 505);
    assert_eq!(say(there, "two").await, 506, "the third of all");
    assert_eq!(say(there, "two").await, 200);
    assert_eq!(say("/conversations/78/messages/1/retry", "").await, 507);
    assert_eq!(say("/conversations/78/messages/1/retry", "").await, 508);
}

#[tokio::test]
async fn the_journal_is_numbered_timed_and_complete() {
    let desk = Served::start("").await;
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let body = json!({ "content": format!("{n}") });
            tokio::spawn(desk.request(Method::POST, &format!("/conversations/{n}/messages?n={n}")).json(&body).send())
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().status(), 200);
    }
    let lines = desk.lines();
    assert!(lines.iter().map(|line| line["seq"].as_u64().unwrap()).eq(1..=40));
    let mut contents: Vec<u64> =
        lines.iter().map(|line| line["body"]["content"].as_str().unwrap().parse().unwrap()).collect();
    contents.sort_unstable();
    assert!(contents.into_iter().eq(0..40));
    for line in &lines {
        let at: jiff::Timestamp = line["at"].as_str().unwrap().parse().unwrap();
        let text = line["at"].as_str().unwrap();
        assert!(text.len() == "2026-01-01T00:00:00.000000Z".len() && text.ends_with('Z'), "{text}");
        assert!(at <= jiff::Timestamp::now());
        assert!(line["t_us"].is_u64() && line["answer"]["message_id"].is_u64(), "{line}");
        let n = line["body"]["content"].as_str().unwrap();
        assert_eq!(line["path"], format!("/api/v2/accounts/conversations/{n}/messages"));
        assert_eq!((&line["query"], &line["method"]), (&json!(format!("n={n}")), &json!("POST")));
    }
}

/// A full disk.
struct Full;

impl io::Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_ends_the_server() {
    let desk = Served::start_with("", Shared::default(), Box::new(Full)).await;
    assert_eq!(desk.say(MESSAGES, "x").await.unwrap().status(), 500);
    let ended = desk.task.await.unwrap().unwrap_err();
    assert_eq!(ended.kind(), io::ErrorKind::StorageFull);
}
