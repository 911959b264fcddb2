//! Listing and searching contacts, with the habits of the real service.

use std::cmp::Ordering;

use super::state::Contact;

/// A page has always this many contacts.
pub(super) const CONTACTS_PER_PAGE: usize = 15;

/// What `GET contacts` asks for.
pub(super) struct Search {
    /// Substring; `%` and `_` are wildcards, as in the real service.
    pub(super) q: Option<String>,
    pub(super) sort: Option<String>,
    pub(super) descending: bool,
    /// From 1.
    pub(super) page: usize,
}

impl Search {
    /// How many contacts there are in all, and those of the page.
    pub(super) fn run<'a>(&self, contacts: impl Iterator<Item = &'a Contact>) -> (usize, Vec<&'a Contact>) {
        let pattern = self.q.as_deref().map(str::trim).filter(|q| !q.is_empty()).map(Pattern::new);
        let mut found: Vec<&Contact> = contacts
            .filter(|contact| listed(contact) && pattern.as_ref().is_none_or(|pattern| pattern.finds(contact)))
            .collect();
        if let Some(sort) = &self.sort {
            let (field, descending) = match sort.strip_prefix('-') {
                Some(field) => (field, true),
                None => (sort.as_str(), self.descending),
            };
            found.sort_by(|a, b| if descending { compare(b, a, field) } else { compare(a, b, field) });
        }
        let start = self.page.saturating_sub(1).saturating_mul(CONTACTS_PER_PAGE);
        (found.len(), found.into_iter().skip(start).take(CONTACTS_PER_PAGE).collect())
    }
}

/// The real service hides contacts that have neither e-mail nor phone nor identifier.
fn listed(contact: &Contact) -> bool {
    contact.email.is_some() || contact.phone_number.is_some() || contact.identifier.is_some()
}

fn compare(a: &Contact, b: &Contact, field: &str) -> Ordering {
    match field {
        "name" => a.name.cmp(&b.name),
        "email" => a.email.cmp(&b.email),
        "phone_number" => a.phone_number.cmp(&b.phone_number),
        "created_at" | "last_activity_at" => a.created.since_start.cmp(&b.created.since_start),
        _ => Ordering::Equal,
    }
}

struct Pattern {
    exact: Vec<char>,
    lower: Vec<char>,
}

impl Pattern {
    fn new(q: &str) -> Self {
        Self { exact: q.chars().collect(), lower: q.to_lowercase().chars().collect() }
    }

    fn finds(&self, contact: &Contact) -> bool {
        let insensitive = [&contact.name, &contact.email, &contact.phone_number];
        insensitive.into_iter().flatten().any(|text| contains(&text.to_lowercase(), &self.lower))
            || contact.identifier.as_ref().is_some_and(|text| contains(text, &self.exact))
    }
}

/// Whether `text` is LIKE `%pattern%`.
fn contains(text: &str, pattern: &[char]) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Where the piece being matched started in the text, and where that piece starts in the pattern: after a `%`
    // everything before it is settled, so going back to the last piece is enough.
    let (mut start, mut piece) = (0, 0);
    let (mut at, mut want) = (0, 0);
    loop {
        if want == pattern.len() {
            return true;
        }
        if pattern[want] == '%' {
            want += 1;
            (start, piece) = (at, want);
        } else if at == text.len() {
            return false;
        } else if pattern[want] == '_' || pattern[want] == text[at] {
            at += 1;
            want += 1;
        } else {
            start += 1;
            (at, want) = (start, piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_substrings_with_wildcards() {
        let found = |text: &str, pattern: &str| contains(text, &pattern.chars().collect::<Vec<_>>());
        assert!(found("alice@acme.inc", "acme"));
        assert!(found("aab", "ab"));
        assert!(found("a-b-c", "a%c"));
        assert!(found("axc", "a_c"));
        assert!(found("xabyabc", "ab%abc"));
        assert!(!found("abc", "acb"));
        assert!(!found("ab", "abc"));
        assert!(!found("", "_"));
    }
}
