//! A canary among several workers: one of them sends it and has it approved, while the others wait.

use std::time::Duration;

use super::canary::Canary;
use super::sending::{Confirmed, Sending};
use super::{CampaignError, Notice, Operator};
use crate::ledger::Ledger;
use crate::run::{End, Event, Selection};
use crate::state::State;

/// Between two looks at whether the canary is approved.
const PAUSE: Duration = Duration::from_millis(250);

impl<L: Ledger> Confirmed<L> {
    /// How far the canary is, as soon as it is approved or this worker's to send.
    ///
    /// # Errors
    /// The ledger's; and the end, where somebody asks to stop before.
    pub(super) async fn canary_in_turn(
        &self,
        sending: &Sending<'_, L, impl Operator>,
    ) -> Result<Result<Canary, End>, CampaignError> {
        let mut is_said = false;
        loop {
            let canary = self.canary().await?;
            if canary == Canary::Approved || !self.ledger().is_shared() {
                return Ok(Ok(canary));
            }
            if self.ledger().acquire_canary().await? {
                // What a worker before had in flight when it died was a part of it.
                self.ledger().settle_interrupted().await?;
                return Ok(Ok(self.canary().await?));
            }
            if !is_said {
                is_said = true;
                let text = "waiting for the canary, which another worker sends".to_owned();
                sending.operator.notice(Notice::Event(&Event::Noted(text)));
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                end = sending.stop.asked_to() => return Ok(Err(end)),
            }
        }
    }

    async fn canary(&self) -> Result<Canary, CampaignError> {
        Ok(match self.spec().send.canary {
            None => Canary::Approved,
            canary => Canary::of(canary, &self.ledger().canary().await?),
        })
    }

    /// How many are left to send to: as planned, unless there are other workers, who have sent some since, or given some back.
    pub(super) async fn left_to_send(&self, planned: u64, selection: &Selection) -> Result<u64, CampaignError> {
        if !self.ledger().is_shared() || selection.only.is_some() {
            return Ok(planned);
        }
        let pending = self.ledger().totals().await?.of(State::Pending);
        Ok(selection.limit.map_or(pending, |limit| limit.min(pending)))
    }
}
