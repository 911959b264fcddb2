//! What a person changes between two runs: the right people get it, and nobody who should not.

use std::fs;

use crate::harness::{Desk, Project};

#[test]
fn a_corrected_address_is_used_and_not_the_one_that_was_tried_before() {
    let desk = Desk::start("faults: [{ on: message, times: 1, status: 500 }]");
    let project = Project::at(&desk).setting("recipients: { file: list.csv, key: '{{ order }}' }");
    let project = project.list("order,conversation_id\nA1,141\n");
    project.run(&[]).exits(4);
    project.campaign(&["resolve", "campaign.yaml", "--all", "--not-sent"]).exits(0);
    let project = project.list("order,conversation_id\nA1,142\n");
    project.run(&[]).exits(0);
    assert_eq!(desk.addressed(), [141, 142]);
}

#[test]
fn a_corrected_number_gets_a_contact_and_a_conversation_of_its_own() {
    let desk = Desk::start("faults: [{ on: message, times: 1, status: 500 }]");
    let to = "{ inbox_id: 79, contact: { phone_number: '{{ phone }}' } }";
    let project = Project::at(&desk).to(to).message("{ content: Hi }");
    let project = project.setting("recipients: { file: list.csv, key: '{{ order }}' }");
    let project = project.list("order,phone\nA1,+4915123456789\n");
    project.run(&[]).exits(4);
    project.campaign(&["resolve", "campaign.yaml", "--all", "--not-sent"]).exits(0);
    let project = project.list("order,phone\nA1,+4915123456780\n");
    project.run(&[]).exits(0);
    let numbers: Vec<_> = desk.requests("contact").iter().map(|entry| entry["body"]["phone_number"].clone()).collect();
    assert_eq!(numbers, ["+4915123456789", "+4915123456780"]);
    let conversations = desk.addressed();
    assert_ne!(conversations[0], conversations[1]);
}

#[test]
fn numbers_that_changed_after_their_message_are_counted_and_shown_masked() {
    let desk = Desk::friendly();
    let to = "{ inbox_id: 79, contact: { phone_number: '{{ phone }}' } }";
    let project = Project::at(&desk).to(to).message("{ content: Hi }").send("concurrency: 1");
    let project = project.setting("recipients: { file: list.csv, key: '{{ order }}' }");
    let list = "order,phone,note\nA1,+4915123456789,x\nA2,+4915123456780,x\nA3,+4915123456781,x\n";
    let project = project.list(list);
    project.run(&["--limit", "2"]).exits(0);
    // Another note or notation is no other number, whoever is pending gets the new one, and a duplicate is nobody.
    let list =
        "order,phone,note\nA1,+49 151 23456789,y\nA2,+4915123456770,x\nA3,+4915123456771,x\nA2,+4915123456772,x\n";
    let project = project.list(list);
    let ran = project.run(&["--dry-run"]).exits(0).says("moved    1 recipient has another number");
    assert!(ran.stderr.contains("(line 3: +49"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("5123456770") && !ran.stderr.contains("5123456780"), "{}", ran.stderr);
    project.run(&[]).exits(0).says("moved    1 recipient");
    let numbers: Vec<_> = desk.requests("contact").iter().map(|entry| entry["body"]["phone_number"].clone()).collect();
    assert_eq!(numbers, ["+4915123456789", "+4915123456780", "+4915123456771"]);
}

#[test]
fn somebody_who_opts_out_while_the_list_is_gone_is_left_out() {
    let desk = Desk::friendly();
    let recipients = "recipients: { file: list.csv, suppress: [stop.csv] }";
    let project = Project::at(&desk).setting(recipients).file("stop.csv", "key\n").people(4).send("concurrency: 1");
    project.run(&["--limit", "2"]).exits(0);
    fs::remove_file(project.path("list.csv")).unwrap();
    let project = project.file("stop.csv", "key\n104\n");
    project.run(&[]).exits(0);
    assert_eq!(desk.addressed(), [101, 102, 103]);
    assert_eq!(project.outcomes()[3], "104: skipped");
}

#[test]
fn a_whatsapp_id_is_the_number_that_is_suppressed() {
    let desk = Desk::friendly();
    let recipients = "recipients: { file: list.csv, suppress: [stop.csv] }";
    let project = Project::at(&desk).setting(recipients).to("{ inbox_id: 79, source_id: '{{ wa }}' }");
    let project = project.message("{ content: Hi }").file("stop.csv", "phone\n+49 152 28817386\n");
    let project = project.list("wa\n4915228817386\n4915228817387\n");
    project.run(&[]).exits(0);
    assert_eq!((project.count("skipped"), project.count("accepted")), (1, 1));
}

#[test]
fn a_number_anywhere_in_the_row_of_a_known_conversation_can_be_suppressed() {
    let desk = Desk::friendly();
    let recipients = "recipients: { file: list.csv, suppress: [stop.csv] }";
    let project = Project::at(&desk).setting(recipients).file("stop.csv", "ada@example.com\n+4915228817386\n");
    let list = "conversation_id,contact\n101,Ada@Example.com\n102,+49 1522 8817386\n103,bob@example.com\n";
    project.list(list).run(&[]).exits(0);
    assert_eq!(desk.addressed(), [103]);
}

#[test]
fn whoever_was_tried_and_left_the_list_stays_on_record() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 101 }, times: 1, status: 500 }]");
    let project = Project::at(&desk).people(2);
    project.run(&[]).exits(4);
    project.campaign(&["resolve", "campaign.yaml", "--all", "--not-sent", "--note", "asked her"]).exits(0);
    let project = project.list("conversation_id\n102\n");
    project.run(&[]).exits(0);
    let gone = project.report().into_iter().find(|row| row["key"] == "101").unwrap();
    assert_eq!((gone["outcome"].as_str(), gone["error_code"].as_str()), ("skipped", "gone"));
    assert_eq!(desk.addressed().len(), 2, "nothing is sent to somebody who left the list");
}

#[test]
fn a_list_that_cannot_be_read_on_is_never_passed_over() {
    let desk = Desk::friendly();
    let mut csv: Vec<u8> = b"conversation_id,name\n101,Ada\n102,Bob\n".to_vec();
    csv.extend(b"103,J\xfcrgen\n104,Cy\n");
    let project = Project::at(&desk).file("list.csv", &csv);
    project.run(&["--skip-invalid"]).exits(2).says("list.csv:4");
    let jsonl: Vec<u8> = b"{\"conversation_id\": 101}\n{\"conversation_id\": 102, \"n\": \"\xfc\"}\n".to_vec();
    let project = project.setting("recipients: list.jsonl").file("list.jsonl", &jsonl);
    project.run(&["--skip-invalid"]).exits(2).says("list.jsonl:2");
    let project = project.setting("recipients: list.csv").list("conversation_id,name\n101,\"Ada\n102,Bob\n");
    project.run(&["--skip-invalid"]).exits(2).says("never closed");
    assert_eq!(desk.messages().len(), 0);
}

#[test]
fn the_ledger_of_another_campaign_is_refused_also_without_a_list() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    project.run(&["--ledger", "c.sqlite", "--limit", "1"]).exits(0);
    let spec = fs::read_to_string(project.path("campaign.yaml")).unwrap();
    let other = spec.replace("name: c\n", "name: d\n").replace("list.csv", "nowhere.csv");
    let project = project.file("other.yaml", other);
    for command in ["run", "status", "report"] {
        let ran = project.campaign(&[command, "other.yaml", "--ledger", "c.sqlite"]).exits(1);
        assert!(ran.stderr.contains("ledger of the campaign `c`"), "{}", ran.stderr);
    }
    assert_eq!(desk.messages().len(), 1);
}

#[test]
fn a_row_cannot_attach_what_is_hidden() {
    let desk = Desk::friendly();
    let message = "{ content: Hi, attachments: ['{{ file }}'] }";
    let project = Project::at(&desk).message(message).file(".env", "SECRET=x\n").file("ok.txt", "x");
    let project = project.list("conversation_id,file\n101,.env\n102,.campaign/c.sqlite\n103,ok.txt\n");
    project.run(&[]).exits(2).says("hidden");
    assert_eq!(desk.messages().len(), 0);
}

#[test]
fn a_message_that_was_refused_for_now_does_not_use_up_the_quota() {
    let desk = Desk::start("faults: [{ on: message, times: 3, status: 429, headers: { Retry-After: 0 } }]");
    let project = Project::at(&desk).people(3).send("quota: 3/day");
    project.run(&["--no-wait"]).exits(0);
    assert_eq!(project.count("accepted"), 3);
}

#[test]
fn a_key_that_may_not_list_contacts_can_still_send() {
    let desk = Desk::start(
        "faults:
          - { on: search, status: 403 }
          - { on: message, match: { conversation_id: 101 }, status: 403 }",
    );
    let project = Project::at(&desk).people(5).send("concurrency: 1");
    project.run(&[]).exits(3);
    assert_eq!((project.count("failed"), project.count("accepted")), (1, 4));
}

#[test]
fn a_single_slow_rate_holds_from_one_run_to_the_next() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2).send("rate: 1/s");
    project.run(&["--limit", "1"]).exits(0);
    project.run(&[]).exits(0);
    let times = desk.times(|entry| entry["kind"] == "message");
    assert!(times[1] - times[0] >= 980_000, "{times:?}");
}

#[test]
fn all_bad_rows_are_counted_also_when_they_come_in_thousands() {
    let rows: String = (0..2_500).map(|_| "nobody\n").collect();
    let project = Project::at_address("http://127.0.0.1:9").list(&format!("conversation_id\n{rows}101\n"));
    project.run(&[]).exits(2).says("2,500 problems");
}

#[test]
fn a_check_speaks_of_those_whom_the_run_would_be_for() {
    let project = Project::at_address("http://127.0.0.1:9").people(5);
    let check = |words: &[&str]| project.campaign(&[&["check", "campaign.yaml"], words].concat());
    assert!(check(&["--only", "101", "--only", "102"]).exits(0).stdout.contains("2 messages to send"));
    assert!(check(&["--limit", "3"]).exits(0).stdout.contains("3 messages to send"));
    check(&["--only", "nobody"]).exits(2).says("no recipient has the key `nobody`");
}

#[test]
fn totals_add_up_when_a_row_that_is_left_out_has_the_key_of_another() {
    let desk = Desk::friendly();
    let recipients = "recipients: { file: list.csv, where: 'wanted == \"yes\"' }";
    let project = Project::at(&desk).setting(recipients).list("conversation_id,wanted\n101,no\n101,yes\n102,yes\n");
    project.run(&[]).exits(0);
    assert_eq!(project.report().len(), 3, "{:?}", project.outcomes());
}

#[test]
fn the_ledger_of_another_campaign_is_refused() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5);
    project.run(&["--ledger", "shared.sqlite", "--limit", "2"]).exits(0);
    let spec = fs::read_to_string(project.path("campaign.yaml")).unwrap().replace("name: c\n", "name: d\n");
    let project = project.file("other.yaml", spec);
    let ran = project.campaign(&["run", "other.yaml", "--ledger", "shared.sqlite"]);
    assert_ne!(ran.code, Some(0), "campaign d took over the ledger of c: {ran:?}");
    assert_eq!(desk.messages().len(), 2);
}

#[test]
fn totals_add_up_when_the_row_of_somebody_who_has_it_becomes_invalid() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id,name\n101,Ada\n102,Bob\n");
    project.run(&[]).exits(0);
    let project = project.list("conversation_id,name\n101,Ada,L\n102,Bob\n");
    let ran = project.run(&["--skip-invalid", "--format", "json"]).exits(0);
    let lines: Vec<_> = project.report().iter().map(|row| row["line"].clone()).collect();
    assert_eq!(lines, ["2", "3"], "{}", ran.stdout);
}

#[test]
fn totals_add_up_when_rows_of_somebody_who_has_it_are_left_out() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id,name\n101,Ada\n102,Bob\n");
    project.run(&[]).exits(0);
    let recipients = "recipients: { file: list.csv, where: 'name != \"No\"' }";
    let project = project.setting(recipients).list("conversation_id,name\n101,No\n101,No\n102,Bob\n");
    project.run(&[]).exits(0);
    assert_eq!(project.report().len(), 3, "{:?}", project.outcomes());
}

#[test]
fn another_key_does_not_make_old_recipients_new_ones() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id,name\n101,Ada\n102,Bob\n");
    project.run(&[]).exits(0);
    let project = project.setting("recipients: { file: list.csv, key: '{{ name }}' }");
    let ran = project.run(&[]);
    assert_eq!(desk.messages().len(), 2, "everybody got it twice:\n{}", ran.stderr);
}
