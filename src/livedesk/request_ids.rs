//! Ids of requests, by which an answer shows whose it is.
//!
//! LiveDesk's ancestor gives back the `X-Request-Id` that it was sent, as many servers and gateways do. An answer with the
//! id of another request of ours is that one's: a second answer that came late over a connection that is used again. It may
//! have no other id in it (a 404), so nothing else tells. An answer without an id, or with one of the server's own, says
//! nothing.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};

/// The header, in requests and answers.
pub(super) const HEADER: &str = "x-request-id";

/// Gives out ids.
#[derive(Debug)]
pub(super) struct RequestIds {
    /// Random, so that ids of other processes are never taken for ours.
    process: u64,
    last: Cell<u64>,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        Self { process: RandomState::new().build_hasher().finish(), last: Cell::new(0) }
    }

    /// The id of a new request: letters, digits and a hyphen, as servers take them.
    pub(super) fn next(&self) -> String {
        self.last.update(|last| last + 1);
        format!("{}{}", self.prefix(), self.last.get())
    }

    /// Whether an answer with the id `found` is another request's than that of `asked`.
    pub(super) fn is_of_another(&self, asked: &str, found: &str) -> bool {
        found != asked && found.starts_with(&self.prefix())
    }

    fn prefix(&self) -> String {
        format!("{:016x}-", self.process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_id_of_ours_is_another_requests() {
        let (ids, others) = (RequestIds::new(), RequestIds::new());
        let (first, second) = (ids.next(), ids.next());
        assert_ne!(first, second);
        assert!(ids.is_of_another(&second, &first));
        assert!(!ids.is_of_another(&second, &second));
        for foreign in ["", "f3a9", &others.next()] {
            assert!(!ids.is_of_another(&second, foreign), "{foreign}");
        }
    }
}
