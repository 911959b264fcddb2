//! A look at those who are pending, in the order in which a run would meet them: who would get what, and when.

use std::collections::{BTreeMap, HashSet};

use jiff::tz::TimeZone;

use crate::ledger::{Deliver, Lease, LedgerError};
use crate::plan::{RowEvaluator, Sample, Sampler};
use crate::run::Selection;

/// Deliveries that are fetched from the ledger together.
const LEDGER_BATCH: usize = 1_000;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct PendingScan {
    /// How many of the messages go to which zone, where `send.window` asks for it.
    pub(super) zones: Vec<(TimeZone, u64)>,
    /// Messages that show what all are like.
    pub(super) samples: Vec<Sample>,
}

/// Looks through the pending deliveries of a selection. It takes a pass over them, so it is asked for only where its
/// result is shown; without samples only the zones are asked for, which is quicker.
///
/// # Errors
/// The ledger's.
pub(super) async fn pending_scan<L: Deliver>(
    ledger: &L,
    evaluator: &RowEvaluator,
    selection: &Selection,
    with_samples: bool,
) -> Result<PendingScan, LedgerError> {
    let (mut zones, mut sampler) = (Zones::default(), Sampler::default());
    each_pending(ledger, selection, |lease| {
        let (templates, list) = (&evaluator.templates, &evaluator.list);
        if !with_samples {
            zones.count(templates.zone(&lease.row, list));
        // What cannot be rendered any more is reported when it is met: by the check before, or by the run.
        } else if let Ok(mut delivery) = templates.render(&lease.row, list) {
            delivery.warnings.extend(templates.damage(&lease.row, list));
            sampler.see(&lease.row, &delivery, templates.branches_taken(&lease.row));
            zones.count(delivery.zone);
        }
        Ok::<_, LedgerError>(())
    })
    .await?;
    Ok(PendingScan { zones: zones.0.into_values().collect(), samples: sampler.chosen() })
}

/// Messages by zone.
#[derive(Default)]
struct Zones(BTreeMap<String, (TimeZone, u64)>);

impl Zones {
    fn count(&mut self, zone: Option<TimeZone>) {
        let Some(zone) = zone else { return };
        let name = zone.iana_name().unwrap_or_default().to_owned();
        self.0.entry(name).or_insert((zone, 0)).1 += 1;
    }
}

/// Hands out the pending deliveries of a selection, in the order in which a run would meet them.
///
/// # Errors
/// The ledger's, or the first that `see` gives.
pub(super) async fn each_pending<L: Deliver, E: From<LedgerError>>(
    ledger: &L,
    selection: &Selection,
    mut see: impl FnMut(Lease) -> Result<(), E>,
) -> Result<(), E> {
    let only: Option<&HashSet<String>> = selection.only.as_ref();
    let (mut left, mut after) = (selection.limit.unwrap_or(u64::MAX), None);
    while left > 0 {
        let page = ledger.lease(after, LEDGER_BATCH).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.position());
        for lease in page {
            if left > 0 && only.is_none_or(|keys| keys.contains(&lease.key)) {
                left -= 1;
                see(lease)?;
            }
        }
    }
    Ok(())
}
