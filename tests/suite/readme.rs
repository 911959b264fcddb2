//! README shows real files and real output: each fenced block is what it says it is.
//!
//! `INSTA_UPDATE=always cargo test readme` writes them anew.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs;
use std::process::Command;

/// What follows `$ ` for the binary under test.
const NAMES: [&str; 2] = ["cargo run --release -- ", "campaign "];

/// The output of a command as a terminal shows it: both streams in their order.
fn output(command: &str) -> String {
    let arguments = NAMES.iter().find_map(|name| command.strip_prefix(name)).unwrap();
    let line = format!("{} {arguments} 2>&1", env!("CARGO_BIN_EXE_campaign"));
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// README with every checked block written anew.
fn rewritten(readme: &str) -> String {
    let mut lines = readme.lines().peekable();
    let mut new = String::new();
    let mut file = None;
    while let Some(line) = lines.next() {
        new.push_str(line);
        new.push('\n');
        if let Some(name) = line.strip_prefix("<!-- file: ").and_then(|rest| rest.strip_suffix(" -->")) {
            file = Some(name);
        }
        let body = match (line, file.take_if(|_| line.starts_with("```"))) {
            ("```console", _) => {
                let command = lines.next().unwrap();
                format!("{command}\n{}", output(command.strip_prefix("$ ").unwrap()))
            }
            (_, Some(file)) => fs::read_to_string(file).unwrap(),
            _ => continue,
        };
        new.push_str(&body);
        while lines.next_if(|line| *line != "```").is_some() {}
    }
    new
}

#[test]
fn what_readme_shows_is_real() {
    let readme = fs::read_to_string("README.md").unwrap();
    let rewritten = rewritten(&readme);
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        fs::write("README.md", &rewritten).unwrap();
    }
    assert!(readme == rewritten, "README.md shows something else than is real; it should be:\n\n{rewritten}");
}

#[test]
fn readme_begins_with_the_two_commands() {
    let readme = fs::read_to_string("README.md").unwrap();
    let screen: Vec<&str> = readme.lines().take(75).collect();
    for command in ["$ cargo run --release -- run campaigns/order_update.yaml --sandbox", "cargo test"] {
        assert!(screen.contains(&command), "{command}");
    }
}
