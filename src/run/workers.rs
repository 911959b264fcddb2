//! What other workers of the campaign mean for this one. A run alone never hears of any.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::admission::{AdmissionPass, Admitted};
use super::{End, Event, Run};
use crate::ledger::{Deliver, LedgerError, Outage, Remaining, WorkerEvent};
use crate::local_time::with_local_time;

/// How often it is said that the database is still away.
const STILL_WAITING: Duration = Duration::from_secs(30);

/// A run that was asked to stop waits so long for a database that is away: answers that are not recorded then are `unknown`.
const LAST_WAIT: Duration = Duration::from_secs(3);

/// Between two looks at whether other workers are done.
const REST: Duration = Duration::from_millis(250);

impl<L: Deliver> Run<'_, L> {
    /// Does what concerns every worker, and waits for the ledger's database where it is away. Never ends without an error.
    ///
    /// # Errors
    /// Somebody stops a run that waits for the database.
    pub async fn handle_worker_events(&self) -> Result<Infallible, LedgerError> {
        let events = async {
            loop {
                match self.ledger.next_event().await {
                    WorkerEvent::Stop => self.stop.because(End::Interrupted),
                    WorkerEvent::TakenOver => self.taken_over(),
                }
            }
        };
        let outages = async {
            loop {
                self.wait_for_database(self.ledger.outage().await).await?;
            }
        };
        tokio::select! {
            never = events => never,
            stopped = outages => stopped,
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
