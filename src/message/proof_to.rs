//! The address of a proof: an operator's own, in the place of a recipient's. Everything else about the message stays.

use std::fmt::Write;

use super::{Address, Contact};
use crate::problem::{Place, Problem};
use crate::recipients::{email, normalise};
use crate::state::{ContactId, ConversationId, InboxId};

/// Where each problem is.
const FLAG: &str = "--proof-to";

/// The fields that an address may have, as `to` of a spec has them.
const FIELDS: [&str; 8] =
    ["phone_number", "email", "identifier", "name", "source_id", "contact_id", "conversation_id", "inbox_id"];

/// The address of an operator.
#[derive(Debug, Clone)]
pub struct ProofTo {
    inbox_id: Option<InboxId>,
    whom: Whom,
    /// The fields as they were given.
    fields: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
enum Whom {
    Conversation(ConversationId),
    Sender { contact_id: Option<ContactId>, source_id: Option<String> },
    Contact(Contact),
}

impl ProofTo {
    /// An address by its fields, each with its value.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(fields: Vec<(String, String)>) -> Result<Self, Vec<Problem>> {
        let mut problems: Vec<Problem> = fields.iter().filter_map(|(field, _)| unknown(field)).collect();
        problems.extend(repeated(&fields));
        let mut reader = Reader { fields: &fields, problems };
        let inbox_id = reader.id("inbox_id").map(InboxId);
        let whom = reader.whom();
        match (whom, reader.problems) {
            (Some(whom), problems) if problems.is_empty() => Ok(Self { inbox_id, whom, fields }),
            (_, problems) => Err(problems),
        }
    }

    /// The address for the message of a recipient, in the same inbox unless another one was given.
    ///
    /// # Errors
    /// No inbox is known.
    pub fn in_place_of(&self, recipient: &Address) -> Result<Address, Box<Problem>> {
        let of_recipient = match recipient {
            Address::Conversation(_) => None,
            Address::Sender { inbox_id, .. } | Address::Contact { inbox_id, .. } => Some(*inbox_id),
        };
        if let Whom::Conversation(id) = &self.whom {
            return Ok(Address::Conversation(*id));
        }
        let Some(inbox_id) = self.inbox_id.or(of_recipient) else {
            let what = "the spec addresses conversations, so the inbox for this address is not known";
            let hint = "add `--proof-to inbox_id=NUMBER`, or give a conversation of your own: `--proof-to conversation_id=NUMBER`";
            return Err(Box::new(Problem::error("proof-without-inbox", Place::file(FLAG), what).hint(hint)));
        };
        Ok(match &self.whom {
            Whom::Conversation(id) => Address::Conversation(*id),
            Whom::Sender { contact_id, source_id } => {
                Address::Sender { inbox_id, contact_id: *contact_id, source_id: source_id.clone() }
            }
            Whom::Contact(contact) => Address::Contact { inbox_id, contact: contact.clone() },
        })
    }

    /// The problem of an address that must not be messaged; `place` is where the suppression list has it.
    pub fn suppressed(place: &str) -> Problem {
        let problem = Problem::error("proof-suppressed", Place::file(FLAG), "this address is on a suppression list");
        problem
            .detail(place)
            .hint("nobody on a suppression list is messaged: give another address, or remove the entry")
    }
}

impl std::fmt::Display for ProofTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (field, value)) in self.fields.iter().enumerate() {
            if at > 0 {
                f.write_char(' ')?;
            }
            write!(f, "{field}={value}")?;
        }
        Ok(())
    }
}

fn problem(code: &'static str, what: impl Into<String>) -> Problem {
    Problem::error(code, Place::file(FLAG), what)
}

fn unknown(field: &str) -> Option<Problem> {
    let is_known = FIELDS.contains(&field);
    let hint = format!("the fields of an address are {}", FIELDS.join(", "));
    (!is_known).then(|| problem("proof-field-unknown", format!("`{field}` is no field of an address")).hint(hint))
}

fn repeated(fields: &[(String, String)]) -> Option<Problem> {
    let is_repeated =
        |(at, (field, _)): &(usize, &(String, String))| fields.iter().take(*at).any(|(earlier, _)| earlier == field);
    let (_, (field, _)) = fields.iter().enumerate().find(is_repeated)?;
    Some(problem("proof-field-twice", format!("`{field}` is given twice")).hint("all proofs go to one address"))
}

/// Reads the fields, and collects what is wrong with them.
struct Reader<'a> {
    fields: &'a [(String, String)],
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn text(&mut self, field: &str) -> Option<String> {
        let (_, value) = self.fields.iter().find(|(name, _)| name == field)?;
        if value.trim().is_empty() {
            self.problems.push(problem("proof-field-empty", format!("`{field}` is empty")));
        }
        Some(value.trim().to_owned())
    }

    fn id(&mut self, field: &str) -> Option<u64> {
        let text = self.text(field)?;
        match text.parse() {
            Ok(id) => Some(id),
            Err(_) if text.is_empty() => None,
            Err(_) => {
                self.problems.push(problem("proof-field-invalid", format!("`{field}` must be a number")).value(&text));
                None
            }
        }
    }

    fn phone(&mut self, field: &str) -> Option<String> {
        let text = self.text(field).filter(|text| !text.is_empty())?;
        match normalise(&text, None) {
            Ok(phone) => Some(phone.e164),
            Err(what) => {
                let hint = "write it with `+` and the country code";
                self.problems
                    .push(problem("proof-field-invalid", format!("`{field}`: {what}")).value(&text).hint(hint));
                None
            }
        }
    }

    fn email(&mut self) -> Option<String> {
        let text = self.text("email").filter(|text| !text.is_empty())?;
        if let Err(what) = email::check(&text) {
            self.problems.push(problem("proof-field-invalid", format!("`email`: {what}")).value(&text));
        }
        Some(text)
    }

    /// Whom the fields name, in the one way that they have to.
    fn whom(&mut self) -> Option<Whom> {
        let conversation_id = self.id("conversation_id").map(ConversationId);
        let contact_id = self.id("contact_id").map(ContactId);
        // The ids of WhatsApp's sources are the digits of phone numbers.
        let source_id = match self.text("source_id") {
            Some(text) if text.starts_with('+') => {
                self.phone("source_id").map(|phone| phone.trim_start_matches('+').to_owned())
            }
            source_id => source_id,
        };
        let contact = Contact {
            name: self.text("name"),
            email: self.email(),
            phone_number: self.phone("phone_number"),
            avatar_url: None,
            identifier: self.text("identifier"),
        };
        let is_findable = contact.email.is_some() || contact.phone_number.is_some() || contact.identifier.is_some();
        let is_contact = is_findable || contact.name.is_some();
        match (conversation_id, contact_id.is_some() || source_id.is_some(), is_contact) {
            (Some(id), false, false) => Some(Whom::Conversation(id)),
            (None, true, false) => Some(Whom::Sender { contact_id, source_id }),
            (None, false, true) if is_findable => Some(Whom::Contact(contact)),
            _ if !self.problems.is_empty() => None,
            (None, false, _) => {
                let what = "these fields name nobody: a phone number, an e-mail address or an identifier is missing";
                self.problems.push(
                    problem("proof-to-nobody", what).hint("for example `--proof-to phone_number=+4915112345678`"),
                );
                None
            }
            _ => {
                let what = "these fields address one person in more than one way";
                let hint = "give fields of a contact (phone_number, email, identifier, name), or contact_id and source_id, or conversation_id";
                self.problems.push(problem("proof-to-two-ways", what).hint(hint));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<ProofTo, Vec<&'static str>> {
        let fields = fields.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect();
        ProofTo::new(fields).map_err(|problems| problems.iter().map(|problem| problem.code).collect())
    }

    #[test]
    fn an_address_takes_the_place_of_a_recipients_in_the_same_inbox() {
        let recipient = Address::Sender { inbox_id: InboxId(3), contact_id: Some(ContactId(9)), source_id: None };
        let mine = read(&[("phone_number", "+49 151 12345678"), ("name", "Ada")]).unwrap();
        let Ok(Address::Contact { inbox_id, contact }) = mine.in_place_of(&recipient) else { panic!("{mine:?}") };
        assert_eq!((inbox_id, contact.phone_number.as_deref()), (InboxId(3), Some("+4915112345678")));
        assert!(mine.in_place_of(&Address::Conversation(ConversationId(1))).is_err());
        let elsewhere = read(&[("source_id", "+4915112345678"), ("inbox_id", "4")]).unwrap();
        let address = elsewhere.in_place_of(&recipient).unwrap();
        assert!(
            matches!(address, Address::Sender { inbox_id: InboxId(4), source_id: Some(id), .. } if id == "4915112345678")
        );
    }

    #[test]
    fn what_is_no_address_is_a_problem() {
        for (fields, code) in [
            (&[("phone", "+4915112345678")][..], "proof-field-unknown"),
            (&[("phone_number", "0151 12345678")], "proof-field-invalid"),
            (&[("email", "ada")], "proof-field-invalid"),
            (&[("conversation_id", "x")], "proof-field-invalid"),
            (&[("identifier", " ")], "proof-field-empty"),
            (&[("identifier", "a"), ("identifier", "b")], "proof-field-twice"),
            (&[("name", "Ada")], "proof-to-nobody"),
            (&[("inbox_id", "3")], "proof-to-nobody"),
            (&[("identifier", "a"), ("conversation_id", "3")], "proof-to-two-ways"),
        ] {
            assert!(read(fields).unwrap_err().contains(&code), "{fields:?}");
        }
    }
}
