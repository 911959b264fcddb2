//! Whether the server is well. A dead backend turns answers into doubt, and every message that is sent into it becomes
//! `unknown`. So after one answer in doubt nothing more is claimed until a harmless request is answered; and after a
//! message in doubt, one message goes first and alone: only a clear answer to it lets the others follow.
//!
//! It is told the time and does not sleep: the pipeline asks and waits.

use std::time::Duration;

use backon::ExponentialBackoff;
use tokio::time::Instant;

use crate::plan::in_words;
use crate::retry::{Moment, growing};
use crate::spec::Retry;

/// Messages that are tried one after the other, each ending in doubt, before the run gives up: a person has to look each
/// of them up.
const MOST_TRIALS: u32 = 5;

/// A server that is down is asked this often at least, so that it is not long well before anybody notices.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// What is known of the server.
#[derive(Debug)]
pub(super) struct Health {
    /// The server has answered something in this run.
    known: bool,
    /// It has not answered since: ask before anything else.
    silent: bool,
    /// Messages ended in doubt, and none has been answered clearly since.
    doubted: bool,
    trials: u32,
    /// The last request that ended in trouble began before.
    troubled: Moment,
    /// What the last trouble was.
    why: String,
    waits: ExponentialBackoff,
    retry: Retry,
    /// When the server was first asked after the trouble began that has not ended.
    since: Option<Instant>,
    outage: Duration,
}

impl Health {
    /// A server of which nothing bad is known. It may be away for `outage` before that ends the run.
    pub(super) fn new(retry: Retry, outage: Duration) -> Self {
        Self {
            known: false,
            silent: false,
            doubted: false,
            trials: 0,
            troubled: 0,
            why: String::new(),
            waits: waits(retry),
            retry,
            since: None,
            outage,
        }
    }

    /// Whether the server has answered anything in this run.
    pub(super) const fn is_known(&self) -> bool {
        self.known
    }

    /// Whether to ask the server before making any request.
    pub(super) const fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether only one message may leave, to see what becomes of it.
    pub(super) const fn wants_trial(&self) -> bool {
        self.doubted
    }

    /// Whether nothing may leave.
    pub(super) const fn is_in_doubt(&self) -> bool {
        self.silent || self.doubted
    }

    /// The request that began at `began` did not reach the server, or its answer leaves doubt. `now` is the moment at
    /// which that became known. Whether this is news: not one more of those that were in flight with the first.
    pub(super) fn trouble(&mut self, began: Moment, now: Moment, message: bool, why: &str) -> bool {
        let news = !self.is_in_doubt() || began > self.troubled;
        self.silent = true;
        if message {
            if self.doubted && news {
                self.trials += 1;
            }
            self.doubted = true;
        }
        if news {
            why.clone_into(&mut self.why);
            self.troubled = now;
        }
        news
    }

    /// The request that began at `began` was answered clearly.
    pub(super) fn clear(&mut self, began: Moment, message: bool) {
        self.known = true;
        if began <= self.troubled {
            return;
        }
        self.silent = false;
        if message {
            self.doubted = false;
        }
        if !self.is_in_doubt() {
            self.trials = 0;
            self.since = None;
            self.waits = waits(self.retry);
        }
    }

    /// How long to wait before asking the server: not at all the first time, then longer and longer.
    ///
    /// # Errors
    /// Why it is no use any more.
    pub(super) fn next_wait(&mut self, now: Instant) -> Result<Duration, String> {
        if self.trials >= MOST_TRIALS {
            let many = self.trials + 1;
            return Err(format!(
                "LiveDesk answers, but {many} messages one after the other ended in doubt: {}",
                self.why
            ));
        }
        let Some(since) = self.since else {
            self.since = Some(now);
            return Ok(Duration::ZERO);
        };
        let wait = self.waits.next().unwrap_or(LONGEST_WAIT);
        if now + wait > since + self.outage {
            let waited = in_words(now - since);
            return Err(format!("LiveDesk has not come back; waited for {waited} (send.outage): {}", self.why));
        }
        Ok(wait)
    }
}

fn waits(retry: Retry) -> ExponentialBackoff {
    growing(Retry { max_backoff: retry.max_backoff.min(LONGEST_WAIT), ..retry }, usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry =
        Retry { attempts: 5, backoff: Duration::from_millis(500), max_backoff: Duration::from_secs(60) };

    fn health() -> Health {
        Health::new(RETRY, Duration::from_secs(300))
    }

    #[test]
    fn a_burst_is_one_trouble_and_only_a_later_answer_ends_it() {
        let mut health = health();
        assert!(health.trouble(1, 4, true, "timeout"));
        assert!(!health.trouble(2, 5, true, "timeout"), "it was in flight when the first came back");
        health.clear(3, true);
        assert!(health.is_in_doubt(), "that one had left before");
        health.clear(6, false);
        assert!(!health.is_silent() && health.wants_trial(), "it answers, but what of messages?");
        health.clear(7, true);
        assert!(!health.is_in_doubt());
    }

    #[test]
    fn waits_grow_from_nothing_and_end() {
        let mut health = health();
        health.trouble(1, 1, false, "connection refused");
        let (began, mut now) = (Instant::now(), Instant::now());
        assert_eq!(health.next_wait(now), Ok(Duration::ZERO));
        let why = loop {
            match health.next_wait(now) {
                Ok(wait) => {
                    assert!(wait >= RETRY.backoff && wait <= LONGEST_WAIT * 2, "{wait:?}");
                    // Asking takes its time as well.
                    now += wait + Duration::from_secs(30);
                }
                Err(why) => break why,
            }
        };
        assert!((240..=330).contains(&(now - began).as_secs()), "{:?}", now - began);
        assert!(why.contains("connection refused"), "{why}");
    }

    #[test]
    fn few_messages_are_risked_on_a_server_that_answers_everything_else() {
        let mut health = health();
        let mut moment = 0;
        let mut risked = 0;
        while health.next_wait(Instant::now()).is_ok() {
            moment += 2;
            health.trouble(moment, moment + 1, true, "http-500");
            health.clear(moment + 2, false);
            moment += 2;
            risked += 1;
        }
        assert_eq!(risked, MOST_TRIALS + 1);
    }
}
