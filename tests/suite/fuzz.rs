//! Whatever comes in from outside, the program says what is wrong with it: it does not panic, hang or grow.
//!
//! What once was found, or is worth trying every time, is a file below `tests/seeds`. `PROPTEST_CASES` tries more.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

mod answers;
mod lists;
mod specs;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;

/// As long as one input of up to 100 kB may take, in a debug build on a busy machine.
const MAX_DURATION: Duration = Duration::from_secs(5);

/// The number of cases, unless `PROPTEST_CASES` says otherwise. Failures become seeds by hand, so none are written.
fn cases(few: u32) -> ProptestConfig {
    let asked = std::env::vars().find(|(name, _)| name == "PROPTEST_CASES").and_then(|(_, cases)| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(few), failure_persistence: None, ..ProptestConfig::default() }
}

/// Files of a folder by their names.
fn files(folder: &str, ending: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| ending.is_empty() || found == ending))
        .map(|path| (path.display().to_string(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has no .{ending}");
    files
}

fn ending(name: &str) -> &str {
    Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}

fn in_time<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    let took = begun.elapsed();
    assert!(took < MAX_DURATION, "{what} took {took:?}");
    result
}

/// One change to bytes: where, counted in thousandths of them, and what.
#[derive(Debug, Clone)]
enum Change {
    Flip(usize, u8),
    Cut(usize),
    Remove(usize, usize),
    Splice(usize, Vec<u8>),
    Repeat(usize, usize),
}

fn change(rubbish: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Change> {
    let at = 0_usize..1000;
    prop_oneof![
        3 => (at.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Flip(at, byte)),
        1 => at.clone().prop_map(Change::Cut),
        2 => (at.clone(), 1_usize..80).prop_map(|(at, len)| Change::Remove(at, len)),
        3 => (at.clone(), rubbish).prop_map(|(at, bytes)| Change::Splice(at, bytes)),
        2 => (at, 1_usize..200).prop_map(|(at, len)| Change::Repeat(at, len)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let place = |at: &usize| at * bytes.len() / 1000;
        match change {
            Change::Flip(at, byte) => {
                let at = place(at);
                if let Some(found) = bytes.get_mut(at) {
                    *found = *byte;
                }
            }
            Change::Cut(at) => bytes.truncate(place(at)),
            Change::Remove(at, len) => {
                let at = place(at);
                bytes.drain(at..(at + len).min(bytes.len()));
            }
            Change::Splice(at, more) => {
                let at = place(at);
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Repeat(at, len) => {
                let at = place(at);
                let again = bytes[at..(at + len).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}
