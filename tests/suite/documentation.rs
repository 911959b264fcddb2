//! README and the pages in `docs/` show real files and real output: each fenced block is what it says it is.
//!
//! A `console` block is run, command by command. `<!-- file: PATH -->` before a block says that it shows that file of the
//! repository, `<!-- write: PATH -->` that it is written to that file before the next command. README's commands run in the
//! repository, a page's in a folder of their own, which has the sample campaigns.
//!
//! `INSTA_UPDATE=always cargo test documentation` writes the pages anew.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests, which the lint does not see")]
#![expect(clippy::disallowed_methods, reason = "a shell finds its programs by the environment")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use campaign::codes::{self, Remedy};
use regex::Regex;
use serde_json::Value;

use crate::harness::copy_folder;

/// Where `campaign sandbox` listens by default. Here it is given another port, because tests run side by side.
const SANDBOX: &str = "127.0.0.1:8787";

/// What differs from run to run.
const VARYING: [&str; 5] = [
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?",
    r"process \d+ on \S+",
    r"\d+(\.\d+)?/s\)",
    r"\b\d{8}T\d{6}Z",
];

/// Somebody who types the commands of a page.
struct Shell<'a> {
    folder: &'a Path,
    /// `export` and `cd`, which hold for the commands after them.
    prelude: String,
    /// The exit code of the last command, for `echo $?`.
    code: i32,
    sandbox: Option<(Child, String)>,
}

impl<'a> Shell<'a> {
    fn new(folder: &'a Path) -> Self {
        Self { folder, prelude: String::new(), code: 0, sandbox: None }
    }

    /// The output of a command as a terminal shows it: both streams in their order.
    fn output(&mut self, command: &str) -> String {
        if let Some(words) = command.strip_prefix("campaign sandbox").and_then(|words| words.strip_suffix(" &")) {
            self.start_sandbox(words);
            return format!("http://{SANDBOX}\n");
        }
        let command = command.replace("cargo run --release -- ", "campaign ");
        if command.starts_with("export ") || command.starts_with("cd ") {
            self.prelude.push_str(&command);
            self.prelude.push('\n');
            return String::new();
        }
        let script = format!("{}(exit {})\n{command}\n", self.prelude, self.code);
        let output = self.sh().args(["-c", &format!("{{ {} }} 2>&1", self.with_port(&script))]).output().unwrap();
        self.code = output.status.code().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        self.sandbox.as_ref().map_or(text.clone(), |(_, address)| text.replace(address.as_str(), SANDBOX))
    }

    fn start_sandbox(&mut self, words: &str) {
        self.stop_sandbox();
        let script = format!("{}exec campaign sandbox{words} --listen 127.0.0.1:0", self.prelude);
        let mut process = self.sh().args(["-c", &script]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.sandbox = Some((process, line.trim().strip_prefix("http://").unwrap().to_owned()));
    }

    fn stop_sandbox(&mut self) {
        if let Some((mut process, _)) = self.sandbox.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn with_port(&self, script: &str) -> String {
        self.sandbox.as_ref().map_or(script.to_owned(), |(_, address)| script.replace(SANDBOX, address))
    }

    fn sh(&self) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_campaign")).parent().unwrap();
        let mut command = Command::new("sh");
        command.env_clear().stdin(Stdio::null()).current_dir(self.folder).env("HOME", self.folder).env("TZ", "UTC");
        command.env("PATH", format!("{}:{}", binary.display(), std::env::var("PATH").unwrap()));
        command
    }
}

impl Drop for Shell<'_> {
    fn drop(&mut self) {
        self.stop_sandbox();
    }
}

/// Whether two outputs say the same, apart from times and the like.
fn is_same(shown: &str, real: &str) -> bool {
    let masked = |text: &str| {
        VARYING
            .iter()
            .fold(text.to_owned(), |text, pattern| Regex::new(pattern).unwrap().replace_all(&text, "*").into())
    };
    masked(shown) == masked(real)
}

/// A console block with the real output after each command.
fn replayed(block: &[&str], shell: &mut Shell<'_>) -> String {
    let mut new = String::new();
    let mut lines = block.iter().peekable();
    while let Some(line) = lines.next() {
        let mut command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("no command: {line}")).to_owned();
        while command.ends_with('\\') {
            command = format!("{command}\n{}", lines.next().unwrap());
        }
        let mut shown = String::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
            shown = shown + line + "\n";
        }
        let real = shell.output(&command);
        let _ = write!(new, "$ {command}\n{}", if is_same(&shown, &real) { shown } else { real });
    }
    new
}

/// A page with every checked block written anew.
fn rewritten(page: &str, folder: &Path) -> String {
    let mut shell = Shell::new(folder);
    let mut lines = page.lines();
    let mut new = String::new();
    let (mut shows, mut writes) = (None, None);
    while let Some(line) = lines.next() {
        new = new + line + "\n";
        let directive = |name: &str| line.strip_prefix("<!-- ")?.strip_prefix(name)?.strip_suffix(" -->");
        shows = directive("file: ").or(shows);
        writes = directive("write: ").or(writes);
        if !line.starts_with("```") {
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let text: String = block.iter().flat_map(|line| [line, "\n"]).collect();
        new += &match (shows.take(), writes.take()) {
            (Some(path), _) => fs::read_to_string(path).unwrap(),
            (None, Some(path)) => {
                fs::write(folder.join(path), &text).unwrap();
                text
            }
            _ if line == "```console" => replayed(&block, &mut shell),
            _ => text,
        };
        new += "```\n";
    }
    new
}

/// The page at this path shows what is real.
fn holds(path: &str, folder: &Path) {
    let page = fs::read_to_string(path).unwrap();
    let rewritten = rewritten(&page, folder);
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        fs::write(path, &rewritten).unwrap();
    }
    assert!(page == rewritten, "{path} shows something else than is real; it should be:\n\n{rewritten}");
}

#[test]
fn what_readme_shows_is_real() {
    holds("README.md", Path::new("."));
}

#[test]
fn what_the_handbook_shows_is_real() {
    std::thread::scope(|scope| {
        for path in pages() {
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                for name in ["campaigns", "schemas"] {
                    copy_folder(Path::new(name), &folder.path().join(name));
                }
                holds(&path, folder.path());
            });
        }
    });
}

#[test]
fn readme_begins_with_the_two_commands() {
    let readme = fs::read_to_string("README.md").unwrap();
    let screen: Vec<&str> = readme.lines().take(75).collect();
    for command in ["$ cargo run --release -- run campaigns/order_update.yaml --sandbox", "cargo test"] {
        assert!(screen.contains(&command), "{command}");
    }
}

fn pages() -> Vec<String> {
    let mut pages: Vec<String> =
        fs::read_dir("docs").unwrap().map(|entry| format!("docs/{}", entry.unwrap().file_name().display())).collect();
    pages.sort();
    pages
}

/// GitHub's name of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn each_link_leads_somewhere_and_the_index_names_every_page() {
    let link = Regex::new(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)").unwrap();
    let mut broken = Vec::new();
    for page in pages().into_iter().chain(["README.md".to_owned(), "CONTRIBUTING.md".to_owned()]) {
        let text = fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&text).filter(|found| !found[1].contains("://")) {
            let target = match &found[1] {
                "" => PathBuf::from(&page),
                path => Path::new(&page).parent().unwrap().join(path),
            };
            let has_anchor = |name: &str| {
                let text = fs::read_to_string(&target).unwrap_or_default();
                text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == name)
            };
            if !target.exists() || found.get(2).is_some_and(|name| !has_anchor(name.as_str())) {
                broken.push(format!("{page}: {}", &found[0]));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
    let index = fs::read_to_string("docs/README.md").unwrap();
    for page in pages().iter().filter(|page| *page != "docs/README.md") {
        let name = page.strip_prefix("docs/").unwrap();
        assert!(index.contains(&format!("]({name})")), "the index lacks {name}");
    }
}

/// A spec of which each section can be replaced.
const BASE: [(&str, &str); 4] = [
    ("name", "name: order-update"),
    ("recipients", "recipients: list.csv"),
    ("to", "to: { conversation_id: \"{{ conversation_id }}\" }"),
    ("message", "message: { content: \"Hi {{ name }}\" }"),
];

#[test]
fn each_section_that_the_spec_page_shows_is_valid() {
    let page = fs::read_to_string("docs/spec.md").unwrap();
    let folder = tempfile::tempdir().unwrap();
    copy_folder(Path::new("tests/readme/spec"), folder.path());
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 15, "{}", blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        let is_shown = |key: &str| block.lines().any(|line| line.starts_with(&format!("{key}:")));
        let rest: Vec<&str> = BASE.iter().filter(|(key, _)| !is_shown(key)).map(|(_, text)| *text).collect();
        let file = format!("block-{index}.yaml");
        fs::write(folder.path().join(&file), format!("{}\n{block}", rest.join("\n"))).unwrap();
        let output = Shell::new(folder.path()).output(&format!("campaign check {file}"));
        assert!(output.contains("no problems"), "{block}\n{output}");
    }
}

/// The keys of the spec's schema, at any depth.
fn keys(schema: &Value, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        found.extend(properties.keys().cloned());
    }
    match schema {
        Value::Object(map) => map.values().for_each(|value| keys(value, found)),
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn the_spec_page_has_every_key() {
    let page = fs::read_to_string("docs/spec.md").unwrap();
    let schema = fs::read_to_string("schemas/campaign.schema.json").unwrap();
    let mut all = BTreeSet::new();
    keys(&serde_json::from_str(&schema).unwrap(), &mut all);
    assert!(all.len() > 60, "{all:?}");
    let words: BTreeSet<&str> = page.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
    let missing: Vec<&String> = all.iter().filter(|key| !words.contains(key.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

/// What `run --retry-failed` does with a code.
fn retry(remedy: Remedy) -> String {
    match remedy {
        Remedy::Never => "no".to_owned(),
        Remedy::Later(wait) if wait.as_secs() >= 86_400 => "after a day".to_owned(),
        Remedy::Later(wait) if wait.as_secs() >= 3_600 => "after an hour".to_owned(),
        Remedy::Later(_) => "after a minute".to_owned(),
        Remedy::AfterFix => "yes, once it is fixed".to_owned(),
        Remedy::ChangeMessage => "when the message has changed".to_owned(),
    }
}

#[test]
fn the_table_of_codes_is_the_catalogue() {
    let mut rows: Vec<(Vec<String>, codes::Meaning)> = Vec::new();
    for code in (0..200_000).filter(|code| !(201..=299).contains(code)) {
        let code = code.to_string();
        let Some(meaning) = codes::meaning(&code) else { continue };
        match rows.iter_mut().find(|(_, known)| *known == meaning) {
            Some((codes, _)) => codes.push(code),
            None => rows.push((vec![code], meaning)),
        }
    }
    let mut table = String::from("| code | meaning | who | retried by `--retry-failed` |\n|---|---|---|---|\n");
    for (codes, meaning) in rows {
        let codes = codes.join(", ").replace("200", "200 to 299");
        let (who, retry) = (meaning.responsibility.words(), retry(meaning.remedy));
        let _ = writeln!(table, "| {codes} | {} | {who} | {retry} |", meaning.words);
    }
    let page = fs::read_to_string("docs/outcomes.md").unwrap();
    assert!(page.contains(&table), "docs/outcomes.md should have this table:\n{table}");
}
