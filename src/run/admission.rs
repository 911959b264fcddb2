//! One reading of all that is pending. Whoever's window is open is let in; the others are passed over, pending, without
//! keeping a place in flight, and met again in a later pass, which begins when the first of their windows opens.

use std::cell::Cell;

use futures_util::stream::{self, Stream};
use jiff::Timestamp;
use tokio::sync::SemaphorePermit;

use super::attempt::AttemptError;
use super::{End, OnHold, Run, Selection, Stopped, StoppedBy};
use crate::ledger::{Deliver, Lease, LedgerError, Position};

/// Deliveries that are fetched from the ledger together.
const PAGE: usize = 256;

/// A delivery that has been let in, and its place among those in flight.
pub(super) struct Admitted<'r> {
    pub(super) lease: Lease,
    pub(super) slot: SemaphorePermit<'r>,
}

/// A reading under way.
pub(super) struct AdmissionPass<'s> {
    selection: &'s Selection,
    /// How many may still be let in, in this pass and all later ones.
    left: Cell<u64>,
    /// How far it has come.
    after: Cell<Option<Position>>,
    /// Whether that is the end.
    whole: Cell<bool>,
    /// When the first window opens of those who were passed over.
    opens: Cell<Option<Timestamp>>,
}

impl<'s> AdmissionPass<'s> {
    /// The first one.
    pub(super) fn new(selection: &'s Selection) -> Self {
        Self::for_so_many(selection, selection.limit.unwrap_or(u64::MAX))
    }

    fn for_so_many(selection: &'s Selection, left: u64) -> Self {
        Self {
            selection,
            left: Cell::new(left),
            after: Cell::default(),
            whole: Cell::default(),
            opens: Cell::default(),
        }
    }

    fn another(&self) -> Self {
        Self::for_so_many(self.selection, self.left.get())
    }

    fn is_for(&self, lease: &Lease) -> bool {
        self.selection.only.as_ref().is_none_or(|keys| keys.contains(&lease.key))
    }

    fn admit(&self) {
        self.left.update(|left| left - 1);
    }

    /// Somebody's window is closed and opens then.
    fn pass_over(&self, until: Timestamp) {
        self.opens.update(|first| Some(first.map_or(until, |first| first.min(until))));
    }

    /// The same for somebody who had been let in.
    pub(super) fn turn_away(&self, until: Timestamp) {
        self.left.update(|left| left + 1);
        self.pass_over(until);
    }
}

impl<L: Deliver> Run<'_, L> {
    /// Pending deliveries whose window is open, in the order of the list and from where the pass has come to, until there
    /// are enough or no more, or somebody asks to stop. Each comes with a place among those in flight, for which it has
    /// queued behind those that went to the back.
    pub(super) fn admitted<'r>(
        &'r self,
        pass: &'r AdmissionPass<'_>,
    ) -> impl Stream<Item = Result<Admitted<'r>, LedgerError>> + 'r {
        stream::try_unfold(Vec::new().into_iter(), move |mut page| async move {
            let Ok(Ok(slot)) = self.unless_stopped(self.slots.acquire()).await else { return Ok(None) };
            while pass.left.get() > 0 && self.stop.asked().is_none() {
                let Some(lease) = page.next() else {
                    page = self.ledger.lease(pass.after.get(), PAGE).await?.into_iter();
                    if page.len() == 0 {
                        pass.whole.set(true);
                        break;
                    }
                    continue;
                };
                pass.after.set(Some(lease.position()));
                if !pass.is_for(&lease) {
                    continue;
                }
                match self.held_until(&lease) {
                    Some(until) => pass.pass_over(until),
                    None => {
                        pass.admit();
                        return Ok(Some((Admitted { lease, slot }, page)));
                    }
                }
            }
            Ok(None)
        })
    }

    /// When the recipient's window opens, if it is closed. What is wrong with a row is told when it is rendered.
    fn held_until(&self, lease: &Lease) -> Option<Timestamp> {
        let zone = self.evaluator.templates.zone(&lease.row, &self.evaluator.list)?;
        match self.in_window(Some(&zone), Timestamp::now()) {
            Err(AttemptError::Held(opens)) => Some(opens),
            _ => None,
        }
    }

    /// What follows when all who were let in are done: the rest of the pass, or a new one when the next window opens.
    pub(super) async fn after<'s>(&self, pass: AdmissionPass<'s>) -> Option<AdmissionPass<'s>> {
        if pass.left.get() == 0 || self.stop.asked().is_some() {
            return None;
        }
        if !pass.whole.get() {
            // It had enough, and then somebody was turned away. The ones behind come first: whoever was turned away for
            // a quota might be so again and again.
            return Some(pass);
        }
        self.wait_until_open(pass.opens.get()?).await;
        self.stop.asked().is_none().then(|| pass.another())
    }

    async fn wait_until_open(&self, opens: Timestamp) {
        while self.stop.asked().is_none() && Timestamp::now() < opens {
            if let Some(end) = self.spec.send.not_after.filter(|end| *end <= opens) {
                let text = format!("paused by send.window until {opens:.0}, and `send.not_after` is {end:.0}");
                self.stop.because(End::Guard(Stopped::by(StoppedBy::NotAfter, text)));
            } else if self.on_hold == OnHold::Stop {
                self.hold_ends_run(StoppedBy::Window, opens);
            } else {
                self.nap(StoppedBy::Window, opens).await;
            }
        }
    }
}
