//! Specs by people in a hurry, and templates by people who try things.

use std::path::PathBuf;
use std::sync::Arc;

use campaign::message::Templates;
use campaign::problem::{DrawOptions, Problem};
use campaign::recipients::{Columns, Row};
use campaign::specification::{Source, Spec};
use proptest::prelude::*;
use serde_json::Value;

use super::{cases, change, changed, files, in_time};

/// Parses, and draws every problem, for drawing finds its way through the text by the problem's place.
fn parsed(text: &str) -> Result<Spec, Vec<Problem>> {
    let source = Source { name: "c.yaml".to_owned(), text: text.to_owned() };
    let result = Spec::parse(&source, PathBuf::new(), &[]);
    for problem in result.as_ref().err().into_iter().flatten().take(50) {
        assert!(!problem.what.is_empty() && !problem.render(DrawOptions::PLAIN).is_empty());
        assert!(stands_in(problem, text), "{problem:?} in {text:?}");
    }
    if let Err(problems) = &result {
        assert!(!problems.is_empty(), "refused without a word");
    }
    result
}

/// Whether a problem's place is a place of the text: a line that is there, and a column of it or the one after its end.
fn stands_in(problem: &Problem, text: &str) -> bool {
    let Some(line) = problem.place.line.and_then(|line| usize::try_from(line).ok()) else { return false };
    let found = text.split('\n').nth(line - 1);
    let width = found.map(|line| line.chars().count() as u64);
    width.is_some_and(|width| problem.place.column.is_none_or(|column| (1..=width + 1).contains(&column)))
}

/// As far as a spec can go without a list and a server.
fn holds(text: &str) {
    if let Ok(spec) = parsed(text) {
        spec.differences("name: other\nvars: { a: 1 }\n");
        rendered(spec, &[Value::from("101"), Value::from("x")]);
    }
}

/// Compiles a spec's templates and renders them for a row; problems are as good as a message.
fn rendered(spec: Spec, cells: &[Value]) -> Option<String> {
    let names = ["conversation_id", "name"].map(str::to_owned).to_vec();
    let columns = Arc::new(Columns::new(names));
    let row = Row::new(2, columns.clone(), cells.into());
    let spec = Arc::new(spec);
    let _ = Templates::compile(spec.clone(), Some(&columns), "list.csv");
    let templates = Templates::compile(spec, None, "list.csv").ok()?;
    let _ = templates.is_wanted(&row, "list.csv");
    templates.render(&row, "list.csv").ok()?.message.content
}

fn with_template(template: &str, condition: &str) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    format!(
        "name: c\nrecipients: {{ file: l.csv, where: {} }}\nto: {{ conversation_id: \"101\" }}\nmessage: {{ content: {} }}\n",
        quoted(condition),
        quoted(template)
    )
}

fn valid() -> Vec<String> {
    let all = [files("campaigns", "yaml"), files("tests/wire/specs", "yaml")].concat();
    let specs = all.into_iter().filter(|(name, _)| !name.ends_with(".sandbox.yaml"));
    specs.map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// A change that a person's editor makes: to whole lines, or to what follows a colon.
#[derive(Debug, Clone)]
enum Slip {
    Delete(usize),
    Double(usize),
    Swap(usize, usize),
    Replace(usize, String),
    Indent(usize),
}

fn slip() -> impl Strategy<Value = Slip> {
    let line = 0_usize..200;
    prop_oneof![
        1 => line.clone().prop_map(Slip::Delete),
        1 => line.clone().prop_map(Slip::Double),
        1 => (line.clone(), line.clone()).prop_map(|(one, other)| Slip::Swap(one, other)),
        3 => (line.clone(), scalar()).prop_map(|(line, text)| Slip::Replace(line, text)),
        1 => line.prop_map(Slip::Indent),
    ]
}

fn scalar() -> impl Strategy<Value = String> {
    let known = [
        "",
        "~",
        "null",
        "-1",
        "0",
        "1e999",
        "99999999999999999999",
        "0/s",
        "5/0",
        "1/0.0000001s",
        "18446744073709551616h",
        "100%",
        "-5%",
        "NaN",
        "[]",
        "{}",
        "[[[[[[",
        "&a [*a]",
        "*nowhere",
        "!!binary x",
        "!include /etc/passwd",
        "|",
        ">-",
        "\"{{ name\"",
        "\"{% for %}\"",
        "'{{ row[row] }}'",
        "${X}",
        "${",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "é: ü",
        "2026-13-45",
        "<<: *a",
        "? ",
        "--- ",
        "%YAML 9.9",
        "'\\x'",
        "\"\\ud800\"",
        "../../../x",
        "-",
        "yes",
        "0x1F",
        "1_000",
        "😀",
    ];
    prop_oneof![
        2 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,30}",
        1 => any::<String>(),
        1 => "[0-9a-z./% ]{0,12}",
    ]
}

fn slipped(text: &str, slips: &[Slip]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for slip in slips {
        let len = lines.len().max(1);
        match slip {
            _ if lines.is_empty() => {}
            Slip::Delete(at) => drop(lines.remove(at % len)),
            Slip::Double(at) => lines.insert(at % len, lines[at % len].clone()),
            Slip::Swap(one, other) => lines.swap(one % len, other % len),
            Slip::Replace(at, value) => {
                let line = &mut lines[at % len];
                *line = format!("{}: {value}", line.split(':').next().unwrap_or_default());
            }
            Slip::Indent(at) => lines[at % len].insert(0, ' '),
        }
    }
    lines.join("\n")
}

fn piece() -> impl Strategy<Value = String> {
    let known = [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        " name ",
        "row",
        "[\"name\"]",
        "|upper",
        "|default('x')",
        "|truncate(3)",
        "|datetimeformat",
        "for i in range(99999)",
        "endfor",
        "if name",
        "endif",
        "set x = 1",
        "macro m()",
        "endmacro",
        "m()",
        "include 'x'",
        "extends row",
        "1/0",
        "2**9999",
        "9999999999999999999999",
        "-1",
        "name[5:1:-1]",
        "'é'[1:]",
        "is defined",
        "loop.index",
        "self",
        "raw",
        "endraw",
        "\"",
        "\\",
        "é",
        "\u{0}",
        "(",
        ")",
        "~",
        ".",
        "namespace()",
        "|tojson",
        "|replace('', 'y')",
        "|batch(0)",
        "|slice(0)",
        "|round(-400)",
        "|int",
        "|indent(5)",
        "|random",
        "|wordwrap(0)",
    ];
    prop_oneof![4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,8}"]
}

/// Any JSON that a row may hold.
fn cell() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(Value::from),
    ]
}

#[test]
fn every_spec_that_was_tried_before_is_read_or_refused() {
    for (name, bytes) in files("tests/seeds/spec", "yaml") {
        in_time(&name, || holds(&String::from_utf8_lossy(&bytes)));
    }
    for text in valid() {
        assert!(parsed(&text).is_ok(), "{text}");
    }
}

#[test]
fn a_bomb_is_refused_in_time() {
    let rest = "recipients: l.csv\nto: { conversation_id: '1' }\nmessage: { content: Hi }\n";
    let mut laughs = "name: c\nvars:\n  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for at in 1..12 {
        let again = vec![format!("*a{}", at - 1); 9].join(", ");
        laughs.extend([format!("  a{at}: &a{at} [{again}]\n")]);
    }
    let bombs = [
        ("a billion laughs", format!("{laughs}{rest}")),
        ("lists in lists", format!("name: {}\n{rest}", "[".repeat(90_000))),
        ("maps in maps", format!("name: {}\n{rest}", "{a: ".repeat(22_000))),
        (
            "blocks in blocks",
            format!("name:\n{}{rest}", (1..400).map(|at| " ".repeat(at) + "- -\n").collect::<String>()),
        ),
        ("an alias of itself", format!("name: &a [*a, *a]\n{rest}")),
        ("a key without an end", format!("{}: c\n{rest}", "k".repeat(95_000))),
        ("nothing but anchors", format!("{}\n{rest}", "&a ".repeat(30_000))),
        ("thousands of unknown keys", many(9_000, |at| format!("k{at}: 1\n"))),
    ];
    for (what, text) in bombs {
        let result = in_time(what, || parsed(&text));
        assert!(result.is_err(), "{what} was taken for a campaign");
    }
}

#[test]
fn thousands_of_problems_in_one_spec_are_told_in_time() {
    let rest = "recipients: l.csv\nto: { conversation_id: '1' }\nmessage: { content: Hi }\n";
    let reports: String = many(7_000, |at| format!("  - r{at}.x\n"));
    let text = format!("name: c\nreport:\n{reports}{rest}");
    assert!(in_time("7,000 reports", || parsed(&text)).is_err());
}

#[test]
fn a_template_that_never_ends_is_ended() {
    for (name, bytes) in files("tests/seeds/template", "txt") {
        let template = String::from_utf8_lossy(&bytes).into_owned();
        let text = with_template(&template, "true");
        let cells = [Value::from("101"), Value::from("x".repeat(100))];
        let content = in_time(&name, || parsed(&text).ok().and_then(|spec| rendered(spec, &cells)));
        assert!(content.is_none_or(|content| content.chars().count() <= 150_000), "{name}");
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_spec_with_slips_in_it_is_read_or_refused(
        at in any::<prop::sample::Index>(), slips in prop::collection::vec(slip(), 1..5),
    ) {
        let valid = valid();
        let text = slipped(&valid[at.index(valid.len())], &slips);
        in_time("a spec", || holds(&text));
    }

    #[test]
    fn a_spec_with_rubbish_in_it_is_read_or_refused(
        at in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(scalar().prop_map(String::into_bytes)), 1..5),
    ) {
        let valid = valid();
        let bytes = changed(valid[at.index(valid.len())].clone().into_bytes(), &changes);
        in_time("a spec", || holds(&String::from_utf8_lossy(&bytes)));
    }

    #[test]
    fn any_text_is_read_as_a_spec_or_refused(text in prop_oneof![any::<String>(), "[-:{}\\[\\]&*!|>'\"%@,?# \n\ta-z0-9]{0,200}"]) {
        in_time("a text", || holds(&text));
    }

    #[test]
    fn any_template_gives_a_text_or_a_problem(
        pieces in prop::collection::vec(piece(), 0..12),
        condition in prop::collection::vec(piece(), 0..5),
        expression in any::<bool>(),
        cells in prop::collection::vec(cell(), 2..3),
    ) {
        let pieces = pieces.concat();
        let template = if expression { format!("{{{{ {pieces} }}}}") } else { pieces };
        let text = with_template(&template, &condition.concat());
        let content = in_time("a template", || parsed(&text).ok().and_then(|spec| rendered(spec, &cells)));
        prop_assert!(content.is_none_or(|content| content.chars().count() <= 150_000));
    }
}

fn many(count: u32, line: impl Fn(u32) -> String) -> String {
    (0..count).map(line).collect::<Vec<_>>().concat()
}
