//! The server goes away under load and comes back, or does not.

use crate::harness::{Desk, Project};

const SENDER: &str = "{ inbox_id: 79, source_id: '{{ conversation_id }}' }";

/// A campaign of ten seconds at an even pace, with few in flight.
fn under_load(desk: &Desk) -> Project {
    Project::at(desk).people(300).send("rate: 60/s").send("concurrency: 8").send("timeout: 1s")
}

/// The outage left few in doubt, and everybody else got it once.
#[track_caller]
fn rode_it_out(desk: &Desk, project: &Project, most_unknown: usize) {
    let unknown = project.count("unknown");
    assert!((1..=most_unknown).contains(&unknown), "{unknown} unknown");
    assert_eq!(project.count("accepted"), 300 - unknown);
    let taken = |entry: &serde_json::Value| (entry["accepted"] == true).then(|| entry["path"].to_string());
    let mut addressed: Vec<String> = desk.messages().iter().filter_map(taken).collect();
    let all = addressed.len();
    addressed.sort_unstable();
    addressed.dedup();
    assert_eq!(addressed.len(), all, "somebody got it twice");
}

#[test]
fn a_gateway_without_a_backend_is_waited_for() {
    let desk = Desk::start("faults: [{ match: { from: 2s, until: 5s }, status: 502 }]");
    let project = under_load(&desk);
    project.run(&[]).exits(4).says("sending pauses until it answers again").says("LiveDesk is back");
    // At 60 a second one is in flight, seldom two; and one may be tried too early.
    rode_it_out(&desk, &project, 4);
}

#[test]
fn connections_that_break_are_waited_out() {
    for drop in ["after_accepting", "before_accepting"] {
        let desk = Desk::start(&format!("faults: [{{ match: {{ from: 1s, until: 3s }}, drop: {drop} }}]"));
        let project = under_load(&desk);
        project.run(&[]).exits(4);
        rode_it_out(&desk, &project, 4);
    }
}

#[test]
fn a_server_that_hangs_leaves_no_more_in_doubt_than_may_be_in_flight() {
    let desk = Desk::start("faults: [{ match: { from: 1s, until: 3s }, delay: 20s }]");
    let project = under_load(&desk);
    project.run(&[]).exits(4);
    rode_it_out(&desk, &project, 8 + 1);
}

#[test]
fn preparing_waits_an_outage_out_and_fails_nobody() {
    let desk = Desk::start("faults: [{ match: { from: 1s, until: 3s }, status: 503 }]");
    let project = under_load(&desk).to(SENDER);
    let code = project.run(&[]).code;
    assert!(matches!(code, Some(0 | 4)), "{code:?}");
    assert_eq!((project.count("failed"), project.count("pending")), (0, 0));
    assert!(project.count("unknown") <= 4, "{:?}", project.count("unknown"));
}

#[test]
fn a_server_that_does_not_come_back_ends_the_run_with_everybody_pending() {
    let desk = Desk::start("faults: [{ match: { from: 500ms }, status: 502 }]");
    let project = under_load(&desk).send("outage: 1s");
    project.run(&[]).exits(1).says("LiveDesk did not come back").says("send.outage").says("still pending");
    assert!((1..=3).contains(&project.count("unknown")), "{}", project.count("unknown"));
    assert_eq!(project.count("failed"), 0);
}

#[test]
fn few_messages_are_risked_on_a_server_that_answers_everything_but_messages() {
    let desk = Desk::start("faults: [{ on: message, status: 500, accept: true }]");
    let project = Project::at(&desk).people(200).send("concurrency: 16");
    let ran = project.run(&[]).exits(1).says("in a row ended as unknown");
    assert!(project.count("unknown") <= 16 + 6, "{}", ran.stderr);
    assert_eq!(desk.messages().len(), project.count("unknown"));
}

#[test]
fn one_answer_in_doubt_among_many_holds_nobody_up_for_long() {
    let desk = Desk::start(
        "faults: [{ on: message, match: { nth: 10 }, status: 500 }, { on: message, match: { nth: 40 }, status: 500 }]",
    );
    let project = Project::at(&desk).people(100);
    project.run(&[]).exits(4);
    assert_eq!((project.count("accepted"), project.count("unknown")), (98, 2));
    assert!(desk.requests("search").len() <= 4, "{}", desk.requests("search").len());
}
