//! A whole campaign through the library, in this process: read, open, plan, confirm, send, report. What the command line
//! adds is words; what keeps people from being messaged twice is here.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::cell::RefCell;
use std::fs;
use std::future::pending;
use std::path::PathBuf;

use campaign::campaign::{Status, read_spec, status};
use campaign::ledger::Ledger;
use campaign::livedesk::{Client, Credentials, Timeouts};
use campaign::run::{End, Stop};
use campaign::sandbox::LocalSandbox;
use campaign::secret::Secret;
use campaign::state::State;
use campaign::{Answer, Campaign, CampaignError, Inputs, Notice, Operator, Options, Outcome, Question, open};
use tempfile::TempDir;

/// Somebody who gives the same answer to every question, and remembers what was asked and told.
struct Script {
    answer: Answer,
    asked: RefCell<Vec<String>>,
    settled: RefCell<u64>,
}

impl Script {
    fn answering(answer: Answer) -> Self {
        Self { answer, asked: RefCell::default(), settled: RefCell::default() }
    }
}

impl Operator for Script {
    fn notice(&self, notice: Notice<'_>) {
        if let Notice::Event(campaign::run::Event::Settled(_)) = notice {
            *self.settled.borrow_mut() += 1;
        }
    }

    async fn ask(&self, question: Question<'_>) -> Answer {
        self.asked.borrow_mut().push(match question {
            Question::ChangedMessage { plan } => format!("changed {}", plan.changes.differences[0].key),
            Question::Send { plan } => format!("send {}", plan.next.messages),
            Question::Proof { plan } => format!("proof {}", plan.next.messages),
            Question::Canary(canary) => format!("canary {}", canary.messages),
        });
        self.answer
    }
}

/// A folder with a spec and a list, and a sandbox that it is for.
struct Project {
    folder: TempDir,
    sandbox: LocalSandbox,
}

impl Project {
    fn new(spec: &str, keys: impl IntoIterator<Item = u64>) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap(), sandbox: LocalSandbox::start().unwrap() };
        project.spec(spec);
        project.list(keys);
        project
    }

    fn spec(&self, more: &str) {
        let base_url = &self.sandbox.base_url;
        let text = format!(
            "name: c\nrecipients: list.csv\nto: {{ conversation_id: '{{{{ id }}}}' }}\nlivedesk: {{ base_url: '{base_url}' }}\n{more}\n"
        );
        fs::write(self.folder.path().join("campaign.yaml"), text).unwrap();
    }

    fn list(&self, keys: impl IntoIterator<Item = u64>) {
        let rows: Vec<String> = keys.into_iter().map(|id| id.to_string()).collect();
        fs::write(self.folder.path().join("list.csv"), format!("id\n{}\n", rows.join("\n"))).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("campaign.yaml")
    }

    fn client(&self) -> Client {
        let any = || Secret::new("any".to_owned());
        let timeouts =
            Timeouts { answer: std::time::Duration::from_mins(1), connect: std::time::Duration::from_mins(1) };
        Client::new(&self.sandbox.base_url, Credentials { key: any(), secret: any() }, timeouts).unwrap()
    }

    async fn open(&self, operator: &Script) -> Result<Campaign<impl Ledger + use<>>, CampaignError> {
        let options = Options::default();
        let inputs = Inputs::read(&self.file(), &[], &options.enrolment).await?;
        open(inputs, options, operator).await
    }

    /// Everything, in the order in which it must be done: the types allow no other.
    async fn run(&self, operator: &Script) -> Result<Outcome, CampaignError> {
        let campaign = self.open(operator).await?;
        let confirmed = campaign.confirm(operator).await?;
        let sent = confirmed.send(&self.client(), &Stop::new(), pending(), operator).await?;
        confirmed.report(sent, pending(), operator).await
    }
}

const HELLO: &str = "message: { content: 'Hello {{ id }}' }";

#[tokio::test]
async fn a_campaign_is_run_from_spec_to_report_without_a_process() {
    let project = Project::new(HELLO, [101, 102, 103]);
    let operator = Script::answering(Answer::Yes);
    let campaign = project.open(&operator).await.unwrap();
    assert_eq!((campaign.plan().next.messages, campaign.plan().settled), (3, 0));
    assert!(campaign.plan().first_run.is_some());
    let confirmed = campaign.confirm(&operator).await.unwrap();
    let sent = confirmed.send(&project.client(), &Stop::new(), pending(), &operator).await.unwrap();
    let outcome = confirmed.report(sent, pending(), &operator).await.unwrap();
    assert_eq!((outcome.end, outcome.totals.of(State::Accepted)), (End::Done, 3));
    outcome.reports.unwrap();
    assert_eq!((operator.asked.take(), operator.settled.take()), (vec!["send 3".to_owned()], 3));
    let report = fs::read_to_string(project.folder.path().join("reports/c.csv")).unwrap();
    assert_eq!(report.matches("accepted").count(), 3);
}

#[tokio::test]
async fn a_second_run_has_nothing_to_send_and_asks_nobody() {
    let project = Project::new(HELLO, [101, 102]);
    project.run(&Script::answering(Answer::Yes)).await.unwrap();
    let nobody = Script::answering(Answer::NotAsked);
    let outcome = project.run(&nobody).await.unwrap();
    assert_eq!((outcome.end, outcome.totals.of(State::Accepted)), (End::Done, 2));
    assert_eq!(nobody.asked.take(), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_declined_leaves_no_trace() {
    let project = Project::new(HELLO, [101, 102]);
    let declined = project.run(&Script::answering(Answer::No)).await;
    assert!(matches!(declined, Err(CampaignError::Declined)), "{declined:?}");
    assert!(!project.folder.path().join(".campaign").exists());
    let spec = read_spec(&project.file(), &[]).unwrap();
    assert!(matches!(status(&spec, None).await.unwrap(), Status::NotBegun { .. }));
}

#[tokio::test]
async fn a_changed_message_goes_to_nobody_without_somebodys_word() {
    let project = Project::new(HELLO, [101]);
    project.run(&Script::answering(Answer::Yes)).await.unwrap();
    project.spec("message: { content: 'Goodbye {{ id }}' }");
    project.list([101, 102]);
    let nobody = Script::answering(Answer::NotAsked);
    let refused = project.run(&nobody).await;
    assert!(matches!(refused, Err(CampaignError::Problems(_))), "{refused:?}");
    let somebody = Script::answering(Answer::Yes);
    let outcome = project.run(&somebody).await.unwrap();
    assert_eq!(outcome.totals.of(State::Accepted), 2);
    assert_eq!(somebody.asked.take(), ["changed message.content", "send 1"]);
}

#[tokio::test]
async fn another_key_rule_would_message_everybody_again_and_is_refused() {
    let project = Project::new(HELLO, [101, 102]);
    project.run(&Script::answering(Answer::Yes)).await.unwrap();
    let text = fs::read_to_string(project.file()).unwrap();
    fs::write(project.file(), text.replace("list.csv", "{ file: list.csv, key: 'n{{ id }}' }")).unwrap();
    let operator = Script::answering(Answer::Yes);
    let refused = project.run(&operator).await;
    assert!(matches!(refused, Err(CampaignError::Problems(_))), "{refused:?}");
    assert_eq!(operator.asked.take(), Vec::<String>::new());
}

#[tokio::test]
async fn a_canary_that_nobody_approves_holds_back_the_rest() {
    let project = Project::new(&format!("{HELLO}\nsend: {{ canary: 2 }}"), 101..=105);
    let outcome = project.run(&Script::answering(Answer::NotAsked)).await.unwrap();
    assert!(matches!(outcome.end, End::Guard(_)), "{:?}", outcome.end);
    assert_eq!((outcome.totals.of(State::Accepted), outcome.totals.of(State::Pending)), (2, 3));
}
