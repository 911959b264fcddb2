//! Replies in another conversation than the one that was sent into: ours was resolved, so the reply opened a new one.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Desk, Project};

const AT_ONCE: &str = "after: 1ms, every: 1ms";

/// So many contacts of one inbox.
fn contacts(desk: &Desk, count: u64) -> Project {
    let rows: Vec<String> = (0..count).map(|id| format!("customer-{id}")).collect();
    let project = Project::at(desk)
        .to("{ inbox_id: '79', contact: { identifier: '{{ id }}' } }")
        .message("{ content: Hi }")
        .list(&format!("id\n{}\n", rows.join("\n")))
        .setting("track: { requests: unlimited, opt_out: { file: opted-out.csv } }");
    project.run(&[]).exits(0);
    project
}

fn track(project: &Project, exit: i32) -> Value {
    project.campaign(&["track", "campaign.yaml", "--now", "--format", "json"]).exits(exit).json().remove(0)
}

#[test]
fn an_opt_out_in_a_new_conversation_is_found_with_one_read() {
    for count in [12, 40] {
        let reply = "reply: STOP, reply_after: 1ms, new_conversation: true";
        let desk = Desk::start(&format!(
            "receipts: [{{ match: {{ identifier: customer-7 }}, {AT_ONCE}, {reply} }}, {{ {AT_ONCE} }}]\n"
        ));
        let project = contacts(&desk, count);
        let data = track(&project, 0);
        assert_eq!(
            (&data["read"], &data["replied"], &data["opted_out"]),
            (&json!(count), &json!(1), &json!(1)),
            "{data}"
        );
        assert_eq!(desk.requests("read_messages").len(), 1);
        let list = fs::read_to_string(project.path("opted-out.csv")).unwrap();
        assert!(list.contains("\ncustomer-7,"), "{list}");
        // It is not read again while nothing happens there, and the receipt stays as it is.
        assert_eq!(track(&project, 0)["read"], count);
    }
}

#[test]
fn conversations_of_another_campaign_with_the_same_contacts_are_not_read() {
    let desk = Desk::start(&format!("receipts: [{{ {AT_ONCE} }}]\n"));
    let (first, second) = (contacts(&desk, 30), contacts(&desk, 30));
    for project in [first, second] {
        let data = track(&project, 0);
        assert_eq!((&data["read"], &data["replied"]), (&json!(30), &json!(0)), "{data}");
    }
    assert_eq!(desk.requests("read_messages").len(), 0);
}

/// A contact that was not known when the message was sent, or that was merged into another one since; the list says whose a
/// conversation is, and a reply whose it is.
#[test]
fn a_reply_counts_by_what_livedesk_says_of_its_contact() {
    for (sender, opted_out) in [("{ id: 999, type: contact }", 1), ("{ id: 998, type: contact }", 0), ("{}", 1)] {
        let message = |id: u64, kind: u8, sender: &str, text: &str| {
            format!("{{ id: {id}, message_type: {kind}, content: '{text}', status: sent, sender: {sender} }}")
        };
        let contact = "meta: { sender: { id: 999 } }";
        let ours =
            format!("{{ id: 101, {contact}, messages: [{}] }}", message(3_030_000, 1, "{ id: 3, type: user }", "Hi"));
        let newer = format!("{{ id: 5000, {contact}, messages: [{}] }}", message(9_000_001, 0, sender, "STOP"));
        let desk = Desk::start(&format!(
            "receipts: [{{ statuses: [] }}]\n\
             faults:\n\
             - {{ on: list_updated, body: {{ data: {{ payload: [{newer}, {ours}] }} }} }}\n\
             - {{ on: read_messages, match: {{ conversation_id: 5000 }}, body: {{ payload: [{}] }} }}\n",
            message(9_000_001, 0, sender, "STOP")
        ));
        let project = Project::at(&desk).people(1).setting("track: { requests: unlimited, until: 2s }");
        project.run(&[]).exits(0);
        let ran = project.campaign(&["track", "campaign.yaml", "--now", "--follow", "--format", "json"]).exits(0);
        let data = ran.json().remove(0);
        assert_eq!((&data["opted_out"], &data["no_receipt"]), (&json!(opted_out), &json!(1)), "{sender}: {data}");
    }
}
