//! A ledger whose files changed between two runs: missing, older, damaged or shared, it is never taken for a new one. What
//! was sent is read from the journal of the sandbox.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use rusqlite::Connection;

use crate::harness::{Desk, Project, Ran};

pub(super) const LEDGER: &str = ".campaign/c.sqlite";
pub(super) const LOG: &str = ".campaign/c.sqlite-wal";
pub(super) const COUNTER: &str = ".campaign/c.sqlite-claims";
pub(super) const PEOPLE: usize = 120;

/// Nobody was messaged twice.
#[track_caller]
pub(super) fn nobody_twice(desk: &Desk) {
    let addressed = desk.addressed();
    assert_eq!(addressed.len(), addressed.iter().collect::<BTreeSet<_>>().len(), "somebody got it twice");
}

/// A campaign that was sent to `sent` people.
pub(super) fn begun(desk: &Desk, sent: usize) -> Project {
    let project = Project::at(desk).people(PEOPLE as u64);
    project.run(&["--limit", &sent.to_string()]).exits(0);
    project
}

/// Nothing is sent, and the words say why.
#[track_caller]
pub(super) fn is_refused(desk: &Desk, project: &Project, words: &str) {
    let before = desk.messages().len();
    let ran = project.run(&[]).exits(1).says(words);
    assert_eq!(desk.messages().len(), before, "{}", ran.stderr);
}

/// A run that was killed when about so many messages had left. What it has recorded is in the log.
fn killed(desk: &Desk, at: usize) -> Project {
    let project = Project::at(desk).people(PEOPLE as u64).send("concurrency: 4");
    let run = project.start(&[]);
    desk.wait_for_messages(at);
    run.kill();
    project
}

pub(super) const STUCK: &str = "faults: [{ on: message, match: { conversation_id: 160 }, times: 1, delay: 60s }]";

// What is missing.

#[test]
fn a_link_to_a_disk_that_is_not_mounted_is_no_first_run() {
    for link in [".campaign", LEDGER] {
        let desk = Desk::friendly();
        let project = Project::at(&desk).people(3);
        if link == LEDGER {
            fs::create_dir(project.path(".campaign")).unwrap();
        }
        symlink(project.path("disk/elsewhere"), project.path(link)).unwrap();
        is_refused(&desk, &project, "is a disk not mounted?");
        project.run(&["--dry-run"]).exits(1).says("is a disk not mounted?");
        project.campaign(&["status", "campaign.yaml"]).exits(1);
        project.campaign(&["report", "campaign.yaml"]).exits(1);
        project.campaign(&["resolve", "campaign.yaml", "--all", "--sent"]).exits(1);
        assert!(!project.path("disk").exists());
    }
}

#[test]
fn a_ledger_that_was_deleted_is_no_first_run() {
    let desk = Desk::friendly();
    let project = begun(&desk, 10);
    fs::remove_file(project.path(LEDGER)).unwrap();
    is_refused(&desk, &project, "c.sqlite-claims says that it recorded 10 send attempts");
    project.run(&["--dry-run"]).exits(1).says("the ledger is missing");
    project.campaign(&["status", "campaign.yaml"]).exits(1).says("the ledger is missing");
}

#[test]
fn a_run_that_is_refused_leaves_no_ledger() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id\nnone\n");
    project.run(&[]).exits(2);
    assert!(!project.path(".campaign").exists(), "{:?}", project.files());
}

// What moves.

#[test]
fn a_campaign_that_moves_without_its_ledger_is_stopped_by_its_report() {
    for (report, setting) in
        [("c.csv", ""), ("c.jsonl", "report: reports/c.jsonl"), ("c.html", "report: reports/c.html")]
    {
        let desk = Desk::friendly();
        let mut project = Project::at(&desk).people(5);
        if !setting.is_empty() {
            project = project.setting(setting);
        }
        project.run(&[]).exits(0);
        fs::remove_dir_all(project.path(".campaign")).unwrap();
        let words = format!("reports/{report} says that 5 recipients were messaged");
        is_refused(&desk, &project, &words);
        project.run(&["--dry-run"]).exits(1).says(&words);
        project.campaign(&["status", "campaign.yaml"]).exits(1).says("--first-run");
        project.campaign(&["report", "campaign.yaml"]).exits(1).says("--first-run");
        assert!(!project.path(".campaign").exists(), "nothing is made");
        project.run(&["--first-run", "--limit", "1"]).exits(0);
        assert_eq!(desk.messages().len(), 6);
        project.run(&["--first-run"]).exits(1).says("not the first run");
    }
}

#[test]
fn a_sandbox_run_leaves_no_trace() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5);
    project.run(&["--sandbox"]).exits(0);
    project.run(&["--sandbox", "--report", "reports/c.csv"]).exits(0).says("report: reports/c.sandbox.csv");
    project.run(&["--sandbox", "--report", "out.sandbox.csv"]).exits(0).says("report: out.sandbox.csv");
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 5);
}

#[test]
fn two_campaigns_that_would_share_a_report_are_told_so_and_no_trace_is_seen_where_none_is() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5).setting("report: all.csv");
    let text = fs::read_to_string(project.path("campaign.yaml")).unwrap().replace("name: c\n", "name: d\n");
    let project = project.file("other.yaml", &text);
    project.run(&[]).exits(0);
    for words in [&["run", "other.yaml"][..], &["run", "other.yaml", "--dry-run"]] {
        let ran = project.campaign(words).exits(1).says("all.csv is also the report of the campaign `c`");
        assert!(!ran.stderr.contains("--first-run"), "{}", ran.stderr);
    }
    let project = project.file("other.yaml", text.replace("all.csv", "other.csv"));
    project.campaign(&["run", "other.yaml"]).exits(0);
    assert_eq!(desk.messages().len(), 10);
    project.run(&[]).exits(0);
    // And in the end the first one notices it as well.
    project.setting("report: other.csv").run(&[]).exits(1).says("the report of the campaign `d`");
}

#[test]
fn a_spec_that_is_a_link_is_no_other_campaign() {
    let desk = Desk::friendly();
    let project = begun(&desk, 5).file("other/list.csv", "conversation_id\n101\n102\n");
    symlink("../campaign.yaml", project.path("other/campaign.yaml")).unwrap();
    project.campaign(&["run", "other/campaign.yaml"]).exits(1).says("this spec is a symbolic link");
    assert_eq!(desk.messages().len(), 5);
}

#[test]
fn a_first_run_says_where_its_ledger_will_be() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2);
    let first = "ledger   ./.campaign/c.sqlite: not found, so this is the first run";
    project.run(&["--dry-run"]).exits(0).says(first);
    project.run(&["--limit", "1"]).exits(0).says(first);
    let ran = project.run(&[]).exits(0);
    assert!(!ran.stderr.contains("first run"), "{}", ran.stderr);
}

#[test]
fn a_first_run_in_ci_is_warned_that_its_ledger_may_be_thrown_away() {
    let project = Project::at_address("https://127.0.0.1:1").people(1).environment("CI", Some("true"));
    project.run(&[]).exits(1).says("The next run would then message everyone again");
}

// What is older or damaged.

#[test]
fn an_older_copy_of_the_ledger_is_refused_until_somebody_accepts_it() {
    let desk = Desk::friendly();
    let project = begun(&desk, 20);
    let older = fs::read(project.path(LEDGER)).unwrap();
    project.run(&["--limit", "30"]).exits(0);
    let newer = fs::read(project.path(LEDGER)).unwrap();
    fs::write(project.path(LEDGER), older).unwrap();
    is_refused(&desk, &project, "this ledger knows of 20 send attempts, but ");
    project.run(&["--dry-run"]).exits(1).says("--accept-older-ledger");
    project.campaign(&["status", "campaign.yaml"]).exits(1).says("counted 50");
    // It would replace the report that knows better.
    project.campaign(&["report", "campaign.yaml"]).exits(1);
    assert_eq!(project.count("accepted"), 50);
    project.run(&["--accept-older-ledger", "--limit", "5"]).exits(0);
    assert_eq!(desk.messages().len(), 55);
    // From now on that one counts, and the one that was left behind is another.
    fs::write(project.path(LEDGER), newer).unwrap();
    is_refused(&desk, &project, "belongs to another ledger");
}

#[test]
fn an_older_copy_of_the_whole_folder_is_told_by_the_report() {
    let desk = Desk::friendly();
    let project = begun(&desk, 20);
    let older: Vec<_> = [LEDGER, COUNTER].map(|name| (name, fs::read(project.path(name)).unwrap())).into();
    project.run(&["--limit", "30"]).exits(0);
    for (name, bytes) in older {
        fs::write(project.path(name), bytes).unwrap();
    }
    is_refused(&desk, &project, "reports/c.csv says that 30 of the recipients of this run were already messaged");
    project.campaign(&["status", "campaign.yaml"]).exits(1).says("is an older copy");
    project.campaign(&["report", "campaign.yaml"]).exits(1).says("is an older copy");
    assert_eq!(project.count("accepted"), 50, "the report that knows better is still there");
    project.run(&["--dry-run"]).exits(1).says("is an older copy");
    project.run(&["--accept-older-ledger", "--limit", "1"]).exits(0);
}

#[test]
fn a_ledger_without_its_counter_is_refused() {
    let desk = Desk::friendly();
    let project = begun(&desk, 20);
    fs::remove_file(project.path(COUNTER)).unwrap();
    is_refused(&desk, &project, "c.sqlite-claims is missing");
    fs::write(project.path(COUNTER), "claims 3\n").unwrap();
    is_refused(&desk, &project, "c.sqlite-claims is damaged");
    project.run(&["--accept-older-ledger"]).exits(0);
    nobody_twice(&desk);
    assert_eq!(project.count("accepted"), PEOPLE);
}

/// The log is spoilt after a kill: the next run is right, or refuses, and sends to nobody again.
#[track_caller]
fn when_the_log_is(spoil: impl Fn(&Path)) -> (Desk, Project, Ran) {
    let desk = Desk::start(STUCK);
    let project = killed(&desk, 40);
    spoil(&project.path(LOG));
    let ran = project.run(&[]);
    nobody_twice(&desk);
    (desk, project, ran)
}

#[test]
fn a_log_that_is_gone_is_missed() {
    let (desk, _, ran) = when_the_log_is(|log| fs::remove_file(log).unwrap());
    ran.exits(1).says("send attempts, but");
    assert!(desk.messages().len() < 60);
    when_the_log_is(|log| fs::write(log, "").unwrap()).2.exits(1).says("send attempts, but");
}

#[test]
fn a_log_that_was_cut_short_is_noticed() {
    let cut = |log: &Path| {
        let file = fs::File::options().write(true).open(log).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    };
    when_the_log_is(cut).2.exits(1).says("send attempts, but");
}

#[test]
fn one_flipped_bit_in_the_log_is_noticed() {
    let flip = |log: &Path| {
        let file = fs::File::options().read(true).write(true).open(log).unwrap();
        let middle = file.metadata().unwrap().len() / 2;
        let mut byte = [0];
        file.read_exact_at(&mut byte, middle).unwrap();
        file.write_all_at(&[byte[0] ^ 4], middle).unwrap();
    };
    when_the_log_is(flip).2.exits(1).says("send attempts, but");
}

/// The list itself is not in the log: with that gone, the ledger still knows who is on it.
#[test]
fn the_list_is_in_the_ledger_before_anything_is_sent() {
    let (_, project, _) = when_the_log_is(|log| fs::remove_file(log).unwrap());
    let ledger = rusqlite::Connection::open(project.path(LEDGER)).unwrap();
    let known: i64 = ledger.query_row("SELECT count(*) FROM delivery", [], |row| row.get(0)).unwrap();
    assert_eq!(usize::try_from(known), Ok(PEOPLE));
}

/// An index that does not find who has got it would have everyone in the list again.
#[test]
fn a_broken_index_is_found_before_anything_is_sent() {
    let desk = Desk::friendly();
    let project = begun(&desk, PEOPLE);
    let ledger = rusqlite::Connection::open(project.path(LEDGER)).unwrap();
    ledger
        .execute_batch(
            "PRAGMA writable_schema = ON;
             CREATE TABLE empty (key TEXT NOT NULL UNIQUE) STRICT;
             UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_empty_1')
                WHERE name = 'sqlite_autoindex_delivery_1';
             DELETE FROM sqlite_schema WHERE tbl_name = 'empty';",
        )
        .unwrap();
    drop(ledger);
    is_refused(&desk, &project, "the ledger is damaged");
}

/// SQLite's own check cannot see a bit that flips inside a cell: it would be another recipient, another outcome or
/// nobody.
#[test]
fn a_bit_that_flips_inside_a_row_or_a_definition_is_found_before_anything_is_sent() {
    for (text, at, words) in [
        ("[\"200\"", 3, "of table `delivery` does not match its checksum"),
        ("again            INTEGER NOT NULL DEFAULT 0", 42, "table definitions do not match their checksum"),
    ] {
        let desk = Desk::friendly();
        let project = begun(&desk, 20);
        let mut bytes = fs::read(project.path(LEDGER)).unwrap();
        // Everywhere: SQLite leaves stale copies behind where it has moved a row.
        let found: Vec<usize> = (0..bytes.len()).filter(|from| bytes[*from..].starts_with(text.as_bytes())).collect();
        assert!(!found.is_empty(), "{text}");
        for from in found {
            bytes[from + at] ^= 8;
        }
        fs::write(project.path(LEDGER), bytes).unwrap();
        is_refused(&desk, &project, words);
        project.campaign(&["status", "campaign.yaml"]).exits(1).says(words);
        project.run(&["--dry-run"]).exits(1).says("restore it from a backup");
    }
}

/// Each row and each checksum in it is right; only together they are not, and no report says so.
#[test]
fn pages_of_another_time_or_of_another_ledger_are_found_before_anything_is_sent() {
    let desk = Desk::friendly();
    let other = {
        let project = begun(&Desk::friendly(), 3);
        fs::read(project.path(LEDGER)).unwrap()
    };
    let project = begun(&desk, 20);
    let older = fs::read(project.path(LEDGER)).unwrap();
    project.run(&["--limit", "30"]).exits(0);
    let newer = fs::read(project.path(LEDGER)).unwrap();
    fs::remove_file(project.path("reports/c.csv")).unwrap();
    // What says which ledger it is and how much it knows stays as it is.
    let of_identity = |page: &[u8]| page.windows(7).any(|text| text == b"trigger") || page[..16].contains(&b'S');
    for from in [older, other] {
        let mut mixed = newer.clone();
        let mut pages = 0;
        for (page, put) in mixed.chunks_mut(4096).zip(from.chunks(4096)).skip(1) {
            let holds_rows = page.windows(6).any(|text| text == b"[\"105\"");
            if holds_rows && !of_identity(page) {
                page.copy_from_slice(put);
                pages += 1;
            }
        }
        assert!(pages > 0);
        fs::write(project.path(LEDGER), &mixed).unwrap();
        is_refused(&desk, &project, "the ledger is damaged");
    }
    fs::write(project.path(LEDGER), newer).unwrap();
    project.run(&[]).exits(0);
    nobody_twice(&desk);
}

/// With an older count of readings, every row of the list would pass for one that this reading has seen already.
#[test]
fn an_older_count_of_readings_is_found_and_recovered_from() {
    let desk = Desk::friendly();
    let project = begun(&desk, 3);
    let older = fs::read(project.path(LEDGER)).unwrap();
    project.run(&["--limit", "30"]).exits(0);
    let page: u32 = Connection::open(project.path(LEDGER))
        .unwrap()
        .query_row("SELECT rootpage - 1 FROM sqlite_schema WHERE name = 'campaign'", [], |row| row.get(0))
        .unwrap();
    let at = page as usize * 4096;
    let mut mixed = fs::read(project.path(LEDGER)).unwrap();
    mixed[at..at + 4096].copy_from_slice(&older[at..at + 4096]);
    fs::write(project.path(LEDGER), mixed).unwrap();
    is_refused(&desk, &project, "some of its pages are older");
    let ran = project.campaign(&["ledger", "recover", "campaign.yaml"]).exits(4);
    assert!(ran.stdout.contains("some of its pages are older"), "{ran:?}");
    // Nobody is a duplicate, and nobody is forgotten.
    let ran = project.run(&["--ledger", ".campaign/c.recovered.sqlite", "--dry-run"]);
    assert!(!ran.stderr.contains("duplicate"), "{}", ran.stderr);
}
