//! Where an adversary looks: promises at their edges.

use std::fs;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::harness::{Desk, Project};

const SECOND: u64 = 1_000_000;
const SENDER: &str = "{ inbox_id: 79, source_id: '{{ conversation_id }}' }";

/// The most messages that arrived within `window`, wherever it begins.
fn most_messages_within(desk: &Desk, window: u64) -> usize {
    let times = desk.times(|entry| entry["kind"] == "message");
    let within = |from: &u64| times.iter().filter(|at| *at >= from && **at - from < window).count();
    times.iter().map(within).max().unwrap_or_default()
}

#[test]
fn a_canary_that_was_agreed_to_is_followed_by_everybody_else() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(10).send("canary: 3");
    project.run(&["--yes"]).exits(0);
    assert_eq!((project.count("accepted"), project.count("pending")), (10, 0));
}

#[test]
fn a_quota_is_filled_before_a_run_that_may_not_wait_ends() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(9).send("quota: 3/min");
    project.run(&["--no-wait"]).exits(7);
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn a_quota_holds_when_preparing_a_conversation_takes_longer_than_its_window() {
    let desk = Desk::start("faults: [{ on: conversation, times: 5, delay: 1300ms }]");
    Project::at(&desk).people(10).to(SENDER).send("quota: 5/s").run(&[]).exits(0);
    assert!(most_messages_within(&desk, SECOND * 9 / 10) <= 5, "{:?}", desk.times(|_| true));
}

#[test]
fn a_quota_holds_when_the_server_makes_everybody_wait() {
    let desk = Desk::start("faults: [{ on: message, times: 1, status: 429, headers: { Retry-After: 2 } }]");
    Project::at(&desk).people(20).send("quota: 5/s").run(&[]).exits(0);
    assert!(most_messages_within(&desk, SECOND * 9 / 10) <= 5, "{:?}", desk.times(|_| true));
}

#[test]
fn messages_keep_their_rate_when_other_requests_stand_in_their_way() {
    let desk = Desk::alone();
    let project = Project::at(&desk).people(60).to(SENDER).send("rate: 20/s").send("requests: 50/s");
    project.run(&[]).exits(0);
    let most = most_messages_within(&desk, SECOND * 98 / 100);
    assert!(most <= 20, "{most}: {:?}", desk.times(|entry| entry["kind"] == "message"));
}

#[test]
fn nothing_leaves_after_its_time() {
    let desk = Desk::friendly();
    let end = Timestamp::now() + SignedDuration::from_millis(1_500);
    let project = Project::at(&desk).people(12).send("rate: 4/s").send(&format!("not_after: '{end}'"));
    project.run(&[]).exits(5);
    let last: Timestamp = desk.messages().last().unwrap()["at"].as_str().unwrap().parse().unwrap();
    assert!(last <= end + SignedDuration::from_millis(100), "{last} is after {end}");
}

#[test]
fn being_told_to_wait_while_waiting_does_not_hang_the_run() {
    let desk = Desk::start(
        "faults:
          - { on: message, match: { nth: 2 }, delay: 300ms, status: 429, headers: { Retry-After: 1 } }
          - { on: message, times: 1, status: 429, headers: { Retry-After: 1 } }",
    );
    let project = Project::at(&desk).people(4).send("concurrency: 2");
    project.run(&[]).exits(0);
    assert_eq!(project.count("accepted"), 4);
}

#[test]
fn too_many_requests_hold_everybody_and_use_up_no_attempts() {
    let desk = Desk::start("faults: [{ on: message, times: 8, status: 429, headers: { Retry-After: 1 } }]");
    let project = Project::at(&desk).people(10).send("concurrency: 2");
    let began = Instant::now();
    project.run(&[]).exits(0).says("rate limited by LiveDesk");
    assert_eq!(project.count("accepted"), 10);
    assert_eq!(desk.messages().len(), 18);
    // Two leave together, so at least four times everybody waited a second.
    assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
    let times = desk.times(|entry| entry["status"] == 200);
    let refused = desk.times(|entry| entry["status"] == 429);
    // One may have been on its way beside the one that was refused last.
    let hasty = times.iter().filter(|time| **time < refused[7] + 1_000_000).count();
    assert!(hasty <= 1, "somebody did not wait: {times:?} {refused:?}");
}

#[test]
fn claims_do_not_wait_out_a_pause() {
    let desk = Desk::start("faults: [{ on: message, times: 1, status: 429, headers: { Retry-After: 600 } }]");
    let project = Project::at(&desk).people(40);
    let run = project.start(&[]);
    run.wait_for("rate limited by LiveDesk");
    let began = Instant::now();
    while project.campaign(&["status", "campaign.yaml"]).stdout.contains("claimed") {
        assert!(began.elapsed() < Duration::from_secs(30), "claims wait out the pause");
    }
    run.kill();
    project.run(&["--limit", "40"]);
    let posted = desk.addressed();
    let in_doubt = |key: &str| posted.contains(&key.parse().unwrap());
    for row in project.report().iter().filter(|row| row["outcome"] == "unknown") {
        assert!(in_doubt(&row["key"]), "{} was never posted and is unknown", row["key"]);
    }
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
fn a_quote_that_is_never_closed_swallows_nobody() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id,name\n101,\"Ada\n102,Bob\n103,Cy\n");
    project.message("{ content: 'Hi {{ name }}' }").run(&[]).exits(2);
    assert_eq!(desk.messages().len(), 0);
}

#[test]
fn no_secret_of_a_spec_is_shown_in_any_problem_with_it() {
    let project = Project::at_address("http://127.0.0.1:9").people(1);
    let spec = fs::read_to_string(project.path("campaign.yaml")).unwrap();
    let mut project = project;
    for livedesk in [
        "{ base_url: 'https://key:s3cr3t@livedesk-api.engagelab.com' }",
        "{ base_url: 'ftp://key:s3cr3t@livedesk-api.engagelab.com' }",
        "{ api_secrt: s3cr3t }",
        "{ api_secret: [s3cr3t] }",
        "{ api_secret: s3cr3t, api_secret: s3cr3t }",
        "{ api_key: k, api_secret: s3cr3t, base_url: http://example.com }",
    ] {
        let text = spec.replace("livedesk: { base_url: 'http://127.0.0.1:9' }", &format!("livedesk: {livedesk}"));
        project = project.spec(&text);
        let ran = project.run(&[]).exits(2);
        assert!(!ran.stderr.contains("s3cr3t"), "{livedesk}\n{}", ran.stderr);
    }
}

#[test]
fn an_unknown_key_is_shown_with_the_one_that_was_meant() {
    let project = Project::at_address("http://127.0.0.1:9").people(1).setting("mesage: x");
    project.run(&[]).exits(2).says("did you mean `message`?");
}

#[test]
fn looking_at_a_campaign_leaves_no_file_behind() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5);
    project.run(&["--limit", "2"]).exits(0);
    let before = project.files();
    project.run(&["--dry-run"]).exits(0);
    project.campaign(&["status", "campaign.yaml"]).exits(0);
    assert_eq!(before, project.files());
}

#[test]
fn a_dry_run_for_programs_prints_recipients_alone() {
    let to = "{ inbox_id: 79, contact: { phone_number: '{{ phone }}' } }";
    let project = Project::at_address("http://127.0.0.1:9").list("phone\n+123456789\n").to(to);
    let ran = project.message("{ content: Hi }").run(&["--dry-run", "--format", "json"]).exits(0);
    assert!(ran.json().iter().all(|row| row["key"].is_string()), "{}", ran.stdout);
}

#[test]
fn two_forbidden_neighbours_do_not_bar_everybody_behind_them() {
    let desk = Desk::start(
        "faults:
          - { on: message, match: { conversation_id: 102 }, status: 403 }
          - { on: message, match: { conversation_id: 103 }, status: 403 }",
    );
    let project = Project::at(&desk).people(10).send("concurrency: 1");
    for _ in 0..3 {
        project.run(&[]);
    }
    assert_eq!((project.count("accepted"), project.count("failed")), (8, 2), "{:?}", project.outcomes());
}

#[test]
fn a_forbidden_one_at_the_end_of_the_list_fails_alone() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 110 }, status: 403 }]");
    let project = Project::at(&desk).people(10).send("concurrency: 1");
    project.run(&[]).exits(3);
    assert_eq!(project.outcomes()[9], "110: failed");
}

#[test]
fn a_key_that_nobody_has_is_said() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    let ran = project.run(&["--only", "1O1"]).exits(2);
    assert!(ran.stderr.contains("1O1"), "{}", ran.stderr);
}

#[test]
fn what_a_killed_run_left_can_be_resolved_at_once() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 103 }, times: 1, delay: 20s }]");
    let project = Project::at(&desk).people(3);
    let run = project.start(&[]);
    desk.wait_for_messages(3);
    run.kill();
    project.campaign(&["status", "campaign.yaml"]).exits(4);
    project.campaign(&["resolve", "campaign.yaml", "--all", "--sent"]).exits(0);
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn a_secret_is_taken_from_the_file_as_it_stands() {
    let desk = Desk::start("credentials: { api_key: key, api_secret: 'pa$word#1' }");
    let project = Project::at(&desk).people(1).file(".env", "LIVEDESK_API_KEY=key\nLIVEDESK_API_SECRET=pa$word#1\n");
    let project = project.environment("LIVEDESK_API_KEY", None).environment("LIVEDESK_API_SECRET", None);
    project.run(&[]).exits(0);
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
fn a_report_never_replaces_the_list_or_the_spec() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2).setting("report: list.csv");
    let before = fs::read_to_string(project.path("list.csv")).unwrap();
    project.run(&[]).exits(2);
    assert_eq!(before, fs::read_to_string(project.path("list.csv")).unwrap());
    assert_eq!(desk.messages().len(), 0);
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

#[test]
fn a_list_from_a_pipe_is_continued_without_it() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3).setting("recipients: '-'");
    project.run_with_input(&["--limit", "1"], "conversation_id\n101\n102\n103\n").exits(0);
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 3);
}
