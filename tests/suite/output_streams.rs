//! What is printed and written, and what happens when that is not possible: a full disk, a reader who does not read or
//! has gone, a closed terminal.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Desk, Project, Running, signal};

const FULL: &str = "standard output cannot be written: No space left on device";

/// The exit code and standard error of a command whose standard output is on a full disk.
fn on_a_full_disk(mut command: Command) -> (Option<i32>, String) {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ran = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
}

/// How a process ends by itself.
#[track_caller]
fn exit_code(process: &mut Child) -> Option<i32> {
    let began = Instant::now();
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status.code();
        }
        assert!(began.elapsed() < Duration::from_mins(1), "it hangs");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_result_that_cannot_be_written_is_an_error() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    project.run(&[]).exits(0);
    for words in [
        &["--help"][..],
        &["--version"],
        &["run", "--help"],
        &["schema"],
        &["schema", "report"],
        &["completions", "bash"],
        &["check", "campaign.yaml"],
        &["check", "campaign.yaml", "--format", "json"],
        &["status", "campaign.yaml"],
        &["status", "campaign.yaml", "--format", "json"],
        &["report", "campaign.yaml", "-o", "-"],
        &["report", "campaign.yaml", "--only", "opted-out", "-o", "-"],
        &["run", "campaign.yaml"],
        &["run", "campaign.yaml", "--format", "json"],
    ] {
        let (code, said) = on_a_full_disk(project.command(words));
        assert_eq!(code, Some(1), "{words:?} said:\n{said}");
        assert!(said.contains(FULL), "{words:?} said:\n{said}");
    }
    let fresh = Project::at(&desk).people(3);
    for words in [&["--dry-run"][..], &["--dry-run", "--format", "json"]] {
        let (code, said) = on_a_full_disk(fresh.command(&[&["run", "campaign.yaml"], words].concat()));
        assert!(code == Some(1) && said.contains(FULL), "{words:?}: {code:?}\n{said}");
    }
}

/// The messages are sent and recorded all the same.
#[test]
#[cfg(target_os = "linux")]
fn a_summary_that_cannot_be_written_holds_up_no_message() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(20);
    let (code, said) = on_a_full_disk(project.command(&["run", "campaign.yaml"]));
    assert!(code == Some(1) && said.contains(FULL), "{code:?}\n{said}");
    assert_eq!(project.count("accepted"), 20);
}

#[test]
fn a_reader_who_never_reads_holds_up_neither_messages_nor_signals() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 3100 }, delay: 60s }]");
    let project = Project::at(&desk).people(3_000);
    let mut command = project.command(&["run", "campaign.yaml", "--verbose"]);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The pipe holds some 64 KB: far less than what is said of so many messages.
    desk.wait_for_messages(3_000);
    signal(run.id(), "-TERM");
    signal(run.id(), "-INT");
    assert_eq!(exit_code(&mut run), Some(130));
    let mut said = String::new();
    run.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.len() >= 32 * 1024, "{}", said.len());
    assert_eq!(project.count("accepted"), 2_999);
}

#[test]
fn lines_that_nobody_could_read_are_counted() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(6_000);
    let mut command = project.command(&["run", "campaign.yaml", "--verbose"]);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    desk.wait_for_messages(6_000);
    let mut said = String::new();
    run.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(exit_code(&mut run), Some(0));
    let missing: usize = said
        .lines()
        .filter_map(|line| {
            line.strip_prefix("... ")?.strip_suffix(" lines were not shown: nobody was reading the output")
        })
        .map(|count| count.parse::<usize>().unwrap())
        .sum();
    let shown = said.lines().filter(|line| line.contains("/messages -> ")).count();
    assert!(missing > 0, "{} bytes were read", said.len());
    assert!(shown + missing >= 6_000, "{shown} shown and {missing} missing");
}

/// A run with one message on its way for a minute, and so many before it.
fn under_way(desk: &Desk, project: &Project, program: &[&str]) -> Running {
    let run = Running::launch(project.run_under(program));
    desk.wait_for_messages(5);
    run
}

fn slow_desk() -> Desk {
    Desk::start("faults: [{ on: message, match: { conversation_id: 105 }, delay: 1s }]")
}

#[test]
fn a_closed_terminal_and_other_signals_end_a_run_in_good_order() {
    for name in ["-HUP", "-QUIT", "-TERM", "-INT"] {
        let desk = slow_desk();
        let project = Project::at(&desk).people(9).send("concurrency: 1");
        let run = under_way(&desk, &project, &["/usr/bin/env"]);
        signal(run.process(), name);
        run.finish().exits(130).says("interrupted");
        assert_eq!((project.count("accepted"), project.count("pending")), (5, 4), "{name}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_under_nohup_goes_on_when_the_terminal_is_closed() {
    let desk = slow_desk();
    let project = Project::at(&desk).people(9).send("concurrency: 1");
    let run = under_way(&desk, &project, &["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]);
    signal(run.process(), "-HUP");
    run.finish().exits(0);
    assert_eq!(project.count("accepted"), 9);
}

#[test]
fn a_signal_while_the_report_is_written_is_heard() {
    let desk = Desk::friendly();
    let rows: Vec<String> = (101..200_000).map(|id| id.to_string()).collect();
    let project = Project::at(&desk).setting("recipients: { file: list.csv, where: 'conversation_id|int < 104' }");
    let project = project.list(&format!("conversation_id\n{}\n", rows.join("\n")));
    let run = project.start(&[]);
    desk.wait_for_messages(3);
    let is_written = || {
        let entries = fs::read_dir(project.path("reports")).into_iter().flatten();
        entries.filter_map(Result::ok).any(|entry| entry.metadata().is_ok_and(|about| about.len() > 0))
    };
    let began = Instant::now();
    while !is_written() {
        assert!(began.elapsed() < Duration::from_mins(1), "no report was begun");
        thread::sleep(Duration::from_millis(1));
    }
    run.interrupt();
    let ran = run.finish().exits(130).says("reports/c.csv: interrupted before it was written");
    assert!(ran.stderr.contains("the ledger is complete"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(project.path("reports")).unwrap().count(), 0, "nothing is left of it");
    project.campaign(&["report", "campaign.yaml"]).exits(0);
    assert_eq!(project.count("accepted"), 3);
}

/// The summary is printed all the same, and nobody thinks that the ledger is broken.
#[test]
fn a_report_that_cannot_be_written_in_the_end_is_named_and_can_be_written_later() {
    let desk = slow_desk();
    let project = Project::at(&desk).people(9).send("concurrency: 1");
    let run = project.start(&[]);
    desk.wait_for_messages(5);
    fs::remove_dir_all(project.path("reports")).unwrap();
    fs::write(project.path("reports"), "").unwrap();
    let ran =
        run.finish().exits(1).says("reports/c.csv: cannot be written").says("campaign report campaign.yaml -o FILE");
    assert!(ran.stdout.contains("accepted          9"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("ledger cannot"), "{}", ran.stderr);
    project.campaign(&["report", "campaign.yaml", "-o", "late.csv"]).exits(0);
    assert_eq!(fs::read_to_string(project.path("late.csv")).unwrap().lines().count(), 10);
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_is_too_full_for_the_report_is_not_blamed_on_the_ledger() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2_000);
    project.run(&[]).exits(0);
    // Nothing may be longer than 32 KB, and the report is.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_campaign")]);
    command.args(["report", "campaign.yaml", "-o", "late.csv"]).current_dir(project.path(""));
    let ran = Running::launch(command).finish().exits(1).says("late.csv: cannot be written: File too large");
    assert!(!ran.stderr.contains("ledger"), "{}", ran.stderr);
}

#[test]
fn a_report_that_cannot_be_written_is_found_at_its_key_before_anything_is_sent() {
    let desk = Desk::friendly();
    let at = "report: taken/c.csv";
    for make in [
        (|project: &Project| fs::write(project.path("taken"), "a file").unwrap()) as fn(&Project),
        |project| fs::create_dir_all(project.path("taken/c.csv")).unwrap(),
        |project| fs::create_dir_all(project.path("taken")).and_then(|()| fifo(&project.path("taken/c.csv"))).unwrap(),
    ] {
        let project = Project::at(&desk).people(2).setting(at);
        make(&project);
        let ran =
            project.run(&[]).exits(1).says("campaign.yaml:6:9").says("^^^").says("the report cannot be written: ");
        assert!(ran.stderr.contains("taken/c.csv"), "{}", ran.stderr);
        project.run(&["--report", "campaign.yaml/out.csv"]).exits(1).says("--report").says("Not a directory");
    }
    for name in ["report: \"a\\nb.csv\"", "report: \"a\\u0007.csv\""] {
        let project = Project::at(&desk).people(2).setting(name);
        project.run(&[]).exits(2).says("control character").says("campaign.yaml:6:9");
    }
    Project::at(&desk).people(2).run(&["--report", "a\nb.csv"]).exits(2).says("control characters");
    assert_eq!(desk.journal().len(), 0);
}

fn fifo(path: &Path) -> io::Result<()> {
    Command::new("mkfifo").arg(path).status().map(|status| assert!(status.success()))
}

/// They hold customers' data; and one that somebody is writing is not touched.
#[test]
fn what_killed_runs_have_left_of_reports_is_removed_and_nothing_else() {
    let desk = Desk::friendly();
    for words in [&["run", "campaign.yaml"][..], &["report", "campaign.yaml"]] {
        let project = Project::at(&desk).people(2);
        project.run(&[]).exits(0);
        let left = ["reports/.report-aB3xYz", "reports/.report-000000"];
        let others =
            ["reports/.report-notes", "reports/.report-aB3xYz.txt", "reports/report-aB3xYz", "reports/.report-zzzzzz"];
        for name in left.into_iter().chain(others) {
            fs::write(project.path(name), "+4915112345678").unwrap();
        }
        let being_written = File::open(project.path("reports/.report-zzzzzz")).unwrap();
        being_written.lock().unwrap();
        project.campaign(words).exits(0);
        assert!(left.iter().all(|name| !project.path(name).exists()), "{words:?}");
        assert!(others.iter().all(|name| project.path(name).exists()), "{words:?}");
    }
}

/// A project whose keys are in `.env` alone.
fn with_dotenv(desk: &Desk, text: impl AsRef<[u8]>) -> Project {
    let project = Project::at(desk).people(1).environment("LIVEDESK_API_KEY", None);
    let project = project.environment("LIVEDESK_API_SECRET", None).file(".env", text);
    fs::set_permissions(project.path(".env"), Permissions::from_mode(0o600)).unwrap();
    project
}

const KEYS: &str = "LIVEDESK_API_KEY=k#1$x\nLIVEDESK_API_SECRET=s\n";

fn desk_with_keys() -> Desk {
    Desk::start("credentials: { api_key: 'k#1$x', api_secret: s }")
}

#[test]
fn a_file_of_keys_is_read_as_editors_and_systems_write_it() {
    let desk = desk_with_keys();
    for text in [
        KEYS,
        "\u{feff}LIVEDESK_API_KEY=\"k#1$x\" # the new one\r\nexport LIVEDESK_API_SECRET='s'\r\n",
        "export\tLIVEDESK_API_KEY = k#1$x\nLIVEDESK_API_SECRET=s\nLIVEDESK_API_SECRET=s",
    ] {
        with_dotenv(&desk, text).run(&[]).exits(0);
    }
    let project = with_dotenv(&desk, "");
    fs::remove_file(project.path(".env")).unwrap();
    fs::write(project.path("keys"), KEYS).unwrap();
    fs::set_permissions(project.path("keys"), Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("keys", project.path(".env")).unwrap();
    project.run(&[]).exits(0);
}

#[test]
fn a_file_of_keys_that_can_be_read_in_two_ways_is_refused() {
    let desk = desk_with_keys();
    for (text, words) in [
        ("LIVEDESK_API_KEY=old\nLIVEDESK_API_KEY=k#1$x\n", "set twice"),
        ("LIVEDESK_API_KEY=k#1$x # new\n", "put the value in quotes"),
        ("LIVEDESK_API_KEY=\"k#1$x\n", "not closed"),
    ] {
        let ran = with_dotenv(&desk, text).run(&[]).exits(1).says(words).says(".env:");
        assert!(!ran.stderr.contains("k#1"), "{}", ran.stderr);
    }
    with_dotenv(&desk, [0xff, 0xfe, b'L', 0]).run(&[]).exits(1).says("save it as UTF-8");
    assert_eq!(desk.journal().len(), 0);
}

#[test]
fn a_file_of_keys_that_is_none_or_that_others_may_change_is_refused() {
    let desk = desk_with_keys();
    let project = with_dotenv(&desk, KEYS);
    fs::set_permissions(project.path(".env"), Permissions::from_mode(0o622)).unwrap();
    project.run(&[]).exits(1).says("can change it: run `chmod 600");
    fs::set_permissions(project.path(".env"), Permissions::from_mode(0o644)).unwrap();
    project.run(&[]).exits(0).says("other users can read the keys in it");
    for make in [(|path: &Path| fs::create_dir(path)) as fn(&Path) -> io::Result<()>, fifo, |path| {
        std::os::unix::fs::symlink("nowhere", path)
    }] {
        let project = with_dotenv(&desk, "");
        fs::remove_file(project.path(".env")).unwrap();
        make(&project.path(".env")).unwrap();
        project.run(&[]).exits(1).says(".env: ");
    }
}

/// Some would have one version and some the other.
#[test]
fn an_attachment_that_changes_during_a_run_ends_it() {
    let desk = slow_desk();
    let project = Project::at(&desk).people(9).send("concurrency: 1").file("price.pdf", "old");
    let project = project.message("{ content: Hi, attachments: [price.pdf] }");
    let run = project.start(&[]);
    desk.wait_for_messages(5);
    fs::write(project.path("price.pdf"), "new").unwrap();
    run.finish().exits(5).says("price.pdf: the file has changed since it was checked");
    assert_eq!((project.count("accepted"), project.count("pending")), (5, 4));
}

#[test]
fn an_attachment_that_changes_between_two_runs_is_a_changed_message() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5).file("price.pdf", "old");
    let project = project.message("{ content: Hi, attachments: [price.pdf] }");
    project.run(&["--limit", "2"]).exits(0);
    project.run(&["--limit", "1"]).exits(0);
    fs::write(project.path("price.pdf"), "new").unwrap();
    project.run(&[]).exits(2).says("message.attachments, price.pdf").says("--accept-changes");
    assert_eq!(desk.messages().len(), 3);
    project.run(&["--accept-changes", "--limit", "1"]).exits(0);
    fs::remove_file(project.path("list.csv")).unwrap();
    project.run(&[]).exits(0);
    assert_eq!(project.count("accepted"), 5);
}
