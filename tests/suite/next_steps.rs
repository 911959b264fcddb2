//! What a run says at its end: why it stopped, and what can be done now.

use serde_json::Value;

use crate::harness::{Desk, Project};

/// The result of a run as data.
fn result(project: &Project, words: &[&str], code: i32) -> Value {
    project.run(&[words, &["--format", "json"]].concat()).exits(code).json().pop().unwrap_or_default()
}

#[test]
fn why_a_run_stopped_is_data_and_alarm_and_patience_have_exit_codes_of_their_own() {
    let desk = Desk::friendly();
    let far = "2090-01-01T00:00:00Z";
    for (setting, words, code, by) in [
        ("canary: 2", &[][..], 5, "canary"),
        ("not_after: 2020-01-01T00:00:00Z", &[], 5, "not_after"),
        ("quota: 2/day", &["--no-wait"], 7, "quota"),
        ("not_before: 2090-01-01T00:00:00Z", &["--no-wait"], 7, "not_before"),
    ] {
        let project = Project::at(&desk).people(5).send(setting);
        let stopped = result(&project, words, code)["stopped"].take();
        assert_eq!(stopped["by"], by, "{stopped}");
        assert_eq!(stopped["until"].is_string(), code == 7, "{stopped}");
        assert!(by != "not_before" || stopped["until"] == far, "{stopped}");
    }
    let project = Project::at(&desk).people(2);
    assert_eq!(result(&project, &[], 0)["stopped"], Value::Null);
    let desk = Desk::start("faults: [{ on: message, status: 404 }]");
    let project = Project::at(&desk).people(9).send("stop_when: { failed: 50%, after: 4, same_error: 1000 }");
    assert_eq!(result(&project, &[], 5)["stopped"]["by"], "stop_when");
}

#[test]
fn what_is_unknown_is_named_with_its_conversations_and_the_command_that_lists_all() {
    let desk = Desk::start("faults: [{ on: message, status: 500, times: 5 }]");
    let project = Project::at(&desk).people(7).send("concurrency: 1");
    project
        .run(&[])
        .exits(4)
        .says("5 messages may have been sent")
        .says("\n  key 101 in conversation 101\n  key 102 in conversation 102\n  key 103 in conversation 103\n")
        .says("and 2 more: `campaign report campaign.yaml --only unknown -o -` lists all");
    let listed = project.campaign(&["report", "campaign.yaml", "--only", "unknown", "-o", "-"]).exits(0);
    assert_eq!(listed.stdout.lines().count(), 6, "{}", listed.stdout);
}

#[test]
fn a_retry_is_advised_only_when_it_would_be_taken_up() {
    let desk = Desk::start(
        "faults:\n- { on: message, match: { conversation_id: 101 }, fail: { code: 131049, title: Held } }\n\
         - { on: message, match: { conversation_id: 102 }, fail: { code: 131026, title: Unknown } }\n",
    );
    let project = Project::at(&desk).people(3);
    let ran = project.run(&[]).exits(3).says("too early for `--retry-failed`: 131049 ×1: not before 20");
    assert!(!ran.stderr.contains("can be retried"), "{}", ran.stderr);
    let again = project.run(&["--retry-failed"]).exits(3).says("not retried, too early: 131049 ×1");
    assert!(!again.stderr.contains("can be retried"), "{}", again.stderr);
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn a_run_that_is_stopped_names_the_most_frequent_cause() {
    let desk = Desk::start(
        "faults:\n- { on: message, match: { conversation_id: 106 }, status: 500 }\n\
         - { on: message, match: { conversation_id: 101 }, status: 200 }\n\
         - { on: message, fail: { code: 131053, title: Media } }\n",
    );
    let project = Project::at(&desk)
        .people(30)
        .send("concurrency: 1")
        .send("stop_when: { failed: 60%, after: 6, same_error: 1000 }");
    let ran = project.run(&[]).exits(5).says("send.stop_when.failed").says("most often 131053 ×");
    assert!(!ran.stderr.contains("the last:"), "{}", ran.stderr);
}
