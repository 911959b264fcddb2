//! What happens to messages and conversations in the course of time, and looking at it: the messages of a conversation,
//! conversations by pages, and those in which something has changed.

use std::cmp::Reverse;

use super::receipts::{Event, Events, Status};
use super::state::{Account, Conversation, Draft, Message, Refusal, Timing};
use super::webhook::WebhookEvent;

/// A page of conversations has so many.
pub(super) const CONVERSATIONS_PER_PAGE: usize = 25;
/// So many messages are shown at a time.
const MAX_MESSAGES: usize = 100;
/// The same without a place to begin at.
const LAST_MESSAGES: usize = 20;

impl Account {
    /// The same, keeping what happens for a webhook.
    pub(super) fn with_events(mut self) -> Self {
        self.history.pending_events = Some(Vec::new());
        self
    }

    /// What has happened since the last call.
    pub(super) fn take_events(&mut self) -> Vec<WebhookEvent> {
        self.history.pending_events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn tell(&mut self, event: &'static str, conversation: u64, message: u64) {
        if let Some(pending_events) = &mut self.history.pending_events {
            pending_events.push(WebhookEvent { event, conversation, message });
        }
    }

    /// Plans what becomes of a message that was accepted at `now`.
    pub(super) fn plan(&mut self, message: u64, events: &Events, now: Timing) {
        for (after, event) in events {
            let after = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
            self.history.plans += 1;
            let key = (now.since_start.saturating_add(after), self.history.plans);
            self.history.planned.insert(key, (message, event.clone()));
        }
    }

    /// Lets everything happen that is due.
    pub(super) fn settle(&mut self, now: Timing) {
        while let Some(next) = self.history.planned.first_entry() {
            let (due, _) = *next.key();
            if due > now.since_start {
                return;
            }
            let (message, event) = next.remove();
            let ago = now.since_start - due;
            let unix = now.unix.saturating_sub(i64::try_from(ago).unwrap_or_default());
            self.happen(message, event, Timing { since_start: due, unix });
        }
    }

    fn happen(&mut self, message_id: u64, event: Event, at: Timing) {
        let Some(message) = self.messages.get_mut(&message_id) else { return };
        let conversation = message.conversation_id;
        match event {
            // The last report counts, and a reason stays: so it is with the real service.
            Event::Status(status) => (message.status, message.is_with_provider) = (status, true),
            Event::Failed(failure) => {
                (message.status, message.is_with_provider) = (Status::Failed, true);
                message.failure = Some(failure);
            }
            Event::Reply { text, new_conversation } => {
                let (inbox, contact) = (message.inbox_id, message.contact_id);
                let opened = if new_conversation { self.open(inbox, contact, None, at).ok() } else { None };
                let draft = Draft { content: Some(text), ..Draft::default() };
                // A conversation that takes no more messages has no reply.
                let _ = self.post(opened.unwrap_or(conversation), draft, at);
                return;
            }
            Event::Delete => {
                self.conversations.remove(&conversation);
                self.deleted.insert(conversation);
                return;
            }
        }
        self.touch(conversation, at);
        self.tell("message_updated", conversation, message_id);
    }

    pub(super) fn touch(&mut self, conversation: u64, at: Timing) {
        if let Some(conversation) = self.conversations.get_mut(&conversation) {
            conversation.updated = at;
            self.history.changed.push((at.since_start, conversation.id));
        }
    }

    /// Messages of a conversation in ascending order: the first 100 with a higher id than `after`, or the last 20.
    pub(super) fn messages_of(
        &self,
        conversation: u64,
        after: Option<u64>,
        is_shown: impl Fn(&Message) -> bool,
    ) -> Result<Vec<&Message>, Refusal> {
        let Some(conversation) = self.conversations.get(&conversation) else {
            let is_real = !self.strict && !self.deleted.contains(&conversation);
            return if is_real { Ok(Vec::new()) } else { Err(Refusal::NotFound) };
        };
        let shown = |id: &u64| self.messages.get(id).filter(|message| is_shown(message));
        let ids = &conversation.messages;
        let Some(after) = after else {
            let mut last: Vec<&Message> = ids.iter().rev().filter_map(shown).take(LAST_MESSAGES).collect();
            last.reverse();
            return Ok(last);
        };
        let start = ids.partition_point(|id| *id <= after);
        Ok(ids[start..].iter().filter_map(shown).take(MAX_MESSAGES).collect())
    }

    /// A page of the conversations of an inbox, or of all, the oldest first, and how many there are.
    pub(super) fn conversations_page(&self, inbox: Option<u64>, page: usize) -> (usize, Vec<&Conversation>) {
        let made = match inbox {
            Some(inbox) => self.history.made_in.get(&inbox),
            None => Some(&self.history.made),
        };
        let made = made.map_or(&[][..], Vec::as_slice);
        let (count, start) = (made.len(), page.saturating_sub(1).saturating_mul(CONVERSATIONS_PER_PAGE));
        // Deleted ones leave holes on their pages; nobody counts on full pages.
        let ids = made.iter().skip(start).take(CONVERSATIONS_PER_PAGE);
        (count, ids.filter_map(|id| self.conversations.get(id)).collect())
    }

    /// The conversations of an inbox, or of all, in which something has changed since then, the latest first.
    pub(super) fn changed_since(&self, inbox: Option<u64>, since: u64) -> Vec<&Conversation> {
        let changed = &self.history.changed;
        let start = changed.partition_point(|(at, _)| *at < since);
        let recent = changed[start..].iter().filter_map(|(_, id)| self.conversations.get(id));
        let mut found: Vec<&Conversation> =
            recent.filter(|found| inbox.is_none_or(|inbox| inbox == found.inbox_id)).collect();
        found.sort_by_key(|found| (Reverse(found.updated.since_start), found.id));
        found.dedup_by_key(|found| found.id);
        found
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(milliseconds: u64) -> Timing {
        let since_start = milliseconds * 1000;
        Timing { since_start, unix: i64::try_from(since_start).unwrap() }
    }

    fn outgoing() -> Draft {
        Draft { message_type: 1, ..Draft::default() }
    }

    #[test]
    fn what_is_due_happens_in_its_order_and_nothing_before() {
        let mut account = Account::new(false);
        let id = account.post(7, outgoing(), at(0)).unwrap();
        let events = [(300, Event::Status(Status::Delivered)), (100, Event::Status(Status::Read))];
        let events: Events = events.map(|(after, event)| (Duration::from_millis(after), event)).into();
        account.plan(id, &events, at(0));
        for (now, wanted) in [(99, Status::Sent), (100, Status::Read), (299, Status::Read), (300, Status::Delivered)] {
            account.settle(at(now));
            assert_eq!(account.message(id).unwrap().status, wanted, "{now}");
        }
        assert_eq!(account.conversation(7).unwrap().updated, at(300));
    }

    #[test]
    fn changed_conversations_come_once_and_only_while_it_is_recent() {
        let mut account = Account::new(false);
        for conversation in [7, 8, 7] {
            account.post(conversation, outgoing(), at(1_000)).unwrap();
        }
        account.post(8, outgoing(), at(5_000)).unwrap();
        let ids =
            |since: u64| account.changed_since(None, since * 1000).iter().map(|found| found.id).collect::<Vec<_>>();
        assert_eq!(ids(0), [8, 7]);
        assert_eq!(ids(1_001), [8]);
        assert_eq!(ids(5_001), [] as [u64; 0]);
    }

    #[test]
    fn a_reply_may_open_another_conversation_and_one_that_is_deleted_is_gone() {
        let mut account = Account::new(false);
        let contact = account.create_contact(super::super::state::Contact::default(), at(0)).unwrap().id;
        let conversation = account.open(5, Some(contact), None, at(0)).unwrap();
        let id = account.post(conversation, outgoing(), at(0)).unwrap();
        let reply = Event::Reply { text: "STOP".to_owned(), new_conversation: true };
        account.plan(id, &vec![(Duration::from_millis(1), reply), (Duration::from_millis(2), Event::Delete)], at(0));
        account.settle(at(10));
        assert_eq!(account.messages_of(conversation, Some(0), |_| true).unwrap_err(), Refusal::NotFound);
        let (count, page) = account.conversations_page(Some(5), 1);
        assert_eq!((count, page.len(), page[0].contact_id), (2, 1, Some(contact)));
        let replies = account.messages_of(page[0].id, Some(0), |_| true).unwrap();
        assert_eq!(replies[0].draft.content.as_deref(), Some("STOP"));
    }
}
