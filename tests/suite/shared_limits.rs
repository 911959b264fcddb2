//! What one recipient causes is that recipient's; what all get is the campaign's.

use std::fmt::Write;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::harness::{Desk, Project};

const SENDER: &str = "{ inbox_id: 79, source_id: '{{ conversation_id }}' }";
const CONTACT: &str = "{ inbox_id: 79, contact: { identifier: 'customer-{{ conversation_id }}' } }";
const FLOODED: &str = "status: 422, body: { error: 'Validation failed: Too many messages' }";

fn limited_102(fault: &str) -> Desk {
    Desk::start(&format!("faults: [{{ on: message, match: {{ conversation_id: 102 }}, {fault} }}]"))
}

#[test]
fn one_conversation_that_is_always_limited_holds_nobody_and_fails_at_last() {
    for (fault, code) in [("status: 429", "http-429"), (FLOODED, "http-422")] {
        for concurrency in [1, 16] {
            let desk = limited_102(fault);
            let project = Project::at(&desk).people(60).send(&format!("concurrency: {concurrency}"));
            let began = Instant::now();
            let ran = project.run(&[]).exits(3).says("list.csv:3 (key 102)").says(code);
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
            assert_eq!((project.count("accepted"), project.count("failed")), (59, 1));
            assert_eq!(project.report()[1]["error_code"], code);
            let tries = desk.addressed().iter().filter(|id| **id == 102).count();
            assert!((3..=5).contains(&tries), "{tries} tries");
            assert!(!ran.stderr.contains("send.rate"), "{}", ran.stderr);
        }
    }
}

#[test]
fn one_that_is_limited_at_the_end_of_a_list_fails_alone() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 110 }, status: 429 }]");
    let project = Project::at(&desk).people(10).send("concurrency: 1");
    project.run(&[]).exits(3);
    assert_eq!((project.count("accepted"), project.count("failed")), (9, 1));
}

#[test]
fn one_contact_that_is_always_limited_holds_nobody() {
    let desk = Desk::start("faults: [{ on: contact, match: { identifier: customer-102 }, status: 429 }]");
    let project = Project::at(&desk).people(20).to(CONTACT);
    project.run(&[]).exits(3).says("list.csv:3 (key customer-102)");
    assert_eq!((project.count("accepted"), project.count("failed")), (19, 1));
}

#[test]
fn a_limit_that_all_meet_fails_nobody() {
    let desk = Desk::start(
        "faults: [{ on: message, until: 0s, status: 429 }]".replace("until: 0s", "match: { until: 2s }").as_str(),
    );
    let project = Project::at(&desk).people(40);
    project.run(&[]).exits(0).says("rate limited by LiveDesk");
    assert_eq!(project.count("accepted"), 40);
}

#[test]
fn a_limit_without_end_ends_the_run_and_fails_nobody() {
    for on in ["message", "conversation", "contact"] {
        for people in [1, 40] {
            let desk = Desk::start(&format!("faults: [{{ on: {on}, status: 429 }}]"));
            let project = Project::at(&desk).people(people).to(CONTACT).send("outage: 200ms");
            project.run(&[]).exits(1).says("rate limits every request to").says("(send.outage): http-429");
            assert_eq!(project.count("pending"), usize::try_from(people).unwrap());
        }
    }
}

#[test]
fn a_wait_that_the_server_asks_for_is_no_outage() {
    let desk = Desk::start("faults: [{ on: message, times: 3, status: 429, headers: { Retry-After: 1 } }]");
    let project = Project::at(&desk).people(2).send("concurrency: 1").send("outage: 100ms");
    project.run(&[]).exits(0);
    assert_eq!(project.count("accepted"), 2);
}

#[test]
fn a_few_per_cent_of_refusals_keep_most_of_the_pace() {
    let faults = (1..=12).fold(String::new(), |mut faults, nth| {
        // Writing to a string cannot fail.
        let _ = writeln!(faults, "  - {{ on: message, match: {{ nth: {} }}, status: 429 }}", nth * 33 + 4);
        faults
    });
    let desk = Desk::start(&format!("faults:\n{faults}"));
    let project = Project::at(&desk).people(400).send("rate: 50/s").send("retry: { backoff: 500ms, max_backoff: 2s }");
    let began = Instant::now();
    project.run(&[]).exits(0);
    assert_eq!(project.count("accepted"), 400);
    // Eight seconds at the whole pace.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

/// What a key that may not send can meet when it asks for contacts.
const READING: [&str; 5] = [
    "",
    "  - { on: search, status: 404 }\n",
    "  - { on: search, status: 405 }\n",
    "  - { on: search, status: 422 }\n",
    "  - { on: search, status: 200, body: '<html>Sign in</html>' }\n",
];

#[test]
fn a_key_that_may_read_and_not_write_fails_nobody() {
    for (to, kind, people) in [
        ("{ conversation_id: '{{ conversation_id }}' }", "message", 60),
        ("{ conversation_id: '{{ conversation_id }}' }", "message", 5),
        (SENDER, "conversation", 60),
        (CONTACT, "contact", 60),
    ] {
        for reading in READING {
            for status in [401, 403] {
                let desk = Desk::start(&format!("faults:\n  - {{ on: {kind}, status: {status} }}\n{reading}"));
                let project = Project::at(&desk).people(people).to(to);
                let ran = project.run(&[]).exits(1).says(&format!("http-{status}"));
                assert!(ran.stderr.contains("refuses to"), "{}", ran.stderr);
                assert_eq!(project.count("pending"), usize::try_from(people).unwrap(), "{kind} {reading}");
            }
        }
    }
}

#[test]
fn a_key_that_may_read_and_not_write_is_told_so() {
    let desk = Desk::start("faults: [{ on: message, status: 401 }]");
    Project::at(&desk)
        .people(60)
        .run(&[])
        .exits(1)
        .says("LiveDesk accepts the credentials for reading but refuses to send (http-401")
        .says("60 messages still pending");
}

#[test]
fn one_that_is_denied_at_the_end_of_a_list_fails_alone() {
    for concurrency in [1, 16] {
        let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 130 }, status: 401 }]");
        let project = Project::at(&desk).people(30).send(&format!("concurrency: {concurrency}"));
        project.run(&[]).exits(3);
        assert_eq!((project.count("accepted"), project.count("failed")), (29, 1));
    }
}

#[test]
fn several_that_are_denied_among_many_fail_alone() {
    let faults = (1..=10).fold(String::new(), |mut faults, nth| {
        // Writing to a string cannot fail.
        let _ = writeln!(faults, "  - {{ on: message, match: {{ conversation_id: {} }}, status: 403 }}", 100 + nth);
        faults
    });
    for concurrency in [1, 16] {
        let desk = Desk::start(&format!("faults:\n{faults}"));
        let project = Project::at(&desk).people(40).send(&format!("concurrency: {concurrency}"));
        project.run(&[]).exits(3);
        assert_eq!((project.count("accepted"), project.count("failed")), (30, 10));
    }
}

#[test]
fn the_only_recipient_who_is_denied_stays_pending_and_both_possibilities_are_said() {
    let desk = Desk::start("faults: [{ on: message, status: 403 }]");
    let project = Project::at(&desk).people(1);
    project
        .run(&[])
        .exits(1)
        .says("lacks that permission")
        .says("may not access these recipients (list.csv:2 (key 101))");
    assert_eq!(project.count("pending"), 1);
}

/// A spec that ends soon.
fn ending_soon(desk: &Desk) -> Project {
    let end = Timestamp::now() + SignedDuration::from_millis(2_500);
    Project::at(desk).people(5).send("concurrency: 1").send(&format!("not_after: '{end}'"))
}

#[test]
fn the_last_moment_ends_every_wait() {
    for fault in [
        "{ on: message, status: 429, headers: { Retry-After: 600 } }",
        "{ on: message, match: { conversation_id: 102 }, status: 422, body: { error: 'Too many messages' } }",
        "{ on: any, match: { from: 1ms }, status: 502 }",
    ] {
        let desk = Desk::start(&format!("faults: [{fault}]"));
        let project = ending_soon(&desk).send("retry: { attempts: 5, backoff: 20s, max_backoff: 60s }");
        let began = Instant::now();
        project.run(&[]).exits(5).says("`send.not_after` has passed");
        assert!(began.elapsed() < Duration::from_secs(15), "{fault}: {:?}", began.elapsed());
        assert_eq!(project.count("failed"), 0);
    }
}

#[test]
fn a_server_that_has_never_answered_is_told_of_at_once() {
    let desk = Desk::start("faults: [{ on: any, delay: 30s }]");
    let project = Project::at(&desk).people(30).send("concurrency: 2").send("timeout: 500ms");
    let run = project.start(&[]);
    run.wait_for("no clear answer from LiveDesk (timeout: no answer in time)");
    run.interrupt();
    run.finish().exits(130);
}

#[test]
fn where_nothing_listens_that_is_said_at_once() {
    let address = Desk::friendly().close();
    let project =
        Project::at_address(&address).people(3).send("retry: { attempts: 5, backoff: 20s, max_backoff: 60s }");
    let run = project.start(&[]);
    run.wait_for(&format!("cannot reach {address}"));
    run.interrupt();
    run.finish().exits(130);
}

#[test]
fn whoever_interrupts_a_run_does_not_wait_for_a_probe() {
    let desk = Desk::start(
        "faults:
          - { on: message, match: { conversation_id: 101 }, status: 502 }
          - { on: search, delay: 25s }",
    );
    let project = Project::at(&desk).people(3).send("concurrency: 1");
    let run = project.start(&[]);
    desk.wait_for_messages(1);
    run.wait_for("no clear answer");
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    run.interrupt();
    run.finish().exits(130);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
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
