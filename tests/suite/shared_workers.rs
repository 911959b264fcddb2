//! What one of several workers learns, all know: pauses, outages, and what guards count. The judge is the desk's journal.

use std::time::{Duration, Instant};

use crate::harness::{Desk, Project, Ran};
use crate::postgres_server::Server;
use crate::workers::{nobody_twice_or_lost, shared, workers};

const SECOND: u64 = 1_000_000;
/// By so much the way to the desk may differ from request to request on a busy machine.
const ON_THE_WAY: u64 = 100_000;

/// How soon all have heard what one of them was told, and what had left by then has arrived.
const SOON: u64 = SECOND / 4;

/// Messages that arrived from one moment to another.
fn messages_between(desk: &Desk, from: u64, to: u64) -> usize {
    desk.times(|entry| entry["kind"] == "message").into_iter().filter(|at| (from..to).contains(at)).count()
}

#[test]
fn one_workers_pause_is_everybodys() {
    let Some(server) = Server::shared("shared_workers::one_workers_pause_is_everybodys") else { return };
    let limited = "{ on: message, match: { nth: 60 }, status: 429, headers: { Retry-After: 2 } }";
    let desk = Desk::start(&format!("faults: [{limited}]"));
    let project = shared(&desk, &server.database(), 110).send("rate: 30/s").send("concurrency: 4");
    let ended: Vec<Ran> = workers(&desk, &project, 3).into_iter().map(|worker| worker.finish().exits(0)).collect();
    assert_eq!(desk.messages().iter().filter(|entry| entry["accepted"] == true).count(), 110);
    assert_eq!(project.count("accepted"), 110);
    let told = desk.times(|entry| entry["status"] == 429)[0];
    assert_eq!(messages_between(&desk, told + SOON, told + 2 * SECOND - SECOND / 20), 0, "somebody went on sending");
    assert!(messages_between(&desk, told, u64::MAX) > 30, "the pause came in the middle");
    let heard = ended.iter().filter(|ran| ran.stderr.contains("(told to process")).count();
    assert_eq!(heard, 2, "{ended:?}");
}

#[test]
fn one_message_in_doubt_holds_all_workers_until_another_is_answered() {
    let test = "shared_workers::one_message_in_doubt_holds_all_workers_until_another_is_answered";
    let Some(server) = Server::shared(test) else { return };
    let desk = Desk::start(
        "faults: [{ on: message, match: { nth: 60 }, status: 500 },
                  { on: search, times: 6, status: 500, match: { from: 1s } }]",
    );
    let project = shared(&desk, &server.database(), 110).send("rate: 30/s").send("concurrency: 4");
    let project = project.send("retry: { attempts: 3, backoff: 500ms, max_backoff: 500ms }");
    let ended: Vec<Ran> = workers(&desk, &project, 3).into_iter().map(|worker| worker.finish().exits(4)).collect();
    assert_eq!(nobody_twice_or_lost(&desk, &project, 110), 1);
    let began = desk.times(|entry| entry["kind"] == "message" && entry["status"] == 500)[0];
    let answered = desk.times(|entry| entry["kind"] == "search" && entry["status"] == 200)[0];
    assert!(answered > began + SOON * 2, "they have waited");
    assert_eq!(messages_between(&desk, began + SOON, answered), 0, "somebody went on sending");
    let heard = ended.iter().filter(|ran| ran.stderr.contains("no clear answer from LiveDesk to process")).count();
    assert_eq!(heard, 2, "{ended:?}");
}

#[test]
fn all_workers_together_risk_few_messages_on_a_server_that_answers_everything_but_messages() {
    let test =
        "shared_workers::all_workers_together_risk_few_messages_on_a_server_that_answers_everything_but_messages";
    let Some(server) = Server::shared(test) else { return };
    let desk = Desk::start("faults: [{ on: message, match: { from: 3s }, status: 500, accept: true }]");
    let project = shared(&desk, &server.database(), 400).send("rate: 20/s").send("concurrency: 4");
    let mut gave_up = 0;
    for worker in workers(&desk, &project, 3) {
        let ran = worker.finish().exits(1);
        gave_up += usize::from(ran.stderr.contains("in a row ended as unknown"));
    }
    assert!(gave_up > 0, "nobody says why");
    // What was on its way when it began, and then one at a time.
    let unknown = nobody_twice_or_pending(&desk, &project);
    assert!((6..=9).contains(&unknown), "{unknown} unknown");
}

/// Nobody got two messages. Gives how many are unknown.
#[track_caller]
fn nobody_twice_or_pending(desk: &Desk, project: &Project) -> usize {
    let mut addressed = desk.addressed();
    let all = addressed.len();
    addressed.sort_unstable();
    addressed.dedup();
    assert_eq!(addressed.len(), all, "somebody was messaged twice");
    project.count("unknown")
}

/// All have stopped for the same reason, which one of them has found.
#[track_caller]
fn all_stopped(ended: &[Ran], reason: &str) {
    for ran in ended {
        assert!(ran.code == Some(5) && ran.stderr.contains(reason), "{ran:?}");
    }
    let told = ended.iter().filter(|ran| ran.stderr.contains("; stopped by process")).count();
    assert!(told > 0 && told < ended.len(), "{ended:?}");
}

#[test]
fn failures_in_a_row_are_those_of_all_workers_and_stop_all_of_them() {
    let Some(server) =
        Server::shared("shared_workers::failures_in_a_row_are_those_of_all_workers_and_stop_all_of_them")
    else {
        return;
    };
    let desk = Desk::start("faults: [{ on: message, match: { from: 3s }, fail: { code: 132001, title: No } }]");
    let project = shared(&desk, &server.database(), 400).send("rate: 20/s").send("concurrency: 4");
    let project = project.send("stop_when: { same_error: 20, failed: 100% }");
    let ended: Vec<Ran> = workers(&desk, &project, 4).into_iter().map(|worker| worker.finish()).collect();
    all_stopped(&ended, "times in a row: 132001");
    let refused = desk.messages().len() - project.count("accepted");
    assert!((20..=26).contains(&refused), "{refused} were refused");
    assert_eq!(project.count("failed"), 0, "it was everybody's trouble");
    // A worker that comes later begins anew.
    let mended = Desk::friendly();
    project.address(&mended).send("rate: unlimited").run(&["--accept-changes"]).exits(0);
}

#[test]
fn the_share_of_failures_is_that_of_all_workers() {
    let Some(server) = Server::shared("shared_workers::the_share_of_failures_is_that_of_all_workers") else { return };
    let faults: Vec<String> = (0..100)
        .map(|nth| {
            let id = 101 + 2 * nth;
            format!("  - {{ on: message, match: {{ conversation_id: {id} }}, fail: {{ code: 132012, title: No }} }}")
        })
        .collect();
    let desk = Desk::start(&format!("faults:\n{}\n", faults.join("\n")));
    let project = shared(&desk, &server.database(), 200).send("rate: 10/s").send("concurrency: 2");
    let project = project.send("stop_when: { failed: 25%, after: 40 }");
    let ended: Vec<Ran> = workers(&desk, &project, 4).into_iter().map(|worker| worker.finish()).collect();
    all_stopped(&ended, "of all workers, not counting");
    let sent = desk.messages().len();
    assert!((40..=55).contains(&sent), "{sent} were sent");
}

#[test]
fn a_quota_is_that_of_all_workers() {
    let Some(server) = Server::shared("shared_workers::a_quota_is_that_of_all_workers") else { return };
    let desk = Desk::friendly();
    let project = shared(&desk, &server.database(), 70).send("quota: [10/s, 500/h]").send("concurrency: 3");
    for worker in workers(&desk, &project, 3) {
        worker.finish().exits(0);
    }
    assert_eq!(nobody_twice_or_lost(&desk, &project, 70), 0);
    let times = desk.times(|entry| entry["kind"] == "message");
    let closest = times.windows(11).map(|window| window[10] - window[0]).min().unwrap_or_default();
    assert!(closest >= SECOND - ON_THE_WAY, "11 messages in {closest} µs");
    let took = times[69] - times[0];
    assert!(took < 12 * SECOND, "the quota is used: 70 messages took {took} µs");
}

#[test]
fn a_worker_that_ends_takes_nothing_of_a_quota_with_it_but_what_it_may_have_sent() {
    let test = "shared_workers::a_worker_that_ends_takes_nothing_of_a_quota_with_it_but_what_it_may_have_sent";
    let Some(server) = Server::shared(test) else { return };
    for killed in [false, true] {
        let desk = Desk::start("faults: [{ delay: 100ms }]");
        let project = shared(&desk, &server.database(), 40).send("quota: 12/h").send("concurrency: 3");
        let first = project.start(&["--no-wait"]);
        desk.wait_for_messages(2);
        let second = project.start(&["--no-wait"]);
        second.wait_for("joining the run that was begun by process");
        if killed {
            assert!(first.kill(), "it was to be killed in the middle");
        } else {
            first.interrupt();
            first.finish().exits(130);
        }
        // In doubt comes before the quota.
        let ran = second.finish();
        assert!(ran.code == Some(7) || killed && ran.code == Some(4), "{ran:?}");
        let (sent, accepted) = (desk.messages().len(), project.count("accepted"));
        if killed {
            let unknown = project.count("unknown");
            assert!(sent <= 12 && accepted + unknown <= 12 && unknown <= 3, "{sent} sent, {unknown} unknown");
        } else {
            assert_eq!((sent, accepted), (12, 12));
        }
        let ran = project.run(&["--no-wait"]);
        assert!(ran.stderr.contains("send.quota"), "{ran:?}");
        assert_eq!(desk.messages().len(), sent, "the next run knows what was sent");
    }
}

#[test]
fn status_shows_what_each_worker_has_in_flight() {
    let Some(server) = Server::shared("shared_workers::status_shows_what_each_worker_has_in_flight") else { return };
    let desk = Desk::start("faults: [{ on: message, match: { from: 1500ms }, delay: 60s }]");
    let project = shared(&desk, &server.database(), 100).send("rate: 20/s").send("concurrency: 2");
    let project = project.send("timeout: 59s");
    let running = workers(&desk, &project, 2);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let status = project.campaign(&["status", "campaign.yaml", "--format", "json"]).json().remove(0);
        let workers = status["run"]["workers"].as_array().cloned().unwrap_or_default();
        if workers.len() == 2 && workers.iter().all(|worker| worker["in_flight"] == 2) {
            break;
        }
        assert!(Instant::now() < deadline, "{status}");
    }
    let status = project.campaign(&["status", "campaign.yaml"]).exits(0);
    assert_eq!(status.stdout.matches(", 2 in flight, last heard of ").count(), 2, "{status:?}");
    for worker in running {
        worker.kill();
    }
}

#[test]
fn one_worker_sends_the_canary_and_the_others_go_on_when_it_is_approved() {
    let test = "shared_workers::one_worker_sends_the_canary_and_the_others_go_on_when_it_is_approved";
    let Some(server) = Server::shared(test) else { return };
    let desk = Desk::start("faults: [{ on: message, times: 4, delay: 3s }, { delay: 200ms }]");
    let project = shared(&desk, &server.database(), 60).send("canary: 4").send("concurrency: 2");
    let running = workers(&desk, &project, 3);
    for ran in running.iter().skip(1) {
        ran.wait_for("waiting for the canary, which another worker sends");
    }
    let ended: Vec<Ran> = running.into_iter().map(|worker| worker.finish().exits(5)).collect();
    assert_eq!(desk.messages().len(), 4, "{ended:?}");
    assert_eq!(ended.iter().filter(|ran| ran.stderr.contains("; stopped by process")).count(), 2, "{ended:?}");
    let project = project.send("concurrency: 1");
    let running: Vec<_> = (0..3).map(|_| project.start(&["--approve-canary", "--accept-changes"])).collect();
    let ended: Vec<Ran> = running.into_iter().map(|worker| worker.finish().exits(0)).collect();
    assert_eq!(nobody_twice_or_lost(&desk, &project, 60), 0);
    assert!(ended.iter().any(|ran| ran.stderr.contains("joining the run")), "{ended:?}");
}

#[test]
fn a_canary_whose_worker_dies_or_ends_is_finished_by_another() {
    let test = "shared_workers::a_canary_whose_worker_dies_or_ends_is_finished_by_another";
    let Some(server) = Server::shared(test) else { return };
    for killed in [false, true] {
        let desk = Desk::start("faults: [{ on: message, times: 12, delay: 700ms }]");
        let project = shared(&desk, &server.database(), 30).send("canary: 12").send("concurrency: 2");
        let mut running = workers(&desk, &project, 2);
        running[1].wait_for("waiting for the canary, which another worker sends");
        let first = running.remove(0);
        if killed {
            assert!(first.kill(), "it was to be killed in the middle");
        } else {
            first.interrupt();
            first.finish().exits(130);
        }
        running.remove(0).finish().exits(5).says("canary of 12");
        let accepted = project.count("accepted");
        assert_eq!(accepted + project.count("unknown"), 12, "{:?}", project.outcomes());
        assert!(accepted >= 10 && desk.messages().len() <= 12, "{accepted} accepted");
    }
}

#[test]
fn campaigns_of_one_project_share_its_requests() {
    let Some(server) = Server::shared("shared_workers::campaigns_of_one_project_share_its_requests") else { return };
    let (desk, address) = (Desk::friendly(), server.database());
    let named = |name: &str, rate: &str, key: &str| {
        let project = shared(&desk, &address, 40).to("{ inbox_id: 79, source_id: '{{ conversation_id }}' }");
        let project = project.send("requests: 20/s").send(rate).environment("LIVEDESK_API_KEY", Some(key));
        let spec = std::fs::read_to_string(project.path("campaign.yaml")).unwrap_or_default();
        project.spec(&spec.replacen("name: c\n", &format!("name: {name}\n"), 1))
    };
    let (one, two) = (named("one", "rate: unlimited", "test-key"), named("two", "rate: 5/s", "test-key"));
    let running = [one.start(&[]), one.start(&[]), two.start(&[])];
    for worker in running {
        worker.finish().exits(0);
    }
    assert_eq!(desk.messages().len(), 80);
    // A conversation and a message each, and what is read of receipts on the way.
    let times = desk.times(|_| true);
    let closest = times.windows(21).map(|window| window[20] - window[0]).min().unwrap_or_default();
    assert!(times.len() >= 160 && closest >= SECOND - ON_THE_WAY, "21 of {} requests in {closest} µs", times.len());
    // One has all that the other, which sends 5 messages a second, leaves of the limit.
    let took = times[119] - times[0];
    assert!(took < 8 * SECOND, "the limit is used: 120 requests took {took} µs");

    let (one, other) = (named("three", "rate: unlimited", "test-key"), named("four", "rate: unlimited", "other-key"));
    for worker in [one.start(&[]), other.start(&[])] {
        worker.finish().exits(0);
    }
    let times = desk.times(|entry| entry["kind"] == "message");
    let took = times[159] - times[80];
    assert!(took < 6 * SECOND, "another key is another project: {took} µs");
}
