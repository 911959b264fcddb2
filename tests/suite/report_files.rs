//! Result reports as files: never in place of something else, whole or not at all, and found unwritable before the run.

#![cfg(unix)]

use std::fs::{self, File};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Desk, Project, mkfifo, one_unknown, rows};

#[test]
fn a_report_never_replaces_the_list_or_the_spec() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2).setting("report: list.csv");
    let before = fs::read_to_string(project.path("list.csv")).unwrap();
    project.run(&[]).exits(2);
    assert_eq!(before, fs::read_to_string(project.path("list.csv")).unwrap());
    assert_eq!(desk.messages().len(), 0);
}

#[test]
fn a_report_can_be_cut_down_to_some_outcomes() {
    let (_desk, project) = one_unknown();
    let ran = project.campaign(&["report", "campaign.yaml", "-o", "-", "--only", "unknown"]).exits(0);
    let keys: Vec<_> = rows(&ran.stdout).iter().map(|row| row["key"].clone()).collect();
    assert_eq!(keys, ["102"]);
    project.campaign(&["report", "campaign.yaml", "-o", "all.jsonl"]).exits(0);
    assert_eq!(fs::read_to_string(project.path("all.jsonl")).unwrap().lines().count(), 3);
}

#[test]
fn a_signal_while_the_report_is_written_is_heard() {
    let desk = Desk::friendly();
    let rows: Vec<String> = (101..200_000).map(|id| id.to_string()).collect();
    let project = Project::at(&desk).setting("recipients: { file: list.csv, where: 'conversation_id|int < 104' }");
    let project = project.list(&format!("conversation_id\n{}\n", rows.join("\n")));
    let run = project.start(&[]);
    desk.wait_for_messages(3);
    let is_written = || {
        let entries = fs::read_dir(project.path("reports")).into_iter().flatten();
        entries.filter_map(Result::ok).any(|entry| entry.metadata().is_ok_and(|about| about.len() > 0))
    };
    let began = Instant::now();
    while !is_written() {
        assert!(began.elapsed() < Duration::from_mins(1), "no report was begun");
        thread::sleep(Duration::from_millis(1));
    }
    run.interrupt();
    let ran = run.finish().exits(130).says("reports/c.csv: interrupted before it was written");
    assert!(ran.stderr.contains("the ledger is complete"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(project.path("reports")).unwrap().count(), 0, "nothing is left of it");
    project.campaign(&["report", "campaign.yaml"]).exits(0);
    assert_eq!(project.count("accepted"), 3);
}

/// The summary is printed all the same, and nobody thinks that the ledger is broken.
#[test]
fn a_report_that_cannot_be_written_in_the_end_is_named_and_can_be_written_later() {
    let desk = Desk::late_for(105, "1s");
    let project = Project::at(&desk).people(9).send("concurrency: 1");
    let run = project.start(&[]);
    desk.wait_for_messages(5);
    fs::remove_dir_all(project.path("reports")).unwrap();
    fs::write(project.path("reports"), "").unwrap();
    let ran =
        run.finish().exits(1).says("reports/c.csv: cannot be written").says("campaign report campaign.yaml -o FILE");
    assert!(ran.stdout.contains("accepted          9"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("ledger cannot"), "{}", ran.stderr);
    project.campaign(&["report", "campaign.yaml", "-o", "late.csv"]).exits(0);
    assert_eq!(fs::read_to_string(project.path("late.csv")).unwrap().lines().count(), 10);
}

#[test]
fn a_report_that_cannot_be_written_is_found_at_its_key_before_anything_is_sent() {
    let desk = Desk::friendly();
    let at = "report: taken/c.csv";
    for make in [
        (|project: &Project| fs::write(project.path("taken"), "a file").unwrap()) as fn(&Project),
        |project| fs::create_dir_all(project.path("taken/c.csv")).unwrap(),
        |project| {
            fs::create_dir_all(project.path("taken")).and_then(|()| mkfifo(&project.path("taken/c.csv"))).unwrap();
        },
    ] {
        let project = Project::at(&desk).people(2).setting(at);
        make(&project);
        let ran =
            project.run(&[]).exits(1).says("campaign.yaml:6:9").says("^^^").says("the report cannot be written: ");
        assert!(ran.stderr.contains("taken/c.csv"), "{}", ran.stderr);
        project.run(&["--report", "campaign.yaml/out.csv"]).exits(1).says("--report").says("Not a directory");
    }
    for name in ["report: \"a\\nb.csv\"", "report: \"a\\u0007.csv\""] {
        let project = Project::at(&desk).people(2).setting(name);
        project.run(&[]).exits(2).says("control character").says("campaign.yaml:6:9");
    }
    Project::at(&desk).people(2).run(&["--report", "a\nb.csv"]).exits(2).says("control characters");
    assert_eq!(desk.journal().len(), 0);
}

/// They hold customers' data; and one that somebody is writing is not touched.
#[test]
fn what_killed_runs_have_left_of_reports_is_removed_and_nothing_else() {
    let desk = Desk::friendly();
    for words in [&["run", "campaign.yaml"][..], &["report", "campaign.yaml"]] {
        let project = Project::at(&desk).people(2);
        project.run(&[]).exits(0);
        let left = ["reports/.report-aB3xYz", "reports/.report-000000"];
        let others =
            ["reports/.report-notes", "reports/.report-aB3xYz.txt", "reports/report-aB3xYz", "reports/.report-zzzzzz"];
        for name in left.into_iter().chain(others) {
            fs::write(project.path(name), "+4915112345678").unwrap();
        }
        let being_written = File::open(project.path("reports/.report-zzzzzz")).unwrap();
        being_written.lock().unwrap();
        project.campaign(words).exits(0);
        assert!(left.iter().all(|name| !project.path(name).exists()), "{words:?}");
        assert!(others.iter().all(|name| project.path(name).exists()), "{words:?}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_found_before_anything_is_sent() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2).file("reports", "a file where the folder should be");
    project.run(&[]).exits(1).says("reports/c.csv");
    assert_eq!(desk.journal().len(), 0);
}

#[test]
fn a_list_of_opt_outs_never_replaces_a_pipe_or_a_device() {
    let (_desk, project) = one_unknown();
    let pipe = project.path("pipe");
    mkfifo(&pipe).unwrap();
    project
        .campaign(&["report", "campaign.yaml", "--only", "opted-out", "-o", pipe.to_str().unwrap()])
        .exits(1)
        .says("not a regular file");
    assert!(!fs::symlink_metadata(&pipe).unwrap().is_file());
}

#[test]
fn what_was_in_flight_when_a_report_was_written_and_did_not_leave_holds_no_later_run() {
    let desk =
        Desk::start("faults: [{ on: message, times: 1, delay: 2s, status: 429, headers: { Retry-After: 600 } }]");
    let project = Project::at(&desk).people(1);
    let running = project.start(&[]);
    desk.wait_for_messages(1);
    project.campaign(&["report", "campaign.yaml"]).exits(0);
    assert_eq!(project.outcomes(), ["101: claimed"]);
    // It was certainly not taken, so it is pending again. Killed, the run writes no report that says so.
    running.wait_for("rate limited by LiveDesk until");
    assert!(running.kill(), "it waits");
    project.run(&[]).exits(0);
    assert_eq!(project.outcomes(), ["101: accepted"]);
}
