//! `message`: what a message holds, and which of its keys go together.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Template;
use super::checker::{Checker, optional, template};
use super::fixed_values::{breach, filled, is_constant};
use super::schema_patterns;
use super::span::{Span, Spanned, Text};
use super::template_params::{RawTemplateParams, TemplateParams};
use crate::whatsapp::{self, Breach, MAX_CONTENT_LENGTH};

/// LiveDesk's ancestor takes at most so many files with a message.
const MAX_ATTACHMENTS: usize = 15;

/// LiveDesk's request body for a message. Absent keys are not sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Message")]
#[schemars(extend("allOf" = schema_patterns::content()))]
pub(super) struct RawMessage {
    /// The text; with a template, the text that agents see.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) content: Option<Spanned<Text>>,
    /// `true` for a note that only agents see.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) private: Option<Spanned<Text>>,
    /// `outgoing` (LiveDesk's default) or `incoming`, as if written by the customer.
    #[serde(default)]
    #[schemars(with = "Option<MessageType>")]
    pub(super) message_type: Option<Spanned<MessageType>>,
    /// More about the message.
    #[serde(default)]
    pub(super) content_attributes: Option<RawContentAttributes>,
    /// A WhatsApp template message.
    #[serde(default)]
    #[schemars(with = "Option<RawTemplateParams>")]
    pub(super) template_params: Option<Spanned<RawTemplateParams>>,
    /// Files to attach: path templates, relative to this file and inside its folder.
    #[serde(default)]
    #[schemars(with = "Vec<Text>", length(max = 15))]
    pub(super) attachments: Vec<Spanned<Text>>,
}

/// Who writes the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageType {
    /// We write to the customer.
    Outgoing,
    /// As if written by the customer (API channels).
    Incoming,
}

/// More about the message.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ContentAttributes")]
pub(super) struct RawContentAttributes {
    /// The id of the message to reply to.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) in_reply_to: Option<Spanned<Text>>,
}

/// The message, as templates.
#[derive(Debug, Clone)]
pub struct Message {
    /// The text.
    pub content: Option<Template>,
    /// Whether only agents see it.
    pub private: Option<Template>,
    /// Who writes the message.
    pub message_type: Option<MessageType>,
    /// The id of the message that it answers.
    pub in_reply_to: Option<Template>,
    /// The WhatsApp template.
    pub template_params: Option<Box<TemplateParams>>,
    /// Files to send along.
    pub attachments: Vec<Template>,
}

impl Checker<'_> {
    pub(super) fn message(&mut self, raw: Spanned<RawMessage>) -> Option<Message> {
        let Spanned { value: raw, span } = raw;
        if raw.content.is_none() && raw.attachments.is_empty() {
            self.problem(
                "no-content",
                span,
                "a message without `content`",
                "such as `content: \"Hi {{ name }}\"`; LiveDesk requires the text, even with a template",
            );
        }
        if raw.attachments.len() > MAX_ATTACHMENTS {
            self.problem(
                "too-many-attachments",
                span,
                "too many attachments",
                format!("LiveDesk accepts at most {MAX_ATTACHMENTS}"),
            );
        }
        self.plain_values(&raw);
        if let Some(params) = &raw.template_params {
            self.with_template(params.span, &raw);
            self.whatsapp(&params.value);
        }
        let template_params = raw.template_params.map(|params| self.template_params(params.value));
        Some(Message {
            content: optional("message.content", raw.content),
            private: optional("message.private", raw.private),
            message_type: raw.message_type.map(|kind| kind.value),
            in_reply_to: optional(
                "message.content_attributes.in_reply_to",
                raw.content_attributes.and_then(|attributes| attributes.in_reply_to),
            ),
            template_params: match template_params {
                Some(params) => Some(Box::new(params?)),
                None => None,
            },
            attachments: raw
                .attachments
                .into_iter()
                .enumerate()
                .map(|(index, path)| template(&format!("message.attachments.{index}"), path))
                .collect(),
        })
    }

    /// What cannot go together with a WhatsApp template.
    fn with_template(&mut self, span: Span, raw: &RawMessage) {
        if !raw.attachments.is_empty() {
            self.problem(
                "template-and-attachments",
                span,
                "`template_params` and `attachments` in one message",
                "put a template's file in `header_params.media_url`, or send the file without a template",
            );
        }
        if let Some(kind) = raw.message_type.as_ref().filter(|kind| kind.value == MessageType::Incoming) {
            self.problem(
                "incoming-template",
                kind.span,
                "a template message is always `outgoing`",
                "change or remove `message_type`",
            );
        }
    }

    /// The keys of a message beside the template.
    fn plain_values(&mut self, message: &RawMessage) {
        if let Some(content) = message.content.as_ref().filter(|content| is_constant(content)) {
            let text = content.value.0.trim();
            if text.is_empty() {
                self.problem(
                    "empty",
                    content.span,
                    "an empty text",
                    "write a text, or remove the key and send `attachments`",
                );
            } else if text.chars().count() > MAX_CONTENT_LENGTH {
                self.problem(
                    "too-long",
                    content.span,
                    format!("longer than {MAX_CONTENT_LENGTH} characters"),
                    "shorten it",
                );
            }
        }
        self.constant_if_any(message.private.as_ref(), boolean);
        let in_reply_to = message.content_attributes.as_ref().and_then(|attributes| attributes.in_reply_to.as_ref());
        self.constant_if_any(in_reply_to, whatsapp::whole_number);
        for path in &message.attachments {
            self.constant(path, attachment);
        }
        let note = message.private.as_ref().filter(|private| private.value.0.trim().eq_ignore_ascii_case("true"));
        if let (Some(private), Some(_)) = (note, &message.template_params) {
            self.warning(
                "private-template",
                private.span,
                "a private message is never sent to the customer, so its template has no effect",
                "remove `private` to send the template, or `template_params` to leave a note",
            );
        }
    }
}

fn boolean(text: &str) -> Result<(), Breach> {
    if ["true", "false"].contains(&text.to_lowercase().as_str()) {
        return Ok(());
    }
    let hint = match text.to_lowercase().as_str() {
        "no" | "off" | "n" => "did you mean `false`?",
        "yes" | "on" | "y" => "did you mean `true`?",
        _ => "a template must give one of the two, too",
    };
    Err(breach("not-a-boolean", "`true` or `false` is expected", hint))
}

/// A path that stays inside the spec's folder by its own words; links are checked where files are opened.
fn attachment(path: &str) -> Result<(), Breach> {
    use std::path::{Component, Path};
    filled(path)?;
    if path.contains(char::is_control) {
        let what = "the attachment's name contains a control character, such as a line feed";
        return Err(breach("attachment-name", what, "write the name on one line, without escapes"));
    }
    if Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Ok(());
    }
    Err(breach("attachment-outside", "outside the spec's folder", "put the file in the spec's folder or below it"))
}
