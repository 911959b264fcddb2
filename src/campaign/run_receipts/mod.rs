//! Receipts while a run is under way: `sent` only says that a message is queued, and most of what goes wrong with WhatsApp
//! goes wrong seconds later. So a run looks again at its canary ([`confirmation`]) and at a sample of what it sends
//! ([`sample`]), within `track.requests`. What it sees is kept in the ledger, as `campaign track` keeps it.
//!
//! It decides nothing about a delivery. Where receipts cannot be read it says so once, and the run goes on by answers alone.

mod confirmation;
mod sample;

use std::cell::RefCell;
use std::time::Duration;

use tokio::sync::Mutex;

pub(super) use confirmation::Confirmation;
use sample::Sample;

use super::opt_out_words;
use crate::ledger::{Ledger, LedgerError, Limits, RequestKind, TrackedMessage};
use crate::livedesk::Client;
use crate::pace::Pace;
use crate::plan::requests_each;
use crate::run::Event;
use crate::specification::Spec;
use crate::track::{TrackError, Tracker};

/// After a read that had no answer.
const REST: Duration = Duration::from_secs(30);

/// The receipts of a run's messages.
pub(super) struct RunReceipts<'a, L> {
    ledger: &'a L,
    pace: &'a Pace,
    limits: Limits,
    tracker: Mutex<Tracker<'a, L>>,
    sample: RefCell<Sample>,
    /// Why receipts cannot be read here.
    unavailable: RefCell<Option<String>>,
    emit: &'a dyn Fn(Event),
}

/// What a look came to.
enum Look {
    /// What it has shown is in the receipt.
    Seen,
    /// There was no answer.
    NoAnswer,
    /// Receipts cannot be read here.
    Unavailable,
}

impl<'a, L: Ledger> RunReceipts<'a, L> {
    pub(super) fn new(
        spec: &'a Spec,
        ledger: &'a L,
        client: &'a Client,
        pace: &'a Pace,
        emit: &'a dyn Fn(Event),
    ) -> Self {
        let send = &spec.send;
        let limits = Limits { messages: send.rate, requests: send.requests, requests_each: requests_each(spec) };
        let tracker = Tracker::new(ledger, client, &spec.track, opt_out_words(spec)).without_retries();
        let (tracker, sample) = (Mutex::new(tracker), RefCell::new(Sample::new(send.stop_when)));
        Self { ledger, pace, limits, tracker, sample, unavailable: RefCell::default(), emit }
    }

    /// One look at one message, within all limits.
    async fn look(&self, message: &mut TrackedMessage) -> Result<Look, LedgerError> {
        let mut tracker = self.tracker.lock().await;
        self.pace.request(async || self.ledger.wait_for_limits(RequestKind::Other, self.limits).await).await?;
        match tracker.look(message).await {
            Ok(()) => Ok(Look::Seen),
            Err(TrackError::Ledger(error)) => Err(error),
            Err(TrackError::NoAnswer(_)) => Ok(Look::NoAnswer),
            Err(TrackError::Unavailable(why)) => {
                let text = format!("receipts cannot be read here ({why}): `send.stop_when` sees answers only");
                self.unavailable.replace(Some(why));
                (self.emit)(Event::Noted(text));
                Ok(Look::Unavailable)
            }
        }
    }

    fn is_unavailable(&self) -> bool {
        self.unavailable.borrow().is_some()
    }
}
