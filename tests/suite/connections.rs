//! Connections that a server closes under us, and answers that come over them for somebody else.
//!
//! The servers are raw sockets, because well-behaved HTTP libraries do neither.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::collections::BTreeSet;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

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
