//! Events to a moving bar on a terminal, and to plain lines elsewhere.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use jiff::tz::TimeZone;

use crate::humanize::{counted, duration};
use crate::local_time::with_local_time;
use crate::run::Event;
use crate::run_log::{Level, LogEvent, LogFormat, LogLine};
use crate::state::State;
use crate::stdio::{OnFull, Stream, Terminal};

/// How often a plain line is written.
const EVERY: Duration = Duration::from_secs(10);

/// Shows how far a run is.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    output: Stream,
    moving: bool,
    format: LogFormat,
    private: fn(&str) -> Cow<'_, str>,
    begun: Cell<Instant>,
    last_line: Cell<Instant>,
    counts: Cell<Counts>,
    last_hold: RefCell<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    settled: u64,
    failed: u64,
    unknown: u64,
}

impl Progress {
    /// Shows nothing yet; `moving` when `output` is a terminal. `private` takes out what not everybody may read.
    /// Lines are written in `format`.
    pub fn new(output: Stream, moving: bool, format: LogFormat, private: fn(&str) -> Cow<'_, str>) -> Self {
        let target = if moving { draw_target(&output) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} done{msg}  {rate}/s  {eta} left");
        let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            // A text that cannot be drawn is no reason to stop sending.
            let _ = write!(text, "{:.1}", state.per_sec());
        };
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("rate", rate));
        let now = Instant::now();
        Self {
            bar,
            output,
            moving,
            format,
            private,
            begun: Cell::new(now),
            last_line: Cell::new(now),
            counts: Cell::default(),
            last_hold: RefCell::default(),
        }
    }

    /// So many messages are about to be sent.
    pub fn begin(&self, messages: u64) {
        if self.format == LogFormat::Json {
            let message = format!("sending {}", counted(messages, "message"));
            self.log(Level::Info, LogEvent::SendingStarted { messages }, &message);
        }
        self.begun.set(Instant::now());
        self.last_line.set(Instant::now());
        self.counts.take();
        self.bar.reset();
        self.bar.set_message("");
        self.bar.set_length(messages);
        if self.moving {
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
    }

    /// Gives the terminal back.
    pub fn end(&self) {
        if self.format == LogFormat::Json && !self.bar.is_finished() {
            self.log(Level::Info, LogEvent::SendingEnded, "sending ended");
        }
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
    }

    /// Takes note of an event.
    pub fn show(&self, event: &Event) {
        match event {
            Event::Settled(state) => self.settled(*state),
            Event::Paused { why, until } => {
                let text = format!("{why} until {}", with_local_time(*until, &TimeZone::system()));
                // Each of the deliveries that wait tells so; once is enough.
                if *self.last_hold.borrow() != text {
                    let event = LogEvent::Paused { until: format!("{until:.0}") };
                    self.log(Level::Info, event, &text);
                    self.last_hold.replace(text);
                }
            }
            Event::Away(_) => {}
            Event::Noted(text) => self.line(text),
            Event::Warned(text) => self.log(Level::Warning, LogEvent::Message, text),
        }
    }

    fn settled(&self, state: State) {
        let mut counts = self.counts.get();
        counts.settled += 1;
        match state {
            State::Failed => counts.failed += 1,
            State::Unknown => counts.unknown += 1,
            _ => {}
        }
        self.counts.set(counts);
        self.bar.inc(1);
        let mut failures = String::new();
        for (count, word) in [(counts.failed, "failed"), (counts.unknown, "unknown")] {
            if count > 0 {
                // Writing to a string cannot fail.
                let _ = write!(failures, ", {} {word}", HumanCount(count));
            }
        }
        if !self.moving && self.last_line.get().elapsed() >= EVERY {
            self.last_line.set(Instant::now());
            let rate = counts.settled as f64 / self.begun.get().elapsed().as_secs_f64();
            let left = self.bar.length().unwrap_or_default().saturating_sub(counts.settled) as f64 / rate;
            let messages = self.bar.length().unwrap_or_default();
            let event = LogEvent::Progress {
                done: counts.settled,
                messages,
                failed: counts.failed,
                unknown: counts.unknown,
                per_second: rate,
                seconds_left: left,
            };
            let left = duration(Duration::from_secs_f64(left.min(1e9)));
            let (done, of) = (HumanCount(counts.settled), HumanCount(messages));
            self.log(Level::Info, event, &format!("{done} of {of} done{failures}, {rate:.1}/s, {left} left"));
        }
        self.bar.set_message(failures);
    }

    /// A line above the bar, or simply a line. Dropped where nobody reads: no message waits for that.
    pub fn line(&self, text: &str) {
        self.log(Level::Info, LogEvent::Message, text);
    }

    /// A request and its answer, as a line.
    pub fn request(&self, text: &str) {
        self.log(Level::Info, LogEvent::Request, text);
    }

    fn log(&self, level: Level, event: LogEvent<'_>, text: &str) {
        let line = LogLine::now(level, event, (self.private)(text)).written(self.format);
        if self.moving {
            self.bar.suspend(|| self.output.write(&line, OnFull::Drop));
        } else {
            self.output.write(&line, OnFull::Drop);
        }
    }
}

/// Frames a second of a moving bar.
const FRAMES: u8 = 20;

/// The terminal at the end of a stream, for a moving bar.
pub fn draw_target(output: &Stream) -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(Box::new(Terminal::new(output.clone())), FRAMES)
}
