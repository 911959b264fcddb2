//! The watchdog: ends the process before one template takes more memory or time than any message needs.
//!
//! The engine bounds steps, not what a step makes: a text that is doubled thirty times has taken thirty steps and a
//! gigabyte. No step can be undone from outside, so the process is what ends, with the template's place. All rows are
//! rendered before the first message is sent, and render the same afterwards, so it bites before anything goes out; the
//! ledger is as it was, as after any other kill.
//!
//! Memory is the whole process's: what other threads take meanwhile counts too. That is little, because an evaluation
//! takes microseconds unless something is wrong with it.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use super::exit::Exit;
use super::output::Output;
use crate::message::{Evaluation, running};
use crate::problem::{Problem, Problems};

/// Between two looks. A template that runs away makes some ten megabytes meanwhile.
const INTERVAL: Duration = Duration::from_millis(5);

/// Bytes by which the process may grow during one evaluation.
const MAX_MEMORY: usize = 50_000_000;

/// How long one evaluation may take. Its steps are bounded, so one that takes this long has made something huge.
const MAX_TIME: Duration = Duration::from_secs(2);

/// What one look adds to that at most: while the process is stopped or the machine asleep nothing is evaluated.
const MAX_BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// An evaluation that was found running.
struct Usage {
    /// The memory of the process when it was first seen.
    memory: Option<usize>,
    /// How long it has been seen.
    time: Duration,
}

/// Watches from now on. `output` makes what the problem is printed by.
pub(super) fn start(output: impl FnOnce() -> Output + Send + 'static) {
    let watching = thread::Builder::new().name("watchdog".to_owned()).spawn(move || -> () { watch(output) });
    // Where no thread can be made the templates are still bounded in their steps and in what they write.
    drop(watching);
}

fn watch(output: impl FnOnce() -> Output) -> ! {
    let (evaluation, excess) = first_excess();
    abort(&evaluation, &excess, &output())
}

/// Waits for an evaluation that goes too far.
fn first_excess() -> (Evaluation, String) {
    let mut seen: HashMap<(u64, u64), Usage> = HashMap::new();
    let mut last = Instant::now();
    loop {
        thread::sleep(INTERVAL);
        let since = last.elapsed().min(MAX_BETWEEN_LOOKS);
        last = Instant::now();
        let now = running();
        seen.retain(|number, _| now.iter().any(|evaluation| evaluation.number == *number));
        if now.is_empty() {
            continue;
        }
        let memory = memory_stats::memory_stats().map(|memory| memory.physical_mem);
        for evaluation in now {
            let seen = seen.entry(evaluation.number).or_insert(Usage { memory, time: Duration::ZERO });
            seen.time += since;
            let grown = memory.zip(seen.memory).map_or(0, |(now, before)| now.saturating_sub(before));
            if grown > MAX_MEMORY {
                return (evaluation, format!("more than {} MB of memory", MAX_MEMORY / 1_000_000));
            }
            if seen.time > MAX_TIME {
                return (evaluation, format!("longer than {} s", MAX_TIME.as_secs()));
            }
        }
    }
}

/// Says what went too far, and ends the process.
#[expect(clippy::disallowed_methods, reason = "a thread that never comes to an end cannot return an exit code")]
fn abort(Evaluation { place, line, .. }: &Evaluation, excess: &str, output: &Output) -> ! {
    let row = line.map(|line| format!(" for line {line} of the list")).unwrap_or_default();
    let what = format!("rendering this template{row} takes {excess}");
    let problem = Problem::error("template-too-large", place.clone(), what);
    output.problems(&Problems::from(vec![problem.hint("does a loop or a text grow without end?")]));
    output.say("1 problem; stopped");
    std::process::exit(output.finish(Exit::InvalidInput) as i32)
}
