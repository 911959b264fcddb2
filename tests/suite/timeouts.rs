//! How long connections and answers may take, and what is known when they take longer.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Desk, Project, signal};

/// A server that is too busy to accept: its queue is full, so that connections to it neither come about nor fail.
struct Busy {
    listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Busy {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(300));
        let queued = std::iter::from_fn(|| connect().ok()).collect();
        Self { listener, _queued: queued }
    }

    fn base_url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }
}

#[test]
fn a_connection_that_does_not_come_about_leaves_nobody_in_doubt() {
    let server = Busy::new();
    for to in ["{ conversation_id: '{{ conversation_id }}' }", "{ inbox_id: 79, source_id: '{{ conversation_id }}' }"] {
        let project = Project::at_address(&server.base_url())
            .to(to)
            .people(5)
            .send("timeout: 200ms")
            .send("connect_timeout: 1500ms")
            .send("retry: { attempts: 2, backoff: 1ms }");
        let began = Instant::now();
        project.run(&[]).exits(1).says("cannot be reached").says("5 messages still pending");
        assert!(began.elapsed() >= Duration::from_secs(3), "two tries for each: {:?}", began.elapsed());
        assert_eq!(project.count("pending"), 5);
    }
}

#[test]
fn an_answer_that_came_while_the_process_was_stopped_is_read() {
    let desk = Desk::start("faults: [{ on: message, delay: 700ms }]");
    let project = Project::at(&desk).people(4).send("timeout: 1s");
    let run = project.start(&[]);
    desk.wait_for_messages(4);
    signal(run.process(), "-STOP");
    thread::sleep(Duration::from_secs(3));
    signal(run.process(), "-CONT");
    run.finish().exits(0);
    assert_eq!(project.count("accepted"), 4);
}

#[test]
fn an_answer_that_does_not_come_after_a_stall_either_is_doubt() {
    let desk = Desk::start("faults: [{ on: message, match: { nth: 1 }, delay: 30s }]");
    let project = Project::at(&desk).people(1).send("timeout: 1s");
    let run = project.start(&[]);
    desk.wait_for_messages(1);
    signal(run.process(), "-STOP");
    thread::sleep(Duration::from_secs(2));
    signal(run.process(), "-CONT");
    run.finish().exits(4);
    assert_eq!(project.count("unknown"), 1);
}

#[test]
fn a_message_that_is_sent_again_without_an_answer_in_time_is_doubt() {
    let desk = Desk::start("faults: [{ on: message, fail: { code: 131053, title: No } }, { on: retry, delay: 30s }]");
    let project = Project::at(&desk).people(1).send("timeout: 500ms");
    project.run(&[]).exits(3);
    project.run(&["--retry-failed"]).exits(4).says("timeout");
    assert_eq!((project.count("unknown"), desk.requests("retry").len()), (1, 1));
}
