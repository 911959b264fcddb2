//! Reading back, as the real service's ancestor has it: LiveDesk itself documents none of it.

use serde_json::{Value, json};

use super::handler::{Handler, Outcome};
use super::request::ApiRequest;
use super::responses;
use super::state::{Account, Conversation, Message, Refusal, Timing};

impl Handler {
    /// `GET /conversations/:id/messages`.
    pub(super) fn read_messages(&self, call: &ApiRequest, id: &str) -> Result<Outcome, Refusal> {
        let id = id.parse().map_err(|_| Refusal::NotFound)?;
        let after = call.query("after").and_then(|after| after.parse().ok());
        let hides_internal = call.query("filter_internal_messages").is_some_and(|value| !value.is_empty());
        let is_shown = |message: &Message| {
            let is_internal = message.draft.private || message.draft.message_type == 2;
            !(hides_internal && is_internal)
        };
        let account = self.account();
        let found = account.messages_of(id, after, is_shown)?;
        let contact = account.conversation(id).and_then(|found| found.contact_id).and_then(|id| account.contact(id));
        let payload: Vec<_> = found.into_iter().map(|message| responses::message(message, contact)).collect();
        let body = json!({ "meta": { "labels": [], "additional_attributes": {} }, "payload": payload });
        Ok(Outcome::accepted(body, [("conversation_id", id)]))
    }

    /// `GET /conversations`: a page, or with `updated_within` all that changed.
    pub(super) fn list_conversations(&self, call: &ApiRequest, now: Timing) -> Outcome {
        let number = |name: &str| call.query(name).and_then(|value| value.parse::<u64>().ok());
        let inbox = number("inbox_id");
        let is_shown = call.query("status").is_none_or(|status| status == "all" || status == "open");
        let account = self.account();
        let (count, found) = match number("updated_within") {
            _ if !is_shown => (0, Vec::new()),
            Some(seconds) => {
                let since = now.since_start.saturating_sub(seconds.saturating_mul(1_000_000));
                let found = account.changed_since(inbox, since);
                (found.len(), found)
            }
            None => {
                let page = number("page").and_then(|page| usize::try_from(page).ok()).unwrap_or(1);
                account.conversations_page(inbox, page)
            }
        };
        let payload: Vec<_> = found.into_iter().map(|found| listed(&account, found)).collect();
        let meta = json!({ "mine_count": 0, "assigned_count": 0, "unassigned_count": count, "all_count": count });
        Outcome::accepted(json!({ "data": { "meta": meta, "payload": payload } }), [])
    }

    /// `GET /inboxes/:id`: what the inbox is, and the templates that WhatsApp has for it.
    pub(super) fn read_inbox(&self, id: &str) -> Result<Outcome, Refusal> {
        let id: u64 = id.parse().map_err(|_| Refusal::NotFound)?;
        let shown = |templates: &Vec<_>| templates.iter().map(responses::template).collect::<Value>();
        let templates = self.templates.as_ref().map(shown);
        Ok(Outcome::accepted(responses::inbox(id, templates.as_ref()), []))
    }
}

/// A conversation in a list: with its last message, and the last one that somebody wrote.
fn listed(account: &Account, conversation: &Conversation) -> Value {
    let contact = conversation.contact_id.and_then(|id| account.contact(id));
    let messages = || conversation.messages.iter().rev().filter_map(|id| account.message(*id));
    let shown = |message: Option<&Message>| message.map(|message| responses::message(message, contact));
    let last = shown(messages().next());
    let written = shown(messages().find(|message| message.draft.message_type != 2));
    responses::conversation_listed(conversation, contact, last, written)
}
