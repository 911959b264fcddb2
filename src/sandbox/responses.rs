//! The bodies of the replies, as LiveDesk documents them, and the refusals, as its ancestor words them.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::state::Upload;
use super::state::{Contact, Conversation, Message, Refusal, uuid};
use super::templates::{Header, Template};

/// Larger than 32 bits, as the real ones are.
const ACCOUNT_ID: u64 = 17_623_000_010_928;
const NOT_FOUND: &str = "Resource could not be found";

/// A status and a JSON body.
pub(super) type Answer = (StatusCode, Value);

pub(super) fn sign_in() -> Answer {
    let errors = json!({ "errors": ["You need to sign in or sign up before continuing."] });
    (StatusCode::UNAUTHORIZED, errors)
}

pub(super) fn no_route(status: StatusCode) -> Answer {
    (status, json!({ "status": status.as_u16(), "error": status.canonical_reason() }))
}

pub(super) fn journal_broken() -> Answer {
    let error = json!({ "error": "the sandbox cannot write its journal" });
    (StatusCode::INTERNAL_SERVER_ERROR, error)
}

pub(super) fn refusal(refusal: &Refusal) -> Answer {
    let unprocessable = |body| (StatusCode::UNPROCESSABLE_ENTITY, body);
    match refusal {
        Refusal::NotFound => (StatusCode::NOT_FOUND, json!({ "error": NOT_FOUND })),
        Refusal::Missing(name) => {
            unprocessable(json!({ "error": format!("param is missing or the value is empty: {name}") }))
        }
        Refusal::Invalid { messages, attributes } => {
            unprocessable(json!({ "message": messages.join(", "), "attributes": attributes }))
        }
        Refusal::Validation(text) => unprocessable(json!({ "error": format!("Validation failed: {text}") })),
        Refusal::Word { word, field } => unprocessable(json!({ "error": format!("'{word}' is not a valid {field}") })),
        Refusal::Unreadable => (StatusCode::BAD_REQUEST, json!({ "status": 400, "error": "Bad Request" })),
    }
}

/// A contact as it is inside a conversation.
fn sender(contact: &Contact) -> Value {
    json!({
        "additional_attributes": {},
        "availability_status": "offline",
        "email": contact.email,
        "id": contact.id,
        "name": contact.name,
        "phone_number": contact.phone_number,
        "blocked": false,
        "identifier": contact.identifier,
        "thumbnail": contact.avatar_url.as_deref().unwrap_or_default(),
        "custom_attributes": {},
        "created_at": contact.created.unix_seconds(),
    })
}

/// A contact as it is alone.
pub(super) fn contact(contact: &Contact) -> Value {
    let mut body = sender(contact);
    body["contact_inboxes"] = json!([]);
    body
}

pub(super) fn contact_created(created: &Contact) -> Value {
    json!({ "payload": {
        "contact": contact(created),
        "contact_inbox": { "inbox": null, "source_id": created.source_id },
    } })
}

/// `page` is what was asked for: echoed as it came, and a number only when it did not come.
pub(super) fn contacts(count: usize, page: Option<&str>, found: &[&Contact]) -> Value {
    let found: Vec<Value> = found.iter().map(|found| contact(found)).collect();
    let page = page.map_or(json!(1), |page| json!(page));
    json!({ "meta": { "count": count, "current_page": page }, "payload": found })
}

pub(super) fn conversation(conversation: &Conversation, contact: Option<&Contact>) -> Value {
    let mut body = conversation_head(conversation, contact);
    if let (Value::Object(body), Value::Object(rest)) = (&mut body, conversation_rest(conversation, contact)) {
        body.extend(rest);
    }
    body
}

/// A conversation in a list, with its last message and the last one that somebody wrote.
pub(super) fn conversation_listed(
    conversation: &Conversation,
    contact: Option<&Contact>,
    last: Option<Value>,
    written: Option<Value>,
) -> Value {
    let mut body = self::conversation(conversation, contact);
    body["messages"] = last.into_iter().collect();
    body["last_non_activity_message"] = written.unwrap_or_default();
    body
}

/// An inbox, with the templates of its WhatsApp number as far as they are known.
pub(super) fn inbox(id: u64, templates: Option<&Value>) -> Value {
    json!({
        "id": id,
        "name": "Sandbox",
        "channel_type": if templates.is_some() { "Channel::Whatsapp" } else { "Channel::Api" },
        "lock_to_single_conversation": false,
        "message_templates": templates,
    })
}

/// A template as WhatsApp describes it.
pub(super) fn template(template: &Template) -> Value {
    let slots = |count: usize| (1..=count).map(|slot| format!("{{{{{slot}}}}}")).collect::<Vec<_>>().join(" ");
    let named: Vec<String> = template.named.iter().map(|name| format!("{{{{{name}}}}}")).collect();
    let body = if named.is_empty() { slots(template.body) } else { named.join(" ") };
    let header = match template.header {
        Header::None => None,
        Header::Text => Some(json!({ "type": "HEADER", "format": "TEXT", "text": slots(1) })),
        Header::Image => Some(json!({ "type": "HEADER", "format": "IMAGE" })),
        Header::Video => Some(json!({ "type": "HEADER", "format": "VIDEO" })),
        Header::Document => Some(json!({ "type": "HEADER", "format": "DOCUMENT" })),
        Header::Location => Some(json!({ "type": "HEADER", "format": "LOCATION" })),
    };
    let button = |_| json!({ "type": "URL", "text": "Open", "url": format!("https://example.com/{}", slots(1)) });
    let buttons: Vec<Value> = (0..template.buttons).map(button).collect();
    let buttons = (!buttons.is_empty()).then(|| json!({ "type": "BUTTONS", "buttons": buttons }));
    let body = json!({ "type": "BODY", "text": format!("Hello {body}.") });
    json!({
        "name": template.name,
        "language": template.language,
        "status": template.status.to_uppercase(),
        "category": "MARKETING",
        "parameter_format": if template.named.is_empty() { "POSITIONAL" } else { "NAMED" },
        "components": header.into_iter().chain([body]).chain(buttons).collect::<Vec<_>>(),
    })
}

fn conversation_head(conversation: &Conversation, contact: Option<&Contact>) -> Value {
    json!({
        "meta": { "sender": contact.map_or_else(|| json!({}), sender), "channel": "Channel::Api", "hmac_verified": false },
        "id": conversation.id,
        "messages": [],
        "account_id": ACCOUNT_ID,
        "uuid": uuid(0x0c0f_fee0, conversation.id),
        "inbox_id": conversation.inbox_id,
        "additional_attributes": {},
        "agent_last_seen_at": 0,
        "assignee_last_seen_at": 0,
        "can_reply": true,
        "contact_last_seen_at": 0,
        "custom_attributes": {},
        "labels": [],
        "muted": false,
        "snoozed_until": null,
        "status": "open",
        "priority": null,
        "conversation_category": "chat",
        "chat_mode": "private_chat",
        "is_forum": false,
    })
}

fn conversation_rest(conversation: &Conversation, contact: Option<&Contact>) -> Value {
    let created = conversation.created.unix_seconds();
    #[expect(clippy::cast_precision_loss, reason = "the documented reply has a float here; microseconds fit 53 bits")]
    let updated = conversation.updated.unix as f64 / 1e6;
    json!({
        "created_at": created,
        "updated_at": updated,
        "timestamp": created,
        "first_reply_created_at": 0,
        "unread_count": 0,
        "last_non_activity_message": null,
        "last_activity_at": created,
        "waiting_since": created,
        "sla_policy_id": null,
        "ticket_id": null,
        "over_limit": false,
        "content_preview": { "content": null, "message_type": null, "created_at": null },
        "platform": {
            "channel_type": "Channel::Api",
            "inbox_name": "Sandbox",
            "inbox_id": conversation.inbox_id,
        },
        "account_info": {
            "contact_name": contact.map(|contact| &contact.name),
            "contact_email": contact.map(|contact| &contact.email),
            "contact_phone": contact.map(|contact| &contact.phone_number),
            "contact_id": contact.map(|contact| contact.id),
            "contact_avatar": contact.and_then(|contact| contact.avatar_url.as_deref()).unwrap_or_default(),
        },
        "assignment": {
            "assignee_id": null,
            "assignee_name": null,
            "assignee_email": null,
            "team_id": null,
            "team_name": null,
        },
    })
}

/// The reply to a new message: a template message has its own, shorter ones.
pub(super) fn message_created(message: &Message, contact: Option<&Contact>) -> Value {
    match (&message.draft.template, &message.failure) {
        (None, _) => self::message(message, contact),
        (Some(_), Some(failure)) => json!({
            "id": message.id,
            "status": "failed",
            "content_attributes": { "external_error": failure.text() },
        }),
        (Some(params), None) => json!({
            "id": message.id,
            "content": message.draft.content,
            "message_type": message.draft.message_type,
            "status": "sent",
            "additional_attributes": { "template_params": params },
        }),
    }
}

/// Of the parameters of a template only these are given back.
pub(super) fn named(params: &Value) -> Value {
    let keys = ["name", "language", "category"];
    keys.iter().filter_map(|key| params.get(*key).map(|value| ((*key).to_owned(), value.clone()))).collect()
}

/// A whole message.
pub(super) fn message(message: &Message, contact: Option<&Contact>) -> Value {
    let draft = &message.draft;
    let from_provider = || message.is_with_provider.then(|| format!("wamid.{}", message.id));
    let source_id = draft.source_id.clone().or_else(from_provider);
    let attributes = match &message.failure {
        Some(failure) => json!({ "external_error": failure.text() }),
        None => json!({}),
    };
    let mut body = json!({
        "id": message.id,
        "content": draft.content,
        "inbox_id": message.inbox_id,
        "conversation_id": message.conversation_id,
        "message_type": draft.message_type,
        "content_type": "text",
        "status": message.status.word(),
        "content_attributes": attributes,
        "created_at": message.created.unix_seconds(),
        "private": draft.private,
        "source_id": source_id,
        "sorting_id": message.sorting_id,
        "sender": message_sender(message, contact),
    });
    if let Some(params) = &draft.template {
        body["additional_attributes"] = json!({ "template_params": params });
    }
    if !draft.uploads.is_empty() {
        let numbered = (message.first_attachment..).zip(&draft.uploads);
        body["attachments"] = numbered.map(|(id, upload)| attachment(id, message.id, upload)).collect();
    }
    body
}

/// Who said it: an incoming message is the contact's, every other one the owner's of the API key.
fn message_sender(message: &Message, contact: Option<&Contact>) -> Value {
    let (id, name, kind) = match contact {
        Some(contact) if message.draft.message_type == 0 => (contact.id, contact.name.as_deref(), "contact"),
        _ => (3, Some("Sandbox"), "user"),
    };
    json!({
        "id": id,
        "name": name,
        "available_name": name,
        "avatar_url": "",
        "type": kind,
        "availability_status": "offline",
        "thumbnail": "",
    })
}

fn attachment(id: u64, message_id: u64, upload: &Upload) -> Value {
    let kind = upload.content_type.split('/').next();
    let file_type = kind.filter(|kind| matches!(*kind, "image" | "audio" | "video")).unwrap_or("file");
    let name: String = form_urlencoded::byte_serialize(upload.filename.as_bytes()).collect();
    let url = |folder: &str| format!("https://livedesk.invalid/rails/active_storage/{folder}/redirect/{id}/{name}");
    json!({
        "id": id,
        "message_id": message_id,
        "file_type": file_type,
        "account_id": ACCOUNT_ID,
        "extension": null,
        "data_url": url("blobs"),
        "thumb_url": if file_type == "image" { url("representations") } else { String::new() },
        "file_size": upload.size,
        "width": null,
        "height": null,
    })
}
