//! Contacts in answers: whose they are.

use serde_json::Value;

use super::number;
use super::obstacle::Obstacle;
use crate::message::Contact;
use crate::state::ContactId;

/// What came of making a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactReply {
    /// It was made.
    Created(Owner),
    /// Somebody has one of these attributes already; the answer does not say who.
    Conflict(Vec<Attribute>),
}

/// What only one contact of a project may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// Compared whatever the case.
    Email,
    /// In international form.
    PhoneNumber,
    /// The project's own.
    Identifier,
}

impl Attribute {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Email, Self::PhoneNumber, Self::Identifier];

    /// LiveDesk's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::PhoneNumber => "phone_number",
            Self::Identifier => "identifier",
        }
    }

    /// What a row gives for it.
    pub fn of(self, contact: &Contact) -> Option<&str> {
        match self {
            Self::Email => contact.email.as_deref(),
            Self::PhoneNumber => contact.phone_number.as_deref(),
            Self::Identifier => contact.identifier.as_deref(),
        }
    }
}

/// A contact as an answer has it, by what is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub id: ContactId,
    pub(super) blocked: bool,
    own: [Option<String>; 3],
}

impl Owner {
    pub(super) fn read(contact: &Value) -> Option<Self> {
        let own = Attribute::ALL.map(|attribute| match &contact[attribute.name()] {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        Some(Self { id: ContactId(number(&contact["id"])?), blocked: contact["blocked"] == true, own })
    }

    /// Why a message to it may not reach anybody.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        if self.blocked { vec![Obstacle::Blocked] } else { Vec::new() }
    }

    /// Whether it has exactly this.
    pub fn has(&self, attribute: Attribute, value: &str) -> bool {
        self.own(attribute).is_some_and(|own| match attribute {
            Attribute::Email => own.to_lowercase() == value.to_lowercase(),
            Attribute::PhoneNumber | Attribute::Identifier => own == value,
        })
    }

    /// Whether it has something else there, however it is written: it is somebody else, or somebody who has changed.
    pub fn contradicts(&self, attribute: Attribute, value: &str) -> bool {
        let normalised = |text: &str| match attribute {
            Attribute::Email => text.trim().to_lowercase(),
            Attribute::PhoneNumber => text.chars().filter(char::is_ascii_digit).collect(),
            Attribute::Identifier => text.trim().to_owned(),
        };
        self.own(attribute).map(normalised).is_some_and(|own| !own.is_empty() && own != normalised(value))
    }

    /// The first attribute that contradicts what the row says of its contact.
    pub fn contradiction(&self, contact: &Contact) -> Option<Attribute> {
        let differs =
            |attribute: &Attribute| attribute.of(contact).is_some_and(|value| self.contradicts(*attribute, value));
        Attribute::ALL.into_iter().find(differs)
    }

    fn own(&self, attribute: Attribute) -> Option<&str> {
        self.own[attribute as usize].as_deref()
    }
}

/// The attributes that somebody else has, if an error says so and names no others.
pub(super) fn taken(body: &Value) -> Option<Vec<Attribute>> {
    let body = if body["attributes"].is_array() { body } else { &body["data"] };
    let names: Vec<&str> = body["attributes"].as_array()?.iter().filter_map(Value::as_str).collect();
    let attributes = Attribute::ALL.into_iter().filter(|attribute| names.contains(&attribute.name())).collect();
    let all_known = names.iter().all(|name| Attribute::ALL.iter().any(|attribute| attribute.name() == *name));
    let says_so = body["message"].as_str().is_some_and(|message| message.contains("taken"));
    (says_so && all_known && !names.is_empty()).then_some(attributes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_contradicts_makes_it_somebody_else() {
        let own = |value: Value| Owner::read(&value).unwrap();
        let row = Contact {
            phone_number: Some("+4915112345678".to_owned()),
            email: Some("Ada@example.com".to_owned()),
            identifier: Some("17".to_owned()),
            ..Contact::default()
        };
        for same in [
            json!({ "id": 1 }),
            json!({ "id": 1, "phone_number": null, "email": "", "identifier": null }),
            json!({ "id": 1, "phone_number": "49 151 12345678", "email": "ada@EXAMPLE.com ", "identifier": 17 }),
        ] {
            assert_eq!(own(same).contradiction(&row), None);
        }
        assert_eq!(
            own(json!({ "id": 1, "phone_number": "+4915112345679" })).contradiction(&row),
            Some(Attribute::PhoneNumber)
        );
        assert_eq!(own(json!({ "id": 1, "email": "eve@example.com" })).contradiction(&row), Some(Attribute::Email));
        assert_eq!(own(json!({ "id": 1, "identifier": "18" })).contradiction(&row), Some(Attribute::Identifier));
    }
}
