//! The person at the terminal, or the script in their place: is told what happens, and asked what needs their word.

use std::rc::Rc;

use super::flags::RunArgs;
use super::output::{Output, counted, grouped};
use super::{prompt, summary};
use crate::campaign::{Answer, Notice, Operator, Question};
use crate::progress::Progress;
use crate::specification::{List, Spec};

/// Whoever has typed the command.
pub(super) struct Terminal<'a> {
    args: &'a RunArgs,
    output: &'a Output,
    progress: Rc<Progress>,
    name: &'a str,
    list: &'a List,
}

impl<'a> Terminal<'a> {
    pub(super) fn new(args: &'a RunArgs, spec: &'a Spec, output: &'a Output) -> Self {
        let progress = Rc::new(Progress::new(output.messages(), output.moving, output.privacy()));
        Self { args, output, progress, name: &spec.name, list: &spec.recipients.file }
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Shows each request as a line.
    pub(super) fn watcher(&self) -> Box<dyn Fn(&str)> {
        let progress = Rc::clone(&self.progress);
        Box::new(move |line| progress.line(line))
    }

    /// Whether there is somebody who wants to be asked.
    fn asks(&self) -> bool {
        !self.args.yes && prompt::is_possible(self.list, self.output)
    }
}

impl Operator for Terminal<'_> {
    fn notice(&self, notice: Notice<'_>) {
        match notice {
            Notice::Sending { messages } => self.progress.begin(messages),
            Notice::Event(event) => self.progress.tell(event),
            Notice::SendingEnded => self.progress.end(),
            Notice::Warnings { warnings, blocked: true } => self.output.problems(warnings),
            Notice::Warnings { warnings, blocked: false } => self.output.aside(warnings),
            Notice::Retrying { retried, totals } => self.output.say(&summary::sent_again(retried, totals)),
            Notice::Interrupted { messages } => {
                let what = counted(messages, "message");
                let text = format!("{what} in flight when the last run ended: unknown now, see `campaign resolve`");
                self.output.say(&text);
            }
            Notice::ListMissing { name } => {
                self.output.say(&format!("{name}: nothing there; continuing from the ledger"));
            }
            Notice::AboutList { name, text } => self.output.say(&format!("{name}: {text}")),
            Notice::ReportWritten(path) => self.output.say(&format!("report: {}", path.display())),
        }
    }

    async fn ask(&self, question: Question<'_>) -> Answer {
        match question {
            Question::ChangedMessage { .. } if self.args.accept_changes => Answer::Yes,
            Question::ChangedMessage { .. } if self.asks() => {
                prompt::yes("Go on with the new version?", self.output).await
            }
            // Whoever has typed the command wants it.
            Question::Send { .. } if self.args.sandbox || !self.asks() => Answer::Yes,
            Question::Send { messages, .. } => prompt::for_the_number(messages, self.output),
            Question::ChangedMessage { .. } => Answer::NotAsked,
            Question::Canary { messages, totals } => {
                self.output.say(&summary::text(self.name, totals));
                let question = format!("The canary of {} is sent. Send the rest?", grouped(messages));
                match (self.args.yes, self.asks()) {
                    (true, _) => Answer::Yes,
                    (false, true) => prompt::yes(&question, self.output).await,
                    (false, false) => Answer::NotAsked,
                }
            }
        }
    }
}
