//! Everything that a delivery waits for: hours and quotas, its turn, rate limits of the server, and the server itself.

use std::cell::RefMut;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::attempt::{AttemptError, Requeue};
use super::circuit_breaker::CircuitBreaker;
use super::quotas::QuotaPlaces;
use super::rate_limits::{Limit, NextTry, RateLimits};
use super::recent_answers::{Answered, Endpoint, RecentAnswers, Request};
use super::workers::Trial;
use super::{End, Event, OnHold, Run, ShutdownMode, Stopped, StoppedBy};
use crate::backoff::RequestSeq;
use crate::codes;
use crate::humanize::duration;
use crate::ledger::{Deliver, Lease, News, Position, RequestKind};
use crate::livedesk::{Reply, RetryReason};
use crate::local_time::with_local_time;
use crate::pace::QuotaFull;
use crate::state::Failure;
use crate::window::Status;

/// Long waits are slept in pieces, so that a laptop that was closed wakes up in time.
const NAP: Duration = Duration::from_secs(30);

/// How soon to look again for a place in a quota that a message on its way keeps.
const SOON: Duration = Duration::from_millis(100);

/// Shorter waits than this are nobody's business.
const NOT_WORTH_TELLING: Duration = Duration::from_millis(200);

/// A turn that has been waited with for so long is over.
const LATE: Duration = Duration::from_millis(5);

/// Turns that a message waits for at most: a machine that is always late must send at last.
const MAX_TURNS: u32 = 20;

/// How often it is said that the server is still away.
const STILL_AWAY: Duration = Duration::from_secs(30);

impl<L: Deliver> Run<'_, L> {
    /// Waits for the turn of a message that is claimed. Where it then has to wait for the ledger, it waits for another turn: those
    /// who waited together must not leave together.
    pub(super) async fn await_send_slot(&self, zone: Option<&TimeZone>, trial: bool) -> Result<(), AttemptError> {
        for _ in 0..MAX_TURNS {
            let shared = self.ledger.wait_for_limits(RequestKind::Message, self.limits);
            self.unless_stopped(self.pace.message(shared)).await?.map_err(|_| AttemptError::Paused)??;
            let turn = Instant::now();
            // What was claimed before the trouble began goes back; only the trial goes on.
            if !trial && (!self.breaker().is_closed() || self.shared_refusals.borrow().needs_trial()) {
                return Err(AttemptError::Paused);
            }
            let now = Timestamp::now();
            self.in_time(now)?;
            self.in_window(zone, now)?;
            if !self.unless_stopped(self.ledger.is_alive()).await?? {
                self.taken_over();
                return Err(AttemptError::Stopped);
            }
            if turn.elapsed() < LATE {
                break;
            }
        }
        Ok(())
    }

    /// Waits for the turn of a request that is no message.
    pub(super) async fn request_turn(&self) -> Result<(), AttemptError> {
        let shared = async || self.ledger.wait_for_limits(RequestKind::Other, self.limits).await;
        Ok(self.unless_stopped(self.pace.request(shared)).await??)
    }

    /// Whether a recipient's window is open at a moment.
    pub(super) fn in_window(&self, zone: Option<&TimeZone>, moment: Timestamp) -> Result<(), AttemptError> {
        let (Some(window), Some(zone)) = (&self.spec.send.window, zone) else { return Ok(()) };
        match window.hours.at(moment, zone) {
            Status::Open { .. } => Ok(()),
            Status::Closed { opens } => Err(AttemptError::WindowClosed(opens)),
        }
    }

    /// Whether messages may still leave.
    fn in_time(&self, now: Timestamp) -> Result<(), AttemptError> {
        if self.spec.send.not_after.is_some_and(|end| now >= end) {
            self.stop.because(End::Guard(Stopped::by(StoppedBy::NotAfter, "`send.not_after` has passed")));
            return Err(AttemptError::Stopped);
        }
        Ok(())
    }

    /// Waits for the spec's hours and quotas. Nobody waits for a quota beyond the end of their window.
    pub(super) async fn admit(&self, zone: Option<&TimeZone>) -> Result<QuotaPlaces<'_, L>, AttemptError> {
        let send = &self.spec.send;
        loop {
            if self.stop.asked().is_some() {
                return Err(AttemptError::Stopped);
            }
            let now = Timestamp::now();
            self.in_time(now)?;
            let (by, until) = match send.not_before.filter(|start| now < *start) {
                Some(start) => (StoppedBy::NotBefore, start),
                None => {
                    self.in_window(zone, now)?;
                    match self.take_quota().await? {
                        Ok(places) => return Ok(places),
                        Err(QuotaFull::For(wait)) => (StoppedBy::Quota, now + wait),
                        Err(QuotaFull::InFlight) => {
                            self.sleep(SOON).await;
                            continue;
                        }
                    }
                }
            };
            if self.on_hold == OnHold::Stop {
                self.hold_ends_run(by, until);
                return Err(AttemptError::Stopped);
            }
            self.in_window(zone, until)?;
            self.nap(by, until).await;
        }
    }

    /// Where nobody waits, whatever holds ends the run.
    pub(super) fn hold_ends_run(&self, by: StoppedBy, until: Timestamp) {
        let why = format!("paused by {} until {}", by.key(), with_local_time(until, &TimeZone::system()));
        self.stop.after_these(End::Paused(Stopped { by, until: Some(until), why }));
    }

    /// Sleeps until then, or for part of it.
    pub(super) async fn nap(&self, by: StoppedBy, until: Timestamp) {
        let wait = until.duration_since(Timestamp::now()).max(SignedDuration::ZERO).unsigned_abs();
        if wait > NOT_WORTH_TELLING {
            (self.emit)(Event::Paused { why: format!("paused by {}", by.key()), until });
        }
        self.sleep(wait.min(NAP)).await;
    }

    /// A request begins.
    pub(super) fn begin(&self, endpoint: Endpoint, delivery: Option<Position>) -> Request {
        Request { seq: self.requests_begun.fetch_add(1, Ordering::Relaxed) + 1, endpoint, delivery }
    }

    pub(super) fn last_seq(&self) -> RequestSeq {
        self.requests_begun.load(Ordering::Relaxed)
    }

    pub(super) fn breaker(&self) -> RefMut<'_, CircuitBreaker> {
        self.breaker.borrow_mut()
    }

    /// What an answer says about the server, whatever it says about the recipient. Whether it is news: doubt about
    /// those who were in flight together is said and counted once.
    pub(super) fn observe_reply<T>(&self, reply: &Reply<T>, request: Request) -> bool {
        let message = request.endpoint.is_message();
        self.note_refusal(reply, request);
        let (why, message) = match reply {
            Reply::Done(_) | Reply::Refused(_) => {
                self.recent_answers().record(request, Answered::Served);
                self.rate_limits().served(request);
                self.answered(request.seq, message);
                return true;
            }
            Reply::NotAccepted(RetryReason::Denied(_)) => {
                self.answered(request.seq, false);
                return true;
            }
            Reply::NotAccepted(RetryReason::RateLimited { failure, retry_after }) => {
                self.rate_limited(request, failure, *retry_after);
                self.answered(request.seq, false);
                return true;
            }
            Reply::NotAccepted(RetryReason::ConversationLimit(_)) => {
                self.rate_limits().conversation_limited(request, self.last_seq());
                self.answered(request.seq, false);
                return true;
            }
            // A server that has never been there is not away.
            Reply::NotAccepted(RetryReason::Unreachable(why)) if !self.breaker().has_answered() => {
                if !self.said_unreachable.swap(true, Ordering::Relaxed) {
                    let text = format!("cannot reach {} ({why}); trying again", self.spec.livedesk.base_url);
                    (self.emit)(Event::Warned(text));
                }
                return true;
            }
            Reply::NotAccepted(RetryReason::Unreachable(why)) => (why.clone(), false),
            // The server does answer; it is asked again for what this answer was not about.
            Reply::Unknown(failure) if !message && codes::is_conflict(&failure.code) => {
                self.answered(request.seq, false);
                return true;
            }
            Reply::Unknown(failure) => (failure.to_string(), message),
        };
        let trial = message && self.breaker().is_half_open();
        let news = self.breaker().record_failure(request.seq, self.last_seq(), message, &why);
        // Asking in vain is no news to a person.
        if news && request.endpoint != Endpoint::Probe {
            let text = format!("no clear answer from LiveDesk ({why}): sending pauses until it answers again");
            (self.emit)(Event::Warned(text));
            self.ledger.announce(News::Outage { message, trial, why });
        }
        news
    }

    /// The server has answered: doubt about it may be over.
    fn answered(&self, seq: RequestSeq, message: bool) {
        let mut breaker = self.breaker();
        let (was_closed, was_in_doubt) = (breaker.is_closed(), breaker.needs_trial());
        breaker.record_success(seq, message);
        let (is_over, is_in_doubt) = (!was_closed && breaker.is_closed(), breaker.needs_trial());
        drop(breaker);
        if was_in_doubt && !is_in_doubt {
            self.ledger.announce(News::DoubtOver);
        }
        self.say_if_back(is_over);
    }

    pub(super) fn say_if_back(&self, is_back: bool) {
        if is_back {
            (self.emit)(Event::Noted("LiveDesk is back; resuming".to_owned()));
        }
    }

    /// Asks for something harmless that belongs to no recipient. Whoever asks to stop does not wait for the answer.
    pub(super) async fn probe(&self) -> Result<Reply<()>, AttemptError> {
        self.request_turn().await?;
        let request = self.begin(Endpoint::Probe, None);
        let reply = self.unless_stopped(self.client.probe()).await?;
        self.observe_reply(&reply, request);
        Ok(reply)
    }

    /// Waits until the server answers. One probes it, with growing waits; the others wait for what that one learns.
    pub(super) async fn wait_until_answering(&self) -> Result<(), AttemptError> {
        if !self.breaker().is_open() {
            return Ok(());
        }
        let _probing = self.unless_stopped(self.asking.lock()).await?;
        let mut said_at = Instant::now();
        while self.breaker().is_open() {
            let wait = self.breaker().next_probe(Instant::now());
            match wait {
                Ok(wait) => self.sleep(wait).await,
                Err(why) => {
                    self.stop.because(End::Environment(why));
                    return Err(AttemptError::Stopped);
                }
            }
            self.probe().await?;
            let away = self.breaker().outage(Instant::now()).map(|(lasted, ..)| lasted);
            if let Some(lasted) = away {
                (self.emit)(Event::Away(lasted));
            }
            if said_at.elapsed() >= STILL_AWAY {
                said_at = Instant::now();
                self.say_still_away();
            }
        }
        Ok(())
    }

    fn say_still_away(&self) {
        let breaker = self.breaker();
        let Some((lasted, longest, why)) = breaker.outage(Instant::now()) else { return };
        let text = format!(
            "still no clear answer from LiveDesk after {} ({why}); waiting for up to {} (send.outage)",
            duration(lasted),
            duration(longest)
        );
        drop(breaker);
        (self.emit)(Event::Warned(text));
    }

    /// Whether only one message may leave, to see what becomes of it.
    fn needs_trial(&self) -> bool {
        self.breaker().needs_trial() || self.shared_refusals.borrow().needs_trial()
    }

    /// Waits until a message may be claimed. While messages are in doubt that is one at a time, for as long as the
    /// answer is held, and the next one waits for what becomes of it.
    pub(super) async fn acquire_trial(&self) -> Result<Option<Trial<'_, L>>, AttemptError> {
        loop {
            self.wait_until_answering().await?;
            if !self.needs_trial() {
                return Ok(None);
            }
            let trial = self.unless_stopped(self.trial.lock()).await?;
            while self.needs_trial() && !self.breaker().is_open() {
                if !self.breaker().needs_trial() {
                    return Ok(Some(Trial::here(trial)));
                }
                // Of all workers' messages it is one.
                if self.unless_stopped(self.ledger.acquire_trial()).await?? {
                    return Ok(Some(Trial::of_all(self.ledger, trial)));
                }
                self.unless_stopped(tokio::time::sleep(SOON)).await?;
            }
        }
    }

    /// "Too many requests": everybody waits, by one deadline, or the object alone.
    fn rate_limited(&self, request: Request, failure: &Failure, retry_after: Option<Duration>) {
        let limit = {
            let mut recent_answers = self.recent_answers();
            recent_answers.record(request, Answered::Limited);
            self.rate_limits().rate_limited(&recent_answers, request, self.last_seq(), retry_after)
        };
        match limit {
            Limit::Everybody(wait) => {
                let until = Timestamp::now() + wait;
                (self.emit)(Event::Paused { why: "rate limited by LiveDesk".to_owned(), until });
                self.pace.pause(wait);
                self.tell_pause(wait, retry_after);
            }
            Limit::GivenUp(waited) => {
                let (verb, waited) = (request.endpoint.verb(), duration(waited));
                self.stop.because(End::Environment(format!(
                    "LiveDesk rate limits every request to {verb}; gave up after {waited} (send.outage): {failure}"
                )));
            }
            Limit::Known(told) => {
                if let Some(told) = told {
                    self.pace.pause(told);
                    self.tell_pause(told, retry_after);
                }
            }
            Limit::Rare => self.pace.slow_down_briefly(),
            Limit::Own => {}
        }
    }

    fn tell_pause(&self, wait: Duration, retry_after: Option<Duration>) {
        let was_asked_for = retry_after.is_some_and(|told| !told.is_zero());
        self.ledger.announce(News::Paused { wait, was_asked_for });
    }

    /// A delivery that was refused for a limit goes to the back of the queue, if it may be tried again.
    pub(super) async fn back_of_queue<'r>(
        &'r self,
        lease: &Lease,
        failure: &Failure,
        retry_after: Option<Duration>,
        slot: &mut Option<SemaphorePermit<'r>>,
    ) -> Requeue {
        let next = self.rate_limits().next_try(lease.position(), retry_after);
        let wait = match next {
            NextTry::Never => {
                let place = self.place(lease);
                let text = format!(
                    "{place}: LiveDesk kept rate limiting this recipient, and no others; giving up ({failure})"
                );
                (self.emit)(Event::Warned(text));
                return Requeue::Never;
            }
            NextTry::Shared(wait) => wait,
            NextTry::Own(wait, nth) => {
                self.say_limited(lease, failure, wait, nth);
                wait
            }
        };
        self.requeue(slot, wait).await;
        Requeue::Now
    }

    /// Gives up the place in flight, waits, and queues for a new one after the others. Where too many wait so already,
    /// the place is kept.
    async fn requeue<'r>(&'r self, slot: &mut Option<SemaphorePermit<'r>>, wait: Duration) {
        let Ok(_place) = self.back_of_queue.try_acquire() else { return self.sleep(wait).await };
        *slot = None;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.stop.wait_for(ShutdownMode::FinishAdmitted) => {}
        }
        *slot = self.unless_stopped(self.slots.acquire()).await.ok().and_then(Result::ok);
    }

    /// Names a recipient with a limit of its own, once.
    fn say_limited(&self, lease: &Lease, failure: &Failure, wait: Duration, nth: u32) {
        if !self.rate_limits().names(lease.position()) {
            return;
        }
        let (place, attempts, wait) = (self.place(lease), self.spec.send.retry.attempts, duration(wait));
        let text = format!(
            "{place}: LiveDesk rate limits this recipient, and no others ({failure}); the others continue, attempt \
             {nth} of {attempts} is in {wait}"
        );
        (self.emit)(Event::Warned(text));
    }

    /// Where a delivery comes from: list, line and key.
    pub(super) fn place(&self, lease: &Lease) -> String {
        format!("{}:{} (key {})", self.evaluator.list, lease.row.line, lease.key)
    }

    pub(super) fn recent_answers(&self) -> RefMut<'_, RecentAnswers> {
        self.recent_answers.borrow_mut()
    }

    pub(super) fn rate_limits(&self) -> RefMut<'_, RateLimits> {
        self.rate_limits.borrow_mut()
    }

    pub(super) fn unreachable(&self, why: &str) {
        let text = format!("{} cannot be reached: {why}", self.spec.livedesk.base_url);
        self.stop.because(End::Environment(text));
    }

    /// Waits for something, unless somebody asks to stop: that comes first.
    pub(super) async fn unless_stopped<T>(&self, something: impl Future<Output = T>) -> Result<T, AttemptError> {
        tokio::select! {
            biased;
            () = self.stop.wait_for(ShutdownMode::AtOnce) => Err(AttemptError::Stopped),
            result = something => Ok(result),
        }
    }

    /// Sleeps, unless somebody asks to stop.
    pub(super) async fn sleep(&self, wait: Duration) {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.stop.wait_for(ShutdownMode::AtOnce) => {}
        }
    }

    /// Ends every wait when `send.not_after` has come. Never ends by itself.
    pub(super) async fn stop_at_not_after(&self) -> Infallible {
        while let Some(end) = self.spec.send.not_after.filter(|_| self.stop.asked().is_none()) {
            let wait = end.duration_since(Timestamp::now());
            if self.in_time(Timestamp::now()).is_ok() {
                self.sleep(wait.max(SignedDuration::ZERO).unsigned_abs().min(NAP)).await;
            }
        }
        std::future::pending().await
    }
}
