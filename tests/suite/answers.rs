//! What an answer means for the recipient: accepted, failed, unknown, or again.

use crate::harness::{Desk, Project, Row};

const SENDER: &str = "{ inbox_id: 79, source_id: '{{ conversation_id }}' }";

/// A desk with one fault on messages to conversation 102.
fn fault_for_102(fault: &str) -> Desk {
    Desk::start(&format!("faults: [{{ on: message, match: {{ conversation_id: 102 }}, {fault} }}]"))
}

/// Three people, of whom the second meets the fault.
fn three(desk: &Desk) -> Project {
    Project::at(desk).people(3)
}

fn second(project: &Project) -> Row {
    project.report()[1].clone()
}

/// The message may have been taken: it was posted once, is listed as unknown, and no run posts it again.
#[track_caller]
fn is_in_doubt(desk: &Desk, project: &Project, code: &str) {
    let ran = project.run(&[]).exits(4).says("campaign resolve campaign.yaml --key KEY");
    assert!(ran.stdout.contains("unknown           1"), "{}", ran.stdout);
    let row = second(project);
    assert_eq!((row["outcome"].as_str(), row["error_code"].as_str()), ("unknown", code));
    assert!(!row["error"].is_empty());
    assert_eq!(project.count("accepted"), 2);
    project.run(&[]).exits(4);
    assert_eq!(desk.addressed().iter().filter(|id| **id == 102).count(), 1, "{:?}", desk.addressed());
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn a_500_leaves_doubt_and_is_not_repeated() {
    let desk = fault_for_102("status: 500, accept: true, body: { error: 'Net::ReadTimeout' }");
    let project = three(&desk);
    is_in_doubt(&desk, &project, "http-500");
    assert_eq!(second(&project)["error"], "Net::ReadTimeout");
}

#[test]
fn gateway_errors_leave_doubt() {
    for status in [502, 503, 504] {
        let desk = fault_for_102(&format!("status: {status}"));
        is_in_doubt(&desk, &three(&desk), &format!("http-{status}"));
    }
}

#[test]
fn no_answer_in_time_leaves_doubt() {
    let desk = fault_for_102("delay: 20s");
    is_in_doubt(&desk, &three(&desk).send("timeout: 400ms"), "timeout");
}

#[test]
fn a_connection_that_breaks_leaves_doubt_whether_or_not_it_was_taken() {
    for drop in ["after_accepting", "before_accepting"] {
        let desk = fault_for_102(&format!("drop: {drop}"));
        is_in_doubt(&desk, &three(&desk), "connection-lost");
    }
}

#[test]
fn a_success_that_cannot_be_read_leaves_doubt() {
    for body in ["'<html>not json'", "{}", "{ status: sent }", "{ id: 7 }", "''", "[1, 2]"] {
        let desk = fault_for_102(&format!("body: {body}, accept: true"));
        is_in_doubt(&desk, &three(&desk), "unreadable-answer");
    }
}

#[test]
fn refusals_of_one_message_fail_that_one_alone() {
    for status in [400, 404, 409, 413, 422] {
        let desk = fault_for_102(&format!("status: {status}, body: {{ error: Resource could not be found }}"));
        let project = three(&desk);
        project.run(&[]).exits(3);
        let row = second(&project);
        assert_eq!(row["error_code"], format!("http-{status}"));
        assert_eq!(row["error"], "Resource could not be found");
        assert_eq!(project.outcomes(), ["101: accepted", "102: failed", "103: accepted"]);
        project.run(&[]).exits(3);
        assert_eq!(desk.messages().len(), 3, "a failure is not repeated");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Desk::friendly();
    let to = format!("{}/api/v2/accounts/conversations/102/messages", elsewhere.base_url);
    let desk = fault_for_102(&format!("status: 307, headers: {{ Location: '{to}' }}"));
    let project = three(&desk);
    // Whoever redirects a message may have passed it on all the same.
    project.run(&[]).exits(4);
    assert_eq!(second(&project)["error_code"], "http-307");
    assert_eq!(elsewhere.journal().len(), 0);
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn a_message_that_whatsapp_refused_carries_its_code() {
    for (form, code, title) in [
        ("status", "131047", "Re-engagement message is not allowed"),
        ("graph", "132000", "Number of parameters does not match"),
    ] {
        let desk = fault_for_102(&format!("fail: {{ code: {code}, title: {title}, form: {form} }}"));
        let project = three(&desk);
        let ran = project.run(&[]).exits(3);
        let row = second(&project);
        assert_eq!((row["outcome"].as_str(), row["error_code"].as_str()), ("failed", code));
        assert!(row["error"].contains(title), "{row:?}");
        assert_eq!(row["livedesk_status"], "failed");
        assert!(!row["message_id"].is_empty());
        assert!(ran.stdout.contains(code), "{}", ran.stdout);
    }
}

#[test]
fn the_totals_of_the_summary_add_up_to_the_rows() {
    let desk = Desk::start(
        "faults:
          - { on: message, match: { conversation_id: 101 }, status: 404 }
          - { on: message, match: { conversation_id: 102 }, status: 500 }",
    );
    let project = Project::at(&desk).list("conversation_id\n101\n102\n103\n101\n104\n");
    let ran = project.run(&["--format", "json"]).exits(4);
    let summary = ran.json().pop().unwrap();
    let outcomes = summary["outcomes"].as_object().unwrap();
    assert_eq!(outcomes.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), 5);
    assert_eq!(summary["recipients"], 5);
    assert_eq!(summary["skipped"]["duplicate"], 1);
    assert_eq!(project.report().len(), 5);
}

#[test]
fn where_nothing_listens_nothing_is_lost_and_the_way_on_is_said() {
    let address = Desk::friendly().close();
    let project = Project::at_address(&address).people(3);
    let ran = project.run(&[]).exits(1).says("cannot be reached").says(&address);
    assert!(ran.stderr.contains("3 messages still pending; run the same command again"), "{}", ran.stderr);
    assert_eq!(project.count("pending"), 3);
}

#[test]
fn after_the_server_came_back_everybody_is_sent_to() {
    let address = Desk::friendly().close();
    let project = Project::at_address(&address).people(3).send("concurrency: 1");
    project.run(&[]).exits(1);
    let desk = Desk::friendly();
    let spec = std::fs::read_to_string(project.path("campaign.yaml")).unwrap().replace(&address, &desk.base_url);
    let project = project.spec(&spec);
    project.run(&[]).exits(0);
    assert_eq!(desk.addressed(), [101, 102, 103]);
}

#[test]
fn a_server_that_dies_in_the_middle_leaves_doubt_only_about_those_in_flight() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 103 }, delay: 20s }]");
    let project = Project::at(&desk).people(60).send("rate: 50/s").send("concurrency: 2");
    let project = project.send("outage: 300ms");
    let run = project.start(&[]);
    desk.wait_for_messages(6);
    desk.close();
    run.finish().exits(1).says("LiveDesk did not come back").says("messages still pending; run the same command again");
    assert!((1..=2).contains(&project.count("unknown")), "{:?}", project.outcomes());
    assert_eq!(project.count("failed"), 0);
    assert_eq!(second(&project)["outcome"], "accepted");
}

#[test]
fn refused_credentials_fail_nobody() {
    for (key, secret) in [("wrong", "test-secret"), ("test-key", "wrong")] {
        let desk = Desk::start("credentials: { api_key: test-key, api_secret: test-secret }");
        let project = Project::at(&desk).people(30);
        let project =
            project.environment("LIVEDESK_API_KEY", Some(key)).environment("LIVEDESK_API_SECRET", Some(secret));
        project.run(&[]).exits(1).says("refuses the credentials").says("30 messages still pending");
        assert_eq!(project.count("pending"), 30);
        project
            .environment("LIVEDESK_API_KEY", Some("test-key"))
            .environment("LIVEDESK_API_SECRET", Some("test-secret"))
            .run(&[])
            .exits(0);
    }
}

#[test]
fn refused_credentials_are_found_out_with_few_requests() {
    let desk = Desk::start("credentials: { api_key: other, api_secret: other }");
    Project::at(&desk).people(100).send("concurrency: 4").run(&[]).exits(1);
    assert!(desk.journal().len() <= 9, "{}", desk.journal().len());
}

#[test]
fn one_object_that_is_forbidden_fails_alone() {
    for status in [401, 403] {
        for concurrency in [1, 16] {
            let desk = fault_for_102(&format!("status: {status}"));
            let project = Project::at(&desk).people(40).send(&format!("concurrency: {concurrency}"));
            project.run(&[]).exits(3);
            assert_eq!(second(&project)["error_code"], format!("http-{status}"));
            assert_eq!((project.count("accepted"), project.count("failed")), (39, 1));
        }
    }
}

#[test]
fn a_server_that_is_down_for_a_while_and_says_so_is_waited_for() {
    let desk = Desk::start("faults: [{ on: conversation, times: 1, status: 503, headers: { Retry-After: 1 } }]");
    let project = Project::at(&desk).to(SENDER).people(3).send("concurrency: 1");
    project.run(&[]).exits(0);
    let times = desk.times(|_| true);
    assert!(times[1] - times[0] >= 1_000_000, "{times:?}");
    assert_eq!((desk.requests("conversation").len(), desk.messages().len()), (4, 3));
}

#[test]
fn a_503_to_a_message_leaves_doubt_also_where_it_says_when_to_come_back() {
    let desk = fault_for_102("status: 503, headers: { Retry-After: 1 }, accept: true");
    is_in_doubt(&desk, &three(&desk), "http-503");
}

#[test]
fn too_many_messages_in_a_conversation_are_waited_for() {
    let desk = Desk::start(
        "faults: [{ on: message, times: 4, status: 422, body: { error: 'Validation failed: Too many messages' } }]",
    );
    let project = three(&desk);
    project.run(&[]).exits(0);
    assert_eq!((project.count("accepted"), desk.messages().len()), (3, 7));
}

#[test]
fn preparing_a_conversation_is_tried_again_after_any_trouble() {
    for fault in ["status: 500", "status: 502", "drop: before_accepting", "drop: after_accepting", "body: '{'"] {
        let desk = Desk::start(&format!("faults: [{{ on: conversation, times: 2, {fault} }}]"));
        let project = three(&desk).to(SENDER);
        project.run(&[]).exits(0);
        assert_eq!((desk.requests("conversation").len(), desk.messages().len()), (5, 3), "{fault}");
    }
}

#[test]
fn a_contact_that_was_made_without_an_answer_is_found_and_not_made_twice() {
    let desk = Desk::start("faults: [{ on: contact, times: 1, drop: after_accepting }]");
    let to = "{ inbox_id: 79, contact: { identifier: 'customer-{{ conversation_id }}' } }";
    let project = Project::at(&desk).people(1).to(to);
    project.run(&[]).exits(0);
    let made: Vec<_> = desk.requests("contact").into_iter().filter(|entry| entry["accepted"] == true).collect();
    assert_eq!(made.len(), 1);
    assert_eq!(project.report()[0]["contact_id"], made[0]["answer"]["contact_id"].to_string());
}

#[test]
fn trouble_that_does_not_end_fails_the_recipient_before_any_message() {
    let desk = Desk::start("faults: [{ on: conversation, status: 500, body: { error: Oops } }]");
    let project = three(&desk).to(SENDER);
    project.run(&[]).exits(3);
    assert_eq!((project.count("failed"), desk.messages().len()), (3, 0));
    assert_eq!(desk.requests("conversation").len(), 9, "three attempts each");
    assert_eq!(second(&project)["error"], "Oops");
}

#[test]
fn a_servers_text_cannot_drive_a_terminal_or_a_spreadsheet() {
    let desk = fault_for_102(r#"status: 404, body: { error: "=cmd|' /C calc'!A0\e[31m\nred" }"#);
    let project = three(&desk);
    let ran = project.run(&[]).exits(3);
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'));
    assert!(second(&project)["error"].starts_with("'=cmd"), "{:?}", second(&project));
}

#[test]
fn numbers_in_the_servers_words_are_cut_in_the_log() {
    let words = "Phone 0151 234 567 89, (312) 555-1003 or +49 (0) 151/2345-678 of 131047 is taken";
    let desk = fault_for_102(&format!("status: 422, body: {{ error: '{words}' }}"));
    let project = three(&desk);
    let ran = project.run(&["--verbose"]).exits(3);
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains("Phone 015…89, (31…03 or +49…78 of 131047 is taken"), "{said}");
    assert!(!said.contains("234 567") && !said.contains("555-1003") && !said.contains("2345-678"), "{said}");
}
