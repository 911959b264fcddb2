//! The canary: the first few messages alone, and what must be true before the rest may follow.
//!
//! No run approves a canary by itself, neither the one that sends it nor a later one: somebody must have seen it arrive, or
//! its receipts say so. The ledger keeps what was decided, until the message changes: a changed message has a canary of its
//! own.

use indicatif::HumanCount;

use crate::codes::{Responsibility, Scope, meaning, scope};
use crate::ledger::{CanaryRecord, CanaryVerdict, ErrorCount, Totals};
use crate::state::State;

/// How far a canary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Canary {
    /// There is none, or it was approved: everybody is sent to.
    Approved,
    /// So many messages of it are left to send.
    Unsent(u64),
    /// All of it is sent, and nobody has approved it.
    Sent {
        /// Whether its receipts did not confirm it in time.
        is_unconfirmed: bool,
    },
}

impl Canary {
    /// How far the canary of so many messages is.
    pub(super) fn of(canary: Option<u64>, record: &CanaryRecord) -> Self {
        let settled = record.totals.settled();
        match (canary, record.verdict) {
            (None, _) | (_, Some(CanaryVerdict::Approved)) => Self::Approved,
            (Some(canary), _) if settled < canary => Self::Unsent(canary - settled),
            (Some(_), verdict) => Self::Sent { is_unconfirmed: verdict == Some(CanaryVerdict::NotConfirmed) },
        }
    }
}

/// What happened to a canary, for whoever approves it.
#[derive(Debug, Clone, Copy)]
pub struct CanaryResult<'a> {
    /// So many messages were sent.
    pub messages: u64,
    /// Whether this run has sent the last of them: nobody can have seen before what arrived.
    pub is_new: bool,
    /// With these outcomes.
    pub sent: &'a Totals,
    /// What became of the whole campaign so far.
    pub totals: &'a Totals,
    /// Why their receipts do not confirm it, where the spec asks for that.
    pub unconfirmed: Option<&'a str>,
}

impl CanaryResult<'_> {
    /// The most frequent failure that is not a recipient's own, in words: the rest would most likely meet it as well; or
    /// what its receipts say.
    pub fn failure(&self) -> Option<String> {
        self.failed_answers().or_else(|| self.unconfirmed.map(str::to_owned))
    }

    /// Whether only its receipts speak against it.
    pub(super) fn has_no_failed_answer(&self) -> bool {
        self.failed_answers().is_none()
    }

    fn failed_answers(&self) -> Option<String> {
        let own = |state: &State, code: &str| match state {
            State::Unknown => true,
            State::Failed => is_campaigns_own(code),
            _ => false,
        };
        let error = self.sent.errors.iter().find(|error| own(&error.state, &error.code))?;
        let ErrorCount { state, code, text, count, .. } = error;
        let words = meaning(code).map_or(text.as_str(), |meaning| meaning.words);
        let what = if words.starts_with(code.as_str()) { words.to_owned() } else { format!("{code}: {words}") };
        let state = if *state == State::Unknown { "unknown" } else { "failed" };
        Some(format!("{} {state} with {what}", HumanCount(*count)))
    }
}

/// Whether a failure is no recipient's own.
fn is_campaigns_own(code: &str) -> bool {
    let lies_here = |responsibility| matches!(responsibility, Responsibility::Campaign | Responsibility::Account);
    scope(code) != Scope::Recipient || meaning(code).is_some_and(|meaning| lies_here(meaning.responsibility))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_approved_by_a_verdict_and_not_by_a_count() {
        let of = |settled, verdict| {
            let states = [(State::Accepted, settled)].into();
            Canary::of(Some(3), &CanaryRecord { verdict, totals: Totals { states, ..Totals::default() } })
        };
        let sent = Canary::Sent { is_unconfirmed: false };
        let undecided = [0, 1, 3, 4].map(|settled| of(settled, None));
        assert_eq!(undecided, [Canary::Unsent(3), Canary::Unsent(2), sent, sent]);
        assert_eq!(of(3, Some(CanaryVerdict::NotConfirmed)), Canary::Sent { is_unconfirmed: true });
        assert_eq!(of(2, Some(CanaryVerdict::NotConfirmed)), Canary::Unsent(1), "somebody is sent to again");
        assert_eq!(of(1, Some(CanaryVerdict::Approved)), Canary::Approved);
        assert_eq!(Canary::of(None, &CanaryRecord::default()), Canary::Approved);
    }

    #[test]
    fn what_the_rest_would_meet_as_well_fails_a_canary() {
        let failure = |state, code: &str| {
            let (code, text) = (code.to_owned(), "text".to_owned());
            let errors = vec![ErrorCount { state, code, text, varies: false, count: 2, settled: None }];
            let totals = Totals { errors, ..Totals::default() };
            CanaryResult { messages: 3, is_new: true, sent: &totals, totals: &totals, unconfirmed: None }.failure()
        };
        for code in ["132001", "131042", "131047", "http-404"] {
            assert!(failure(State::Failed, code).is_some(), "{code}");
        }
        for code in ["131026", "131050", "contact-conflict", "999999"] {
            assert_eq!(failure(State::Failed, code), None, "{code}");
        }
        let wrong = "2 failed with 132001: no approved template of that name in that language";
        assert_eq!(failure(State::Failed, "132001").as_deref(), Some(wrong));
        assert_eq!(failure(State::Unknown, "timeout").as_deref(), Some("2 unknown with timeout: text"));
    }
}
