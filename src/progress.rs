//! Events to a moving bar on a terminal, and to plain lines elsewhere.

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::run::Event;
use crate::state::State;

/// How often a plain line is written.
const EVERY: Duration = Duration::from_secs(10);

/// Shows how far a run is.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    moving: bool,
    begun: Instant,
    last_line: Cell<Instant>,
    counts: RefCell<Counts>,
    last_hold: RefCell<String>,
}

#[derive(Debug, Default)]
struct Counts {
    settled: u64,
    failed: u64,
    unknown: u64,
}

impl Progress {
    /// For so many messages; `moving` when standard error is a terminal.
    pub fn new(messages: u64, moving: bool) -> Self {
        let target = if moving { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(messages), target);
        let template = "{bar:30} {human_pos}/{human_len} sent{msg}  {per_sec:.1}  {eta} left";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        if moving {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        let now = Instant::now();
        Self {
            bar,
            moving,
            begun: now,
            last_line: Cell::new(now),
            counts: RefCell::default(),
            last_hold: RefCell::default(),
        }
    }

    /// Takes note of an event.
    pub fn tell(&self, event: &Event) {
        match event {
            Event::Settled(state) => self.settled(*state),
            Event::Held { why, until } => {
                let text = format!("waiting for {why} until {until:.0}");
                // Each of the deliveries that wait tells so; once is enough.
                if *self.last_hold.borrow() != text {
                    self.line(&text);
                    self.last_hold.replace(text);
                }
            }
            Event::Noted(text) => self.line(text),
        }
    }

    fn settled(&self, state: State) {
        let mut counts = self.counts.borrow_mut();
        counts.settled += 1;
        match state {
            State::Failed => counts.failed += 1,
            State::Unknown => counts.unknown += 1,
            _ => {}
        }
        self.bar.inc(1);
        let mut trouble = String::new();
        for (count, word) in [(counts.failed, "failed"), (counts.unknown, "unknown")] {
            if count > 0 {
                // Writing to a string cannot fail.
                let _ = write!(trouble, ", {} {word}", HumanCount(count));
            }
        }
        if !self.moving && self.last_line.get().elapsed() >= EVERY {
            self.last_line.set(Instant::now());
            let rate = counts.settled as f64 / self.begun.elapsed().as_secs_f64();
            let left = self.bar.length().unwrap_or_default().saturating_sub(counts.settled) as f64 / rate;
            let left = crate::plan::in_words(Duration::from_secs_f64(left.min(1e9)));
            self.line(&format!(
                "{} of {} settled{trouble}, {rate:.1}/s, {left} left",
                HumanCount(counts.settled),
                HumanCount(self.bar.length().unwrap_or_default())
            ));
        }
        self.bar.set_message(trouble);
    }

    /// A line above the bar, or simply a line.
    #[expect(clippy::print_stderr, reason = "this room is the other one that shows something, beside cli")]
    fn line(&self, text: &str) {
        if self.moving {
            self.bar.suspend(|| eprintln!("{text}"));
        } else {
            eprintln!("{text}");
        }
    }

    /// Leaves the bar as it is and gives the terminal back.
    pub fn finish(&self) {
        self.bar.abandon();
    }
}
