//! Killed at any moment, again and again: nobody gets it twice, and nobody is lost.
//!
//! The judge is the desk's journal, which knows what really arrived, whatever the ledger believes.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]
#![expect(clippy::disallowed_methods, reason = "the number of trials is given by the environment")]
#![expect(clippy::print_stdout, reason = "a failure shows its seed")]

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::harness::{Desk, Project, Running};
use crate::random::Random;

/// How often the campaign is killed, unless `KILLS` says otherwise.
const KILLS: u64 = 25;
const CONCURRENCY: u64 = 4;

/// Every answer is a little late, so that a kill finds requests in flight.
const LATE: &str = "faults: [{ delay: 4ms }]";

fn campaign(desk: &Desk, to: &str, people: u64) -> Project {
    let row = |n: u64| format!("person-{n:04},{},person-{n:04}@example.com", 1000 + n);
    let rows: Vec<String> = (1..=people).map(row).collect();
    Project::at(desk)
        .to(to)
        .message("{ content: 'Hello {{ name }}' }")
        .setting("recipients: { file: list.csv, key: '{{ name }}' }")
        .send(&format!("concurrency: {CONCURRENCY}"))
        .list(&format!("name,id,email\n{}\n", rows.join("\n")))
}

/// Lets a run go until a random moment: a few milliseconds after its start, or when a few more requests have arrived.
/// Gives whether the kill met it alive.
fn run_for_a_while(desk: &Desk, project: &Project, random: &mut Random) -> bool {
    let before = desk.arrived();
    let mut run: Running = project.start(&[]);
    if random.below(4) == 0 {
        thread::sleep(Duration::from_millis(random.below(60)));
    } else {
        let more = 1 + usize::try_from(random.below(12)).unwrap();
        while desk.arrived() < before + more && !run.has_ended() {
            thread::sleep(Duration::from_micros(random.below(2_000)));
        }
    }
    run.kill()
}

/// How many deliveries the dead runs had claimed and not settled. Only looks: the next run finds all as it was left.
fn in_doubt(project: &Project) -> u64 {
    let path = project.path(".campaign/c.sqlite");
    let Ok(ledger) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY) else { return 0 };
    // A run that died before it had made its tables has claimed nothing.
    let count =
        ledger.query_row("SELECT count(*) FROM delivery WHERE state IN ('claimed', 'unknown')", [], |row| row.get(0));
    u64::from(count.unwrap_or(0_u32))
}

/// Who was messaged, by what the message says, with the id that the desk gave to it.
fn messaged(desk: &Desk) -> BTreeMap<String, u64> {
    let mut messaged = BTreeMap::new();
    for entry in desk.messages() {
        let content = entry["body"]["content"].as_str().unwrap();
        let name = content.strip_prefix("Hello ").unwrap().to_owned();
        let earlier = messaged.insert(name, entry["answer"]["message_id"].as_u64().unwrap());
        assert!(earlier.is_none(), "messaged twice: {entry}");
    }
    messaged
}

#[track_caller]
fn nobody_twice_and_nobody_lost(to: &str, people_a_kill: u64) {
    let all_kills = std::env::var("KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let people = people_a_kill * all_kills;
    let mut random = Random::from_environment("KILLED_SEED");
    let desk = Desk::start(LATE);
    let project = campaign(&desk, to, people);
    let (mut kills, mut doubts) = (0, 0);
    while kills < all_kills {
        assert!(run_for_a_while(&desk, &project, &mut random), "too few people: all were sent to after {kills} kills");
        kills += 1;
        let before = std::mem::replace(&mut doubts, in_doubt(&project));
        assert!((before..=before + CONCURRENCY).contains(&doubts), "{before} unknown before a kill, {doubts} after it");
    }
    project.run(&[]).exits(if doubts > 0 { 4 } else { 0 });

    let messaged = messaged(&desk);
    let report = project.report();
    let names: BTreeSet<&str> = report.iter().map(|row| row["key"].as_str()).collect();
    assert_eq!((report.len() as u64, names.len() as u64), (people, people), "each in the report once");
    assert_eq!(project.count("unknown") as u64, doubts, "in doubt is what was in flight at a kill, and nothing else");
    assert_eq!(project.count("accepted") as u64 + doubts, people, "all the others were sent to");
    for row in report.iter().filter(|row| row["outcome"] == "accepted") {
        let arrived = messaged.get(&row["key"]).map(u64::to_string);
        assert_eq!(arrived.as_ref(), Some(&row["message_id"]), "accepted is what arrived: {row:?}");
    }
    assert!(messaged.keys().all(|name| names.contains(name.as_str())), "nobody else got it");
    println!("{kills} kills, {doubts} in doubt, {} messages", messaged.len());
}

#[test]
fn slow_with_known_conversations_nobody_gets_it_twice_and_nobody_is_lost() {
    nobody_twice_and_nobody_lost("{ conversation_id: '{{ id }}' }", 30);
}

#[test]
fn slow_with_new_conversations_nobody_gets_it_twice_and_nobody_is_lost() {
    nobody_twice_and_nobody_lost("{ inbox_id: 79, contact_id: '{{ id }}' }", 16);
}

#[test]
fn slow_with_new_contacts_nobody_gets_it_twice_and_nobody_is_lost() {
    nobody_twice_and_nobody_lost("{ inbox_id: 79, contact: { name: '{{ name }}', email: '{{ email }}' } }", 12);
}
