//! Tests that are folders: what goes in, and in `expected.snap` what must come out. Each folder is a test of its own
//! name, so that `cargo test contact-conflict` runs one of them. A new folder needs no line of code.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

#[path = "../suite/harness/mod.rs"]
#[expect(dead_code, reason = "shared with the suite, which uses all of it")]
mod harness;

mod answers;
mod lists;
mod plans;
mod specs;

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let trials = [
        tests("answers", "tests/cases", answers::run),
        tests("specs", "tests/specs", specs::run),
        tests("plans", "tests/plans", plans::run),
        tests("lists", "tests/lists/cases", lists::run),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit();
}

/// A test for each folder in `root`.
fn tests(topic: &'static str, root: &str, run: fn(&Path)) -> Vec<Trial> {
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(!folders.is_empty(), "no folder in {root}");
    let test = |folder: PathBuf| {
        let name = format!("{topic}::{}", name(&folder));
        Trial::test(name, move || {
            run(&folder);
            Ok(())
        })
    };
    folders.into_iter().map(test).collect()
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Compares with `expected.snap` in the folder.
fn settings(folder: &Path) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(fs::canonicalize(folder).unwrap());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(name(folder));
    settings
}
