//! `send.stop_when`: when so much goes wrong that going on would only spread it.

use std::collections::BTreeMap;

use crate::codes::{Scope, explain, explain_counted, scope};
use crate::specification::StopWhen;
use crate::state::{Failure, Outcome};

/// Codes that are counted apart at most: servers have some dozens.
const CAUSES: usize = 200;

/// Watches outcomes.
#[derive(Debug)]
pub struct Guard {
    when: StopWhen,
    settled: u64,
    /// Failures that are not the recipient's own, and doubts.
    failed: u64,
    unknown: u64,
    /// How often each of their codes came, with one of the failures.
    causes: BTreeMap<String, (u64, Failure)>,
    last: Option<String>,
    in_a_row: u32,
}

impl Guard {
    /// Nothing has gone wrong so far.
    pub const fn new(when: StopWhen) -> Self {
        Self { when, settled: 0, failed: 0, unknown: 0, causes: BTreeMap::new(), last: None, in_a_row: 0 }
    }

    /// Takes note of an outcome; says why to stop, if it is time to.
    pub fn observe(&mut self, outcome: &Outcome) -> Option<String> {
        self.settled += 1;
        let failure = match outcome {
            Outcome::Accepted { .. } => None,
            Outcome::Failed(failure) => (scope(&failure.code) != Scope::Recipient).then_some(failure),
            // Doubt is the server's doing, whatever its code.
            Outcome::Unknown(failure) => Some(failure),
        };
        let Some(failure) = failure else {
            // A recipient's own failure says nothing about the others, so it does not end a row of common ones.
            if matches!(outcome, Outcome::Accepted { .. }) {
                self.last = None;
                self.in_a_row = 0;
            }
            return None;
        };
        match outcome {
            Outcome::Unknown(_) => self.unknown += 1,
            _ => self.failed += 1,
        }
        if self.causes.len() < CAUSES || self.causes.contains_key(&failure.code) {
            self.causes.entry(failure.code.clone()).or_insert_with(|| (0, failure.clone())).0 += 1;
        }
        if self.last.as_deref() == Some(failure.code.as_str()) {
            self.in_a_row += 1;
        } else {
            self.last = Some(failure.code.clone());
            self.in_a_row = 1;
        }
        if self.in_a_row >= self.when.same_error {
            return Some(format!("{} times in a row: {} (send.stop_when.same_error)", self.in_a_row, explain(failure)));
        }
        let share = (self.failed + self.unknown) as f64 / self.settled as f64;
        (self.settled >= self.when.after && share >= self.when.failed).then(|| self.too_many())
    }

    /// What went wrong, with the most frequent cause: the last one may be a rare one.
    fn too_many(&self) -> String {
        let counts = [(self.failed, "failed"), (self.unknown, "unknown")];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        let counts = counts.collect::<Vec<_>>().join(" and ");
        let text = format!(
            "{counts} of {}, not counting failures of the recipients' own (send.stop_when.failed)",
            self.settled
        );
        match self.causes.values().max_by_key(|(count, _)| count) {
            Some((count, failure)) => format!("{text}; most often {}", explain_counted(failure, *count)),
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Failure, MessageId};

    const WHEN: StopWhen = StopWhen { failed: 0.1, after: 50, same_error: 20 };

    fn failed(code: &str) -> Outcome {
        Outcome::Failed(Failure::new(code, "text"))
    }

    fn accepted() -> Outcome {
        Outcome::Accepted { message_id: MessageId(1), livedesk_status: "sent".to_owned() }
    }

    #[test]
    fn a_wrong_template_stops_after_a_handful() {
        let mut guard = Guard::new(WHEN);
        let stopped = (1..100).find(|_| guard.observe(&failed("132000")).is_some());
        assert_eq!(stopped, Some(20));
    }

    #[test]
    fn recipients_own_failures_never_stop_a_run() {
        let mut guard = Guard::new(WHEN);
        assert!((0..10_000).all(|_| guard.observe(&failed("131026")).is_none()));
    }

    #[test]
    fn a_share_of_common_failures_stops_once_enough_are_settled() {
        let mut guard = Guard::new(WHEN);
        let outcomes = (1_u64..).map(|n| if n % 5 == 0 { failed("http-404") } else { accepted() });
        let stopped = outcomes.zip(1_u64..).find(|(outcome, _)| guard.observe(outcome).is_some());
        assert_eq!(stopped.map(|(_, n)| n), Some(50));
    }

    #[test]
    fn the_most_frequent_cause_is_named_and_not_the_last() {
        let mut guard = Guard::new(StopWhen { failed: 0.5, after: 5, same_error: 20 });
        let doubt = Outcome::Unknown(Failure::new("timeout", "no answer in time"));
        let outcomes = [accepted(), failed("132001"), doubt, failed("132001"), failed("http-404")];
        let why = outcomes.iter().find_map(|outcome| guard.observe(outcome)).unwrap();
        assert!(why.starts_with("3 failed and 1 unknown of 5, "), "{why}");
        assert!(why.contains("most often 132001 ×2: no approved template of that name in that language"), "{why}");
    }

    #[test]
    fn doubt_counts_whatever_its_code() {
        let mut guard = Guard::new(WHEN);
        let doubt = Outcome::Unknown(Failure::new("timeout", "no answer in time"));
        assert_eq!((1..100).find(|_| guard.observe(&doubt).is_some()), Some(20));
    }
}
