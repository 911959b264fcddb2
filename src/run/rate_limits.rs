//! "Too many requests": the server's limit, or one object's? LiveDesk answers both alike.
//!
//! The server's limit holds everybody, once: one shared wait, which uses up nobody's tries. A server that serves nobody
//! between such waits is given up like one that is away, when they add up to `send.outage`; waits that it asked for do not
//! count. But whoever is refused *again*
//! while others are served has a limit of its own: it goes to the back of the queue, its tries are bounded, and at last it
//! fails with its code. A few refusals among many served slow the pace down a little and hold nobody.

use std::collections::HashMap;
use std::time::Duration;

use backon::ExponentialBackoff;

use super::recent_answers::{Answered, Endpoint, RecentAnswers, Request};
use crate::backoff::{RequestSeq, RetryBudget, SharedBackoff, exponential};
use crate::ledger::Position;
use crate::specification::{Retry, Send};

/// With fewer answers than this, nobody can say that a refusal is a rare one.
const ENOUGH: usize = 20;

/// So many answers are looked at to tell how frequent refusals are.
const WINDOW: usize = 50;

/// A refusal is a rare one as long as no more than one answer in so many is.
const RARE: usize = 5;

/// Refusals one after the other that are the server's limit, however rare they were before.
const IN_A_ROW: usize = 3;

/// An object has a limit of its own if so many others are served for each other that is refused as well.
const OTHERS_SERVED: usize = 4;

/// Recipients with limits of their own that are named while the run goes on; the report has them all.
const NAMED: usize = 10;

/// What a refusal means for everybody else.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// The server's: everybody waits for so long.
    Everybody(Duration),
    /// The server's, and everybody has waited for so long in vain: it is no use any more.
    GivenUp(Duration),
    /// The server's, and everybody waits for it already; for longer, if the answer says so.
    Known(Option<Duration>),
    /// A rare one: the pace gives way a little.
    Rare,
    /// The object's own: nobody else is concerned.
    Own,
}

/// What a delivery that was refused does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextTry {
    /// Like everybody, after so long; it uses up no try.
    Shared(Duration),
    /// After so long; it is this try of so many.
    Own(Duration, u32),
    /// No try is left.
    Never,
}

/// A delivery that was refused and is not settled.
#[derive(Debug)]
struct Limited {
    /// The last request that had begun when it was refused last.
    seq: RequestSeq,
    own: bool,
    backoff: ExponentialBackoff,
    tries: RetryBudget,
    tried: u32,
    named: bool,
}

#[derive(Debug)]
pub(super) struct RateLimits {
    retry: Retry,
    /// A longer wait for one object alone is not waited for.
    longest: Duration,
    /// Shared waits that nobody asked for are given up when they are longer in all.
    max_outage: Duration,
    shared: SharedBackoff,
    /// How long everybody has waited so since the endpoint served anybody.
    waited: [Duration; Endpoint::COUNT],
    limited: HashMap<Position, Limited>,
    named: usize,
}

impl RateLimits {
    pub(super) fn new(send: &Send) -> Self {
        Self {
            retry: send.retry,
            longest: send.outage.max(send.retry.max_backoff),
            max_outage: send.outage,
            shared: SharedBackoff::new(send.retry),
            waited: Default::default(),
            limited: HashMap::new(),
            named: 0,
        }
    }

    /// `request` was answered with 429, and asked to wait for `retry_after`; `now` is the last request that has begun.
    /// `recent_answers` has this refusal as well.
    pub(super) fn rate_limited(
        &mut self,
        recent_answers: &RecentAnswers,
        request: Request,
        now: RequestSeq,
        retry_after: Option<Duration>,
    ) -> Limit {
        let before = request.delivery.and_then(|delivery| self.limited.get(&delivery)).map(|limited| limited.seq);
        let own = before.is_some_and(|seq| {
            let others = recent_answers.others_since(request, seq);
            let alone = others.served + others.limited == 0 && recent_answers.has_served_others(request);
            alone || others.served > 0 && others.limited * OTHERS_SERVED <= others.served
        });
        self.note(request, now, own);
        if own {
            return Limit::Own;
        }
        let told = retry_after.filter(|wait| !wait.is_zero());
        if told.is_none() && !self.shared.is_covered(request.seq) && is_rare(recent_answers) {
            return Limit::Rare;
        }
        let Some(wait) = self.shared.failed(request.seq, now, told) else { return Limit::Known(told) };
        let waited = &mut self.waited[request.endpoint as usize];
        if *waited > self.max_outage {
            return Limit::GivenUp(*waited);
        }
        *waited += wait.saturating_sub(told.unwrap_or_default());
        Limit::Everybody(wait)
    }

    /// Everybody waits, because another worker was refused; `now` is the last request here that has begun.
    pub(super) fn paused_by_another(&mut self, now: RequestSeq, wait: Duration, was_asked_for: bool) {
        self.shared.failed(now, now, Some(wait));
        if !was_asked_for {
            // Whichever endpoint it was: one that serves anybody here counts from nothing again.
            self.waited.iter_mut().for_each(|waited| *waited += wait);
        }
    }

    /// The conversation of `request` has had too many messages.
    pub(super) fn conversation_limited(&mut self, request: Request, now: RequestSeq) {
        self.note(request, now, true);
    }

    fn note(&mut self, request: Request, now: RequestSeq, own: bool) {
        let Some(delivery) = request.delivery else { return };
        let retry = self.retry;
        let limited = self.limited.entry(delivery).or_insert_with(|| Limited {
            seq: now,
            own,
            backoff: exponential(retry, usize::MAX),
            // It holds nobody up, so it can take its time: LiveDesk counts by the minute.
            tries: RetryBudget::new(Retry { backoff: retry.backoff.max(retry.max_backoff / 4), ..retry }),
            tried: 0,
            named: false,
        });
        limited.seq = now;
        limited.own = own;
    }

    /// When a delivery that was refused is tried again.
    pub(super) fn next_try(&mut self, delivery: Position, retry_after: Option<Duration>) -> NextTry {
        let Some(limited) = self.limited.get_mut(&delivery) else { return NextTry::Shared(Duration::ZERO) };
        if !limited.own {
            return NextTry::Shared(limited.backoff.next().unwrap_or_default());
        }
        limited.tried += 1;
        match limited.tries.after_failure() {
            Some(wait) if retry_after.is_none_or(|told| told <= self.longest) => {
                NextTry::Own(wait.max(retry_after.unwrap_or_default()), limited.tried + 1)
            }
            _ => NextTry::Never,
        }
    }

    /// Whether to name a delivery that has a limit of its own: once, and not too many.
    pub(super) fn names(&mut self, delivery: Position) -> bool {
        let Some(limited) = self.limited.get_mut(&delivery).filter(|limited| !limited.named) else { return false };
        limited.named = true;
        self.named += 1;
        self.named <= NAMED
    }

    /// A request was served: if it began after the shared wait, the next wait is short again.
    pub(super) fn served(&mut self, request: Request) {
        self.shared.succeeded(request.seq);
        self.waited[request.endpoint as usize] = Duration::ZERO;
    }

    /// The delivery is settled.
    pub(super) fn forget(&mut self, delivery: Option<Position>) {
        delivery.map(|delivery| self.limited.remove(&delivery));
    }
}

/// Whether the last answer, a refusal, is an exception.
fn is_rare(recent_answers: &RecentAnswers) -> bool {
    let limited = |count| recent_answers.last(count).filter(|answered| *answered == Answered::Limited).count();
    recent_answers.len() >= ENOUGH
        && limited(IN_A_ROW) < IN_A_ROW
        && limited(WINDOW) * RARE <= recent_answers.len().min(WINDOW)
}

#[cfg(test)]
mod tests {
    use super::super::recent_answers::Endpoint;
    use super::*;
    use crate::ledger::Position;

    const RETRY: Retry =
        Retry { attempts: 3, backoff: Duration::from_millis(500), max_backoff: Duration::from_secs(60) };

    /// A server that is told what to answer, and what follows.
    struct Server {
        recent_answers: RecentAnswers,
        limits: RateLimits,
        seq: RequestSeq,
    }

    impl Server {
        fn new() -> Self {
            let limits = RateLimits {
                retry: RETRY,
                longest: Duration::from_secs(300),
                max_outage: Duration::MAX,
                shared: SharedBackoff::new(RETRY),
                waited: Default::default(),
                limited: HashMap::new(),
                named: 0,
            };
            Self { recent_answers: RecentAnswers::default(), limits, seq: 0 }
        }

        fn request(&mut self, who: i64) -> Request {
            self.seq += 1;
            Request { seq: self.seq, endpoint: Endpoint::Message, delivery: Some(Position::new(who)) }
        }

        fn serves(&mut self, who: i64) {
            let request = self.request(who);
            self.recent_answers.record(request, Answered::Served);
            self.limits.served(request);
        }

        fn refuses(&mut self, who: i64) -> Limit {
            let request = self.request(who);
            self.refuses_telling(request, None)
        }

        fn refuses_telling(&mut self, request: Request, told: Option<Duration>) -> Limit {
            self.recent_answers.record(request, Answered::Limited);
            self.limits.rate_limited(&self.recent_answers, request, self.seq, told)
        }
    }

    #[test]
    fn the_first_refusal_holds_everybody_and_the_next_of_the_same_only_itself() {
        let mut server = Server::new();
        assert!(matches!(server.refuses(1), Limit::Everybody(_)));
        server.serves(2);
        assert_eq!(server.refuses(1), Limit::Own);
    }

    #[test]
    fn who_is_refused_like_all_others_is_not_to_blame() {
        let mut server = Server::new();
        for round in 0..20 {
            for who in 1..=8 {
                assert!(matches!(server.refuses(who), Limit::Everybody(_)), "{who} in round {round}");
            }
        }
    }

    #[test]
    fn the_last_one_of_a_list_is_compared_with_those_before() {
        let mut server = Server::new();
        server.serves(1);
        assert!(matches!(server.refuses(2), Limit::Everybody(_)));
        assert_eq!(server.refuses(2), Limit::Own);
    }

    #[test]
    fn the_only_one_of_a_list_is_never_to_blame() {
        let mut server = Server::new();
        assert!((0..50).all(|_| matches!(server.refuses(1), Limit::Everybody(_))));
    }

    #[test]
    fn who_serves_nobody_is_given_up_and_what_was_asked_for_does_not_count() {
        let mut server = Server::new();
        server.limits.max_outage = Duration::from_secs(300);
        let mut waited = Duration::ZERO;
        let given_up = loop {
            match server.refuses(1) {
                Limit::Everybody(wait) => waited += wait,
                limit => break limit,
            }
            // A contact that is served says nothing about messages.
            let contact = Request { endpoint: Endpoint::Contact, ..server.request(1) };
            server.limits.served(contact);
            assert!(waited < Duration::from_secs(600), "it waits for ever");
        };
        assert!(waited > Duration::from_secs(300));
        assert_eq!(given_up, Limit::GivenUp(waited));
        server.serves(1);
        let hour = Duration::from_secs(3_600);
        for _ in 0..1_000 {
            let request = server.request(1);
            assert_eq!(server.refuses_telling(request, Some(hour)), Limit::Everybody(hour));
        }
    }

    #[test]
    fn a_refusal_in_thirty_holds_nobody_and_three_in_a_row_hold_everybody() {
        let mut server = Server::new();
        (0..30).for_each(|who| server.serves(who));
        assert_eq!(server.refuses(100), Limit::Rare);
        assert_eq!(server.refuses(101), Limit::Rare);
        assert!(matches!(server.refuses(102), Limit::Everybody(_)));
    }

    #[test]
    fn tries_of_its_own_are_bounded_and_those_for_all_are_not() {
        let mut server = Server::new();
        server.refuses(1);
        assert!((0..50).all(|_| matches!(server.limits.next_try(Position::new(1), None), NextTry::Shared(_))));
        server.serves(2);
        server.refuses(1);
        let next = |server: &mut Server| server.limits.next_try(Position::new(1), None);
        assert!(matches!(next(&mut server), NextTry::Own(wait, 2) if wait >= Duration::from_secs(15)));
        assert!(matches!(next(&mut server), NextTry::Own(_, 3)));
        assert_eq!(next(&mut server), NextTry::Never);
    }
}
