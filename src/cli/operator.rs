//! The person at the terminal, or the script in their place: is told what happens, and asked what needs their word.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::args::RunArgs;
use super::notify::RunNotifier;
use super::output::Output;
use super::prompt::Prompt;
use super::{plan, proof_plan, summary};
use crate::campaign::{Answer, CanaryResult, Notice, Operator, Question};
use crate::humanize::{counted, grouped};
use crate::ledger::Totals;
use crate::livedesk::request::Request;
use crate::livedesk::{Client, Exchange, RequestObserver};
use crate::metrics::{Metrics, RequestCounter};
use crate::progress::Progress;
use crate::run::Event;
use crate::specification::Spec;

/// Who else takes note of what happens.
#[derive(Clone, Copy, Default)]
pub(super) struct Observers<'a> {
    pub(super) metrics: Option<&'a Arc<Metrics>>,
    pub(super) notifier: Option<&'a RunNotifier>,
}

/// Whoever has typed the command.
pub(super) struct Terminal<'a> {
    pub(super) args: &'a RunArgs,
    pub(super) output: &'a Output,
    progress: Rc<Progress>,
    metrics: Option<&'a Arc<Metrics>>,
    notifier: Option<&'a RunNotifier>,
    name: &'a str,
    prompt: Prompt<'a>,
}

impl<'a> Terminal<'a> {
    pub(super) fn new(
        args: &'a RunArgs,
        spec: &'a Spec,
        Observers { metrics, notifier }: Observers<'a>,
        output: &'a Output,
    ) -> Self {
        if let Some(metrics) = metrics {
            metrics.name(&spec.name);
        }
        let progress = Rc::new(Progress::new(output.messages(), output.moving, output.log_format(), output.masking()));
        let prompt = Prompt::new(&spec.recipients.file, output);
        Self { args, output, progress, metrics, notifier, name: &spec.name, prompt }
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The client with whoever wants to see its requests.
    pub(super) fn observe(&self, mut client: Client) -> Client {
        if self.args.verbose {
            client = client.observed_by(RequestLog(Rc::clone(&self.progress)));
        }
        if let Some(metrics) = self.metrics {
            client = client.observed_by(RequestCounter(Arc::clone(metrics)));
        }
        client
    }

    /// Takes note of what became of everybody so far.
    pub(super) fn count(&self, totals: &Totals) {
        if let Some(metrics) = self.metrics {
            metrics.totals(totals);
        }
    }

    fn measure(&self, notice: &Notice<'_>) {
        let (Some(metrics), now) = (self.metrics, Timestamp::now()) else { return };
        match notice {
            Notice::Sending { messages } => metrics.sending(*messages, now),
            Notice::Event(event) => metrics.event(event, now),
            Notice::SendingEnded => metrics.sending_ended(now),
            _ => {}
        }
    }

    /// Notifies whoever is to hear of it.
    fn notify(&self, notice: &Notice<'_>) {
        let Some(notifier) = self.notifier else { return };
        match notice {
            Notice::Event(Event::Away(lasted)) => notifier.away(*lasted),
            Notice::OthersGoOn => notifier.others_go_on(),
            _ => {}
        }
    }

    /// Whether there is somebody who wants to be asked.
    fn asks(&self) -> bool {
        !self.args.yes && self.prompt.is_possible()
    }
}

/// Shows each request as a line, without a word of what it holds.
struct RequestLog(Rc<Progress>);

impl RequestObserver for RequestLog {
    fn began(&self, _: &Request) {}

    fn ended(&self, request: &Request, exchange: &Exchange, took: Duration) {
        self.0.request(&format!("{request} -> {exchange} in {} ms", took.as_millis()));
    }
}

/// `plan written to plan.csv`.
pub(super) fn plan_written<'p>(paths: impl IntoIterator<Item = &'p Path>) -> String {
    let paths: Vec<String> = paths.into_iter().map(|path| path.display().to_string()).collect();
    format!("plan written to {}", paths.join(", "))
}

impl Operator for Terminal<'_> {
    fn notice(&self, notice: Notice<'_>) {
        self.measure(&notice);
        self.notify(&notice);
        match notice {
            Notice::Sending { messages } => self.progress.begin(messages),
            Notice::Event(event) => self.progress.show(event),
            Notice::SendingEnded => self.progress.end(),
            Notice::Warnings { warnings, blocked: true } => self.output.problems(warnings),
            Notice::Warnings { warnings, blocked: false } => self.output.aside(warnings),
            Notice::Retrying { retried, totals } => self.output.say(&summary::sent_again(retried, totals)),
            Notice::Interrupted { messages } => {
                let what = counted(messages, "message");
                let text = format!("{what} in flight when the last run ended, now `unknown`: see `campaign resolve`");
                self.output.say(&text);
            }
            Notice::LedgerAtRisk { risk } => self.output.say(&format!("warning: {risk}")),
            Notice::Waiting { other } => {
                self.output.say(&format!("waiting: this campaign is being started by {other}"));
            }
            Notice::Joined { other } => self.output.say(&format!("joining the run that was begun by {other}")),
            Notice::OthersGoOn => self.output.say("other workers are still at work; the last one writes the report"),
            Notice::ListMissing { name } => {
                self.output.say(&format!("{name}: no list; continuing with the rows in the ledger"));
            }
            Notice::AboutList { name, text } => self.output.say(&format!("{name}: {text}")),
            Notice::PlanWritten(path) => self.output.say(&plan_written([path])),
            Notice::ReportWritten(path) => self.output.report_written(path),
        }
    }

    async fn ask(&self, question: Question<'_>) -> Answer {
        match question {
            Question::ChangedMessage { .. } if self.args.accept_changes => Answer::Yes,
            Question::ChangedMessage { plan } if self.asks() => {
                self.prompt.yes("Send the new version?", &plan::text(plan)).await
            }
            Question::ChangedMessage { .. } => Answer::NotAsked,
            // Whoever has typed the command where there is nobody to ask wants it.
            Question::Send { .. } | Question::Proof { .. } if self.args.sandbox || !self.asks() => Answer::Yes,
            Question::Send { plan } => self.prompt.number(plan.next.messages, "message", &plan::text(plan)),
            Question::Proof { plan } => self.prompt.number(plan.next.messages, "proof", &proof_plan::text(plan)),
            Question::Canary(result) => self.approves(result).await,
        }
    }
}

impl Terminal<'_> {
    /// Whether the rest may follow a canary. `--yes` says so before it is sent: of one that fails it says nothing.
    /// `--approve-canary` is about what somebody has seen arrive: a canary that an earlier run has sent.
    async fn approves(&self, canary: CanaryResult<'_>) -> Answer {
        let (messages, failure) = (grouped(canary.messages), canary.failure());
        let is_approved = self.args.approve_canary && !canary.is_new;
        if is_approved || (self.args.yes && failure.is_none()) {
            return Answer::Yes;
        }
        if !self.asks() {
            return Answer::NotAsked;
        }
        let outcomes = summary::text(self.name, canary.totals);
        self.output.say(&outcomes);
        let question = match failure {
            None => format!("The canary of {messages} was sent. Send the rest?"),
            Some(failure) => format!("The canary of {messages} failed: {failure}. Send the rest anyway?"),
        };
        self.prompt.yes(&question, &[outcomes]).await
    }
}
