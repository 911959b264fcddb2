//! `campaign resolve --by-evidence`: what conversations show of messages whose outcome is unknown.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

use campaign::ledger::register_checksum;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use crate::harness::{Desk, Project, Ran};

/// LiveDesk took the message to 102 and not the one to 103, and said neither.
const IN_DOUBT: &str = "faults:\n\
     - { on: message, match: { conversation_id: 102 }, times: 1, status: 500, accept: true }\n\
     - { on: message, match: { conversation_id: 103 }, times: 1, status: 500 }\n";

fn in_doubt(more: &str) -> (Desk, Project) {
    let desk = Desk::start(&format!("{IN_DOUBT}{more}"));
    let project = Project::at(&desk).people(3).setting("track: { requests: unlimited }");
    project.run(&[]).exits(4);
    (desk, project)
}

/// Makes a claim older, as if somebody had waited.
fn age_claim(project: &Project, key: &str, minutes: i64) {
    let ledger = Connection::open(project.path(".campaign/c.sqlite")).unwrap();
    register_checksum(&ledger).unwrap();
    let sql = "UPDATE delivery SET claimed_at = claimed_at - ?1, left_at = left_at - ?1 WHERE key = ?2";
    ledger.execute(sql, (minutes * 60_000, key)).unwrap();
}

fn by_evidence(project: &Project, more: &[&str]) -> Ran {
    project.campaign(&[&["resolve", "campaign.yaml", "--by-evidence"], more].concat())
}

/// What was found of a key.
fn found(ran: &Ran, key: &str) -> String {
    let has_key = |line: &&str| line.split("  ").map(str::trim).any(|cell| cell == key);
    ran.stdout.lines().find(has_key).unwrap_or(&ran.stdout).trim().to_owned()
}

/// An agent writes into a conversation.
fn write(desk: &Desk, conversation: u64, text: &str) {
    let host = desk.base_url.strip_prefix("http://").unwrap();
    let body = format!("{{\"content\":\"{text}\"}}");
    let mut stream = TcpStream::connect(host).unwrap();
    let path = format!("/api/v2/accounts/conversations/{conversation}/messages");
    let head = "authorization: Basic YTpi\r\ncontent-type: application/json\r\nconnection: close";
    write!(stream, "POST {path} HTTP/1.1\r\nhost: {host}\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// What a conversation shows, whatever is in it: a message with this text, made so many minutes from now.
fn shows(conversation: u64, id: u64, text: &str, minutes: i64) -> String {
    let created = (Timestamp::now() + SignedDuration::from_mins(minutes)).as_second();
    let message = format!("{{ id: {id}, content: '{text}', message_type: 1, created_at: {created} }}");
    format!(
        "- {{ on: read_messages, match: {{ conversation_id: {conversation} }}, body: {{ payload: [{message}] }} }}\n"
    )
}

#[test]
fn what_is_evident_is_shown_and_settled_once_somebody_confirms() {
    let (desk, project) = in_doubt("");
    age_claim(&project, "103", 11);
    let before = desk.journal().len();
    let ran = by_evidence(&project, &[]).exits(4);
    assert!(found(&ran, "102").starts_with("sent "), "{}", ran.stdout);
    assert!(found(&ran, "103").starts_with("not sent "), "{}", ran.stdout);
    assert!(ran.stdout.contains("1 sent, 1 not sent\nnothing was resolved"), "{}", ran.stdout);
    let ran = by_evidence(&project, &["--yes"]).exits(0);
    assert!(ran.stdout.contains("2 deliveries resolved"), "{}", ran.stdout);
    assert!(desk.journal()[before..].iter().all(|request| request["method"] == "GET"), "it only reads");
    project.run(&[]).exits(0);
    assert_eq!(desk.addressed().iter().filter(|id| **id == 102).count(), 1);
    assert_eq!(desk.addressed().iter().filter(|id| **id == 103).count(), 2, "the first was not taken");
    let report = project.report();
    let of = |key: &str| report.iter().find(|row| row["key"] == key).unwrap();
    assert!(of("102")["error"].contains("resolved as sent"), "{:?}", of("102"));
    assert!(of("102")["error"].contains("has this text, created 20"), "{:?}", of("102"));
    assert!(of("103")["error"].contains("no message with this text among all 0 messages there"), "{:?}", of("103"));
    // It has a message now, so that it can be followed.
    assert_ne!(of("102")["message_id"], "");
    project.campaign(&["track", "campaign.yaml", "--now"]);
    assert_eq!(desk.requests("read_messages").iter().filter(|read| read.to_string().contains("/102/")).count(), 5);
}

#[test]
fn what_was_claimed_a_moment_ago_may_still_show() {
    let (_desk, project) = in_doubt("");
    let ran = by_evidence(&project, &["--yes"]).exits(4);
    assert!(found(&ran, "103").contains("look again 10 min 0 s after it was sent"), "{}", ran.stdout);
    assert_eq!(project.campaign(&["status", "campaign.yaml"]).code, Some(4));
}

#[test]
fn the_same_text_from_an_agent_before_is_no_evidence() {
    let (desk, project) =
        in_doubt(&format!("{}{}", shows(102, 77, "Hello 102", -30), shows(103, 78, "Hello 103", -300)));
    age_claim(&project, "103", 11);
    let ran = by_evidence(&project, &["--yes"]).exits(4);
    assert!(found(&ran, "102").starts_with("unclear "), "{}", ran.stdout);
    assert!(found(&ran, "102").contains("message 77 has this text, but was not made when this one was sent"));
    // The answer is the same whichever page is asked for, so there may be more.
    assert!(found(&ran, "103").contains("LiveDesk does not show all of the conversation"), "{}", ran.stdout);
    project.run(&[]).exits(4);
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn clocks_may_differ_by_hours_if_it_is_known_by_how_many() {
    let date = |hours: i64| {
        let time = Timestamp::now() + SignedDuration::from_hours(hours);
        httpdate::fmt_http_date(time.into())
    };
    for (server, found_as) in [(3, "sent"), (-8, "sent"), (0, "unclear")] {
        let minutes = if server == 0 { 180 } else { server * 60 };
        let (_desk, project) = in_doubt(&format!(
            "- {{ on: search, headers: {{ Date: '{}' }}, body: {{ payload: [], meta: {{ count: 0 }} }} }}\n{}{}",
            date(server),
            // 101 is the first that was accepted.
            shows(101, 3_030_000, "Hello 101", minutes),
            shows(102, 9_000_000, "Hello 102", minutes),
        ));
        let ran = by_evidence(&project, &[]).exits(4);
        assert!(found(&ran, "102").starts_with(found_as), "{server}: {}", ran.stdout);
    }
}

#[test]
fn a_deleted_conversation_is_no_evidence() {
    let (desk, project) = in_doubt("receipts: [{ match: { conversation_id: 102 }, after: 1ms, delete_after: 1ms }]\n");
    age_claim(&project, "102", 11);
    let ran = by_evidence(&project, &["--yes"]).exits(4);
    assert!(found(&ran, "102").contains("the conversation was deleted"), "{}", ran.stdout);
    assert_eq!(desk.addressed().iter().filter(|id| **id == 102).count(), 1);
}

#[test]
fn long_conversations_are_read_page_by_page() {
    let (desk, project) = in_doubt("");
    for number in 0..150 {
        write(&desk, 102, &format!("chat {number}"));
        write(&desk, 103, &format!("chat {number}"));
    }
    age_claim(&project, "103", 11);
    let ran = by_evidence(&project, &[]).exits(4);
    assert!(found(&ran, "102").starts_with("sent "), "{}", ran.stdout);
    assert!(found(&ran, "103").contains("among all 150 messages there"), "{}", ran.stdout);
}

#[test]
fn where_accepted_messages_are_not_found_a_missing_one_says_nothing() {
    // A server that changes texts, and one that shows nothing.
    for answer in [shows(101, 3_030_000, "Hello <b>101</b>", 0), String::new()] {
        let nothing = "- { on: read_messages, body: { payload: [] } }\n";
        let (_desk, project) = in_doubt(&format!("{answer}{nothing}"));
        age_claim(&project, "103", 11);
        let ran = by_evidence(&project, &["--yes"]).exits(4);
        assert!(found(&ran, "103").contains("accepted messages are not found here either"), "{}", ran.stdout);
    }
}

#[test]
fn where_conversations_cannot_be_read_nothing_is_resolved() {
    for fault in ["status: 404", "status: 401", "body: '<html>Sign in</html>'"] {
        let (_desk, project) = in_doubt(&format!("- {{ on: read_messages, {fault} }}\n"));
        by_evidence(&project, &["--yes"])
            .exits(1)
            .says("conversations cannot be read here")
            .says("nothing was resolved");
        assert_eq!(project.campaign(&["status", "campaign.yaml"]).code, Some(4));
    }
}

#[test]
fn a_message_that_has_changed_since_is_not_looked_for_by_its_new_text() {
    let (_desk, project) = in_doubt("");
    let project = project.message("{ content: 'Good morning {{ conversation_id }}' }");
    age_claim(&project, "103", 11);
    let ran = by_evidence(&project, &["--yes"]).exits(4);
    for key in ["102", "103"] {
        assert!(found(&ran, key).contains("spec or row have changed since"), "{}", ran.stdout);
    }
}

#[test]
fn some_can_be_chosen_by_key() {
    let (_desk, project) = in_doubt("");
    let ran = by_evidence(&project, &["--key", "102", "--yes"]).exits(4);
    assert!(ran.stdout.contains("1 delivery resolved") && !ran.stdout.contains("103"), "{}", ran.stdout);
    by_evidence(&project, &["--key", "102", "--yes"]).exits(1).says("no delivery with the key `102` is unknown");
    by_evidence(&project, &["--sent"]).exits(2);
    by_evidence(&project, &["--note", "I saw it"]).exits(2);
    project.campaign(&["resolve", "campaign.yaml", "--yes", "--all", "--sent"]).exits(2);
}

/// A CSV report puts an apostrophe in front of what a spreadsheet would take for a formula.
#[test]
fn a_key_can_be_given_as_a_report_writes_it() {
    let desk = Desk::start("faults: [{ on: message, times: 1, status: 500, accept: true }]");
    let project = Project::at(&desk)
        .list("id,conversation\n=1+1,7\n")
        .to("{ conversation_id: '{{ conversation }}' }")
        .message("{ content: Hi }")
        .setting("recipients: { file: list.csv, key: '{{ id }}' }")
        .setting("track: { requests: unlimited }");
    project.run(&[]).exits(4);
    by_evidence(&project, &["--key", "'=1+1"]).exits(4);
}

#[test]
fn deliveries_with_one_text_in_one_conversation_are_not_confused() {
    let desk = Desk::start("faults: [{ on: message, match: { nth: 2 }, times: 1, status: 500, accept: true }]");
    let project = Project::at(&desk)
        .list("id,conversation\na,7\nb,7\nc,7\n")
        .to("{ conversation_id: '{{ conversation }}' }")
        .message("{ content: Hi }")
        .setting("recipients: { file: list.csv, key: '{{ id }}' }")
        .setting("track: { requests: unlimited }");
    project.run(&[]).exits(4);
    let ran = by_evidence(&project, &["--yes"]).exits(0);
    assert!(ran.stdout.contains("1 sent"), "the other two are known by their ids: {}", ran.stdout);
    assert_eq!(desk.messages().len(), 3);
}
