//! One request at a time over real HTTP, and what the transport knows of it afterwards.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{ACCEPT, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::multipart::{Form, Part};
use reqwest::redirect::Policy;
use serde_json::Value;

use super::answer::{Answer, Attribute, ContactReply, Exchange, Owner, Reply, Sent, one_line};
use super::request::{self, Id, Request};
use crate::attachment::Attachment;
use crate::ledger::Claim;
use crate::message::{Contact, Message};
use crate::problem::with_causes;
use crate::secret::Secret;
use crate::state::{ContactId, ConversationId, Failure, InboxId, MessageId};

/// As much of a body as is read: an answer that matters is far smaller.
const LARGEST_BODY: usize = 1024 * 1024;

/// Idle connections are given up before the server does, so that a request rarely meets a closing one.
const IDLE: Duration = Duration::from_secs(15);

/// The key pair of a project.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The API key.
    pub key: Secret<String>,
    /// The API secret.
    pub secret: Secret<String>,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From the request to the end of the answer.
    pub answer: Duration,
    /// Until a connection stands.
    pub connect: Duration,
}

/// A connection pool to one LiveDesk project.
pub struct Client {
    http: reqwest::Client,
    base_url: String,
    credentials: Credentials,
    watcher: Option<Watcher>,
}

/// Is told of each request and how it was answered, without a word of what either held.
pub type Watcher = Box<dyn Fn(&str)>;

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl Client {
    /// Prepares to talk to `base_url`; connects to nothing yet.
    ///
    /// # Errors
    /// The system's TLS set-up cannot be used.
    pub fn new(base_url: &str, credentials: Credentials, timeouts: Timeouts) -> Result<Self, String> {
        // An error only says that somebody installed a provider before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            // No request is ever repeated behind our back: not by redirect, not by retry, not by a proxy.
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .timeout(timeouts.answer)
            .connect_timeout(timeouts.connect)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .user_agent(concat!("campaign/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]))
            .build()
            .map_err(|error| chain(&error))?;
        Ok(Self { http, base_url: base_url.to_owned(), credentials, watcher: None })
    }

    /// The same, telling of each request.
    #[must_use]
    pub fn watched_by(self, watcher: Watcher) -> Self {
        Self { watcher: Some(watcher), ..self }
    }

    /// Makes a contact.
    pub async fn create_contact(&self, inbox_id: InboxId, contact: &Contact) -> Reply<ContactReply> {
        self.exchange(request::create_contact(inbox_id, contact), Vec::new()).await.contact()
    }

    /// One page of the contacts who have exactly this, and whether a further page is worth asking for.
    pub async fn find_contact(&self, attribute: Attribute, value: &str, page: u32) -> Reply<(Vec<Owner>, bool)> {
        self.exchange(request::find_contact(value, page), Vec::new()).await.matches(attribute, value)
    }

    /// Asks for something harmless that belongs to no recipient: whether the server answers, and authorizes us.
    pub async fn probe(&self) -> Reply<()> {
        self.exchange(request::probe(), Vec::new()).await.authorization()
    }

    /// Makes a conversation.
    pub async fn create_conversation(
        &self,
        inbox_id: InboxId,
        contact_id: Option<ContactId>,
        source_id: Option<&str>,
    ) -> Reply<ConversationId> {
        let request = request::create_conversation(inbox_id, contact_id.map(Id::Known), source_id);
        self.exchange(request, Vec::new()).await.conversation()
    }

    /// Sends a message. The claim is the proof that the intent is on disk, and says into which conversation.
    pub async fn send(&self, claim: &Claim, message: &Message, attachments: Vec<Attachment>) -> Reply<Sent> {
        let request = request::create_message(Id::Known(claim.conversation_id()), message);
        self.exchange(request, attachments).await.message()
    }

    /// Asks for a message that failed at once to be sent again, as it is. LiveDesk may send it again only in that case: one
    /// that failed later, on the way, would be called sent and not be sent.
    pub async fn send_again(&self, claim: &Claim, message_id: MessageId) -> Reply<Sent> {
        let request = request::retry_message(claim.conversation_id(), message_id);
        self.exchange(request, Vec::new()).await.message()
    }

    async fn exchange(&self, request: Request, attachments: Vec<Attachment>) -> Exchange {
        let Some(watcher) = &self.watcher else { return self.exchange_unseen(request, attachments).await };
        let (line, began) = (request.to_string(), Instant::now());
        let exchange = self.exchange_unseen(request, attachments).await;
        watcher(&format!("{line} -> {exchange} in {} ms", began.elapsed().as_millis()));
        exchange
    }

    async fn exchange_unseen(&self, request: Request, attachments: Vec<Attachment>) -> Exchange {
        match self.ask(request, attachments).await {
            Ok(answer) => Exchange::Answered(answer),
            // Refused, no such host, no TLS: nothing of the request has left.
            Err(error) if error.is_connect() || error.is_builder() => Exchange::NotSent(chain(&error)),
            Err(error) if error.is_timeout() => Exchange::Lost(Failure::new("timeout", "no answer in time")),
            Err(error) => {
                let text = format!("the connection broke before the answer was whole ({})", chain(&error));
                Exchange::Lost(Failure::new("connection-lost", text))
            }
        }
    }

    async fn ask(&self, request: Request, attachments: Vec<Attachment>) -> Result<Answer, reqwest::Error> {
        let url = format!("{}{}", self.base_url, request.path);
        let builder = if request.method == "GET" { self.http.get(url) } else { self.http.post(url) };
        let builder = builder
            .basic_auth(self.credentials.key.expose(), Some(self.credentials.secret.expose()))
            .query(&request.query);
        let builder = match request.body {
            Some(fields) if !attachments.is_empty() => builder.multipart(form(&fields, attachments)?),
            Some(body) => builder.json(&body),
            None => builder,
        };
        let mut response = builder.send().await?;
        let header =
            |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
        let (status, retry_after, date) = (response.status().as_u16(), header(RETRY_AFTER), header(DATE));
        let mut body = Vec::new();
        while body.len() < LARGEST_BODY {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                // A refusal is certain by its status, whatever became of its text.
                Err(_) if !response.status().is_success() => break,
                Err(error) => return Err(error),
            }
        }
        body.truncate(LARGEST_BODY);
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status, retry_after, date, came: Timestamp::now(), body })
    }
}

/// A multipart form: the files under `attachments[]`, texts as they are, everything else as JSON.
fn form(fields: &Value, attachments: Vec<Attachment>) -> Result<Form, reqwest::Error> {
    let mut form = Form::new();
    for (name, value) in fields.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        form = form.text(name.clone(), text);
    }
    for attachment in attachments {
        let part = Part::bytes(attachment.bytes).file_name(attachment.name).mime_str(&attachment.media_type)?;
        form = form.part("attachments[]", part);
    }
    Ok(form)
}

/// An error with its causes, and without the address: that may hold what was searched for.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let text = with_causes(error);
    let Some((before, rest)) = text.split_once(" for url (") else { return one_line(&text) };
    let after = rest.split_once(')').map_or("", |(_, after)| after);
    one_line(&format!("{before}{after}"))
}
