//! `campaign run --proof-to`: real messages to the operator's own address, in no total, and nothing to the recipients.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs;

use serde_json::Value;

use crate::harness::{Desk, Project};

const CONTACTS: &str = "{ inbox_id: 79, contact: { name: '{{ name }}', phone_number: '{{ phone }}' } }";
const MINE: [&str; 2] = ["--proof-to", "phone_number=+49 1520 9999999"];

/// Three people by their phone numbers, and one who does not match.
fn contacts(desk: &Desk) -> Project {
    let list = "name,phone,want\nAda,+4915112345601,yes\nBob,+4915112345602,no\nCleo,+4915112345603,yes\nDan,+4915112345604,yes\n";
    Project::at(desk)
        .to(CONTACTS)
        .message("{ content: 'Hello {{ name }}' }")
        .setting("recipients: { file: list.csv, where: \"want == 'yes'\" }")
        .list(list)
}

fn proof(project: &Project, words: &[&str]) -> crate::harness::Ran {
    project.run(&[&MINE, words].concat())
}

/// What each message said, in the order in which they came.
fn contents(desk: &Desk) -> Vec<String> {
    desk.messages().iter().map(|message| message["body"]["content"].as_str().unwrap().to_owned()).collect()
}

fn said(desk: &Desk) -> String {
    desk.journal().iter().map(Value::to_string).collect()
}

#[test]
fn a_proof_is_what_the_recipient_would_get_and_the_recipients_stay_as_they_are() {
    let desk = Desk::friendly();
    let project = contacts(&desk);
    let dry: Value =
        serde_json::from_str(project.run(&["--dry-run", "--format", "json"]).stdout.lines().next().unwrap()).unwrap();
    let ran = proof(&project, &[]).exits(0).says("1 message, 3 requests to");
    assert!(
        ran.stdout.contains("c: 1 of 1 proof accepted\n  line 2, key +49…01: accepted (sent), message"),
        "{}",
        ran.stdout
    );
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("9999999"), "{}", ran.stderr);
    assert_eq!(
        desk.requests("contact")[0]["body"],
        serde_json::json!({ "inbox_id": 79, "phone_number": "+4915209999999" })
    );
    assert_eq!(desk.messages()[0]["body"], dry["requests"][2]["body"]);
    assert!(!said(&desk).contains("112345601"), "{}", said(&desk));
    assert!(!project.path("reports").exists());
    let status = project.campaign(&["status", "campaign.yaml"]).exits(8);
    assert!(status.stdout.contains("not started; 1 proof sent, in no total"), "{}", status.stdout);
    assert!(status.stdout.contains("to phone_number=+49…99"), "{}", status.stdout);
    let ledger = fs::read(project.path(".campaign/c.sqlite")).unwrap();
    assert!(!String::from_utf8_lossy(&ledger).contains("9999999"), "the address is kept masked");
    project.campaign(&["report", "campaign.yaml"]).exits(1).says("nothing was run yet");

    // The first run is the first one all the same.
    let ran = project.run(&[]).exits(0).says("holds no recipients yet, so this is the first run");
    assert!(!ran.stderr.contains("since"), "{}", ran.stderr);
    assert_eq!(contents(&desk), ["Hello Ada", "Hello Ada", "Hello Cleo", "Hello Dan"]);
    assert_eq!(project.outcomes().len(), 4);
    assert_eq!((project.count("accepted"), project.count("skipped")), (3, 1));
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 4);
}

#[test]
fn a_proof_in_the_middle_of_a_campaign_changes_no_total() {
    let desk = Desk::friendly();
    let project = contacts(&desk);
    project.run(&["--limit", "1"]).exits(0);
    let totals = |project: &Project| {
        let mut data = project.campaign(&["status", "campaign.yaml", "--format", "json"]).json().remove(0);
        let proofs = data["proofs"]["count"].as_u64().unwrap();
        data["proofs"].take();
        (data, proofs)
    };
    let (before, none) = totals(&project);
    // A message that changed is what one wants to see before approving it.
    let project = project.message("{ content: 'Goodbye {{ name }}' }");
    proof(&project, &["--line", "2", "--only", "+4915112345604"]).exits(0).says("2 messages, 4 requests");
    let (after, two) = totals(&project);
    assert_eq!((before, none, two), (after, 0, 2));
    project.campaign(&["report", "campaign.yaml"]).exits(0).says("2 proofs sent, in no total");
    assert_eq!(project.report().len(), 4);
    project.run(&[]).exits(2).says("the message has changed");
    project.run(&["--accept-changes"]).exits(0);
    // The proofs in their order; then everybody who is left, in any.
    let mut contents = contents(&desk);
    contents[3..].sort_unstable();
    assert_eq!(contents, ["Hello Ada", "Goodbye Ada", "Goodbye Dan", "Goodbye Cleo", "Goodbye Dan"]);
    assert_eq!(desk.requests("contact").len(), 4, "one contact and one conversation for both proofs");
    assert_eq!(desk.requests("conversation").len(), 4);
}

#[test]
fn a_row_that_gets_no_message_has_no_proof_and_the_reason_is_said() {
    let desk = Desk::friendly();
    let project = contacts(&desk);
    proof(&project, &["--line", "3", "--line", "9"])
        .exits(2)
        .says("line 3 gets no message: left out by recipients.where")
        .says("no row of the list begins at line 9");
    proof(&project, &["--only", "+4915112345602", "--only", "x"])
        .exits(2)
        .says("gets no message: left out by recipients.where")
        .says("no recipient has the key `x`");
    project.run(&["--line", "3"]).exits(2).says("--proof-to");
    project
        .run(&["--proof-to", "phone=1", "--proof-to", "email=ada"])
        .exits(2)
        .says("`phone` is no field")
        .says("`email`:");
    let by_conversation = Project::at(&desk).people(2);
    proof(&by_conversation, &[]).exits(2).says("add `--proof-to inbox_id=NUMBER`");
    let project = project.list("name,phone,want\nAda,+4915112345601,yes\nBob,nonsense,yes\n");
    proof(&project, &[]).exits(2).says("list.csv:3");
    proof(&project, &["--skip-invalid", "--line", "3"]).exits(2).says("line 3 gets no message:");
    assert!(desk.journal().is_empty() && !project.path(".campaign").exists());
}

#[test]
fn an_address_on_a_suppression_list_gets_no_proof() {
    let desk = Desk::friendly();
    let project = contacts(&desk).file("stop.csv", "+49 (0) 1520 9999999\n");
    let project = project.setting("recipients: { file: list.csv, suppress: [stop.csv] }");
    proof(&project, &[]).exits(2).says("this address is on a suppression list").says("stop.csv:1");
    assert!(desk.journal().is_empty() && !project.path(".campaign").exists());
}

#[test]
fn a_dry_run_shows_the_proof_and_leaves_nothing() {
    let desk = Desk::friendly();
    let project = contacts(&desk);
    let ran = proof(&project, &["--dry-run", "--line", "4"]).exits(0).says("1 proof would be sent");
    assert!(ran.stdout.contains("+4915209999999") && ran.stdout.contains("Hello Cleo"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("+4915112345603\""), "{}", ran.stdout);
    assert!(desk.journal().is_empty() && !project.path(".campaign").exists());
    let data = proof(&project, &["--dry-run", "--format", "json"]).json();
    assert_eq!((data.len(), &data[0]["key"]), (1, &Value::from("+4915112345601")));
}

/// A messaging tier is the account's: it does not matter to whom a message went.
#[test]
fn a_proof_counts_for_quotas_and_is_held_by_them() {
    let desk = Desk::friendly();
    let project = contacts(&desk).send("quota: 2/h");
    proof(&project, &[]).exits(0).says("quota 2/h");
    project.run(&["--no-wait"]).exits(7);
    assert_eq!(project.count("accepted"), 1);
    let ran = proof(&project, &["--no-wait"]).exits(7).says("paused by send.quota");
    assert!(ran.stdout.contains("0 of 1 proof accepted"), "{}", ran.stdout);
    assert_eq!(desk.messages().len(), 2);
}

#[test]
fn hours_and_canaries_are_for_recipients() {
    let desk = Desk::friendly();
    let project = contacts(&desk).send("not_before: 2200-01-01T00:00:00Z").send("canary: 1");
    proof(&project, &["--limit", "2"]).exits(0).says("a proof does not wait for send.not_before, send.canary");
    assert_eq!(contents(&desk), ["Hello Ada", "Hello Cleo"]);
}

#[test]
fn a_proof_that_is_refused_or_in_doubt_is_recorded_so() {
    let desk = Desk::start(
        "faults:
  - { on: message, times: 1, status: 500 }
  - { on: message, times: 1, fail: { code: 131026, title: no } }",
    );
    let project = contacts(&desk);
    let ran = proof(&project, &[]).exits(4);
    assert!(ran.stdout.contains("line 2, key +49…01: unknown"), "{}", ran.stdout);
    let data = proof(&project, &["--format", "json"]).exits(3).json().remove(0);
    assert_eq!((&data["proofs"][0]["outcome"], &data["proofs"][0]["error_code"]), (&"failed".into(), &"131026".into()));
    let status = project.campaign(&["status", "campaign.yaml", "--format", "json"]).exits(8).json().remove(0);
    assert_eq!((&status["proofs"]["count"], &status["proofs"]["last"]["outcome"]), (&2.into(), &"failed".into()));
    project.run(&[]).exits(0);
    assert_eq!(project.count("accepted"), 3, "what became of proofs is no recipient's");
}

#[test]
fn an_interrupted_proof_ends_in_good_order() {
    let desk = Desk::start("faults: [{ on: message, times: 1, delay: 500ms }]");
    let project = contacts(&desk);
    let running = project.start(&[&MINE[..], &["--limit", "3"]].concat());
    desk.wait_for_messages(1);
    running.interrupt();
    let ran = running.finish().exits(130);
    assert!(ran.stdout.contains("1 of 3 proofs accepted"), "{}", ran.stdout);
    assert_eq!(desk.messages().len(), 1);
    project.run(&[]).exits(0);
    assert_eq!((desk.messages().len(), project.count("accepted")), (4, 3));
}

#[test]
fn a_list_that_is_missing_after_a_proof_is_still_missing() {
    let desk = Desk::friendly();
    let project = contacts(&desk);
    proof(&project, &[]).exits(0);
    fs::remove_file(project.path("list.csv")).unwrap();
    project.run(&[]).exits(1).says("list.csv: list not found");
    assert_eq!(desk.messages().len(), 1);
}
