//! `notify`: who is told how a run ends, in which words, and that no run suffers from it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Desk, Project};

const VARIABLE: &str = "TEAM_WEBHOOK";

/// Somebody who is notified: gives its address, and the bodies that are posted there. It answers with `status`.
fn receiver(status: &'static str) -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook/T0/verysecretpath", listener.local_addr().unwrap());
    let (sender, bodies) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = BufReader::new(connection.unwrap());
            let mut length = 0;
            for line in connection.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            connection.read_exact(&mut body).unwrap();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            connection.get_mut().write_all(head.as_bytes()).unwrap();
            if sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                return;
            }
        }
    });
    (address, bodies)
}

/// A campaign to numbers of its recipients, which notifies so.
fn notifying(desk: &Desk, notify: &str, address: &str) -> Project {
    let project = Project::at(desk).setting(&format!("notify: {notify}")).environment(VARIABLE, Some(address));
    project
        .to("{ inbox_id: 3, contact: { phone_number: '{{ phone }}', name: '{{ name }}' } }")
        .list("phone,name\n+4915112345671,Ada Lovelace\n+4915112345672,Grace Hopper\n+4915112345673,Mary Shaw\n")
        .message("{ content: 'Hi {{ name }}' }")
}

const WEBHOOK: &str = "{ webhook: { url: '${TEAM_WEBHOOK}' } }";

#[test]
fn the_end_of_a_run_is_posted_once_without_personal_data() {
    let desk = Desk::start(
        "faults:\n- { on: message, match: { nth: 2 }, status: 422, body: '{\"message\": \"+4915112345672 Grace Hopper\"}' }\n",
    );
    let (address, bodies) = receiver("200 OK");
    let project = notifying(&desk, WEBHOOK, &address);
    let ran = project.run(&["-v"]).exits(3);
    let body = bodies.recv().unwrap();
    assert_eq!(body["event"], "finish");
    assert_eq!(body["campaign"], "c");
    assert_eq!(body["exit_code"], 3);
    assert_eq!((&body["outcomes"]["accepted"], &body["outcomes"]["failed"]), (&2.into(), &1.into()));
    assert_eq!(body["text"], "Campaign c finished: 2 accepted, 1 failed of 3 recipients (exit code 3)");
    for personal in ["151", "Grace", "Ada", "Hopper"] {
        assert!(!body.to_string().contains(personal), "{body}");
    }
    assert!(bodies.recv_timeout(Duration::from_millis(100)).is_err(), "it is notified once");
    assert!(!(ran.stderr + &ran.stdout).contains("verysecretpath"));
    for file in project.files().into_iter().filter(|path| path.is_file()) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(14).any(|piece| piece == b"verysecretpath"), "{}", file.display());
    }
}

#[test]
fn slack_and_teams_get_what_they_take() {
    let desk = Desk::friendly();
    for (format, text_at) in [("slack", "/text"), ("teams", "/attachments/0/content/body/0/text")] {
        let (address, bodies) = receiver("200 OK");
        let notify = format!("{{ webhook: {{ url: '${{TEAM_WEBHOOK}}', format: {format} }} }}");
        notifying(&desk, &notify, &address).run(&[]).exits(0);
        let body = bodies.recv().unwrap();
        let text = "Campaign c finished: 3 accepted of 3 recipients (exit code 0)";
        assert_eq!(body.pointer(text_at).unwrap(), text, "{body}");
    }
}

#[test]
fn a_command_gets_it_on_standard_input_and_no_credentials() {
    let desk = Desk::friendly();
    let notify = "{ exec: [sh, -c, 'cat > heard.json; env > environment.txt', unused] }";
    let project = notifying(&desk, notify, "");
    project.run(&[]).exits(0);
    let heard: Value = serde_json::from_slice(&fs::read(project.path("heard.json")).unwrap()).unwrap();
    assert_eq!((&heard["event"], &heard["exit_code"]), (&"finish".into(), &0.into()));
    let environment = fs::read_to_string(project.path("environment.txt")).unwrap();
    assert!(!environment.contains("LIVEDESK_API"), "{environment}");
}

#[test]
fn a_guard_and_a_failure_are_told_apart_and_those_who_do_not_want_one_do_not_get_it() {
    let desk = Desk::start("faults:\n- { on: message, status: 422, body: '{}' }\n");
    let (address, bodies) = receiver("200 OK");
    let project = notifying(&desk, WEBHOOK, &address).send("stop_when: { same_error: 2 }").send("concurrency: 1");
    project.run(&[]).exits(5);
    let body = bodies.recv().unwrap();
    assert_eq!(
        (&body["event"], &body["stopped_by"], &body["exit_code"]),
        (&"guard".into(), &"stop_when".into(), &5.into())
    );

    // The list is gone: nothing was begun, and whoever waits for the campaign hears it.
    let project = project.list("phone,name\n+4915112345671,Ada\nnonsense,Bob\n");
    project.run(&[]).exits(2);
    let body = bodies.recv().unwrap();
    assert_eq!((&body["event"], &body["exit_code"]), (&"failure".into(), &2.into()));
    let elsewhere = notifying(&desk, WEBHOOK, &address);
    fs::remove_file(elsewhere.path("list.csv")).unwrap();
    let ran = elsewhere.run(&[]);
    let body = bodies.recv().unwrap();
    assert_eq!(body["event"], "failure", "{}", ran.stderr);

    let quiet = notifying(&desk, "{ on: [outage], webhook: { url: '${TEAM_WEBHOOK}' } }", &address);
    quiet.run(&[]);
    let rehearsal = notifying(&desk, WEBHOOK, &address);
    rehearsal.run(&["--dry-run"]).exits(0);
    rehearsal.run(&["--sandbox"]).exits(0);
    assert!(bodies.recv_timeout(Duration::from_millis(100)).is_err());
}

#[test]
fn an_outage_that_lasts_is_told_while_the_run_waits() {
    let desk = Desk::start("faults: [{ match: { until: 3s }, status: 502 }]");
    let (address, bodies) = receiver("200 OK");
    let notify = "{ on: [outage], outage: 1s, webhook: { url: '${TEAM_WEBHOOK}' } }";
    let project = notifying(&desk, notify, &address).send("retry: { backoff: 300ms, max_backoff: 500ms }");
    project.run(&[]);
    let body = bodies.recv_timeout(Duration::from_millis(100)).unwrap();
    assert_eq!(body["event"], "outage");
    assert!(body["text"].as_str().unwrap().starts_with("Campaign c: no answer from LiveDesk for "), "{body}");
    assert!(bodies.recv_timeout(Duration::from_millis(100)).is_err(), "it is told once");
}

#[test]
fn a_notification_that_does_not_get_through_is_a_warning_and_nothing_more() {
    let desk = Desk::friendly();
    let (refusing, _bodies) = receiver("403 Forbidden");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (format!("http://{}/verysecretpath", silent.local_addr().unwrap()), silent);
    let gone = "http://127.0.0.1:1/verysecretpath".to_owned();
    for (address, why) in
        [(refusing, "the webhook answered 403"), (silent.0, "no end after"), (gone, "cannot be reached")]
    {
        let notify = "{ timeout: 1s, exec: [./nothing-here], webhook: { url: '${TEAM_WEBHOOK}' } }";
        let project = notifying(&desk, notify, &address);
        let began = Instant::now();
        let ran = project.run(&[]).exits(0).says("warning: a notification was not delivered: notify.exec: ").says(why);
        assert!(began.elapsed() < Duration::from_secs(20));
        assert!(!ran.stderr.contains("verysecretpath"), "{}", ran.stderr);
    }
    let project = notifying(&desk, "{ exec: [sh, -c, 'exit 3'] }", "");
    project.run(&[]).exits(0).says("notify.exec: the command ended with exit status: 3");
    let project = notifying(&desk, "{ timeout: 1s, exec: [sleep, '600'] }", "");
    project.run(&[]).exits(0).says("notify.exec: no end after");
}

#[test]
fn an_address_that_is_not_set_or_none_is_found_before_anything_is_sent() {
    let desk = Desk::friendly();
    let unset = notifying(&desk, WEBHOOK, "").environment(VARIABLE, None);
    unset.run(&[]).exits(1).says("`TEAM_WEBHOOK` is not set");
    for (address, why) in
        [("example.com/x", "not an address"), ("http://example.com/secret", "must begin with `https://`")]
    {
        let ran = notifying(&desk, WEBHOOK, address).run(&[]).exits(1).says(why);
        assert!(!ran.stderr.contains("example.com"), "{}", ran.stderr);
    }
    assert!(desk.messages().is_empty());
    let project = notifying(&desk, "{ webhook: { url: 'https://hooks.example.com/T0/verysecretpath' } }", "");
    let ran = project.run(&[]).exits(2).says("the spec contains the address of a webhook");
    assert!(!ran.stderr.contains("verysecretpath"), "{}", ran.stderr);
    notifying(&desk, "{ on: [finish] }", "").run(&[]).exits(2).says("`notify` needs `exec` or `webhook`");
}
