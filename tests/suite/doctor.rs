//! `campaign doctor`: what an account can do, told by reads alone, against friendly, refusing and hostile servers.

use serde_json::{Value, json};

use crate::harness::{Desk, Project, Ran};

const TO: &str = "{ inbox_id: '79', contact: { name: '{{ name }}', phone_number: '{{ phone }}' } }";
const LIST: &str = "name,phone,language\nAda,+4915112345678,en\nBob,+4915112345679,de\nCy,+4915112345670,en\n";
const TEMPLATE: &str = "{ content: 'Hi {{ name }}', template_params: { name: welcome, language: '{{ language }}', \
                        processed_params: { '1': '{{ name }}' } } }";
/// A conversation to look at is there once somebody was sent to.
const NOTHING: &str = "";

fn project(desk: &Desk) -> Project {
    Project::at(desk).to(TO).message(TEMPLATE).list(LIST)
}

/// What the doctor says, with the address of the sandbox taken out; it must not have done anything.
fn doctor(desk: &Desk, project: &Project, exit: i32) -> String {
    let ran: Ran = project.campaign(&["doctor", "campaign.yaml"]).exits(exit);
    for request in desk.journal() {
        assert_eq!(request["method"], "GET", "{request}");
    }
    assert!(!ran.stdout.contains("test-secret") && !ran.stderr.contains("test-secret"));
    ran.stdout.replace(&desk.base_url, "http://sandbox")
}

#[test]
fn a_server_without_templates_and_conversations_says_what_it_can() {
    let desk = Desk::start(NOTHING);
    insta::assert_snapshot!(doctor(&desk, &project(&desk), 0));
}

#[test]
fn templates_are_compared_in_every_language_of_the_list() {
    let desk = Desk::start(
        "templates:\n\
         - { name: welcome, language: en, body: 1 }\n\
         - { name: welcome, language: de, body: 2, header: image, status: paused }\n",
    );
    insta::assert_snapshot!(doctor(&desk, &project(&desk), 1));
}

#[test]
fn a_language_that_the_inbox_does_not_have_fails() {
    let desk = Desk::start("templates: [{ name: welcome, language: en, body: 1 }]\n");
    let said = doctor(&desk, &project(&desk), 1);
    assert!(said.contains("welcome (de) for 1 message: not in this language, only in en"), "{said}");
    assert!(said.contains("ok       template     welcome (en) for 2 messages"), "{said}");
}

#[test]
fn reads_that_are_refused_are_not_used() {
    let reads = |which: &[&str]| {
        let faults: Vec<String> = which.iter().map(|read| format!("- {{ on: {read}, status: 404 }}\n")).collect();
        format!("faults:\n{}", faults.concat())
    };
    for (refused, tracking) in [
        (&["read_inbox"][..], json!("delta")),
        (&["list_conversations"], json!("delta")),
        (&["list_updated"], json!("sweep")),
        (&["list_updated", "list_conversations"], json!("single")),
        (&["list_updated", "list_conversations", "read_messages"], json!(null)),
    ] {
        let desk = Desk::start(&reads(refused));
        let project = project(&desk).message("{ content: Hi }");
        project.run(&[]).exits(0);
        let data: Value = project.campaign(&["doctor", "campaign.yaml", "--format", "json"]).exits(0).json().remove(0);
        // Without a list of conversations there is none to try.
        let wanted = if refused.len() == 2 { json!(null) } else { tracking };
        assert_eq!(data["tracking"], wanted, "{refused:?}: {data}");
    }
}

/// The list names conversations, so there is no inbox to look through.
#[test]
fn conversations_of_the_list_are_read_one_by_one() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(1);
    project.run(&[]).exits(0);
    let data: Value = project.campaign(&["doctor", "campaign.yaml", "--format", "json"]).exits(0).json().remove(0);
    assert_eq!(data["tracking"], "delta", "{data}");
    let desk = Desk::start("faults: [{ on: list_updated, status: 404 }]\n");
    let project = Project::at(&desk).people(1);
    project.run(&[]).exits(0);
    let data: Value = project.campaign(&["doctor", "campaign.yaml", "--format", "json"]).exits(0).json().remove(0);
    assert_eq!(data["tracking"], "single", "{data}");
}

#[test]
fn the_inbox_is_looked_through_where_changes_cannot_be_asked_for() {
    let desk = Desk::start("faults: [{ on: list_updated, status: 404 }]\n");
    let project = project(&desk).message("{ content: Hi }");
    project.run(&[]).exits(0);
    let data = project.campaign(&["doctor", "campaign.yaml", "--format", "json"]).exits(0).json().remove(0);
    assert_eq!(data["tracking"], "sweep", "{data}");
}

#[test]
fn a_canary_that_waits_for_receipts_needs_somebody_who_shows_them() {
    let faults = "faults: [{ on: list_updated, status: 404 }, { on: list_conversations, status: 404 }, { on: read_messages, status: 404 }]\n";
    let desk = Desk::start(faults);
    let project = project(&desk).message("{ content: Hi }").send("canary: { count: 1, confirmed: 90% }");
    let said = doctor(&desk, &project, 1);
    assert!(said.contains("failed   tracking"), "{said}");
}

#[test]
fn a_key_pair_that_is_refused_ends_the_visit() {
    let desk = Desk::start("credentials: { api_key: another, api_secret: pair }\n");
    insta::assert_snapshot!(doctor(&desk, &project(&desk), 1));
    assert_eq!(desk.journal().len(), 1);
}

#[test]
fn a_server_that_is_not_there_is_said_to_be_so() {
    let project = Project::at_address(&Desk::friendly().close()).people(1);
    let ran = project.campaign(&["doctor", "campaign.yaml"]).exits(1);
    assert!(ran.stdout.contains("failed   credentials  LiveDesk cannot be asked"), "{}", ran.stdout);
}

#[test]
fn hostile_answers_are_not_believed_and_stop_nothing() {
    let desk = Desk::start(
        "faults:\n\
         - { on: list_updated, body: { payload: [] }, pad: 10000000 }\n\
         - { on: list_conversations, body: '<html>Sign in</html>' }\n\
         - { on: read_inbox, body: '{\"id\": 79, \"message_templates\": [{\"name\": 7}, null, {\"name\"' }\n",
    );
    insta::assert_snapshot!(doctor(&desk, &project(&desk), 0));
}

#[test]
fn clocks_and_limits_are_read_from_the_answers() {
    let desk = Desk::start(
        "faults:\n\
         - { on: search, accept: true, body: { payload: [] }, headers: { Date: 'Sat, 21 Nov 2020 10:00:00 GMT', X-RateLimit-Limit: '3000' } }\n",
    );
    let project = project(&desk).message("{ content: Hi }");
    let said = doctor(&desk, &project, 0);
    assert!(said.contains("warning  clock") && said.contains("behind this machine's"), "{said}");
    assert!(said.contains("ok       limits       x-ratelimit-limit: 3000"), "{said}");
}

#[test]
fn a_list_with_problems_is_wrong_before_anybody_is_asked() {
    let desk = Desk::friendly();
    let project = project(&desk).list("name,phone,language\nAda,none,en\n");
    project.campaign(&["doctor", "campaign.yaml"]).exits(2);
    assert_eq!(desk.journal().len(), 0);
}

#[test]
fn what_it_found_is_data_too() {
    let desk = Desk::start(
        "templates: [{ name: welcome, language: en, body: 1 }, { name: welcome, language: de, body: 1 }]\n",
    );
    let data = project(&desk).campaign(&["doctor", "campaign.yaml", "--format", "json"]).exits(0).json().remove(0);
    assert_eq!((&data["campaign"], &data["clock_ahead_seconds"]), (&json!("c"), &json!(0)));
    let checks = data["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["verdict"] != "failed"), "{data}");
    assert_eq!(checks.iter().filter(|check| check["check"] == "template").count(), 2, "{data}");
}
