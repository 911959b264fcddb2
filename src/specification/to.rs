//! `to`: whom a message goes to.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Template;
use super::checker::{Checker, optional};
use super::schema_patterns;
use super::span::{Spanned, Text};
use crate::whatsapp;

/// Whom a message goes to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "To")]
#[schemars(extend("oneOf" = schema_patterns::one_way_to_address()))]
pub(super) struct RawTo {
    /// An existing conversation: one request per recipient.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) conversation_id: Option<Spanned<Text>>,
    /// The channel in which to create a conversation. "Channel ID" in the project's settings.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) inbox_id: Option<Spanned<Text>>,
    /// An existing contact.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) contact_id: Option<Spanned<Text>>,
    /// The contact's id in the channel; for WhatsApp the digits of the phone number.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) source_id: Option<Spanned<Text>>,
    /// A contact to create, or to find if its e-mail, phone number or identifier is taken.
    #[serde(default)]
    #[schemars(with = "Option<RawContact>")]
    pub(super) contact: Option<Spanned<RawContact>>,
}

/// A contact to create or find.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Contact")]
#[schemars(extend("allOf" = schema_patterns::findable()))]
pub(super) struct RawContact {
    /// The name shown to agents.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) name: Option<Spanned<Text>>,
    /// E-mail address; no two contacts share one.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) email: Option<Spanned<Text>>,
    /// Phone number; sent as `+` and digits. No two contacts share one.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) phone_number: Option<Spanned<Text>>,
    /// Address of a picture.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) avatar_url: Option<Spanned<Text>>,
    /// Your own id for the person; no two contacts share one.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) identifier: Option<Spanned<Text>>,
}

/// Whom a message goes to.
#[derive(Debug, Clone)]
pub enum To {
    /// A known conversation: one request.
    Conversation {
        /// Its id.
        conversation_id: Template,
    },
    /// A known contact, or a known source of an inbox: the conversation is made first, two requests.
    Sender {
        /// The channel.
        inbox_id: Template,
        /// The contact. At least one of this and `source_id` is there.
        contact_id: Option<Template>,
        /// Its id in the channel.
        source_id: Option<Template>,
    },
    /// A contact to make or to find: three requests.
    Contact {
        /// The channel.
        inbox_id: Template,
        /// The person.
        contact: Box<Contact>,
    },
}

/// A contact to create or find.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "LiveDesk's own names")]
pub struct Contact {
    pub name: Option<Template>,
    pub email: Option<Template>,
    pub phone_number: Option<Template>,
    pub avatar_url: Option<Template>,
    pub identifier: Option<Template>,
}

impl Checker<'_> {
    pub(super) fn to(&mut self, raw: Spanned<RawTo>) -> Option<To> {
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
                    "ways-to-address",
                    span,
                    "`to` must address recipients in exactly one way",
                    "use `conversation_id`; or `inbox_id` with `contact_id` or `source_id`; or `inbox_id` with \
                     `contact`",
                );
                None
            }
        }
    }

    fn contact(&mut self, raw: Spanned<RawContact>) -> Option<Contact> {
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

    /// Ids that are the same for every row.
    fn ids(&mut self, to: &RawTo) {
        for id in [&to.conversation_id, &to.inbox_id, &to.contact_id] {
            self.constant_if_any(id.as_ref(), whatsapp::whole_number);
        }
    }
}
