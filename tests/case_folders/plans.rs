//! What a person reads before the first send, as folders in `tests/plans`: a spec, a list, the command in `command.txt`,
//! and in `expected.snap` what it said. A folder may have been run before: `before` holds the spec and the list as they
//! were then, and `before/command.txt` the command.

use std::fs;
use std::path::Path;

use crate::harness::{Desk, Project, Ran};
use crate::settings;

/// Stands in each spec where the desk's address belongs. Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

pub(super) fn run(folder: &Path) {
    let desk = Desk::friendly();
    let mut project = Project::at(&desk);
    if folder.join("before").exists() {
        project = placed(project, &folder.join("before"), &desk);
        ran_in(&project, &folder.join("before"));
    }
    project = placed(project, folder, &desk);
    let ran = ran_in(&project, folder);
    let exit = ran.code.map_or_else(|| "by a signal".to_owned(), |code| code.to_string());
    let text = format!("exit: {exit}\n\n--- stdout\n{}\n--- stderr\n{}", ran.stdout, ran.stderr);
    let mut settings = settings(folder);
    settings.add_filter(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME");
    // A plan that ends after midnight counts each day: what is left is that all end.
    settings.add_filter(r"(today|tomorrow|on \w{3} \d+ \w{3}) (by|until) \d\d:\d\d", "DAY $2 TIME");
    settings.add_filter(r"when     \d+ DAY until TIME, the rest DAY by TIME", "when     all DAY by TIME");
    // That it is a first run has a test of its own.
    settings.add_filter(r"(?m)^  ledger   .*\n", "");
    settings.bind(|| insta::assert_snapshot!("expected", text));
}

/// Puts a folder's files where the project is.
fn placed(mut project: Project, folder: &Path, desk: &Desk) -> Project {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        match name {
            "campaign.yaml" => {
                project = project.spec(&fs::read_to_string(&path).unwrap().replace(NOWHERE, &desk.base_url));
            }
            "before" | "command.txt" | "expected.snap" => {}
            _ => project = project.file(name, fs::read(&path).unwrap()),
        }
    }
    project
}

fn ran_in(project: &Project, folder: &Path) -> Ran {
    let command = fs::read_to_string(folder.join("command.txt")).unwrap();
    project.campaign(&command.split_whitespace().collect::<Vec<_>>())
}
