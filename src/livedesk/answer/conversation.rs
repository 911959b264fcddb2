//! Conversations in answers: whose they are, and whether a message in them reaches anybody.

use serde_json::Value;

use super::contact::Owner;
use super::obstacle::Obstacle;
use super::{number, status_word};
use crate::message::Contact;
use crate::state::{ContactId, ConversationId, InboxId};

/// A conversation that LiveDesk made or gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    inbox_id: Option<InboxId>,
    contact_id: Option<ContactId>,
    sender: Option<Owner>,
    status: Option<String>,
    muted: bool,
    can_reply: Option<bool>,
}

/// States of conversations in which nobody is at work.
const INACTIVE: [&str; 3] = ["resolved", "closed", "snoozed"];

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub struct ConversationRequest<'a> {
    /// The channel.
    pub inbox_id: InboxId,
    /// The contact, unless only its id in the channel is known.
    pub contact_id: Option<ContactId>,
    /// The contact's id in the channel.
    pub source_id: Option<&'a str>,
    /// What the row says of the contact.
    pub contact: Option<&'a Contact>,
}

impl Conversation {
    pub(super) fn read(body: &Value) -> Option<Self> {
        let sender = &body["meta"]["sender"];
        let contact_id = number(&sender["id"]).or_else(|| number(&body["account_info"]["contact_id"]));
        Some(Self {
            id: ConversationId(number(&body["id"])?),
            inbox_id: number(&body["inbox_id"]).map(InboxId),
            contact_id: contact_id.map(ContactId),
            sender: Owner::read(sender),
            status: body["status"].as_str().map(status_word),
            muted: body["muted"] == true,
            can_reply: body["can_reply"].as_bool(),
        })
    }

    /// How it contradicts what was asked for: a message in it would reach somebody else.
    pub(super) fn contradiction(&self, asked: ConversationRequest<'_>) -> Option<String> {
        let Self { id, .. } = self;
        if let Some(inbox_id) = self.inbox_id.filter(|inbox_id| *inbox_id != asked.inbox_id) {
            return Some(format!("conversation {id} is in inbox {inbox_id}, not in {}", asked.inbox_id));
        }
        if let (Some(is), Some(wanted)) = (self.contact_id, asked.contact_id)
            && is != wanted
        {
            return Some(format!("conversation {id} belongs to contact {is}, not to {wanted}"));
        }
        let attribute = self.sender.as_ref()?.contradiction(asked.contact?)?;
        let name = attribute.name();
        Some(format!("conversation {id} belongs to another contact: its {name} differs from the row's"))
    }

    /// Why a message in it may not reach anybody or not be wanted. A template opens WhatsApp's 24 hours by itself, so
    /// `can_reply` says nothing about it.
    pub fn obstacles(&self, is_template: bool) -> Vec<Obstacle> {
        let is_blocked = self.sender.as_ref().is_some_and(|sender| sender.blocked);
        let inactive = INACTIVE.into_iter().find(|status| self.status.as_deref() == Some(status));
        let no_reply = self.can_reply == Some(false) && !is_template;
        let found = [
            is_blocked.then_some(Obstacle::Blocked),
            self.muted.then_some(Obstacle::Muted),
            inactive.map(Obstacle::Inactive),
            no_reply.then_some(Obstacle::OnlyTemplates),
        ];
        found.into_iter().flatten().collect()
    }
}
