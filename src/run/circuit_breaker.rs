//! A circuit breaker: every message that is sent to a server that is down ends as `unknown`, so nothing more is sent
//! to it.
//!
//! *Closed*: everything goes. *Open*: one answer was unclear; nothing more is claimed until a harmless probe is answered.
//! *Half-open*: the server answers, but a message ended as unknown; one trial message goes alone, and only a clear answer
//! to it closes the breaker.
//!
//! It is given the time and does not sleep: the pipeline asks and waits.

use std::time::Duration;

use backon::ExponentialBackoff;
use tokio::time::Instant;

use crate::backoff::{RequestSeq, exponential};
use crate::humanize::duration;
use crate::specification::Retry;

/// Trial messages in a row that end as unknown before the run gives up: a person has to look each of them
/// up.
const MAX_TRIALS: u32 = 5;

/// A server that is down is probed this often at least, so that it is not long well before anybody notices.
const MAX_PROBE_INTERVAL: Duration = Duration::from_secs(15);

/// What may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everything.
    Closed,
    /// Nothing but a probe. With `message_failed`, a message ended as unknown, so a trial message follows.
    Open { message_failed: bool },
    /// One trial message.
    HalfOpen,
}

/// What is known of the server.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    state: State,
    /// The server has answered something in this run.
    has_answered: bool,
    failed_trials: u32,
    /// The last request that failed began at this one or before.
    last_failure: RequestSeq,
    /// What the last failure was.
    why: String,
    backoff: ExponentialBackoff,
    retry: Retry,
    /// When the server was first probed in the outage that has not ended.
    opened_at: Option<Instant>,
    max_outage: Duration,
}

impl CircuitBreaker {
    /// Closed. The server may be away for `max_outage` before that ends the run.
    pub(super) fn new(retry: Retry, max_outage: Duration) -> Self {
        Self {
            state: State::Closed,
            has_answered: false,
            failed_trials: 0,
            last_failure: 0,
            why: String::new(),
            backoff: backoff(retry),
            retry,
            opened_at: None,
            max_outage,
        }
    }

    /// Whether the server has answered anything in this run.
    pub(super) const fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Whether to probe the server before making any request.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Whether only one message may leave, to see what becomes of it.
    pub(super) const fn needs_trial(&self) -> bool {
        matches!(self.state, State::HalfOpen | State::Open { message_failed: true })
    }

    /// Whether the one message that may leave shows what becomes of messages.
    pub(super) const fn is_half_open(&self) -> bool {
        matches!(self.state, State::HalfOpen)
    }

    /// Whether everything goes.
    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The request that began at `began` did not reach the server, or its answer is unclear. `now` is the last
    /// request that had begun when that became known. Whether this is news: not one more of those that were in flight
    /// with the first.
    pub(super) fn record_failure(&mut self, began: RequestSeq, now: RequestSeq, message: bool, why: &str) -> bool {
        let news = self.is_closed() || began > self.last_failure;
        if message && self.needs_trial() && news {
            self.failed_trials += 1;
        }
        self.state = State::Open { message_failed: message || self.needs_trial() };
        if news {
            why.clone_into(&mut self.why);
            self.last_failure = now;
        }
        news
    }

    /// Another worker was given no clear answer, when `now` was the last request here that had begun. So many messages that
    /// went alone have ended as unknown. Whether that is news: everything went until now.
    pub(super) fn note_another(&mut self, now: RequestSeq, message: bool, failed_trials: u32, why: &str) -> bool {
        let is_news = self.is_closed();
        self.state = State::Open { message_failed: message || self.needs_trial() };
        self.failed_trials = self.failed_trials.max(failed_trials);
        self.last_failure = now;
        why.clone_into(&mut self.why);
        is_news
    }

    /// A message of another worker was answered clearly. Whether everything goes now, and did not before.
    pub(super) fn note_doubt_over(&mut self) -> bool {
        match self.state {
            State::Open { .. } => self.state = State::Open { message_failed: false },
            State::HalfOpen => {
                self.close();
                return true;
            }
            State::Closed => {}
        }
        false
    }

    /// The request that began at `began` was answered clearly.
    pub(super) fn record_success(&mut self, began: RequestSeq, message: bool) {
        self.has_answered = true;
        if began <= self.last_failure {
            return;
        }
        if message || !self.needs_trial() {
            self.close();
        } else {
            self.state = State::HalfOpen;
        }
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.failed_trials = 0;
        self.opened_at = None;
        self.backoff = backoff(self.retry);
    }

    /// How long to wait before probing the server: not at all the first time, then longer and longer.
    ///
    /// # Errors
    /// Why it is no use any more.
    pub(super) fn next_probe(&mut self, now: Instant) -> Result<Duration, String> {
        if self.failed_trials >= MAX_TRIALS {
            let many = self.failed_trials + 1;
            return Err(format!("LiveDesk answers, but {many} messages in a row ended as unknown: {}", self.why));
        }
        let Some(opened_at) = self.opened_at else {
            self.opened_at = Some(now);
            return Ok(Duration::ZERO);
        };
        let wait = self.backoff.next().unwrap_or(MAX_PROBE_INTERVAL);
        if now + wait > opened_at + self.max_outage {
            let waited = duration(now - opened_at);
            return Err(format!("LiveDesk did not come back within {waited} (send.outage): {}", self.why));
        }
        Ok(wait)
    }

    /// For how long the outage has lasted, how long it may, and what the last failure was.
    pub(super) fn outage(&self, now: Instant) -> Option<(Duration, Duration, &str)> {
        let opened_at = self.opened_at.filter(|_| self.is_open())?;
        Some((now - opened_at, self.max_outage, &self.why))
    }
}

fn backoff(retry: Retry) -> ExponentialBackoff {
    exponential(Retry { max_backoff: retry.max_backoff.min(MAX_PROBE_INTERVAL), ..retry }, usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry =
        Retry { attempts: 5, backoff: Duration::from_millis(500), max_backoff: Duration::from_secs(60) };

    fn closed() -> CircuitBreaker {
        CircuitBreaker::new(RETRY, Duration::from_secs(300))
    }

    #[test]
    fn a_burst_is_one_trouble_and_only_a_later_answer_ends_it() {
        let mut breaker = closed();
        assert!(breaker.record_failure(1, 4, true, "timeout"));
        assert!(!breaker.record_failure(2, 5, true, "timeout"), "it was in flight when the first came back");
        breaker.record_success(3, true);
        assert!(!breaker.is_closed(), "that one had left before");
        breaker.record_success(6, false);
        assert!(!breaker.is_open() && breaker.needs_trial(), "it answers, but what of messages?");
        breaker.record_success(7, true);
        assert!(breaker.is_closed());
    }

    #[test]
    fn what_another_worker_met_holds_this_one_until_it_hears_from_the_server() {
        let mut breaker = closed();
        assert!(breaker.note_another(4, true, 2, "timeout"));
        assert!(!breaker.note_another(4, true, 3, "timeout"));
        breaker.record_success(3, true);
        assert!(breaker.is_open(), "that one had left before");
        assert!(!breaker.note_doubt_over(), "whether it answers this worker is not known");
        breaker.record_success(5, false);
        assert!(breaker.is_closed());
        breaker.note_another(5, true, 1, "timeout");
        breaker.record_success(6, false);
        assert!(breaker.is_half_open() && breaker.note_doubt_over() && breaker.is_closed());
    }

    #[test]
    fn waits_grow_from_nothing_and_end() {
        let mut breaker = closed();
        breaker.record_failure(1, 1, false, "connection refused");
        let (began, mut now) = (Instant::now(), Instant::now());
        assert_eq!(breaker.next_probe(now), Ok(Duration::ZERO));
        let why = loop {
            match breaker.next_probe(now) {
                Ok(wait) => {
                    assert!(wait >= RETRY.backoff && wait <= MAX_PROBE_INTERVAL * 2, "{wait:?}");
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
        let mut breaker = closed();
        let mut seq = 0;
        let mut risked = 0;
        while breaker.next_probe(Instant::now()).is_ok() {
            seq += 2;
            breaker.record_failure(seq, seq + 1, true, "http-500");
            breaker.record_success(seq + 2, false);
            seq += 2;
            risked += 1;
        }
        assert_eq!(risked, MAX_TRIALS + 1);
    }
}
