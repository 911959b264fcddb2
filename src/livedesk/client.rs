//! One request at a time over real HTTP, and what the transport knows of it afterwards.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::multipart::{Form, Part};
use reqwest::redirect::Policy;
use ring::digest::{Context, SHA256};
use serde_json::Value;

use super::answer::{
    Answer, Attribute, ContactReply, Conversation, ConversationRequest, Exchange, MessageRequest, Owner, Reply, Sent,
    one_line,
};
use super::deadline::{Deadline, ExchangeError};
use super::recent_ids::RecentIds;
use super::request::{self, Id, Request};
use super::request_ids::{self, RequestIds};
use crate::attachment::Attachment;
use crate::codes;
use crate::ledger::{Claim, Position};
use crate::message::{Contact, Message};
use crate::problem::with_causes;
use crate::secret::{Redactor, Secret};
use crate::state::{ContactId, ConversationId, Failure, InboxId, MessageId};

/// As much of a body as is read: an answer that matters is far smaller.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// How long a connection may have been idle that a request which may be repeated goes out on.
const IDLE: Duration = Duration::from_secs(15);

/// The same for a message. The server closes an idle connection when it likes; a message that meets the closing is lost
/// without having arrived, and `unknown`. Servers wait for a second or more, and the news travels for some 100 ms.
const IDLE_FOR_MESSAGE: Duration = Duration::from_millis(500);

/// A server that keeps connections for no longer than this, in seconds, says so too short before it closes them.
const SHORT_KEEP_ALIVE: u64 = 1;

/// The header of that.
const KEEP_ALIVE: &str = "keep-alive";

/// The code of a connection that broke before the answer was whole.
const CONNECTION_LOST: &str = "connection-lost";

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
    /// From when the request may have left to the end of the answer.
    pub answer: Duration,
    /// Until there is a connection.
    pub connect: Duration,
}

/// Connections to one LiveDesk project.
///
/// hyper looks at how long a connection has been idle when it takes it out of its pool, so each pool has its own limit.
struct Connections {
    /// For what may be repeated.
    repeatable: reqwest::Client,
    /// For messages: never on a connection that may be closing.
    for_messages: reqwest::Client,
    /// A new connection for each request.
    one_shot: reqwest::Client,
    /// Whether connections may not be reused any more: the server closes them at once, closed one under a message, or
    /// gave an answer to another request over one.
    reuse_disabled: AtomicBool,
}

impl Connections {
    fn new(connect_timeout: Duration) -> Result<Self, reqwest::Error> {
        let client = |idle, most| {
            reqwest::Client::builder()
                // No request is ever repeated behind our back: not by redirect, not by retry, not by a proxy.
                .redirect(Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                .connect_timeout(connect_timeout)
                .pool_idle_timeout(idle)
                .pool_max_idle_per_host(most)
                .tcp_nodelay(true)
                .user_agent(concat!("campaign/", env!("CARGO_PKG_VERSION")))
                .default_headers(HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]))
                .build()
        };
        Ok(Self {
            repeatable: client(IDLE, usize::MAX)?,
            for_messages: client(IDLE_FOR_MESSAGE, usize::MAX)?,
            one_shot: client(IDLE, 0)?,
            reuse_disabled: AtomicBool::default(),
        })
    }

    fn client_for(&self, is_message: bool) -> &reqwest::Client {
        match (self.is_reuse_disabled(), is_message) {
            (true, _) => &self.one_shot,
            (false, true) => &self.for_messages,
            (false, false) => &self.repeatable,
        }
    }

    fn is_reuse_disabled(&self) -> bool {
        self.reuse_disabled.load(Ordering::Relaxed)
    }

    fn disable_reuse(&self) {
        self.reuse_disabled.store(true, Ordering::Relaxed);
    }
}

/// The ids that LiveDesk gave in this run, and for whom.
#[derive(Debug, Default)]
struct IssuedIds {
    /// Contacts that were made, for what makes a contact unique: e-mail address, phone number, identifier.
    contacts: RecentIds<ContactId, [Option<String>; 3]>,
    /// Conversations, for the contact or its id in the channel.
    conversations: RecentIds<ConversationId, (InboxId, Option<ContactId>, Option<String>)>,
    /// Messages, for the delivery.
    messages: RecentIds<MessageId, Position>,
}

/// A way to one LiveDesk project.
pub struct Client {
    connections: Connections,
    issued: RefCell<IssuedIds>,
    request_ids: RequestIds,
    redactor: Redactor,
    base_url: String,
    credentials: Credentials,
    answer_timeout: Duration,
    observers: Vec<Box<dyn RequestObserver>>,
}

/// Sees each request when it begins and when it ends.
pub trait RequestObserver {
    /// A request begins: it waits for a connection, or leaves.
    fn began(&self, request: &Request);

    /// It has ended, after so long.
    fn ended(&self, request: &Request, exchange: &Exchange, took: Duration);
}

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
        let connections = Connections::new(timeouts.connect).map_err(|error| chain(&error))?;
        let redactor = Redactor::of_basic_auth(&credentials.key, &credentials.secret);
        let (base_url, answer_timeout) = (base_url.to_owned(), timeouts.answer);
        let issued = RefCell::default();
        Ok(Self {
            connections,
            issued,
            request_ids: RequestIds::new(),
            redactor,
            base_url,
            credentials,
            answer_timeout,
            observers: Vec::new(),
        })
    }

    /// Which project this is, by its base URL and key: a hash, which tells nobody the key.
    pub fn project(&self) -> String {
        let mut context = Context::new(&SHA256);
        for part in [self.base_url.trim_end_matches('/'), "\n", self.credentials.key.expose()] {
            context.update(part.as_bytes());
        }
        HEXLOWER.encode(context.finish().as_ref())
    }

    /// The same with one more observer of its requests.
    #[must_use]
    pub fn observed_by(mut self, observer: impl RequestObserver + 'static) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Makes a contact.
    pub async fn create_contact(&self, inbox_id: InboxId, contact: &Contact) -> Reply<ContactReply> {
        let request = request::create_contact(inbox_id, contact);
        self.repeatable(request, |exchange| self.unique_contact(exchange.contact(contact), contact)).await
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
    pub async fn create_conversation(&self, asked: ConversationRequest<'_>) -> Reply<Conversation> {
        let request = request::create_conversation(asked.inbox_id, asked.contact_id.map(Id::Known), asked.source_id);
        self.repeatable(request, |exchange| self.unique_conversation(exchange.conversation(asked), asked)).await
    }

    /// Sends a message. The claim is the proof that the intent is on disk, and says into which conversation.
    pub async fn send(&self, claim: &Claim, message: &Message, attachments: Vec<Attachment>) -> Reply<Sent> {
        let asked = MessageRequest { conversation_id: claim.conversation_id(), message_id: None };
        let request = request::create_message(Id::Known(asked.conversation_id), message);
        self.message(request, attachments, asked, claim.lease().position()).await
    }

    /// Asks for a message that failed at once to be sent again, as it is. LiveDesk may send it again only in that case:
    /// one that failed later, on the way, would be called sent and not be sent.
    pub async fn send_again(&self, claim: &Claim, message_id: MessageId) -> Reply<Sent> {
        let asked = MessageRequest { conversation_id: claim.conversation_id(), message_id: Some(message_id) };
        let request = request::retry_message(asked.conversation_id, message_id);
        self.message(request, Vec::new(), asked, claim.lease().position()).await
    }

    /// The reply, unless the contact in it was made for somebody else before.
    fn unique_contact(&self, reply: Reply<ContactReply>, contact: &Contact) -> Reply<ContactReply> {
        let Reply::Done(ContactReply::Created(Owner { id, .. })) = reply else { return reply };
        let Contact { email, phone_number, identifier, .. } = contact.clone();
        if self.issued.borrow_mut().contacts.admits(id, [email, phone_number, identifier]) {
            return reply;
        }
        let text = format!("LiveDesk returned contact {id}, which it created for another row before");
        Reply::Refused(Failure::new(codes::CONTACT_CONFLICT, text))
    }

    /// The reply, unless the conversation in it was given for somebody else before.
    fn unique_conversation(&self, reply: Reply<Conversation>, asked: ConversationRequest<'_>) -> Reply<Conversation> {
        let Reply::Done(Conversation { id, .. }) = reply else { return reply };
        let owner = (asked.inbox_id, asked.contact_id, asked.source_id.map(str::to_owned));
        if self.issued.borrow_mut().conversations.admits(id, owner) {
            return reply;
        }
        let text = format!("LiveDesk returned conversation {id}, which it returned for another recipient before");
        Reply::Refused(Failure::new(codes::CONVERSATION_CONFLICT, text))
    }

    /// A request that may be made again. An answer about something else may belong to another request while connections
    /// are reused, so that is doubt; it is a conflict when it comes over a connection of its own.
    async fn repeatable<T>(&self, request: Request, read: impl FnOnce(Exchange) -> Reply<T>) -> Reply<T> {
        let is_single = self.connections.is_reuse_disabled();
        match self.checked(read(self.exchange(request, Vec::new()).await)) {
            Reply::Refused(failure) if codes::is_conflict(&failure.code) && !is_single => Reply::Unknown(failure),
            reply => reply,
        }
    }

    async fn message(
        &self,
        request: Request,
        attachments: Vec<Attachment>,
        asked: MessageRequest,
        delivery: Position,
    ) -> Reply<Sent> {
        let exchange = self.exchange(request, attachments).await;
        if matches!(&exchange, Exchange::Lost(failure) if failure.code == CONNECTION_LOST) {
            self.connections.disable_reuse();
        }
        let reply = exchange.message(asked);
        match reply.message_id() {
            Some(id) if !self.issued.borrow_mut().messages.admits(id, delivery) => {
                let text = format!("the answer is about message {id}, which is another recipient's");
                self.checked(Reply::Unknown(Failure::new(codes::MISMATCH, text)))
            }
            _ => self.checked(reply),
        }
    }

    /// The reply. If it is about something else, an answer has come over a connection that was not for the request on
    /// it, and another one may follow: no connection is used twice any more.
    fn checked<T>(&self, reply: Reply<T>) -> Reply<T> {
        if reply.is_about_something_else() {
            self.connections.disable_reuse();
        }
        reply
    }

    pub(super) async fn exchange(&self, request: Request, attachments: Vec<Attachment>) -> Exchange {
        let began = Instant::now();
        self.observers.iter().for_each(|observer| observer.began(&request));
        let exchange = self.exchange_unseen(&request, attachments).await;
        self.observers.iter().for_each(|observer| observer.ended(&request, &exchange, began.elapsed()));
        exchange
    }

    async fn exchange_unseen(&self, request: &Request, attachments: Vec<Attachment>) -> Exchange {
        match self.ask(request, attachments).await {
            Ok(answer) => Exchange::Answered(answer),
            Err(ExchangeError::OfAnother) => {
                self.connections.disable_reuse();
                Exchange::Lost(Failure::new(codes::MISMATCH, "the answer is another request's"))
            }
            Err(ExchangeError::TimedOut) => Exchange::Lost(Failure::new("timeout", "no answer in time")),
            // Refused, no such host, no TLS, no connection in time: nothing of the request has left.
            Err(ExchangeError::Transport(error)) if error.is_connect() || error.is_builder() => {
                Exchange::NotSent(self.chain(&error))
            }
            Err(ExchangeError::Transport(error)) => {
                let text = format!("the connection broke before the answer was complete ({})", self.chain(&error));
                Exchange::Lost(Failure::new(CONNECTION_LOST, text))
            }
        }
    }

    async fn ask(&self, request: &Request, attachments: Vec<Attachment>) -> Result<Answer, ExchangeError> {
        let url = format!("{}{}", self.base_url, request.path);
        // A cache gives everybody the answer that the first one got.
        let may_be_cached = request.method == "GET";
        let id = self.request_ids.next();
        let http = self.connections.client_for(request.is_message());
        let builder = if request.method == "GET" { http.get(url) } else { http.post(url) };
        let builder = builder
            .basic_auth(self.credentials.key.expose(), Some(self.credentials.secret.expose()))
            .query(&request.query)
            .header(request_ids::HEADER, &id);
        let builder = match &request.body {
            Some(fields) if !attachments.is_empty() => builder.multipart(form(fields, attachments)?),
            Some(body) => builder.json(body),
            None => builder,
        };
        let mut request = builder.build()?;
        let mut deadline = Deadline::watch(&mut request, self.answer_timeout);
        let mut response = deadline.before(http.execute(request)).await?;
        let header =
            |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
        let (status, retry_after, date) = (response.status().as_u16(), header(RETRY_AFTER), header(DATE));
        if response.headers().get(KEEP_ALIVE).is_some_and(is_short) {
            self.connections.disable_reuse();
        }
        let limits = limits(response.headers(), &self.redactor);
        let found = header(HeaderName::from_static(request_ids::HEADER));
        if !may_be_cached && found.is_some_and(|found| self.request_ids.is_of_another(&id, &found)) {
            return Err(ExchangeError::OfAnother);
        }
        let mut body = Vec::new();
        while body.len() <= MAX_BODY_BYTES {
            match deadline.before(response.chunk()).await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                // A refusal is certain by its status, whatever became of its text.
                Err(_) if !response.status().is_success() => break,
                Err(error) => return Err(error),
            }
        }
        let is_cut = body.len() > MAX_BODY_BYTES;
        body.truncate(MAX_BODY_BYTES);
        let body = String::from_utf8_lossy(&body).into_owned();
        let redactor = self.redactor.clone();
        Ok(Answer { status, retry_after, date, limits, came: Timestamp::now(), body, is_cut, redactor })
    }

    fn chain(&self, error: &reqwest::Error) -> String {
        self.redactor.redact(&chain(error)).into_owned()
    }
}

/// The headers that name limits: `RateLimit-Limit`, `X-RateLimit-Remaining` and the like.
fn limits(headers: &HeaderMap, redactor: &Redactor) -> Vec<(String, String)> {
    const MAX_HEADERS: usize = 10;
    let is_limit = |name: &HeaderName| ["ratelimit", "rate-limit"].iter().any(|word| name.as_str().contains(word));
    let named = headers.iter().filter(|(name, _)| is_limit(name));
    let text = |value: &HeaderValue| one_line(&redactor.redact(value.to_str().unwrap_or_default()));
    named.take(MAX_HEADERS).map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// Whether a `Keep-Alive` header says that the connection will be closed soon.
fn is_short(keep_alive: &HeaderValue) -> bool {
    let parameters = keep_alive.to_str().unwrap_or_default().split(',');
    let mut timeouts = parameters.filter_map(|parameter| parameter.trim().strip_prefix("timeout="));
    timeouts.any(|seconds| seconds.trim_matches('"').parse().is_ok_and(|seconds: u64| seconds <= SHORT_KEEP_ALIVE))
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
