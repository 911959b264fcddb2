//! The database of a ledger goes away while messages leave: nobody is messaged twice, nobody is lost, and the run goes on when
//! it is back.

use std::time::Duration;

use crate::frozen_proxy::Proxy;
use crate::harness::{Desk, Project, Ran, Running};
use crate::postgres_server::{Server, database_of};
use crate::workers::{nobody_twice_or_lost, shared, workers};

const AWAY: &str = "waiting for the ledger's database since";
const BACK: &str = "the ledger's database is back; resuming";

/// All ended well, although the database went away under them.
fn all_well(running: Vec<Running>) -> Vec<Ran> {
    running.into_iter().map(|worker| worker.finish().exits(0).says(AWAY).says(BACK)).collect()
}

/// As many workers, all of which have begun to send.
fn at_work(server: &Server, address: &str, desk: &Desk, project: &Project, count: usize) -> Vec<Running> {
    let running = workers(desk, project, count);
    let at_work = "SELECT count(DISTINCT worker) FROM campaign.delivery";
    for _ in 0..600 {
        if server.sql(database_of(address), at_work).trim() == count.to_string() {
            return running;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    unreachable!("not all of them work")
}

/// Ends all connections of workers.
fn cut_all(server: &Server, address: &str) {
    server.sql(
        database_of(address),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'campaign' AND datname = current_database()",
    );
}

#[test]
fn workers_wait_for_a_server_that_is_restarted_and_go_on() {
    let test = "database_outages::workers_wait_for_a_server_that_is_restarted_and_go_on";
    let Some(server) = Server::with(test, "") else { return };
    let (desk, address) = (Desk::start("faults: [{ delay: 100ms }]"), server.database());
    let project = shared(&desk, &address, 150).send("concurrency: 4");
    let running = at_work(&server, &address, &desk, &project, 2);
    for (sent, how) in [(50, "immediate"), (90, "fast")] {
        desk.wait_for_messages(sent);
        server.control(&["-m", how, "restart"]);
    }
    all_well(running);
    assert_eq!(nobody_twice_or_lost(&desk, &project, 150), 0, "no worker died, so nothing is in doubt");
}

#[test]
fn workers_whose_connections_are_cut_connect_again() {
    let test = "database_outages::workers_whose_connections_are_cut_connect_again";
    let Some(server) = Server::shared(test) else { return };
    let (desk, address) = (Desk::start("faults: [{ delay: 100ms }]"), server.database());
    let project = shared(&desk, &address, 150).send("concurrency: 4");
    let running = at_work(server, &address, &desk, &project, 2);
    for sent in [50, 75, 100, 115] {
        desk.wait_for_messages(sent);
        cut_all(server, &address);
    }
    all_well(running);
    assert_eq!(nobody_twice_or_lost(&desk, &project, 150), 0, "no worker died, so nothing is in doubt");
}

#[test]
fn a_commit_whose_answer_is_lost_is_found_and_not_made_twice() {
    let test = "database_outages::a_commit_whose_answer_is_lost_is_found_and_not_made_twice";
    let Some(server) = Server::shared(test) else { return };
    let desk = Desk::start("faults: [{ delay: 5ms }]");
    let proxy = Proxy::to(server.port());
    for send in ["concurrency: 1", "quota: 1000/day"] {
        let address = proxy.through(&server.database(), server.port());
        let project = shared(&desk, &address, 30).send(send);
        let before = desk.messages().len();
        let running = project.start(&[]);
        desk.wait_for_messages(before + 5);
        proxy.lose_answers(8);
        running.finish().exits(0).says(AWAY);
        assert_eq!(proxy.answers_to_lose(), 0);
        assert_eq!((project.count("accepted"), desk.messages().len()), (30, before + 30), "{send}");
    }
}

#[test]
fn a_database_that_no_longer_answers_is_waited_for() {
    let test = "database_outages::a_database_that_no_longer_answers_is_waited_for";
    let Some(server) = Server::shared(test) else { return };
    let desk = Desk::start("faults: [{ delay: 10ms }]");
    let proxy = Proxy::to(server.port());
    let address = proxy.through(&server.database(), server.port());
    let project = shared(&desk, &address, 60).send("concurrency: 4");
    let running = project.start(&[]);
    desk.wait_for_messages(10);
    proxy.freeze(true);
    running.wait_for(AWAY);
    let sent = desk.messages().len();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(desk.messages().len(), sent, "something left while the database was away");
    proxy.freeze(false);
    running.finish().exits(0).says("the server did not answer for").says(BACK);
    assert_eq!(nobody_twice_or_lost(&desk, &project, 60), 0);
}

#[test]
fn a_database_that_stays_away_ends_the_run_and_so_does_a_signal() {
    let test = "database_outages::a_database_that_stays_away_ends_the_run_and_so_does_a_signal";
    let Some(server) = Server::shared(test) else { return };
    for is_interrupted in [true, false] {
        let desk = Desk::start("faults: [{ delay: 10ms }]");
        let proxy = Proxy::to(server.port());
        let address = proxy.through(&server.database(), server.port());
        let wait = if is_interrupted { "10m" } else { "3s" };
        let address = format!("{address}?worker_timeout=1s&connect_timeout=1&reconnect_timeout={wait}");
        let project =
            Project::at(&desk).people(40).send("concurrency: 2").environment("CAMPAIGN_LEDGER", Some(&address));
        let running = project.start(&[]);
        desk.wait_for_messages(10);
        proxy.freeze(true);
        running.wait_for(AWAY);
        if is_interrupted {
            running.interrupt();
            running.finish().exits(1).says("stopped while waiting for the ledger's database");
        } else {
            running.finish().exits(1).says("the database was away for longer than 3 s").says("reconnect_timeout");
        }
        project.run(&[]).exits(1).says("the server did not answer for 1 s");
        proxy.freeze(false);
        project.run(&[]);
        assert!(nobody_twice_or_lost(&desk, &project, 40) <= 2, "at most what was in flight is unknown");
    }
}

#[test]
fn whoever_is_cut_off_for_too_long_sends_nothing_more_and_the_others_go_on() {
    let test = "database_outages::whoever_is_cut_off_for_too_long_sends_nothing_more_and_the_others_go_on";
    let Some(server) = Server::shared(test) else { return };
    let desk = Desk::start("faults: [{ delay: 10ms }]");
    let (address, proxy) = (server.database(), Proxy::to(server.port()));
    let project = shared(&desk, &proxy.through(&address, server.port()), 80).send("concurrency: 2");
    let cut_off = project.start(&[]);
    desk.wait_for_messages(10);
    let project = project.environment("CAMPAIGN_LEDGER", Some(&format!("{address}?worker_timeout=2s")));
    let other = project.start(&[]);
    other.wait_for("joining the run");
    proxy.freeze(true);
    let ran = other.finish();
    assert!([Some(0), Some(4)].contains(&ran.code), "{ran:?}");
    let before = desk.messages().len();
    proxy.freeze(false);
    cut_off.finish().exits(1).says("took over its recipients");
    assert_eq!(desk.messages().len(), before, "it has sent after it was taken for dead");
    project.run(&[]);
    assert!(nobody_twice_or_lost(&desk, &project, 80) <= 2);
}

#[test]
fn a_run_with_a_canary_goes_on_or_leaves_its_ledger_to_whoever_took_it() {
    let test = "database_outages::a_run_with_a_canary_goes_on_or_leaves_its_ledger_to_whoever_took_it";
    let Some(server) = Server::shared(test) else { return };
    let desk = Desk::start("faults: [{ delay: 10ms }]");
    let (address, proxy) = (server.database(), Proxy::to(server.port()));
    let project = shared(&desk, &proxy.through(&address, server.port()), 100).send("canary: 1000");
    let first = project.start(&[]);
    desk.wait_for_messages(10);
    cut_all(server, &address);
    first.wait_for(BACK);
    desk.wait_for_messages(30);
    proxy.freeze(true);
    first.wait_for("the server did not answer");
    let project = project.environment("CAMPAIGN_LEDGER", Some(&address));
    cut_all(server, &address);
    let ran = project.run(&[]);
    assert!([Some(0), Some(4)].contains(&ran.code), "{ran:?}");
    let before = desk.messages().len();
    proxy.freeze(false);
    first.finish().exits(1).says("took over its recipients");
    assert_eq!(desk.messages().len(), before, "it has sent after its ledger was taken");
    project.run(&[]);
    assert!(nobody_twice_or_lost(&desk, &project, 100) <= 2);
}
