//! What is said during a run where nobody watches: each line has a time and a level, for people or as JSON.
use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Desk, Project};

fn desk() -> Desk {
    Desk::start(
        "faults:\n- { on: message, match: { conversation_id: 102 }, times: 1, status: 429, headers: { retry-after: '1' } }\n\
         - { on: message, match: { conversation_id: 104 }, status: 500 }\n",
    )
}

#[test]
fn without_a_terminal_each_line_of_a_run_has_a_time_and_a_level() {
    let desk = desk();
    let ran = Project::at(&desk).people(5).send("concurrency: 1").run(&["--verbose"]).exits(4);
    let said: Vec<&str> =
        ran.stderr.lines().filter(|line| line.contains("/messages -> ") || line.contains("no clear answer")).collect();
    assert!(said.len() >= 6, "{}", ran.stderr);
    for line in &said {
        let (time, rest) = line.split_once(' ').unwrap();
        time.parse::<jiff::Timestamp>().unwrap();
        let level = if line.contains("no clear answer") { "WARN " } else { "INFO " };
        assert!(rest.starts_with(level), "{line}");
    }
}

#[test]
fn with_json_everything_but_the_result_is_a_line_of_the_documented_shape() {
    let desk = desk();
    let project = Project::at(&desk).people(5).send("concurrency: 1");
    let schema: Value = serde_json::from_str(&project.campaign(&["schema", "events"]).exits(0).stdout).unwrap();
    let ran = project.run(&["--verbose", "--format", "json"]).exits(4);
    assert_eq!(ran.json().len(), 1, "the result alone is on standard output: {}", ran.stdout);
    let mut seen = BTreeSet::new();
    for line in ran.stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        jsonschema::validate(&schema, &line).unwrap_or_else(|error| panic!("{line}: {error}"));
        seen.insert(line["event"].as_str().unwrap().to_owned());
    }
    let expected = ["held", "message", "report_written", "request", "sending_ended", "sending_started"];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{}", ran.stderr);
    // A problem is one as well, and no number of a customer is whole in it.
    let wrong = Project::at(&desk).people(1).message("{ content: '{{ nmae }}' }").run(&["--format", "json"]).exits(2);
    assert!(wrong.stderr.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{}", wrong.stderr);
}
