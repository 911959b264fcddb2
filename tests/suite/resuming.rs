//! Run again: whatever ended a run, the next one repeats nothing and forgets nobody.

use std::collections::BTreeSet;
use std::fs;

use crate::harness::{Desk, Project};

/// Nobody was messaged twice.
#[track_caller]
fn nobody_twice(desk: &Desk) {
    let addressed = desk.addressed();
    let different: BTreeSet<_> = addressed.iter().collect();
    assert_eq!(addressed.len(), different.len(), "{addressed:?}");
}

#[test]
fn a_second_run_repeats_nothing_and_ends_the_same() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 102 }, status: 404 }]");
    let project = Project::at(&desk).people(5);
    let first = project.run(&[]).exits(3);
    let report = fs::read_to_string(project.path("reports/c.csv")).unwrap();
    let second = project.run(&[]).exits(3);
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(report, fs::read_to_string(project.path("reports/c.csv")).unwrap());
    assert_eq!(desk.messages().len(), 5);
}

#[test]
fn a_limit_sends_as_many_and_the_next_run_goes_on_behind_them() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5).send("concurrency: 1");
    project.run(&["--limit", "2"]).exits(0).says("3 messages still pending");
    assert_eq!(desk.addressed(), [101, 102]);
    project.run(&["--limit", "2"]).exits(0);
    assert_eq!(desk.addressed(), [101, 102, 103, 104]);
    project.run(&[]).exits(0);
    assert_eq!(desk.addressed(), [101, 102, 103, 104, 105]);
}

#[test]
fn only_those_who_are_named_are_sent_to() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(600);
    project.run(&["--only", "699", "--only", "104"]).exits(0);
    assert_eq!(BTreeSet::from_iter(desk.addressed()), BTreeSet::from([104, 699]));
    assert_eq!((project.count("accepted"), project.count("pending")), (2, 598));
}

#[test]
fn an_interrupted_run_reports_and_the_next_one_continues() {
    let desk = Desk::late_for(103, "700ms");
    let project = Project::at(&desk).people(30).send("concurrency: 2").send("rate: 50/s");
    let run = project.start(&[]);
    desk.wait_for_messages(4);
    run.interrupt();
    run.finish().exits(130).says("run the same command again");
    assert_eq!(project.report().len(), 30);
    assert_eq!(project.count("accepted"), desk.messages().len(), "what was in flight was finished");
    assert!(project.count("pending") > 0);
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 30);
    nobody_twice(&desk);
}

#[test]
fn a_second_interrupt_ends_at_once_and_leaves_doubt_about_those_in_flight() {
    let desk = Desk::late_for(103, "20s");
    let project = Project::at(&desk).people(5);
    let run = project.start(&[]);
    desk.wait_for_messages(5);
    run.interrupt();
    run.wait_for("stopping: finishing requests in flight");
    run.interrupt();
    run.finish().exits(130);
    project.run(&[]).exits(4);
    assert_eq!(project.count("unknown"), 1, "{:?}", project.outcomes());
    nobody_twice(&desk);
}

#[test]
fn a_run_can_be_interrupted_while_the_server_makes_it_wait() {
    let desk = Desk::start("faults: [{ on: message, times: 1, status: 429, headers: { Retry-After: 600 } }]");
    let project = Project::at(&desk).people(5);
    let run = project.start(&[]);
    desk.wait_for_messages(1);
    run.interrupt();
    run.finish().exits(130);
    assert_eq!(project.count("unknown") + project.count("claimed"), 0, "{:?}", project.outcomes());
    project.run(&[]).exits(0);
    assert_eq!(project.count("accepted"), 5);
}

#[test]
fn after_a_kill_those_in_flight_are_unknown_and_nobody_gets_it_twice() {
    let desk = Desk::late_for(103, "20s");
    let project = Project::at(&desk).people(40).send("concurrency: 3");
    let run = project.start(&[]);
    desk.wait_for_messages(8);
    run.kill();
    let ran = project.run(&[]).exits(4).says("in flight when the last run ended, now `unknown`");
    nobody_twice(&desk);
    assert!(project.outcomes().contains(&"103: unknown".to_owned()), "{}", ran.stdout);
    assert_eq!(project.count("accepted") + project.count("unknown"), 40);
    assert!((1..=3).contains(&project.count("unknown")), "no more than were in flight");
    let posted = BTreeSet::from_iter(desk.addressed());
    for row in project.report().iter().filter(|row| row["outcome"] == "accepted") {
        assert!(posted.contains(&row["key"].parse().unwrap()), "{row:?}");
    }
}

#[test]
fn runs_that_are_killed_again_and_again_reach_everybody_once() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(60).send("concurrency: 4").send("rate: 200/s");
    for arrived in [5, 20, 35] {
        let run = project.start(&[]);
        desk.wait_for_messages(arrived);
        run.kill();
    }
    let code = project.run(&[]).code.unwrap();
    assert!(code == 0 || code == 4, "{code}");
    nobody_twice(&desk);
    assert_eq!(project.count("accepted") + project.count("unknown"), 60);
    let known: BTreeSet<u64> = project.report().iter().map(|row| row["key"].parse().unwrap()).collect();
    assert_eq!(known.len(), 60);
}

#[test]
fn a_contact_that_was_made_before_a_kill_is_used_by_the_next_run() {
    let desk = Desk::start("faults: [{ on: conversation, times: 1, delay: 20s }]");
    let to = "{ inbox_id: 79, contact: { identifier: 'customer-{{ conversation_id }}' } }";
    let project = Project::at(&desk).people(1).to(to);
    let run = project.start(&[]);
    desk.wait_for(1, "conversation");
    run.kill();
    project.run(&[]).exits(0);
    assert_eq!(desk.requests("contact").len(), 1);
    assert_eq!(desk.messages().len(), 1);
}

#[test]
fn a_list_that_changed_is_taken_as_it_is_now() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id,name\n101,Ada\n102,Bob\n103,Cy\n");
    let project = project.message("{ content: 'Hi {{ name }}' }").send("concurrency: 1");
    project.run(&["--limit", "1"]).exits(0);
    let project = project.list("conversation_id,name\n101,Ada L.\n103,Cyrus\n104,Dee\n");
    project.run(&[]).exits(0).says("1 new (line 4), 1 changed (line 3), 1 removed (key 102)");
    assert_eq!(desk.addressed(), [101, 103, 104]);
    let texts: Vec<_> = desk.messages().iter().map(|entry| entry["body"]["content"].clone()).collect();
    assert_eq!(texts, ["Hi Ada", "Hi Cyrus", "Hi Dee"]);
    assert_eq!(project.outcomes(), ["101: accepted", "103: accepted", "104: accepted"]);
}

#[test]
fn a_changed_message_goes_to_those_who_are_still_pending_and_is_said() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2).message("{ content: Hello }");
    project.run(&["--limit", "1"]).exits(0);
    let project = project.message("{ content: Goodbye }");
    project.run(&[]).exits(2).says("send it with `--accept-changes`");
    project.run(&["--yes"]).exits(2);
    assert_eq!(desk.messages().len(), 1, "nobody has said that it may go on");
    project.run(&["--accept-changes"]).exits(0).says("changed  message.content: [-Hello-]{+Goodbye+}");
    let texts: Vec<_> = desk.messages().iter().map(|entry| entry["body"]["content"].clone()).collect();
    assert_eq!(texts, ["Hello", "Goodbye"]);
}

#[test]
fn a_change_says_how_many_messages_it_changes() {
    let desk = Desk::friendly();
    let list = "conversation_id,vip\n101,no\n102,yes\n103,no\n104,yes\n105,yes\n";
    let content = "{ content: 'Hello{% if vip == \"yes\" %}, dear customer{% endif %}' }";
    let project = Project::at(&desk).list(list).message(content);
    project.run(&["--limit", "1"]).exits(0);
    let project = project.message(&content.replace("dear", "valued"));
    let ran = project.run(&["--dry-run"]).exits(0).says("Hello{% if vip == \"yes\" %}, [-dear-]{+valued+} customer");
    let ran = ran.says("the change affects 3 of 4 pending messages");
    assert!(ran.stderr.contains("pass `--accept-changes`"), "{}", ran.stderr);
}

#[test]
fn a_duplicate_row_is_skipped_and_cites_the_first() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id,name\n101,Ada\n102,Bob\n101,Ada again\n");
    project.run(&[]).exits(0);
    let row = &project.report()[2];
    assert_eq!((row["line"].as_str(), row["outcome"].as_str()), ("4", "skipped"));
    assert_eq!((row["error_code"].as_str(), row["error"].as_str()), ("duplicate", "same key as line 2"));
    assert_eq!(desk.addressed(), [101, 102]);
}

#[test]
fn a_second_run_at_the_same_time_is_turned_away_and_told_who_is_there() {
    let desk = Desk::late_for(103, "2s");
    let project = Project::at(&desk).people(5);
    let first = project.start(&[]);
    desk.wait_for_messages(5);
    let holder = format!("being run by process {}", first.process());
    project.run(&[]).exits(6).says(&holder);
    project.campaign(&["resolve", "campaign.yaml", "--all", "--sent"]).exits(6);
    first.finish().exits(0);
    nobody_twice(&desk);
}

#[test]
fn a_list_that_is_gone_is_no_hindrance_once_it_was_read() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5);
    project.run(&["--limit", "2"]).exits(0);
    fs::remove_file(project.path("list.csv")).unwrap();
    project.run(&[]).exits(0).says("continuing with the rows in the ledger");
    assert_eq!(BTreeSet::from_iter(desk.addressed()), (101..=105).collect());
    nobody_twice(&desk);
}

#[test]
fn a_list_that_was_never_there_is_said() {
    let desk = Desk::friendly();
    Project::at(&desk).run(&[]).exits(1).says("list not found");
}

#[test]
fn a_ledger_that_is_none_is_left_alone() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5).file(".campaign/c.sqlite", "not a database, but somebody's work");
    project.run(&[]).exits(1).says("the ledger is damaged");
    assert_eq!(fs::read_to_string(project.path(".campaign/c.sqlite")).unwrap(), "not a database, but somebody's work");
    assert_eq!(desk.journal().len(), 0);
}

#[test]
fn a_list_read_from_a_pipe_is_sent_to() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).setting("recipients: '-'");
    project.run_with_input(&[], "conversation_id\n101\n102\n").exits(0);
    assert_eq!(BTreeSet::from_iter(desk.addressed()), BTreeSet::from([101, 102]));
}

#[test]
fn a_service_manager_ends_a_run_in_good_order() {
    let desk = Desk::late_for(103, "500ms");
    let project = Project::at(&desk).people(30).send("rate: 50/s");
    let run = project.start(&[]);
    desk.wait_for_messages(4);
    run.terminate();
    run.finish().exits(130);
    assert_eq!(project.count("accepted"), desk.messages().len());
}
