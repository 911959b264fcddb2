//! `run --retry-failed`: which failures sending again can help. The ledger does what this says and knows no codes.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::codes::{Remedy, remedy};
use crate::ledger::{Inspect, LedgerError, Retry, RetryIf, Totals};
use crate::state::State;

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
    pub(super) async fn decide(self, ledger: &impl Inspect) -> Result<Retry, LedgerError> {
        Ok(self.by_codes(&ledger.totals().await?, Timestamp::now()))
    }

    fn by_codes(self, totals: &Totals, now: Timestamp) -> Retry {
        let failed = totals.errors.iter().filter(|error| error.state == State::Failed);
        let codes = failed.filter_map(|error| {
            let when = match remedy(&error.code) {
                Remedy::Never => return None,
                Remedy::Later(wait) => RetryIf::FailedBy(now.checked_sub(wait).unwrap_or(Timestamp::MIN)),
                Remedy::Mended => RetryIf::FailedBy(Timestamp::MAX),
                Remedy::Changed => RetryIf::MessageChanged,
            };
            Some((error.code.clone(), when))
        });
        Retry { only: self.only, codes: codes.collect(), undelivered: BTreeMap::new() }
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
        let retry = RetryFailed::default().by_codes(&Totals { errors, ..Totals::default() }, now);
        let codes: Vec<&str> = retry.codes.keys().map(String::as_str).collect();
        assert_eq!(codes, ["131049", "132000", "http-404"]);
        assert_eq!(retry.codes["http-404"], RetryIf::FailedBy(Timestamp::MAX));
        assert_eq!(retry.codes["132000"], RetryIf::MessageChanged);
        assert!(matches!(retry.codes["131049"], RetryIf::FailedBy(by) if by < now));
    }
}
