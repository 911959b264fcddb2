//! The files in `deploy/`: what they run exists, and the exit codes that they name are ours.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::harness::command;

fn files() -> Vec<(PathBuf, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    files
}

/// Documents of a YAML file.
fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_yaml::from_str(document).unwrap()).collect()
}

/// Every value of a key, however deep.
fn values_of(value: &Value, key: &str, found: &mut Vec<Value>) {
    match value {
        Value::Object(mapping) => {
            for (name, value) in mapping {
                if name == key {
                    found.push(value.clone());
                }
                values_of(value, key, found);
            }
        }
        Value::Array(values) => {
            for value in values {
                values_of(value, key, found);
            }
        }
        _ => {}
    }
}

/// The words of each command that a file runs, without `campaign`.
fn commands(path: &Path, text: &str) -> Vec<Vec<String>> {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let in_shell = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let line = line
            .rsplit_once("campaign ")
            .filter(|(_, rest)| ["run ", "check ", "track "].iter().any(|command| rest.starts_with(command)))?;
        Some(words(line.1.split(['>', '"', '&']).next()?.trim_end_matches(" 2")))
    });
    let mut all: Vec<_> = in_shell.collect();
    if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
        let mut lists = Vec::new();
        for document in documents(text) {
            values_of(&document, "args", &mut lists);
            values_of(&document, "command", &mut lists);
        }
        all.extend(lists.iter().map(|list| serde_json::from_value(list.clone()).unwrap()));
    }
    all
}

#[test]
fn every_command_and_flag_exists() {
    let mut count = 0;
    for (path, text) in files() {
        for words in commands(&path, &text) {
            let output = command().args(&words).arg("--help").output().unwrap();
            assert!(output.status.success(), "{}: {words:?}: {output:?}", path.display());
            count += 1;
        }
    }
    assert!(count >= 9, "only {count} commands were found");
}

#[test]
fn every_exit_code_is_documented() {
    let help = command().args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let mut codes = Vec::new();
    for (path, text) in files() {
        if path.starts_with(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes")) {
            let mut values = Vec::new();
            for document in documents(&text) {
                values_of(&document, "values", &mut values);
            }
            codes.extend(values.into_iter().flat_map(|list| serde_json::from_value::<Vec<u8>>(list).unwrap()));
        }
        let listed = text.lines().filter_map(|line| line.strip_prefix("SuccessExitStatus="));
        codes.extend(listed.flat_map(|codes| codes.split(' ').map(|code| code.parse().unwrap()).collect::<Vec<u8>>()));
    }
    assert!(codes.len() >= 10, "{codes:?}");
    for code in codes {
        assert!(help.lines().any(|line| line.starts_with(&format!("  {code} "))), "{code} is none of our exit codes");
    }
}

#[test]
fn the_spec_of_the_trial_with_two_workers_is_right() {
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/compose.campaign.yaml");
    let output = command().arg("check").arg(spec).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
