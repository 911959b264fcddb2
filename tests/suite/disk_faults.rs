//! Trouble with the disk and with the clock: what cannot be recorded is not sent, and a mended ledger goes on.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
#[cfg(target_os = "linux")]
use std::process::Command;

use campaign::ledger::register_checksum;
use rusqlite::Connection;

use crate::harness::{Desk, Project, Ran, Running};

const LEDGER: &str = ".campaign/c.sqlite";
const PAGE: usize = 4096;
const PEOPLE: usize = 300;

/// A run which may not make a file longer than so many blocks of 512 bytes: to the program, the disk is full.
fn run_with_room_for(project: &Project, blocks: u64) -> Ran {
    let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    Running::launch(project.run_under(&["/bin/sh", "-c", &limit, "sh"])).finish()
}

fn blocks(project: &Project) -> u64 {
    fs::metadata(project.path(LEDGER)).unwrap().len() / 512
}

/// A campaign of which a hundred have got it, and a good copy of its ledger.
fn begun(desk: &Desk) -> (Project, Vec<u8>) {
    let project = Project::at(desk).people(PEOPLE as u64);
    project.run(&["--limit", "100"]).exits(0);
    let good = fs::read(project.path(LEDGER)).unwrap();
    (project, good)
}

/// Overwrites some pages in the middle.
fn damage(project: &Project) {
    let file = File::options().write(true).open(project.path(LEDGER)).unwrap();
    file.write_all_at(&vec![0xA5; 6 * PAGE], 4 * PAGE as u64).unwrap();
}

fn edit(project: &Project, sql: &str) {
    let ledger = Connection::open(project.path(LEDGER)).unwrap();
    register_checksum(&ledger).unwrap();
    ledger.execute_batch(sql).unwrap();
}

/// Whoever was messaged is on record as such.
#[track_caller]
fn nothing_went_unrecorded(desk: &Desk, project: &Project) {
    let ledger = Connection::open(project.path(LEDGER)).unwrap();
    let mut tried = ledger.prepare("SELECT key FROM delivery WHERE state <> 'pending'").unwrap();
    let tried: BTreeSet<String> = tried.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let missing: Vec<u64> = desk.addressed().into_iter().filter(|id| !tried.contains(&id.to_string())).collect();
    assert!(missing.is_empty(), "messaged and not on record: {missing:?}");
}

/// The next run, with nothing in its way, brings it to its end: nobody twice, nobody lost.
#[track_caller]
fn goes_on_to_the_end(desk: &Desk, project: &Project) {
    let end = project.run(&[]);
    let unknown = project.count("unknown");
    end.exits(if unknown > 0 { 4 } else { 0 });
    assert_eq!(project.count("accepted") + unknown, PEOPLE);
    let addressed = desk.addressed();
    assert_eq!(addressed.len(), addressed.iter().collect::<BTreeSet<_>>().len(), "somebody got it twice");
    assert!(addressed.len() + unknown >= PEOPLE, "somebody got nothing");
}

#[test]
fn a_disk_that_is_full_before_the_list_is_taken_in_sends_nothing() {
    let desk = Desk::friendly();
    for blocks in [0, 8, 40, 80] {
        let project = Project::at(&desk).people(PEOPLE as u64);
        run_with_room_for(&project, blocks).exits(1);
        assert_eq!(desk.journal().len(), 0, "with {blocks} blocks");
    }
    let project = Project::at(&desk).people(PEOPLE as u64);
    run_with_room_for(&project, 40).exits(1);
    goes_on_to_the_end(&desk, &project);
}

#[test]
fn a_disk_that_fills_up_while_sending_ends_the_run_and_nothing_goes_unrecorded() {
    let desk = Desk::friendly();
    let (project, _) = begun(&desk);
    // With little room the list is not even taken in again: a little more each time, until messages leave.
    let start = blocks(&project);
    for more in 0.. {
        run_with_room_for(&project, start + 32 * more).exits(1);
        nothing_went_unrecorded(&desk, &project);
        if desk.messages().len() > 100 {
            break;
        }
    }
    assert!(desk.messages().len() < PEOPLE, "the disk was to fill up in the middle");
    goes_on_to_the_end(&desk, &project);
}

#[test]
fn a_disk_that_is_full_is_said_with_the_name_of_the_ledger() {
    let desk = Desk::friendly();
    let (project, _) = begun(&desk);
    run_with_room_for(&project, blocks(&project)).exits(1).says(LEDGER);
}

/// After a first run on a full disk there may be a ledger without tables.
#[test]
fn a_ledger_that_was_never_finished_can_be_looked_at() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(PEOPLE as u64);
    run_with_room_for(&project, 8).exits(1);
    project.campaign(&["status", "campaign.yaml"]).exits(8);
}

#[test]
fn a_folder_that_cannot_be_written_sends_nothing_and_is_named() {
    let desk = Desk::friendly();
    let (project, _) = begun(&desk);
    // Nobody but its owner may enter the folder of a build, so the other user gets a program of his own.
    fs::copy(env!("CARGO_BIN_EXE_campaign"), project.path("campaign")).unwrap();
    for file in project.files() {
        let mode = if file.is_dir() || file.ends_with("campaign") { 0o555 } else { 0o444 };
        fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(project.path(""), Permissions::from_mode(0o755)).unwrap();
    let mut command = project.run_under(&["/bin/sh", "-c", "shift; exec ./campaign \"$@\"", "sh"]);
    if fs::metadata(project.path("")).unwrap().uid() == 0 {
        // The superuser may write everywhere.
        command.uid(65534);
    }
    Running::launch(command).finish().exits(1).says(".campaign/c.").says("Permission denied");
    assert_eq!(desk.messages().len(), 100);
    for file in project.files() {
        fs::set_permissions(file, Permissions::from_mode(0o700)).unwrap();
    }
    goes_on_to_the_end(&desk, &project);
}

/// The ledger is spoilt in some way: nothing is sent, and with the good copy put back the campaign goes on.
#[track_caller]
fn nothing_is_sent_until_it_is_mended(spoil: impl FnOnce(&Project)) -> Ran {
    let desk = Desk::friendly();
    let (project, good) = begun(&desk);
    spoil(&project);
    let ran = project.run(&[]);
    assert_eq!(desk.messages().len(), 100, "sent on a spoilt ledger, which said:\n{}", ran.stderr);
    let ran = ran.exits(1);
    fs::write(project.path(LEDGER), good).unwrap();
    goes_on_to_the_end(&desk, &project);
    ran
}

#[test]
fn with_a_damaged_ledger_nothing_is_sent() {
    nothing_is_sent_until_it_is_mended(damage).says("the ledger is damaged");
}

#[test]
fn a_damaged_ledger_is_named() {
    nothing_is_sent_until_it_is_mended(damage).says(LEDGER);
}

fn cut_to(project: &Project, length: u64) {
    File::options().write(true).open(project.path(LEDGER)).unwrap().set_len(length).unwrap();
}

#[test]
fn with_a_ledger_that_was_cut_short_nothing_is_sent() {
    nothing_is_sent_until_it_is_mended(|project| cut_to(project, 5 * PAGE as u64 + 100)).says("the ledger is damaged");
}

/// It had tables once: to begin anew would send to everybody again.
#[test]
fn with_a_ledger_that_was_emptied_nothing_is_sent() {
    nothing_is_sent_until_it_is_mended(|project| cut_to(project, 0));
}

#[test]
fn with_a_ledger_of_a_newer_version_nothing_is_sent() {
    nothing_is_sent_until_it_is_mended(|project| edit(project, "PRAGMA user_version = 99")).says("use a newer version");
}

#[test]
fn rubbish_beside_a_ledger_is_not_passed_over_in_silence() {
    let desk = Desk::friendly();
    let (project, _) = begun(&desk);
    let log = project.path(".campaign/c.sqlite-wal");
    fs::write(&log, vec![0xA5; 10 * PAGE]).unwrap();
    project.run(&[]).exits(1).says("c.sqlite-wal").says("restore the ledger from a backup");
    fs::remove_file(log).unwrap();
    goes_on_to_the_end(&desk, &project);
}

/// What a killed run had recorded is in SQLite's log, and only there: without it people would get it again.
#[test]
fn when_the_log_of_a_killed_run_is_spoilt_nobody_gets_it_twice() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 150 }, delay: 60s }]");
    let project = Project::at(&desk).people(PEOPLE as u64).send("concurrency: 1");
    let run = project.start(&[]);
    desk.wait_for_messages(50);
    run.kill();
    let log = project.path(".campaign/c.sqlite-wal");
    let length = usize::try_from(fs::metadata(&log).unwrap().len()).unwrap();
    fs::write(&log, vec![0xA5; length]).unwrap();
    project.run(&[]);
    let addressed = desk.addressed();
    assert_eq!(addressed.len(), addressed.iter().collect::<BTreeSet<_>>().len(), "somebody got it twice");
}

/// The times of all messages so far are an hour ahead: the clock was set back.
fn clock_set_back(project: &Project) {
    edit(
        project,
        "UPDATE delivery SET first_attempt_at = first_attempt_at + 3600000, claimed_at = claimed_at + 3600000,
            settled_at = settled_at + 3600000;
         UPDATE delivery SET first_attempt_at = (SELECT max(claimed_at) FROM delivery) WHERE key = '250'",
    );
}

#[test]
fn after_the_clock_was_set_back_a_quota_is_never_exceeded() {
    let desk = Desk::friendly();
    let (project, _) = begun(&desk);
    clock_set_back(&project);
    let project = project.send("quota: 120/h");
    project.run(&["--no-wait"]).exits(7).says("send.quota");
    assert_eq!(desk.messages().len(), 120);
    project.run(&["--no-wait"]).exits(7);
    assert_eq!(desk.messages().len(), 120);
    nothing_went_unrecorded(&desk, &project);
}

#[test]
fn after_the_clock_was_set_back_a_run_ends_and_no_duration_is_absurd() {
    let desk = Desk::friendly();
    let (project, _) = begun(&desk);
    clock_set_back(&project);
    let project = project.send("rate: 400/s");
    goes_on_to_the_end(&desk, &project);
    for row in project.report() {
        let duration = &row["duration_ms"];
        let sane = duration.is_empty() || duration.parse().is_ok_and(|ms: u64| ms < 60_000);
        assert!(sane, "{row:?}");
    }
}

#[test]
fn all_that_a_run_leaves_beside_its_ledger_is_for_its_owner_only() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 105 }, delay: 60s }]");
    let project = Project::at(&desk).people(5);
    let run = project.start(&[]);
    desk.wait_for_messages(5);
    for file in fs::read_dir(project.path(".campaign")).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", file.path().display());
    }
    assert!(project.path(".campaign/c.sqlite-lock").exists());
    run.kill();
}

/// A disk with blocks smaller than SQLite's pages, on which so many KiB are free.
#[cfg(target_os = "linux")]
struct SmallDisk {
    folder: tempfile::TempDir,
}

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn with_room_for(free: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = "truncate -s 8M img && mkfs.ext4 -q -b 1024 -O ^has_journal -m 0 img && mkdir disk && mount -o \
             loop img disk";
        let made = Command::new("sh").args(["-c", script]).current_dir(&folder).status().unwrap();
        assert!(made.success());
        let disk = Self { folder };
        fs::create_dir(disk.path().join(".campaign")).unwrap();
        let ballast = disk.path().join("ballast");
        // Never more than the whole of it, should it not be mounted.
        let zeros = std::io::Read::take(std::io::repeat(0), 16 << 20);
        let taken = std::io::copy(&mut { zeros }, &mut File::create(&ballast).unwrap());
        assert!(taken.is_err(), "the disk was to be full");
        let file = File::options().write(true).open(&ballast).unwrap();
        file.set_len(file.metadata().unwrap().len() - free * 1024).unwrap();
        file.sync_all().unwrap();
        disk
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("disk")
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

/// SQLite maps the index of its log into memory: a hole in it that finds no block would end the process with SIGBUS.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root and a loop device"]
fn a_full_disk_with_small_blocks_is_an_error_and_no_signal() {
    let desk = Desk::friendly();
    for free in (60..=100).step_by(4).chain((480..=560).step_by(8)) {
        let small = SmallDisk::with_room_for(free);
        let project = Project::at(&desk).people(PEOPLE as u64);
        std::os::unix::fs::symlink(small.path().join(".campaign"), project.path(".campaign")).unwrap();
        let before = desk.messages().len();
        let ran = project.run(&[]);
        assert!(ran.code.is_some(), "{free} KiB: ended by a signal: {}", ran.stderr);
        if free <= 100 {
            ran.exits(1).says("disk").says("free disk space");
            assert_eq!(desk.messages().len(), before, "{free} KiB");
        }
    }
}
