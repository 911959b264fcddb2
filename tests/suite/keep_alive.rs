//! Connections that a server closes under us, and answers that come over them for somebody else.
//!
//! The servers are raw sockets, because well-behaved HTTP libraries do neither.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Project, conversation_of, read_request, shared_machine};

/// How long the line takes, one way.
const LINE: Duration = Duration::from_millis(100);

/// What arrived at a server.
#[derive(Debug, Default)]
struct Log {
    /// The conversations of all messages, in order.
    messages: Vec<u64>,
    connections: usize,
}

/// A server that serves each connection on a thread of its own, which ends with the connection. Gives its address.
fn server(serve: impl Fn(TcpStream, &Mutex<Log>) + Send + Sync + 'static) -> (String, Arc<Mutex<Log>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (serve, log) = (Arc::new(serve), Arc::new(Mutex::new(Log::default())));
    let served = Arc::clone(&log);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (serve, log) = (Arc::clone(&serve), Arc::clone(&served));
            log.lock().unwrap().connections += 1;
            thread::spawn(move || serve(connection.unwrap(), &log));
        }
    });
    (address, log)
}

/// The documented reply to a template, which names no conversation; to anything else, a page without contacts.
fn answer(conversation: Option<u64>, header: &str) -> String {
    let body = match conversation {
        Some(conversation) => format!("{{\"id\":{},\"status\":\"sent\"}}", message_id(conversation)),
        None => "{\"meta\":{},\"payload\":[]}".to_owned(),
    };
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{header}Content-Length: {length}\r\n\r\n{body}")
}

const fn message_id(conversation: u64) -> u64 {
    1_000 + conversation
}

/// A server that closes a connection which has been idle for so long, at the end of a long line: a request that was under
/// way by then meets a closed connection, and the client learns of the closing only after it has travelled back.
fn close_when_idle(keep_alive: Duration, header: &'static str) -> impl Fn(TcpStream, &Mutex<Log>) + Send + Sync {
    move |connection, log| {
        let mut answers = connection.try_clone().unwrap();
        let mut requests = BufReader::new(connection);
        let mut closes = Instant::now() + LINE + keep_alive;
        loop {
            let until_known = (closes + LINE).saturating_duration_since(Instant::now());
            answers.set_read_timeout(Some(until_known.max(Duration::from_millis(1)))).unwrap();
            let Some(request) = read_request(&mut requests) else { return };
            let conversation = conversation_of(&request);
            if Instant::now() + LINE > closes {
                thread::sleep(LINE);
                return;
            }
            thread::sleep(LINE);
            log.lock().unwrap().messages.extend(conversation);
            closes = Instant::now() + keep_alive;
            thread::sleep(LINE);
            if write!(answers, "{}", answer(conversation, header)).is_err() {
                return;
            }
        }
    }
}

/// Campaigns side by side whose messages follow each other at intervals around the server's idle timeout plus the way there
/// and back, where most would meet the closing. Several, because one would take minutes.
#[test]
fn messages_that_follow_each_other_as_slowly_as_the_server_closes_connections_all_arrive() {
    let _machine = shared_machine();
    let mut running = Vec::new();
    for (keep_alive, header, rates, people) in [
        (1, "", [50, 52, 54, 56, 58, 60], 14),
        (1, "Keep-Alive: timeout=1\r\n", [51, 53, 55, 57, 59, 300], 14),
        (2, "", [27, 28, 29, 30, 28, 29], 7),
    ] {
        let (address, log) = server(close_when_idle(Duration::from_secs(keep_alive), header));
        for rate in rates {
            let project = Project::at_address(&address).people(people).send(&format!("rate: {rate}/min"));
            running.push((keep_alive, rate, project.start(&[]), project, Arc::clone(&log)));
        }
    }
    let (mut sent, mut unknown, mut seen) = (0, 0, Vec::new());
    for (keep_alive, rate, run, project, _) in running {
        let ran = run.finish();
        let lost = project.count("unknown");
        assert_eq!(project.count("accepted") + lost, project.report().len(), "{}", ran.stderr);
        sent += project.report().len();
        unknown += lost;
        seen.push(format!("closes after {keep_alive} s, {rate}/min: {lost} unknown"));
    }
    assert!(sent >= 200);
    assert!(unknown * 100 <= sent, "{unknown} of {sent} are unknown:\n{}", seen.join("\n"));
}

/// When a second answer to the same request comes.
#[derive(Debug, Clone, Copy)]
enum Stray {
    /// In the same packet as the first.
    WithTheFirst,
    /// While the connection is idle.
    WhileIdle,
    /// Once the next request is on its way: it is the first answer to come after that.
    BeforeTheNext,
}

fn answer_twice(stray: Stray) -> impl Fn(TcpStream, &Mutex<Log>) + Send + Sync {
    move |connection, log| {
        let mut answers = connection.try_clone().unwrap();
        let mut requests = BufReader::new(connection);
        let mut earlier = String::new();
        while let Some(request) = read_request(&mut requests) {
            let conversation = conversation_of(&request);
            log.lock().unwrap().messages.extend(conversation);
            let answer = answer(conversation, "");
            // The client may have hung up before the second one: that is what it should do.
            let _ = match stray {
                Stray::WithTheFirst => write!(answers, "{answer}{answer}"),
                Stray::WhileIdle => write!(answers, "{answer}").and_then(|()| {
                    thread::sleep(Duration::from_millis(30));
                    write!(answers, "{answer}")
                }),
                Stray::BeforeTheNext => write!(answers, "{earlier}{answer}"),
            };
            earlier = answer;
        }
    }
}

/// Runs a campaign of eight, one after the other, and gives who is `unknown`. Whoever is accepted has their own message.
#[track_caller]
fn unknown_with(stray: Stray, rate: &str) -> (Vec<String>, Log) {
    let (address, log) = server(answer_twice(stray));
    let project = Project::at_address(&address).people(8).send("concurrency: 1").send(rate);
    let ran = project.run(&[]);
    let mut unknown = Vec::new();
    for row in project.report() {
        let conversation: u64 = row["key"].parse().unwrap();
        match row["outcome"].as_str() {
            "accepted" => assert_eq!(row["message_id"], message_id(conversation).to_string(), "{stray:?}"),
            "unknown" => unknown.push(format!("{}: {}", row["key"], row["error_code"])),
            other => assert_eq!(other, "accepted", "{stray:?}: {}", ran.stderr),
        }
    }
    let log = std::mem::take(&mut *log.lock().unwrap());
    assert_eq!(log.messages.len(), log.messages.iter().collect::<BTreeSet<_>>().len(), "somebody got it twice");
    (unknown, log)
}

#[test]
fn an_answer_that_nobody_asked_for_ends_its_connection() {
    for (stray, rate) in [(Stray::WithTheFirst, "rate: 20/s"), (Stray::WhileIdle, "rate: 10/s")] {
        let (unknown, log) = unknown_with(stray, rate);
        assert!(unknown.is_empty(), "{stray:?}: {unknown:?}");
        assert_eq!(log.messages.len(), 8, "{stray:?}");
        assert!(log.connections >= 8, "{stray:?}: {} connections", log.connections);
    }
}

#[test]
fn a_second_answer_is_never_taken_for_the_next_recipients() {
    let (unknown, log) = unknown_with(Stray::BeforeTheNext, "rate: unlimited");
    assert_eq!(unknown, ["102: answer-mismatch"]);
    assert_eq!(log.messages.len(), 8);
    assert!(log.connections >= 7, "no connection is used twice after that: {}", log.connections);
}

/// As fast as it goes, the second answer may come before or after the next request leaves.
#[test]
fn a_second_answer_at_any_moment_is_nobody_elses() {
    for stray in [Stray::WithTheFirst, Stray::WhileIdle] {
        let (unknown, _) = unknown_with(stray, "rate: unlimited");
        assert!(unknown.iter().all(|row| row.ends_with("answer-mismatch")), "{stray:?}: {unknown:?}");
        assert!(unknown.len() <= 1, "{stray:?}: {unknown:?}");
    }
}

/// A request, as far as the servers below look at it.
struct Received {
    first_line: String,
    request_id: String,
    body: Value,
}

fn receive(requests: &mut impl BufRead) -> Option<Received> {
    let (mut first_line, mut request_id, mut length) = (None, String::new(), 0);
    for line in requests.by_ref().lines() {
        let line = line.ok()?.to_lowercase();
        match line.split_once(": ") {
            _ if line.is_empty() => break,
            Some(("content-length", value)) => length = value.parse().ok()?,
            Some(("x-request-id", value)) => value.clone_into(&mut request_id),
            _ => {}
        }
        first_line.get_or_insert(line);
    }
    let mut body = vec![0; length];
    requests.read_exact(&mut body).ok()?;
    Some(Received { first_line: first_line?, request_id, body: serde_json::from_slice(&body).unwrap_or_default() })
}

fn response(status: &str, header: &str, body: &Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A server that answers each message with its id, and before the second answer on a connection refuses the first message
/// again: by a 404 that names nothing but the request.
fn refuse_late(connection: TcpStream, log: &Mutex<Log>) {
    let mut answers = connection.try_clone().unwrap();
    let mut requests = BufReader::new(connection);
    let mut late = String::new();
    while let Some(Received { first_line, request_id, .. }) = receive(&mut requests) {
        let conversation = conversation_of(&first_line);
        log.lock().unwrap().messages.extend(conversation);
        let body = match conversation {
            Some(id) => json!({ "id": message_id(id), "status": "sent" }),
            None => json!({ "meta": {}, "payload": [] }),
        };
        let header = format!("X-Request-Id: {request_id}\r\n");
        let answer = response("200 OK", &header, &body);
        // The client hangs up once it knows.
        let _ = write!(answers, "{late}{answer}");
        late = response("404 Not Found", &header, &json!({ "error": "Resource could not be found" }));
    }
}

#[test]
fn a_late_refusal_that_names_nobody_is_not_the_next_recipients() {
    let (address, log) = server(refuse_late);
    let project = Project::at_address(&address).people(8).send("concurrency: 1");
    project.run(&[]).exits(4);
    assert_eq!((project.count("accepted"), project.count("unknown"), project.count("failed")), (7, 1, 0));
    assert_eq!(project.report()[1]["error_code"], "answer-mismatch");
    let log = log.lock().unwrap();
    assert_eq!(log.messages.len(), 8);
    assert!(log.connections >= 7, "no connection is used twice after that: {}", log.connections);
}

/// What is wrong with the ids of a server that makes contacts and conversations.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ids {
    /// Each answer about this comes again before the next one on its connection.
    Late(&'static str),
    /// All contacts, or all conversations, have one id.
    TheSame(&'static str),
}

/// Answers with no more ids than LiveDesk documents, and without that of the request.
fn give(wrong: Ids) -> impl Fn(TcpStream, &Mutex<Log>) + Send + Sync {
    move |connection, log| {
        let mut answers = connection.try_clone().unwrap();
        let mut requests = BufReader::new(connection);
        let mut late = String::new();
        while let Some(Received { first_line, body, .. }) = receive(&mut requests) {
            let conversation = conversation_of(&first_line);
            log.lock().unwrap().messages.extend(conversation);
            let number = |name: &str| body[name].as_u64().or_else(|| body[name].as_str()?.parse().ok());
            let (kind, body) = match (number("identifier"), number("contact_id"), conversation) {
                (Some(customer), ..) => {
                    let id = if wrong == Ids::TheSame("contact") { 5_000 } else { 5_000 + customer };
                    ("contact", json!({ "payload": { "contact": { "id": id } } }))
                }
                (_, Some(contact), _) => {
                    let id = if wrong == Ids::TheSame("conversation") { 7 } else { contact + 1_000 };
                    ("conversation", json!({ "id": id }))
                }
                (.., Some(conversation)) => ("message", json!({ "id": message_id(conversation), "status": "sent" })),
                _ => ("search", json!({ "meta": {}, "payload": [] })),
            };
            let answer = response("200 OK", "", &body);
            let is_late = wrong == Ids::Late(kind);
            // The client hangs up once it knows.
            let _ = write!(answers, "{}{answer}", if is_late { late.as_str() } else { "" });
            if is_late {
                late = answer;
            }
        }
    }
}

/// Six contacts, one after the other, and the conversations to which messages came.
fn six_contacts(wrong: Ids) -> (Project, Vec<u64>) {
    let (address, log) = server(give(wrong));
    let project = Project::at_address(&address).people(6).send("concurrency: 1");
    let project = project.to("{ inbox_id: 79, contact: { identifier: '{{ conversation_id }}' } }");
    project.run(&[]);
    let messages = std::mem::take(&mut log.lock().unwrap().messages);
    (project, messages)
}

#[test]
fn a_late_answer_about_a_contact_or_conversation_is_nobody_elses() {
    for kind in ["contact", "conversation"] {
        let (project, messages) = six_contacts(Ids::Late(kind));
        assert_eq!(project.count("accepted"), 6, "{kind}: what was asked for is asked for again");
        for row in project.report() {
            let contact = 5_000 + row["key"].parse::<u64>().unwrap();
            assert_eq!(row["contact_id"], contact.to_string(), "{kind}");
            assert_eq!(row["conversation_id"], (contact + 1_000).to_string(), "{kind}");
        }
        assert_eq!(messages.len(), 6, "{kind}");
    }
}

#[test]
fn an_id_that_was_given_for_somebody_else_is_a_conflict_and_nothing_is_sent_there() {
    for kind in ["contact", "conversation"] {
        let (project, messages) = six_contacts(Ids::TheSame(kind));
        assert_eq!((project.count("accepted"), project.count("failed")), (1, 5), "{kind}");
        let codes: Vec<_> = project.report()[1..].iter().map(|row| row["error_code"].clone()).collect();
        assert_eq!(codes, vec![format!("{kind}-conflict"); 5]);
        assert_eq!(messages.len(), 1, "{kind}");
    }
}
