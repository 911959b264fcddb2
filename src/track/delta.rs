//! The cheapest way, for whoever goes on looking: one request shows every conversation that has changed since the last one.
//! While these follow each other without a gap, a message that was looked at and is in none of them is as it was.
//!
//! The answer is not given page by page, so it may be too large, and the server may give up on it. Then there is a gap: what
//! is due is looked at in the other ways, and the changes are asked for again after a while.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::{Fallback, LEDGER_BATCH, TrackError, Tracker, observation};
use crate::clock::Clock;
use crate::ledger::{Observation, Track as TrackLedger, TrackQuery, TrackedMessage};
use crate::livedesk::{ObservedConversation, ReadError};
use crate::receipt::{MessageStatus, Receipt};
use crate::state::{ConversationId, MessageId};

/// How often changes are asked for, also in the middle of a long round.
pub const CHANGES_EVERY: Duration = Duration::from_secs(30);
/// Two answers overlap by this at least: what is changed may show only when the server has finished with it.
const MIN_OVERLAP: Duration = Duration::from_secs(15);
/// How long to do without after the first failure; each further one doubles it.
const FIRST_REST: Duration = Duration::from_secs(60);
const MAX_REST: Duration = Duration::from_secs(900);
/// Until a list of changes has shown a status, it may be that it shows none: everything is looked at again after so long.
const UNPROVEN_FOR: Duration = Duration::from_secs(300);

/// What is known of changes.
#[derive(Debug)]
pub(super) struct Changes {
    /// Is not set by anybody, and goes on while the machine sleeps.
    clock: Clock,
    access: Access,
    /// Since when there is no gap.
    chain: Option<Chain>,
    /// Whether changes of a status were seen to be among them.
    shows_statuses: bool,
}

#[derive(Debug)]
enum Access {
    Works,
    /// Failed, and is tried again at this time. The next rest is so long.
    RestsUntil(Timestamp, Duration),
    Refused,
}

#[derive(Debug)]
struct Chain {
    began_at: Timestamp,
    /// When it was last asked for them.
    asked_at: Timestamp,
    /// When all messages that were asked for had been looked at.
    complete_at: Option<Timestamp>,
    /// Messages that were looked at since the beginning of the chain.
    looked_at: HashSet<MessageId>,
}

impl Changes {
    fn new() -> Self {
        Self { clock: Clock::new(), access: Access::Works, chain: None, shows_statuses: false }
    }

    /// Remembers which messages were looked at.
    pub(super) fn looked_at(&mut self, messages: impl IntoIterator<Item = MessageId>) {
        if let Some(chain) = &mut self.chain {
            chain.looked_at.extend(messages);
        }
    }

    /// For how far back to ask; `None` if not now.
    fn span(&self) -> Option<Duration> {
        let now = self.clock.now();
        match self.access {
            Access::Refused => return None,
            Access::RestsUntil(until, _) if now < until => return None,
            Access::Works | Access::RestsUntil(..) => {}
        }
        let since = self.chain.as_ref().map_or(Duration::ZERO, |chain| since(chain.asked_at, now));
        Some(since + since.max(MIN_OVERLAP))
    }

    /// What tells one chain from the next.
    fn chain_began_at(&self) -> Option<Timestamp> {
        self.chain.as_ref().map(|chain| chain.began_at)
    }

    fn is_late(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| since(chain.asked_at, self.clock.now()) >= CHANGES_EVERY)
    }

    /// What was asked for at this time was answered.
    fn answered(&mut self, asked_at: Timestamp) {
        self.access = Access::Works;
        match &mut self.chain {
            Some(chain) => chain.asked_at = asked_at,
            None => {
                self.chain = Some(Chain { began_at: asked_at, asked_at, complete_at: None, looked_at: HashSet::new() });
            }
        }
    }

    fn failed(&mut self, error: &ReadError) -> Option<Fallback> {
        self.chain = None;
        let why = error.to_string();
        if matches!(error, ReadError::Unavailable { .. } | ReadError::Gone { .. }) {
            self.access = Access::Refused;
            return Some(Fallback::Changes { why, may_pass: false });
        }
        let asked_for = match error {
            ReadError::RateLimited { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let (is_first, rest) = match self.access {
            Access::RestsUntil(_, rest) => (false, rest),
            Access::Works | Access::Refused => (true, FIRST_REST),
        };
        let until = self.clock.now().checked_add(rest.max(asked_for).min(MAX_REST)).unwrap_or(Timestamp::MAX);
        self.access = Access::RestsUntil(until, (rest * 2).min(MAX_REST));
        is_first.then_some(Fallback::Changes { why, may_pass: true })
    }

    /// All messages that were asked for have been looked at since the chain began.
    fn complete(&mut self) {
        let now = self.clock.now();
        if let Some(chain) = &mut self.chain {
            chain.complete_at = Some(now);
        }
    }

    /// Whether only what is due has to be looked at, because the changes show everything else.
    fn is_complete(&self) -> bool {
        let complete_at = self.chain.as_ref().and_then(|chain| chain.complete_at);
        let is_proven = |at| self.shows_statuses || since(at, self.clock.now()) < UNPROVEN_FOR;
        complete_at.is_some_and(is_proven)
    }

    /// Whether a message is known to be as it was when it was looked at.
    fn covers(&self, message: &TrackedMessage) -> bool {
        let is_looked_at = |chain: &Chain| chain.looked_at.contains(&message.message_id);
        self.shows_statuses && self.chain.as_ref().is_some_and(is_looked_at)
    }
}

fn since(earlier: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(earlier).unsigned_abs()
}

impl<L: TrackLedger> Tracker<'_, L> {
    /// The next of many rounds: looks at what has changed since the last one and at what is due; in other ways at all that
    /// are asked for where changes are not known.
    ///
    /// # Errors
    /// See [`TrackError`]. What was seen before is recorded.
    pub async fn next_round(&mut self, which: TrackQuery) -> Result<u64, TrackError> {
        self.changes.get_or_insert_with(Changes::new);
        let mut looked = self.look_at_changes().await?;
        let chain = self.changes.as_ref().and_then(Changes::chain_began_at);
        if self.changes.as_ref().is_some_and(Changes::is_complete) {
            let due = TrackQuery::DueBy(Timestamp::now());
            self.pass_over_unchanged(due).await?;
            return Ok(looked + self.round(due).await?);
        }
        looked += self.round(which).await?;
        if let Some(changes) = &mut self.changes
            && changes.chain_began_at() == chain
        {
            changes.complete();
        }
        Ok(looked)
    }

    /// Asks for changes if that has not been done for long.
    pub(super) async fn keep_up(&mut self) -> Result<(), TrackError> {
        if self.changes.as_ref().is_some_and(Changes::is_late) {
            self.look_at_changes().await?;
        }
        Ok(())
    }

    async fn look_at_changes(&mut self) -> Result<u64, TrackError> {
        let Some(changes) = &self.changes else { return Ok(0) };
        let Some(span) = changes.span() else { return Ok(0) };
        let asked_at = changes.clock.now();
        let answer = self.reader.changed(span, self.inbox).await;
        let Some(changes) = &mut self.changes else { return Ok(0) };
        match answer {
            Ok(conversations) => {
                changes.answered(asked_at);
                let looked = self.look_at_changed(&conversations).await;
                if looked.is_err()
                    && let Some(changes) = &mut self.changes
                {
                    // Some of what has changed was not looked at.
                    changes.chain = None;
                }
                looked
            }
            Err(error) => {
                self.fallbacks.extend(changes.failed(&error));
                Ok(0)
            }
        }
    }

    async fn look_at_changed(&mut self, changed: &[ObservedConversation]) -> Result<u64, TrackError> {
        let listed = self.look_at_listed(changed, TrackQuery::Open).await?;
        if let Some(changes) = &mut self.changes {
            changes.shows_statuses |= listed.has_new_status;
        }
        let read: HashSet<_> = changed.iter().filter(|it| self.read.has(it)).map(|it| it.id).collect();
        let mut hidden = listed.hidden;
        hidden.retain(|message| !read.contains(&message.conversation_id));
        let looked = listed.looked + hidden.len() as u64;
        let read: HashSet<ConversationId> = hidden.iter().map(|message| message.conversation_id).collect();
        self.look_at(hidden).await?;
        changed.iter().filter(|it| read.contains(&it.id)).for_each(|it| self.read.insert(it));
        Ok(looked)
    }

    /// Puts off the next look at messages in which nothing has changed since the last one. The very last look is a real one,
    /// and so is each at a failed message: whoever got it after all must not get it again.
    async fn pass_over_unchanged(&self, due: TrackQuery) -> Result<(), TrackError> {
        let Some(changes) = &self.changes else { return Ok(()) };
        let mut after = None;
        loop {
            let page = self.ledger.tracked(due, after, LEDGER_BATCH).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.position);
            let unchanged = page
                .iter()
                .filter(|message| changes.covers(message) && message.receipt.status() != Some(MessageStatus::Failed));
            let looked = |message| {
                let receipt = Receipt { checked_at: Some(Timestamp::now()), ..Receipt::default() };
                observation(message, receipt, self.settings.until)
            };
            let seen: Vec<Observation> = unchanged.map(looked).filter(|seen| seen.next_look.is_some()).collect();
            self.ledger.observe(seen).await?;
        }
    }
}
