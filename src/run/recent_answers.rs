//! What requests of the same kind for *other* recipients met lately, which tells one recipient's trouble from
//! everybody's. Pure bookkeeping; what follows from it is decided by `rate_limits` and `credentials`.

use std::collections::VecDeque;

use crate::backoff::RequestSeq;
use crate::ledger::Position;

/// So many answers are kept. More would say nothing about now.
const RECENT: usize = 256;

/// What is asked for. Only requests to the same endpoint can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Contact,
    Search,
    Conversation,
    Message,
    RetryMessage,
    /// Nothing but to hear from the server.
    Probe,
}

impl Endpoint {
    pub(super) const COUNT: usize = 6;

    /// Whether a message may come of it.
    pub(super) const fn is_message(self) -> bool {
        matches!(self, Self::Message | Self::RetryMessage)
    }

    /// What is refused when this is: "refuses to ...".
    pub(super) const fn verb(self) -> &'static str {
        match self {
            Self::Contact => "create contacts",
            Self::Search => "search contacts",
            Self::Conversation => "create conversations",
            Self::Message => "send",
            Self::RetryMessage => "retry messages",
            Self::Probe => "list contacts",
        }
    }
}

/// A request that has begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) seq: RequestSeq,
    pub(super) endpoint: Endpoint,
    /// Whose; nobody's for a probe.
    pub(super) delivery: Option<Position>,
}

impl Request {
    /// Whether this is the same kind of request for another recipient, and began later: what became of it can be compared.
    pub(super) fn is_later_and_for_another(self, earlier: Self) -> bool {
        self.endpoint == earlier.endpoint && self.delivery != earlier.delivery && self.seq > earlier.seq
    }
}

/// What became of a request, as far as it can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    Served,
    Limited,
}

/// Whose requests an endpoint has served in this run.
#[derive(Debug, Clone, Copy, Default)]
enum Served {
    #[default]
    Nobody,
    One(Option<Position>),
    Several,
}

/// How others fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Others {
    pub(super) served: usize,
    pub(super) limited: usize,
}

#[derive(Debug, Default)]
pub(super) struct RecentAnswers {
    recent: VecDeque<(Request, Answered)>,
    served: [Served; Endpoint::COUNT],
}

impl RecentAnswers {
    pub(super) fn record(&mut self, request: Request, answered: Answered) {
        if answered == Answered::Served {
            let served = &mut self.served[request.endpoint as usize];
            *served = match *served {
                Served::Nobody => Served::One(request.delivery),
                Served::One(same) if same == request.delivery => Served::One(same),
                _ => Served::Several,
            };
        }
        self.recent.push_back((request, answered));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// How requests of others to the same endpoint fared that began after `seq`.
    pub(super) fn others_since(&self, request: Request, seq: RequestSeq) -> Others {
        let mut others = Others::default();
        for (other, answered) in self.recent.iter().rev() {
            if other.endpoint == request.endpoint && other.delivery != request.delivery && other.seq > seq {
                match answered {
                    Answered::Served => others.served += 1,
                    Answered::Limited => others.limited += 1,
                }
            }
        }
        others
    }

    /// Whether the endpoint has served anybody else in this run.
    pub(super) fn has_served_others(&self, request: Request) -> bool {
        match self.served[request.endpoint as usize] {
            Served::Nobody => false,
            Served::One(who) => who != request.delivery,
            Served::Several => true,
        }
    }

    /// The last answers, whosever, the newest first; at most `count`.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = Answered> {
        self.recent.iter().rev().take(count).map(|(_, answered)| *answered)
    }

    pub(super) fn len(&self) -> usize {
        self.recent.len()
    }
}
