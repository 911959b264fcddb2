//! Places in the quotas: of this process alone, and those that count for all workers of the campaign.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Run;
use super::attempt::AttemptError;
use crate::ledger::{Deliver, News, Place, QuotaPlace};
use crate::pace::{QuotaFull, Ticket};

/// Quotas that are shared are asked about this often at most while they are full.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A place in every quota, kept for one message. Dropped, it is given back; if its message has left, it counts from then on.
pub(super) struct QuotaPlaces<'r, L: Deliver> {
    local: Ticket<'r>,
    shared: Option<(&'r L, Place)>,
}

impl<L: Deliver> QuotaPlaces<'_, L> {
    /// The message leaves at this time.
    pub(super) const fn leaves(&mut self, at: Timestamp) {
        self.local.leaves(at);
    }

    /// Nobody got the message.
    pub(super) const fn is_unused(&mut self) {
        self.local.is_unused();
    }
}

impl<L: Deliver> Drop for QuotaPlaces<'_, L> {
    fn drop(&mut self) {
        if let Some((ledger, place)) = self.shared {
            ledger.announce(News::PlaceReturned { place, left_before: self.local.left_before() });
        }
    }
}

/// That quotas which are shared are full, and until when that is so and is believed.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownFull {
    /// `None`: until messages on their way have left.
    until: Option<Instant>,
    ask_at: Instant,
}

impl KnownFull {
    fn new(wait: Option<Duration>) -> Self {
        let now = Instant::now();
        Self { until: wait.map(|wait| now + wait), ask_at: now + wait.unwrap_or(ASK_AGAIN).min(ASK_AGAIN) }
    }

    fn why(self) -> QuotaFull {
        self.until.map_or(QuotaFull::InFlight, |until| QuotaFull::For(until.saturating_duration_since(Instant::now())))
    }
}

impl<L: Deliver> Run<'_, L> {
    /// Takes a place in every quota, or says when there may be one.
    pub(super) async fn take_quota(&self) -> Result<Result<QuotaPlaces<'_, L>, QuotaFull>, AttemptError> {
        let local = match self.pace.take_quota() {
            Ok(ticket) => ticket,
            Err(full) => return Ok(Err(full)),
        };
        if self.spec.send.quota.is_empty() || !self.ledger.is_shared() {
            return Ok(Ok(QuotaPlaces { local, shared: None }));
        }
        // One asks for all of this process.
        let mut known_full = self.unless_stopped(self.known_full.lock()).await?;
        if let Some(full) = known_full.filter(|full| Instant::now() < full.ask_at) {
            return Ok(Err(full.why()));
        }
        let wait = match self.unless_stopped(self.ledger.take_place()).await?? {
            QuotaPlace::Taken(place) => {
                *known_full = None;
                return Ok(Ok(QuotaPlaces { local, shared: Some((self.ledger, place)) }));
            }
            QuotaPlace::Full(wait) => Some(wait),
            QuotaPlace::InFlight => None,
        };
        Ok(Err(known_full.insert(KnownFull::new(wait)).why()))
    }
}
