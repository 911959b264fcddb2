//! `campaign ledger`: copies of a ledger, and what can be read of a damaged one. Nobody gets it twice by either.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::harness::{Desk, Project, rows};

const LEDGER: &str = ".campaign/c.sqlite";
const RECOVERED: &str = ".campaign/c.recovered.sqlite";
const PEOPLE: usize = 200;
const PAGE: usize = 4096;

#[track_caller]
fn nobody_twice(desk: &Desk) {
    let addressed = desk.addressed();
    assert_eq!(addressed.len(), addressed.iter().collect::<BTreeSet<_>>().len(), "somebody got it twice");
}

fn backup(project: &Project, words: &[&str]) -> String {
    project.campaign(&[&["ledger", "backup", "campaign.yaml"], words].concat()).exits(0).stdout
}

#[test]
fn a_backup_made_while_a_run_sends_is_whole_and_is_not_taken_for_the_ledger() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(PEOPLE as u64).send("rate: 100/s");
    let run = project.start(&[]);
    desk.wait_for_messages(30);
    let said = backup(&project, &["-o", "copy.sqlite"]);
    assert!(said.starts_with("copy.sqlite: 200 deliveries, "), "{said}");
    run.finish().exits(0);
    // By its own name it has no counter; in the place of the ledger the counter knows of more.
    project
        .run(&["--ledger", "copy.sqlite"])
        .exits(1)
        .says("copy.sqlite-claims is missing")
        .says("--accept-older-ledger");
    fs::rename(project.path(LEDGER), project.path("original")).unwrap();
    fs::copy(project.path("copy.sqlite"), project.path(LEDGER)).unwrap();
    project.run(&[]).exits(1).says("counted 200");
    assert_eq!(desk.messages().len(), PEOPLE);
    // What it forgets is what was sent after it was made, no more.
    let known = project.run(&["--accept-older-ledger", "--dry-run", "--preview", "0"]).exits(0).stderr;
    let would: usize =
        known.split("to send  ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    assert!((100..=170).contains(&would), "{known}");
}

#[test]
fn backups_replace_nothing_and_have_names_of_their_own() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    project.campaign(&["ledger", "backup", "campaign.yaml"]).exits(1).says("nothing was run yet");
    project.run(&["--limit", "1"]).exits(0);
    let said = backup(&project, &[]);
    let name = said.split(':').next().unwrap();
    assert!(name.starts_with("./.campaign/c.20") && name.ends_with("Z.backup.sqlite"), "{said}");
    assert!(said.ends_with("3 deliveries, 1 send attempt\n"), "{said}");
    project.campaign(&["ledger", "backup", "campaign.yaml", "-o", name]).exits(1).says("the file already exists");
    project.campaign(&["ledger", "backup", "campaign.yaml", "-o", "nowhere/x.sqlite"]).exits(1).says("nowhere");
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 3);
}

/// A campaign that was sent to so many, and whose ledger is then damaged.
fn damaged(desk: &Desk, sent: usize, damage: impl Fn(&Project)) -> Project {
    let project = Project::at(desk).people(PEOPLE as u64);
    project.run(&["--limit", &sent.to_string()]).exits(0);
    damage(&project);
    project
}

/// Pages of the ledger that hold rows of the list, in their order.
fn pages_with_rows(project: &Project) -> Vec<usize> {
    let bytes = fs::read(project.path(LEDGER)).unwrap();
    let holds = |page: &&[u8]| page[0] == 0x0d && page.windows(2).filter(|text| text == b"[\"").count() > 5;
    let found = bytes.chunks(PAGE).enumerate().filter(|(_, page)| holds(page)).map(|(at, _)| at);
    found.collect()
}

fn overwrite(project: &Project, page: usize) {
    let file = File::options().write(true).open(project.path(LEDGER)).unwrap();
    file.write_all_at(&[0xA5; PAGE], (page * PAGE) as u64).unwrap();
}

#[test]
fn of_a_damaged_ledger_everything_else_is_recovered_and_nobody_gets_it_twice() {
    let desk = Desk::friendly();
    let project = damaged(&desk, 120, |project| {
        let pages = pages_with_rows(project);
        assert!(pages.len() > 4, "{pages:?}");
        overwrite(project, pages[1]);
        overwrite(project, pages[3]);
    });
    project.run(&[]).exits(1).says("the ledger is damaged").says("campaign ledger recover");
    let before = fs::read(project.path(LEDGER)).unwrap();
    let ran =
        project.campaign(&["ledger", "recover", "campaign.yaml"]).exits(4).says("--ledger ./.campaign/c.recovered");
    assert!(ran.stdout.contains("deliveries could be read; "), "{}", ran.stdout);
    assert_eq!(fs::read(project.path(LEDGER)).unwrap(), before, "the damaged one is left as it is");
    let report = rows(&fs::read_to_string(project.path("reports/c.recovered.csv")).unwrap());
    let with = |outcome: &str| report.iter().filter(|row| row["outcome"] == outcome).count();
    let (accepted, pending, unknown) = (with("accepted"), with("pending"), with("unknown"));
    assert_eq!(accepted + pending + unknown, PEOPLE);
    assert!(accepted > 60 && pending > 40 && (10..90).contains(&unknown), "{accepted} {pending} {unknown}");
    assert!(report.iter().all(|row| row["outcome"] != "unknown" || row["error_code"] == "ledger-lost"));
    project.run(&[]).exits(1);
    project.run(&["--ledger", RECOVERED]).exits(4);
    nobody_twice(&desk);
    project.campaign(&["resolve", "campaign.yaml", "--ledger", RECOVERED, "--key", "300", "--not-sent"]);
    project.run(&["--ledger", RECOVERED]).exits(4);
    nobody_twice(&desk);
    assert_eq!(desk.messages().len(), 120 + pending + usize::from(report[199]["outcome"] == "unknown"));
    project.campaign(&["ledger", "recover", "campaign.yaml"]).exits(1).says("the file already exists");
}

#[test]
fn of_a_ledger_that_cannot_be_read_at_all_everyone_is_unknown() {
    for damage in [
        (|project: &Project| overwrite(project, 0)) as fn(&Project),
        |project| fs::write(project.path(LEDGER), "not a database").unwrap(),
        |project| fs::write(project.path(LEDGER), "").unwrap(),
    ] {
        let desk = Desk::friendly();
        let project = damaged(&desk, 20, damage);
        let ran = project.campaign(&["ledger", "recover", "campaign.yaml"]).exits(4);
        assert!(ran.stdout.contains("0 deliveries could be read; 200 could not"), "{}", ran.stdout);
        project.run(&["--ledger", RECOVERED]).exits(4);
        assert_eq!(desk.messages().len(), 20);
    }
}

/// Rows that are whole and may not be the latest do not show that nothing was sent.
#[test]
fn of_a_ledger_that_is_older_than_its_counter_nobody_is_pending() {
    let desk = Desk::friendly();
    let project = damaged(&desk, 20, |_| {});
    let older = fs::read(project.path(LEDGER)).unwrap();
    project.run(&["--limit", "30"]).exits(0);
    fs::write(project.path(LEDGER), older).unwrap();
    let ran = project.campaign(&["ledger", "recover", "campaign.yaml"]).exits(4);
    assert!(ran.stdout.contains("pending or failed may have been messaged as well"), "{}", ran.stdout);
    project.run(&["--ledger", RECOVERED]).exits(4);
    assert_eq!(desk.messages().len(), 50);
}

#[test]
fn a_ledger_in_use_or_of_another_campaign_is_not_recovered() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 105 }, delay: 60s }]");
    let project = Project::at(&desk).people(9).send("concurrency: 1").send("timeout: 59s");
    let run = project.start(&[]);
    desk.wait_for_messages(5);
    project.campaign(&["ledger", "recover", "campaign.yaml"]).exits(6).says("is already being run by process");
    run.kill();
    let ran = project.campaign(&["ledger", "recover", "campaign.yaml"]).exits(4);
    assert!(ran.stdout.contains("9 deliveries could be read; every row of the list is among them"), "{}", ran.stdout);
    let text = fs::read_to_string(project.path("campaign.yaml")).unwrap();
    let project = project.file("other.yaml", text.replace("name: c\n", "name: d\n"));
    project
        .campaign(&["ledger", "recover", "other.yaml", "--ledger", LEDGER, "-o", "d.sqlite"])
        .exits(1)
        .says("of the campaign `c`");
}
