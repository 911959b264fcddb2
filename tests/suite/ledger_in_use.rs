//! A ledger while a run uses it: its files are deleted, moved or replaced, or a second run wants it by another path.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::{Desk, Project, Ran};
use crate::ledger_files::{COUNTER, LEDGER, LOG, PEOPLE, STUCK, begun, is_refused, nobody_twice};

/// The files are changed while messages leave: the run ends by itself, long before its list is done.
#[track_caller]
fn taken_away(change: impl Fn(&Project)) -> (Desk, Project, Ran) {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2_000).send("rate: 200/s");
    let run = project.start(&[]);
    desk.wait_for_messages(20);
    change(&project);
    let ran = run.finish().exits(1).says("sending has stopped").says("could not be recorded");
    assert!(desk.messages().len() < 2_000, "it went on sending to the end");
    (desk, project, ran)
}

#[test]
fn a_ledger_that_is_deleted_under_a_run_ends_it_and_is_rescued() {
    let (desk, project, _) = taken_away(|project| fs::remove_file(project.path(LEDGER)).unwrap());
    let rescued = project.path(".campaign/c.sqlite.rescued");
    assert!(rescued.exists());
    is_refused(&desk, &project, "the ledger is missing");
    let project = project.send("rate: unlimited");
    let ran = project.run(&["--ledger", rescued.to_str().unwrap()]);
    assert!(ran.code == Some(0) || ran.code == Some(4), "{ran:?}");
    nobody_twice(&desk);
}

#[test]
fn a_folder_that_is_moved_away_under_a_run_ends_it() {
    let (desk, project, _) = taken_away(|project| {
        fs::rename(project.path(".campaign"), project.path("moved")).unwrap();
    });
    fs::rename(project.path("moved"), project.path(".campaign")).unwrap();
    let ran = project.send("rate: unlimited").run(&[]);
    assert!(ran.code == Some(0) || ran.code == Some(4), "{ran:?}");
    nobody_twice(&desk);
}

#[test]
fn files_that_are_replaced_under_a_run_end_it() {
    for name in [LEDGER, LOG, COUNTER, ".campaign/c.sqlite-lock"] {
        let (desk, ..) = taken_away(|project| {
            fs::copy(project.path(name), project.path("copy")).unwrap();
            fs::rename(project.path("copy"), project.path(name)).unwrap();
        });
        nobody_twice(&desk);
    }
}

#[test]
fn a_run_that_waits_notices_as_well() {
    let desk = Desk::start("faults: [{ on: message, times: 1, status: 429, headers: { Retry-After: 600 } }]");
    let project = Project::at(&desk).people(5);
    let run = project.start(&[]);
    desk.wait_for_messages(1);
    fs::remove_file(project.path(LEDGER)).unwrap();
    run.finish().exits(1).says("deleted or moved");
}

// One ledger, one lock.

#[test]
fn by_whatever_path_a_ledger_has_one_lock() {
    let desk = Desk::start(STUCK);
    let project = Project::at(&desk).people(PEOPLE as u64).send("timeout: 59s");
    let run = project.start(&[]);
    desk.wait_for_messages(100);
    symlink(".campaign", project.path("folder")).unwrap();
    symlink(LEDGER, project.path("file.sqlite")).unwrap();
    for ledger in ["folder/c.sqlite", "file.sqlite", "sqlite:./folder/../folder/c.sqlite"] {
        project.run(&["--ledger", ledger]).exits(6).says("being run by process");
        project.campaign(&["status", "campaign.yaml", "--ledger", ledger]).exits(0);
    }
    run.kill();
    project.run(&["--ledger", "file.sqlite"]).exits(4);
    nobody_twice(&desk);
}

#[test]
fn a_ledger_with_two_names_is_refused() {
    let desk = Desk::friendly();
    let project = begun(&desk, 5);
    fs::hard_link(project.path(LEDGER), project.path("other.sqlite")).unwrap();
    is_refused(&desk, &project, "several names");
    project.run(&["--ledger", "other.sqlite"]).exits(1).says("several names");
    fs::remove_file(project.path("other.sqlite")).unwrap();
    project.run(&[]).exits(0);
    nobody_twice(&desk);
}

#[test]
fn a_path_is_a_path() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(4);
    for ledger in ["file:x.sqlite", "file:x.sqlite?mode=memory", "sqlite:y.sqlite", "sqlite://z.sqlite"] {
        let project = Project::at(&desk).people(4);
        let before = desk.messages().len();
        project.run(&["--ledger", ledger, "--limit", "2"]).exits(0);
        project.run(&["--ledger", ledger]).exits(0);
        assert_eq!(desk.messages().len(), before + 4, "{ledger}");
    }
    let absolute = format!("sqlite:///{}", project.path("w.sqlite").display());
    project.run(&["--ledger", &absolute]).exits(0);
    assert!(project.path("w.sqlite").exists());
}
