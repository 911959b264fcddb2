//! `campaign stop`: runs end in good order, wherever they are, and can be continued.

use std::fs;

use crate::harness::{Desk, Project};
use crate::postgres_server::Server;
use crate::workers::{nobody_twice_or_lost, shared, workers};

#[track_caller]
fn nobody_is_at_work(project: &Project) {
    let ran = project.campaign(&["stop", "campaign.yaml"]).exits(0);
    assert_eq!(ran.stdout, "c: no run is under way\n", "{}", ran.stderr);
}

#[test]
fn a_run_on_this_machine_stops_when_it_is_asked_to() {
    let desk = Desk::start("faults: [{ delay: 50ms }]");
    let project = Project::at(&desk).people(200).send("concurrency: 2");
    nobody_is_at_work(&project);
    assert!(!project.path(".campaign").exists(), "it makes no ledger");
    let running = project.start(&[]);
    desk.wait_for_messages(3);
    project.campaign(&["stop", "campaign.yaml"]).exits(0).says("to stop; it finishes");
    running.finish().exits(130).says("interrupted");
    project.run(&[]).exits(0);
    assert_eq!((desk.addressed().len(), project.count("accepted")), (200, 200));

    // Somebody else's process is left alone, whatever the lock says of it.
    let running = Project::at(&desk).people(200).send("concurrency: 2");
    let run = running.start(&[]);
    desk.wait_for_messages(203);
    let lock = running.path(".campaign/c.sqlite-lock");
    let written = fs::read_to_string(&lock).unwrap();
    let of_test = written.replace(&run.process().to_string(), &std::process::id().to_string());
    fs::write(&lock, of_test).unwrap();
    running.campaign(&["stop", "campaign.yaml", "--no-wait"]).exits(1).says("cannot be reached from here");
    fs::write(&lock, written).unwrap();
    running.campaign(&["stop", "campaign.yaml"]).exits(0);
    run.finish().exits(130);
}

#[test]
fn all_workers_stop_when_they_are_asked_to_and_the_campaign_can_be_continued() {
    let name = "stop::all_workers_stop_when_they_are_asked_to_and_the_campaign_can_be_continued";
    let Some(server) = Server::shared(name) else { return };
    let (desk, address) = (Desk::start("faults: [{ delay: 50ms }]"), server.database());
    let project = shared(&desk, &address, 400).send("concurrency: 2");
    nobody_is_at_work(&project);
    let running = workers(&desk, &project, 3);
    let status = project.campaign(&["status", "campaign.yaml"]);
    assert!(status.stdout.contains("run by 3 workers: "), "{status:?}");
    assert_eq!(status.stdout.matches(", last heard of 0 s ago").count(), 3, "{status:?}");
    let status = &project.campaign(&["status", "campaign.yaml", "--format", "json"]).json()[0];
    assert_eq!(status["run"]["workers"].as_array().unwrap().len(), 3, "{status}");
    let stopped = project.campaign(&["stop", "campaign.yaml"]).exits(0);
    assert_eq!(
        stopped.stderr.matches("to stop; it finishes the messages that are in flight").count(),
        3,
        "{stopped:?}"
    );
    assert!(stopped.stdout.contains("c: stopped; `campaign run` continues it"), "{stopped:?}");
    for worker in running {
        worker.finish().exits(130).says("interrupted");
    }
    let sent = desk.messages().len();
    assert!(sent < 400, "it was stopped before its end");
    nobody_is_at_work(&project);
    let project = project.send("concurrency: 40");
    project.run(&[]).exits(0);
    assert_eq!(nobody_twice_or_lost(&desk, &project, 400), 0);
}
