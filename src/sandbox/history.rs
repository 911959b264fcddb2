//! What has happened to messages and conversations, and what is planned: records without rules.

use std::collections::{BTreeMap, HashMap};

use super::receipts::Event;
use super::webhook::WebhookEvent;

/// What will happen, in its order, and where what has changed.
#[derive(Default)]
pub(super) struct History {
    /// By when it is due, and in which order it was planned.
    pub(super) planned: BTreeMap<(u64, u64), (u64, Event)>,
    pub(super) plans: u64,
    /// Conversations in the order in which they were made, of all inboxes and of each.
    pub(super) made: Vec<u64>,
    pub(super) made_in: HashMap<u64, Vec<u64>>,
    /// Conversations in the order of their changes.
    pub(super) changed: Vec<(u64, u64)>,
    /// What the webhook has not told yet, where there is one.
    pub(super) pending_events: Option<Vec<WebhookEvent>>,
}

impl History {
    /// A conversation was made.
    pub(super) fn made(&mut self, conversation: u64, inbox: u64, since_start: u64) {
        self.made.push(conversation);
        self.made_in.entry(inbox).or_default().push(conversation);
        self.changed.push((since_start, conversation));
    }
}
