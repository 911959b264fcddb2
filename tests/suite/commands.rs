//! The commands around a run: what they print, write, and leave alone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Desk, Project, Running};

/// A project without a server.
fn offline() -> Project {
    Project::at_address(&Desk::friendly().close())
}

/// All files with their contents.
fn contents(project: &Project) -> BTreeMap<PathBuf, Vec<u8>> {
    project.files().into_iter().map(|path| (path.clone(), fs::read(&path).unwrap_or_default())).collect()
}

#[test]
fn every_command_explains_itself() {
    let project = offline();
    insta::assert_snapshot!("help", project.campaign(&["--help"]).exits(0).stdout);
    for command in [
        "run",
        "check",
        "doctor",
        "status",
        "stop",
        "track",
        "report",
        "resolve",
        "sandbox",
        "schema",
        "init",
        "completions",
    ] {
        let ran = project.campaign(&[command, "--help"]).exits(0);
        insta::assert_snapshot!(format!("help {command}"), ran.stdout);
    }
    for command in ["backup", "recover"] {
        let ran = project.campaign(&["ledger", command, "--help"]).exits(0);
        insta::assert_snapshot!(format!("help ledger {command}"), ran.stdout);
    }
}

#[test]
fn a_wrong_command_line_is_no_reason_to_send() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2);
    for words in [
        &["--dryrun"][..],
        &["--limit", "many"],
        &["--var", "novalue"],
        &["--sandbox", "--dry-run"],
        &["--preview", "3"],
        &["--report", "out.pdf"],
        &["--ledger", "mysql://host/db"],
    ] {
        project.run(words).exits(2);
    }
    project.campaign(&["resolve", "campaign.yaml", "--all"]).exits(2);
    project.campaign(&["resolve", "campaign.yaml", "--sent"]).exits(2);
    project.campaign(&["resolve", "campaign.yaml", "--all", "--sent", "--not-sent"]).exits(2);
    project.campaign(&["report", "campaign.yaml", "--only", "arrived"]).exits(2);
    project.campaign(&[]).exits(2);
    assert_eq!(desk.journal().len(), 0);
}

#[test]
fn a_spec_that_is_not_there_is_the_environments_fault() {
    offline().campaign(&["run", "other.yaml"]).exits(1).says("other.yaml");
}

/// Every property of a schema, wherever it is, with whether it is described there or where it refers to.
fn undescribed(schema: &Value, whole: &Value, path: &str, found: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let described = |value: &Value| value["description"].is_string();
        let target = property["$ref"].as_str().and_then(|target| whole.pointer(target.trim_start_matches('#')));
        if !described(property) && !target.is_some_and(described) {
            found.push(format!("{path}.{name}"));
        }
    }
    for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
        undescribed(definition, whole, name, found);
    }
}

#[test]
fn schemas_are_valid_and_describe_every_property() {
    let project = offline();
    for of in ["campaign", "report", "events", "run", "status", "track", "doctor"] {
        let schema: Value = serde_json::from_str(&project.campaign(&["schema", of]).exits(0).stdout).unwrap();
        assert!(jsonschema::meta::is_valid(&schema));
        let mut found = Vec::new();
        undescribed(&schema, &schema, of, &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}

#[test]
fn a_spec_that_runs_is_valid_by_the_schema() {
    let project = offline().campaign(&["schema"]).exits(0).stdout;
    let schema: Value = serde_json::from_str(&project).unwrap();
    let project = offline();
    project.campaign(&["init", "new"]).exits(0);
    let text = fs::read_to_string(project.path("new/campaign.yaml")).unwrap();
    let spec: Value = serde_yaml::from_str(&text).unwrap();
    assert!(jsonschema::is_valid(&schema, &spec));
    let mut wrong = spec;
    wrong["sned"] = json!({});
    assert!(!jsonschema::is_valid(&schema, &wrong));
}

#[test]
fn reports_keep_to_their_schema() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 102 }, status: 500 }]");
    let project = Project::at(&desk).list("conversation_id\n101\n102\n101\n").setting("report: out.jsonl");
    project.run(&[]).exits(4);
    let schema: Value = serde_json::from_str(&project.campaign(&["schema", "report"]).stdout).unwrap();
    let lines = fs::read_to_string(project.path("out.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 3);
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        jsonschema::validate(&schema, &record).unwrap();
    }
}

#[test]
fn what_init_writes_runs_at_once() {
    let project = offline();
    project.campaign(&["init", "new"]).exits(0).says("new/campaign.yaml --dry-run");
    let ran = project.campaign(&["run", "new/campaign.yaml", "--dry-run"]).exits(0);
    insta::assert_snapshot!("init dry run", ran.stdout);
    let project = project.environment("LIVEDESK_API_KEY", None).environment("LIVEDESK_API_SECRET", None);
    let ran = project.campaign(&["run", "new/campaign.yaml", "--sandbox"]).exits(0);
    assert!(ran.stdout.contains("accepted          3"), "{}", ran.stdout);
    let spec = fs::read_to_string(project.path("new/campaign.yaml")).unwrap();
    assert_eq!(spec.lines().next(), Some("# yaml-language-server: $schema=campaign.schema.json"));
    let schema = fs::read_to_string(project.path("new/campaign.schema.json")).unwrap();
    assert_eq!(schema, project.campaign(&["schema"]).stdout);
    assert!(!project.path("new/.campaign").exists(), "a sandbox run leaves no ledger");
    assert!(!project.path("new/reports/my-first-campaign.csv").exists(), "nor the report of a real run");
}

#[test]
fn init_overwrites_nothing() {
    let project = offline().file("new/recipients.csv", "mine");
    project.campaign(&["init", "new"]).exits(1).says("recipients.csv already exists; nothing was written");
    assert_eq!(fs::read_to_string(project.path("new/recipients.csv")).unwrap(), "mine");
    assert!(!project.path("new/campaign.yaml").exists());
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = offline().campaign(&["completions", shell]).exits(0);
        assert!(ran.stdout.contains("resolve") && ran.stdout.contains("skip-invalid"), "{shell}");
    }
}

#[test]
fn a_dry_run_connects_to_nothing_and_writes_nothing() {
    let project = offline().people(5).environment("LIVEDESK_API_KEY", None);
    let before = contents(&project);
    project.run(&["--dry-run"]).exits(0).says("nothing was sent and nothing was written; 5 messages would be sent");
    project.campaign(&["check", "campaign.yaml"]).exits(0);
    project.campaign(&["status", "campaign.yaml"]).exits(8);
    assert_eq!(before, contents(&project));
}

#[test]
fn a_dry_run_after_a_run_shows_the_rest() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5);
    project.run(&["--limit", "2"]).exits(0);
    let ran = project.run(&["--dry-run", "--format", "json"]).exits(0);
    let keys: Vec<_> = ran.json().iter().map(|row| row["key"].clone()).collect();
    assert_eq!(keys, ["103", "104", "105"]);
    assert_eq!(desk.messages().len(), 2);
}

#[test]
fn a_dry_run_shows_requests_as_they_would_leave() {
    let project = offline().list("conversation_id,name\n101,Ada\n102,Bob\n");
    let to = "{ inbox_id: 79, contact: { name: '{{ name }}', identifier: 'c-{{ conversation_id }}' } }";
    let ran = project.to(to).run(&["--dry-run", "--format", "json"]).exits(0);
    let rows = ran.json();
    assert_eq!(rows.len(), 2);
    let ids = (rows[1]["line"].as_u64(), rows[1]["key"].as_str());
    assert_eq!(ids, (Some(3), Some("c-102")));
    insta::assert_json_snapshot!(rows[0]);
}

#[test]
fn what_a_dry_run_shows_is_what_leaves() {
    let desk = Desk::friendly();
    let message = "{ content: 'Hi {{ name | upper }}', private: 'true', template_params: { name: t, language: de, \
        processed_params: { '2': b, '1': '{{ name }}' }, button_params: [{ index: '0', sub_type: url, text: x }] } }";
    let project = Project::at(&desk).list("conversation_id,name\n101,José\n").message(message);
    let shown = project.run(&["--dry-run", "--format", "json"]).exits(0).json();
    project.run(&[]).exits(0);
    let sent = &desk.messages()[0];
    let request = &shown[0]["requests"][0];
    assert_eq!((&request["body"], &request["path"]), (&sent["body"], &sent["path"]));
    assert_eq!(request["body"].to_string(), sent["body"].to_string(), "keys in the same order");
}

#[test]
fn ledger_and_reports_are_for_their_owner_alone() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(1).setting("report: [reports/c.csv, reports/c.jsonl]");
    project.run(&[]).exits(0);
    let mode = |name: &str| fs::metadata(project.path(name)).unwrap().permissions().mode() & 0o777;
    for file in [".campaign/c.sqlite", "reports/c.csv", "reports/c.jsonl"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    assert_eq!(mode(".campaign"), 0o700);
}

#[test]
fn neither_secrets_nor_recipients_are_in_what_is_printed() {
    let desk = Desk::start("faults: [{ on: message, times: 1, status: 500 }]");
    let list = "conversation_id,name\n101,Margarethe\n102,Wolfgang\n103,\n";
    let project = Project::at(&desk).list(list);
    let project = project.message("{ content: 'Hi {{ name }}', private: '{{ name == \"Wolfgang\" }}' }");
    let ran = project.run(&["--skip-invalid"]).exits(4);
    for word in ["Margarethe", "Wolfgang", "test-key", "test-secret", "dGVzd"] {
        assert!(!ran.stdout.contains(word) && !ran.stderr.contains(word), "{word}: {ran:?}");
    }
    let printed: String = desk.journal().iter().map(Value::to_string).collect();
    assert!(!printed.contains("test-secret"), "{printed}");
}

#[test]
#[cfg(unix)]
fn a_reader_who_has_seen_enough_is_no_trouble() {
    let desk = Desk::friendly();
    let through_head = "( \"$@\"; echo \"exit $?\" >&2 ) | head -n 1";
    // More than a pipe holds; a run prints little.
    for (people, words) in [(3_000, &["--dry-run", "--preview", "all"][..]), (50, &["--format", "json"])] {
        let project = Project::at(&desk).people(people);
        let mut command = project.run_under(&["/bin/sh", "-c", through_head, "sh"]);
        command.args(words);
        let ran = Running::launch(command).finish().exits(0).says("exit 0");
        assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("error"), "{}", ran.stderr);
    }
    assert_eq!(desk.messages().len(), 50);
}

#[test]
fn looking_at_a_campaign_leaves_no_file_behind() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5);
    project.run(&["--limit", "2"]).exits(0);
    let before = project.files();
    project.run(&["--dry-run"]).exits(0);
    project.campaign(&["status", "campaign.yaml"]).exits(0);
    assert_eq!(before, project.files());
}

#[test]
fn a_dry_run_for_programs_prints_recipients_alone() {
    let to = "{ inbox_id: 79, contact: { phone_number: '{{ phone }}' } }";
    let project = Project::at_address("http://127.0.0.1:9").list("phone\n+123456789\n").to(to);
    let ran = project.message("{ content: Hi }").run(&["--dry-run", "--format", "json"]).exits(0);
    assert!(ran.json().iter().all(|row| row["key"].is_string()), "{}", ran.stdout);
}
