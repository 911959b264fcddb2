//! What other workers of the campaign mean for this one. A run alone never hears of any.

use std::convert::Infallible;
use std::time::Duration;

use super::admission::{AdmissionPass, Admitted};
use super::{End, Run};
use crate::ledger::{Deliver, LedgerError, Remaining, WorkerEvent};

/// Between two looks at whether other workers are done.
const REST: Duration = Duration::from_millis(250);

impl<L: Deliver> Run<'_, L> {
    /// Does what concerns every worker. Never ends by itself.
    pub async fn handle_worker_events(&self) -> Infallible {
        loop {
            match self.ledger.next_event().await {
                WorkerEvent::Stop => self.stop.because(End::Interrupted),
                WorkerEvent::TakenOver => self.taken_over(),
            }
        }
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
