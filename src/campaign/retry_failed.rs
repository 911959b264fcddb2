//! `run --retry-failed`: which failures sending again can help. The ledger does what this says and knows no codes.

use std::time::Duration;

use jiff::Timestamp;

use crate::codes::{Remedy, meaning, remedy};
use crate::ledger::{Inspect, LedgerError, RetryIf, RetryRules, RetryUndelivered, Totals};
use crate::recipients::unguarded;
use crate::state::State;

/// WhatsApp may still deliver a message of which it said that it failed, and LiveDesk may learn of it late: whoever was not
/// reached is not sent to again before.
const UNDELIVERED_WAIT: Duration = Duration::from_hours(24);

/// Whose failed deliveries to retry, as far as sending again can help.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryFailed {
    /// Only these keys; everybody if `None`.
    pub only: Option<Vec<String>>,
}

impl RetryFailed {
    /// Decides by the codes of the failures that a ledger knows.
    ///
    /// # Errors
    /// The ledger's.
    pub(super) async fn decide(self, ledger: &impl Inspect) -> Result<RetryRules, LedgerError> {
        Ok(self.by_codes(&ledger.totals().await?, Timestamp::now()))
    }

    fn by_codes(self, totals: &Totals, now: Timestamp) -> RetryRules {
        let failed = totals.errors.iter().filter(|error| error.state == State::Failed);
        let codes = failed.filter_map(|error| {
            let when = match remedy(&error.code) {
                Remedy::Never => return None,
                Remedy::Later(wait) => RetryIf::FailedBy(now.checked_sub(wait).unwrap_or(Timestamp::MIN)),
                Remedy::AfterFix => RetryIf::FailedBy(Timestamp::MAX),
                Remedy::ChangeMessage => RetryIf::MessageChanged,
            };
            Some((error.code.clone(), when))
        });
        let undelivered = totals.undelivered.iter().filter_map(|error| {
            // Of a code that nobody knows, or without one, it is not known that sending again can help.
            let (after, if_message_changed) = match meaning(&error.code)?.remedy {
                Remedy::Never => return None,
                Remedy::Later(wait) => (wait.max(UNDELIVERED_WAIT), false),
                Remedy::AfterFix => (UNDELIVERED_WAIT, false),
                Remedy::ChangeMessage => (UNDELIVERED_WAIT, true),
            };
            Some((error.code.clone(), RetryUndelivered { after, if_message_changed }))
        });
        // A key that was copied from a report; which of both it is, is decided once the list is taken in.
        let only = self.only.map(|keys| {
            let with_bare = |key: String| [unguarded(&key).to_owned(), key];
            keys.into_iter().flat_map(with_bare).collect()
        });
        RetryRules { only, codes: codes.collect(), undelivered: undelivered.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::OPTED_OUT;
    use crate::ledger::ErrorCount;

    #[test]
    fn a_failure_is_retried_when_that_can_help() {
        let error = |state, code: &str| ErrorCount {
            state,
            code: code.to_owned(),
            text: String::new(),
            varies: false,
            count: 1,
            settled: None,
        };
        let failed = ["http-404", "131049", "132000", OPTED_OUT].map(|code| error(State::Failed, code));
        let errors = failed.into_iter().chain([error(State::Unknown, "timeout")]).collect();
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let accepted =
            ["131026", "131049", "131056", "132000", OPTED_OUT, "999999", ""].map(|code| error(State::Accepted, code));
        let totals = Totals { errors, undelivered: accepted.into(), ..Totals::default() };
        let retry = RetryFailed::default().by_codes(&totals, now);
        let codes: Vec<&str> = retry.codes.keys().map(String::as_str).collect();
        assert_eq!(codes, ["131049", "132000", "http-404"]);
        assert_eq!(retry.codes["http-404"], RetryIf::FailedBy(Timestamp::MAX));
        assert_eq!(retry.codes["132000"], RetryIf::MessageChanged);
        assert!(matches!(retry.codes["131049"], RetryIf::FailedBy(by) if by < now));
        let undelivered: Vec<_> =
            retry.undelivered.iter().map(|(code, rule)| (code.as_str(), rule.after, rule.if_message_changed)).collect();
        let day = Duration::from_hours(24);
        let expected = [("131049", day, false), ("131056", day, false), ("132000", day, true)];
        assert_eq!(undelivered, expected, "131056 would be a minute, and without a code nothing is known");
    }
}
