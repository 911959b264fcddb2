//! A folder with a spec and a list, a desk that plays LiveDesk, and runs of the real binary that read as sentences.
//!
//! Both are real processes of the binary under test, on ports that the system chose; both end with the test.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

mod process;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use self::process::{Ran, Running};

/// Longer than anything here takes on the slowest machine: what takes longer hangs.
const DEADLINE: Duration = Duration::from_mins(1);

/// Between two looks at something that another process writes.
const LOOK: Duration = Duration::from_millis(5);

pub(super) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campaign"));
    command.env_clear().stdin(Stdio::null());
    command
}

pub(super) fn signal(process: u32, name: &str) {
    let done = Command::new("kill").args([name, &process.to_string()]).status().unwrap();
    assert!(done.success(), "kill {name} {process}");
}

/// Shares the machine with other tests, while none that measures milliseconds has it alone.
pub(super) fn shared_machine() -> File {
    let machine = machine();
    machine.lock_shared().unwrap();
    machine
}

/// The file by whose lock desks share the machine or have it alone, also among processes.
fn machine() -> File {
    File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("machine.lock")).unwrap()
}

/// Reads an HTTP request to its end; gives its first line in lower case.
pub(super) fn read_request(requests: &mut impl BufRead) -> Option<String> {
    let (mut first, mut length) = (None, 0);
    for line in requests.by_ref().lines() {
        let line = line.ok()?.to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        first.get_or_insert(line);
    }
    requests.read_exact(&mut vec![0; length]).ok()?;
    first
}

/// The conversation that a message is for, by the first line of its request.
pub(super) fn conversation_of(first_line: &str) -> Option<u64> {
    let path = first_line.strip_prefix("post /api/v2/accounts/conversations/")?;
    path.split('/').next()?.parse().ok()
}

/// A row of the CSV report by its columns.
pub(super) type Row = BTreeMap<String, String>;

/// A running sandbox with its journal.
pub(super) struct Desk {
    _machine: File,
    process: Child,
    pub(super) base_url: String,
    folder: TempDir,
}

impl Desk {
    /// A desk that answers the message to one conversation late: the place to stop a run in the middle.
    pub(super) fn late_for(conversation: u64, delay: &str) -> Self {
        let fault = format!("on: message, match: {{ conversation_id: {conversation} }}, times: 1, delay: {delay}");
        Self::start(&format!("faults: [{{ {fault} }}]"))
    }

    /// A desk that plays this script; an empty one accepts everything.
    pub(super) fn start(script: &str) -> Self {
        Self::open(script, shared_machine())
    }

    /// A friendly desk with the machine to itself: for tests that measure milliseconds, which other tests would blur.
    pub(super) fn alone() -> Self {
        let machine = machine();
        machine.lock().unwrap();
        Self::open("", machine)
    }

    fn open(script: &str, machine: File) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("script.yaml"), script).unwrap();
        let mut process = command()
            .args(["sandbox", "--listen", "127.0.0.1:0", "--script", "script.yaml", "--journal", "journal.jsonl"])
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut base_url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut base_url).unwrap();
        assert!(base_url.starts_with("http://127.0.0.1:"), "the sandbox did not start: {base_url:?}");
        Self { _machine: machine, process, base_url: base_url.trim().to_owned(), folder }
    }

    pub(super) fn friendly() -> Self {
        Self::start("")
    }

    pub(super) fn journal_file(&self) -> PathBuf {
        self.folder.path().join("journal.jsonl")
    }

    /// Everything that arrived so far.
    pub(super) fn journal(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.journal_file()).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How many requests arrived so far.
    pub(super) fn arrived(&self) -> usize {
        let text = fs::read(self.folder.path().join("journal.jsonl")).unwrap();
        text.into_iter().filter(|byte| *byte == b'\n').count()
    }

    /// What arrived of one kind: `contact`, `search`, `conversation`, `message`.
    pub(super) fn requests(&self, kind: &str) -> Vec<Value> {
        self.journal().into_iter().filter(|entry| entry["kind"] == kind).collect()
    }

    pub(super) fn messages(&self) -> Vec<Value> {
        self.requests("message")
    }

    /// The conversations to which a message was posted, in their order, as the paths have them.
    pub(super) fn addressed(&self) -> Vec<u64> {
        let conversation = |entry: Value| entry["path"].as_str().unwrap().split('/').rev().nth(1).unwrap().parse();
        self.messages().into_iter().map(|entry| conversation(entry).unwrap()).collect()
    }

    /// When requests arrived, in microseconds since the desk opened, in order.
    pub(super) fn times(&self, of: impl Fn(&Value) -> bool) -> Vec<u64> {
        let mut times: Vec<u64> =
            self.journal().iter().filter(|entry| of(entry)).map(|entry| entry["t_us"].as_u64().unwrap()).collect();
        times.sort_unstable();
        times
    }

    /// Waits until as many requests of a kind have arrived.
    pub(super) fn wait_for(&self, count: usize, kind: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.requests(kind).len() < count {
            assert!(Instant::now() < deadline, "{count} times {kind} never came: {:?}", self.journal());
            thread::sleep(LOOK);
        }
    }

    pub(super) fn wait_for_messages(&self, count: usize) {
        self.wait_for(count, "message");
    }

    /// The desk is closed: nothing listens at its address any more.
    pub(super) fn close(mut self) -> String {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.base_url.clone()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder with a spec, `campaign.yaml`, made of parts that a test changes one by one.
pub(super) struct Project {
    folder: TempDir,
    base_url: String,
    to: String,
    message: String,
    send: Vec<String>,
    more: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Project {
    /// Known conversations, as fast as it goes, at this desk.
    pub(super) fn at(desk: &Desk) -> Self {
        Self::at_address(&desk.base_url)
    }

    pub(super) fn at_address(base_url: &str) -> Self {
        let credentials = [("LIVEDESK_API_KEY", "test-key"), ("LIVEDESK_API_SECRET", "test-secret")];
        Self {
            folder: tempfile::tempdir().unwrap(),
            base_url: base_url.to_owned(),
            to: "{ conversation_id: '{{ conversation_id }}' }".to_owned(),
            message: "{ content: 'Hello {{ row[\"conversation_id\"] }}' }".to_owned(),
            send: vec![
                "rate: unlimited".to_owned(),
                "requests: unlimited".to_owned(),
                "retry: { attempts: 3, backoff: 1ms, max_backoff: 5ms }".to_owned(),
            ],
            more: vec!["recipients: list.csv".to_owned()],
            environment: credentials.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        }
        .written()
    }

    /// The same at another desk.
    pub(super) fn address(mut self, desk: &Desk) -> Self {
        self.base_url.clone_from(&desk.base_url);
        self.written()
    }

    pub(super) fn to(mut self, to: &str) -> Self {
        to.clone_into(&mut self.to);
        self.written()
    }

    pub(super) fn message(mut self, message: &str) -> Self {
        message.clone_into(&mut self.message);
        self.written()
    }

    /// A setting below `send`, in place of one of that name.
    pub(super) fn send(mut self, setting: &str) -> Self {
        replace(&mut self.send, setting);
        self.written()
    }

    /// A setting at the top of the spec, in place of one of that name.
    pub(super) fn setting(mut self, setting: &str) -> Self {
        replace(&mut self.more, setting);
        self.written()
    }

    /// The list, `list.csv`.
    pub(super) fn list(self, text: &str) -> Self {
        self.file("list.csv", text)
    }

    /// A list of as many known conversations, from 101 on.
    pub(super) fn people(self, count: u64) -> Self {
        let rows: Vec<String> = (101..=100 + count).map(|id| id.to_string()).collect();
        self.list(&format!("conversation_id\n{}\n", rows.join("\n")))
    }

    pub(super) fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    /// The spec word for word.
    pub(super) fn spec(self, text: &str) -> Self {
        self.file("campaign.yaml", text)
    }

    pub(super) fn environment(mut self, name: &str, value: Option<&str>) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn written(self) -> Self {
        let Self { base_url, to, message, send, more, .. } = &self;
        let (send, more) = (send.join("\n  "), more.join("\n"));
        let text = format!(
            "name: c\nlivedesk: {{ base_url: '{base_url}' }}\nto: {to}\nmessage: {message}\n{more}\nsend:\n  {send}\n"
        );
        fs::write(self.path("campaign.yaml"), text).unwrap();
        self
    }

    /// `campaign WORDS`, not yet started.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        self.prepared(command(), words)
    }

    /// `campaign run campaign.yaml`, started by another program: a shell that sets limits, a tracer.
    pub(super) fn run_under(&self, program: &[&str]) -> Command {
        let mut command = Command::new(program[0]);
        command.env_clear().stdin(Stdio::null()).args(&program[1..]).arg(env!("CARGO_BIN_EXE_campaign"));
        self.prepared(command, &["run", "campaign.yaml"])
    }

    fn prepared(&self, mut command: Command, words: &[&str]) -> Command {
        command.args(words).current_dir(&self.folder).env("HOME", self.folder.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// `campaign WORDS`.
    pub(super) fn campaign(&self, words: &[&str]) -> Ran {
        Running::launch(self.command(words)).finish()
    }

    /// `campaign run campaign.yaml WORDS`.
    pub(super) fn run(&self, words: &[&str]) -> Ran {
        self.campaign(&[&["run", "campaign.yaml"], words].concat())
    }

    /// The same with something on standard input.
    pub(super) fn run_with_input(&self, words: &[&str], input: &str) -> Ran {
        self.campaign_with_input(&[&["run", "campaign.yaml"], words].concat(), input)
    }

    /// `campaign WORDS` with something on standard input.
    pub(super) fn campaign_with_input(&self, words: &[&str], input: &str) -> Ran {
        let mut command = self.command(words);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(input.as_bytes()).unwrap();
        file.rewind().unwrap();
        command.stdin(file);
        Running::launch(command).finish()
    }

    /// The same in the background.
    pub(super) fn start(&self, words: &[&str]) -> Running {
        Running::launch(self.command(&[&["run", "campaign.yaml"], words].concat()))
    }

    /// The rows of the CSV report.
    pub(super) fn report(&self) -> Vec<Row> {
        rows(&fs::read_to_string(self.path("reports/c.csv")).unwrap())
    }

    /// `key: outcome` for each row of the report.
    pub(super) fn outcomes(&self) -> Vec<String> {
        self.report().iter().map(|row| format!("{}: {}", row["key"], row["outcome"])).collect()
    }

    /// How many rows of the report have an outcome.
    pub(super) fn count(&self, outcome: &str) -> usize {
        self.report().iter().filter(|row| row["outcome"] == outcome).count()
    }

    /// All files below the folder, in order.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(self.folder.path(), &mut found);
        found.sort();
        found
    }
}

fn replace(settings: &mut Vec<String>, setting: &str) {
    let name = setting.split(':').next().unwrap();
    settings.retain(|known| known.split(':').next() != Some(name));
    settings.push(setting.to_owned());
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        }
        found.push(path);
    }
}

/// A copy of a folder, so that a run leaves nothing in the repository.
pub(super) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The rows of a CSV report.
pub(super) fn rows(text: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

/// A campaign of three that was run, with one message whose outcome is unknown: 102.
pub(super) fn one_unknown() -> (Desk, Project) {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 102 }, times: 1, status: 500 }]");
    let project = Project::at(&desk).people(3);
    project.run(&[]).exits(4);
    (desk, project)
}

/// Makes a named pipe.
pub(super) fn mkfifo(path: &Path) -> io::Result<()> {
    Command::new("mkfifo").arg(path).status().map(|status| assert!(status.success()))
}
