//! Several processes at work on one campaign, whose ledger is in PostgreSQL. The judge is the desk's journal.

use std::collections::BTreeSet;

use crate::harness::{Desk, Project, Running, signal};
use crate::postgres_server::{Server, database_of};

/// A campaign whose workers take each other for dead soon.
pub(super) fn shared(desk: &Desk, address: &str, people: u64) -> Project {
    let address = format!("{address}?worker_timeout=2s");
    Project::at(desk).people(people).environment("CAMPAIGN_LEDGER", Some(&address))
}

/// Starts as many workers; the first has begun to send when the others come.
pub(super) fn workers(desk: &Desk, project: &Project, count: usize) -> Vec<Running> {
    let first = project.start(&[]);
    desk.wait_for_messages(1);
    let mut all = vec![first];
    for _ in 1..count {
        let worker = project.start(&[]);
        worker.wait_for("joining the run that was begun by process");
        all.push(worker);
    }
    all
}

/// Nobody got two messages, and everybody is accounted for. Gives how many are unknown.
#[track_caller]
pub(super) fn nobody_twice_or_lost(desk: &Desk, project: &Project, people: usize) -> usize {
    let addressed = desk.addressed();
    let once: BTreeSet<_> = addressed.iter().collect();
    assert_eq!(addressed.len(), once.len(), "somebody was messaged twice: {addressed:?}");
    let (accepted, unknown) = (project.count("accepted"), project.count("unknown"));
    assert_eq!(accepted + unknown, people, "somebody is lost: {:?}", project.outcomes());
    assert!(once.len() >= accepted, "accepted is what arrived");
    unknown
}

#[test]
fn workers_divide_a_campaign_and_the_last_one_writes_the_report() {
    let Some(server) = Server::shared("workers::workers_divide_a_campaign_and_the_last_one_writes_the_report") else {
        return;
    };
    let (desk, address) = (Desk::start("faults: [{ delay: 150ms }]"), server.database());
    let project = shared(&desk, &address, 90).send("concurrency: 2");
    let ended: Vec<_> = workers(&desk, &project, 3).into_iter().map(|worker| worker.finish().exits(0)).collect();
    assert_eq!(nobody_twice_or_lost(&desk, &project, 90), 0);
    let reports = ended.iter().filter(|ran| ran.stderr.contains("report:")).count();
    assert_eq!(reports, 1, "{ended:?}");
    let working = server.sql(database_of(&address), "SELECT count(DISTINCT worker) FROM campaign.delivery");
    assert_eq!(working.trim(), "3", "all of them have worked");
}

#[test]
fn whoever_would_send_something_else_joins_nobody() {
    let Some(server) = Server::shared("workers::whoever_would_send_something_else_joins_nobody") else { return };
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 103 }, delay: 60s }]");
    let address = server.database();
    let project = shared(&desk, &address, 9).send("concurrency: 1").send("timeout: 59s");
    let first = project.start(&[]);
    desk.wait_for_messages(3);
    let other = shared(&desk, &address, 9).send("concurrency: 2");
    other.run(&[]).exits(2).says("being run by process").says("the spec").says("nothing was sent");
    let text = std::fs::read_to_string(project.path("campaign.yaml")).unwrap_or_default();
    let other = shared(&desk, &address, 8).spec(&text);
    other.run(&[]).exits(2).says("what differs here is: the list;");
    project.run(&["--retry-failed"]).exits(6);
    assert_eq!(desk.messages().len(), 3);
    assert!(first.kill());
}

#[test]
fn what_a_killed_worker_had_is_taken_over_and_what_it_had_claimed_is_unknown() {
    let test = "workers::what_a_killed_worker_had_is_taken_over_and_what_it_had_claimed_is_unknown";
    let Some(server) = Server::shared(test) else { return };
    let desk = Desk::start("faults: [{ delay: 20ms }]");
    let project = shared(&desk, &server.database(), 120).send("concurrency: 2");
    let mut running = workers(&desk, &project, 3);
    desk.wait_for_messages(30);
    assert!(running.swap_remove(0).kill(), "it was to be killed in the middle");
    for worker in running {
        let ran = worker.finish();
        assert!([Some(0), Some(4)].contains(&ran.code), "{ran:?}");
    }
    assert!(nobody_twice_or_lost(&desk, &project, 120) <= 2, "in doubt is only what was in flight");
}

#[test]
fn a_worker_that_was_stopped_for_too_long_sends_nothing_more() {
    let Some(server) = Server::shared("workers::a_worker_that_was_stopped_for_too_long_sends_nothing_more") else {
        return;
    };
    let desk = Desk::start("faults: [{ delay: 20ms }]");
    let project = shared(&desk, &server.database(), 200).send("concurrency: 2");
    let mut running = workers(&desk, &project, 2);
    desk.wait_for_messages(20);
    let stopped = running.remove(0);
    signal(stopped.process(), "-STOP");
    let others = running.remove(0).finish();
    assert!([Some(0), Some(4)].contains(&others.code), "{others:?}");
    let before = desk.messages().len();
    signal(stopped.process(), "-CONT");
    stopped.finish().exits(1).says("took over its recipients");
    assert_eq!(desk.messages().len(), before, "it has sent after it was taken for dead");
    // A claim that it withdrew, because its message had not left, is pending again.
    project.run(&[]);
    assert!(nobody_twice_or_lost(&desk, &project, 200) <= 2);
}

#[test]
fn one_rate_holds_for_all_workers() {
    let Some(server) = Server::shared("workers::one_rate_holds_for_all_workers") else { return };
    let desk = Desk::friendly();
    let project = shared(&desk, &server.database(), 100).send("rate: 50/s").send("requests: 100/s");
    for worker in workers(&desk, &project, 2) {
        worker.finish().exits(0);
    }
    assert_eq!(nobody_twice_or_lost(&desk, &project, 100), 0);
    let times = desk.times(|entry| entry["kind"] == "message");
    let took = times[99] - times[0];
    assert!(took > 1_900_000, "100 messages at 50/s took {took} µs");
}

#[test]
fn whoever_is_interrupted_gives_back_what_it_has_and_the_others_go_on() {
    let Some(server) = Server::shared("workers::whoever_is_interrupted_gives_back_what_it_has_and_the_others_go_on")
    else {
        return;
    };
    let desk = Desk::start("faults: [{ delay: 20ms }]");
    let project = shared(&desk, &server.database(), 100).send("concurrency: 2");
    let mut running = workers(&desk, &project, 2);
    desk.wait_for_messages(10);
    let first = running.remove(0);
    first.interrupt();
    first.finish().exits(130).says("other workers are still at work");
    running.remove(0).finish().exits(0);
    assert_eq!(nobody_twice_or_lost(&desk, &project, 100), 0);
}
