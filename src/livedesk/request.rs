//! The requests, as data: the client sends them and the dry run shows them, so both are the same.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::message::{Address, Contact, Delivery, Message};
use crate::state::{ContactId, ConversationId, InboxId, MessageId};

/// All paths begin with this. The key pair belongs to one project, so there is no account id in it.
const BASE: &str = "/api/v2/accounts";

/// What a request asks LiveDesk to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Makes a contact.
    CreateContact,
    /// Searches contacts.
    FindContact,
    /// Something harmless: does the server answer, and authorize us?
    Probe,
    /// Makes a conversation.
    CreateConversation,
    /// Sends a message.
    CreateMessage,
    /// Sends a message again that failed at once.
    RetryMessage,
    /// Reads messages of a conversation.
    ReadMessages,
    /// Lists conversations.
    ListConversations,
    /// Reads an inbox with its templates.
    ReadInbox,
}

impl Operation {
    /// Its name, as metrics have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CreateContact => "create_contact",
            Self::FindContact => "find_contact",
            Self::Probe => "probe",
            Self::CreateConversation => "create_conversation",
            Self::CreateMessage => "create_message",
            Self::RetryMessage => "retry_message",
            Self::ReadMessages => "read_messages",
            Self::ListConversations => "list_conversations",
            Self::ReadInbox => "read_inbox",
        }
    }
}

/// A request as it leaves.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    /// What it asks for.
    #[serde(skip)]
    pub operation: Operation,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path below the base URL.
    pub path: String,
    /// Query parameters, not yet encoded.
    #[serde(skip)]
    pub query: Vec<(&'static str, String)>,
    /// The JSON body; for a multipart request the fields of the form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The files of a multipart request; with any of them the request is multipart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<PathBuf>,
}

impl Request {
    /// Whether somebody would get it twice if it were made twice.
    pub fn is_message(&self) -> bool {
        matches!(self.operation, Operation::CreateMessage | Operation::RetryMessage)
    }
}

impl std::fmt::Display for Request {
    /// Method, path and query: what a log may say of it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        for (at, (name, value)) in self.query.iter().enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

/// An id, or the place of one that only the server will know: for showing a request before it is made.
#[derive(Debug, Clone, Copy)]
pub enum Id<T> {
    /// It is known.
    Known(T),
    /// It is not, and this stands for it.
    Later(&'static str),
}

impl<T: Serialize> Id<T> {
    fn json(&self) -> Value {
        match self {
            Self::Known(id) => json!(id),
            Self::Later(name) => json!(name),
        }
    }
}

impl<T: std::fmt::Display> std::fmt::Display for Id<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(id) => id.fmt(f),
            Self::Later(name) => f.write_str(name),
        }
    }
}

fn post(operation: Operation, path: String, body: Value) -> Request {
    Request { operation, method: "POST", path, query: Vec::new(), body: Some(body), attachments: Vec::new() }
}

/// Makes a contact.
pub fn create_contact(inbox_id: InboxId, contact: &Contact) -> Request {
    let mut body = Map::from_iter([("inbox_id".to_owned(), json!(inbox_id))]);
    if let Ok(Value::Object(fields)) = serde_json::to_value(contact) {
        body.extend(fields);
    }
    post(Operation::CreateContact, format!("{BASE}/contacts"), Value::Object(body))
}

/// Looks for contacts. The search is by substring, so every hit must be compared; pages count from 1.
pub fn find_contact(text: &str, page: u32) -> Request {
    let query = vec![("q", text.to_owned()), ("page", page.to_string())];
    get(Operation::FindContact, format!("{BASE}/contacts"), query)
}

/// Asks for the first page of contacts, of which nothing is used: whoever has a key pair may.
pub fn probe() -> Request {
    get(Operation::Probe, format!("{BASE}/contacts"), vec![("page", "1".to_owned())])
}

fn get(operation: Operation, path: String, query: Vec<(&'static str, String)>) -> Request {
    Request { operation, method: "GET", path, query, body: None, attachments: Vec::new() }
}

/// Reads the messages of a conversation with a higher id than `after`, at most 100, without notes of the system.
pub fn read_messages(conversation_id: ConversationId, after: MessageId) -> Request {
    let query = vec![("after", after.to_string()), ("filter_internal_messages", "1".to_owned())];
    get(Operation::ReadMessages, format!("{BASE}/conversations/{conversation_id}/messages"), query)
}

/// Lists the conversations of an inbox, 25 a page, the oldest first; pages count from 1.
pub fn list_conversations(inbox_id: InboxId, page: u32) -> Request {
    let query = vec![
        // Without it, only open ones.
        ("status", "all".to_owned()),
        ("inbox_id", inbox_id.to_string()),
        ("sort_by", "created_at_asc".to_owned()),
        ("page", page.to_string()),
    ];
    get(Operation::ListConversations, format!("{BASE}/conversations"), query)
}

/// Reads an inbox, with the templates of its WhatsApp number.
pub fn read_inbox(inbox_id: InboxId) -> Request {
    get(Operation::ReadInbox, format!("{BASE}/inboxes/{inbox_id}"), Vec::new())
}

/// Lists the conversations in which something has changed in the last `seconds`, all on one page.
pub fn list_updated_conversations(inbox_id: Option<InboxId>, seconds: u64) -> Request {
    let mut query = vec![("status", "all".to_owned()), ("updated_within", seconds.to_string())];
    query.extend(inbox_id.map(|id| ("inbox_id", id.to_string())));
    get(Operation::ListConversations, format!("{BASE}/conversations"), query)
}

/// Makes a conversation.
pub fn create_conversation(inbox_id: InboxId, contact_id: Option<Id<ContactId>>, source_id: Option<&str>) -> Request {
    let mut body = Map::from_iter([("inbox_id".to_owned(), json!(inbox_id))]);
    if let Some(id) = contact_id {
        body.insert("contact_id".to_owned(), id.json());
    }
    if let Some(id) = source_id {
        body.insert("source_id".to_owned(), json!(id));
    }
    post(Operation::CreateConversation, format!("{BASE}/conversations"), Value::Object(body))
}

/// Sends a message.
pub fn create_message(conversation_id: Id<ConversationId>, message: &Message) -> Request {
    let body = serde_json::to_value(message).unwrap_or_default();
    let request = post(Operation::CreateMessage, format!("{BASE}/conversations/{conversation_id}/messages"), body);
    Request { attachments: message.attachments.clone(), ..request }
}

/// Sends a message that failed again.
pub fn retry_message(conversation_id: ConversationId, message_id: MessageId) -> Request {
    let path = format!("{BASE}/conversations/{conversation_id}/messages/{message_id}/retry");
    let operation = Operation::RetryMessage;
    Request { operation, method: "POST", path, query: Vec::new(), body: None, attachments: Vec::new() }
}

/// All requests of a delivery in their order, as a dry run shows them.
pub fn all(delivery: &Delivery) -> Vec<Request> {
    const CONTACT: Id<ContactId> = Id::Later("{contact_id}");
    const CONVERSATION: Id<ConversationId> = Id::Later("{conversation_id}");
    let message = |id| create_message(id, &delivery.message);
    match &delivery.address {
        Address::Conversation(id) => vec![message(Id::Known(*id))],
        Address::Sender { inbox_id, contact_id, source_id } => {
            vec![create_conversation(*inbox_id, contact_id.map(Id::Known), source_id.as_deref()), message(CONVERSATION)]
        }
        Address::Contact { inbox_id, contact } => vec![
            create_contact(*inbox_id, contact),
            create_conversation(*inbox_id, Some(CONTACT), None),
            message(CONVERSATION),
        ],
    }
}
