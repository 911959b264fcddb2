//! `campaign track` against answers and events that are odd, broken or forged: nothing is lost, and nothing is invented.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use ring::hmac;
use serde_json::{Value, json};

use crate::harness::{Desk, Project, Running};

const AT_ONCE: &str = "after: 1ms, every: 1ms";
/// The first message that a sandbox accepts.
const FIRST: u64 = 3_030_000;

fn sent(desk: &Desk, people: u64) -> Project {
    let project = Project::at(desk).people(people).send("concurrency: 1").setting("track: { requests: unlimited }");
    project.run(&[]).exits(0);
    project
}

fn track(project: &Project, exit: i32) -> Value {
    project.campaign(&["track", "campaign.yaml", "--now", "--format", "json"]).exits(exit).json().remove(0)
}

/// What one conversation shows of these messages.
fn shows(messages: &str) -> Value {
    let desk = Desk::start(&format!(
        "receipts: [{{ statuses: [] }}]\nfaults: [{{ on: read_messages, body: {{ payload: [{messages}] }} }}]\n"
    ));
    let project = sent(&desk, 1);
    let ran = project.campaign(&["track", "campaign.yaml", "--now", "--format", "json"]);
    let mut data = ran.json().remove(0);
    project.campaign(&["report", "campaign.yaml"]).exits(0);
    data["row"] = json!(project.report().remove(0));
    data
}

#[test]
fn odd_fields_are_read_and_unknown_words_mean_nothing() {
    let odd = shows(&format!(
        "{{ id: '{FIRST}', conversation_id: '101', status: DELIVERED, message_type: outgoing, created_at: soon }}, \
         {{ id: '{}', message_type: '0', content: STOP, created_at: '2026-11-21T10:00:00.000Z' }}, 7, null, {{ no: id }}",
        FIRST + 1
    ));
    assert_eq!((&odd["delivered"], &odd["opted_out"]), (&json!(1), &json!(1)), "{odd}");
    assert_eq!(odd["row"]["replied_at"], "2026-11-21T10:00:00.000Z");
    for status in ["teleported", "'-1'", "99", "null", "[]", "{ a: 1 }"] {
        let unknown = shows(&format!("{{ id: {FIRST}, status: {status}, message_type: 1 }}"));
        assert_eq!((&unknown["open"], &unknown["row"]["receipt"]), (&json!(1), &json!("sent")), "{status}: {unknown}");
    }
}

/// Its clock is eight hours ahead, or years behind: what happened when is said by that clock, and when to look by ours.
#[test]
fn a_clock_that_is_far_off_moves_no_look() {
    for (created, shown) in [(4_000_000_000_u64, "2096-10-02T07:06:40.000Z"), (5, "1970-01-01T00:00:05.000Z")] {
        let data = shows(&format!(
            "{{ id: {FIRST}, status: delivered, message_type: 1, created_at: {created} }}, \
             {{ id: {}, message_type: 0, content: ok, created_at: {created} }}",
            FIRST + 1
        ));
        assert_eq!((&data["delivered"], &data["row"]["replied_at"]), (&json!(1), &json!(shown)), "{data}");
    }
}

#[test]
fn an_answer_of_ten_megabytes_is_not_read_and_holds_nobody_up() {
    let desk = Desk::start(&format!(
        "receipts: [{{ {AT_ONCE} }}]\n\
         faults: [{{ on: read_messages, match: {{ conversation_id: 102 }}, body: {{ payload: [] }}, pad: 10000000 }}]\n"
    ));
    let project = sent(&desk, 4);
    let data = track(&project, 7);
    assert_eq!((&data["read"], &data["open"]), (&json!(3), &json!(1)), "{data}");
}

/// Pages move while they are read: what is on two of them counts once, and what is on none is read by itself.
#[test]
fn pages_may_overlap_and_skip() {
    let listed = |from: u64, to: u64| {
        let message = |id: u64| format!("{{ id: {}, status: read, message_type: 1 }}", FIRST + id);
        let of = |id: u64| format!("{{ id: {}, messages: [{}] }}", 40 + id, message(id));
        format!("body: {{ data: {{ payload: [{}] }} }}", (from..=to).map(of).collect::<Vec<_>>().join(", "))
    };
    let page = |nth: u64, body: &str| format!("- {{ on: list_conversations, match: {{ nth: {nth} }}, {body} }}\n");
    let desk = Desk::start(&format!(
        "receipts: [{{ {AT_ONCE} }}]\nfaults:\n{}{}{}{}",
        page(1, &listed(0, 7)),
        page(2, &listed(5, 9)),
        page(3, &listed(12, 14)),
        page(4, "body: { data: { payload: [] } }"),
    ));
    let rows: Vec<String> = (0..15).map(|id| format!("customer-{id}")).collect();
    let project = Project::at(&desk)
        .to("{ inbox_id: '79', contact: { identifier: '{{ id }}' } }")
        .message("{ content: Hi }")
        .list(&format!("id\n{}\n", rows.join("\n")))
        .send("concurrency: 1")
        .setting("track: { requests: unlimited }");
    project.run(&[]).exits(0);
    let data = track(&project, 0);
    assert_eq!(data["read"], 15, "{data}");
    let read: Vec<Value> = desk.requests("read_messages").into_iter().map(|request| request["path"].clone()).collect();
    assert_eq!(read.len(), 2, "the two that were on no page: {read:?}");
}

#[test]
fn messages_of_other_campaigns_and_agents_in_a_conversation_are_not_ours() {
    let desk = Desk::start(&format!(
        "receipts:\n\
         - {{ match: {{ content: second }}, after: 1ms, fail: {{ code: 131026, title: Undeliverable }} }}\n\
         - {{ {AT_ONCE} }}\n"
    ));
    let (first, second) = (sent(&desk, 3), Project::at(&desk).people(3).message("{ content: second }"));
    second.run(&[]).exits(0);
    assert_eq!(track(&first, 0)["read"], 3);
    assert_eq!(track(&second, 3)["undelivered"], 3);
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Somebody listens at an address, and knows the secret `wh-s3cret`.
fn listening(desk: &Desk, address: &str, people: u64) -> (Project, Running) {
    let project = Project::at(desk)
        .people(people)
        .setting("track: { requests: unlimited, webhook_secret: '${HOOK}' }")
        .environment("HOOK", Some("wh-s3cret"));
    project.run(&["--limit", "1"]).exits(0);
    let following = Running::launch(project.command(&["track", "campaign.yaml", "--listen", address]));
    following.wait_for("listening on");
    project.run(&[]).exits(0);
    (project, following)
}

#[test]
fn events_may_come_twice_and_in_any_order() {
    let address = free_address();
    let desk = Desk::start(&format!(
        "webhook: {{ url: 'http://{address}/', secret: wh-s3cret, times: 3 }}\n\
         receipts: [{{ match: {{ nth: 1 }}, statuses: [read, delivered], after: 3s, every: 1ms }}, {{ {AT_ONCE} }}]\n\
         faults: [{{ on: list_updated, status: 404 }}]\n"
    ));
    let (project, following) = listening(&desk, &address, 4);
    following.finish().exits(0);
    let data = track(&project, 0);
    let arrived: u64 = ["read", "delivered"].iter().filter_map(|name| data[*name].as_u64()).sum();
    assert_eq!((arrived, &data["open"]), (4, &json!(0)), "{data}");
}

/// Posts an event about a conversation; gives the answer.
fn post(address: &str, conversation: u64, secret: Option<&str>, at: Timestamp) -> String {
    let body = format!("{{\"event\":\"message_updated\",\"conversation\":{{\"id\":{conversation}}}}}");
    let at = at.as_second();
    let signed = secret.map_or_else(String::new, |secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let digest = HEXLOWER.encode(hmac::sign(&key, format!("{at}.{body}").as_bytes()).as_ref());
        format!("X-Chatwoot-Signature: sha256={digest}\r\nX-Chatwoot-Timestamp: {at}\r\n")
    });
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "POST / HTTP/1.1\r\nhost: a\r\n{signed}content-length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn forged_events_are_thanked_for_and_cause_no_read() {
    let (address, desk) = (free_address(), Desk::start("faults: [{ on: list_updated, status: 404 }]\n"));
    let (_project, following) = listening(&desk, &address, 3);
    let now = Timestamp::now();
    let hours = |hours: i64| now + jiff::SignedDuration::from_hours(hours);
    for (secret, at) in
        [(None, now), (Some("another"), now), (Some("wh-s3cret"), hours(-3)), (Some("wh-s3cret"), hours(3))]
    {
        let answer = post(&address, 102, secret, at);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    // Events are taken in their order, so all of those were passed over when this one is believed.
    post(&address, 101, Some("wh-s3cret"), now);
    desk.wait_for(1, "read_messages");
    following.interrupt();
    following.finish().exits(130);
    let read: Vec<Value> = desk.requests("read_messages").into_iter().map(|request| request["path"].clone()).collect();
    assert!(read.len() == 1 && read[0].as_str().unwrap().contains("/101/"), "{read:?}");
}
