//! What `--format json` and JSON Lines reports print is what the schemas say, in every situation: each key that is printed is
//! described, and each that is required is printed.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Desk, Project, Ran, one_unknown};

/// A committed schema that also refuses keys that it does not describe.
fn closed(name: &str) -> Value {
    let text = fs::read_to_string(format!("schemas/{name}.schema.json")).unwrap();
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    for shape in schema["$defs"].as_object_mut().into_iter().flat_map(|shapes| shapes.values_mut()) {
        if shape["properties"].is_object() {
            shape["unevaluatedProperties"] = json!(false);
        }
    }
    schema["unevaluatedProperties"] = json!(false);
    schema
}

/// Each line is as the schema says.
#[track_caller]
fn keep_to(name: &str, lines: &str) -> Vec<Value> {
    let schema = jsonschema::validator_for(&closed(name)).unwrap();
    let values: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!values.is_empty(), "{name}: nothing was printed");
    for value in &values {
        let errors: Vec<String> =
            schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}\n{value:#}");
    }
    values
}

/// Events and result of a run, its report, and what status says afterwards.
#[track_caller]
fn run_keeps_to_its_schemas(project: &Project, words: &[&str], exit: i32) -> Value {
    let ran: Ran = project.run(&[words, &["--format", "json"]].concat()).exits(exit);
    keep_to("events", &ran.stderr);
    let result = keep_to("run", &ran.stdout).remove(0);
    keep_to("report", &fs::read_to_string(project.path("out.jsonl")).unwrap());
    let status = status(project);
    assert_eq!((&status["outcomes"], &status["errors"]), (&result["outcomes"], &result["errors"]));
    result
}

fn status(project: &Project) -> Value {
    keep_to("status", &project.campaign(&["status", "campaign.yaml", "--format", "json"]).stdout).remove(0)
}

#[test]
fn a_finished_run_with_receipts() {
    let desk = Desk::start(
        "receipts:\n\
         - { match: { conversation_id: 102 }, fail: { code: 131026, title: 'Message undeliverable' } }\n\
         - { match: { conversation_id: 103 }, reply: 'STOP', reply_after: 1ms }\n",
    );
    let list = "conversation_id\n101\n102\n103\n101\n";
    let project = Project::at(&desk).list(list).setting("report: out.jsonl").setting("track: { requests: unlimited }");
    let result = run_keeps_to_its_schemas(&project, &["--verbose"], 0);
    assert_eq!(result["skipped"], json!({ "duplicate": 1 }));
    let tracked = project.campaign(&["track", "campaign.yaml", "--now", "--follow", "--format", "json"]).exits(3);
    let tracked = keep_to("track", &tracked.stdout).remove(0);
    assert_eq!(tracked["undelivered_by_code"], json!([{ "code": "131026", "count": 1 }]));
    let status = status(&project);
    assert_eq!(status["receipts"]["opted_out"], 1);
    assert!(status["receipts"]["checked_at"].is_string());
    project.campaign(&["report", "campaign.yaml"]).exits(0);
    let rows = keep_to("report", &fs::read_to_string(project.path("out.jsonl")).unwrap());
    assert_eq!(rows[1]["receipt_code"], "131026");
    project.campaign(&["report", "campaign.yaml", "--with-columns", "-o", "columns.jsonl"]).exits(0);
    keep_to("report", &fs::read_to_string(project.path("columns.jsonl")).unwrap());
}

#[test]
fn a_run_that_a_guard_stops() {
    let desk = Desk::start("faults: [{ on: message, fail: { code: 132001, title: 'Template name does not exist' } }]");
    let project = Project::at(&desk).people(30).setting("report: out.jsonl").send("concurrency: 1");
    let result = run_keeps_to_its_schemas(&project, &[], 5);
    assert_eq!(result["stopped"]["by"], "stop_when");
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(30).setting("report: out.jsonl").send("canary: 3");
    let result = run_keeps_to_its_schemas(&project, &[], 5);
    assert_eq!(result["stopped"]["by"], "canary");
    let project = Project::at(&desk).people(3).setting("report: out.jsonl").send("quota: 1/day");
    let result = run_keeps_to_its_schemas(&project, &["--no-wait"], 7);
    assert!(result["stopped"]["until"].is_string());
}

#[test]
fn a_run_with_failures_and_unknown_outcomes() {
    let desk = Desk::start(
        "faults:\n\
         - { on: message, match: { conversation_id: 102 }, times: 1, status: 500 }\n\
         - { on: message, match: { conversation_id: 103 }, fail: { code: 131026, title: 'Message undeliverable' } }\n\
         - { on: message, match: { conversation_id: 104 }, times: 1, status: 429, headers: { retry-after: '1' } }\n",
    );
    let project = Project::at(&desk).people(5).setting("report: out.jsonl").send("concurrency: 1");
    let result = run_keeps_to_its_schemas(&project, &["--verbose"], 4);
    let errors: Vec<&Value> = result["errors"].as_array().unwrap().iter().map(|error| &error["error_code"]).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    let tracked = project.campaign(&["track", "campaign.yaml", "--now", "--format", "json"]);
    keep_to("track", &tracked.stdout);
}

#[test]
fn a_dry_run_a_check_and_a_campaign_that_is_not_begun() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3).setting("report: out.jsonl");
    assert_eq!(status(&project)["begun"], false);
    let ran = project.run(&["--dry-run", "--format", "json"]).exits(0);
    keep_to("events", &ran.stderr);
    assert_eq!(ran.json().len(), 3);
    assert_eq!(status(&project)["begun"], false);
    let list = "conversation_id,name\n101,<Ada>\n";
    let template =
        "{ content: Hi, template_params: { name: a, language: en, processed_params: { '1': '{{ name }}' } } }";
    let warned = Project::at(&desk).list(list).message(template).run(&["--format", "json"]).exits(0);
    let events = keep_to("events", &warned.stderr);
    assert!(events.iter().any(|event| event["event"] == "problem"), "{events:?}");
}

#[test]
fn proofs_and_a_run_under_way() {
    let desk = Desk::late_for(103, "3s");
    let project = Project::at(&desk).people(5).setting("report: out.jsonl");
    project.run(&["--proof-to", "conversation_id=900"]).exits(0);
    assert_eq!(status(&project)["proofs"]["last"]["outcome"], "accepted");
    let run = project.start(&[]);
    desk.wait_for_messages(6);
    let status = status(&project);
    assert_eq!(status["run"]["process"], run.process());
    assert_eq!(status["run"]["workers"].as_array().unwrap().len(), 1);
    run.finish().exits(0);
}

#[test]
fn a_folder_of_campaigns() {
    let (_desk, project) = one_unknown();
    fs::create_dir(project.path("more")).unwrap();
    let text = fs::read_to_string(project.path("campaign.yaml")).unwrap();
    fs::write(project.path("more/other.yaml"), text.replace("name: c", "name: other")).unwrap();
    let ran = project.campaign(&["status", ".", "--format", "json"]).exits(4);
    let begun: Vec<bool> =
        keep_to("status", &ran.stdout).iter().map(|status| status["begun"].as_bool().unwrap()).collect();
    assert_eq!(begun, [true, false]);
}

#[test]
fn a_healthy_account_and_wrong_credentials() {
    let desk = Desk::start("templates: [{ name: welcome, language: en, body: 1 }]\n");
    let template = "{ content: 'Hi', template_params: { name: welcome, language: en, \
                    processed_params: { '1': '{{ conversation_id }}' } } }";
    let project = Project::at(&desk).people(2).message(template);
    let ran = project.campaign(&["doctor", "campaign.yaml", "--format", "json"]).exits(0);
    keep_to("doctor", &ran.stdout);
    let desk = Desk::start("faults: [{ on: any, status: 401 }]");
    let project = Project::at(&desk).people(2);
    let ran = project.campaign(&["doctor", "campaign.yaml", "--format", "json"]).exits(1);
    let diagnosis = keep_to("doctor", &ran.stdout).remove(0);
    assert_eq!(diagnosis["checks"][0]["verdict"], "failed", "{diagnosis:#}");
}
