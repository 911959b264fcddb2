//! Every answer that a request can meet, as folders in `tests/cases`: a spec, a list, the script of the desk, and in
//! `expected.snap` what was said, reported and asked for.
//!
//! In a list, `who` is a row's key and the whole content of its message, so that the journal tells who was sent to. A
//! folder without a script has no desk. With `interrupt.txt` the first run gets a Ctrl-C once it has said those words.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Desk, Project, Ran};
use crate::{name, settings};

/// Stands in each spec where the desk's address belongs. Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

pub(super) fn run(folder: &Path) {
    Case::open(folder, name(folder)).run();
}

/// What was said, without the lines about single requests, which the journal has in a form of its own, and without
/// those about the progress, which is the machine's doing. And without the line of the plan that says that a run is the
/// first: all are.
fn without_requests(said: &str) -> String {
    let is_request = |line: &&str| line.contains(" -> ") && line.ends_with(" ms");
    let is_progress = |line: &&str| line.contains(" done, ") && line.ends_with(" left");
    let is_first_run = |line: &&str| line.starts_with("  ledger   ");
    said.lines()
        .filter(|line| !is_request(line) && !is_progress(line) && !is_first_run(line))
        .flat_map(|line| [line, "\n"])
        .collect()
}

struct Case {
    name: String,
    folder: PathBuf,
    desk: Option<Desk>,
    project: Project,
}

impl Case {
    fn open(folder: &Path, name: String) -> Self {
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let desk = read("script.yaml").map(|script| Desk::start(&script));
        let base_url = desk.as_ref().map_or(NOWHERE, |desk| &desk.base_url);
        let spec = read("campaign.yaml").unwrap().replace(NOWHERE, base_url);
        let project = Project::at_address(base_url).list(&read("list.csv").unwrap()).spec(&spec);
        Self { name, folder: folder.to_owned(), desk, project }
    }

    fn run(self) {
        let ran = self.first_run();
        self.keeps_what_is_private(&ran);
        self.is_as_expected(&ran);
        let settled = self.settled();
        let before = self.posts();
        self.project.run(&[]);
        for key in &settled {
            let posts = |posts: &[Post]| posts.iter().filter(|post| post.content == *key).count();
            assert_eq!(posts(&self.posts()), posts(&before), "{}: {key} was settled and is sent to again", self.name);
        }
        self.nobody_got_it_twice();
    }

    fn first_run(&self) -> Ran {
        let running = self.project.start(&["--verbose"]);
        if let Ok(words) = fs::read_to_string(self.folder.join("interrupt.txt")) {
            running.wait_for(words.trim());
            running.interrupt();
        }
        running.finish()
    }

    /// The keys of those who may not be sent to again.
    fn settled(&self) -> Vec<String> {
        let settled = |outcome: &str| ["accepted", "failed", "unknown"].contains(&outcome);
        self.project.report().into_iter().filter(|row| settled(&row["outcome"])).map(|row| row["key"].clone()).collect()
    }

    fn posts(&self) -> Vec<Post> {
        let text = |entry: &Value| entry["body"]["content"].as_str().unwrap().to_owned();
        let messages = self.desk.iter().flat_map(Desk::messages);
        messages.map(|entry| Post { content: text(&entry), accepted: entry["accepted"] == true }).collect()
    }

    fn nobody_got_it_twice(&self) {
        for row in self.project.report() {
            let taken = self.posts().iter().filter(|post| post.accepted && post.content == row["key"]).count();
            assert!(taken <= 1, "{}: {} got it {taken} times", self.name, row["key"]);
            assert!(taken == 1 || row["outcome"] != "accepted", "{}: {} did not get it", self.name, row["key"]);
        }
    }

    /// Even at its most talkative it says neither a secret nor a whole phone number or e-mail address.
    fn keeps_what_is_private(&self, ran: &Ran) {
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let secrets = ["test-key", "test-secret", "dGVzdC1rZXk6dGVzdC1zZWNyZXQ", "Authorization", "Basic "];
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let files = read("list.csv") + &read("script.yaml");
        let words = files.split(|c: char| !(c.is_alphanumeric() || "+@._-".contains(c)));
        let personal = |word: &&str| {
            let digits = word.trim_start_matches('+');
            digits.len() >= 9 && digits.bytes().all(|byte| byte.is_ascii_digit()) || word.contains('@')
        };
        let encoded = |word: &str| word.replace('+', "%2B").replace('@', "%40");
        // A number is as private without its plus; a wait that a server asks for is nobody's number.
        let private = words.filter(personal).flat_map(|word| [word.trim_start_matches('+').to_owned(), encoded(word)]);
        let waits = self.name.starts_with("everybody-waits");
        for word in secrets.map(str::to_owned).into_iter().chain(private.filter(|_| !waits)) {
            assert!(!said.contains(&word), "{}: {word} is said in\n{said}", self.name);
        }
    }

    fn is_as_expected(&self, ran: &Ran) {
        let exit = ran.code.map_or_else(|| "by a signal".to_owned(), |code| code.to_string());
        let requests = self.desk.as_ref().map_or_else(|| "no desk\n".to_owned(), digest);
        let text = format!(
            "exit: {exit}\n\n--- stdout\n{}\n--- stderr\n{}\n--- report\n{}\n--- requests\n{requests}",
            ran.stdout,
            without_requests(&ran.stderr),
            self.report(),
        );
        let rogue: Vec<char> = text.chars().filter(|c| commands_a_terminal(*c)).collect();
        assert!(rogue.is_empty(), "{}: {rogue:?} in\n{text}", self.name);
        let mut settings = settings(&self.folder);
        settings.add_filter(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT");
        settings.add_filter(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME");
        // A run of more than five seconds has seen some receipts.
        settings.add_filter(r"(    (?:delivered|read|still open) +\d+\n)+", "");
        // It is said anew when the second is another one: how often that is, is the machine's doing.
        settings.add_filter(r"((?:TIME INFO )?(?:paused by|rate limited by) (.*) until TIME\n)+", "$1");
        settings.bind(|| insta::assert_snapshot!("expected", text));
    }

    /// The rows of the report, without ids and times.
    fn report(&self) -> String {
        let columns = ["line", "key", "outcome", "livedesk_status", "error_code", "error", "attempts"];
        let mut text = String::new();
        for row in self.project.report() {
            let cells: Vec<&str> = columns.iter().map(|column| row[*column].as_str()).collect();
            writeln!(text, "{}", cells.join(" | ")).unwrap();
        }
        text
    }
}

struct Post {
    content: String,
    accepted: bool,
}

/// Control characters, and those that turn the direction of the text around.
fn commands_a_terminal(c: char) -> bool {
    c.is_control() && c != '\n'
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What arrived, a line each. The harmless question whether the server is there says nothing about an answer.
fn digest(desk: &Desk) -> String {
    let mut text = String::new();
    // A run looks at a sample of receipts some seconds after they were accepted: when, depends on the machine.
    for entry in desk.journal().into_iter().filter(|entry| entry["kind"] != "read_messages") {
        let field = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let path = field("path").replace("/api/v2/accounts", "");
        let query = field("query");
        if path == "/contacts" && query == "page=1" {
            continue;
        }
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        let status = entry["status"].as_u64().map_or_else(|| "hung up".to_owned(), |status| status.to_string());
        let taken = if entry["accepted"] == true { "accepted" } else { "not accepted" };
        writeln!(text, "{} {} {target} -> {status}, {taken}{}", field("kind"), field("method"), about(&entry)).unwrap();
    }
    text
}

/// The message's text; else the contact that was asked for, and the ids that were given.
fn about(entry: &Value) -> String {
    if let Some(content) = entry["body"]["content"].as_str() {
        return format!(": {content}");
    }
    let asked = entry["body"]["contact_id"].as_u64().map(|id| format!(", for contact {id}"));
    let id = |name: &str| entry["answer"][format!("{name}_id")].as_u64();
    let given = match (id("contact"), id("conversation")) {
        (_, Some(id)) => format!(": conversation {id}"),
        (Some(id), None) => format!(": contact {id}"),
        _ => String::new(),
    };
    asked.unwrap_or_default() + &given
}
