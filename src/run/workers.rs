//! What other workers of the campaign mean for this one. A run alone never hears of any.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::MutexGuard as AsyncGuard;

use super::admission::{AdmissionPass, Admitted};
use super::{End, Event, Run, Stopped, StoppedBy};
use crate::ledger::{Deliver, LedgerError, News, Outage, Remaining, WorkerEvent};
use crate::local_time::with_local_time;

/// How often it is said that the database is still away.
const STILL_WAITING: Duration = Duration::from_secs(30);

/// A run that was asked to stop waits so long for a database that is away: answers that are not recorded then are `unknown`.
const LAST_WAIT: Duration = Duration::from_secs(3);

/// Between two looks at whether other workers are done.
const REST: Duration = Duration::from_millis(250);

/// The right of one message to go alone, while all others wait for what becomes of it.
pub(super) struct Trial<'r, L: Deliver> {
    /// The ledger, where no other worker's message may go meanwhile.
    ledger: Option<&'r L>,
    _alone_here: AsyncGuard<'r, ()>,
}

impl<'r, L: Deliver> Trial<'r, L> {
    pub(super) const fn here(alone: AsyncGuard<'r, ()>) -> Self {
        Self { ledger: None, _alone_here: alone }
    }

    pub(super) const fn of_all(ledger: &'r L, alone: AsyncGuard<'r, ()>) -> Self {
        Self { ledger: Some(ledger), _alone_here: alone }
    }
}

impl<L: Deliver> Drop for Trial<'_, L> {
    fn drop(&mut self) {
        if let Some(ledger) = self.ledger {
            ledger.announce(News::TrialOver);
        }
    }
}

impl<L: Deliver> Run<'_, L> {
    /// Does what concerns every worker, and waits for the ledger's database where it is away. Never ends without an error.
    ///
    /// # Errors
    /// Somebody stops a run that waits for the database.
    pub async fn handle_worker_events(&self) -> Result<Infallible, LedgerError> {
        let events = async {
            loop {
                self.handle_event(self.ledger.next_event().await);
            }
        };
        let outages = async {
            loop {
                self.wait_for_database(self.ledger.outage().await).await?;
            }
        };
        let stops = async {
            self.stop_others(&self.stop.asked_to().await).await?;
            pending().await
        };
        tokio::select! {
            never = events => never,
            stopped = outages => stopped,
            failed = stops => failed,
        }
    }

    fn handle_event(&self, event: WorkerEvent) {
        match event {
            WorkerEvent::Stop => self.stop.because(End::Interrupted),
            WorkerEvent::TakenOver => self.taken_over(),
            WorkerEvent::Paused { wait, was_asked_for, by } => {
                self.rate_limits().paused_by_another(self.last_seq(), wait, was_asked_for);
                let until = Timestamp::now() + wait;
                (self.emit)(Event::Paused { why: format!("rate limited by LiveDesk (told to {by})"), until });
                self.pace.pause(wait);
            }
            WorkerEvent::Outage { message, failed_trials, why, by } => {
                let is_news = self.breaker().note_another(self.last_seq(), message, failed_trials, &why);
                if is_news {
                    let text =
                        format!("no clear answer from LiveDesk to {by} ({why}): sending pauses until it answers again");
                    (self.emit)(Event::Warned(text));
                }
            }
            WorkerEvent::DoubtOver => {
                let is_over = self.breaker().note_doubt_over();
                self.say_if_back(is_over);
            }
            WorkerEvent::Counted { others, row } => {
                let stop = self.guard.borrow_mut().hear(others, row);
                if let Some(why) = stop {
                    self.stop_by_guard(why);
                }
            }
            WorkerEvent::GuardStopped { guard, why, by } => {
                let which = if guard == StoppedBy::Canary.key() { StoppedBy::Canary } else { StoppedBy::StopWhen };
                self.stop.because(End::Guard(Stopped::by(which, format!("{why}; stopped by {by}"))));
            }
        }
    }

    pub(super) fn stop_by_guard(&self, why: String) {
        self.stop.because(End::Guard(Stopped::by(StoppedBy::StopWhen, why)));
    }

    /// Stops the other workers where a guard of this one says so: what all would meet. The first one's word counts.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn stop_others(&self, end: &End) -> Result<(), LedgerError> {
        match end {
            End::Guard(Stopped { by: by @ (StoppedBy::StopWhen | StoppedBy::Canary), why, .. }) => {
                self.ledger.stop_all(by.key(), why).await
            }
            _ => Ok(()),
        }
    }

    /// Says that the database is away, now and from time to time, until it is back.
    async fn wait_for_database(&self, Outage { since, why }: Outage) -> Result<(), LedgerError> {
        let time = with_local_time(since, &TimeZone::system());
        let mut again = tokio::time::interval(STILL_WAITING);
        let mut stopped = pin!(async {
            self.stop.asked_to().await;
            tokio::time::sleep(LAST_WAIT).await;
        });
        loop {
            tokio::select! {
                () = self.ledger.outage_over() => break,
                () = &mut stopped => return Err(LedgerError::StoppedWaiting(why)),
                _ = again.tick() => {
                    let text = format!("waiting for the ledger's database since {time} ({why}); nothing is sent meanwhile");
                    (self.emit)(Event::Warned(text));
                }
            }
        }
        (self.emit)(Event::Noted("the ledger's database is back; resuming".to_owned()));
        Ok(())
    }

    /// The others believe this worker dead: it finishes what is in flight, and sends nothing more.
    pub(super) fn taken_over(&self) {
        self.stop.because(End::Environment(LedgerError::TakenOver.to_string()));
    }

    /// Takes one delivery as far as it goes. One that others have taken over is theirs.
    pub(super) async fn deliver_unless_taken_over(
        &self,
        admitted: Admitted<'_>,
        pass: &AdmissionPass<'_>,
    ) -> Result<(), LedgerError> {
        match self.deliver(admitted, pass).await {
            Err(LedgerError::TakenOver) => {
                self.taken_over();
                Ok(())
            }
            result => result,
        }
    }

    /// Waits until it is certain that this worker has nothing more to do: what the others hold is free if they die. Gives
    /// whether something is free.
    pub(super) async fn is_work_left(&self) -> Result<bool, LedgerError> {
        while self.stop.asked().is_none() {
            match self.ledger.remaining().await? {
                Remaining::Nothing => return Ok(false),
                Remaining::Available => return Ok(true),
                Remaining::HeldByOthers => self.sleep(REST).await,
            }
        }
        Ok(false)
    }
}
