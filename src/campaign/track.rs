//! `campaign track`: what became of the accepted messages.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::{CampaignError, open_ledger, opted_out, write_whole};
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

/// Writes those who have opted out to `track.opt_out.file`, if the spec names one, beside those who are in it already.
/// Gives the file and how many it has.
///
/// # Errors
/// The file cannot be read or written; or the ledger's.
pub async fn write_opted_out(
    ledger: &impl Inspect,
    spec: &std::sync::Arc<Spec>,
) -> Result<Option<(PathBuf, u64)>, CampaignError> {
    let Some(file) = &spec.track.opt_out.file else { return Ok(None) };
    let path = spec.folder.join(file);
    let (_, list) = opted_out(ledger, spec).await?;
    let known = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(CampaignError::not_writable(&path, error)),
    };
    let list = String::from_utf8_lossy(&list).into_owned();
    let mut lines = list.lines();
    let header = lines.next().unwrap_or_default();
    // Other campaigns write into it as well; nobody is taken out.
    let mut people: BTreeSet<&str> = known.lines().skip(1).filter(|line| !line.trim().is_empty()).collect();
    let before = people.len();
    people.extend(lines);
    if people.len() > before || known.is_empty() {
        let all: Vec<&str> = std::iter::once(header).chain(people.iter().copied()).collect();
        write_whole(&path, format!("{}\n", all.join("\n")).as_bytes())?;
    }
    Ok(Some((path, people.len() as u64)))
}
