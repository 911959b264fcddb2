//! The process dies between any two steps of a delivery: what the next run makes of it is what the step deserves.
//!
//! The run that dies is the library's own, in a child process, over a ledger that ends the process at the boundary that
//! it is told. The real binary goes on from there. The desk's journal says who got what.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]
#![expect(clippy::disallowed_methods, reason = "a test that is its own child is told by the environment")]

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use campaign::attachment::Contents;
use campaign::ledger::{
    self, Acknowledged, CanaryVerdict, Claim, ClaimEnd, Deliver, Lease, LedgerError, Location, Position, Purpose,
    Share, Worker,
};
use campaign::livedesk::{Client, Credentials, Timeouts};
use campaign::message::Templates;
use campaign::pace::{EarlierSends, Pace};
use campaign::plan::RowEvaluator;
use campaign::recipients::Suppression;
use campaign::run::{OnHold, Run, RunConfig, Selection, Stop};
use campaign::secret::Secret;
use campaign::specification::{Source, Spec};
use campaign::state::{ConversationId, Failure};
use jiff::Timestamp;

use crate::harness::{Desk, Project};

/// Where the child dies, and the folder of its campaign.
const BOUNDARY: &str = "DYING_BOUNDARY";
const FOLDER: &str = "DYING_FOLDER";

/// The delivery at whose boundary the child dies: the third after the one that the first run sent.
const DOOMED: u32 = 3;

/// A ledger that ends the process when the doomed delivery reaches a boundary.
struct Dying<L> {
    ledger: L,
    boundary: String,
    claimed: Cell<u32>,
}

impl<L> Dying<L> {
    fn reached(&self, boundary: &str) {
        if self.boundary == boundary && self.claimed.get() == DOOMED {
            std::process::abort();
        }
    }
}

impl<L: Deliver> Share for Dying<L> {
    async fn workers(&self) -> Result<Vec<Worker>, LedgerError> {
        self.ledger.workers().await
    }
}

impl<L: Deliver> Deliver for Dying<L> {
    async fn begin_run(&self) -> Result<Option<Timestamp>, LedgerError> {
        self.ledger.begin_run().await
    }

    async fn end_run(&self, last_request: Timestamp) -> Result<(), LedgerError> {
        self.ledger.end_run(last_request).await
    }

    fn interrupted(&self) -> u64 {
        self.ledger.interrupted()
    }

    async fn settle_interrupted(&self) -> Result<u64, LedgerError> {
        self.ledger.settle_interrupted().await
    }

    async fn decide_canary(&self, verdict: CanaryVerdict) -> Result<(), LedgerError> {
        self.ledger.decide_canary(verdict).await
    }

    async fn lost(&self) -> LedgerError {
        self.ledger.lost().await
    }

    async fn lease(&self, after: Option<Position>, limit: usize) -> Result<Vec<Lease>, LedgerError> {
        self.ledger.lease(after, limit).await
    }

    async fn refuse(&self, lease: Lease, failure: Failure) -> Result<(), LedgerError> {
        self.ledger.refuse(lease, failure).await
    }

    async fn record_claim(&self, lease: &Lease, conversation_id: ConversationId) -> Result<(), LedgerError> {
        self.claimed.set(self.claimed.get() + 1);
        self.reached("before the claim");
        self.ledger.record_claim(lease, conversation_id).await?;
        self.reached("after the claim");
        Ok(())
    }

    async fn record_ids(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.ledger.record_ids(lease).await
    }

    async fn record_end(&self, claim: &Claim, end: ClaimEnd) -> Result<(), LedgerError> {
        let step = match end {
            ClaimEnd::Settled(_) => "settlement",
            ClaimEnd::Released => "release",
            ClaimEnd::Withdrawn => "withdrawal",
        };
        self.reached(&format!("before the {step}"));
        self.ledger.record_end(claim, end).await?;
        self.reached(&format!("after the {step}"));
        Ok(())
    }
}

/// The run that dies. By itself, without a boundary, it is no test.
#[test]
fn the_child() {
    let (Ok(boundary), Some(folder)) = (std::env::var(BOUNDARY), std::env::var_os(FOLDER)) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run_until(boundary, Path::new(&folder)));
}

async fn run_until(boundary: String, folder: &Path) {
    let file = folder.join("campaign.yaml");
    let source = Source { name: file.display().to_string(), text: std::fs::read_to_string(&file).unwrap() };
    let spec = Arc::new(Spec::parse(&source, folder.to_owned(), &[]).unwrap());
    let evaluator = RowEvaluator {
        list: "list.csv".to_owned(),
        templates: Templates::compile(Arc::clone(&spec), None, "list.csv").unwrap(),
        suppression: Suppression::default(),
    };
    let word = || Secret::new("word".to_owned());
    let timeouts = Timeouts { answer: spec.send.timeout, connect: spec.send.connect_timeout };
    let client = Client::new(&spec.livedesk.base_url, Credentials { key: word(), secret: word() }, timeouts).unwrap();
    let location = Location::File(folder.join(".campaign/c.sqlite"));
    let ledger = ledger::open(&location, Purpose::Run, Acknowledged::default()).await.unwrap();
    ledger.begin_run().await.unwrap();
    let ledger = Dying { ledger, boundary, claimed: Cell::new(0) };
    let pace = Pace::new(&spec.send, EarlierSends::default());
    let run = Run::new(RunConfig {
        accepted: &|_| {},
        attachments: Contents::new(),
        ledger: &ledger,
        client: &client,
        evaluator: &evaluator,
        spec: &spec,
        pace: &pace,
        sent_before: false,
        proof_to: None,
        on_hold: OnHold::Wait,
        stop: Stop::new(),
        emit: &|_| (),
    });
    run.send(&Selection::default()).await.unwrap();
}

/// The child's process, on its way to its boundary.
fn child(project: &Project, boundary: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let folder: PathBuf = project.path("");
    command.args(["--exact", "crash_boundaries::the_child", "--nocapture"]).env(BOUNDARY, boundary).env(FOLDER, folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Eight people one after the other, of whom the first has got it: the doomed one is 104.
fn one_by_one(desk: &Desk) -> Project {
    let project = Project::at(desk).send("concurrency: 1").people(8);
    project.run(&["--limit", "1"]).exits(0);
    project
}

/// Everybody but the doomed one was sent to once; it has this outcome, and got so many messages.
#[track_caller]
fn goes_on(desk: &Desk, project: &Project, outcome: &str, messages: usize) {
    project.run(&[]).exits(if outcome == "unknown" { 4 } else { 0 });
    let addressed = desk.addressed();
    for id in 101..=108 {
        let (outcome, messages) = if id == 104 { (outcome, messages) } else { ("accepted", 1) };
        assert!(project.outcomes().contains(&format!("{id}: {outcome}")), "{id}: {:?}", project.outcomes());
        assert_eq!(addressed.iter().filter(|got| **got == id).count(), messages, "{id} in {addressed:?}");
    }
}

#[track_caller]
fn dies(script: &str, boundary: &str, outcome: &str, messages: usize) {
    let desk = Desk::start(script);
    let project = one_by_one(&desk);
    let status = child(&project, boundary).status().unwrap();
    assert_eq!(status.code(), None, "the child was to die {boundary}");
    goes_on(&desk, &project, outcome, messages);
}

/// The server is busy when the doomed one comes, and only then.
const BUSY: &str = "faults: [{ on: message, match: { conversation_id: 104 }, times: 1, status: 429 }]";

#[test]
fn before_the_claim_is_on_disk_nothing_has_happened() {
    dies("", "before the claim", "accepted", 1);
}

#[test]
fn between_the_claim_and_the_request_there_is_doubt_and_nothing_is_sent() {
    dies("", "after the claim", "unknown", 0);
}

#[test]
fn between_the_request_and_its_answer_there_is_doubt_and_nothing_is_repeated() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 104 }, delay: 60s }]");
    let project = one_by_one(&desk);
    let mut child = child(&project, "none: it is killed from outside").spawn().unwrap();
    desk.wait_for_messages(4);
    child.kill().unwrap();
    child.wait().unwrap();
    goes_on(&desk, &project, "unknown", 1);
}

#[test]
fn between_the_answer_and_its_settlement_there_is_doubt_and_nothing_is_repeated() {
    dies("", "before the settlement", "unknown", 1);
}

#[test]
fn behind_the_settlement_all_is_known() {
    dies("", "after the settlement", "accepted", 1);
}

#[test]
fn a_claim_that_was_about_to_be_taken_back_is_in_doubt() {
    dies(BUSY, "before the release", "unknown", 1);
}

#[test]
fn a_claim_that_was_taken_back_is_made_again_by_the_next_run() {
    dies(BUSY, "after the release", "accepted", 2);
}
