//! Printing: results to standard output, everything else to standard error. A reader that goes away is no error.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::environment;
use super::flags::Format;
use crate::mask::masked;
use crate::problem::{Look, Problem, Severity};

/// Problems that are drawn on a screen at most; the rest are counted.
const SHOWN: usize = 20;

/// How this process may print.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    format: Format,
    /// Whether standard error is a terminal, where progress may move.
    pub(super) moving: bool,
    /// Whether a person can be asked.
    pub(super) interactive: bool,
    /// Whether customers' numbers and addresses may be said.
    show_pii: bool,
    look: Look,
}

impl Output {
    pub(super) fn detect(format: Format, show_pii: bool) -> Self {
        let moving = io::stderr().is_terminal();
        let colour = moving && !environment::is_set("NO_COLOR");
        Self {
            format,
            moving,
            interactive: moving && io::stdin().is_terminal(),
            show_pii,
            look: if colour { Look::Coloured } else { Look::Plain },
        }
    }

    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// A result, for standard output.
    #[expect(clippy::unused_self, reason = "whoever prints must have been handed the way to")]
    pub(super) fn result(&self, text: &str) {
        let _ = writeln!(io::stdout().lock(), "{text}");
    }

    /// A result as one line of JSON.
    pub(super) fn json(&self, value: &impl Serialize) {
        if let Ok(line) = serde_json::to_string(value) {
            self.result(&line);
        }
    }

    /// Something to know, for standard error.
    pub(super) fn say(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", self.private(text));
    }

    /// The same for those who print by themselves.
    pub(super) fn privacy(&self) -> fn(&str) -> Cow<'_, str> {
        if self.show_pii { |text| Cow::Borrowed(text) } else { masked }
    }

    /// A text as it may be said: without customers' numbers and addresses, unless they were asked for.
    pub(super) fn private<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.privacy()(text)
    }

    /// Something that failed.
    pub(super) fn error(&self, text: &str) {
        let word = match self.look {
            Look::Plain => "error:",
            Look::Coloured => "\u{1b}[1;31merror:\u{1b}[0m",
        };
        self.say(&format!("{word} {text}"));
    }

    /// Problems, of which there are `count` in all: drawn for people on standard error, as data on standard output.
    pub(super) fn problems(&self, problems: &[Problem], count: u64) {
        if self.is_json() {
            for problem in problems {
                self.json(problem);
            }
        } else {
            self.aside(problems, count);
        }
    }

    /// Problems beside a result that they are no part of: on standard error, whatever the format.
    pub(super) fn aside(&self, problems: &[Problem], count: u64) {
        for problem in problems.iter().take(SHOWN) {
            match self.format {
                Format::Human => self.say(&format!("{}\n", problem.render(self.look))),
                Format::Json => self.say(&serde_json::to_string(problem).unwrap_or_default()),
            }
        }
        let more = count.saturating_sub(problems.len().min(SHOWN) as u64);
        if more > 0 && !self.is_json() {
            let warning = problems.first().is_some_and(|problem| problem.severity == Severity::Warning);
            self.say(&format!("... and {more} more {}s\n", if warning { "warning" } else { "problem" }));
        }
    }
}

/// `1 problem`, `2 problems`, `1,000 problems`.
pub(super) fn counted(count: u64, thing: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", grouped(count))
}

/// A number as people read it: `1,000,000`.
pub(super) fn grouped(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}
