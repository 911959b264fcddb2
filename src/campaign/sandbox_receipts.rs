//! What becomes of the messages of a run against the sandbox: it says within seconds what takes WhatsApp days, so a run against it
//! looks at them itself before it reports.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use super::{CampaignError, Confirmed, Notice, Operator, only_inbox, opt_out_words};
use crate::ledger::{Ledger, TrackQuery};
use crate::livedesk::Client;
use crate::run::Event;
use crate::specification::{Speed, Track};
use crate::track::{TrackError, Tracker};

/// A shorter wait is not worth a line.
const WORTH_TELLING: Duration = Duration::from_secs(5);

impl<L: Ledger> Confirmed<L> {
    /// Waits until nothing more happens to the messages, and looks at each of them once. That the sandbox refuses to be read
    /// is said and no error. When `abort` ends, what is not known yet stays open.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn read_sandbox_receipts(
        &self,
        client: &Client,
        receipts_end_after: Duration,
        abort: impl Future<Output = ()>,
        operator: &impl Operator,
    ) -> Result<(), CampaignError> {
        if self.ledger().totals().await?.receipts.open == 0 {
            return Ok(());
        }
        let tell = |event| operator.notice(Notice::Event(&event));
        if receipts_end_after > WORTH_TELLING {
            let until = Timestamp::now().checked_add(receipts_end_after).unwrap_or(Timestamp::MAX);
            tell(Event::Paused { why: "waiting for the receipts of the script".to_owned(), until });
        }
        let looks = async {
            tokio::time::sleep(receipts_end_after).await;
            // Nobody else asks the sandbox for anything.
            let settings = Track { requests: Speed::Unlimited, ..self.spec().track.clone() };
            let tracker = Tracker::new(self.ledger(), client, &settings, opt_out_words(self.spec()));
            tracker.in_inbox(only_inbox(self.spec())).round(TrackQuery::Open).await
        };
        let looked = tokio::select! {
            looked = looks => looked,
            () = abort => return Ok(()),
        };
        match looked {
            Ok(_) => Ok(()),
            Err(TrackError::Ledger(error)) => Err(error.into()),
            Err(error) => {
                tell(Event::Warned(error.to_string()));
                Ok(())
            }
        }
    }
}
