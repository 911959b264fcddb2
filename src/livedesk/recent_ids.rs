//! Which ids LiveDesk gave for whom in this run: an id that comes a second time for somebody else came in the answer to
//! another request.
//!
//! A server or gateway that answers one request twice shifts all answers on that connection by one. Documented replies leave
//! out much (the reply to a template names no conversation), so their ids may be all that tells them apart. Knows nothing of
//! connections and of what follows.

use std::collections::{HashMap, VecDeque};

/// So many ids are remembered: a stray answer follows soon after the one that it repeats.
const MAX_IDS: usize = 10_000;

/// The last ids of one kind, and for whom each came first.
#[derive(Debug)]
pub(super) struct RecentIds<Id, Owner> {
    owners: HashMap<Id, Owner>,
    order: VecDeque<Id>,
}

impl<Id, Owner> Default for RecentIds<Id, Owner> {
    fn default() -> Self {
        Self { owners: HashMap::new(), order: VecDeque::new() }
    }
}

impl<Id: Copy + Eq + std::hash::Hash, Owner: PartialEq> RecentIds<Id, Owner> {
    /// Whether an id that comes for `owner` is new or came for the same owner before. Remembers it if it is new.
    pub(super) fn admits(&mut self, id: Id, owner: Owner) -> bool {
        if let Some(first) = self.owners.get(&id) {
            return *first == owner;
        }
        if self.order.len() >= MAX_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.owners.remove(&oldest);
        }
        self.order.push_back(id);
        self.owners.insert(id, owner);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_belongs_to_whom_it_came_for_first() {
        let mut recent = RecentIds::default();
        assert!(recent.admits(7, "ada"));
        assert!(recent.admits(8, "bob"));
        assert!(recent.admits(7, "ada"), "the same request again");
        assert!(!recent.admits(7, "bob"));
        assert!(!recent.admits(7, "bob"), "that does not make it his");
    }

    #[test]
    fn the_latest_are_remembered_and_no_more() {
        let mut recent = RecentIds::default();
        for id in 0..=MAX_IDS {
            assert!(recent.admits(id, id));
        }
        assert_eq!((recent.owners.len(), recent.order.len()), (MAX_IDS, MAX_IDS));
        assert!(recent.admits(0, MAX_IDS), "the oldest is forgotten");
        assert!(!recent.admits(MAX_IDS, 0));
    }
}
