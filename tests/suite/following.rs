//! `campaign track --follow`: asks for what has changed, falls back where it cannot, and ends when nothing is open.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::time::Duration;

use campaign::campaign::{open_to_track, opt_out_words, read_spec};
use campaign::ledger::{Inspect, Ledger, TrackQuery, register_checksum};
use campaign::livedesk::{Client, Credentials, Timeouts};
use campaign::secret::Secret;
use campaign::track::Tracker;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::harness::{Desk, Project, Running};

const AT_ONCE: &str = "after: 1ms, every: 1ms";

fn reads(desk: &Desk, kind: &str) -> usize {
    desk.requests(kind).len()
}

fn sent(desk: &Desk, people: u64) -> Project {
    let project = Project::at(desk).people(people).setting("track: { requests: unlimited }");
    project.run(&[]).exits(0);
    project
}

/// So many contacts of one inbox.
fn contacts(desk: &Desk, count: u64) -> Project {
    let rows: Vec<String> = (0..count).map(|id| format!("customer-{id}")).collect();
    let project = Project::at(desk)
        .to("{ inbox_id: '79', contact: { identifier: '{{ id }}' } }")
        .message("{ content: Hi }")
        .list(&format!("id\n{}\n", rows.join("\n")))
        .setting("track: { requests: unlimited }");
    project.run(&[]).exits(0);
    project
}

fn follow(project: &Project) -> Running {
    Running::launch(project.command(&["track", "campaign.yaml", "--now", "--follow"]))
}

#[test]
fn what_changes_is_asked_for_and_nothing_else_is_read() {
    let desk = Desk::start("receipts: [{ after: 3s, every: 1ms }]\n");
    let project = sent(&desk, 5);
    let ran = follow(&project).finish().exits(0);
    assert!(ran.stdout.contains("read           5"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
    assert!(reads(&desk, "list_updated") >= 2);
    assert_eq!(reads(&desk, "read_messages"), 5, "each once, at the beginning");
    let asked = desk.requests("list_updated").remove(0);
    assert!(asked["query"].as_str().unwrap().contains("status=all&updated_within="), "{asked}");
}

#[test]
fn where_changes_cannot_be_asked_for_the_list_is_read_and_then_each_conversation() {
    let changes = ["status: 404", "status: 401", "status: 403", "body: '<html>Sign in</html>'", "body: { code: 2001 }"];
    for refused in changes {
        let desk = Desk::start(&format!("receipts: [{{ {AT_ONCE} }}]\nfaults: [{{ on: list_updated, {refused} }}]\n"));
        let ran = follow(&contacts(&desk, 30)).finish().exits(0);
        ran.says("conversations that changed cannot be asked for here");
        let counts = ["list_updated", "list_conversations", "read_messages"].map(|kind| reads(&desk, kind));
        assert_eq!(counts, [1, 3, 0], "{refused}");
    }
    let both = "faults: [{ on: list_updated, status: 404 }, { on: list_conversations, status: 401 }]\n";
    let desk = Desk::start(&format!("receipts: [{{ {AT_ONCE} }}]\n{both}"));
    let ran = follow(&contacts(&desk, 30)).finish().exits(0);
    ran.says("conversations that changed cannot be asked for here")
        .says("the list of conversations cannot be read here");
    assert_eq!(reads(&desk, "read_messages"), 30);
    let desk = Desk::start(&both.replace(" }]", " }, { on: read_messages, status: 404 }]"));
    follow(&contacts(&desk, 30)).finish().exits(1).says("receipts cannot be read here");
    assert_eq!(reads(&desk, "read_messages"), 3);
}

/// Whatever cuts an answer off, its beginning is not taken for the whole.
#[test]
fn an_answer_that_is_cut_off_shows_nothing_and_is_asked_for_again_later() {
    for cut in [
        "body: { data: { payload: [] } }, pad: 10000000",
        "body: '{\"data\":{\"payload\":[{\"id\":101,\"messages\":[]},{\"id\"'",
        "body: ''",
        "drop: after_accepting",
        "status: 504",
        "status: 429",
    ] {
        let desk = Desk::start(&format!("receipts: [{{ {AT_ONCE} }}]\nfaults: [{{ on: list_updated, {cut} }}]\n"));
        let ran = follow(&sent(&desk, 3)).finish().exits(0);
        let ran = ran.says("conversations that changed cannot be read now");
        assert!(ran.stdout.contains("read           3"), "{cut}: {}", ran.stdout);
        assert_eq!((reads(&desk, "list_updated"), reads(&desk, "read_messages")), (1, 3), "{cut}");
    }
}

#[test]
fn nothing_is_open_any_more_when_the_time_is_over() {
    let desk = Desk::start(&format!(
        "receipts: [{{ match: {{ nth: 1 }}, {AT_ONCE} }}, {{ statuses: [] }}]\n\
         faults: [{{ on: read_messages, match: {{ conversation_id: 103 }}, status: 401 }}]\n"
    ));
    let project = sent(&desk, 3).setting("track: { requests: unlimited, until: 4s }");
    let ran = follow(&project).finish().exits(0);
    // One was never received, and of one LiveDesk shows nothing.
    for line in ["read           1", "no receipt     2", "still open     0"] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    project.campaign(&["track", "campaign.yaml", "--now", "--follow"]).exits(0);
}

#[test]
fn following_can_be_interrupted_and_taken_up_again() {
    let desk = Desk::start("receipts: [{ match: { nth: 1 }, after: 1ms, every: 1ms }, { statuses: [] }]\n");
    let project = sent(&desk, 3);
    for _ in 0..2 {
        let before = reads(&desk, "read_messages");
        let running = follow(&project);
        desk.wait_for(before + 2, "read_messages");
        running.interrupt();
        let ran = running.finish().exits(130);
        assert!(ran.stdout.contains("still open"), "{}", ran.stdout);
    }
    project.campaign(&["track", "campaign.yaml", "--now"]).exits(7);
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn an_outage_of_livedesk_is_waited_for_and_said_once() {
    let desk = Desk::start(&format!(
        "receipts: [{{ {AT_ONCE} }}]\n\
         faults: [{{ on: list_updated, times: 2, status: 503 }}, {{ on: read_messages, times: 5, drop: before_accepting }}]\n"
    ));
    let ran = follow(&sent(&desk, 2)).finish().exits(0).says("LiveDesk did not answer").says("trying again");
    assert!(ran.stdout.contains("read           2"), "{}", ran.stdout);
    assert_eq!(ran.stderr.matches("did not answer").count(), 1, "{}", ran.stderr);
}

#[test]
fn a_run_and_two_who_follow_it_do_not_disturb_each_other() {
    let desk =
        Desk::start(&format!("receipts: [{{ match: {{ nth: 7 }}, {AT_ONCE}, reply: STOP }}, {{ {AT_ONCE} }}]\n"));
    let project = Project::at(&desk).people(60).send("rate: 30/s").setting("track: { requests: unlimited }");
    let run = project.start(&[]);
    desk.wait_for_messages(5);
    let following = [follow(&project), follow(&project)];
    run.finish().exits(0);
    for one in following {
        one.finish();
    }
    let ran = follow(&project).finish().exits(0);
    assert!(ran.stdout.contains("read           60"), "{}", ran.stdout);
    assert!(ran.stdout.contains("1 replied, 1 opted out"), "{}", ran.stdout);
    assert_eq!((desk.messages().len(), project.count("accepted")), (60, 60));
}

/// Makes all looks due.
fn make_due(project: &Project) {
    let ledger = Connection::open(project.path(".campaign/c.sqlite")).unwrap();
    register_checksum(&ledger).unwrap();
    ledger.busy_timeout(Duration::from_secs(5)).unwrap();
    ledger.execute("UPDATE receipt SET look_at = accepted_at", []).unwrap();
}

fn client(desk: &Desk) -> Client {
    let any = || Secret::new("any".to_owned());
    let timeouts = Timeouts { answer: Duration::from_mins(1), connect: Duration::from_mins(1) };
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new(&desk.base_url, Credentials { key: any(), secret: any() }, timeouts).unwrap()
}

/// A ledger and a tracker, in rounds of the test's making.
async fn rounds<L: Ledger>(
    project: &Project,
    ledger: &L,
    desk: &Desk,
    mut between: impl AsyncFnMut(usize),
    count: usize,
) {
    let spec = read_spec(&project.path("campaign.yaml"), &[]).unwrap();
    let client = client(desk);
    let mut tracker = Tracker::new(ledger, &client, &spec.track, opt_out_words(&spec));
    for round in 0..count {
        tracker.next_round(TrackQuery::DueBy(Timestamp::now())).await.unwrap();
        between(round).await;
    }
}

#[tokio::test]
async fn what_is_due_is_not_read_again_if_nothing_has_changed_unless_it_failed() {
    let nothing = "body: { data: { payload: [] } }";
    let delivered =
        "body: { data: { payload: [{ id: 103, messages: [{ id: 3030002, status: delivered, message_type: 1 }] }] } }";
    let desk = Desk::start(&format!(
        "receipts:\n\
         - {{ match: {{ conversation_id: 101 }}, statuses: [] }}\n\
         - {{ match: {{ conversation_id: 102 }}, after: 1ms, fail: {{ code: 131049, title: Too many }} }}\n\
         - {{ match: {{ conversation_id: 103 }}, statuses: [] }}\n\
         - {{ {AT_ONCE} }}\n\
         faults:\n\
         - {{ on: list_updated, match: {{ nth: 2 }}, {delivered} }}\n\
         - {{ on: list_updated, {nothing} }}\n"
    ));
    let project = Project::at(&desk).people(10).send("concurrency: 1").setting("track: { requests: unlimited }");
    project.run(&[]).exits(0);
    let spec = read_spec(&project.path("campaign.yaml"), &[]).unwrap();
    let ledger = open_to_track(&spec, None).await.unwrap();
    let mut read = Vec::new();
    make_due(&project);
    let between = async |_| {
        read.push(reads(&desk, "read_messages"));
        make_due(&project);
    };
    rounds(&project, &ledger, &desk, between, 4).await;
    // Once the changes have shown a status, only the failed one is looked at each time.
    assert_eq!(read, [10, 11, 12, 13]);
    let receipts = ledger.totals().await.unwrap().receipts;
    assert_eq!((receipts.read, receipts.delivered, receipts.undelivered, receipts.open), (7, 1, 1, 1));
}

#[tokio::test]
async fn a_server_whose_changes_show_no_status_is_not_relied_on() {
    let desk = Desk::start(&format!(
        "receipts: [{{ {AT_ONCE} }}]\nfaults: [{{ on: list_updated, body: {{ data: {{ payload: [] }} }} }}]\n"
    ));
    let project = sent(&desk, 4);
    let spec = read_spec(&project.path("campaign.yaml"), &[]).unwrap();
    let ledger = open_to_track(&spec, None).await.unwrap();
    make_due(&project);
    rounds(&project, &ledger, &desk, async |_| make_due(&project), 3).await;
    assert_eq!(reads(&desk, "read_messages"), 12, "all that are due are read");
}

#[tokio::test]
async fn a_reply_that_hides_the_message_is_read_once_for_each_change() {
    let desk = Desk::start(&format!("receipts: [{{ {AT_ONCE}, reply: 'no thanks', reply_after: 1500ms }}]\n"));
    let project = sent(&desk, 2);
    let spec = read_spec(&project.path("campaign.yaml"), &[]).unwrap();
    let ledger = open_to_track(&spec, None).await.unwrap();
    rounds(&project, &ledger, &desk, async |_| tokio::time::sleep(Duration::from_millis(700)).await, 5).await;
    let read = reads(&desk, "read_messages");
    assert!((2..=4).contains(&read), "{read}");
    assert_eq!(ledger.totals().await.unwrap().receipts.replied, 2);
}
