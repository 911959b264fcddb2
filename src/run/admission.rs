//! One reading of all that is pending. Whoever's window is open is let in; the others are passed over, pending, without
//! keeping a place in flight, and met again in a later pass, which begins when the first of their windows opens.

use std::cell::Cell;
use std::vec;

use futures_util::stream::{self, Stream};
use jiff::Timestamp;
use tokio::sync::SemaphorePermit;

use super::attempt::AttemptError;
use super::{End, OnHold, Run, Selection, Stopped, StoppedBy};
use crate::ledger::{Deliver, Lease, LedgerError, Position};

/// Deliveries that are fetched from the ledger together.
const LEDGER_BATCH: usize = 256;

/// Where other workers want some as well, no more than keep this one busy for a while: so many for each in flight.
const PER_SLOT: usize = 4;

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

    /// It has come so far; never back.
    fn advance(&self, to: Position) {
        self.after.update(|after| after.max(Some(to)));
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
    /// queued after those that went to the back.
    pub(super) fn admitted<'r>(
        &'r self,
        pass: &'r AdmissionPass<'_>,
    ) -> impl Stream<Item = Result<Admitted<'r>, LedgerError>> + 'r {
        stream::try_unfold(Vec::new().into_iter(), move |mut page| async move {
            let Ok(Ok(slot)) = self.unless_stopped(self.slots.acquire()).await else { return Ok(None) };
            while pass.left.get() > 0 && self.stop.asked().is_none() {
                let Some(lease) = page.next() else {
                    let Some(next) = self.next_page(pass).await? else {
                        pass.whole.set(true);
                        break;
                    };
                    page = next;
                    continue;
                };
                pass.advance(lease.position());
                if !pass.is_for(&lease) {
                    continue;
                }
                match self.held_until(&lease) {
                    Some(until) => {
                        pass.pass_over(until);
                        self.ledger.release_lease(lease.position()).await?;
                    }
                    None => {
                        pass.admit();
                        return Ok(Some((Admitted { lease, slot }, page)));
                    }
                }
            }
            Ok(None)
        })
    }

    /// The next deliveries of a pass; `None` at its end. Where there are other workers, only those whose turn it is are taken
    /// from them: maybe none of this page.
    async fn next_page(&self, pass: &AdmissionPass<'_>) -> Result<Option<vec::IntoIter<Lease>>, LedgerError> {
        let is_shared = self.ledger.is_shared();
        let size = if is_shared {
            (self.spec.send.concurrency * PER_SLOT).clamp(PER_SLOT, LEDGER_BATCH)
        } else {
            LEDGER_BATCH
        };
        let page = self.ledger.lease(pass.after.get(), size).await?;
        if page.is_empty() {
            return Ok(None);
        }
        if !is_shared {
            return Ok(Some(page.into_iter()));
        }
        let most = usize::try_from(pass.left.get()).unwrap_or(usize::MAX);
        let mut wanted = Vec::new();
        for lease in page {
            if wanted.len() == most {
                break;
            }
            pass.advance(lease.position());
            match self.held_until(&lease) {
                _ if !pass.is_for(&lease) => {}
                Some(until) => pass.pass_over(until),
                None => wanted.push(lease),
            }
        }
        Ok(Some(self.ledger.acquire_leases(wanted).await?.into_iter()))
    }

    /// When the recipient's window opens, if it is closed. What is wrong with a row is reported when it is rendered.
    fn held_until(&self, lease: &Lease) -> Option<Timestamp> {
        let zone = self.evaluator.templates.zone(&lease.row, &self.evaluator.list)?;
        match self.in_window(Some(&zone), Timestamp::now()) {
            Err(AttemptError::WindowClosed(opens)) => Some(opens),
            _ => None,
        }
    }

    /// What follows when all who were let in are done: the rest of the pass, or a new one when the next window opens.
    pub(super) async fn after<'s>(&self, pass: AdmissionPass<'s>) -> Result<Option<AdmissionPass<'s>>, LedgerError> {
        if pass.left.get() == 0 || self.stop.asked().is_some() {
            return Ok(None);
        }
        if !pass.whole.get() {
            // It had enough, and then somebody was turned away. The ones that follow come first: whoever was turned away for
            // a quota might be so again and again.
            return Ok(Some(pass));
        }
        match pass.opens.get() {
            Some(opens) => self.wait_until_open(opens).await,
            None if pass.selection.only.is_none() && self.is_work_left().await? => {}
            None => return Ok(None),
        }
        Ok(self.stop.asked().is_none().then(|| pass.another()))
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
