//! What is printed and written, and what happens when that is not possible: a full disk, a reader who does not read or
//! has gone, a closed terminal.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs::File;
use std::io::Read;
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

#[test]
fn a_closed_terminal_and_other_signals_end_a_run_in_good_order() {
    for name in ["-HUP", "-QUIT", "-TERM", "-INT"] {
        let desk = Desk::late_for(105, "1s");
        let project = Project::at(&desk).people(9).send("concurrency: 1");
        let run = under_way(&desk, &project, &["/usr/bin/env", "--default-signal=HUP,QUIT,TERM,INT"]);
        signal(run.process(), name);
        run.finish().exits(130).says("interrupted");
        assert_eq!((project.count("accepted"), project.count("pending")), (5, 4), "{name}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_under_nohup_goes_on_when_the_terminal_is_closed() {
    let desk = Desk::late_for(105, "1s");
    let project = Project::at(&desk).people(9).send("concurrency: 1");
    let run = under_way(&desk, &project, &["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]);
    signal(run.process(), "-HUP");
    run.finish().exits(0);
    assert_eq!(project.count("accepted"), 9);
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
