//! The handler: what becomes of one request. It is judged in one go, without waiting for anything: is it let in, does the
//! script have a fault for it, what does it do to the account, what does the journal say, what is answered.

use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::faults::{Action, Canned, Facts, Faults, InjectedFault, Kind};
use super::journal::{Entry, Journal};
use super::receipts::{Event, Events, Receipts};
use super::request::{ApiRequest, Body, Route};
use super::responses::{self, Answer};
use super::script::{Credentials, Script};
use super::search::Search;
use super::state::{Account, Contact, Draft, Refusal, Timing};
use super::templates::{self, Failure, Template};
use super::webhook::{self, WebhookEvent};

/// A message may be this long.
const CONTENT_LIMIT: usize = 150_000;
const UPLOADS_LIMIT: usize = 15;
/// A template that WhatsApp refuses late is refused after so long.
const LATE_REFUSAL: Duration = Duration::from_millis(100);
const SOURCE_ID_WARNING: &str =
    "source_id marks a message as one that came from the channel: the real service answers `sent` and never sends it";

/// Everything that the connections of one sandbox share.
pub(super) struct Handler {
    pub(super) credentials: Option<Credentials>,
    pub(super) templates: Option<Vec<Template>>,
    checks_templates_late: bool,
    receipts: Receipts,
    faults: Faults,
    account: Mutex<Account>,
    journal: Option<Journal>,
    /// Why the journal could not be written.
    broken: Mutex<Option<io::Error>>,
    /// Becomes true when the server is to go: late answers are not waited for any longer.
    closing: watch::Sender<bool>,
    started: Instant,
    started_at: jiff::Timestamp,
    /// When the first request came, in microseconds since the start.
    first: OnceLock<u64>,
}

/// What is done about a request.
pub(super) struct Decision {
    pub(super) delay: Duration,
    /// `None`: close the connection without a reply.
    pub(super) reply: Option<Reply>,
}

/// What is written to the connection.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// What carrying out a request came to; at first, nothing.
#[derive(Default)]
pub(super) struct Outcome {
    reply: Option<Reply>,
    accepted: bool,
    ids: Map<String, Value>,
    fault: Option<usize>,
    warning: Option<&'static str>,
}

impl Outcome {
    fn refused(answer: Answer) -> Self {
        Self { reply: Some(answer.into()), ..Self::default() }
    }

    /// The same deed with another reply.
    fn but(self, reply: Option<Reply>) -> Self {
        Self { reply, ..self }
    }

    pub(super) fn accepted<const N: usize>(body: Value, ids: [(&str, u64); N]) -> Self {
        let ids = ids.into_iter().map(|(name, id)| (name.to_owned(), json!(id))).collect();
        Self { accepted: true, ids, ..Self::refused((StatusCode::OK, body)) }
    }
}

impl From<Answer> for Reply {
    fn from((status, body): Answer) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        Self { status, headers, body: body.to_string() }
    }
}

impl From<&Canned> for Reply {
    fn from(canned: &Canned) -> Self {
        Self { status: canned.status, headers: canned.headers.clone(), body: canned.body.clone() }
    }
}

impl Handler {
    pub(super) fn new(script: Script, journal: Option<Box<dyn io::Write + Send>>) -> Self {
        let account = Account::new(script.strict);
        Self {
            credentials: script.credentials,
            templates: script.templates,
            checks_templates_late: script.late_templates,
            receipts: Receipts::new(script.receipts),
            faults: Faults::new(script.faults),
            account: Mutex::new(if script.webhook.is_some() { account.with_events() } else { account }),
            journal: journal.map(Journal::new),
            broken: Mutex::new(None),
            closing: watch::Sender::new(false),
            started: Instant::now(),
            started_at: jiff::Timestamp::now(),
            first: OnceLock::new(),
        }
    }

    /// The time, by one clock for the journal and for the account.
    pub(super) fn now(&self) -> Timing {
        let elapsed = self.started.elapsed().as_micros();
        let since_start = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let unix = self.started_at.as_microsecond().saturating_add(i64::try_from(elapsed).unwrap_or(i64::MAX));
        Timing { since_start, unix }
    }

    /// What has happened since the last call, for the webhook.
    pub(super) fn take_events(&self) -> Vec<WebhookEvent> {
        let mut account = self.account();
        account.settle(self.now());
        account.take_events()
    }

    pub(super) fn webhook_body(&self, event: WebhookEvent) -> Value {
        let account = self.account();
        let draft = account.message(event.message).map(|message| &message.draft);
        let content = draft.and_then(|draft| draft.content.as_deref());
        webhook::body(event, content, draft.is_some_and(|draft| draft.message_type == 0))
    }

    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Comes back when the server is to go.
    pub(super) async fn closed(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// What made the journal fail, once.
    pub(super) fn journal_error(&self) -> Option<io::Error> {
        self.broken.lock().take()
    }

    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock()
    }

    /// Decides about a request, carries it out and writes it into the journal.
    pub(super) fn handle(&self, call: &ApiRequest, is_authorized: bool, arrived: Timing) -> Decision {
        let first = self.first.get_or_init(|| arrived.since_start);
        let after_first = Duration::from_micros(arrived.since_start.saturating_sub(*first));
        self.account().settle(arrived);
        let picked = if is_authorized { self.fault_for(call, after_first) } else { None };
        let fault = picked.map(|(_, fault)| fault);
        let mut outcome = match fault.map(|fault| &fault.action) {
            _ if !is_authorized => Outcome::refused(responses::sign_in()),
            None | Some(Action::None) => self.carry_out(call, None, arrived),
            Some(Action::Fail(failure)) => self.carry_out(call, Some(failure), arrived),
            Some(Action::Hangup { accept }) => self.carry_out_if(*accept, call, arrived).but(None),
            Some(Action::Answer(canned)) => self.carry_out_if(canned.accept, call, arrived).but(Some(canned.into())),
        };
        outcome.fault = picked.map(|(position, _)| position);
        let reply =
            if self.write(call, arrived, &outcome) { outcome.reply } else { Some(responses::journal_broken().into()) };
        Decision { delay: fault.map(|fault| fault.delay).unwrap_or_default(), reply }
    }

    /// Writes the journal's line. When that fails there is no use in going on: the server closes.
    fn write(&self, call: &ApiRequest, arrived: Timing, outcome: &Outcome) -> bool {
        let Some(journal) = &self.journal else {
            return true;
        };
        let at = jiff::Timestamp::from_microsecond(arrived.unix).unwrap_or(self.started_at);
        let entry = Entry {
            at: format!("{at:.6}"),
            t_us: arrived.since_start,
            kind: kind(call).name(),
            method: &call.method,
            path: &call.path,
            query: call.raw_query.as_deref(),
            body: call.body.journaled(),
            accepted: outcome.accepted,
            status: outcome.reply.as_ref().map(|reply| reply.status.as_u16()),
            answer: &outcome.ids,
            fault: outcome.fault,
            warning: outcome.warning,
        };
        let Err(error) = journal.write(&entry) else {
            return true;
        };
        self.broken.lock().get_or_insert(error);
        self.close();
        false
    }

    fn fault_for(&self, call: &ApiRequest, after_first: Duration) -> Option<(usize, &InjectedFault)> {
        if self.faults.is_empty() {
            return None;
        }
        self.faults.pick(kind(call), &Facts { after_first, ..self.facts(call) })
    }

    /// The same with the time since the first request.
    fn facts_at(&self, call: &ApiRequest, now: Timing) -> Facts {
        let first = self.first.get().copied().unwrap_or_default();
        Facts { after_first: Duration::from_micros(now.since_start.saturating_sub(first)), ..self.facts(call) }
    }

    /// What the request is about, with what is known of the conversation and the contact that it names.
    fn facts(&self, call: &ApiRequest) -> Facts {
        let mut facts =
            Facts { content: call.text("content"), contact_id: call.text("contact_id"), ..Facts::default() };
        let account = self.account();
        match &call.route {
            Route::Contact => {
                facts.phone_number = call.text("phone_number");
                facts.email = call.text("email");
                facts.identifier = call.text("identifier");
            }
            Route::Search => {
                let q = call.query("q");
                (facts.phone_number, facts.email, facts.identifier) = (q.clone(), q.clone(), q);
            }
            Route::Message { conversation } | Route::Retry { conversation, .. } => {
                let known = conversation.parse().ok().and_then(|id| account.conversation(id));
                let contact = known.and_then(|known| known.contact_id);
                facts.contact_id = contact.map(|id| id.to_string());
                facts.conversation_id = Some(conversation.clone());
            }
            Route::ReadMessages { conversation } => facts.conversation_id = Some(conversation.clone()),
            Route::Conversation
            | Route::ListConversations
            | Route::ReadInbox { .. }
            | Route::Unknown
            | Route::WrongMethod => {}
        }
        let contact = facts.contact_id.as_deref().and_then(|id| id.parse().ok()).and_then(|id| account.contact(id));
        if let Some(contact) = contact {
            facts.phone_number.clone_from(&contact.phone_number);
            facts.email.clone_from(&contact.email);
            facts.identifier.clone_from(&contact.identifier);
        }
        facts
    }

    fn carry_out_if(&self, accept: bool, call: &ApiRequest, now: Timing) -> Outcome {
        if accept { self.carry_out(call, None, now) } else { Outcome::default() }
    }

    fn carry_out(&self, call: &ApiRequest, failure: Option<&Failure>, now: Timing) -> Outcome {
        let done = match &call.route {
            Route::Unknown => return Outcome::refused(responses::no_route(StatusCode::NOT_FOUND)),
            Route::WrongMethod => {
                return Outcome::refused(responses::no_route(StatusCode::METHOD_NOT_ALLOWED));
            }
            _ if matches!(call.body, Body::Broken(_)) => Err(Refusal::Unreadable),
            Route::Contact => self.create_contact(call, now),
            Route::Search => Ok(self.search(call)),
            Route::Conversation => self.open(call, now),
            Route::Message { conversation } => self.post(call, conversation, failure, now),
            Route::Retry { conversation, message } => self.retry(conversation, message, failure, now),
            Route::ReadMessages { conversation } => self.read_messages(call, conversation),
            Route::ListConversations => Ok(self.list_conversations(call, now)),
            Route::ReadInbox { inbox } => self.read_inbox(inbox),
        };
        done.unwrap_or_else(|refusal| Outcome::refused(responses::refusal(&refusal)))
    }

    fn create_contact(&self, call: &ApiRequest, now: Timing) -> Result<Outcome, Refusal> {
        inbox(call)?;
        let wanted = Contact {
            name: call.text("name"),
            email: call.text("email"),
            phone_number: call.text("phone_number"),
            identifier: call.text("identifier"),
            avatar_url: call.text("avatar_url"),
            ..Contact::default()
        };
        let mut account = self.account();
        let contact = account.create_contact(wanted, now)?;
        Ok(Outcome::accepted(responses::contact_created(contact), [("contact_id", contact.id)]))
    }

    fn search(&self, call: &ApiRequest) -> Outcome {
        let page = call.query("page");
        let search = Search {
            q: call.query("q"),
            sort: call.query("sort"),
            descending: call.query("direction").as_deref() == Some("desc"),
            page: page.as_deref().and_then(|page| page.parse().ok()).unwrap_or(1),
        };
        let account = self.account();
        let (count, found) = search.run(account.contacts());
        Outcome::accepted(responses::contacts(count, page.as_deref(), &found), [])
    }

    fn open(&self, call: &ApiRequest, now: Timing) -> Result<Outcome, Refusal> {
        let inbox = inbox(call)?;
        let contact_id = call.id("contact_id")?;
        let source_id = call.text("source_id");
        let mut account = self.account();
        let id = account.open(inbox, contact_id, source_id.as_deref(), now)?;
        let conversation = account.conversation(id).ok_or(Refusal::NotFound)?;
        let contact = conversation.contact_id.and_then(|id| account.contact(id)).ok_or(Refusal::NotFound)?;
        let ids = [("contact_id", contact.id), ("conversation_id", conversation.id)];
        Ok(Outcome::accepted(responses::conversation(conversation, Some(contact)), ids))
    }

    fn post(&self, call: &ApiRequest, id: &str, failure: Option<&Failure>, now: Timing) -> Result<Outcome, Refusal> {
        let id = id.parse().map_err(|_| Refusal::NotFound)?;
        let mut draft = draft(call)?;
        let broken_rule = match (&self.templates, &draft.template) {
            (Some(registry), Some(params)) => templates::check(registry, params).err(),
            _ => None,
        };
        let (broken_at_once, broken_later) =
            if self.checks_templates_late { (None, broken_rule) } else { (broken_rule, None) };
        draft.failure = failure.cloned().or(broken_at_once);
        // The account remembers what it will be asked for again: a benchmark brings millions of these.
        draft.template = draft.template.as_ref().map(responses::named);
        let warning = draft.source_id.is_some().then_some(SOURCE_ID_WARNING);
        let leaves = draft.message_type == 1 && !draft.private && draft.source_id.is_none() && draft.failure.is_none();
        let facts = if leaves && !self.receipts.is_empty() { self.facts_at(call, now) } else { Facts::default() };
        let mut account = self.account();
        let message_id = account.post(id, draft, now)?;
        if leaves {
            let late = broken_later.map(|failure| Events::from([(LATE_REFUSAL, Event::Failed(failure))]));
            account.plan(message_id, late.as_ref().unwrap_or_else(|| self.receipts.of(&facts)), now);
        }
        let ids = [("conversation_id", id), ("message_id", message_id)];
        let message = account.message(message_id).ok_or(Refusal::NotFound)?;
        let contact = message.contact_id.and_then(|id| account.contact(id));
        Ok(Outcome { warning, ..Outcome::accepted(responses::message_created(message, contact), ids) })
    }

    fn retry(
        &self,
        conversation: &str,
        message: &str,
        failure: Option<&Failure>,
        now: Timing,
    ) -> Result<Outcome, Refusal> {
        let conversation = conversation.parse().map_err(|_| Refusal::NotFound)?;
        let id = message.parse().map_err(|_| Refusal::NotFound)?;
        let mut account = self.account();
        if account.retry(conversation, id, failure.cloned())? {
            account.plan(id, self.receipts.of(&Facts::default()), now);
        }
        let message = account.message(id).ok_or(Refusal::NotFound)?;
        let contact = message.contact_id.and_then(|id| account.contact(id));
        let ids = [("conversation_id", conversation), ("message_id", id)];
        Ok(Outcome::accepted(responses::message(message, contact), ids))
    }
}

fn kind(call: &ApiRequest) -> Kind {
    match &call.route {
        Route::Contact => Kind::Contact,
        Route::Search => Kind::Search,
        Route::Conversation => Kind::Conversation,
        Route::Message { .. } => Kind::Message,
        Route::Retry { .. } => Kind::Retry,
        Route::ReadMessages { .. } => Kind::ReadMessages,
        Route::ListConversations if call.query("updated_within").is_some() => Kind::ListUpdated,
        Route::ListConversations => Kind::ListConversations,
        Route::ReadInbox { .. } => Kind::ReadInbox,
        Route::Unknown | Route::WrongMethod => Kind::Any,
    }
}

fn inbox(call: &ApiRequest) -> Result<u64, Refusal> {
    call.id("inbox_id")?.ok_or(Refusal::Missing("inbox_id"))
}

/// The message that a request asks for, checked as far as that can be done without the account.
fn draft(call: &ApiRequest) -> Result<Draft, Refusal> {
    let content = match call.field("content") {
        Some(Value::String(text)) => Some(text.clone()),
        _ => call.text("content"),
    };
    if content.as_ref().is_some_and(|content| content.chars().count() > CONTENT_LIMIT) {
        let text = format!("Content is too long (maximum is {CONTENT_LIMIT} characters)");
        return Err(Refusal::Validation(text));
    }
    let uploads: Vec<_> = call.uploads().iter().filter(|upload| upload.name == "attachments[]").cloned().collect();
    if uploads.len() > UPLOADS_LIMIT {
        return Err(Refusal::Validation("Attachments exceeded maximum allowed".to_owned()));
    }
    let template = call.field("template_params").cloned();
    if let Some(params) = &template {
        templates::check_shape(params).map_err(Refusal::Validation)?;
    }
    Ok(Draft {
        content,
        message_type: message_type(call.field("message_type"))?,
        private: call.text("private").as_deref() == Some("true"),
        template,
        source_id: call.text("source_id"),
        uploads,
        failure: None,
    })
}

fn message_type(given: Option<&Value>) -> Result<u8, Refusal> {
    let word = match given {
        None | Some(Value::Null) => return Ok(1),
        Some(Value::String(word)) => word.clone(),
        Some(other) => other.to_string(),
    };
    match word.as_str() {
        "incoming" => Ok(0),
        "outgoing" => Ok(1),
        "activity" => Ok(2),
        "template" => Ok(3),
        _ => Err(Refusal::Word { word, field: "message_type" }),
    }
}
