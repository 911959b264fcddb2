//! `campaign track`: what became of accepted messages, read back from the sandbox.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs;
use std::net::TcpListener;

use campaign::ledger::register_checksum;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Desk, Project};

const AT_ONCE: &str = "after: 1ms, every: 1ms";

/// One of each: 101 read, 102 not delivered, 103 replied STOP, 104 nearly, 105 lost, 106 deleted.
fn one_of_each() -> String {
    let of = |id: u64, rest: &str| format!("- {{ match: {{ conversation_id: '{id}' }}, {AT_ONCE}, {rest} }}\n");
    [
        "receipts:\n".to_owned(),
        of(102, "fail: { code: 131026, title: Undeliverable }"),
        of(103, "reply: STOP, reply_after: 1ms"),
        of(104, "reply: 'When will this stop?', reply_after: 1ms"),
        of(105, "statuses: []"),
        of(106, "delete_after: 1ms"),
        format!("- {{ {AT_ONCE} }}\n"),
    ]
    .concat()
}

fn sent(desk: &Desk, people: u64) -> Project {
    let project = Project::at(desk).people(people);
    project.run(&[]).exits(0);
    project
}

/// What is found when all are looked at; nothing but reads may have been asked for.
fn found(desk: &Desk, project: &Project, exit: i32) -> Value {
    let before = desk.journal().len();
    let data = project.campaign(&["track", "campaign.yaml", "--now", "--format", "json"]).exits(exit).json().remove(0);
    for request in &desk.journal()[before..] {
        assert_eq!(request["method"], "GET", "{request}");
    }
    let sum = |names: &[&str]| names.iter().filter_map(|name| data[name].as_u64()).sum::<u64>();
    assert_eq!(sum(&["accepted"]), sum(&["delivered", "read", "undelivered", "no_receipt", "open"]), "{data}");
    data
}

#[test]
fn what_became_of_each_message_is_found_and_adds_up() {
    let desk = Desk::start(&one_of_each());
    let project = sent(&desk, 6).setting("track: { opt_out: { file: opted-out.csv } }");
    let data = found(&desk, &project, 7);
    for (name, count) in [
        ("accepted", 6),
        ("read", 3),
        ("undelivered", 1),
        ("no_receipt", 1),
        ("open", 1),
        ("replied", 2),
        ("opted_out", 1),
        ("maybe_opted_out", 1),
    ] {
        assert_eq!(data[name], count, "{name} of {data}");
    }
    assert_eq!(data["undelivered_by_code"], json!([{ "code": "131026", "count": 1 }]));
    let list = fs::read_to_string(project.path("opted-out.csv")).unwrap();
    assert_eq!(list, "key,phone_number,email,identifier,contact_id,conversation_id\n,,,,,103\n");
    project.campaign(&["report", "campaign.yaml"]).exits(0);
    let rows = project.report();
    let column = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("receipt"), ["read", "failed", "read", "read", "sent", "none"]);
    assert_eq!(column("receipt_code"), ["", "131026", "", "", "", ""]);
    assert_eq!(column("opted_out"), ["", "", "yes", "maybe", "", ""]);
    assert!(column("checked_at").iter().all(|at| at.ends_with('Z')), "{rows:?}");
    assert_eq!(column("replied_at").iter().filter(|at| !at.is_empty()).count(), 2);
    // The outcome is what became of the request, and nobody is sent to again.
    assert_eq!(project.count("accepted"), 6);
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 6);
}

#[test]
fn those_who_opted_out_are_suppressed_by_the_next_campaign() {
    let desk = Desk::start(&one_of_each());
    let project = sent(&desk, 5).setting("track: { opt_out: { file: opted-out.csv } }");
    found(&desk, &project, 7);
    let next = project.setting("recipients: { file: list.csv, suppress: [opted-out.csv] }").setting("name: d");
    let text = fs::read_to_string(next.path("campaign.yaml")).unwrap().replacen("name: c\n", "", 1);
    fs::write(next.path("campaign.yaml"), text).unwrap();
    next.run(&["--report", "d.csv"]).exits(0);
    assert_eq!(desk.messages().len(), 5 + 4);
}

/// Two who reply STOP, one of whom has no phone number, and one who does not.
#[test]
fn the_next_campaign_knows_those_who_opted_out_by_whatever_it_has_of_them() {
    let desk = Desk::start(&format!(
        "receipts:\n- {{ match: {{ identifier: stays }}, {AT_ONCE} }}\n- {{ {AT_ONCE}, reply: STOP, reply_after: 1ms }}\n"
    ));
    let first = Project::at(&desk)
        .to("{ inbox_id: '79', contact: { identifier: '{{ id }}', phone_number: '{{ phone }}' } }")
        .message("{ content: Hi }")
        .list("id,phone\nstays,+4915112345670\nada,+4915112345671\ncem,\n")
        .setting("track: { opt_out: { file: opted-out.csv } }");
    first.run(&[]).exits(0);
    found(&desk, &first, 0);
    first.campaign(&["report", "campaign.yaml"]).exits(0);
    let ids: Vec<[String; 2]> =
        first.report().iter().map(|row| [row["contact_id"].clone(), row["conversation_id"].clone()]).collect();
    let [[stays, stays_in], [ada, ada_in], [cem, cem_in]] = ids.try_into().unwrap();
    let list = fs::read_to_string(first.path("opted-out.csv")).unwrap();
    let header = "key,phone_number,email,identifier,contact_id,conversation_id";
    assert_eq!(list, format!("{header}\nada,+4915112345671,,ada,{ada},{ada_in}\ncem,,,cem,{cem},{cem_in}\n"));
    // The keys of these campaigns are their own: whoever has somebody's id for a key is somebody else.
    let phone = "{ inbox_id: '79', contact: { phone_number: '{{ phone }}' } }";
    let by_identifier = "{ inbox_id: '79', contact: { identifier: '{{ who }}' } }";
    for (to, rows, skipped) in [
        (phone, format!("key,phone\nx1,+49 1511 2345670\nx2,+49 1511 2345671\n{cem},+4915112345673\n"), 1),
        (by_identifier, "key,who\nx1,stays\nx2,ada\nx3,cem\n".to_owned(), 2),
        ("{ inbox_id: '79', contact_id: '{{ who }}' }", format!("key,who\nx1,{stays}\nx2,{ada}\nx3,{cem}\n"), 2),
        ("{ conversation_id: '{{ who }}' }", format!("key,who\n{ada},{stays_in}\nx2,{ada_in}\nx3,{cem_in}\n"), 2),
        (by_identifier, format!("key,who,contact_id\nx1,stays,{stays}\nx2,new,{cem}\n"), 1),
        (by_identifier, format!("key,who,conversation_id\nx1,stays,{stays_in}\nx2,new,{cem_in}\n"), 1),
    ] {
        let next = Project::at(&desk).to(to).message("{ content: Hi }").list(&rows).file("opted-out.csv", list.clone());
        let next = next.setting("recipients: { file: list.csv, key: '{{ key }}', suppress: [opted-out.csv] }");
        let before = desk.messages().len();
        next.run(&[]).exits(0);
        assert_eq!(next.count("skipped"), skipped, "{rows}");
        assert_eq!(desk.messages().len() - before, rows.lines().count() - 1 - skipped, "{rows}");
    }
}

#[test]
fn a_list_of_opt_outs_that_a_spreadsheet_saved_again_keeps_its_rows_and_notes() {
    let desk = Desk::start(&one_of_each());
    let project = sent(&desk, 4).setting("track: { opt_out: { file: opted-out.csv } }");
    let saved = "\u{feff}conversation_id;note;phone_number\r\n999;called;4915112345678\r\n103;wrote;\r\n";
    let project = project.file("opted-out.csv", saved);
    found(&desk, &project, 3);
    let list = || fs::read_to_string(project.path("opted-out.csv")).unwrap();
    assert_eq!(list(), saved, "whoever is in it already is not added again");
    let project = &project.file("opted-out.csv", saved.replace("103;wrote;\r\n", ""));
    found(&desk, project, 3);
    let merged =
        "conversation_id,note,phone_number,key,email,identifier,contact_id\n999,called,4915112345678,,,,\n103,,,,,,\n";
    assert_eq!(fs::read_to_string(project.path("opted-out.csv")).unwrap(), merged);
}

#[test]
fn the_list_that_tracking_will_write_may_be_suppressed_before_there_is_one() {
    let desk = Desk::start(&one_of_each());
    let people = Project::at(&desk).people(5).setting("recipients: { file: list.csv, suppress: [opted-out.csv] }");
    people.run(&[]).exits(1).says("opted-out.csv: suppression list not found");
    let project = people.setting("track: { opt_out: { file: opted-out.csv } }");
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 5);
}

#[test]
fn without_now_only_those_are_looked_at_that_are_due() {
    let desk = Desk::friendly();
    let project = sent(&desk, 3);
    project.campaign(&["track", "campaign.yaml"]).exits(7).says("");
    assert_eq!(desk.requests("read_messages").len(), 0, "the first look is 15 minutes later");
}

#[test]
fn following_ends_when_nothing_is_open() {
    let desk = Desk::friendly();
    let project = sent(&desk, 3);
    let ran = project.campaign(&["track", "campaign.yaml", "--now", "--follow"]).exits(0);
    assert!(ran.stdout.contains("still open     0"), "{}", ran.stdout);
}

#[test]
fn each_look_at_the_same_message_shows_the_same() {
    let desk = Desk::start(&one_of_each());
    let project = sent(&desk, 6);
    let mut first = found(&desk, &project, 7);
    let mut second = found(&desk, &project, 7);
    for data in [&mut first, &mut second] {
        data["checked_at"] = Value::Null;
    }
    assert_eq!(first, second);
}

#[test]
fn reads_that_are_refused_are_said_to_be_so_and_nothing_is_made_up() {
    for fault in ["status: 404", "status: 401", "status: 403", "body: '<html>Sign in</html>'"] {
        let desk = Desk::start(&format!("faults: [{{ on: read_messages, {fault} }}]\n"));
        let project = sent(&desk, 5);
        let ran = project.campaign(&["track", "campaign.yaml", "--now"]).exits(1).says("receipts cannot be read here");
        assert!(ran.stdout.contains("still open     5"), "{}", ran.stdout);
        assert_eq!(desk.requests("read_messages").len(), 3, "{fault}: three refusals are enough");
    }
}

#[test]
fn one_conversation_that_is_refused_holds_nobody_up() {
    let desk = Desk::start(&format!(
        "receipts: [{{ {AT_ONCE} }}]\nfaults: [{{ on: read_messages, match: {{ conversation_id: '102' }}, status: 401 }}]\n"
    ));
    let project = sent(&desk, 4);
    let data = found(&desk, &project, 7);
    assert_eq!((&data["read"], &data["open"]), (&json!(3), &json!(1)));
}

#[test]
fn hostile_answers_are_tried_again_and_believed_in_nothing() {
    let desk = Desk::start(&format!(
        "receipts: [{{ {AT_ONCE} }}]\n\
         faults:\n\
         - {{ on: read_messages, times: 1, body: '{{\"payload\":[{{\"id\":30' }}\n\
         - {{ on: read_messages, times: 1, body: {{ payload: [{{ id: 3030000, conversation_id: 999, status: failed }}] }} }}\n\
         - {{ on: read_messages, times: 1, status: 429, headers: {{ Retry-After: 1 }} }}\n"
    ));
    let project = sent(&desk, 1);
    let data = found(&desk, &project, 0);
    assert_eq!(data["read"], 1, "{data}");
}

#[test]
fn a_webhook_says_where_to_look() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let desk = Desk::start(&format!(
        "webhook: {{ url: 'http://{address}/', secret: wh-s3cret }}\nreceipts: [{{ after: 2s, every: 1ms }}]\n"
    ));
    let project = Project::at(&desk)
        .people(3)
        .setting("track: { webhook_secret: '${HOOK}' }")
        .environment("HOOK", Some("wh-s3cret"));
    project.run(&[]).exits(0);
    // None of them is due, so whatever is looked at was announced by webhook.
    let ran = project.campaign(&["track", "campaign.yaml", "--listen", &address.to_string()]).exits(0);
    assert!(ran.stdout.contains("read           3"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("wh-s3cret"));
}

#[test]
fn listening_without_the_secret_that_the_spec_names_is_refused() {
    let desk = Desk::friendly();
    let project = sent(&desk, 1).setting("track: { webhook_secret: '${HOOK}' }");
    project.campaign(&["track", "campaign.yaml", "--listen", "127.0.0.1:0"]).exits(1).says("`HOOK` is not set");
}

#[test]
fn a_campaign_that_was_not_begun_has_nothing_to_track() {
    let desk = Desk::friendly();
    Project::at(&desk).people(1).campaign(&["track", "campaign.yaml"]).exits(1);
    assert_eq!(desk.journal().len(), 0);
}

/// So many contacts of one inbox.
fn contacts(desk: &Desk, count: u64) -> Project {
    let rows: Vec<String> = (0..count).map(|id| format!("customer-{id}")).collect();
    let project = Project::at(desk)
        .to("{ inbox_id: '79', contact: { identifier: '{{ id }}' } }")
        .message("{ content: Hi }")
        .list(&format!("id\n{}\n", rows.join("\n")));
    project.run(&[]).exits(0);
    project
}

#[test]
fn many_messages_are_looked_at_by_pages_of_their_inbox() {
    let desk = Desk::start(&format!(
        "receipts: [{{ match: {{ nth: 7 }}, {AT_ONCE}, reply: STOP, reply_after: 1ms }}, {{ {AT_ONCE} }}]\n"
    ));
    let project = contacts(&desk, 60);
    let data = found(&desk, &project, 0);
    assert_eq!((&data["read"], &data["opted_out"]), (&json!(60), &json!(1)), "{data}");
    assert_eq!(desk.requests("read_messages").len(), 1, "the one who replied");
    assert_eq!(desk.requests("list_conversations").len(), 4, "three pages and an empty one");
}

#[test]
fn where_the_list_cannot_be_read_each_conversation_is() {
    for fault in ["status: 404", "status: 401", "body: '<html>Sign in</html>'"] {
        let desk =
            Desk::start(&format!("receipts: [{{ {AT_ONCE} }}]\nfaults: [{{ on: list_conversations, {fault} }}]\n"));
        let project = contacts(&desk, 30);
        let ran = project.campaign(&["track", "campaign.yaml", "--now"]).exits(0);
        ran.says("the list of conversations cannot be read here");
        assert_eq!((desk.requests("list_conversations").len(), desk.requests("read_messages").len()), (1, 30));
    }
}

/// Makes what was seen so far as old as this.
fn age_receipts(project: &Project, hours: i64) {
    let ledger = Connection::open(project.path(".campaign/c.sqlite")).unwrap();
    register_checksum(&ledger).unwrap();
    let set =
        format!("UPDATE receipt SET status_at = status_at - {0}, checked_at = checked_at - {0}", hours * 3_600_000);
    ledger.execute_batch(&set).unwrap();
}

/// The conversations that were sent into since the journal had so many requests.
fn sent_since(desk: &Desk, before: usize) -> Vec<String> {
    let sent = desk.journal().into_iter().skip(before).filter(|request| request["method"] == "POST");
    sent.map(|request| request["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_undelivered_message_is_retried_after_a_day_and_a_second_look_and_nobody_else_is() {
    let of = |id: u64, rest: &str| format!("- {{ match: {{ conversation_id: '{id}' }}, {AT_ONCE}, {rest} }}\n");
    let desk = Desk::start(&format!(
        "receipts:\n{}{}{}- {{ {AT_ONCE} }}\n",
        of(102, "fail: { code: 131049, title: Too many }"),
        of(103, "fail: { code: 131026, title: Undeliverable }"),
        of(104, "fail: { code: 131049, title: Too many }, reply: STOP, reply_after: 1ms"),
    ));
    let project = sent(&desk, 5);
    found(&desk, &project, 3);
    let before = desk.journal().len();
    project.run(&["--retry-failed"]).exits(0);
    assert_eq!(sent_since(&desk, before), [""; 0], "it failed a moment ago");
    age_receipts(&project, 25);
    project.run(&["--retry-failed"]).exits(0);
    assert_eq!(sent_since(&desk, before), [""; 0], "nobody has looked since: it may have arrived");
    found(&desk, &project, 3);
    project.run(&["--retry-failed"]).exits(0);
    let sent = sent_since(&desk, before);
    assert!(sent.len() == 1 && sent[0].contains("/102/"), "{sent:?}");
    // Once more changes nothing: it was accepted again just now.
    project.run(&["--retry-failed"]).exits(0);
    assert_eq!(sent_since(&desk, before).len(), 1);
    let of_102 = project.report().into_iter().find(|row| row["key"] == "102").unwrap();
    assert!(of_102["error"].starts_with("earlier failed, 131049: "), "{of_102:?}");
}

#[test]
fn a_list_that_has_no_pages_is_not_read_for_ever() {
    let page = "{ data: { meta: { all_count: 60 }, payload: [{ id: 424242, messages: [] }] } }";
    let desk =
        Desk::start(&format!("receipts: [{{ {AT_ONCE} }}]\nfaults: [{{ on: list_conversations, body: {page} }}]\n"));
    let project = contacts(&desk, 30);
    let data = found(&desk, &project, 0);
    assert_eq!(data["read"], 30, "{data}");
    assert_eq!((desk.requests("list_conversations").len(), desk.requests("read_messages").len()), (2, 30));
}

#[test]
fn status_says_what_became_of_the_accepted_and_it_adds_up() {
    let desk = Desk::start(&one_of_each());
    let project = sent(&desk, 6);
    found(&desk, &project, 7);
    let ran = project.campaign(&["status", "campaign.yaml"]).exits(0);
    let lines = "  accepted          6\n    read                3\n    not delivered       1\n    no receipt          1\n    still open          1\n";
    assert!(ran.stdout.contains(lines) && ran.stdout.contains("\nreceipts last checked 20"), "{}", ran.stdout);
    let data = project.campaign(&["status", "campaign.yaml", "--format", "json"]).exits(0).json().remove(0);
    let receipts = &data["receipts"];
    let sum: u64 = ["delivered", "read", "undelivered", "no_receipt", "open"]
        .map(|it| receipts[it].as_u64().unwrap())
        .iter()
        .sum();
    assert_eq!((sum, &receipts["maybe_opted_out"]), (6, &json!(1)), "{data}");
    assert_eq!(data["outcomes"]["accepted"], 6);
}

#[test]
fn a_report_can_be_about_those_who_got_it_read_it_or_replied() {
    let desk = Desk::start(&one_of_each());
    let project = sent(&desk, 6);
    found(&desk, &project, 7);
    let keys = |only: &str| {
        let ran = project.campaign(&["report", "campaign.yaml", "--only", only, "-o", "-"]).exits(0);
        let mut rows = csv::Reader::from_reader(ran.stdout.as_bytes());
        rows.records().map(|row| row.unwrap()[1].to_owned()).collect::<Vec<_>>().join(" ")
    };
    for (only, people) in [
        ("delivered", ""),
        ("read", "101 103 104"),
        ("undelivered", "102"),
        ("no-receipt", "106"),
        ("replied", "103 104"),
        ("accepted", "101 102 103 104 105 106"),
    ] {
        assert_eq!(keys(only), people, "{only}");
    }
    project.campaign(&["report", "campaign.yaml", "--only", "arrived"]).exits(2).says("undelivered, no-receipt");
}
