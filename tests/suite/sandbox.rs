//! The sandbox on a real socket: every endpoint, every fault, the journal, and the shapes of the documented replies.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use campaign::sandbox::{Sandbox, Script};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

mod contacts;
mod faults;
mod messages;
mod reads;
mod shapes;

/// A journal that can be read while it is written.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A bound sandbox and a client for it.
struct Served {
    address: SocketAddr,
    client: Client,
    journal: Shared,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Served {
    async fn start(script: &str) -> Self {
        let journal = Shared::default();
        Self::start_with(script, journal.clone(), Box::new(journal)).await
    }

    async fn start_with(script: &str, journal: Shared, out: Box<dyn io::Write + Send>) -> Self {
        // A second test in the same process finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let sandbox = Sandbox::new(Script::parse(script).unwrap()).with_journal(out);
        let task = tokio::spawn(sandbox.serve(listener, async { drop(stopped.await) }));
        let client = Client::builder().no_proxy().build().unwrap();
        Self { address, client, journal, stop, task }
    }

    fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, &format!("/api/v2/accounts{path}")).basic_auth("key", Some("secret"))
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        read(self.request(Method::POST, path).json(&body).send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    async fn upload(&self, path: &str, form: Form) -> (u16, Value) {
        read(self.request(Method::POST, path).multipart(form).send().await.unwrap()).await
    }

    fn lines(&self) -> Vec<Value> {
        let bytes = self.journal.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn last(&self) -> Value {
        self.lines().pop().unwrap()
    }

    async fn stop(self) -> io::Result<()> {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

fn png(bytes: usize) -> Part {
    Part::bytes(vec![0; bytes]).file_name("a b.png").mime_str("image/png").unwrap()
}

/// A template message as the documents have it.
fn template() -> Value {
    json!({
        "content": "Display text for chat UI",
        "message_type": "outgoing",
        "template_params": {
            "name": "order_update",
            "namespace": "optional_namespace",
            "language": "en_US",
            "category": "MARKETING",
            "processed_params": { "1": "John", "2": "shipped" },
            "header_params": { "type": "text", "text_variables": { "1": "Order #456" } },
            "footer_params": { "text_variables": { "1": "Acme Corp" } },
            "button_params": [{ "index": 0, "sub_type": "url", "text": "track/12345" }],
        },
    })
}

#[test]
fn the_documented_script_is_a_script() {
    Script::parse(include_str!("../../src/sandbox/example.yaml")).unwrap();
}

#[test]
fn nothing_is_a_script_too() {
    for empty in ["", "# only a comment\n", "{}\n"] {
        assert_eq!(format!("{:?}", Script::parse(empty).unwrap()), format!("{:?}", Script::default()), "{empty:?}");
    }
}

#[test]
fn a_bad_script_is_refused_with_its_place() {
    for (script, expected) in [
        ("strict: true\nfautls: []\n", "line 2, column 1: unknown field `fautls`"),
        ("faults:\n  - { on: mesage, status: 500 }\n", "line 2, column 11: unknown variant `mesage`"),
        ("webhook: { url: here }\n", "line 1, column 10: `here` is not an http address"),
        ("receipts:\n  - statuses: [failed]\n", "line 2, column 5: `failed` needs a reason"),
        (
            "receipts:\n  - { statuses: [sent], fail: { code: 1, title: no } }\n",
            "line 2, column 5: `fail` needs `failed`",
        ),
        ("receipts:\n  - reply_after: 2s\n", "line 2, column 5: `reply_after` and `new_conversation` need"),
        ("faults:\n  - { match: { nht: 1 }, status: 500 }\n", "line 2, column 16: unknown field `nht`"),
        ("faults:\n  - status: 500\n    drop: after_accepting\n", "line 2, column 5: a fault has one action"),
        ("faults:\n  - on: message\n", "line 2, column 5: this fault does nothing"),
        ("faults:\n  - status: 42\n", "line 2, column 5: 42 is not a valid status"),
        ("faults:\n  - delay: soon\n", "line 2, column 5: `soon` is not a duration"),
        ("faults:\n  - { match: { until: soon }, status: 500 }\n", "line 2, column 23: `soon` is not a duration"),
        (
            "faults:\n  - { match: { from: 2s, until: 2s }, status: 500 }\n",
            "line 2, column 5: `until` is not after `from`",
        ),
        ("faults:\n  - { on: contact, fail: { code: 1, title: x } }\n", "line 2, column 5: only messages can `fail`"),
        ("faults:\n  - { delay: 1s, accept: true }\n", "line 2, column 5: `accept` belongs to an answer"),
        ("strict: [\n", "line "),
    ] {
        let error = Script::parse(script).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{script}\n{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn credentials_are_not_shown() {
    let script = Script::parse("credentials: { api_key: k3y, api_secret: s3cret }").unwrap();
    let shown = format!("{:?}", Sandbox::new(script));
    assert!(!shown.contains("k3y") && !shown.contains("s3cret"), "{shown}");
}

#[cfg(unix)]
#[test]
fn a_new_journal_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let desk = crate::harness::Desk::friendly();
    let mode = std::fs::metadata(desk.journal_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
