//! First the intent is on disk, then the request leaves: seen by the desk, and seen by the operating system.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]
#![cfg_attr(target_os = "linux", expect(clippy::panic, reason = "what is missing is shown with the trace"))]

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use rusqlite::{Connection, OpenFlags};

use crate::harness::{Project, conversation_of, read_request};

/// What the ledger says of a delivery at the moment when its message arrives at the desk.
type Seen = (u64, String);

/// A desk that looks into the ledger before it answers. Its threads end with the connections of the run.
fn desk_that_looks(listener: TcpListener, ledger: PathBuf) -> Receiver<Seen> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (ledger, tell) = (ledger.clone(), tell.clone());
            thread::spawn(move || serve(connection.unwrap(), &ledger, &tell));
        }
    });
    told
}

fn serve(connection: TcpStream, ledger: &Path, tell: &Sender<Seen>) {
    let mut answers = connection.try_clone().unwrap();
    let mut requests = BufReader::new(connection);
    while let Some(conversation) = read_request(&mut requests).as_deref().and_then(conversation_of) {
        tell.send((conversation, state(ledger, conversation))).unwrap();
        let body = format!("{{\"id\":{conversation},\"status\":\"sent\"}}");
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length";
        write!(answers, "{head}: {}\r\n\r\n{body}", body.len()).unwrap();
    }
}

/// The state of a delivery in the file.
fn state(ledger: &Path, conversation: u64) -> String {
    let ledger = Connection::open_with_flags(ledger, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let by_key = "SELECT state FROM delivery WHERE key = ?1";
    ledger.query_row(by_key, [conversation.to_string()], |row| row.get(0)).unwrap()
}

#[test]
fn when_a_message_arrives_its_claim_is_in_the_ledger() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let project = Project::at_address(&format!("http://{}", listener.local_addr().unwrap())).people(40);
    let seen = desk_that_looks(listener, project.path(".campaign/c.sqlite"));
    project.run(&[]).exits(0);
    let mut seen: Vec<Seen> = seen.try_iter().collect();
    seen.sort();
    let claimed: Vec<Seen> = (101..=140).map(|id| (id, "claimed".to_owned())).collect();
    assert_eq!(seen, claimed);
}

#[cfg(target_os = "linux")]
mod system_calls {
    use std::fs;

    use crate::harness::{Desk, Project, Running};

    const PEOPLE: u64 = 20;

    /// The system calls of a run, one a line, with whole pages and with the names of files.
    fn trace(concurrency: u64) -> String {
        let desk = Desk::friendly();
        let project = Project::at(&desk).people(PEOPLE).send(&format!("concurrency: {concurrency}"));
        let calls = "trace=fdatasync,fsync,write,pwrite64,sendto,writev,sendmsg";
        let strace = ["/usr/bin/strace", "-f", "-y", "-tt", "-s", "5000", "-e", calls, "-o", "trace"];
        Running::launch(project.run_under(&strace)).finish().exits(0);
        assert_eq!(desk.messages().len() as u64, PEOPLE);
        fs::read_to_string(project.path("trace")).unwrap()
    }

    /// The first call from `start` on that does this, by its line.
    fn find(calls: &[&str], start: usize, does: impl Fn(&str) -> bool) -> Option<usize> {
        (start..calls.len()).find(|at| does(calls[*at]))
    }

    fn process(call: &str) -> &str {
        call.split(' ').next().unwrap()
    }

    /// Where the log's next flush that began after `start` has ended well.
    fn flushed(calls: &[&str], start: usize) -> Option<usize> {
        let begun = find(calls, start, |call| call.contains("sync(") && call.contains("-wal>"))?;
        let process = process(calls[begun]);
        let ends = |call: &str| call.starts_with(process) && call.contains("sync") && call.ends_with("= 0");
        find(calls, begun, ends)
    }

    /// For each message: its claim was written to the log, the log was flushed, and only then it left.
    #[track_caller]
    fn claims_are_on_disk_before_messages_leave(concurrency: u64) {
        let trace = trace(concurrency);
        let calls: Vec<&str> = trace.lines().collect();
        for id in 101..=100 + PEOPLE {
            // In SQLite's record the cells, a JSON array, are right before the state.
            let claim = format!(r#"[\"{id}\"]claimed"#);
            let claimed = find(&calls, 0, |call| call.contains("-wal>") && call.contains(&claim));
            let claimed = claimed.unwrap_or_else(|| panic!("the claim of {id} was not written:\n{trace}"));
            let flushed = flushed(&calls, claimed).unwrap_or_else(|| panic!("{id} was not flushed:\n{trace}"));
            let request = format!("POST /api/v2/accounts/conversations/{id}/messages");
            let sent: Vec<usize> = (0..calls.len()).filter(|at| calls[*at].contains(&request)).collect();
            assert_eq!(sent.len(), 1, "{id} was sent in one call:\n{trace}");
            assert!(flushed < sent[0], "{id} left in line {} before the flush in {flushed}:\n{trace}", sent[0]);
        }
    }

    #[test]
    #[ignore = "needs strace: .ci/run installs it"]
    fn one_after_the_other() {
        claims_are_on_disk_before_messages_leave(1);
    }

    /// A system call about the ledger fails: that is no first run.
    #[test]
    #[ignore = "needs strace: .ci/run installs it"]
    fn a_ledger_that_cannot_be_looked_at_is_not_missing() {
        use crate::harness::{Desk, Running};

        let desk = Desk::friendly();
        let mut refused = 0;
        for error in ["EIO", "ESTALE", "EACCES", "ENOTCONN"] {
            for calls in ["statx,lstat,stat,newfstatat", "openat", "readlink,readlinkat"] {
                let project = Project::at(&desk).people(3);
                project.run(&["--limit", "1"]).exits(0);
                let before = desk.messages().len();
                let ledger = project.path(".campaign/c.sqlite").canonicalize().unwrap();
                let inject = format!("inject={calls}:error={error}");
                let ledger = ledger.to_str().unwrap();
                let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", ledger, "-P", "./.campaign/c.sqlite"];
                let ran = Running::launch(project.run_under(&[&strace[..], &["-e", &inject]].concat())).finish();
                assert!(matches!(ran.code, Some(0 | 1)), "{error} {calls}: {ran:?}");
                let more = desk.messages().len() - before;
                assert!(more <= 2, "{error} {calls}: somebody got it twice: {ran:?}");
                assert!(ran.code == Some(0) || more == 0, "{error} {calls}: {ran:?}");
                assert!(!ran.stderr.contains("first run"), "{error} {calls}: {ran:?}");
                refused += usize::from(ran.code == Some(1));
                project.run(&[]).exits(0);
                assert_eq!(desk.messages().len(), before + 2);
            }
        }
        assert!(refused >= 8, "looking and opening were to fail: {refused}");
    }

    #[test]
    #[ignore = "needs strace: .ci/run installs it"]
    fn eight_at_a_time() {
        claims_are_on_disk_before_messages_leave(8);
    }
}
