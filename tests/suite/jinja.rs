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
use campaign::specification::{Source, Spec};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};

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
    /// The code of the problem that is reported in place of a text.
    error: Option<String>,
}

/// A text, or the code of the problem that is reported in its place.
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
    // Each character by its number: YAML leaves a text alone that is written so.
    let content: Vec<String> = template.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
    let content = content.concat();
    let spec = format!(
        "{{ name: c, recipients: {{ file: list.csv }}, to: {{ conversation_id: '101' }}, message: {{ content: \"{content}\" }}, checks: {{ liquid: allow }} }}"
    );
    let source = Source { name: "c.yaml".to_owned(), text: spec };
    let spec = Arc::new(Spec::parse(&source, PathBuf::new(), &[]).map_err(|problems| first(&problems))?);
    // The columns of JSON Lines, where alone a cell may be something else than a text, are not known beforehand.
    let known = cells.iter().all(Value::is_string).then_some(columns.as_ref());
    let templates = Templates::compile(spec, known, "list.csv").map_err(|problems| first(&problems))?;
    let row = Row::new(2, columns.clone(), cells.into());
    Ok(templates.render(&row, "list.csv").map_err(|problems| first(&problems))?.message.content.unwrap_or_default())
}

fn first(problems: &[Problem]) -> String {
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
    assert!(list.iter().all(|difference| !difference.why.is_empty()));
    for ours in list.iter().flat_map(|difference| &difference.cases) {
        let outcome = ours.ours.clone().ok_or_else(|| ours.error.clone().unwrap());
        assert!(expected.insert(&ours.template, outcome).is_none(), "listed twice: {}", ours.template);
    }
    let mut wrong = Vec::new();
    for case in &cases() {
        let outcome = outcome(case);
        let same = outcome.as_ref().ok() == case.jinja2.as_ref();
        match expected.remove(case.template.as_str()) {
            None if same => {}
            Some(expected) if expected == outcome && !same => {}
            Some(_) if same => wrong.push(format!("    # vanished: {}\n", case.template)),
            _ => wrong.push(format!("{}      # jinja2: {:?}\n", listed(&case.template, &outcome), case.jinja2)),
        }
    }
    let gone: Vec<&str> = expected.into_keys().collect();
    assert!(
        wrong.is_empty() && gone.is_empty(),
        "not as tests/jinja/differs.yaml has it:\n{}no such cases: {gone:?}",
        wrong.concat()
    );
}

/// The cells of a row of a Markdown table.
fn table_cells(line: &str) -> Option<Vec<String>> {
    let inside = line.strip_prefix("| ")?.strip_suffix('|')?.replace("\\|", "\u{0}");
    Some(inside.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect())
}

#[test]
fn what_the_documentation_shows_of_filters_is_real() {
    let text = fs::read_to_string("docs/templates.md").unwrap();
    let tables: Vec<Vec<String>> = text.lines().filter_map(table_cells).collect();
    let columns = Arc::new(Columns::new(tables[0].clone()));
    let row: Vec<Value> = tables[1].iter().map(|cell| Value::from(cell.as_str())).collect();
    let mut wrong = Vec::new();
    for cells in tables.iter().filter(|cells| cells.len() == 4 && cells[0].starts_with('`')) {
        let [filter, _, example, shown] = cells.as_slice() else { unreachable!() };
        let (filter, example, shown) = (filter.trim_matches('`'), example.trim_matches('`'), shown.trim_matches('`'));
        let found = rendered(example, &columns, row.clone()).unwrap_or_else(|code| format!("a problem: {code}"));
        if found != shown || !example.contains(&format!("|{filter}")) {
            wrong.push(format!("{filter}: {example} gives `{found}`"));
        }
    }
    assert!(wrong.is_empty(), "docs/templates.md shows something else:\n{}", wrong.join("\n"));
}

/// Columns, and how a template names them.
const PLACES: [(&str, &str); 5] = [
    ("name", "{{ name }}"),
    ("city", "{{city}}"),
    ("Order No.", "{{ row['Order No.'] }}"),
    ("größe", "{{ größe }}"),
    ("row 5", "{{\n\trow[\"row 5\"]\n}}"),
];

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Place(usize),
}

fn piece() -> impl Strategy<Value = Piece> {
    // A brace alone is a text as well, but the next piece may make a pair of it.
    let text = prop_oneof![
        any::<String>().prop_map(|text| text.replace('{', "")),
        "[ \t\r\n]{0,3}[<>&\"'}%#\\\\a-z]{0,9}[ \t\r\n]{0,3}",
        "\\{[ a-z]}",
    ];
    prop_oneof![text.prop_map(Piece::Text), (0..PLACES.len()).prop_map(Piece::Place)]
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ \t\r\n]{0,2}[a-zé山<>&\"']{0,9}[ \t\r\n]{0,2}",
        prop::sample::select(vec![
            "",
            "{{ name }}",
            "{% raw %}",
            "{# x #}",
            "None",
            "\\n",
            "\u{feff}x\u{200b}",
            "00012",
            "1e5"
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cell_comes_out_byte_for_byte_and_so_does_the_text_around_it(
        pieces in prop::collection::vec(piece(), 0..8),
        end in prop::sample::select(vec!["", "\n", "\r\n", "\n\n"]),
        cells in prop::collection::vec(cell(), PLACES.len()),
    ) {
        // An empty message would be refused.
        let (mut template, mut expected) = ("x".to_owned(), "x".to_owned());
        for piece in &pieces {
            match piece {
                Piece::Text(text) => {
                    template.push_str(text);
                    expected.push_str(text);
                }
                Piece::Place(at) => {
                    template.push_str(PLACES[*at].1);
                    expected.push_str(&cells[*at]);
                }
            }
        }
        template.push_str(end);
        expected.push_str(end);
        let source = template.clone();
        // One line break at the template's end is taken off; at the end of a cell none is.
        for end in ['\n', '\r'] {
            if template.ends_with(end) {
                template.pop();
                expected.pop();
            }
        }
        let columns = Arc::new(Columns::new(PLACES.iter().map(|(name, _)| (*name).to_owned()).collect()));
        let cells = cells.into_iter().map(Value::from).collect();
        prop_assert_eq!(rendered(&source, &columns, cells), Ok(expected));
    }
}
