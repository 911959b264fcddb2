//! What stops a run before it does more harm, and what does not.

use std::fs;

use jiff::{SignedDuration, Timestamp};

use crate::harness::{Desk, Project};

const TEMPLATE: &str = "{ content: Hello, template_params: { name: order_update, language: en_US, processed_params: { \
     '1': 'x' } } }";

#[test]
fn a_template_that_does_not_fit_stops_the_run_after_a_handful_and_fails_nobody() {
    for (concurrency, same_error) in [(2, 5), (16, 20)] {
        let desk = Desk::start("templates: [{ name: order_update, language: en_US, body: 2 }]");
        let project = Project::at(&desk).people(60).message(TEMPLATE);
        let project = project.send(&format!("stop_when: {{ same_error: {same_error} }}"));
        let project = project.send(&format!("concurrency: {concurrency}"));
        project.run(&[]).exits(5).says("send.stop_when.same_error").says("132000").says("60 messages still pending");
        // Those that were in flight together, and then one at a time: none more than it takes.
        assert_eq!(desk.messages().len(), same_error);
        assert_eq!((project.count("pending"), project.count("failed")), (60, 0));
    }
}

#[test]
fn a_template_that_is_mended_goes_to_everybody() {
    let desk = Desk::start("templates: [{ name: order_update, language: en_US, body: 1 }]");
    let wrong = TEMPLATE.replace("order_update", "order_updat");
    let project = Project::at(&desk).people(30).message(&wrong);
    let project = project.send("stop_when: { same_error: 5 }").send("concurrency: 1");
    project.run(&[]).exits(5);
    let project = project.message(TEMPLATE);
    project.run(&["--accept-changes"]).exits(0);
    assert_eq!((project.count("failed"), project.count("accepted")), (0, 30));
}

#[test]
fn a_short_list_that_is_refused_as_a_whole_is_the_campaigns_trouble() {
    for (to, faults) in [
        ("{ conversation_id: '{{ conversation_id }}' }", "{ on: message, fail: { code: 132001, title: No } }"),
        ("{ inbox_id: 79, source_id: '{{ conversation_id }}' }", "{ on: conversation, status: 404 }"),
        ("{ inbox_id: 79, contact: { identifier: '{{ conversation_id }}' } }", "{ on: contact, status: 404 }"),
    ] {
        let desk = Desk::start(&format!("faults: [{faults}]"));
        let project = Project::at(&desk).people(5).to(to);
        project
            .run(&[])
            .exits(5)
            .says("every message was refused for the same reason")
            .says("5 messages still pending");
        assert_eq!(project.count("pending"), 5, "{to}");
        let mended = Desk::friendly();
        let project = project.address(&mended);
        project.run(&[]).exits(0);
        assert_eq!(project.count("accepted"), 5, "{to}");
    }
}

#[test]
fn refusals_of_some_are_their_own_wherever_they_are_in_the_list() {
    let faults: Vec<String> = [101, 107, 108, 125, 139, 140]
        .iter()
        .map(|id| {
            format!("  - {{ on: message, match: {{ conversation_id: {id} }}, fail: {{ code: 132012, title: No }} }}")
        })
        .collect();
    for concurrency in [1, 16] {
        let desk = Desk::start(&format!("faults:\n{}\n", faults.join("\n")));
        let project = Project::at(&desk).people(40).send(&format!("concurrency: {concurrency}"));
        project.run(&[]).exits(3);
        assert_eq!((project.count("accepted"), project.count("failed")), (34, 6));
        let row = &project.report()[0];
        assert_eq!((row["error_code"].as_str(), row["attempts"].as_str()), ("132012", "1"));
        assert_eq!(row["livedesk_status"], "failed", "{row:?}");
        assert!(!row["message_id"].is_empty() && !row["first_attempt_at"].is_empty(), "{row:?}");
    }
}

#[test]
fn failures_that_are_the_recipients_own_stop_nothing() {
    let desk = Desk::start("faults: [{ on: message, fail: { code: 131026, title: Message undeliverable } }]");
    let project = Project::at(&desk).people(80).send("stop_when: { same_error: 3, after: 10, failed: 1% }");
    project.run(&[]).exits(3);
    assert_eq!(project.count("failed"), 80);
}

#[test]
fn too_large_a_share_of_common_failures_stops_the_run() {
    let faults: Vec<String> = (104..=200)
        .step_by(4)
        .map(|id| format!("  - {{ on: message, match: {{ conversation_id: {id} }}, status: 404 }}"))
        .collect();
    let desk = Desk::start(&format!("faults:\n{}\n", faults.join("\n")));
    let project = Project::at(&desk).people(100).send("concurrency: 1").send("stop_when: { after: 20, failed: 20% }");
    project.run(&[]).exits(5).says("send.stop_when.failed");
    assert_eq!(desk.messages().len(), 20);
}

#[test]
fn doubt_about_one_after_the_other_stops_the_run() {
    let desk = Desk::start("faults: [{ on: message, status: 502 }]");
    let project = Project::at(&desk).people(30).send("stop_when: { same_error: 4 }").send("concurrency: 1");
    project.run(&[]).exits(5);
    assert_eq!((project.count("unknown"), project.count("pending")), (4, 26));
}

#[test]
fn a_canary_waits_for_somebodys_approval_and_no_later_run_gives_it() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(10).send("canary: 3");
    project.run(&[]).exits(5).says("the canary of 3 was sent; check what arrived");
    assert_eq!(project.count("accepted"), 3);
    project.run(&[]).exits(5).says("`--approve-canary`");
    assert_eq!(desk.messages().len(), 3);
    project.run(&["--dry-run"]).exits(0).says("canary   sent by an earlier run");
    project.run(&["--approve-canary", "--limit", "2"]).exits(0);
    // Approved once, it is approved for good.
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 10);
}

/// Whoever approves one message has not seen another one.
#[test]
fn a_changed_message_has_a_canary_of_its_own() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 109 }, status: 404 }]");
    let project = Project::at(&desk).people(20).send("canary: 3");
    project.run(&[]).exits(5);
    let project = project.message("{ content: Another text }");
    project.run(&["--approve-canary"]).exits(2).says("--accept-changes");
    let changed = project.run(&["--approve-canary", "--accept-changes"]).exits(5);
    changed.says("the canary of 3 was sent; check what arrived");
    assert_eq!(desk.addressed(), (101..=106).collect::<Vec<u64>>());
    project.run(&[]).exits(5).says("`--approve-canary`");
    project.run(&["--approve-canary", "--limit", "1"]).exits(0);
    // A canary that was approved does not come back with a message that is the same.
    project.run(&["--limit", "1"]).exits(0);
    // A failure of the second message says nothing about the third one.
    project.run(&["--limit", "1"]).exits(3);
    let project = project.message("{ content: A third text }");
    project.run(&["--accept-changes", "--yes"]).exits(3);
    assert_eq!((project.count("accepted"), project.count("failed")), (19, 1));
}

#[test]
fn a_canary_that_is_made_smaller_is_not_approved_by_that() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(10).send("canary: 5");
    project.run(&[]).exits(5);
    let spec = fs::read_to_string(project.path("campaign.yaml")).unwrap();
    fs::write(project.path("campaign.yaml"), spec.replace("canary: 5", "canary: 2")).unwrap();
    project.run(&[]).exits(5).says("`--approve-canary`");
    assert_eq!(desk.messages().len(), 5);
}

#[test]
fn a_canary_that_was_cut_short_is_finished_first() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(10).send("canary: 4");
    project.run(&["--limit", "1"]).exits(0);
    project.run(&[]).exits(5);
    assert_eq!(project.count("accepted"), 4);
    project.run(&["--yes"]).exits(0);
    assert_eq!(project.count("accepted"), 10);
}

#[test]
fn a_canary_that_is_refused_as_a_whole_lets_nobody_follow() {
    let desk = Desk::start("templates: [{ name: order_update, language: en, body: 1 }]");
    let project = Project::at(&desk).people(10).message(TEMPLATE).send("canary: 3");
    for flags in [&["--yes"][..], &["--approve-canary"], &[]] {
        project.run(flags).exits(5).says("132001");
        assert_eq!(project.count("pending"), 10, "{flags:?}");
    }
    assert!(desk.addressed().iter().all(|id| (101..=103).contains(id)), "{:?}", desk.addressed());
    let project = project.message(&TEMPLATE.replace("en_US", "en"));
    project.run(&[]).exits(5).says("the canary of 3 was sent");
    project.run(&["--approve-canary"]).exits(0);
    assert_eq!(project.count("accepted"), 10);
}

/// The rest would most likely meet it as well: whoever said yes before could not know.
#[test]
fn approval_in_advance_does_not_cover_a_canary_that_fails_and_afterwards_it_does() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 102 }, status: 404 }]");
    let project = Project::at(&desk).people(6).send("canary: 3");
    project.run(&["--yes", "--approve-canary"]).exits(5).says("the canary of 3 failed: 1 failed with http-404");
    for flags in [&["--yes"][..], &[]] {
        project.run(flags).exits(5).says("the canary of 3 failed: 1 failed with http-404");
    }
    assert_eq!(desk.messages().len(), 3);
    project.run(&["--approve-canary"]).exits(3);
    assert_eq!((project.count("accepted"), project.count("failed")), (5, 1));
}

#[test]
fn failures_that_are_the_recipients_own_do_not_fail_a_canary() {
    let desk = Desk::start(
        "faults: [{ on: message, match: { conversation_id: 102 }, fail: { code: 131026, title: Message undeliverable } \
         }]",
    );
    let project = Project::at(&desk).people(6).send("canary: 3");
    project.run(&["--yes"]).exits(3);
    assert_eq!((project.count("accepted"), project.count("failed")), (5, 1));
}

#[test]
fn an_end_in_the_past_sends_nothing() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3).send("not_after: '2020-01-01T00:00:00Z'");
    project.run(&[]).exits(5).says("`send.not_after` has passed").says("3 messages still pending");
    assert_eq!(desk.journal().len(), 0);
}

#[test]
fn a_beginning_in_the_past_holds_nothing() {
    let desk = Desk::friendly();
    Project::at(&desk).people(3).send("not_before: '2020-01-01T00:00:00Z'").run(&["--no-wait"]).exits(0);
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn nothing_leaves_before_its_time() {
    let desk = Desk::friendly();
    let start = Timestamp::now() + SignedDuration::from_millis(1_200);
    let project = Project::at(&desk).people(3).send(&format!("not_before: '{start}'"));
    project.run(&[]).exits(0).says("paused by send.not_before");
    let first: Timestamp = desk.messages()[0]["at"].as_str().unwrap().parse().unwrap();
    assert!(first >= start, "{first} is before {start}");
}

#[test]
fn a_ledger_of_a_newer_version_is_refused_and_left_alone() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    project.run(&[]).exits(0);
    let ledger = project.path(".campaign/c.sqlite");
    rusqlite::Connection::open(&ledger).unwrap().execute_batch("PRAGMA user_version = 999").unwrap();
    let before = fs::read(&ledger).unwrap();
    project.run(&[]).exits(1).says("use a newer version");
    assert_eq!(before, fs::read(&ledger).unwrap());
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn a_canary_that_was_agreed_to_is_followed_by_everybody_else() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(10).send("canary: 3");
    project.run(&["--yes"]).exits(0);
    assert_eq!((project.count("accepted"), project.count("pending")), (10, 0));
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
