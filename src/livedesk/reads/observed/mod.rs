//! Messages and conversations as a read shows them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::super::answer::body::{Body, Fields};
use super::super::answer::message::{external_error, status};
use super::super::answer::{Answer, Exchange, number};
use super::error::{ReadError, success_with};
use crate::receipt::MessageStatus;
use crate::state::{ContactId, ConversationId, InboxId, MessageId};

/// More elements are not believed: so many conversations do not fit into an answer that is read.
const MAX_ELEMENTS: usize = 10_000;

/// What is kept of the answer to a read.
static FIELDS: Fields = Fields {
    needed: &[
        "account_info",
        "all_count",
        "code",
        "contact_id",
        "content",
        "content_attributes",
        "conversation_id",
        "created_at",
        "data",
        "error",
        "errors",
        "id",
        "inbox_id",
        "last_non_activity_message",
        "message",
        "message_type",
        "messages",
        "meta",
        "payload",
        "private",
        "sender",
        "source_id",
        "status",
        "type",
        "updated_at",
    ],
    whole: &["content_attributes", "error", "errors"],
    most: MAX_ELEMENTS,
};

/// A success and what is kept of its body; otherwise why there is none.
pub(super) fn success(exchange: Exchange) -> Result<(Answer, Body), ReadError> {
    success_with(exchange, &FIELDS)
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The recipient.
    Incoming,
    /// We, an agent or a bot.
    Outgoing,
    /// The system: somebody was assigned, a conversation was resolved.
    Activity,
    /// The system, to the recipient: a greeting, a survey.
    Template,
    /// Something that is not known.
    Unknown,
}

/// Who sent a message, where the answer says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// A contact.
    Contact(ContactId),
    /// An agent, or whoever has an agent's key.
    User,
    /// Somebody else, such as a bot.
    Other,
}

/// A message, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedMessage {
    /// Its id.
    pub id: MessageId,
    /// Where it is, unless the answer does not say so.
    pub conversation_id: Option<ConversationId>,
    /// Who wrote it.
    pub direction: Direction,
    /// Who sent it.
    pub sender: Option<Sender>,
    /// Its status; `None` for a word that is not known.
    pub status: Option<MessageStatus>,
    /// Why it failed. A text that an earlier failure left with a message that arrived is not kept.
    pub external_error: Option<String>,
    /// The provider's id.
    pub source_id: Option<String>,
    /// When it was made, by the server's clock.
    pub created_at: Option<Timestamp>,
    /// Its text: personal data.
    pub content: Option<String>,
    /// Whether it is a note among agents.
    pub is_private: bool,
    /// Whether somebody has deleted it in LiveDesk: its text is another one then.
    pub is_deleted: bool,
}

/// Messages of a conversation, in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessagePage {
    /// Those that could be read.
    pub messages: Vec<ObservedMessage>,
    /// How many could not.
    pub unreadable: usize,
}

/// A conversation, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedConversation {
    /// Its id.
    pub id: ConversationId,
    /// Whose it is.
    pub contact_id: Option<ContactId>,
    /// Where it is.
    pub inbox_id: Option<InboxId>,
    /// Its last message and the last one that is not the system's, in ascending order: none to two.
    pub messages: Vec<ObservedMessage>,
    /// When it was made, by the server's clock.
    pub created_at: Option<Timestamp>,
    /// When anything about it or its last message changed, by the server's clock.
    pub updated_at: Option<Timestamp>,
}

impl ObservedConversation {
    /// The message with the highest id that was shown.
    pub fn newest(&self) -> Option<&ObservedMessage> {
        self.messages.last()
    }
}

/// A page of conversations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConversationPage {
    /// Those that could be read.
    pub conversations: Vec<ObservedConversation>,
    /// How many the answer listed, readable or not: none means that the page is after the last one.
    pub listed: usize,
    /// How many there are on all pages, where the answer says so.
    pub all_count: Option<u64>,
}

impl Exchange {
    /// As the answer to reading the messages of this conversation.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn observed_messages(self, asked: ConversationId) -> Result<Vec<ObservedMessage>, ReadError> {
        Ok(self.message_page(asked)?.messages)
    }

    /// The same, with how many there were that could not be read.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn message_page(self, asked: ConversationId) -> Result<MessagePage, ReadError> {
        let (answer, body) = success(self)?;
        let list = list(&answer, &body)?;
        let messages: Vec<ObservedMessage> = list.iter().filter_map(|value| message(value, &answer)).collect();
        let unreadable = list.len() - messages.len();
        let by_id: BTreeMap<MessageId, ObservedMessage> =
            messages.into_iter().map(|message| (message.id, message)).collect();
        let messages: Vec<ObservedMessage> = by_id.into_values().collect();
        let other = messages.iter().find_map(|message| message.conversation_id.filter(|id| *id != asked));
        match other {
            // It belongs to another request.
            Some(id) => {
                Err(ReadError::Failed { text: format!("the answer is about conversation {id}, not about {asked}") })
            }
            None => Ok(MessagePage { messages, unreadable }),
        }
    }

    /// As the answer to listing conversations.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn observed_conversations(self) -> Result<ConversationPage, ReadError> {
        let (answer, body) = success(self)?;
        let list = list(&answer, &body)?;
        let conversations = list.iter().filter_map(|value| conversation(value, &answer)).collect();
        let meta = [&body.json()["data"]["meta"], &body.json()["meta"]];
        let all_count = meta.into_iter().find_map(|meta| number(&meta["all_count"]));
        Ok(ConversationPage { conversations, listed: list.len(), all_count })
    }
}

/// The list that an answer brings, in whichever envelope.
fn list<'b>(answer: &Answer, body: &'b Body) -> Result<&'b [Value], ReadError> {
    let json = body.json();
    let places = [&json["data"]["payload"], &json["payload"], &json["data"], json];
    match (places.into_iter().find_map(Value::as_array), body) {
        (Some(list), _) if list.len() >= MAX_ELEMENTS => Err(ReadError::TooLarge),
        (Some(list), _) => Ok(list),
        (None, Body::Html) => unavailable(answer, "a page for a browser"),
        (None, Body::Json(_)) => unavailable(answer, "something else than a list"),
        (None, Body::Empty | Body::Text) => {
            Err(ReadError::Failed { text: "the answer is empty, cut off or no JSON".to_owned() })
        }
    }
}

fn unavailable<T>(answer: &Answer, what: &str) -> Result<T, ReadError> {
    Err(ReadError::Unavailable { status: answer.status, text: format!("the server answers with {what}") })
}

fn message(value: &Value, answer: &Answer) -> Option<ObservedMessage> {
    let status: Option<MessageStatus> = status(&value["status"]).and_then(|word| word.parse().ok());
    let is_failed = status == Some(MessageStatus::Failed);
    let error = if is_failed { external_error(&value["content_attributes"]) } else { None };
    Some(ObservedMessage {
        id: MessageId(number(&value["id"])?),
        conversation_id: number(&value["conversation_id"]).map(ConversationId),
        direction: direction(&value["message_type"]),
        sender: sender(&value["sender"]),
        status,
        external_error: error.map(|error| answer.text(&error)),
        source_id: value["source_id"].as_str().map(|id| answer.text(id)),
        created_at: time(&value["created_at"]),
        content: value["content"].as_str().map(str::to_owned),
        is_private: is_true(&value["private"]),
        is_deleted: is_deleted(&value["content_attributes"]),
    })
}

fn is_true(value: &Value) -> bool {
    value == true || value == "true"
}

/// The attributes may be JSON in a text.
fn is_deleted(attributes: &Value) -> bool {
    let parsed: Option<Value> = attributes.as_str().and_then(|text| serde_json::from_str(text).ok());
    is_true(&parsed.as_ref().unwrap_or(attributes)["deleted"])
}

/// A number in an answer, a word in a webhook.
fn direction(value: &Value) -> Direction {
    match (number(value), value.as_str()) {
        (Some(0), _) | (_, Some("incoming")) => Direction::Incoming,
        (Some(1), _) | (_, Some("outgoing")) => Direction::Outgoing,
        (Some(2), _) | (_, Some("activity")) => Direction::Activity,
        (Some(3), _) | (_, Some("template")) => Direction::Template,
        _ => Direction::Unknown,
    }
}

fn sender(value: &Value) -> Option<Sender> {
    match value["type"].as_str()?.to_lowercase().as_str() {
        "contact" => number(&value["id"]).map(|id| Sender::Contact(ContactId(id))),
        "user" => Some(Sender::User),
        _ => Some(Sender::Other),
    }
}

fn conversation(value: &Value, answer: &Answer) -> Option<ObservedConversation> {
    let id = ConversationId(number(&value["id"])?);
    let embedded = value["messages"].as_array().into_iter().flatten().chain([&value["last_non_activity_message"]]);
    let messages = embedded.filter_map(|value| message(value, answer));
    // A message that says that it is elsewhere is not this conversation's.
    let own = messages.filter(|message| message.conversation_id.is_none_or(|is| is == id));
    let by_id: BTreeMap<MessageId, ObservedMessage> = own.map(|message| (message.id, message)).collect();
    let contact = [&value["meta"]["sender"]["id"], &value["account_info"]["contact_id"], &value["contact_id"]];
    Some(ObservedConversation {
        id,
        contact_id: contact.into_iter().find_map(number).map(ContactId),
        inbox_id: number(&value["inbox_id"]).map(InboxId),
        messages: by_id.into_values().collect(),
        created_at: time(&value["created_at"]),
        updated_at: time(&value["updated_at"]),
    })
}

/// A time: seconds since 1970 as a number or a text, with or without a fraction, or RFC 3339.
fn time(value: &Value) -> Option<Timestamp> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    match text.parse::<f64>() {
        Ok(seconds) if (1.0..1e11).contains(&seconds) => Timestamp::from_millisecond(
            std::time::Duration::try_from_secs_f64(seconds).ok()?.as_millis().try_into().ok()?,
        )
        .ok(),
        Ok(_) => None,
        Err(_) => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests;
