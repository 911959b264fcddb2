//! Guards that see what became of messages after the answer `sent`: a canary that waits for receipts, and `stop_when`.

use std::time::Instant;

use serde_json::Value;

use crate::harness::{Desk, Project};

const TEMPLATE: &str = "{ content: Hi, template_params: { name: welcome, language: en } }";
const CONFIRMED: &str = "canary: { count: 5, confirmed: 80%, within: 30s }";
/// WhatsApp refuses the template, and LiveDesk has said `sent` before.
const LATE: &str = "templates: []\nlate_templates: true\n";

fn reads(desk: &Desk) -> Vec<Value> {
    desk.requests("read_messages")
}

#[test]
fn a_template_that_is_refused_after_sent_stops_after_the_canary_and_not_after_the_list() {
    let desk = Desk::start(LATE);
    let project = Project::at(&desk).people(200).message(TEMPLATE).send(CONFIRMED);
    let ran = project.run(&[]).exits(5).says("the canary of 5 was not confirmed: ");
    ran.says("of 5 were not delivered; the last: 132001").says("`--approve-canary`");
    assert_eq!((desk.messages().len(), project.count("accepted"), project.count("pending")), (5, 5, 195));
    // Neither again nor unattended is it sent by itself.
    for flags in [&[][..], &["--yes"]] {
        project.run(flags).exits(5).says("the canary of 5 was not confirmed");
    }
    assert_eq!(desk.messages().len(), 5);
    project.run(&["--approve-canary", "--limit", "2"]).exits(0);
    assert_eq!(desk.messages().len(), 7);
}

#[test]
fn the_rest_follows_a_confirmed_canary_by_itself() {
    let desk =
        Desk::start("receipts: [{ match: { nth: 2 }, fail: { code: 131026, title: Undeliverable }, after: 1ms }]\n");
    let project = Project::at(&desk).people(12).send(CONFIRMED);
    project.run(&["--dry-run"]).exits(0).says("canary: first 5, and the rest when 80% are confirmed within 30 s");
    project.run(&[]).exits(0);
    assert_eq!((desk.messages().len(), project.count("accepted")), (12, 12));
    // Four of five are enough, and they were looked at before the sixth message left.
    let sixth = desk.messages()[5]["seq"].as_u64();
    assert!(reads(&desk).iter().filter(|read| read["seq"].as_u64() < sixth).count() >= 4);
}

#[test]
fn a_canary_without_receipts_stops_when_its_time_is_over() {
    let desk = Desk::start("receipts: [{ statuses: [] }]\n");
    let project = Project::at(&desk).people(12).send("canary: { count: 3, confirmed: 50%, within: 2s }");
    let began = Instant::now();
    project.run(&[]).exits(5).says("the canary of 3 was not confirmed: only 0 of 3 were confirmed within 2 s");
    assert!(began.elapsed().as_secs() >= 2);
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn a_canary_whose_receipts_cannot_be_read_is_not_confirmed() {
    for refused in ["status: 404", "status: 401", "body: '<html>Sign in</html>'"] {
        let desk = Desk::start(&format!("faults: [{{ on: read_messages, {refused} }}]\n"));
        let project = Project::at(&desk).people(12).send(CONFIRMED);
        project.run(&[]).exits(5).says("its receipts cannot be read here");
        assert_eq!((desk.messages().len(), reads(&desk).len()), (5, 3), "{refused}");
    }
}

#[test]
fn a_wait_for_receipts_can_be_interrupted() {
    let desk = Desk::start("receipts: [{ statuses: [] }]\n");
    let project = Project::at(&desk).people(12).send("canary: { count: 3, confirmed: 50%, within: 5m }");
    let running = project.start(&[]);
    desk.wait_for(1, "read_messages");
    running.interrupt();
    running.finish().exits(130);
    assert_eq!(desk.messages().len(), 3);
}

/// What a run was stopped at, the next one goes on with: nobody is asked about a canary that arrives.
#[test]
fn a_wait_for_receipts_that_was_interrupted_goes_on_with_the_next_run() {
    let desk = Desk::start("receipts: [{ statuses: [delivered], after: 4s }]\n");
    let project = Project::at(&desk).people(12).send("canary: { count: 3, confirmed: 100%, within: 5m }");
    let running = project.start(&[]);
    desk.wait_for(1, "read_messages");
    running.interrupt();
    running.finish().exits(130);
    project.run(&["--dry-run"]).exits(0).says("canary   sent by an earlier run");
    project.run(&[]).exits(0);
    assert_eq!((desk.messages().len(), project.count("accepted")), (12, 12));
}

/// Its messages are those of all runs that sent it.
#[test]
fn a_canary_that_two_runs_have_sent_is_confirmed_as_a_whole() {
    let desk =
        Desk::start("receipts: [{ match: { nth: 1 }, fail: { code: 131026, title: Undeliverable }, after: 1ms }]\n");
    let project = Project::at(&desk).people(12).send("canary: { count: 4, confirmed: 100%, within: 30s }");
    project.run(&["--limit", "2"]).exits(0);
    project.run(&[]).exits(5).says("the canary of 4 was not confirmed: 1 of 4 were not delivered");
    assert_eq!(desk.messages().len(), 4);
}

#[test]
fn what_a_run_has_seen_of_its_messages_is_kept_in_the_ledger() {
    let desk = Desk::start("receipts: [{ statuses: [delivered] }]\n");
    let project = Project::at(&desk).people(5).send("canary: { count: 3, confirmed: 100%, within: 30s }");
    project.run(&[]).exits(0);
    let looked = reads(&desk).len();
    let status = project.campaign(&["status", "campaign.yaml"]).exits(0);
    assert!(status.stdout.contains("delivered           3"), "{}", status.stdout);
    assert_eq!(reads(&desk).len(), looked);
}

#[test]
fn reads_keep_to_their_own_rate() {
    let desk = Desk::start("receipts: [{ statuses: [] }]\n");
    let project = Project::at(&desk)
        .people(12)
        .send("canary: { count: 10, confirmed: 50%, within: 3s }")
        .setting("track: { requests: 4/s }");
    project.run(&[]).exits(5);
    let count = reads(&desk).len();
    assert!((4..=14).contains(&count), "{count} reads in 3 s");
}

/// Without any canary: 20 messages a second to a template that WhatsApp refuses after each answer.
#[test]
fn failures_that_receipts_tell_stop_a_run_that_is_under_way() {
    let desk = Desk::start(LATE);
    let project = Project::at(&desk)
        .people(2_000)
        .message(TEMPLATE)
        .send("rate: 20/s")
        .send("stop_when: { same_error: 3 }")
        .setting("track: { requests: 20/s }");
    project.run(&[]).exits(5).says("by receipts, 3 times in a row: 132001");
    let sent = desk.messages().len();
    assert!((50..=400).contains(&sent), "{sent} were sent in some five seconds");
}
