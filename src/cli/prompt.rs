//! Questions to the person at the terminal, whatever is redirected.
//!
//! Somebody is there if standard input is a terminal, or if the list comes from it and there is a terminal all the
//! same. The question goes where they look: to standard error if that is a terminal, else to the terminal itself.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

use super::output::Output;
use crate::campaign::Answer;
use crate::humanize::counted;
use crate::specification::List;

/// Whoever can be asked.
pub(super) struct Prompt<'a> {
    list: &'a List,
    output: &'a Output,
    /// Whether they have read what the questions are about.
    has_read: Cell<bool>,
}

impl<'a> Prompt<'a> {
    pub(super) const fn new(list: &'a List, output: &'a Output) -> Self {
        Self { list, output, has_read: Cell::new(false) }
    }

    /// Whether there is somebody to answer.
    pub(super) fn is_possible(&self) -> bool {
        io::stdin().is_terminal() || *self.list == List::Stdin && terminal().is_ok()
    }

    /// Asks for the number of messages, or what `word` calls them, so that nobody sends to a million by pressing Enter.
    /// `about`: what they must have read.
    pub(super) fn number(&self, messages: u64, word: &str, about: &[String]) -> Answer {
        let question = format!("Send {}? Type {messages} to confirm: ", counted(messages, word));
        match self.show(&question, about).and_then(|()| answer()) {
            Ok(answer) if answer.replace([',', '_'], "") == messages.to_string() => Answer::Yes,
            Ok(_) => Answer::No,
            Err(error) => self.cannot_ask(&error),
        }
    }

    /// Asks a yes-or-no question; anything but yes is no. Waits on a thread of its own, so that Ctrl-C is heard
    /// meanwhile.
    pub(super) async fn yes(&self, question: &str, about: &[String]) -> Answer {
        if let Err(error) = self.show(&format!("{question} [y/N] "), about) {
            return self.cannot_ask(&error);
        }
        let yes = |answer: io::Result<String>| {
            answer.is_ok_and(|answer| matches!(answer.to_lowercase().as_str(), "y" | "yes"))
        };
        if tokio::task::spawn_blocking(move || yes(answer())).await.unwrap_or(false) { Answer::Yes } else { Answer::No }
    }

    /// Shows a question where somebody reads it.
    fn show(&self, question: &str, about: &[String]) -> io::Result<()> {
        if self.output.moving {
            self.output.prompt(question);
            return Ok(());
        }
        let mut text = String::new();
        if !self.has_read.replace(true) {
            for line in about {
                text.extend([&self.output.masked(line), "\n"]);
            }
        }
        text.push_str(question);
        terminal()?.write_all(text.as_bytes())
    }

    /// Nobody has seen a question, so nobody has said yes.
    fn cannot_ask(&self, error: &io::Error) -> Answer {
        let text = format!(
            "cannot ask for confirmation, because the terminal cannot be used: {error}; `--yes` sends without asking"
        );
        self.output.say(&text);
        Answer::No
    }
}

/// What a person types.
fn answer() -> io::Result<String> {
    let mut answer = String::new();
    if io::stdin().is_terminal() {
        io::stdin().lock().read_line(&mut answer)?;
    } else {
        BufReader::new(terminal()?).read_line(&mut answer)?;
    }
    Ok(answer.trim().to_owned())
}

/// The terminal of this process, whatever its standard streams are.
fn terminal() -> io::Result<File> {
    if cfg!(unix) {
        OpenOptions::new().read(true).write(true).open("/dev/tty")
    } else {
        Err(io::ErrorKind::Unsupported.into())
    }
}
