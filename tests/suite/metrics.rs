//! `--metrics`: what a node exporter reads of a run.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests, which the lint does not see")]
#![expect(clippy::print_stderr, reason = "what is left out is said")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Desk, Project};

const FILE: &str = "metrics.prom";

/// The value of a metric whose name and labels begin so, besides those that all have.
#[track_caller]
fn value(text: &str, metric: &str, labels: &str) -> f64 {
    let find = |line: &&str| line.starts_with(&format!("{metric}{{")) && line.contains(labels);
    let line = text.lines().find(find).unwrap_or_else(|| panic!("{metric} {labels}: {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Prometheus' own word, where its tool is on the machine.
#[track_caller]
fn check_with_promtool(path: &Path) {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(fs::File::open(path).unwrap())
        .stdout(Stdio::piped())
        .output();
    match promtool {
        Ok(checked) => assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}"),
        Err(_) => eprintln!("LEFT OUT: there is no promtool on this machine (Debian: apt-get install prometheus)"),
    }
}

#[test]
fn metrics_say_what_became_of_a_run_in_the_words_of_prometheus() {
    let desk = Desk::start("faults:\n- { on: message, match: { conversation_id: 104 }, status: 422, body: '{}' }\n");
    let project = Project::at(&desk).people(5);
    project.run(&["--metrics", FILE]).exits(3);
    let text = fs::read_to_string(project.path(FILE)).unwrap();
    assert!(!text.contains("104"), "no id of a recipient is a label: {text}");
    for (metric, labels, expected) in [
        ("campaign_recipients", "outcome=\"accepted\"", 4.0),
        ("campaign_recipients", "outcome=\"failed\"", 1.0),
        ("campaign_recipients", "outcome=\"pending\"", 0.0),
        ("campaign_requests_total", "operation=\"create_message\",status=\"200\"", 4.0),
        ("campaign_requests_total", "operation=\"create_message\",status=\"422\"", 1.0),
        ("campaign_request_duration_seconds_count", "operation=\"create_message\"", 5.0),
        ("campaign_requests_in_flight", "campaign=\"c\"", 0.0),
        ("campaign_in_progress", "", 0.0),
        ("campaign_exit_code", "", 3.0),
        ("campaign_last_success_timestamp_seconds", "", 0.0),
    ] {
        assert!((value(&text, metric, labels) - expected).abs() < f64::EPSILON, "{metric} {labels}: {text}");
    }
    assert!(value(&text, "campaign_last_run_timestamp_seconds", "") > 1.7e9);
    check_with_promtool(&project.path(FILE));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(project.path(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o044, 0o044, "the exporter is another user");
    }
}

#[test]
fn a_run_that_fails_does_not_forget_when_one_last_succeeded() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2);
    project.run(&["--metrics", FILE]).exits(0);
    let read = || fs::read_to_string(project.path(FILE)).unwrap();
    let success = value(&read(), "campaign_last_success_timestamp_seconds", "campaign=\"c\"");
    assert!(success > 1.7e9);
    fs::write(project.path("campaign.yaml"), "name: [").unwrap();
    project.run(&["--metrics", FILE]).exits(2);
    let text = read();
    assert!(
        (value(&text, "campaign_last_success_timestamp_seconds", "campaign=\"c\"") - success).abs() < 0.01,
        "{text}"
    );
    assert!((value(&text, "campaign_exit_code", "") - 2.0).abs() < f64::EPSILON, "{text}");
}

/// While it sends, the file says so.
#[test]
fn metrics_are_there_while_a_run_is_under_way() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(100).send("rate: 2/s");
    let run = project.start(&["--metrics", FILE]);
    desk.wait_for_messages(1);
    let text = fs::read_to_string(project.path(FILE)).unwrap();
    assert!((value(&text, "campaign_in_progress", "") - 1.0).abs() < f64::EPSILON, "{text}");
    assert!((value(&text, "campaign_exit_code", "") + 1.0).abs() < f64::EPSILON, "{text}");
    run.interrupt();
    run.finish().exits(130);
    let text = fs::read_to_string(project.path(FILE)).unwrap();
    assert!((value(&text, "campaign_exit_code", "") - 130.0).abs() < f64::EPSILON, "{text}");
    assert!(value(&text, "campaign_recipients", "outcome=\"pending\"") > 0.0, "{text}");
}

#[test]
fn metrics_that_cannot_be_written_are_a_warning_and_the_run_goes_on() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2);
    fs::create_dir(project.path("folder.prom")).unwrap();
    project.run(&["--metrics", "folder.prom"]).exits(0).says("warning: metrics: folder.prom");
    assert_eq!(project.count("accepted"), 2);
    assert!(project.path("folder.prom").is_dir());
}

#[test]
fn tracking_has_metrics_of_its_own_with_receipts() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    project.run(&[]).exits(0);
    let tracked = project.campaign(&["track", "campaign.yaml", "--now", "--metrics", FILE]);
    let text = fs::read_to_string(project.path(FILE)).unwrap();
    assert!((value(&text, "campaign_exit_code", "command=\"track\"") - f64::from(tracked.code.unwrap())).abs() < 0.1);
    let receipts: f64 = text
        .lines()
        .filter(|line| line.starts_with("campaign_receipts{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert!((receipts - 3.0).abs() < f64::EPSILON, "they add up to the accepted messages: {text}");
    check_with_promtool(&project.path(FILE));
}
