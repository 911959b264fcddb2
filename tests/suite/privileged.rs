//! What only a machine of one's own allows: mounts, clocks and terminals. `.ci/run` runs them where it may.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Desk, Project, Ran, Running};

fn is_message(entry: &Value) -> bool {
    entry["kind"] == "message"
}

/// A run in a mount namespace of its own, in which this was done first.
fn mounted(project: &Project, script: &str) -> Ran {
    let script = format!("mount --make-rprivate / && {script} && exec \"$@\"");
    Running::launch(project.run_under(&["/usr/bin/unshare", "-m", "/bin/sh", "-ec", &script, "sh"])).finish()
}

// Mounts.

#[test]
#[ignore = "needs root: .ci/run"]
fn a_ledger_that_is_mounted_elsewhere_has_one_lock() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 103 }, delay: 60s }]");
    let project = Project::at(&desk).people(9).send("concurrency: 1").send("timeout: 59s");
    let run = project.start(&[]);
    desk.wait_for_messages(3);
    fs::create_dir(project.path("other")).unwrap();
    for name in ["campaign.yaml", "list.csv"] {
        fs::copy(project.path(name), project.path(&format!("other/{name}"))).unwrap();
    }
    // The folder, and the file alone, whose lock file is then another one.
    let folder = "mkdir -p other/.campaign && mount --bind .campaign other/.campaign && cd other";
    let file = "mkdir -p other/.campaign && touch other/.campaign/c.sqlite && \
                mount --bind .campaign/c.sqlite other/.campaign/c.sqlite && cd other";
    for (script, words) in
        [(folder, "is already being run by process"), (file, "is already being run by another process")]
    {
        mounted(&project, script).exits(6).says(words);
        assert_eq!(desk.messages().len(), 3, "{script}");
    }
    run.kill();
}

#[test]
#[ignore = "needs root: .ci/run"]
fn on_a_disk_that_cannot_be_written_nothing_is_sent() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    for folder in ["reports", ".campaign"] {
        let script =
            format!("mkdir -p {folder} && mount --bind {folder} {folder} && mount -o remount,ro,bind {folder}");
        mounted(&project, &script).exits(1).says(folder).says("Read-only file system");
    }
    assert_eq!(desk.journal().len(), 0);
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 3);
}

#[test]
#[ignore = "needs root: .ci/run"]
fn a_report_where_one_may_not_write_is_found_before_anything_is_sent() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3).setting("report: theirs/c.csv");
    fs::copy(env!("CARGO_BIN_EXE_campaign"), project.path("campaign")).unwrap();
    let script = "mkdir theirs && chown 65534:65534 . campaign.yaml list.csv && chmod 755 . && shift && \
                  exec setpriv --reuid 65534 --regid 65534 --clear-groups ./campaign \"$@\"";
    let mut run = project.run_under(&["/bin/sh", "-ec", script, "sh"]);
    run.env("HOME", "/");
    Running::launch(run).finish().exits(1).says("theirs/c.csv: the report cannot be written: Permission denied");
    assert_eq!(desk.journal().len(), 0);
    assert!(!project.path(".campaign").exists());
}

// Clocks.

/// A run whose clock was set by so much. What nobody can set, the time since boot, is as it is.
fn at_another_time(project: &Project, by: &str, words: &[&str]) -> Ran {
    let clock = ["/usr/bin/env", "DONT_FAKE_MONOTONIC=1", "faketime", "-f", by];
    let mut run = project.run_under(&clock);
    run.env("PATH", "/usr/bin:/bin").args(words);
    Running::launch(run).finish()
}

#[test]
#[ignore = "needs faketime: .ci/run installs it"]
fn a_clock_that_is_set_between_runs_neither_empties_a_quota_nor_closes_it() {
    for set in ["+3d", "-3d", "+2h", "-45m"] {
        let desk = Desk::friendly();
        let project = Project::at(&desk).people(9).send("quota: 3/min").send("concurrency: 1");
        project.run(&["--limit", "3"]).exits(0);
        at_another_time(&project, set, &["--no-wait"]).exits(7).says("paused by send.quota");
        project.run(&["--no-wait"]).exits(7);
        assert_eq!(desk.messages().len(), 3, "{set}");
        // It opens again when a second has really passed, whatever the clock shows.
        let desk = Desk::friendly();
        let project = Project::at(&desk).people(9).send("quota: 3/s").send("concurrency: 1");
        project.run(&["--limit", "3"]).exits(0);
        at_another_time(&project, set, &["--limit", "2"]).exits(0);
        let times = desk.times(is_message);
        let waited = times[3] - times[0];
        assert!((990_000..20_000_000).contains(&waited), "{set}: {waited} us");
    }
}

#[test]
#[ignore = "needs faketime: .ci/run installs it"]
fn a_clock_that_is_set_between_runs_does_not_change_the_pace() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(9).send("rate: 30/min");
    for set in ["+1d", "-1d", "+1h", "+0s"] {
        at_another_time(&project, set, &["--limit", "1"]).exits(0);
    }
    let times = desk.times(is_message);
    assert_eq!(times.len(), 4);
    assert!(times.windows(2).all(|pair| (1_970_000..20_000_000).contains(&(pair[1] - pair[0]))), "{times:?}");
}

// Terminals.

/// Ctrl-S stops a terminal, and with it whoever writes to it and waits.
#[test]
fn a_terminal_that_is_stopped_holds_up_no_message() {
    if !Path::new("/usr/bin/script").exists() {
        return;
    }
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3_000).send("rate: 1000/s");
    let program = format!("{} run campaign.yaml --yes --verbose", env!("CARGO_BIN_EXE_campaign"));
    let mut terminal = Command::new("/usr/bin/script")
        .args(["-qec", &program, "/dev/null"])
        .current_dir(project.path(""))
        .env_clear()
        .envs([("TERM", "xterm"), ("LIVEDESK_API_KEY", "k"), ("LIVEDESK_API_SECRET", "s"), ("PATH", "/usr/bin:/bin")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut keyboard = terminal.stdin.take().unwrap();
    desk.wait_for_messages(10);
    keyboard.write_all(&[0x13]).unwrap();
    // A terminal holds a few KiB, and each message is a line.
    desk.wait_for_messages(3_000);
    keyboard.write_all(&[0x11]).unwrap();
    assert_eq!(terminal.wait().unwrap().code(), Some(0));
    drop(keyboard);
    assert_eq!(project.count("accepted"), 3_000);
}
