//! Never faster than the limit, as the desk saw it: the times are those of its journal.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::harness::{Desk, Project, Ran};

const SECOND: u64 = 1_000_000;
/// By so much the way to the desk may differ from message to message.
const ON_THE_WAY: u64 = 10_000;
const SENDER: &str = "{ inbox_id: 79, source_id: '{{ conversation_id }}' }";

fn is_message(entry: &Value) -> bool {
    entry["kind"] == "message"
}

/// The most that ever arrived within `window`, wherever it begins.
fn most_within(times: &[u64], window: u64) -> usize {
    let within = |from: usize| times[from..].iter().filter(|at| **at - times[from] < window).count();
    (0..times.len()).map(within).max().unwrap_or_default()
}

/// The times of 250 messages at 50 a second.
fn at_fifty_a_second() -> Vec<u64> {
    let desk = Desk::alone();
    Project::at(&desk).people(250).send("rate: 50/s").run(&[]).exits(0);
    desk.times(is_message)
}

#[test]
fn fifty_a_second_is_fifty_in_every_second_and_no_fewer() {
    // A busy machine delivers late what left in time, which looks like a hurry afterwards, or stalls, and nobody hurries
    // to make up for that. What is wrong with the pace itself shows each time.
    let never_too_many = |times: &[u64]| most_within(times, SECOND - ON_THE_WAY) <= 50;
    let span = |times: &[u64]| times[249] - times[0];
    let within_one_percent = |times: &[u64]| (249 * SECOND / 50..=249 * SECOND * 10 / 495).contains(&span(times));
    let good = |times: &[u64]| never_too_many(times) && within_one_percent(times);
    let times = (1..3).fold(at_fifty_a_second(), |times, _| if good(&times) { times } else { at_fifty_a_second() });
    assert_eq!(times.len(), 250);
    assert!(never_too_many(&times), "more than 50 in a second: {times:?}");
    assert!(within_one_percent(&times), "not 50/s within 1 %: {} us", span(&times));
    assert!(most_within(&times[..25], SECOND / 10) <= 6, "a burst at the start: {:?}", &times[..25]);
}

#[test]
fn requests_of_all_kinds_share_one_limit() {
    let desk = Desk::friendly();
    let to = "{ inbox_id: 79, contact: { identifier: 'customer-{{ conversation_id }}' } }";
    Project::at(&desk).people(30).to(to).send("requests: 60/s").run(&[]).exits(0);
    let times = desk.times(|_| true);
    assert_eq!(times.len(), 90);
    assert!(most_within(&times, SECOND - 2 * ON_THE_WAY) <= 60, "{times:?}");
    assert!(times[89] - times[0] >= 89 * SECOND / 60 - SECOND / 50, "{times:?}");
}

#[test]
fn a_burst_leaves_back_to_back_and_the_rest_evenly() {
    let desk = Desk::friendly();
    Project::at(&desk).people(15).send("rate: 10/s").send("burst: 5").run(&[]).exits(0);
    let times = desk.times(is_message);
    assert!(times[4] - times[0] < SECOND / 10, "{times:?}");
    assert!(times[14] - times[0] >= SECOND * 95 / 100, "{times:?}");
    assert!(times[5..].windows(2).all(|pair| pair[1] - pair[0] > SECOND / 20), "{times:?}");
}

#[test]
fn no_more_are_in_flight_than_told() {
    let desk = Desk::start("faults: [{ on: message, delay: 100ms }]");
    Project::at(&desk).people(6).send("concurrency: 1").run(&[]).exits(0);
    let times = desk.times(is_message);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= SECOND / 10), "{times:?}");
}

#[test]
fn as_many_are_in_flight_as_told() {
    let desk = Desk::start("faults: [{ on: message, delay: 400ms }]");
    Project::at(&desk).people(12).send("concurrency: 6").run(&[]).exits(0);
    let times = desk.times(is_message);
    assert_eq!(most_within(&times, SECOND * 39 / 100), 6, "{times:?}");
}

#[test]
fn a_quota_holds_in_any_window() {
    let desk = Desk::friendly();
    Project::at(&desk).people(13).send("quota: 5/s").run(&[]).exits(0).says("paused by send.quota");
    let times = desk.times(is_message);
    assert!(most_within(&times, SECOND * 99 / 100) <= 5, "{times:?}");
    assert!(times[4] - times[0] < SECOND / 2, "as fast as it goes until it is full: {times:?}");
}

#[test]
fn a_quota_is_counted_over_all_runs() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(9).send("quota: 3/min").send("concurrency: 1");
    project.run(&["--limit", "2"]).exits(0);
    project.run(&["--no-wait"]).exits(7).says("paused by send.quota until").says("6 messages still pending");
    assert_eq!(desk.messages().len(), 3);
    let ran = project.run(&["--no-wait", "--format", "json"]).exits(7);
    assert_eq!(desk.messages().len(), 3);
    // Also the run that fills it says when the first place is free again, not when it ended.
    let result: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    let until: Timestamp = result["stopped"]["until"].as_str().unwrap().parse().unwrap();
    let left = until.duration_since(Timestamp::now()).as_secs();
    assert!((40..=60).contains(&left), "{until}");
}

#[test]
fn a_start_in_the_future_is_not_waited_for_when_told_so() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3).send("not_before: '2099-01-01T00:00:00Z'");
    project.run(&["--no-wait"]).exits(7).says("paused by send.not_before until").says("3 messages still pending");
    assert_eq!(desk.journal().len(), 0);
}

#[test]
fn conversations_are_made_under_the_limit_of_requests_and_not_of_messages() {
    let desk = Desk::start("faults: [{ on: conversation, delay: 50ms }]");
    Project::at(&desk).people(20).to(SENDER).send("rate: 20/s").send("requests: 100/s").run(&[]).exits(0);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for entry in desk.journal() {
        *kinds.entry(entry["kind"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(kinds, BTreeMap::from([("conversation".to_owned(), 20), ("message".to_owned(), 20)]));
    let times = desk.times(is_message);
    assert!(times[19] - times[0] >= SECOND * 90 / 100, "{times:?}");
}

/// The times at which messages arrived, over as many runs of `--limit 1`.
fn one_by_one(desk: &Desk, project: &Project, runs: usize) -> Vec<u64> {
    for _ in 0..runs {
        project.run(&["--limit", "1"]).exits(0);
    }
    desk.times(is_message)
}

#[test]
fn the_pace_holds_across_runs() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(9).send("rate: 60/min");
    let times = one_by_one(&desk, &project, 4);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= SECOND - 2 * ON_THE_WAY), "{times:?}");
}

#[test]
fn a_burst_does_not_begin_anew_with_each_run() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(30).send("rate: 5/s").send("burst: 5");
    for _ in 0..3 {
        project.run(&["--limit", "6"]).exits(0);
    }
    let times = desk.times(is_message);
    assert_eq!(times.len(), 18);
    // A burst, and what is due in the second.
    assert!(most_within(&times, SECOND) <= 5 + 5, "{times:?}");
    assert!(times[17] - times[0] >= 12 * SECOND / 5, "{times:?}");
}

/// Sets the clock of the campaign's ledger: as if all times that it knows had been so many seconds earlier.
fn earlier_by(project: &Project, seconds: i64) {
    let ledger = rusqlite::Connection::open(project.path(".campaign/c.sqlite")).unwrap();
    campaign::ledger::register_checksum(&ledger).unwrap();
    let mark: String = ledger.query_row("SELECT clock FROM campaign", [], |row| row.get(0)).unwrap();
    let mut mark: Value = serde_json::from_str(&mark).unwrap();
    let wall: jiff::Timestamp = mark["wall"].as_str().unwrap().parse().unwrap();
    mark["wall"] = (wall - jiff::SignedDuration::from_secs(seconds)).to_string().into();
    ledger.execute("UPDATE campaign SET clock = ?1", [mark.to_string()]).unwrap();
    let by = seconds * 1_000;
    ledger.execute("UPDATE delivery SET left_at = left_at - ?1, claimed_at = claimed_at - ?1", [by]).unwrap();
}

/// The quota of a minute holds, and for no longer than a minute.
#[track_caller]
fn is_held_for_a_minute(ran: &Ran) {
    let until = ran.stderr.split("paused by send.quota until ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let until: jiff::Timestamp = until.unwrap().parse().unwrap();
    let wait = until.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((30..=61).contains(&wait), "{wait} s: {}", ran.stderr);
}

#[test]
fn a_clock_that_is_set_neither_empties_a_quota_nor_closes_it_for_ever() {
    for set_forward in [3 * 86_400, -3 * 86_400] {
        let desk = Desk::friendly();
        let project = Project::at(&desk).people(9).send("quota: 3/min").send("concurrency: 1");
        project.run(&["--limit", "3"]).exits(0);
        earlier_by(&project, set_forward);
        for _ in 0..2 {
            is_held_for_a_minute(&project.run(&["--no-wait"]).exits(7));
        }
        assert_eq!(desk.messages().len(), 3);
    }
}

#[test]
fn a_departure_in_the_future_counts_as_one_of_now() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(9).send("quota: 3/min").send("concurrency: 1");
    project.run(&["--limit", "3"]).exits(0);
    // As if the machine had been started anew in between: nobody knows how much time has passed.
    let ledger = rusqlite::Connection::open(project.path(".campaign/c.sqlite")).unwrap();
    campaign::ledger::register_checksum(&ledger).unwrap();
    ledger.execute_batch("UPDATE campaign SET clock = NULL; UPDATE delivery SET left_at = left_at + 86400000").unwrap();
    drop(ledger);
    is_held_for_a_minute(&project.run(&["--no-wait"]).exits(7));
    assert_eq!(desk.messages().len(), 3);
}

/// The most messages that arrived within `window`, wherever it begins.
fn most_messages_within(desk: &Desk, window: u64) -> usize {
    let times = desk.times(|entry| entry["kind"] == "message");
    let within = |from: &u64| times.iter().filter(|at| *at >= from && **at - from < window).count();
    times.iter().map(within).max().unwrap_or_default()
}

#[test]
fn a_quota_is_filled_before_a_run_that_may_not_wait_ends() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(9).send("quota: 3/min");
    let ran = project.run(&["--no-wait", "--format", "json"]).exits(7);
    assert_eq!(desk.messages().len(), 3);
    // Also the run that fills it says when the first place is free again, not when it ended.
    let result: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    let until: Timestamp = result["stopped"]["until"].as_str().unwrap().parse().unwrap();
    let left = until.duration_since(Timestamp::now()).as_secs();
    assert!((40..=60).contains(&left), "{until}");
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
