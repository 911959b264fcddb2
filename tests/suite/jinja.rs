//! Templates give what Jinja2 gives, but for the differences that `tests/jinja/differs.yaml` lists with their reasons.
//!
//! What Jinja2 gives was written by `tests/jinja/make.py`.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use campaign::message::Templates;
use campaign::problem::Problem;
use campaign::recipients::{Columns, Row};
use campaign::spec::{Source, Spec};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A template with its row, and what Jinja2 makes of it.
#[derive(Debug, Deserialize)]
struct Case {
    template: String,
    row: Map<String, Value>,
    /// The text; `None` where Jinja2 fails.
    jinja2: Option<String>,
}

/// Cases that come out otherwise here, for one reason.
#[derive(Debug, Deserialize)]
struct Difference {
    why: String,
    cases: Vec<Ours>,
}

#[derive(Debug, Deserialize)]
struct Ours {
    template: String,
    /// The text that is given here.
    ours: Option<String>,
    /// The code of the problem that is told in place of a text.
    error: Option<String>,
}

/// A text, or the code of the problem that is told in its place.
type Outcome = Result<String, String>;

fn cases() -> Vec<Case> {
    let text = fs::read_to_string("tests/jinja/cases.jsonl").unwrap();
    text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn differences() -> Vec<Difference> {
    serde_yaml::from_str(&fs::read_to_string("tests/jinja/differs.yaml").unwrap()).unwrap()
}

/// The message's text by the product, whose checks of anything but the template are off.
fn rendered(template: &str, columns: &Arc<Columns>, cells: Vec<Value>) -> Outcome {
    let spec = json!({
        "name": "c",
        "recipients": { "file": "list.csv" },
        "to": { "conversation_id": "101" },
        "message": { "content": template },
        "checks": { "liquid": "allow" },
    });
    let source = Source { name: "c.yaml".to_owned(), text: spec.to_string() };
    let spec = Arc::new(Spec::parse(&source, PathBuf::new(), &[]).map_err(first)?);
    // The columns of JSON Lines, where alone a cell may be something else than a text, are not known beforehand.
    let known = cells.iter().all(Value::is_string).then_some(columns.as_ref());
    let templates = Templates::compile(spec, known, "list.csv").map_err(first)?;
    let row = Row { line: 2, columns: columns.clone(), cells };
    Ok(templates.render(&row, "list.csv").map_err(first)?.message.content.unwrap_or_default())
}

fn first(problems: Vec<Problem>) -> String {
    problems.first().map(|problem| problem.code.to_string()).unwrap_or_default()
}

fn outcome(case: &Case) -> Outcome {
    let columns = Arc::new(Columns::new(case.row.keys().cloned().collect()));
    rendered(&case.template, &columns, case.row.values().cloned().collect())
}

/// The case as `differs.yaml` would have it.
fn listed(template: &str, outcome: &Outcome) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let (key, value) = match outcome {
        Ok(text) => ("ours", quoted(text)),
        Err(code) => ("error", code.clone()),
    };
    format!("    - template: {}\n      {key}: {value}\n", quoted(template))
}

#[test]
fn templates_give_what_jinja2_gives_but_for_the_listed_differences() {
    let list = differences();
    let mut expected: BTreeMap<&str, Outcome> = BTreeMap::new();
    for ours in list.iter().flat_map(|difference| &difference.cases) {
        let outcome = ours.ours.clone().ok_or_else(|| ours.error.clone().unwrap());
        assert!(expected.insert(&ours.template, outcome).is_none(), "listed twice: {}", ours.template);
    }
    let mut wrong = String::new();
    for case in &cases() {
        let outcome = outcome(case);
        let same = outcome.as_ref().ok() == case.jinja2.as_ref();
        match expected.remove(case.template.as_str()) {
            None if same => {}
            Some(expected) if expected == outcome && !same => {}
            Some(_) if same => wrong.push_str(&format!("    # vanished: {}\n", case.template)),
            _ => wrong.push_str(&format!("{}      # jinja2: {:?}\n", listed(&case.template, &outcome), case.jinja2)),
        }
    }
    let gone: Vec<&str> = expected.into_keys().collect();
    assert!(wrong.is_empty() && gone.is_empty(), "not as tests/jinja/differs.yaml has it:\n{wrong}no such cases: {gone:?}");
}
