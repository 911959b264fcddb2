//! `--dry-run --report plan.csv`: every row of the list, what would be done with it, and why.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs;

use serde_json::Value;

use crate::harness::{Desk, Project, rows};

const LIST: &str =
    "conversation_id,ok,text\n101,yes,Hi\n102,no,Hi\n103,yes,Hi\n104,yes,Hi\n101,yes,Hi\n105,yes,Hi\n106,yes,Hi\n";

fn shop(desk: &Desk) -> Project {
    let recipients = "recipients: { file: list.csv, where: \"ok == 'yes'\", suppress: [stop.csv] }";
    let project = Project::at(desk).setting(recipients).message("{ content: '{{ text }}' }").send("concurrency: 1");
    project.file("stop.csv", "key\n103\n").list(LIST)
}

/// Line, action and reason of each row, without the times.
fn plan(project: &Project, name: &str) -> Vec<String> {
    let csv = fs::read_to_string(project.path(name)).unwrap();
    assert!(csv.starts_with("line,key,action,reason,outcome,error_code,attempts,settled_at\n"), "{csv}");
    let without_time = |text: &str| {
        let words = text.split(' ').filter(|word| !(word.starts_with("20") && word.ends_with('Z')));
        words.collect::<Vec<_>>().join(" ")
    };
    let show =
        |row: crate::harness::Row| format!("{} {}: {}", row["line"], row["action"], without_time(&row["reason"]));
    rows(&csv).into_iter().map(show).collect()
}

#[test]
fn every_row_of_the_list_is_in_the_plan_with_a_reason() {
    let desk = Desk::start(
        "faults:
          - { on: message, match: { conversation_id: 104 }, status: 404 }
          - { on: message, match: { conversation_id: 105 }, status: 500 }
          - { on: message, match: { conversation_id: 106 }, fail: { code: 131049, title: Held back } }",
    );
    let project = shop(&desk);
    let left_out = ["3 skip: left out by recipients.where", "4 skip: on the suppression list at stop.csv:2"];
    let ran = project.run(&["--dry-run", "--report", "plan.csv"]).exits(0);
    assert!(
        ran.stderr.contains("nothing was sent; plan written to plan.csv; 4 messages would be sent"),
        "{}",
        ran.stderr
    );
    assert!(!project.path(".campaign").exists() && !project.path("reports").exists());
    let expected = [
        "2 send: not sent yet",
        left_out[0],
        left_out[1],
        "5 send: not sent yet",
        "6 skip: same key as line 2",
        "7 send: not sent yet",
        "8 send: not sent yet",
    ];
    assert_eq!(plan(&project, "plan.csv"), expected);

    project.run(&["--limit", "3"]).exits(4);
    project.run(&["--dry-run", "--report", "plan.csv", "--report", "plan.jsonl"]).exits(0).says("plan.csv, plan.jsonl");
    let rows = plan(&project, "plan.csv");
    assert_eq!(rows[0], "2 none: already accepted at");
    assert!(
        rows[3].starts_with("5 none: failed at with http-404: ")
            && rows[3].ends_with("fix the cause, then retry with `--retry-failed`"),
        "{}",
        rows[3]
    );
    assert!(rows[5].starts_with("7 none: unknown at with ") && rows[5].contains("campaign resolve"), "{}", rows[5]);
    assert_eq!(rows[6], "8 send: not sent yet");
    let lines = fs::read_to_string(project.path("plan.jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[4]["error_code"], &lines[6]["action"]), (7, &"duplicate".into(), &"send".into()));

    project.run(&["--dry-run", "--retry-failed", "--limit", "1", "--report", "plan.csv"]).exits(0);
    let rows = plan(&project, "plan.csv");
    assert!(rows[3].starts_with("5 send: earlier failed, http-404"), "{}", rows[3]);
    assert_eq!(rows[6], "8 wait: not selected by `--only` or `--limit`");
    project.run(&["--only", "106"]).exits(4);
    project.run(&["--dry-run", "--report", "plan.csv"]).exits(0);
    let rows = plan(&project, "plan.csv");
    let failed = "8 none: failed at with 131049: Held back; retry with `--retry-failed`, 1 d 0 h after it failed at the earliest";
    assert_eq!(rows[6], failed);
    // Nothing of it was sent, and a plan is no report that speaks of an earlier run.
    assert_eq!(desk.messages().len(), 4);
    let outcomes = fs::read_to_string(project.path("reports/c.csv")).unwrap();
    fs::remove_dir_all(project.path(".campaign")).unwrap();
    fs::remove_file(project.path("reports/c.csv")).unwrap();
    project.run(&["--dry-run", "--report", "plan.jsonl"]).exits(0);
    assert!(outcomes.contains("accepted"));
}

#[test]
fn a_retry_is_offered_only_where_it_can_help() {
    let desk = Desk::start(
        "faults:
          - { on: message, match: { conversation_id: 101 }, fail: { code: 131026, title: Undeliverable } }
          - { on: message, match: { conversation_id: 102 }, fail: { code: 132005, title: Too long } }",
    );
    let project = shop(&desk).list("conversation_id,ok,text\n101,yes,Hi\n102,yes,Hi\n");
    project.run(&[]);
    project.run(&["--dry-run", "--report", "plan.csv"]).exits(0);
    let rows = plan(&project, "plan.csv");
    assert!(rows[0].ends_with("; a retry cannot help"), "{}", rows[0]);
    assert!(rows[1].ends_with("; correct the row or the spec, then retry with `--retry-failed`"), "{}", rows[1]);
}

#[test]
fn rows_that_stop_a_run_are_in_its_plan() {
    let desk = Desk::friendly();
    let project = shop(&desk).list(&LIST.replace("106,yes,Hi", "106,yes,{{ x }}\n\"107\",yes"));
    let ran = project.run(&["--dry-run", "--report", "plan.csv"]).exits(2);
    assert!(ran.stderr.contains("plan written to plan.csv"), "{}", ran.stderr);
    let rows = plan(&project, "plan.csv");
    assert_eq!((rows.len(), rows[0].as_str()), (8, "2 wait: nothing is sent until the rows with `stop` are right"));
    assert!(rows[6].starts_with("8 stop: invalid: ") && rows[7].starts_with("9 stop: invalid: "), "{rows:?}");
    assert!(!project.path(".campaign").exists());
    project.run(&["--dry-run", "--skip-invalid", "--report", "plan.csv"]).exits(0);
    let rows = plan(&project, "plan.csv");
    assert!(rows[0] == "2 send: not sent yet" && rows[6].starts_with("8 skip: invalid: "), "{rows:?}");
    let project = project.list("conversation_id,ok,text\n101,yes,{{ x }}\n");
    let ran = project.run(&["--dry-run", "--report", "plan.csv"]).exits(2);
    assert!(!ran.stderr.contains("every row of the list is skipped"), "{}", ran.stderr);
    // A list that cannot be read to its end has no plan.
    fs::remove_file(project.path("plan.csv")).unwrap();
    let project = project.file("list.csv", b"conversation_id,ok,text\n101,yes,J\xfcrgen\n");
    project.run(&["--dry-run", "--report", "plan.csv"]).exits(2);
    assert!(!project.path("plan.csv").exists());
}

#[test]
fn a_plan_replaces_neither_reports_nor_what_the_campaign_reads() {
    let desk = Desk::friendly();
    let project = shop(&desk);
    project.run(&["--report", "sent.csv", "--limit", "1"]).exits(0);
    let report = fs::read(project.path("sent.csv")).unwrap();
    for name in ["plan.html", "plan", "list.csv", "stop.csv", "reports/c.csv", "sent.csv", "."] {
        let ran = project.run(&["--dry-run", "--report", name]).exits(2);
        assert!(
            ran.stderr.contains("the plan would overwrite") || ran.stderr.contains("cannot be written"),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(fs::read(project.path("sent.csv")).unwrap(), report);
    assert_eq!(fs::read_to_string(project.path("list.csv")).unwrap(), LIST);
}
