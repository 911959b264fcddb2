//! What the columns of a suppression list are, by its header: which of them say who must not be messaged.

use super::super::{formula_guard, is_invisible};

/// What the cells of a column are, by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// Nothing says so.
    Unnamed,
    Phone,
    Email,
    Key,
    /// LiveDesk's ids of people and conversations. They are keys as well only in a list without a column of keys.
    Id {
        kind: IdKind,
        is_key: bool,
    },
    /// Something else, such as a date or a reason, beside columns that say who it is.
    Other,
}

/// What an id of LiveDesk's is the id of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    /// A contact.
    Contact,
    /// A conversation.
    Conversation,
}

impl IdKind {
    /// The kind that a column with this name has.
    pub(super) fn of_column(name: &str) -> Option<Self> {
        match name.trim_matches(is_invisible).to_lowercase().as_str() {
            "contact_id" => Some(Self::Contact),
            "conversation_id" => Some(Self::Conversation),
            _ => None,
        }
    }
}

/// The form of an id, which no key, number or address has.
pub(super) fn of_id(kind: IdKind, id: u64) -> String {
    let kind = match kind {
        IdKind::Contact => "contact",
        IdKind::Conversation => "conversation",
    };
    format!("{kind}\u{0}{id}")
}

impl Column {
    /// The columns that a first line names; `None` if it is no header.
    pub(super) fn header(cells: &[String]) -> Option<Vec<Self>> {
        // A report has the ids of contacts and messages beside the keys, which may be the keys of others.
        let of_report = |cell: &String| if cell == "key" { Self::Key } else { Self::Other };
        let is_ours = formula_guard::is_report(cells);
        let mut named: Vec<Self> =
            cells.iter().map(|cell| if is_ours { of_report(cell) } else { Self::named(cell) }).collect();
        if named.contains(&Self::Key) {
            for column in &mut named {
                if let Self::Id { is_key, .. } = column {
                    *is_key = false;
                }
            }
        }
        let says_who = |column: &Self| *column != Self::Other;
        named.iter().any(says_who).then_some(named)
    }

    fn named(cell: &str) -> Self {
        let name = cell.trim_matches(is_invisible).to_lowercase();
        let is_one_of = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if name.len() > 40 || name.contains('@') || name.bytes().filter(u8::is_ascii_digit).count() > 3 {
            Self::Other
        } else if is_one_of(&["mail"]) {
            Self::Email
        } else if is_one_of(&["phone", "mobile", "mobil", "whatsapp", "wa_id", "msisdn", "handy", "telefon"])
            || ["tel", "tel.", "number", "cell"].contains(&name.as_str())
        {
            Self::Phone
        } else if let Some(kind) = IdKind::of_column(&name) {
            Self::Id { kind, is_key: true }
        } else if ["key", "id", "identifier", "source_id"].contains(&name.as_str()) {
            Self::Key
        } else {
            Self::Other
        }
    }
}
