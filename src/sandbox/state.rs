//! The account behind the sandbox: contacts, conversations and messages, and the rules by which they come to be.
//!
//! Knows nothing of HTTP and reads no clock: the time comes with each call.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde_json::Value;

use super::history::History;
use super::receipts::Status;
use super::templates::Failure;

/// The real service takes this many messages of one conversation in any minute.
const FLOOD: usize = 200;
const MINUTE_US: u64 = 60_000_000;
/// The inbox of conversations that were not made here.
const STAND_IN_INBOX: u64 = 79;

/// A point in time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Timing {
    /// Since the server started; never goes back.
    pub(super) since_start: u64,
    /// Since 1970.
    pub(super) unix: i64,
}

impl Timing {
    pub(super) fn unix_seconds(self) -> i64 {
        self.unix / 1_000_000
    }
}

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// What an id names is not there.
    NotFound,
    /// A required parameter is not there.
    Missing(&'static str),
    /// Attributes of a record that are not valid: whole sentences, and the attributes.
    Invalid { messages: Vec<String>, attributes: Vec<&'static str> },
    /// A message that is not valid.
    Validation(String),
    /// A value outside its enumeration.
    Word { word: String, field: &'static str },
    /// A body that is not what its media type says.
    Unreadable,
}

/// A file of a multipart request. Its bytes are counted and let go.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) name: String,
    pub(super) filename: String,
    pub(super) content_type: String,
    pub(super) size: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Contact {
    pub(super) id: u64,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) phone_number: Option<String>,
    pub(super) identifier: Option<String>,
    pub(super) avatar_url: Option<String>,
    pub(super) source_id: String,
    pub(super) created: Timing,
}

#[derive(Clone, Debug)]
pub(super) struct Conversation {
    pub(super) id: u64,
    pub(super) inbox_id: u64,
    pub(super) contact_id: Option<u64>,
    pub(super) created: Timing,
    /// When it or its last message changed.
    pub(super) updated: Timing,
    /// Its messages, in the order of their ids.
    pub(super) messages: Vec<u64>,
    /// When the messages of the last minute came.
    recent: VecDeque<u64>,
}

/// What a message is made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) content: Option<String>,
    /// 0 incoming, 1 outgoing, 2 activity, 3 template.
    pub(super) message_type: u8,
    pub(super) private: bool,
    /// What is given back of the template's parameters.
    pub(super) template: Option<Value>,
    pub(super) source_id: Option<String>,
    pub(super) uploads: Vec<Upload>,
    pub(super) failure: Option<Failure>,
}

#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) conversation_id: u64,
    pub(super) inbox_id: u64,
    pub(super) contact_id: Option<u64>,
    pub(super) sorting_id: u64,
    pub(super) created: Timing,
    pub(super) draft: Draft,
    pub(super) status: Status,
    /// Why it failed; it stays when a later report says otherwise.
    pub(super) failure: Option<Failure>,
    /// Whether WhatsApp took it: such a message is never sent again.
    pub(super) is_with_provider: bool,
    /// The number of the first attachment; the others follow.
    pub(super) first_attachment: u64,
}

/// Everything that one sandbox remembers.
pub(super) struct Account {
    /// Whether only what was made here can be addressed.
    pub(super) strict: bool,
    contacts: BTreeMap<u64, Contact>,
    /// Attributes that must be unique, and whose they are.
    taken: HashMap<(&'static str, String), u64>,
    sources: HashMap<String, u64>,
    pub(super) conversations: HashMap<u64, Conversation>,
    pub(super) deleted: HashSet<u64>,
    pub(super) messages: HashMap<u64, Message>,
    pub(super) history: History,
    next: Next,
}

/// The next free ids. The ranges are apart, so that an id used in the wrong place does not pass by accident.
struct Next {
    contact: u64,
    conversation: u64,
    message: u64,
    attachment: u64,
}

impl Account {
    pub(super) fn new(strict: bool) -> Self {
        Self {
            strict,
            contacts: BTreeMap::new(),
            taken: HashMap::new(),
            sources: HashMap::new(),
            conversations: HashMap::new(),
            deleted: HashSet::new(),
            messages: HashMap::new(),
            history: History::default(),
            next: Next { contact: 2_219_256, conversation: 40, message: 3_030_000, attachment: 199 },
        }
    }

    pub(super) fn contact(&self, id: u64) -> Option<&Contact> {
        self.contacts.get(&id)
    }

    pub(super) fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.values()
    }

    pub(super) fn conversation(&self, id: u64) -> Option<&Conversation> {
        self.conversations.get(&id)
    }

    pub(super) fn message(&self, id: u64) -> Option<&Message> {
        self.messages.get(&id)
    }

    /// Makes a contact from what was asked for; id, source id and time of `wanted` are set here.
    pub(super) fn create_contact(&mut self, mut wanted: Contact, now: Timing) -> Result<&Contact, Refusal> {
        wanted.email = wanted.email.map(|email| email.to_lowercase());
        let unique = unique(&wanted);
        self.validate(&wanted, &unique)?;
        while self.contacts.contains_key(&self.next.contact) {
            self.next.contact += 1;
        }
        let id = self.next.contact;
        wanted.id = id;
        wanted.created = now;
        wanted.source_id = uuid(0x660c_e36f, id);
        self.sources.insert(wanted.source_id.clone(), id);
        self.taken.extend(unique.into_iter().map(|key| (key, id)));
        Ok(self.contacts.entry(id).or_insert(wanted))
    }

    fn validate(&self, wanted: &Contact, unique: &[(&'static str, String)]) -> Result<(), Refusal> {
        let mut messages = Vec::new();
        let mut attributes = Vec::new();
        let mut object = |attribute: &'static str, message: String| {
            messages.push(message);
            attributes.push(attribute);
        };
        for key in unique {
            if self.taken.contains_key(key) {
                object(key.0, format!("{} has already been taken", humanized(key.0)));
            }
        }
        if wanted.email.as_deref().is_some_and(|email| !is_email(email)) {
            object("email", "Email Invalid email".to_owned());
        }
        if wanted.phone_number.as_deref().is_some_and(|phone| !is_e164(phone)) {
            object("phone_number", "Phone number should be in e164 format".to_owned());
        }
        if messages.is_empty() { Ok(()) } else { Err(Refusal::Invalid { messages, attributes }) }
    }

    /// Opens a conversation, always a new one, and gives its id.
    pub(super) fn open(
        &mut self,
        inbox_id: u64,
        contact_id: Option<u64>,
        source_id: Option<&str>,
        now: Timing,
    ) -> Result<u64, Refusal> {
        let contact_id = self.addressee(contact_id, source_id, now)?;
        while self.conversations.contains_key(&self.next.conversation) {
            self.next.conversation += 1;
        }
        let id = self.next.conversation;
        self.conversations.insert(id, Conversation::new(id, inbox_id, Some(contact_id), now));
        self.history.made(id, inbox_id, now.since_start);
        Ok(id)
    }

    /// The contact that a conversation is for. Unless strict, one that is not known stands in for a real one.
    fn addressee(&mut self, id: Option<u64>, source: Option<&str>, now: Timing) -> Result<u64, Refusal> {
        let known = match (id, source) {
            (Some(id), _) => self.contacts.contains_key(&id).then_some(id),
            (None, Some(source)) => self.sources.get(source).copied(),
            (None, None) => return Err(Refusal::NotFound),
        };
        match known {
            Some(id) => Ok(id),
            None if self.strict => Err(Refusal::NotFound),
            None => Ok(self.stand_in(id, source, now)),
        }
    }

    fn stand_in(&mut self, id: Option<u64>, source: Option<&str>, now: Timing) -> u64 {
        while self.contacts.contains_key(&self.next.contact) {
            self.next.contact += 1;
        }
        let id = id.unwrap_or(self.next.contact);
        let source_id = source.map_or_else(|| uuid(0x660c_e36f, id), ToOwned::to_owned);
        self.sources.insert(source_id.clone(), id);
        let name = Some(format!("Contact {id}"));
        self.contacts.insert(id, Contact { id, name, source_id, created: now, ..Contact::default() });
        id
    }

    /// Adds a message to a conversation, and gives its id.
    pub(super) fn post(&mut self, conversation_id: u64, draft: Draft, now: Timing) -> Result<u64, Refusal> {
        let is_known = self.conversations.contains_key(&conversation_id);
        if !is_known && (self.strict || self.deleted.contains(&conversation_id)) {
            return Err(Refusal::NotFound);
        }
        if !is_known {
            self.history.made(conversation_id, STAND_IN_INBOX, now.since_start);
        }
        let conversation = self
            .conversations
            .entry(conversation_id)
            .or_insert_with(|| Conversation::new(conversation_id, STAND_IN_INBOX, None, now));
        conversation.admit(now.since_start)?;
        let id = self.next.message;
        let sorting_id = conversation.messages.len() as u64 + 1;
        conversation.messages.push(id);
        self.next.message += 1;
        let first_attachment = self.next.attachment;
        self.next.attachment += draft.uploads.len() as u64;
        let message = Message {
            id,
            conversation_id,
            inbox_id: conversation.inbox_id,
            contact_id: conversation.contact_id,
            sorting_id,
            created: now,
            status: if draft.failure.is_some() { Status::Failed } else { Status::Sent },
            failure: draft.failure.clone(),
            is_with_provider: false,
            draft,
            first_attachment,
        };
        self.messages.insert(id, message);
        self.touch(conversation_id, now);
        self.tell("message_created", conversation_id, id);
        Ok(id)
    }

    /// Sends a failed message again, and says whether it did; on any other it does nothing. One that WhatsApp took is
    /// called sent and is not: so it is with the real service.
    pub(super) fn retry(
        &mut self,
        conversation_id: u64,
        message_id: u64,
        failure: Option<Failure>,
    ) -> Result<bool, Refusal> {
        let message = self.messages.get_mut(&message_id).ok_or(Refusal::NotFound)?;
        if message.conversation_id != conversation_id {
            return Err(Refusal::NotFound);
        }
        if message.status != Status::Failed {
            return Ok(false);
        }
        if message.is_with_provider {
            message.status = Status::Sent;
            return Ok(false);
        }
        message.status = if failure.is_some() { Status::Failed } else { Status::Sent };
        message.failure = failure;
        Ok(message.status == Status::Sent)
    }
}

impl Conversation {
    fn new(id: u64, inbox_id: u64, contact_id: Option<u64>, now: Timing) -> Self {
        Self { id, inbox_id, contact_id, created: now, updated: now, messages: Vec::new(), recent: VecDeque::new() }
    }

    /// Counts a message, unless there were too many in the last minute.
    fn admit(&mut self, now: u64) -> Result<(), Refusal> {
        while self.recent.front().is_some_and(|then| now.saturating_sub(*then) >= MINUTE_US) {
            self.recent.pop_front();
        }
        if self.recent.len() >= FLOOD {
            return Err(Refusal::Validation("Too many messages".to_owned()));
        }
        self.recent.push_back(now);
        Ok(())
    }
}

/// What of a contact must be unique, in the order in which the real service checks it.
fn unique(contact: &Contact) -> Vec<(&'static str, String)> {
    let email = contact.email.clone().map(|value| ("email", value));
    let identifier = contact.identifier.clone().map(|value| ("identifier", value));
    let phone = contact.phone_number.clone().map(|value| ("phone_number", value));
    [email, identifier, phone].into_iter().flatten().collect()
}

fn humanized(attribute: &str) -> &'static str {
    match attribute {
        "email" => "Email",
        "identifier" => "Identifier",
        _ => "Phone number",
    }
}

fn is_email(text: &str) -> bool {
    let blank = text.chars().any(char::is_whitespace);
    !blank
        && text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
}

/// `+`, a digit from 1 to 9, and 1 to 14 more.
fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (2..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// A UUID that is the same in every run: the sandbox must be reproducible, not unguessable.
pub(super) fn uuid(kind: u32, id: u64) -> String {
    format!("{kind:08x}-46bb-4153-948c-{:012x}", id & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(since_start: u64) -> Timing {
        Timing { since_start, unix: 0 }
    }

    #[test]
    fn a_conversation_takes_200_messages_in_any_minute() {
        let mut account = Account::new(false);
        for second in 0..200 {
            assert!(account.post(7, Draft::default(), at(second)).is_ok());
        }
        let refused = account.post(7, Draft::default(), at(MINUTE_US - 1));
        assert_eq!(refused, Err(Refusal::Validation("Too many messages".to_owned())));
        assert!(account.post(8, Draft::default(), at(MINUTE_US - 1)).is_ok());
        assert!(account.post(7, Draft::default(), at(MINUTE_US)).is_ok());
        assert!(account.post(7, Draft::default(), at(MINUTE_US)).is_err());
    }

    #[test]
    fn ids_of_stand_ins_are_not_given_again() {
        let mut account = Account::new(false);
        account.post(40, Draft::default(), at(0)).unwrap();
        let opened = account.open(1, Some(2_219_256), None, at(0));
        assert_eq!(opened, Ok(41));
        let created = account.create_contact(Contact::default(), at(0)).map(|contact| contact.id);
        assert_eq!(created, Ok(2_219_257));
    }

    #[test]
    fn phones_are_e164_and_emails_have_two_ends() {
        assert!(is_e164("+123456789"));
        for bad in ["123456789", "+0123", "+1", "+1234567890123456", "+12 34", "x+1234"] {
            assert!(!is_e164(bad), "{bad}");
        }
        assert!(is_email("alice@acme.inc"));
        for bad in ["alice", "@acme.inc", "alice@", "a@b@c", "a b@c"] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
