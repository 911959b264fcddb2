//! Everything that a delivery waits for: hours and quotas, its turn, rate limits of the server, and the server itself.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::MutexGuard as AsyncGuard;
use tokio::time::Instant;

use super::circuit_breaker::CircuitBreaker;
use super::deliver::AttemptError;
use super::{End, Event, OnHold, Run};
use crate::ledger::Ledger;
use crate::livedesk::{Reply, RetryReason};
use crate::pace::Ticket;
use crate::retry::{Busy, RequestSeq};
use crate::window::Status;

/// Long waits are slept in pieces, so that a laptop that was closed wakes up in time.
const NAP: Duration = Duration::from_secs(30);

/// Shorter waits than this are nobody's business.
const NOT_WORTH_TELLING: Duration = Duration::from_millis(200);

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A contact or a conversation: trying again does no harm.
    Preparing,
    /// The message itself.
    Message,
    /// Nothing but to hear from the server.
    Asking,
}

impl<L: Ledger> Run<'_, L> {
    /// Waits for the turn of a message that is claimed.
    pub(super) async fn await_send_slot(&self, zone: Option<&TimeZone>, trial: bool) -> Result<(), AttemptError> {
        self.unless_stopped(self.pace.message()).await?.map_err(|_| AttemptError::Paused)?;
        // What was claimed before the server fell silent goes back; only the one that is to tell goes on.
        if !trial && !self.breaker().is_closed() {
            return Err(AttemptError::Paused);
        }
        let now = Timestamp::now();
        self.in_time(now)?;
        self.in_window(zone, now)
    }

    /// Whether a recipient's window is open at a moment.
    pub(super) fn in_window(&self, zone: Option<&TimeZone>, moment: Timestamp) -> Result<(), AttemptError> {
        let (Some(window), Some(zone)) = (&self.spec.send.window, zone) else { return Ok(()) };
        match window.hours.at(moment, zone) {
            Status::Open { .. } => Ok(()),
            Status::Closed { opens } => Err(AttemptError::Held(opens)),
        }
    }

    /// Whether messages may still leave.
    fn in_time(&self, now: Timestamp) -> Result<(), AttemptError> {
        if self.spec.send.not_after.is_some_and(|end| now >= end) {
            self.stop.because(End::Guard("`send.not_after` has passed".to_owned()));
            return Err(AttemptError::Stopped);
        }
        Ok(())
    }

    /// Waits for the spec's hours and quotas. Nobody waits for a quota beyond the end of their window.
    pub(super) async fn admit(&self, zone: Option<&TimeZone>) -> Result<Ticket<'_>, AttemptError> {
        let send = &self.spec.send;
        loop {
            if self.stop.asked().is_some() {
                return Err(AttemptError::Stopped);
            }
            let now = Timestamp::now();
            self.in_time(now)?;
            let (why, until) = match send.not_before.filter(|start| now < *start) {
                Some(start) => ("send.not_before", start),
                None => {
                    self.in_window(zone, now)?;
                    match self.pace.take_quota(now) {
                        Ok(ticket) => return Ok(ticket),
                        Err(until) => ("send.quota", until),
                    }
                }
            };
            if self.on_hold == OnHold::Stop {
                self.hold_ends_run(why, until);
                return Err(AttemptError::Stopped);
            }
            self.in_window(zone, until)?;
            self.nap(why, until).await;
        }
    }

    /// Where nobody waits, whatever holds ends the run.
    pub(super) fn hold_ends_run(&self, why: &str, until: Timestamp) {
        self.stop.after_these(End::Paused(format!("paused by {why} until {until:.0}")));
    }

    /// Sleeps until then, or for part of it.
    pub(super) async fn nap(&self, why: &str, until: Timestamp) {
        let wait = until.duration_since(Timestamp::now()).max(SignedDuration::ZERO).unsigned_abs();
        if wait > NOT_WORTH_TELLING {
            (self.emit)(Event::Held { why: format!("paused by {why}"), until });
        }
        self.sleep(wait.min(NAP)).await;
    }

    /// The moment at which a request begins.
    pub(super) fn begin(&self) -> RequestSeq {
        self.requests_begun.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn last_seq(&self) -> RequestSeq {
        self.requests_begun.load(Ordering::Relaxed)
    }

    pub(super) fn breaker(&self) -> MutexGuard<'_, CircuitBreaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an answer says about the server, whatever it says about the recipient. Whether it is news: doubt about those
    /// who were in flight together is said and counted once.
    pub(super) fn learn<T>(&self, reply: &Reply<T>, began: RequestSeq, step: Step) -> bool {
        let now = self.last_seq();
        let message = step == Step::Message;
        let (why, message) = match reply {
            Reply::Done(_) | Reply::Refused(_) => {
                self.busy().over(began);
                self.clear(began, message);
                return true;
            }
            Reply::NotTaken(RetryReason::Denied(_)) => {
                self.clear(began, false);
                return true;
            }
            Reply::NotTaken(RetryReason::RateLimited { retry_after, .. }) => {
                self.wait_for_server(began, *retry_after);
                self.clear(began, false);
                return true;
            }
            Reply::NotTaken(RetryReason::ConversationLimit(_)) => {
                self.wait_for_server(began, None);
                self.clear(began, false);
                return true;
            }
            // A server that has never been there is not away.
            Reply::NotTaken(RetryReason::Unreachable(_)) if !self.breaker().has_answered() => return true,
            Reply::NotTaken(RetryReason::Unreachable(why)) => (why.clone(), false),
            Reply::Doubtful(failure) => (failure.to_string(), message),
        };
        let news = self.breaker().record_failure(began, now, message, &why);
        // Asking in vain is no news to a person.
        if news && step != Step::Asking && self.breaker().has_answered() {
            let text = format!("no clear answer from LiveDesk ({why}): nothing more leaves until it answers again");
            (self.emit)(Event::Noted(text));
        }
        news
    }

    /// The server has answered: doubt about it may be over.
    fn clear(&self, began: RequestSeq, message: bool) {
        let mut breaker = self.breaker();
        let was_closed = breaker.is_closed();
        breaker.record_success(began, message);
        let over = !was_closed && breaker.is_closed();
        drop(breaker);
        if over {
            (self.emit)(Event::Noted("LiveDesk is back; resuming".to_owned()));
        }
    }

    /// Waits until the server answers. One asks it, with growing waits; the others wait for what that one learns.
    pub(super) async fn answering(&self) -> Result<(), AttemptError> {
        if !self.breaker().is_open() {
            return Ok(());
        }
        let _asking = self.unless_stopped(self.asking.lock()).await?;
        while self.breaker().is_open() {
            let wait = self.breaker().next_probe(Instant::now());
            match wait {
                Ok(wait) => self.sleep(wait).await,
                Err(why) => {
                    self.stop.because(End::Environment(why));
                    return Err(AttemptError::Stopped);
                }
            }
            self.unless_stopped(self.pace.request()).await?;
            let began = self.begin();
            let reply = self.client.probe().await;
            self.learn(&reply, began, Step::Asking);
        }
        Ok(())
    }

    /// Waits until a message may be claimed. While messages are in doubt that is one at a time, for as long as the answer
    /// is held, and the next one waits for what becomes of it.
    pub(super) async fn acquire_trial(&self) -> Result<Option<AsyncGuard<'_, ()>>, AttemptError> {
        loop {
            self.answering().await?;
            if !self.breaker().needs_trial() {
                return Ok(None);
            }
            let trial = self.unless_stopped(self.trial.lock()).await?;
            if self.breaker().needs_trial() && !self.breaker().is_open() {
                return Ok(Some(trial));
            }
        }
    }

    /// "Too many requests": everybody waits, by one deadline.
    fn wait_for_server(&self, began: RequestSeq, told: Option<Duration>) {
        let wait = self.busy().answered(began, self.last_seq(), told);
        if let Some(wait) = wait {
            let until = Timestamp::now() + wait;
            (self.emit)(Event::Held { why: "rate limited by LiveDesk".to_owned(), until });
        }
        if let Some(wait) = wait.or(told) {
            self.pace.pause(wait);
        }
    }

    fn busy(&self) -> MutexGuard<'_, Busy> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn unreachable(&self, why: &str) {
        let text = format!("{} cannot be reached: {why}", self.spec.livedesk.base_url);
        self.stop.because(End::Environment(text));
    }

    /// Waits for something, unless somebody asks to stop: that comes first.
    pub(super) async fn unless_stopped<T>(&self, something: impl Future<Output = T>) -> Result<T, AttemptError> {
        tokio::select! {
            biased;
            () = self.stop.wait() => Err(AttemptError::Stopped),
            result = something => Ok(result),
        }
    }

    /// Sleeps, unless somebody asks to stop.
    pub(super) async fn sleep(&self, wait: Duration) {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.stop.wait() => {}
        }
    }
}
