//! Whom a message goes to and what it holds: which keys go together.

use indexmap::IndexMap;

use super::{Checker, optional, template};
use crate::specification::raw::{self, ButtonType, HeaderType};
use crate::specification::span::{Spanned, Text};
use crate::specification::{Button, Contact, Header, Message, TemplateParams, To, Variables};

/// LiveDesk's ancestor takes at most so many files with a message.
const MOST_ATTACHMENTS: usize = 15;

impl Checker<'_> {
    pub(super) fn to(&mut self, raw: Spanned<raw::To>) -> Option<To> {
        let span = raw.span;
        let raw = raw.value;
        self.ids(&raw);
        let conversation_id = optional("to.conversation_id", raw.conversation_id);
        let inbox_id = optional("to.inbox_id", raw.inbox_id);
        let contact_id = optional("to.contact_id", raw.contact_id);
        let source_id = optional("to.source_id", raw.source_id);
        let contact = raw.contact.map(|contact| self.contact(contact));
        let sender = contact_id.is_some() || source_id.is_some();
        match (conversation_id, inbox_id, contact) {
            (Some(conversation_id), None, None) if !sender => Some(To::Conversation { conversation_id }),
            (None, Some(inbox_id), None) if sender => Some(To::Sender { inbox_id, contact_id, source_id }),
            (None, Some(inbox_id), Some(contact)) if !sender => {
                Some(To::Contact { inbox_id, contact: Box::new(contact?) })
            }
            _ => {
                self.problem(
                    "ways-to-address", span,
                    "`to` must say in one way whom a message goes to",
                    "either `conversation_id`; or `inbox_id` with `contact_id` or `source_id`; or `inbox_id` with `contact`",
                );
                None
            }
        }
    }

    fn contact(&mut self, raw: Spanned<raw::Contact>) -> Option<Contact> {
        let Spanned { value: raw, span } = raw;
        let contact = Contact {
            name: optional("to.contact.name", raw.name),
            email: optional("to.contact.email", raw.email),
            phone_number: optional("to.contact.phone_number", raw.phone_number),
            avatar_url: optional("to.contact.avatar_url", raw.avatar_url),
            identifier: optional("to.contact.identifier", raw.identifier),
        };
        if contact.email.is_none() && contact.phone_number.is_none() && contact.identifier.is_none() {
            self.problem(
                "contact-not-findable",
                span,
                "a contact that could not be found again",
                "give at least one of `identifier`, `phone_number` and `email`",
            );
            return None;
        }
        Some(contact)
    }

    pub(super) fn message(&mut self, raw: Spanned<raw::Message>) -> Option<Message> {
        let Spanned { value: raw, span } = raw;
        if raw.content.is_none() && raw.attachments.is_empty() {
            self.problem(
                "no-content",
                span,
                "a message without `content`",
                "such as `content: \"Hi {{ name }}\"`; LiveDesk wants the text, also beside a template",
            );
        }
        if raw.attachments.len() > MOST_ATTACHMENTS {
            self.problem(
                "too-many-attachments",
                span,
                "too many attachments",
                format!("LiveDesk takes at most {MOST_ATTACHMENTS}"),
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
    fn with_template(&mut self, span: super::Span, raw: &raw::Message) {
        if !raw.attachments.is_empty() {
            self.problem(
                "template-and-attachments",
                span,
                "`template_params` and `attachments` in one message",
                "a template's file goes into `header_params.media_url`; a file of its own goes without a template",
            );
        }
        if let Some(kind) = raw.message_type.as_ref().filter(|kind| kind.value == raw::MessageType::Incoming) {
            self.problem(
                "incoming-template",
                kind.span,
                "a template message is always `outgoing`",
                "change or remove `message_type`",
            );
        }
    }

    fn template_params(&mut self, raw: raw::TemplateParams) -> Option<TemplateParams> {
        const KEY: &str = "message.template_params";
        let header_params = raw.header_params.map(|header| self.header(header));
        let button_params = raw
            .button_params
            .map(|buttons| buttons.into_iter().enumerate().map(|(n, raw)| self.button(n, raw)).collect());
        Some(TemplateParams {
            name: template(&format!("{KEY}.name"), raw.name),
            namespace: optional(&format!("{KEY}.namespace"), raw.namespace),
            language: template(&format!("{KEY}.language"), raw.language),
            category: optional(&format!("{KEY}.category"), raw.category),
            processed_params: raw.processed_params.map(|raw| variables(&format!("{KEY}.processed_params"), raw)),
            header_params: match header_params {
                Some(header) => Some(header?),
                None => None,
            },
            footer_params: raw
                .footer_params
                .map(|footer| variables(&format!("{KEY}.footer_params.text_variables"), footer.text_variables)),
            button_params,
        })
    }

    fn header(&mut self, raw: Spanned<raw::HeaderParams>) -> Option<Header> {
        const KEY: &str = "message.template_params.header_params";
        let Spanned { value: raw, span } = raw;
        let kind = raw.r#type.value;
        let media = matches!(kind, HeaderType::Image | HeaderType::Video | HeaderType::Document);
        let stray = [
            ("text_variables", raw.text_variables.is_some() && kind != HeaderType::Text),
            ("media_url", raw.media_url.is_some() && !media),
            ("filename", raw.filename.is_some() && kind != HeaderType::Document),
            ("location", raw.location.is_some() && kind != HeaderType::Location),
        ];
        for (name, _) in stray.iter().filter(|(_, stray)| *stray) {
            self.problem(
                "header-mismatch",
                self.source.key_in(span, name),
                format!("`{name}` does not belong to this type of header"),
                "`text` takes `text_variables`; `image`, `video` and `document` take `media_url`; \
                 `document` also `filename`; `location` takes `location`",
            );
        }
        let header = match kind {
            HeaderType::Text => raw
                .text_variables
                .map(|raw| Header::Text { text_variables: variables(&format!("{KEY}.text_variables"), raw) }),
            HeaderType::Location => raw.location.map(|location| Header::Location {
                latitude: template(&format!("{KEY}.location.latitude"), location.latitude),
                longitude: template(&format!("{KEY}.location.longitude"), location.longitude),
                name: optional(&format!("{KEY}.location.name"), location.name),
                address: optional(&format!("{KEY}.location.address"), location.address),
            }),
            HeaderType::Image | HeaderType::Video | HeaderType::Document => raw.media_url.map(|url| Header::Media {
                kind,
                media_url: template(&format!("{KEY}.media_url"), url),
                filename: optional(&format!("{KEY}.filename"), raw.filename),
            }),
        };
        if header.is_none() {
            let needed = match kind {
                HeaderType::Text => "text_variables",
                HeaderType::Location => "location",
                HeaderType::Image | HeaderType::Video | HeaderType::Document => "media_url",
            };
            self.problem(
                "header-without-value", span,
                format!("`{needed}` is missing in this header"),
                "`text` needs `text_variables`; `image`, `video` and `document` need `media_url`; `location` needs `location`",
            );
        }
        header
    }

    fn button(&mut self, position: usize, raw: Spanned<raw::ButtonParams>) -> Button {
        let key = format!("message.template_params.button_params.{position}");
        let Spanned { value: raw, span } = raw;
        let sub_type = raw.sub_type.value;
        let fits = match sub_type {
            ButtonType::Url => raw.text.is_some() && raw.payload.is_none(),
            ButtonType::QuickReply => raw.payload.is_some() && raw.text.is_none(),
        };
        if !fits {
            self.problem(
                "button-mismatch",
                span,
                "the button's value does not fit its `sub_type`",
                "a `url` button takes `text`, a `quick_reply` button takes `payload`",
            );
        }
        Button {
            index: template(&format!("{key}.index"), raw.index),
            sub_type,
            text: optional(&format!("{key}.text"), raw.text),
            payload: optional(&format!("{key}.payload"), raw.payload),
        }
    }
}

/// Variables with positions in numeric order: the server fills them in the order of the object's keys, and as text
/// "10" would come before "2".
fn variables(key: &str, raw: IndexMap<String, Spanned<Text>>) -> Variables {
    let mut sorted: Variables = raw
        .into_iter()
        .map(|(name, text)| {
            let template = template(&format!("{key}.{name}"), text);
            (name, template)
        })
        .collect();
    sorted.sort_by_key(|(name, _)| name.parse::<u32>().unwrap_or(u32::MAX));
    sorted
}
