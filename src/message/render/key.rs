//! What identifies a recipient: rows with the same key are one delivery, in every run.

use super::super::{Address, Templates};
use super::Renderer;
use crate::recipients::Row;

impl Templates {
    /// The key of a row, also of one that is not sent to; `None` if it cannot be rendered.
    pub fn key(&self, row: &Row, list: &str) -> Option<String> {
        let mut renderer = Renderer::new(self, row, list);
        let key = renderer.key(None);
        renderer.problems.is_empty().then_some(key)
    }
}

impl Renderer<'_> {
    /// The key by `recipients.key`, or else by the address, which is rendered if it was not yet.
    pub(super) fn key(&mut self, address: Option<&Address>) -> String {
        match (&self.templates.spec.recipients.key, address) {
            (Some(key), _) => self.id(key),
            (None, Some(address)) => default_key(address),
            (None, None) => default_key(&self.address()),
        }
    }
}

/// Without `recipients.key`, the address is the key.
fn default_key(address: &Address) -> String {
    match address {
        Address::Conversation(id) => id.to_string(),
        Address::Sender { contact_id, source_id, .. } => {
            contact_id.map(|id| id.to_string()).or_else(|| source_id.as_deref().map(same_source)).unwrap_or_default()
        }
        Address::Contact { contact, .. } => contact
            .identifier
            .clone()
            .or_else(|| contact.phone_number.clone())
            .or_else(|| contact.email.as_deref().map(str::to_lowercase))
            .unwrap_or_default(),
    }
}

/// The ids of WhatsApp's sources are phone numbers in digits: one person, however the number is spaced out.
fn same_source(id: &str) -> String {
    let digits: String = id.chars().filter(char::is_ascii_digit).collect();
    let is_number = digits.len() >= 7 && id.chars().all(|c| c.is_ascii_digit() || "+ -().".contains(c));
    if is_number { digits } else { id.to_owned() }
}
