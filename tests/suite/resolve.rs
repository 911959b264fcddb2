//! `campaign resolve`: a person decides deliveries whose outcome is unknown.

use crate::harness::{Desk, Project, one_unknown};

#[test]
fn resolved_as_sent_it_is_done_and_never_sent_again() {
    let (desk, project) = one_unknown();
    project.campaign(&["resolve", "campaign.yaml", "--key", "102", "--sent", "--note", "seen in LiveDesk"]).exits(0);
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 3);
    assert_eq!(project.outcomes(), ["101: accepted", "102: accepted", "103: accepted"]);
}

#[test]
fn resolved_as_not_sent_it_is_sent_by_the_next_run() {
    let (desk, project) = one_unknown();
    project.campaign(&["resolve", "campaign.yaml", "--all", "--not-sent"]).exits(0);
    project.run(&[]).exits(0);
    assert_eq!(desk.addressed().iter().filter(|id| **id == 102).count(), 2);
    assert_eq!(project.report()[1]["attempts"], "2");
}

#[test]
fn only_what_is_unknown_can_be_resolved() {
    let (desk, project) = one_unknown();
    project
        .campaign(&["resolve", "campaign.yaml", "--key", "101", "--not-sent"])
        .exits(1)
        .says("no delivery with the key `101` is unknown; nothing was resolved");
    project.run(&[]).exits(4);
    assert_eq!(desk.messages().len(), 3);
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
fn a_resolved_delivery_shows_its_history() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 102 }, times: 1, status: 500 }]");
    let project = Project::at(&desk).people(3);
    project.run(&[]).exits(4);
    project.campaign(&["resolve", "campaign.yaml", "--all", "--not-sent", "--note", "not in LiveDesk"]).exits(0);
    project.run(&[]).exits(0);
    let row = &project.report()[1];
    assert_eq!((row["outcome"].as_str(), row["error_code"].as_str()), ("accepted", ""));
    let error = &row["error"];
    assert!(error.starts_with("earlier unknown, http-500: ") && error.ends_with(": not in LiveDesk)"), "{error}");
    assert!(error.contains("(resolved as not sent 20"), "{error}");
}

#[test]
fn a_message_that_was_resolved_as_sent_counts_once_against_quotas() {
    let desk = Desk::start("faults: [{ on: message, times: 1, status: 500 }]");
    let project = Project::at(&desk).people(3).send("quota: 3/h").send("concurrency: 1");
    project.run(&["--limit", "2"]).exits(4);
    project.campaign(&["resolve", "campaign.yaml", "--all", "--sent"]).exits(0);
    project.run(&["--no-wait"]).exits(0);
    assert_eq!(desk.messages().len(), 3);
}
