//! `campaign run --sandbox` to its end: who got it, who read it, who replied, who opted out, who did not get it and why.

use std::fs;

use crate::harness::{Project, rows};

/// 101 reads it, 102 is not on WhatsApp, 103 replies STOP, 104 nearly, 105 does not open it, 106 is not reached.
const SCRIPT: &str = "receipts:
- { match: { conversation_id: '102' }, after: 1ms, fail: { code: 131026, title: Undeliverable } }
- { match: { conversation_id: '103' }, after: 1ms, every: 1ms, reply: STOP }
- { match: { conversation_id: '104' }, after: 1ms, every: 1ms, reply: 'When will this stop?' }
- { match: { conversation_id: '105' }, after: 1ms, statuses: [delivered] }
- { match: { conversation_id: '106' }, statuses: [] }
";

fn project() -> Project {
    Project::at_address("http://127.0.0.1:9")
        .people(6)
        .setting("report: [r.csv, r.jsonl, r.html]")
        .setting("track: { opt_out: { file: opted-out.csv } }")
}

#[test]
fn one_command_says_who_got_it_and_who_did_not_and_why() {
    let project = project().file("campaign.sandbox.yaml", SCRIPT);
    let ran = project.run(&["--sandbox"]).exits(0).says("  sandbox  plays campaign.sandbox.yaml");
    insta::assert_snapshot!(ran.stdout, @r"
    c: 6 recipients
      accepted          6
        read                3
        delivered           1
        not delivered       1
        still open          1
      not delivered ×1: 131026: the number is not on WhatsApp, or cannot receive this message (cause: the recipient)
      2 replied, 1 opted out, 1 may have opted out and should be read by a person
    ");
    assert!(!project.path("opted-out.csv").exists(), "nobody has opted out of anything real");
    let report = rows(&fs::read_to_string(project.path("r.sandbox.csv")).unwrap());
    let column = |name: &str| report.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("receipt"), ["read", "failed", "read", "read", "delivered", "sent"]);
    assert_eq!(column("receipt_code")[1], "131026");
    assert_eq!(column("opted_out"), ["", "", "yes", "maybe", "", ""]);
}

#[test]
fn without_a_script_everybody_reads_it() {
    let ran = project().run(&["--sandbox"]).exits(0);
    assert!(ran.stdout.ends_with("  accepted          6\n    read                6\n"), "{}", ran.stdout);
}

#[test]
fn a_script_that_cannot_be_played_is_a_problem_with_its_place() {
    let ran = project().file("campaign.sandbox.yaml", "receipts:\n- { nth: 3 }\n").run(&["--sandbox"]).exits(2);
    ran.says("campaign.sandbox.yaml:2:");
}

#[test]
fn a_sandbox_that_refuses_to_be_read_is_said_and_leaves_all_open() {
    let script = "faults: [{ on: read_messages, status: 404 }]\n";
    let ran = project().file("campaign.sandbox.yaml", script).run(&["--sandbox"]).exits(0);
    let ran = ran.says("receipts cannot be read here");
    assert!(!ran.stdout.contains("read "), "{}", ran.stdout);
}
