//! `campaign track`: what became of the accepted messages.

use super::{CampaignError, open_ledger};
use crate::ledger::{self, Inspect, Ledger};
use crate::opt_out::{OptOutWords, is_opt_out_payload};
use crate::specification::{Spec, To};
use crate::state::InboxId;

/// Opens the ledger of a campaign that was begun, to follow its messages beside a run that may be under way.
///
/// # Errors
/// Nothing was run yet, or the ledger is not the one that it should be.
pub async fn open_to_track(spec: &Spec, address: Option<&str>) -> Result<impl Ledger + use<>, CampaignError> {
    let location = open_ledger::locate(spec, address)?;
    let Some(ledger) = ledger::open_to_track(&location).await? else {
        return Err(open_ledger::not_begun(spec, &location, address.is_none()).await);
    };
    ledger.belongs_to(&spec.name).await?;
    Ok(ledger)
}

/// The inbox that all messages leave through, where the spec names one for all rows.
pub fn only_inbox(spec: &Spec) -> Option<InboxId> {
    let (To::Sender { inbox_id, .. } | To::Contact { inbox_id, .. }) = &spec.to else { return None };
    if inbox_id.is_constant() { inbox_id.text.trim().parse().ok().map(InboxId) } else { None }
}

/// What a reply must say to be an opt-out: the known words, the spec's own, and the payloads of its opt-out buttons.
pub fn opt_out_words(spec: &Spec) -> OptOutWords {
    let params = spec.message.template_params.as_ref();
    let buttons = params.into_iter().flat_map(|params| params.button_params.iter().flatten());
    let payloads = buttons.filter_map(|button| button.payload.as_ref()).filter(|payload| payload.is_constant());
    let payloads = payloads.map(|payload| payload.text.as_str()).filter(|payload| is_opt_out_payload(payload));
    OptOutWords::new(spec.track.opt_out.words.iter().map(String::as_str).chain(payloads))
}
