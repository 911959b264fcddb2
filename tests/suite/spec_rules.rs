//! Rules of specs that no single folder shows: the schema and the checks agree, and no spec is too large to be refused.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use campaign::specification::{Source, Spec};

/// What can be told by the shape of a spec alone, so that an editor marks it by the schema.
const SHAPE: [&str; 32] = [
    "button-mismatch",
    "campaign-name",
    "cannot-read",
    "contact-not-findable",
    "delimiter",
    "empty-path",
    "header-mismatch",
    "header-variables",
    "header-without-value",
    "list-name",
    "literal-secret",
    "missing-key",
    "mistyped",
    "no-content",
    "no-value",
    "not-a-time",
    "not-a-time-of-day",
    "report-ending",
    "report-name",
    "spec-empty",
    "suppress-name",
    "suppress-path",
    "template-and-attachments",
    "too-many-attachments",
    "too-many-buttons",
    "unknown-day",
    "unknown-key",
    "unknown-region",
    "unknown-value",
    "ways-to-address",
    "window-without-days",
    "zero",
];

#[test]
fn the_schema_and_the_checks_are_of_one_mind_about_shape() {
    let schema = jsonschema::validator_for(&Spec::json_schema()).unwrap();
    let (mut refused, mut accepted, mut differ) = (BTreeSet::new(), 0, Vec::new());
    let folders = fs::read_dir("tests/specs").unwrap().map(|entry| entry.unwrap().path());
    let samples = fs::read_dir("campaigns").unwrap().map(|entry| entry.unwrap().path());
    let specs = folders.map(|folder| folder.join("campaign.yaml")).chain(samples);
    for file in specs.filter(|file| file.is_file() && file.extension().is_some_and(|ending| ending == "yaml")) {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        // What is no YAML has no shape.
        let Ok(value) = serde_yaml::from_str::<serde_json::Value>(&text) else { continue };
        let source = Source { name: file.display().to_string(), text };
        let problems = Spec::parse(&source, PathBuf::new(), &[]).err().unwrap_or_default();
        let codes: Vec<&str> =
            problems.iter().map(|problem| problem.code).filter(|code| SHAPE.contains(code)).collect();
        let errors: Vec<String> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        if codes.is_empty() != errors.is_empty() {
            differ.push(format!("{}: check {codes:?}, schema {errors:?}", source.name));
        } else if codes.is_empty() {
            accepted += 1;
        }
        refused.extend(codes);
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(accepted > 50, "{accepted} specs without a wrong shape");
    let untried: Vec<&str> = SHAPE.into_iter().filter(|code| !refused.contains(code)).collect();
    assert!(untried.is_empty(), "no case has {untried:?}");
}

#[test]
fn bombs_are_refused_by_a_limit_that_is_named() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| place.path().join(name);
    let columns = |count: usize| (0..count).map(|n| format!("column_{n}")).collect::<Vec<_>>().join(",");
    fs::write(file("wide.csv"), format!("id,{}\n1{}\n", columns(16_000), ",".repeat(16_000))).unwrap();
    fs::write(file("wider.csv"), format!("id,{}\n1{}\n", columns(50_000), ",".repeat(50_000))).unwrap();
    let wide = |list: &str| {
        let names = (0..3_000).map(|n| format!("{{{{ colum_{n} }}}}")).collect::<Vec<_>>().join(" ");
        let to = "to: { conversation_id: '{{ id }}' }";
        format!("name: x\nrecipients: {list}\n{to}\nmessage: {{ content: '{names}' }}\n")
    };
    let tenfold = |n: u32| format!("  a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(","));
    let aliases: String = (1..10).map(tenfold).collect();
    for (name, text, limit) in [
        ("aliases", format!("vars:\n  a0: &a0 [x]\n{aliases}"), "more than 20000 values"),
        ("brackets", "[".repeat(1_000_000), "nested more than 64 deep"),
        (
            "indents",
            (0..1_000).map(|n| format!("{}a:", " ".repeat(n))).collect::<Vec<_>>().join("\n"),
            "nested more than 64 deep",
        ),
        ("unknown-columns", wide("wide.csv"), "and 15981 more"),
        ("columns", wide("wider.csv"), "the limit is 16384"),
        ("large", String::new(), "larger than 1 MiB"),
    ] {
        let spec = file(&format!("{name}.yaml"));
        fs::write(&spec, text).unwrap();
        if name == "large" {
            fs::File::options().write(true).open(&spec).unwrap().set_len(100 << 20).unwrap();
        }
        let began = Instant::now();
        let mut check = Command::new(env!("CARGO_BIN_EXE_campaign"));
        let ran = check.arg("check").arg(&spec).env_clear().output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(2), "{name}");
        assert!(said.contains(limit), "{name}: {}", said.chars().take(2_000).collect::<String>());
        assert!(began.elapsed().as_secs() < 20, "{name}: {:?}", began.elapsed());
    }
}

#[test]
fn the_samples_have_nothing_to_be_warned_of() {
    for entry in fs::read_dir("campaigns").unwrap().map(|entry| entry.unwrap().path()) {
        let is_script = entry.to_string_lossy().ends_with(".sandbox.yaml");
        if entry.extension().is_some_and(|ending| ending == "yaml") && !is_script {
            let source = Source { name: entry.display().to_string(), text: fs::read_to_string(&entry).unwrap() };
            let warnings = Spec::parse(&source, PathBuf::new(), &[]).unwrap().warnings;
            assert!(warnings.is_empty(), "{}: {warnings:?}", entry.display());
        }
    }
}

#[test]
fn words_that_look_like_other_values_leave_as_they_are_written() {
    let content = |name: &str| {
        let place = tempfile::tempdir().unwrap();
        fs::copy("tests/specs/list.csv", place.path().join("list.csv")).unwrap();
        fs::copy(format!("tests/specs/{name}/campaign.yaml"), place.path().join("campaign.yaml")).unwrap();
        let mut run = Command::new(env!("CARGO_BIN_EXE_campaign"));
        let arguments = ["run", "campaign.yaml", "--dry-run", "--preview", "1", "--format", "json"];
        let ran = run.args(arguments).current_dir(place.path()).env_clear().output().unwrap();
        let row: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        row["requests"][0]["body"]["content"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        content("yaml-words-that-look-like-values"),
        "+4915112345678 0049151 no yes on off 09:30 2026-12-01 1e3 0x1F 1_000 .5 .inf 0o17 1:30:00"
    );
    assert_eq!(content("yaml-block-scalars"), "Hi Ada: # no comment\n- \"quoted\" & *starred*");
    assert_eq!(content("yaml-text-over-lines"), "Hi Ada, your order is here");
    assert_eq!(content("yaml-alias"), "Hi there");
}
