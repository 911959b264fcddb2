//! From a row to the message that it gets.
//!
//! `template` compiles the spec's templates once, and `unfilled_placeholders` finds in them what was meant to be filled in
//! and is not. `render` applies them to a row, and `cell_lints` says what looks damaged in it. The types here are LiveDesk's
//! own request bodies, in the key order of its documentation; a key that is not in the spec is not in the body. This module
//! knows rows and templates, not how a request is made.
//!
//! # Bounds
//!
//! Whoever can write a spec can write a template that asks for more than a machine has. `complexity` bounds what is
//! parsed, `template` the steps that a value takes and the bytes that it has, `filter_limits` what one step asks for
//! outright. What remains is what steps add up to, such as a text that is doubled again and again: `evaluation` tells
//! an observer which template is at work, and the observer ends the process before memory or patience do.

mod filter_limits;
mod strictness;
mod booleans;
mod cell_lints;
mod complexity;
mod context;
mod dataflow;
mod date_filters;
mod jinja_compat;
mod mixed_kinds;
mod phone_filter;
mod proof_to;
mod evaluation;
mod region;
mod reference_checks;
mod references;
mod interpolate;
mod render;
mod render_errors;
mod unfilled_placeholders;
mod template;
mod text_limits;
mod truthiness;

use std::path::{Component, Path, PathBuf};

use data_encoding::HEXLOWER;
use jiff::tz::TimeZone;
use ring::digest::{SHA256, digest};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::problem::Problem;
use crate::specification::{ButtonType, HeaderType, MessageType};
use crate::state::{ContactId, ConversationId, InboxId, MessageId};
pub use evaluation::{Evaluation, running};
pub use proof_to::ProofTo;
pub use template::Templates;

/// Bytes of stack that a thread needs which compiles or applies templates: each level of a syntax tree, and of a list
/// in a list, takes some when it is walked, printed or dropped. Only what is used is ever taken from the machine.
pub const STACK: usize = 256 << 20;

/// Everything that one row leads to.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What makes it the same delivery in every run.
    pub key: String,
    /// Whom the message goes to.
    pub address: Address,
    /// The message.
    pub message: Message,
    /// The zone whose hours count for `send.window`, where there is one.
    pub zone: Option<TimeZone>,
    /// The phone number, where it is sent otherwise than the row has it.
    pub rewritten: Option<RewrittenPhone>,
    /// What a person should know before sending it.
    pub warnings: Vec<Problem>,
}

/// A phone number that is sent otherwise than the row has it, by more than what is between its digits.
#[derive(Debug, Clone)]
pub struct RewrittenPhone {
    /// Its digits as the row has them.
    pub written: String,
    /// Its digits as they are sent.
    pub sent: String,
    /// The country that it was taken for, if it was written without one.
    pub region: Option<String>,
}

/// Whom a message goes to.
#[derive(Debug, Clone)]
pub enum Address {
    /// A known conversation.
    Conversation(ConversationId),
    /// Somebody known, for whom a conversation is made first. At least one of contact and source is there.
    Sender {
        /// The channel.
        inbox_id: InboxId,
        /// The contact.
        contact_id: Option<ContactId>,
        /// Its id in the channel.
        source_id: Option<String>,
    },
    /// A contact to make or to find, then a conversation.
    Contact {
        /// The channel.
        inbox_id: InboxId,
        /// The person.
        contact: Contact,
    },
}

impl Address {
    /// The address as a text: ids that were made for one address are of no use for another.
    pub fn fingerprint(&self) -> String {
        format!("{self:?}")
    }
}

/// A contact to create or find.
#[derive(Debug, Clone, Default, serde::Serialize)]
#[expect(missing_docs, reason = "LiveDesk's own names")]
pub struct Contact {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
}

/// The body of a message request.
#[derive(Debug, Clone, serde::Serialize)]
#[expect(missing_docs, reason = "LiveDesk's own names")]
pub struct Message {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_type: Option<MessageType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_attributes: Option<ContentAttributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_params: Option<TemplateParams>,
    /// Files of the spec's folder; with any of them the request is multipart.
    #[serde(skip)]
    pub attachments: Vec<PathBuf>,
}

impl Message {
    /// The same for the same message, whatever row and spec it was rendered from.
    pub fn fingerprint(&self) -> String {
        let text = serde_json::to_vec(&(self, &self.attachments)).unwrap_or_default();
        HEXLOWER.encode(&digest(&SHA256, &text).as_ref()[..16])
    }
}

/// Whether a path has a part that begins with a dot: `.env`, `.campaign/...`.
pub fn is_hidden(path: &Path) -> bool {
    path.components().any(|part| matches!(part, Component::Normal(name) if name.as_encoded_bytes().starts_with(b".")))
}

/// More about a message.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ContentAttributes {
    /// The message that it answers.
    pub in_reply_to: MessageId,
}

/// A WhatsApp template with its values.
#[derive(Debug, Clone, serde::Serialize)]
#[expect(missing_docs, reason = "LiveDesk's own names")]
pub struct TemplateParams {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub language: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processed_params: Option<Variables>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_params: Option<HeaderParams>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub footer_params: Option<FooterParams>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub button_params: Option<Vec<ButtonParams>>,
}

/// Values of variables, sent as an object in exactly this order: the server fills positions in the order of the keys.
#[derive(Debug, Clone)]
pub struct Variables(pub Vec<(String, String)>);

impl Serialize for Variables {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The header's value; which keys are there depends on the type.
#[derive(Debug, Clone, serde::Serialize)]
#[expect(missing_docs, reason = "LiveDesk's own names")]
pub struct HeaderParams {
    pub r#type: HeaderType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_variables: Option<Variables>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// A pin on a map.
#[derive(Debug, Clone, serde::Serialize)]
#[expect(missing_docs, reason = "LiveDesk's own names")]
pub struct Location {
    pub latitude: serde_json::Number,
    pub longitude: serde_json::Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// The footer's values.
#[derive(Debug, Clone, serde::Serialize)]
pub struct FooterParams {
    /// By position or name.
    pub text_variables: Variables,
}

/// A button's value.
#[derive(Debug, Clone, serde::Serialize)]
#[expect(missing_docs, reason = "LiveDesk's own names")]
pub struct ButtonParams {
    pub index: u64,
    pub sub_type: ButtonType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}
