//! Stopping a campaign from outside: every worker is asked to end in good order.

use std::sync::Arc;
use std::time::Duration;

use super::{CampaignError, open_ledger};
use crate::ledger::{self, Inspect, Ledger, Share, StopRequest};
use crate::specification::Spec;

/// Between two looks at whether the workers have ended.
const INTERVAL: Duration = Duration::from_millis(250);

/// Workers that were asked to stop.
#[derive(Debug)]
pub struct Stopping<L> {
    /// All who were at work, and whether they could be asked from here.
    pub requests: Vec<StopRequest>,
    ledger: L,
}

/// Asks everybody who works on a campaign to stop. `None` where it has no ledger.
///
/// # Errors
/// The ledger cannot be read, or is not the one that it should be.
pub async fn request_stop(
    spec: &Arc<Spec>,
    ledger: Option<&str>,
) -> Result<Option<Stopping<impl Ledger + use<>>>, CampaignError> {
    let location = open_ledger::locate(spec, ledger)?;
    let Some(ledger) = ledger::open_to_track(&location).await? else { return Ok(None) };
    ledger.belongs_to(&spec.name).await?;
    Ok(Some(Stopping { requests: ledger.request_stop().await?, ledger }))
}

impl<L: Ledger> Stopping<L> {
    /// Waits until those who were asked have ended.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn wait(&self) -> Result<(), CampaignError> {
        let asked = |request: &&StopRequest| request.is_sent;
        loop {
            let workers = self.ledger.workers().await?;
            let is_at_work =
                |request: &StopRequest| workers.iter().any(|worker| worker.holder == request.worker.holder);
            if !self.requests.iter().filter(asked).any(is_at_work) {
                return Ok(());
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}
