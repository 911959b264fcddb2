//! Whom a message goes to.

use jiff::tz::TimeZone;

use super::Renderer;
use super::value::is_longer;
use crate::message::{Address, Contact};
use crate::recipients::{email, normalise};
use crate::specification::{self, Template, Timezone, To};
use crate::state::{ContactId, ConversationId, InboxId};
use crate::window::zone;

/// LiveDesk's ancestor keeps these contact fields in columns of this size.
const MAX_CONTACT_FIELD_LENGTH: usize = 255;

impl Renderer<'_> {
    pub(super) fn address(&mut self) -> Address {
        match &self.templates.spec.to {
            To::Conversation { conversation_id } => Address::Conversation(ConversationId(self.number(conversation_id))),
            To::Sender { inbox_id, contact_id, source_id } => Address::Sender {
                inbox_id: InboxId(self.number(inbox_id)),
                contact_id: contact_id.as_ref().map(|id| ContactId(self.number(id))),
                source_id: source_id.as_ref().map(|id| self.source_id(id)),
            },
            To::Contact { inbox_id, contact } => {
                Address::Contact { inbox_id: InboxId(self.number(inbox_id)), contact: self.contact(contact) }
            }
        }
    }

    /// An id of the channel. WhatsApp's are the digits of a phone number, so a number in another notation goes out as
    /// its digits; any other id goes as it is.
    fn source_id(&mut self, template: &Template) -> String {
        let id = self.id(template);
        if is_a_national_number(&id) {
            return self.national_source_id(template, id);
        }
        if !is_a_spaced_number(&id) {
            return id;
        }
        let Some(phone) = self.read_phone(template, &id) else { return id };
        let digits = phone.e164.trim_start_matches('+').to_owned();
        self.note_rewritten(&phone, id, digits.clone());
        digits
    }

    /// Digits that begin with a zero: no id of WhatsApp's, but a phone number, or an id of another channel.
    fn national_source_id(&mut self, template: &Template, id: String) -> String {
        let region = self.templates.region(self.context.row);
        match normalise(&id, region.as_deref()) {
            Ok(phone) if !phone.doubtful => {
                let digits = phone.e164.trim_start_matches('+').to_owned();
                self.note_rewritten(&phone, id, digits.clone());
                digits
            }
            _ => {
                let what = "may be a phone number without a country code; it is sent unchanged";
                self.warning("phone-as-source", template, what);
                id
            }
        }
    }

    fn contact(&mut self, templates: &specification::Contact) -> Contact {
        let before = self.problems.len();
        let contact = Contact {
            name: self.contact_field(templates.name.as_ref()),
            email: self.contact_field(templates.email.as_ref()),
            phone_number: templates.phone_number.as_ref().and_then(|template| self.phone(template)),
            avatar_url: self.if_any(templates.avatar_url.as_ref()),
            identifier: self.identifier(templates.identifier.as_ref()),
        };
        if let (Some(template), Some(email)) = (&templates.email, &contact.email)
            && let Err(what) = email::check(email)
        {
            self.misread("not-an-email", template, what, email);
        }
        let findable = contact.email.is_some() || contact.phone_number.is_some() || contact.identifier.is_some();
        let fields = [&templates.identifier, &templates.phone_number, &templates.email];
        if let Some(template) = fields.into_iter().flatten().next()
            && !findable
            && self.problems.len() == before
        {
            self.problem("nobody-named", template, "the cell is empty, so this recipient has no address");
        }
        contact
    }

    fn identifier(&mut self, template: Option<&Template>) -> Option<String> {
        let id = self.contact_field(template)?;
        self.check_damage(template?, &id);
        Some(id)
    }

    fn contact_field(&mut self, template: Option<&Template>) -> Option<String> {
        let text = self.if_any(template)?;
        if let Some(template) = template.filter(|_| is_longer(&text, MAX_CONTACT_FIELD_LENGTH)) {
            self.problem("too-long", template, format!("longer than {MAX_CONTACT_FIELD_LENGTH} characters"));
        }
        Some(text)
    }

    fn phone(&mut self, template: &Template) -> Option<String> {
        let text = self.if_any(Some(template))?;
        let phone = self.read_phone(template, &text)?;
        let written: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        if written != phone.e164 {
            // Digits of other scripts are shown as they are.
            let written = if written.is_empty() { text } else { written };
            self.note_rewritten(&phone, written, phone.e164.clone());
        }
        Some(phone.e164)
    }

    /// The zone of the recipient, or else the spec's fallback.
    pub(super) fn zone(&mut self) -> Option<TimeZone> {
        let window = self.templates.spec.send.window.as_ref()?;
        let template = match &window.timezone {
            Timezone::Fixed(zone) => return Some(zone.clone()),
            Timezone::PerRow(template) => template,
        };
        let name = match self.templates.text(template, &self.context) {
            Err(_) if window.fallback.is_some() => String::new(),
            Err(error) => {
                self.no_text(template, error);
                return None;
            }
            Ok(name) => name,
        };
        let found = zone(name.trim()).or_else(|| window.fallback.clone());
        if found.is_none() && name.trim().is_empty() {
            self.problem(
                "timezone-missing",
                template,
                "empty (set `send.window.fallback` for rows without a time zone)",
            );
        } else if found.is_none() {
            let what = "not the name of a time zone, such as `Europe/Berlin`";
            self.misread("timezone-unknown", template, what, name.trim());
        }
        found
    }
}

/// Digits that begin with a zero, as many as phone numbers have.
fn is_a_national_number(id: &str) -> bool {
    id.starts_with('0') && (9..=17).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// Digits with what people write between them, such as `(312) 555-1003`: no id is written so, but a phone number.
fn is_a_spaced_number(id: &str) -> bool {
    let digits = id.bytes().filter(u8::is_ascii_digit).count();
    let spaces = id.contains(['+', ' ', '(', ')', '/']) || id.matches(['-', '.']).count() >= 2;
    digits >= 7
        && spaces
        && id.chars().all(|c| c.is_ascii_digit() || c.is_whitespace() || "+-().\u{2010}\u{2011}/".contains(c))
}
