//! `campaign ledger copy`: a campaign moves from one ledger to another, whole, and is in use at one place at any time.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::collections::BTreeSet;
use std::fs;

use rusqlite::Connection;

use campaign::ledger::register_checksum;

use crate::harness::{Desk, Project, Ran};
use crate::postgres_server::{Server, database_of};

const FILE: &str = ".campaign/c.sqlite";
const SEAL: &str = "UPDATE identity SET schema = (SELECT checksum(group_concat(sql, ';')) FROM
    (SELECT sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*' ORDER BY rowid));";

fn copy(project: &Project, from: &str, to: &str) -> Ran {
    project.campaign(&["ledger", "copy", from, to])
}

/// The report of a ledger, with the columns of the list.
fn report(project: &Project, ledger: &str) -> String {
    let words = ["report", "campaign.yaml", "--ledger", ledger, "--with-columns", "-o", "out.csv", "-o", "out.jsonl"];
    project.campaign(&words);
    let texts = ["out.csv", "out.jsonl"].map(|name| fs::read_to_string(project.path(name)).unwrap());
    texts.concat()
}

#[track_caller]
fn nobody_twice(desk: &Desk) {
    let addressed = desk.addressed();
    assert_eq!(addressed.len(), addressed.iter().collect::<BTreeSet<_>>().len(), "somebody was messaged twice");
}

fn sql(project: &Project, file: &str, sql: &str) {
    let ledger = Connection::open(project.path(file)).unwrap();
    register_checksum(&ledger).unwrap();
    ledger.execute_batch(sql).unwrap();
}

/// A campaign that was killed with a message in flight, after one unknown, one failure, a duplicate and somebody's word.
fn interrupted(desk: &Desk) -> Project {
    let rows: Vec<String> = (101..=120).chain([101]).map(|id| id.to_string()).collect();
    let project = Project::at(desk).list(&format!("conversation_id\n{}\n", rows.join("\n"))).send("concurrency: 1");
    let project = project.send("timeout: 1s");
    project.run(&["--limit", "6"]).exits(4);
    project.campaign(&["resolve", "campaign.yaml", "--all", "--sent", "--note", "seen there"]).exits(0);
    let before = desk.arrived();
    let run = project.start(&[]);
    desk.wait_for_messages(9);
    assert!(desk.arrived() > before);
    run.kill();
    project
}

const FAULTS: &str = "faults:
  - { on: message, match: { conversation_id: 103 }, delay: 60s }
  - { on: message, match: { conversation_id: 104 }, status: 422, body: '{}' }
  - { on: message, match: { conversation_id: 109 }, delay: 60s }
";

#[test]
fn an_interrupted_campaign_moves_to_a_database_and_back_and_nobody_is_messaged_twice() {
    let test = "ledger_copy::an_interrupted_campaign_moves_to_a_database_and_back_and_nobody_is_messaged_twice";
    let Some(server) = Server::shared(test) else { return };
    let (desk, database) = (Desk::start(FAULTS), server.database());
    let project = interrupted(&desk);
    // Another campaign makes ids there that are not those of the file.
    let calm = Desk::friendly();
    let other = Project::at(&calm).people(3);
    let spec = fs::read_to_string(other.path("campaign.yaml")).unwrap().replace("name: c\n", "name: d\n");
    other.spec(&spec).run(&["--ledger", &database]).exits(0);
    let before = report(&project, FILE);
    assert!(before.contains("seen there") && before.contains("cut-off") && before.contains("duplicate"), "{before}");

    let ran = copy(&project, FILE, &database).exits(0).says("c was moved; continue with `--ledger postgres://");
    assert!(ran.stdout.contains("pending"), "{}", ran.stdout);
    assert_eq!(report(&project, &database), before);
    project.run(&["--ledger", &database, "--limit", "4"]).exits(4);
    let between = report(&project, &database);
    nobody_twice(&desk);

    project.campaign(&["ledger", "copy", &database, "back.sqlite", "--campaign", "c"]).exits(0);
    assert_eq!(report(&project, "back.sqlite"), between);
    project.run(&["--ledger", "back.sqlite"]).exits(4);
    nobody_twice(&desk);
    assert_eq!(desk.addressed().len(), 20);
    // The new file is a ledger like others: a copy of it is recognised, and so is its loss.
    fs::remove_file(project.path("back.sqlite")).unwrap();
    project.run(&["--ledger", "back.sqlite"]).exits(1).says("send attempts");
}

#[test]
fn a_campaign_that_was_moved_is_not_used_at_its_old_place() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(4);
    copy(&project, FILE, "new.sqlite").exits(1).says("nothing was run yet");
    project.run(&["--limit", "1"]).exits(0);
    let before = report(&project, FILE);
    copy(&project, FILE, "new.sqlite").exits(0).says("continue with `--ledger new.sqlite`");
    let place = "this campaign was moved to ";
    project.run(&[]).exits(1).says(place).says("new.sqlite on ");
    project.run(&["--dry-run"]).exits(1).says(place);
    for words in [["status", "campaign.yaml"], ["report", "campaign.yaml"], ["track", "campaign.yaml"]] {
        project.campaign(&words).exits(1).says(place);
    }
    project.campaign(&["resolve", "campaign.yaml", "--all", "--sent"]).exits(1).says(place);
    copy(&project, FILE, "other.sqlite").exits(1).says(place);
    assert!(!project.path("other.sqlite").exists());
    assert_eq!(desk.messages().len(), 1);
    assert_eq!(report(&project, "new.sqlite"), before);
    project.run(&["--ledger", "new.sqlite"]).exits(0);

    // Back to where it was: what is there is known to be old.
    let before = report(&project, "new.sqlite");
    copy(&project, "new.sqlite", FILE).exits(0);
    assert_eq!(report(&project, FILE), before);
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 4);
    // A counter that knew less, or another file, would be noticed.
    fs::remove_file(project.path(FILE)).unwrap();
    project.run(&[]).exits(1).says("send attempts");
}

#[test]
fn a_copy_replaces_no_ledger_and_waits_for_no_run() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 102 }, delay: 60s }]");
    let project = Project::at(&desk).people(3).send("concurrency: 1").send("timeout: 59s");
    project.run(&["--limit", "1", "--ledger", "there.sqlite"]).exits(0);
    fs::remove_dir_all(project.path("reports")).unwrap();
    let run = project.start(&[]);
    desk.wait_for_messages(3);
    copy(&project, FILE, "new.sqlite").exits(6).says("already being run by process");
    copy(&project, "there.sqlite", FILE).exits(6).says("already being run by process");
    run.kill();
    copy(&project, "there.sqlite", FILE).exits(1).says("there is a ledger of this campaign already");
    copy(&project, FILE, FILE).exits(1).says("this is where the campaign is");
    copy(&project, FILE, "redis://x").exits(2).says("TO");
    project.campaign(&["status", "campaign.yaml", "--ledger", "there.sqlite"]).exits(0);
}

#[test]
fn an_interrupted_copy_is_completed_by_another_and_the_campaign_is_never_in_use_twice() {
    let test = "ledger_copy::an_interrupted_copy_is_completed_by_another_and_the_campaign_is_never_in_use_twice";
    let Some(server) = Server::shared(test) else { return };
    let (desk, database) = (Desk::friendly(), server.database());
    let name = database_of(&database);
    let project = Project::at(&desk).people(4);
    project.run(&["--limit", "1"]).exits(0);
    let before = report(&project, FILE);
    copy(&project, FILE, &database).exits(0);
    // As if it had ended before its last step.
    let (id, place) = {
        let ledger = Connection::open(project.path(FILE)).unwrap();
        let mark = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        ledger.query_row("SELECT id, place FROM transfer", [], mark).unwrap()
    };
    assert!(place.starts_with("postgres://"), "{place}");
    let arriving = format!("INSERT INTO campaign.transfer SELECT id, '{id}', 'arriving', 'x' FROM campaign.ledger");
    server.sql(name, &arriving);
    project.run(&["--ledger", &database]).exits(1).says("from x is not complete").says("campaign ledger copy");
    project.run(&[]).exits(1).says("moved to postgres://");
    copy(&project, FILE, &database).exits(0);
    assert_eq!(report(&project, &database), before);

    // As if it had ended before the original was marked.
    sql(&project, FILE, "DELETE FROM transfer");
    server.sql(name, &arriving.replace("'x'", "'elsewhere'"));
    copy(&project, FILE, &database).exits(1).says("from elsewhere is not complete");
    server.sql(name, "DELETE FROM campaign.transfer");
    copy(&project, FILE, &database).exits(1).says("there is a ledger of this campaign already");
    let host = hostname::get().unwrap().to_string_lossy().into_owned();
    let here = format!("{} on {host}", fs::canonicalize(project.path(".")).unwrap().join(FILE).display());
    server.sql(name, &arriving.replace("'x'", &format!("'{here}'")));
    copy(&project, FILE, &database).exits(0);
    assert_eq!(report(&project, &database), before);
    project.run(&["--ledger", &database]).exits(0);
    assert_eq!(desk.messages().len(), 4);
}

#[test]
fn a_database_of_several_campaigns_is_asked_for_one_by_its_name() {
    let Some(server) = Server::shared("ledger_copy::a_database_of_several_campaigns_is_asked_for_one_by_its_name")
    else {
        return;
    };
    let (desk, database) = (Desk::friendly(), server.database());
    let one = Project::at(&desk).people(2);
    let spec = fs::read_to_string(one.path("campaign.yaml")).unwrap().replace("name: c\n", "name: d\n");
    let other = Project::at(&desk).people(2).spec(&spec);
    copy(&one, &database, "x.sqlite").exits(1).says("there is no record of a run at postgres://");
    for project in [&one, &other] {
        project.run(&["--ledger", &database]).exits(0);
    }
    copy(&one, &database, "x.sqlite").exits(1).says("holds c, d: choose one with `--campaign NAME`");
    one.campaign(&["ledger", "copy", &database, "x.sqlite", "--campaign", "e"])
        .exits(1)
        .says("there is no record of a run");
    one.campaign(&["ledger", "copy", &database, "x.sqlite", "--campaign", "c"]).exits(0);
    copy(&other, &database, "x.sqlite").exits(1);
    one.run(&["--ledger", "x.sqlite"]).exits(0);
    other.run(&["--ledger", &database]).exits(0);
    assert_eq!(desk.messages().len(), 4);
    // A file has one campaign.
    one.campaign(&["ledger", "copy", "x.sqlite", &database, "--campaign", "d"]).exits(1).says("of the campaign `c`");
}

#[test]
fn a_ledger_of_the_sixth_to_eighth_format_is_continued() {
    let newer = ["DROP TABLE canary;", "DROP TABLE proof;", "DROP TABLE transfer;"];
    for (format, newer) in [(6, newer.concat()), (7, newer[..2].concat()), (8, newer[..1].concat())] {
        let desk = Desk::friendly();
        let project = Project::at(&desk).people(2);
        project.run(&["--limit", "1"]).exits(0);
        sql(&project, FILE, &format!("{newer} {SEAL} PRAGMA user_version = {format};"));
        project.campaign(&["status", "campaign.yaml"]).exits(0);
        project.run(&[]).exits(0);
        assert_eq!(desk.addressed(), [101, 102], "format {format}");
    }
}

#[test]
fn a_canary_that_was_approved_stays_approved_in_the_copy() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(6).send("canary: 2");
    project.run(&[]).exits(5);
    project.run(&["--approve-canary", "--limit", "1"]).exits(0);
    copy(&project, FILE, "copied.sqlite").exits(0);
    project.run(&["--ledger", "copied.sqlite", "--limit", "1"]).exits(0);
    let Some(server) = Server::shared("ledger_copy::a_canary_that_was_approved_stays_approved_in_the_copy") else {
        return;
    };
    let database = server.database();
    copy(&project, "copied.sqlite", &database).exits(0);
    copy(&project, &database, "back.sqlite").exits(0);
    project.run(&["--ledger", "back.sqlite"]).exits(0);
    assert_eq!(desk.addressed(), (101..=106).collect::<Vec<u64>>());
}
