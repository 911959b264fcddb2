//! The sample campaigns: valid by the schema, shown by a dry run, sent by the sandbox.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::copy_folder;

const SAMPLES: [&str; 7] =
    ["event_invitation", "invoice", "onboarding", "order_update", "picture", "re_engagement", "support_note"];

fn campaign(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_campaign")).args(arguments).current_dir(folder).env_clear().output().unwrap()
}

fn schema(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(format!("schemas/{name}.schema.json")).unwrap()).unwrap()
}

fn specs_in(folder: &str) -> Vec<PathBuf> {
    let mut specs: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let is_script = |path: &PathBuf| path.to_string_lossy().ends_with(".sandbox.yaml");
    specs.retain(|path| path.extension().is_some_and(|ending| ending == "yaml") && !is_script(path));
    specs.sort();
    specs
}

#[test]
fn each_sample_is_shown_by_a_dry_run_as_it_would_leave() {
    for sample in SAMPLES {
        let file = format!("campaigns/{sample}.yaml");
        let output = campaign(Path::new("."), &["run", &file, "--dry-run", "--preview", "2"]);
        let (plan, rows) = (String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap());
        assert_eq!(output.status.code(), Some(0), "{sample}: {plan}");
        // By the hours of a window it depends on the time of day how long it takes.
        let by_the_clock = |line: &&str| {
            sample == "event_invitation" && ["  takes", "  when"].iter().any(|word| line.starts_with(word))
        };
        let plan: String = plan.lines().filter(|line| !by_the_clock(line)).flat_map(|line| [line, "\n"]).collect();
        insta::assert_snapshot!(sample, format!("{plan}\n{rows}"));
    }
}

#[test]
fn each_sample_runs_in_the_sandbox_and_reports_every_row() {
    // Side by side: each waits a second for its receipts.
    let each = |sample: &str| {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(Path::new("campaigns"), &folder.path().join("campaigns"));
        let arguments =
            ["run", &format!("campaigns/{sample}.yaml"), "--sandbox", "--format", "json", "--report", "result.jsonl"];
        let output = campaign(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{sample}: {}", String::from_utf8_lossy(&output.stderr));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        let report = fs::read_to_string(folder.path().join("result.sandbox.jsonl")).unwrap();
        let rows: Vec<Value> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(summary["recipients"], rows.len(), "{sample}");
        let sent = rows.iter().filter(|row| row["outcome"] == "accepted" && row["message_id"].is_u64()).count();
        assert_eq!(summary["outcomes"]["accepted"], sent, "{sample}");
        assert!(rows.iter().all(|row| row["outcome"] == "accepted" || row["outcome"] == "skipped"), "{sample}");
        let schema = jsonschema::validator_for(&schema("report")).unwrap();
        assert!(rows.iter().all(|row| schema.is_valid(row)), "{sample}");
    };
    std::thread::scope(|scope| {
        for sample in SAMPLES {
            scope.spawn(move || each(sample));
        }
    });
}

#[test]
fn every_sample_carries_the_editor_line_and_is_valid_by_the_schema() {
    let schema = jsonschema::validator_for(&schema("campaign")).unwrap();
    let samples = specs_in("campaigns");
    assert_eq!(samples.len(), SAMPLES.len(), "each sample is tested");
    for path in samples.iter().chain(&specs_in("tests/wire/specs")) {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with("# yaml-language-server: $schema="), "{}", path.display());
        let value: Value = serde_yaml::from_str(&text).unwrap();
        let errors: Vec<String> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
}

#[test]
fn the_schema_refuses_what_the_checks_refuse() {
    let schema = jsonschema::validator_for(&schema("campaign")).unwrap();
    let text = fs::read_to_string("campaigns/order_update.yaml").unwrap();
    for (from, to) in [
        ("name: order-update", "name: Order Update"),
        ("send:\n  rate: 20/s", "send:\n  rat: 20/s"),
        ("message_type: outgoing", "message_type: sideways"),
        ("type: text,", "type: texts,"),
    ] {
        let damaged = text.replacen(from, to, 1);
        assert_ne!(damaged, text, "{from}");
        assert!(!schema.is_valid(&serde_yaml::from_str(&damaged).unwrap()), "{to}");
        let folder = tempfile::tempdir().unwrap();
        copy_folder(Path::new("campaigns"), folder.path());
        fs::write(folder.path().join("damaged.yaml"), &damaged).unwrap();
        assert_eq!(campaign(folder.path(), &["check", "damaged.yaml"]).status.code(), Some(2), "{to}");
    }
}

#[test]
fn the_committed_schemas_are_those_of_the_types_and_explain_every_key() {
    let files = fs::read_dir("schemas").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = files.map(|file| file.replace(".schema.json", "")).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    for name in &names {
        let output = campaign(Path::new("."), &["schema", name]);
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed, schema(name), "cargo run -- schema {name} > schemas/{name}.schema.json");
        let shapes =
            std::iter::once(&printed).chain(printed["$defs"].as_object().into_iter().flat_map(|defs| defs.values()));
        for (key, property) in shapes.filter_map(|shape| shape["properties"].as_object()).flatten() {
            assert!(property["description"].is_string(), "{name}: `{key}` has no description");
        }
    }
}
