//! A campaign whose ledger is in PostgreSQL, run by the real binary; and databases that cannot be used.

use std::collections::BTreeSet;

use crate::harness::{Desk, Project, Ran};
use crate::postgres_server::{Server, database_of};
use crate::random::Random;

const PASSWORD: &str = "pass:word@1";

/// Where the ledger is, without the password.
fn without_password(address: &str) -> String {
    address.replace(":pass%3Aword%401", "")
}

fn with_ledger(desk: &Desk, address: &str, people: u64) -> Project {
    Project::at(desk).people(people).environment("CAMPAIGN_LEDGER", Some(address))
}

#[track_caller]
fn hides_the_password(ran: &Ran) {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!said.contains(PASSWORD) && !said.contains("pass%3Aword") && !said.contains("word%401"), "{said}");
}

#[track_caller]
fn nobody_twice(desk: &Desk, people: usize) {
    let addressed = desk.addressed();
    assert_eq!(addressed.len(), people);
    assert_eq!(addressed.iter().collect::<BTreeSet<_>>().len(), people, "somebody was messaged twice");
}

#[test]
fn a_campaign_is_run_continued_reported_and_resolved() {
    let Some(server) = Server::shared("postgres_ledger::a_campaign_is_run_continued_reported_and_resolved") else {
        return;
    };
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 103 }, delay: 60s }]");
    let project = with_ledger(&desk, &server.database(), 20).send("timeout: 1s");
    project.campaign(&["status", "campaign.yaml"]).exits(8);
    project.run(&["--dry-run", "--preview", "1"]).exits(0);
    project.campaign(&["status", "campaign.yaml"]).exits(8);
    let ran = project.run(&["--limit", "2"]).exits(0);
    hides_the_password(&ran);
    project.run(&["--dry-run", "--preview", "1", "--report", "plan.csv"]).exits(0).says("to send  18");
    let plan = std::fs::read_to_string(project.path("plan.csv")).unwrap();
    assert_eq!((plan.matches(",already accepted at ").count(), plan.matches(",send,not sent yet,").count()), (2, 18));
    project.run(&[]).exits(4);
    assert_eq!((project.count("accepted"), project.count("unknown")), (19, 1));
    project.campaign(&["resolve", "campaign.yaml", "--all", "--sent", "--note", "asked"]).exits(0);
    project.run(&[]).exits(0);
    let status = project.campaign(&["status", "campaign.yaml"]).exits(0);
    assert!(status.stdout.contains("accepted"), "{}", status.stdout);
    project.campaign(&["report", "campaign.yaml"]).exits(0);
    assert_eq!(project.count("accepted"), 20);
    assert!(!project.path(".campaign").exists(), "nothing is kept beside the spec");
    nobody_twice(&desk, 20);
}

#[test]
fn a_run_that_was_killed_is_continued_and_what_was_in_flight_is_unknown() {
    let test = "postgres_ledger::a_run_that_was_killed_is_continued_and_what_was_in_flight_is_unknown";
    let Some(server) = Server::shared(test) else { return };
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 105 }, delay: 60s }]");
    let project = with_ledger(&desk, &server.database(), 9).send("concurrency: 1").send("timeout: 59s");
    let run = project.start(&[]);
    desk.wait_for_messages(5);
    project.campaign(&["resolve", "campaign.yaml", "--all", "--sent"]).exits(6).says("already being run by process");
    run.kill();
    project.run(&[]).exits(4);
    assert_eq!((project.count("accepted"), project.count("unknown")), (8, 1));
    nobody_twice(&desk, 9);
}

#[test]
fn a_database_keeps_the_ledgers_of_many_campaigns_apart() {
    let Some(server) = Server::shared("postgres_ledger::a_database_keeps_the_ledgers_of_many_campaigns_apart") else {
        return;
    };
    let (desk, address) = (Desk::friendly(), server.database());
    let one = with_ledger(&desk, &address, 3);
    one.run(&[]).exits(0);
    let spec = std::fs::read_to_string(one.path("campaign.yaml")).unwrap_or_default();
    let other = with_ledger(&desk, &address, 3).spec(&spec.replace("name: c\n", "name: d\n"));
    other.run(&[]).exits(0);
    one.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 6);
}

#[test]
fn a_password_comes_from_the_environment_or_a_file() {
    let Some(server) = Server::shared("postgres_ledger::a_password_comes_from_the_environment_or_a_file") else {
        return;
    };
    let desk = Desk::friendly();
    let address = without_password(&server.database());
    let project = with_ledger(&desk, &address, 1);
    hides_the_password(&project.run(&[]).exits(1).says("password"));
    hides_the_password(&project.environment("PGPASSWORD", Some("wrong")).run(&[]).exits(1).says("PGPASSWORD"));
    let project = with_ledger(&desk, &address, 1).environment("PGPASSWORD", Some(PASSWORD));
    project.run(&[]).exits(0);
    let project = with_ledger(&desk, &address, 2).file(".pgpass", "*:*:*:postgres:pass\\:word@1\n");
    let file = project.path(".pgpass");
    let only_owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    assert!(std::fs::set_permissions(file, only_owner).is_ok());
    project.run(&[]).exits(0);
    nobody_twice(&desk, 2);
}

/// Refused with exit 1 and these words, and nothing was sent.
#[track_caller]
fn is_refused(address: &str, flags: &[&str], words: &[&str]) {
    let desk = Desk::friendly();
    let ran = with_ledger(&desk, address, 1).run(flags).exits(1);
    hides_the_password(&ran);
    assert!(words.iter().all(|word| ran.stderr.contains(word)), "{words:?}: {}", ran.stderr);
    assert!(desk.messages().is_empty());
}

#[test]
fn a_database_that_cannot_be_used_is_refused_in_words_before_anything_is_sent() {
    let test = "postgres_ledger::a_database_that_cannot_be_used_is_refused_in_words_before_anything_is_sent";
    let Some(server) = Server::shared(test) else { return };
    let database = server.database();
    let name = database_of(&database).to_owned();
    server
        .sql(&name, "CREATE ROLE weak LOGIN PASSWORD 'weak'; CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 0");
    is_refused(&server.address("weak:weak", &name), &[], &["permission denied", "GRANT CREATE ON DATABASE"]);
    is_refused(&server.address("few:few", &name), &[], &["too many connections", "connection of its own"]);
    is_refused(&server.address("postgres:pass%3Aword%401", "nowhere"), &[], &["does not exist", "create the database"]);
    is_refused("postgres://me:x@127.0.0.1:1/x", &[], &["postgres://127.0.0.1:1/x", "onnection refused"]);

    server.sql(&name, "CREATE SCHEMA campaign; CREATE TABLE campaign.other (x int)");
    is_refused(&database, &[], &["tables of another program"]);
    server.sql(&name, "DROP SCHEMA campaign CASCADE");
    with_ledger(&Desk::friendly(), &database, 1).run(&[]).exits(0);
    server.sql(&name, "UPDATE campaign.format SET format = 99");
    is_refused(&database, &[], &["format 99", "newer version"]);
    server.sql(
        &name,
        &format!(
            "UPDATE campaign.format SET format = 1; DROP TABLE campaign.proof; DROP TABLE campaign.canary;
             DROP TABLE campaign.shared_state, campaign.quota_place, campaign.quota, campaign.project CASCADE;
             DROP FUNCTION campaign.count_outcomes; DROP FUNCTION campaign.take_places;
             DROP FUNCTION campaign.reserve(integer, text, bigint, bigint, bigint);
             DROP INDEX campaign.worker_heard_of;
             ALTER TABLE campaign.worker DROP counted;
             ALTER TABLE campaign.delivery DROP changed_by;
             ALTER DATABASE {name} SET synchronous_commit TO off"
        ),
    );
    let status = with_ledger(&Desk::friendly(), &database, 1).campaign(&["status", "campaign.yaml"]).exits(1);
    assert!(status.stderr.contains("format 1") && status.stderr.contains("brings all of them up"), "{}", status.stderr);
    is_refused(&database, &[], &["synchronous_commit is off", "--unsafe-ledger"]);
    with_ledger(&Desk::friendly(), &database, 2).run(&["--unsafe-ledger"]).exits(0);
    server.sql(&name, &format!("ALTER DATABASE {name} SET default_transaction_read_only TO on"));
    is_refused(&database, &["--unsafe-ledger"], &["read-only"]);
}

#[test]
fn a_server_that_may_forget_or_may_not_write_is_refused() {
    let Some(server) =
        Server::with("postgres_ledger::a_server_that_may_forget_or_may_not_write_is_refused", "fsync = off")
    else {
        return;
    };
    let database = server.database();
    is_refused(&database, &[], &["fsync is off"]);
    server.become_standby();
    is_refused(&database, &["--unsafe-ledger"], &["standby", "primary"]);
}

#[test]
fn a_standby_that_no_commit_waits_for_is_warned_of() {
    let Some(server) = Server::with("postgres_ledger::a_standby_that_no_commit_waits_for_is_warned_of", "") else {
        return;
    };
    let desk = Desk::friendly();
    let project = with_ledger(&desk, &server.database(), 2);
    let alone = project.run(&["--limit", "1"]).exits(0);
    assert!(!alone.stderr.contains("synchronous_standby_names"), "{}", alone.stderr);
    let _follower = server.follow();
    project.run(&[]).exits(0).says("warning: no commit waits for the standbys").says("`synchronous_standby_names`");
    nobody_twice(&desk, 2);
}

#[test]
fn what_copies_a_server_and_takes_nothing_over_is_no_standby() {
    let test = "postgres_ledger::what_copies_a_server_and_takes_nothing_over_is_no_standby";
    let Some(server) = Server::with(test, "wal_level = logical") else { return };
    let desk = Desk::friendly();
    let project = with_ledger(&desk, &server.database(), 2);
    server.sql("postgres", "SELECT pg_create_logical_replication_slot('changes', 'pgoutput')");
    let logical = ["-d", "postgres", "-S", "changes", "--start", "-f", "changes", "-o", "proto_version=1"];
    let logical = [&logical[..], &["-o", "publication_names=none"]].concat();
    for (program, words) in [("pg_recvlogical", &logical[..]), ("pg_basebackup", &["-D", "copy", "--max-rate=32k"])] {
        let _copying = server.receive(program, words);
        let ran = project.run(&[]).exits(0);
        assert!(!ran.stderr.contains("standby"), "{program}: {}", ran.stderr);
        assert_ne!(server.sql("postgres", "SELECT count(*) FROM pg_stat_replication").trim(), "0", "{program}");
    }
}

/// The judge is the desk's journal, which knows what really arrived, whatever the ledger believes.
#[test]
fn runs_are_killed_and_the_database_crashes_and_nobody_is_messaged_twice_or_lost() {
    const PEOPLE: u64 = 400;
    let test = "postgres_ledger::runs_are_killed_and_the_database_crashes_and_nobody_is_messaged_twice_or_lost";
    let Some(server) = Server::with(test, "") else { return };
    let mut random = Random::from_environment("POSTGRES_SEED");
    let desk = Desk::start("faults: [{ delay: 4ms }]");
    let address = format!("{}?worker_timeout=1s", server.database());
    let project = with_ledger(&desk, &address, PEOPLE).send("concurrency: 4");
    for round in 0..16 {
        let mut run = project.start(&[]);
        for restarts in [true, false] {
            let before = desk.arrived();
            let more = 1 + usize::try_from(random.below(15)).unwrap_or_default();
            while desk.arrived() < before + more && !run.has_ended() {
                std::thread::sleep(std::time::Duration::from_micros(random.below(2_000)));
            }
            if restarts && round % 2 == 0 {
                server.control(&["-m", "immediate", "restart"]);
            }
        }
        run.kill();
    }
    let ran = project.run(&[]);
    let unknown = project.count("unknown");
    ran.exits(if unknown > 0 { 4 } else { 0 });
    let addressed = desk.addressed();
    let people: BTreeSet<_> = addressed.iter().collect();
    assert_eq!(addressed.len(), people.len(), "somebody was messaged twice");
    assert_eq!(project.count("accepted") + unknown, usize::try_from(PEOPLE).unwrap_or_default(), "somebody is lost");
    assert!(people.len() + unknown >= project.report().len(), "accepted is what arrived");
    assert!(unknown <= 16 * 4, "in doubt is only what was in flight: {unknown}");
}
