//! Random histories of a campaign: lists that change, a server with faults, runs that are killed, stopped, retried and
//! resolved, in any order. After every step the sandbox's journal is compared with the report.
//!
//! `PROPTEST_CASES` tries more of them.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use crate::harness::{Desk, Project, Ran, Row, rows};

/// What the operator does next.
#[derive(Debug, Clone)]
enum Step {
    Run {
        limit: Option<u8>,
    },
    RetryFailed,
    /// A run that is killed after so many more requests have arrived.
    Kill(u8),
    /// A run that gets Ctrl-C after so many more requests have arrived.
    Interrupt(u8),
    /// The operator's word on all that are unknown.
    Resolve {
        sent: bool,
    },
    /// The list is written anew.
    List(BTreeSet<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::option::weighted(0.3, 1_u8..6).prop_map(|limit| Step::Run { limit }),
        2 => Just(Step::RetryFailed),
        3 => (0_u8..20).prop_map(Step::Kill),
        2 => (0_u8..20).prop_map(Step::Interrupt),
        2 => any::<bool>().prop_map(|sent| Step::Resolve { sent }),
        1 => people().prop_map(Step::List),
    ]
}

fn people() -> impl Strategy<Value = BTreeSet<u8>> {
    prop::collection::btree_set(1_u8..30, 3..16)
}

/// One fault of the sandbox's script.
fn fault() -> impl Strategy<Value = String> {
    let on = prop::sample::select(vec!["message", "message", "message", "conversation", "contact", "search", "any"]);
    // What everybody gets has an end: a server that is down for ever is waited for, which is no history.
    let scope = prop_oneof![
        (1_u8..30).prop_map(|person| format!("match: {{ content: 'Hello {person}.' }}")),
        (1_u8..25).prop_map(|nth| format!("match: {{ nth: {nth} }}")),
        (1_u8..4).prop_map(|times| format!("times: {times}")),
        (1_u8..30, 1_u8..4)
            .prop_map(|(person, times)| format!("match: {{ content: 'Hello {person}.' }}, times: {times}")),
    ];
    (on, scope, action()).prop_map(|(on, scope, action)| {
        // Only a message can fail after it was accepted, and only a message has a content.
        let on = if action.starts_with("fail") || scope.contains("content") { "message" } else { on };
        format!("{{ {scope}, on: {on}, {action} }}")
    })
}

fn action() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "status: 429",
        "status: 429, headers: { Retry-After: 0 }",
        "status: 422, body: { error: 'Validation failed: Too many messages' }",
        "status: 422, body: { error: 'Content is too long' }",
        "status: 401, body: { error: 'You are not authorized to do this action' }",
        "status: 403",
        "status: 404, body: { error: 'Resource could not be found' }",
        "status: 302, headers: { Location: '/login' }, accept: true",
        "status: 408, accept: true",
        "status: 499, accept: true",
        "status: 500, accept: true",
        "status: 500, accept: false",
        "status: 502, accept: true",
        "status: 503, headers: { Retry-After: 0 }, accept: true",
        "status: 503, headers: { Retry-After: 0 }, accept: false",
        "status: 504, accept: true",
        "status: 200, body: '<html>not json', accept: true",
        "status: 200, body: '{\"id\": ', accept: true",
        "status: 204, accept: true",
        "drop: before_accepting",
        "drop: after_accepting",
        "delay: 20ms",
        "fail: { code: 131047, title: 'Re-engagement message', form: status }",
        "fail: { code: 131026, title: 'Message undeliverable', form: graph }",
    ])
}

const WAYS: [&str; 3] = [
    "{ conversation_id: '{{ id }}' }",
    "{ inbox_id: 79, contact_id: '{{ id }}' }",
    "{ inbox_id: 79, contact: { name: '{{ id }}', identifier: 'person-{{ id }}', email: 'p{{ id }}@example.com' } }",
];

/// The campaign, and how often each person may be messaged at most: once, and once more for each time that the operator
/// has allowed it.
struct History {
    desk: Desk,
    project: Project,
    allowed: BTreeMap<String, usize>,
    resolved_as_sent: BTreeSet<String>,
}

impl History {
    fn new(way: &str, faults: &[String], people: &BTreeSet<u8>) -> Self {
        let desk = Desk::start(&format!("faults: [{}]", faults.join(", ")));
        let project = Project::at(&desk)
            .to(way)
            .message("{ content: 'Hello {{ id }}.' }")
            .setting("recipients: { file: list.csv, key: '{{ id }}' }")
            .send("concurrency: 4")
            .send("outage: 300ms");
        let history = Self { desk, project, allowed: BTreeMap::new(), resolved_as_sent: BTreeSet::new() };
        history.write_list(people);
        history
    }

    fn write_list(&self, people: &BTreeSet<u8>) {
        let rows: Vec<String> = people.iter().map(u8::to_string).collect();
        fs::write(self.project.path("list.csv"), format!("id\n{}\n", rows.join("\n"))).unwrap();
    }

    /// All rows of the campaign, written from the ledger; none before the first run.
    fn report(&self) -> Vec<Row> {
        if !self.project.path(".campaign/c.sqlite").exists() {
            return Vec::new();
        }
        self.project.campaign(&["report", "campaign.yaml", "-o", "now.csv"]).exits(0);
        rows(&fs::read_to_string(self.project.path("now.csv")).unwrap())
    }

    fn keys(&self, outcome: &str) -> Vec<String> {
        self.report().into_iter().filter(|row| row["outcome"] == outcome).map(|row| row["key"].clone()).collect()
    }

    fn allow_once_more(&mut self, outcome: &str) {
        for key in self.keys(outcome) {
            *self.allowed.entry(key).or_insert(1) += 1;
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Run { limit: None } => ended(&self.project.run(&[])),
            Step::Run { limit: Some(limit) } => ended(&self.project.run(&["--limit", &limit.to_string()])),
            Step::RetryFailed => {
                self.allow_once_more("failed");
                ended(&self.project.run(&["--retry-failed"]));
            }
            Step::Kill(more) => {
                let mut run = self.project.start(&[]);
                self.wait_for(*more, || run.has_ended());
                run.kill();
            }
            Step::Interrupt(more) => {
                let mut run = self.project.start(&[]);
                self.wait_for(*more, || run.has_ended());
                if !run.has_ended() {
                    run.interrupt();
                }
                let ran = run.finish();
                // A signal before the handler is in place ends the process, which is as good.
                if ran.code.is_some() {
                    ended(&ran);
                }
            }
            Step::Resolve { sent } => self.resolve(*sent),
            Step::List(people) => self.write_list(people),
        }
    }

    fn resolve(&mut self, sent: bool) {
        let unknown = self.keys("unknown");
        if unknown.is_empty() {
            return;
        }
        if sent {
            self.resolved_as_sent.extend(unknown);
        } else {
            self.allow_once_more("unknown");
        }
        let word = if sent { "--sent" } else { "--not-sent" };
        self.project.campaign(&["resolve", "campaign.yaml", "--all", word]).exits(0);
    }

    fn wait_for(&self, more: u8, mut ended: impl FnMut() -> bool) {
        let enough = self.desk.arrived() + usize::from(more);
        while self.desk.arrived() < enough && !ended() {
            thread::sleep(Duration::from_micros(500));
        }
    }

    /// How often each person was messaged, by what the message says.
    fn messaged(&self) -> BTreeMap<String, usize> {
        let mut messaged = BTreeMap::new();
        for entry in self.desk.messages().into_iter().filter(|entry| entry["accepted"] == true) {
            let content = entry["body"]["content"].as_str().unwrap();
            let key = content.trim_start_matches("Hello ").trim_end_matches('.').to_owned();
            *messaged.entry(key).or_default() += 1;
        }
        messaged
    }

    /// Nobody got it more often than the operator allowed, and the report says of nobody who got it that they did not.
    fn check(&self) {
        let (messaged, report) = (self.messaged(), self.report());
        let outcomes: BTreeMap<&str, &str> =
            report.iter().map(|row| (row["key"].as_str(), row["outcome"].as_str())).collect();
        assert_eq!(outcomes.len(), report.len(), "a key has two rows: {report:?}");
        for (key, times) in &messaged {
            let allowed = self.allowed.get(key).copied().unwrap_or(1);
            assert!(*times <= allowed, "{key} was messaged {times} times, allowed were {allowed}");
            let outcome = outcomes.get(key.as_str()).unwrap_or(&"not in the report");
            // Whoever was allowed once more may be pending, and may be refused the next time.
            assert!(
                allowed > 1 || ["accepted", "failed", "unknown"].contains(outcome),
                "{key} got it and is {outcome}"
            );
        }
        for (key, outcome) in outcomes {
            let has_got_it = messaged.contains_key(key) || self.resolved_as_sent.contains(key);
            assert!(outcome != "accepted" || has_got_it, "{key} is accepted and never got it");
        }
    }
}

#[track_caller]
fn ended(ran: &Ran) {
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert!(matches!(ran.code, Some(0 | 1 | 3 | 4 | 5 | 7 | 130)), "{ran:?}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::vars().find(|(name, _)| name == "PROPTEST_CASES").and_then(|(_, n)| n.parse().ok()).unwrap_or(12),
        failure_persistence: None,
        max_shrink_iters: 30,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nobody_gets_it_twice_and_nobody_is_lost_in_any_history(
        way in prop::sample::select(WAYS.to_vec()),
        faults in prop::collection::vec(fault(), 0..5),
        first in people(),
        steps in prop::collection::vec(step(), 1..9),
    ) {
        let mut history = History::new(way, &faults, &first);
        for step in &steps {
            history.take(step);
            history.check();
        }
    }
}
