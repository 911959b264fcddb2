//! Printing: results to standard output, everything else to standard error.
//!
//! A reader that goes away is no error; a result that cannot be written is. While messages are sent nothing waits for a
//! reader: what nobody reads is dropped.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::args::Format;
use super::environment;
use super::exit::Exit;
use crate::humanize::counted;
use crate::mask::masked;
use crate::problem::{DrawOptions, Keep, Kind, Problem, Problems, Severity, Values};
use crate::progress::draw_target;
use crate::run_log::{Level, LogEvent, LogFormat, LogLine};
use crate::stdio::{OnFull, Stream};

/// Kinds of problems that are drawn on a screen at most; the rest are counted.
const KINDS: usize = 20;

/// Places of each kind that are drawn.
const SITES: usize = 3;

/// A finished run waits so long for the reader of its last words.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// How this process may print.
#[derive(Debug)]
pub(super) struct Output {
    results: Stream,
    messages: Stream,
    /// Whether to wait for whoever reads.
    waits: Cell<bool>,
    format: Format,
    /// Whether everything but results is a log of a run, as JSON.
    logs_json: bool,
    /// Whether standard error is a terminal, where progress may move.
    pub(super) moving: bool,
    /// Whether customers' numbers and addresses may be said.
    show_pii: bool,
    /// How many problems of a kind are shown.
    pub(super) keep: Keep,
    draw: DrawOptions,
}

impl Output {
    pub(super) fn detect(format: Format, show_pii: bool, all: bool) -> Self {
        let terminal = console::Term::stderr();
        let moving = terminal.is_term();
        let width = terminal.size_checked().map(|(_, columns)| usize::from(columns));
        Self {
            results: Stream::stdout(),
            messages: Stream::stderr(),
            waits: Cell::new(true),
            format,
            logs_json: false,
            moving,
            show_pii,
            keep: if all || format == Format::Json { Keep::All } else { Keep::First(SITES) },
            draw: DrawOptions {
                coloured: moving && !environment::is_set("NO_COLOR"),
                width,
                values: if show_pii { Values::Whole } else { Values::Masked },
            },
        }
    }

    /// For a run: with `--format json` everything but results is a log, one JSON object a line.
    pub(super) fn of_run(self, is_run: bool) -> Self {
        let logs_json = is_run && self.is_json();
        Self { logs_json, ..self }
    }

    /// How what happens during a run is written.
    pub(super) const fn log_format(&self) -> LogFormat {
        match (self.logs_json, self.moving) {
            (true, _) => LogFormat::Json,
            (false, true) => LogFormat::Plain,
            (false, false) => LogFormat::Text,
        }
    }

    /// A report was written.
    pub(super) fn report_written(&self, path: &Path) {
        let path = path.display().to_string();
        self.log(Level::Info, LogEvent::ReportWritten { path: path.as_str().into() }, &format!("report: {path}"));
    }

    /// A line of the log of a run; elsewhere the message alone.
    fn log(&self, level: Level, event: LogEvent<'_>, text: &str) {
        if self.logs_json {
            self.results.flush(self.flush_timeout());
            let line = LogLine::now(level, event, self.masked(text)).written(LogFormat::Json);
            self.messages.write(&line, self.on_full());
        } else {
            self.prompt(&format!("{text}\n"));
        }
    }

    /// The columns of the terminal that messages are read on.
    pub(super) const fn width(&self) -> Option<usize> {
        self.draw.width
    }

    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// From now on nothing waits for a reader.
    pub(super) fn never_wait(&self) {
        self.waits.set(false);
    }

    fn on_full(&self) -> OnFull {
        if self.waits.get() { OnFull::Wait } else { OnFull::Drop }
    }

    fn flush_timeout(&self) -> Option<Duration> {
        (!self.waits.get()).then_some(FLUSH_TIMEOUT)
    }

    /// Where messages go, for those who print by themselves.
    pub(super) fn messages(&self) -> Stream {
        self.messages.clone()
    }

    /// Where results go, for one that is written piece by piece.
    pub(super) fn results(&self) -> impl Write + Send + 'static {
        self.messages.flush(self.flush_timeout());
        self.results.clone()
    }

    /// A result, for standard output.
    pub(super) fn result(&self, text: &str) {
        // Both may be the same terminal, where what was said first must be read first.
        self.messages.flush(self.flush_timeout());
        self.results.write(&format!("{text}\n"), self.on_full());
    }

    /// A result as one line of JSON.
    pub(super) fn json(&self, value: &impl Serialize) {
        if let Ok(line) = serde_json::to_string(value) {
            self.result(&line);
        }
    }

    /// Something to know, for standard error.
    pub(super) fn say(&self, text: &str) {
        self.log(Level::Info, LogEvent::Message, text);
    }

    /// The same without the end of the line: the answer to a question follows on the same line.
    pub(super) fn prompt(&self, text: &str) {
        self.results.flush(self.flush_timeout());
        self.messages.write(&self.masked(text), self.on_full());
    }

    /// Waits until everything is written, and says so if that was not possible: a result that nobody can have got is a
    /// failure, whatever the command has found out. Call it last.
    pub(super) fn finish(&self, exit: Exit) -> Exit {
        self.results.flush(self.flush_timeout());
        let exit = match self.results.failure() {
            Some(why) => {
                self.error(&format!("standard output cannot be written: {why}"));
                if exit == Exit::Interrupted { exit } else { Exit::Environment }
            }
            None => exit,
        };
        self.messages.flush(self.flush_timeout());
        exit
    }

    /// The same for those who print by themselves.
    pub(super) fn masking(&self) -> fn(&str) -> Cow<'_, str> {
        if self.show_pii { |text| Cow::Borrowed(text) } else { masked }
    }

    /// A text as it may be said: without customers' numbers and addresses, unless they were asked for.
    pub(super) fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.masking()(text)
    }

    /// Something that failed.
    pub(super) fn error(&self, text: &str) {
        if self.logs_json {
            return self.log(Level::Error, LogEvent::Message, text);
        }
        let word = if self.draw.coloured { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" };
        self.say(&format!("{word} {text}"));
    }

    /// Shows how far a list is read, where something may move.
    pub(super) fn show_read_progress(&self, bar: Option<&ProgressBar>) {
        let Some(bar) = bar else { return };
        let style = ProgressStyle::with_template("{bar:30} {percent}% checked  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        if self.moving && bar.length().is_some() {
            bar.set_draw_target(draw_target(&self.messages));
        }
    }

    /// Problems: drawn for people on standard error, as data on standard output.
    pub(super) fn problems(&self, problems: &Problems) {
        if self.is_json() {
            problems.kinds().flat_map(Kind::each).for_each(|problem| self.json(&problem.data(self.draw.values)));
        } else {
            self.aside(problems);
        }
    }

    fn problem_aside(&self, problem: &Problem) {
        let data = serde_json::to_value(problem.data(self.draw.values)).unwrap_or_default();
        if self.logs_json {
            let level = if problem.severity == Severity::Warning { Level::Warning } else { Level::Error };
            self.log(level, LogEvent::Problem { problem: data }, &problem.message());
        } else {
            self.say(&data.to_string());
        }
    }

    /// Problems beside a result that they are no part of: on standard error, whatever the format.
    pub(super) fn aside(&self, problems: &Problems) {
        if self.is_json() {
            for problem in problems.kinds().flat_map(Kind::each) {
                self.problem_aside(&problem);
            }
            return;
        }
        let (kinds, sites) = match self.keep {
            Keep::First(sites) => (KINDS, sites),
            Keep::All => (usize::MAX, usize::MAX),
        };
        for kind in problems.kinds().take(kinds) {
            self.say(&format!("{}\n", kind.render(sites, self.draw)));
        }
        let more: u64 = problems.kinds().skip(kinds).map(|kind| kind.count).sum();
        if more > 0 {
            let warning = problems.kinds().all(|kind| kind.first.severity == Severity::Warning);
            let what = counted(more, if warning { "more warning" } else { "more problem" });
            self.say(&format!("... and {what}; `--all` shows each\n"));
        }
    }
}
