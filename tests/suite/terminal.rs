//! What a person at a terminal is asked, whatever is redirected: each run has a pseudo-terminal of its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pty_process::blocking::{Command, Pty, open};

use crate::harness::{Desk, Project};

/// Longer than anything here takes on the slowest machine: what takes longer hangs.
const DEADLINE: Duration = Duration::from_mins(1);

/// The width of the terminal.
const COLUMNS: u16 = 60;

/// Between two looks at the screen.
const LOOK: Duration = Duration::from_millis(5);

/// What of a command does not go to the terminal.
#[derive(Default)]
struct Redirected {
    stdin: Option<Stdio>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
}

/// A command at a terminal, and somebody who types.
struct Session {
    process: Child,
    keyboard: Arc<Pty>,
    screen: Arc<Mutex<String>>,
}

impl Session {
    /// `campaign run campaign.yaml WORDS` at a terminal.
    fn start(project: &Project, words: &[&str], redirected: Redirected) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(pty_process::Size::new(40, COLUMNS)).unwrap();
        let command = project.command(&[&["run", "campaign.yaml"], words].concat());
        let mut command = Command::from(command).env("TERM", "xterm").env("NO_COLOR", "1");
        if let Some(stdin) = redirected.stdin {
            command = command.stdin(stdin);
        }
        if let Some(stdout) = redirected.stdout {
            command = command.stdout(stdout);
        }
        if let Some(stderr) = redirected.stderr {
            command = command.stderr(stderr);
        }
        let process = command.spawn(pts).unwrap();
        let (keyboard, screen) = (Arc::new(pty), Arc::new(Mutex::new(String::new())));
        let (reads, shows) = (Arc::clone(&keyboard), Arc::clone(&screen));
        thread::spawn(move || {
            let mut piece = [0; 4096];
            // The terminal of a process that has ended gives an error.
            while let Ok(length @ 1..) = (&*reads).read(&mut piece) {
                shows.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
            }
        });
        Self { process, keyboard, screen }
    }

    fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    #[track_caller]
    fn wait_for(&self, words: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.screen().contains(words) {
            assert!(Instant::now() < deadline, "{words:?} was never on the screen:\n{}", self.screen());
            thread::sleep(LOOK);
        }
    }

    /// Waits for a question and types a line.
    #[track_caller]
    fn answers(self, question: &str, line: &str) -> Self {
        self.wait_for(question);
        writeln!(&*self.keyboard, "{line}").unwrap();
        self
    }

    /// Waits for the end; gives the exit code and the screen.
    #[track_caller]
    fn finish(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return (status.code(), self.screen());
            }
            assert!(Instant::now() < deadline, "it hangs:\n{}", self.screen());
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn file(project: &Project, name: &str) -> Stdio {
    File::create(project.path(name)).unwrap().into()
}

#[test]
fn a_person_types_the_number_before_anything_is_sent() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    let session = Session::start(&project, &[], Redirected::default()).answers("Type 3 to confirm: ", "3");
    assert_eq!(session.finish().0, Some(0));
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn another_number_sends_nothing_and_leaves_nothing() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    let session = Session::start(&project, &[], Redirected::default()).answers("Type 3 to confirm: ", "y");
    let (code, screen) = session.finish();
    assert_eq!(code, Some(130), "{screen}");
    assert_eq!(desk.journal().len(), 0);
    assert!(!project.path(".campaign").exists(), "{:?}", project.files());
}

#[test]
fn a_person_types_the_number_of_proofs_and_another_number_leaves_nothing() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    let words = ["--proof-to", "conversation_id=999", "--limit", "2"];
    let session = Session::start(&project, &words, Redirected::default()).answers("Type 2 to confirm: ", "no");
    assert!(session.screen().contains("Send 2 proofs?"), "{}", session.screen());
    assert_eq!(session.finish().0, Some(130));
    assert!(desk.journal().is_empty() && !project.path(".campaign").exists(), "{:?}", project.files());
    let session = Session::start(&project, &words, Redirected::default()).answers("Type 2 to confirm: ", "2");
    assert_eq!(session.finish().0, Some(0));
    assert_eq!(desk.addressed(), [999, 999]);
}

/// `2>run.log`, `| tail`, both: the question comes on the terminal, with what it is about.
#[test]
fn a_person_is_asked_whatever_is_redirected() {
    for (stdout, stderr) in [(false, true), (true, false), (true, true)] {
        let desk = Desk::friendly();
        let project = Project::at(&desk).people(3);
        let redirected = Redirected {
            stdout: stdout.then(|| file(&project, "out.log")),
            stderr: stderr.then(|| file(&project, "run.log")),
            ..Redirected::default()
        };
        let session = Session::start(&project, &[], redirected).answers("Type 3 to confirm: ", "no");
        assert!(session.screen().contains("3 messages, 3 requests to"), "{}", session.screen());
        assert_eq!(session.finish().0, Some(130));
        assert_eq!(desk.journal().len(), 0, "stdout {stdout}, stderr {stderr}");
    }
}

#[test]
fn a_person_whose_list_comes_from_a_pipe_is_asked_at_the_terminal() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3).setting("recipients: '-'");
    for (line, code, sent) in [("no", 130, 0), ("3", 0, 3)] {
        let list = File::open(project.path("list.csv")).unwrap();
        let redirected = Redirected { stdin: Some(list.into()), ..Redirected::default() };
        let session = Session::start(&project, &[], redirected).answers("Type 3 to confirm: ", line);
        assert_eq!(session.finish().0, Some(code));
        assert_eq!(desk.messages().len(), sent);
    }
}

#[test]
fn whoever_gives_no_terminal_to_standard_input_is_not_asked() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    let redirected = Redirected { stdin: Some(Stdio::null()), ..Redirected::default() };
    assert_eq!(Session::start(&project, &[], redirected).finish().0, Some(0));
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn a_changed_message_is_asked_about_and_declined_without_a_trace() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2).message("{ content: Hello }");
    project.run(&["--limit", "1"]).exits(0);
    let before = fs::read(project.path("reports/c.csv")).unwrap();
    let status = project.campaign(&["status", "campaign.yaml"]).exits(0).stdout;
    let project = project.message("{ content: Goodbye }").people(5);
    let session = Session::start(&project, &[], Redirected::default());
    let (code, screen) = session.answers("Send the new version? [y/N] ", "n").finish();
    assert_eq!(code, Some(130), "{screen}");
    assert_eq!(fs::read(project.path("reports/c.csv")).unwrap(), before);
    let project = project.message("{ content: Hello }");
    assert_eq!(project.campaign(&["status", "campaign.yaml"]).exits(0).stdout, status);
    let project = project.message("{ content: Goodbye }");
    let session = Session::start(&project, &[], Redirected::default());
    let session = session.answers("Send the new version? [y/N] ", "y").answers("Type 4 to confirm: ", "4");
    assert_eq!(session.finish().0, Some(0));
    assert_eq!(desk.messages().len(), 5);
}

#[test]
fn a_canary_is_asked_about_by_the_run_that_sends_it_and_by_the_next_one() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5).send("canary: 2");
    let session = Session::start(&project, &[], Redirected::default()).answers("Type 5 to confirm: ", "5");
    assert_eq!(session.answers("The canary of 2 was sent. Send the rest? [y/N] ", "").finish().0, Some(5));
    assert_eq!(desk.messages().len(), 2);
    let redirected = Redirected { stderr: Some(file(&project, "run.log")), ..Redirected::default() };
    let session = Session::start(&project, &[], redirected).answers("Type 3 to confirm: ", "3");
    assert_eq!(session.answers("The canary of 2 was sent. Send the rest? [y/N] ", "y").finish().0, Some(0));
    assert_eq!(desk.messages().len(), 5);
}

#[test]
fn whoever_said_yes_before_is_not_asked() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    assert_eq!(Session::start(&project, &["--yes"], Redirected::default()).finish().0, Some(0));
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn a_plan_is_wrapped_at_words() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3).send("not_after: '2100-01-05T08:00:00Z'").send("quota: 1000/day");
    let (code, screen) = Session::start(&project, &["--dry-run", "--preview", "0"], Redirected::default()).finish();
    assert_eq!(code, Some(0));
    let plan = screen.split("  to send").nth(1).unwrap().split("dry run:").next().unwrap();
    assert!(plan.lines().all(|line| line.trim_end().chars().count() <= usize::from(COLUMNS)), "{plan}");
    let (limits, takes) = (plan.find("  limits   unlimited messages").unwrap(), plan.find("  takes").unwrap());
    assert!(plan[limits..takes].contains("\r\n           ") && plan.contains(" 2100-01-05T08:00:00Z"), "{plan}");
}
