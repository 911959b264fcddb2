//! Takes events over HTTP: whatever comes is answered 200 with an empty body, at once.
//!
//! LiveDesk makes a message of an API channel `failed` when its webhook is slow or answers anything else, so even what is
//! forged or cannot be read is thanked for. A sender that is slow, sends too much or says nothing is cut off, and holds up
//! nobody else: each connection has its own time, and there are never more than [`MAX_CONNECTIONS`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use super::event::conversation_of;
use super::signature::{Invalid, Signatures};
use crate::state::ConversationId;

/// An event is far smaller.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The head of a request comes in one packet or two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(3);
/// LiveDesk waits for 5 s.
const BODY_TIMEOUT: Duration = Duration::from_secs(4);
/// A connection that lasts longer than this is no sender's.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at a time; the others wait in the system's queue.
const MAX_CONNECTIONS: usize = 256;
/// After an error of the system, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

const SIGNATURE: &str = "x-chatwoot-signature";
const TIMESTAMP: &str = "x-chatwoot-timestamp";

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Something has happened in this conversation.
    Happened(ConversationId),
    /// Something that names no conversation.
    Other,
    /// Something that is not believed.
    Ignored(Invalid),
}

/// A bound receiver.
#[derive(Debug)]
pub struct Receiver {
    listener: TcpListener,
    signatures: Option<Signatures>,
}

impl Receiver {
    /// Listens. With `signatures`, only what is signed is believed.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(address: SocketAddr, signatures: Option<Signatures>) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, signatures })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Takes events until nobody receives them. What cannot be received at once is dropped: it is a hint, and the next
    /// round looks anyway.
    pub async fn serve(self, events: mpsc::Sender<Event>) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let signatures = Arc::new(self.signatures);
        while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = events.closed() => return,
            };
            let Ok((stream, _)) = accepted else {
                sleep(PAUSE).await;
                continue;
            };
            let (events, signatures) = (events.clone(), Arc::clone(&signatures));
            tokio::spawn(async move {
                // Who does not keep to the time has nothing to say.
                let _ = timeout(CONNECTION_TIMEOUT, take(stream, signatures, events)).await;
                drop(slot);
            });
        }
    }
}

/// One connection, one event.
async fn take(stream: TcpStream, signatures: Arc<Option<Signatures>>, events: mpsc::Sender<Event>) {
    let service = service_fn(|request: Request<Incoming>| {
        let (signatures, events) = (Arc::clone(&signatures), events.clone());
        async move {
            let (head, body) = request.into_parts();
            let whole = timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await;
            let event = match whole {
                Ok(Ok(body)) => read(signatures.as_ref().as_ref(), &head.headers, &body.to_bytes()),
                Ok(Err(_)) | Err(_) => Event::Ignored(Invalid::NotWhole),
            };
            let _ = events.try_send(event);
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).keep_alive(false);
    // A broken connection is the sender's business.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

fn read(signatures: Option<&Signatures>, headers: &HeaderMap, body: &[u8]) -> Event {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(signatures) = signatures
        && let Err(invalid) = signatures.check(header(SIGNATURE), header(TIMESTAMP), body, Timestamp::now())
    {
        return Event::Ignored(invalid);
    }
    conversation_of(body).map_or(Event::Other, Event::Happened)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::secret::Secret;

    async fn started(secret: Option<&str>) -> (SocketAddr, mpsc::Receiver<Event>) {
        let signatures = secret.map(|secret| Signatures::new(&Secret::new(secret.to_owned())));
        let receiver = Receiver::bind(([127, 0, 0, 1], 0).into(), signatures).await.unwrap();
        let address = receiver.local_addr().unwrap();
        let (sender, events) = mpsc::channel(16);
        tokio::spawn(receiver.serve(sender));
        (address, events)
    }

    /// Sends these bytes, and gives all that comes back.
    async fn answer(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // A server that has heard enough closes; the rest is not wanted.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn post(body: &str) -> Vec<u8> {
        format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    #[tokio::test]
    async fn whatever_comes_is_thanked_for_with_nothing() {
        let (address, mut events) = started(None).await;
        for (request, event) in [
            (post(r#"{"event":"message_created","conversation":{"id":7}}"#), Event::Happened(ConversationId(7))),
            (post("no json"), Event::Other),
            (b"GET /favicon.ico HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(), Event::Other),
            (b"DELETE /x HTTP/1.0\r\n\r\n".to_vec(), Event::Other),
        ] {
            let answer = answer(address, &request).await;
            assert!(answer.starts_with("HTTP/1.") && answer.contains(" 200 OK"), "{answer}");
            assert!(answer.ends_with("\r\n\r\n"), "an empty body: {answer}");
            assert_eq!(events.recv().await, Some(event));
        }
    }

    #[tokio::test]
    async fn with_a_secret_what_is_not_signed_is_thanked_for_and_not_believed() {
        let (address, mut events) = started(Some("wh-s3cret")).await;
        let answer = answer(address, &post(r#"{"event":"message_created","conversation":{"id":7}}"#)).await;
        assert!(answer.contains(" 200 OK"), "{answer}");
        assert_eq!(events.recv().await, Some(Event::Ignored(Invalid::Unsigned)));
    }

    #[tokio::test]
    async fn a_body_without_end_is_cut_off() {
        let (address, mut events) = started(None).await;
        let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10000000\r\n\r\n";
        let request = [head.as_bytes(), &vec![b' '; 2 * MAX_BODY_BYTES]].concat();
        answer(address, &request).await;
        assert_eq!(events.recv().await, Some(Event::Ignored(Invalid::NotWhole)));
    }

    #[tokio::test]
    async fn slow_senders_hold_up_nobody() {
        let (address, mut events) = started(None).await;
        let mut slow = Vec::new();
        for _ in 0..50 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab").await.unwrap();
            slow.push(stream);
        }
        let quick = answer(address, &post(r#"{"event":"message_created","conversation":{"id":7}}"#)).await;
        assert!(quick.contains(" 200 OK"), "{quick}");
        assert_eq!(events.recv().await, Some(Event::Happened(ConversationId(7))));
    }

    #[tokio::test]
    async fn more_events_than_anybody_takes_are_dropped_and_thanked_for() {
        let (address, events) = started(None).await;
        for _ in 0..40 {
            let answer = answer(address, &post("{}")).await;
            assert!(answer.contains(" 200 OK"), "{answer}");
        }
        assert_eq!(events.len(), 16);
    }
}
