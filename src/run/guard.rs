//! `send.stop_when`: when so much goes wrong that going on would only spread it.

use std::collections::BTreeMap;

use crate::codes::{Scope, explain, explain_counted, scope};
use crate::ledger::Tally;
use crate::specification::StopWhen;
use crate::state::{Failure, Outcome};

/// Codes that are counted apart at most: servers have some dozens.
const CAUSES: usize = 200;

/// Watches outcomes.
#[derive(Debug)]
pub struct Guard {
    when: StopWhen,
    /// What this process has seen.
    own: Tally,
    /// What other workers of the campaign have seen.
    others: Tally,
    /// How often each code came here, with one of the failures.
    causes: BTreeMap<String, (u64, Failure)>,
}

impl Guard {
    /// Nothing has gone wrong so far.
    pub fn new(when: StopWhen) -> Self {
        Self { when, own: Tally::default(), others: Tally::default(), causes: BTreeMap::new() }
    }

    /// Takes note of an outcome; says why to stop, if it is time to.
    pub fn observe(&mut self, outcome: &Outcome) -> Option<String> {
        let own = &mut self.own;
        own.settled += 1;
        let failure = match outcome {
            Outcome::Accepted { .. } => {
                own.accepted += 1;
                own.breaks += 1;
                (own.last_code, own.in_a_row) = (None, 0);
                return None;
            }
            // A recipient's own failure says nothing about the others, so it does not end a row of common ones.
            Outcome::Failed(failure) if scope(&failure.code) == Scope::Recipient => return None,
            Outcome::Failed(failure) => {
                own.failed += 1;
                failure
            }
            // Doubt is the server's doing, whatever its code.
            Outcome::Unknown(failure) => {
                own.unknown += 1;
                failure
            }
        };
        if self.causes.len() < CAUSES || self.causes.contains_key(&failure.code) {
            self.causes.entry(failure.code.clone()).or_insert_with(|| (0, failure.clone())).0 += 1;
        }
        if own.last_code.as_deref() == Some(failure.code.as_str()) {
            own.in_a_row += 1;
        } else {
            own.breaks += 1;
            (own.last_code, own.in_a_row) = (Some(failure.code.clone()), 1);
        }
        let own_row = (own.in_a_row, failure.clone());
        self.too_long(own_row.0, &own_row.1).or_else(|| self.too_many())
    }

    /// What was seen here, for the other workers.
    pub fn tally(&self) -> Tally {
        self.own.clone()
    }

    /// Takes note of what all others have seen, and of the last row of failures of anybody; says why to stop, if it is time to.
    pub fn hear(&mut self, others: Tally, row: Option<(String, u64)>) -> Option<String> {
        self.others = others;
        let too_long = row.and_then(|(code, in_a_row)| {
            let failure = self.causes.get(&code).map(|(_, failure)| failure.clone());
            self.too_long(in_a_row, &failure.unwrap_or_else(|| Failure::new(code, "seen by another worker")))
        });
        too_long.or_else(|| self.too_many())
    }

    /// Whether other workers' messages were accepted.
    pub const fn have_others_accepted(&self) -> bool {
        self.others.accepted > 0
    }

    fn too_long(&self, in_a_row: u64, failure: &Failure) -> Option<String> {
        (in_a_row >= u64::from(self.when.same_error))
            .then(|| format!("{in_a_row} times in a row: {} (send.stop_when.same_error)", explain(failure)))
    }

    /// What went wrong where that is too much, with the most frequent cause: the last one may be a rare one.
    fn too_many(&self) -> Option<String> {
        let settled = self.own.settled + self.others.settled;
        let (failed, unknown) = (self.own.failed + self.others.failed, self.own.unknown + self.others.unknown);
        if settled < self.when.after || ((failed + unknown) as f64 / settled as f64) < self.when.failed {
            return None;
        }
        let counts = [(failed, "failed"), (unknown, "unknown")];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        let counts = counts.collect::<Vec<_>>().join(" and ");
        let workers = if self.others.settled > 0 { " of all workers" } else { "" };
        let text = format!(
            "{counts} of {settled}{workers}, not counting failures of the recipients' own (send.stop_when.failed)"
        );
        Some(match self.causes.values().max_by_key(|(count, _)| count) {
            Some((count, failure)) if workers.is_empty() => {
                format!("{text}; most often {}", explain_counted(failure, *count))
            }
            Some((count, failure)) => format!("{text}; here most often {}", explain_counted(failure, *count)),
            None => text,
        })
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
    fn what_all_workers_saw_counts_together() {
        let mut guard = Guard::new(WHEN);
        let others = |failed, settled| Tally { settled, failed, accepted: settled - failed, ..Tally::default() };
        assert!((0..9).all(|_| guard.observe(&accepted()).is_none()));
        assert_eq!(guard.hear(others(4, 40), None), None, "49 are not enough");
        let why = guard.observe(&failed("132001")).unwrap();
        assert!(why.starts_with("5 failed of 50 of all workers, "), "{why}");
        assert_eq!(guard.hear(others(0, 40), Some(("132001".to_owned(), 19))), None);
        let why = guard.hear(others(0, 40), Some(("132001".to_owned(), 20))).unwrap();
        assert!(why.starts_with("20 times in a row: 132001: no approved template"), "{why}");
    }

    #[test]
    fn doubt_counts_whatever_its_code() {
        let mut guard = Guard::new(WHEN);
        let doubt = Outcome::Unknown(Failure::new("timeout", "no answer in time"));
        assert_eq!((1..100).find(|_| guard.observe(&doubt).is_some()), Some(20));
    }
}
