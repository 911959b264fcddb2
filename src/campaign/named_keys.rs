//! Keys that a person names, as the ledger has them.
//!
//! A key that was copied from a CSV report may have an apostrophe in front, which keeps spreadsheets from running it as a
//! formula.

use crate::ledger::{Inspect, KeyLookup};
use crate::problem::{Place, Problem};
use crate::recipients::unguarded;
use crate::run::Selection;

use super::CampaignError;

/// The keys as the ledger has them; those that it does not have stay as they are.
///
/// # Errors
/// The ledger's, or a key that may be either of two recipients.
pub async fn as_in_ledger(ledger: &impl Inspect, keys: Vec<String>) -> Result<Vec<String>, CampaignError> {
    let is_guarded = |key: &&String| unguarded(key) != key.as_str();
    let asked: Vec<String> =
        keys.iter().filter(is_guarded).flat_map(|key| [key.clone(), unguarded(key).to_owned()]).collect();
    if asked.is_empty() {
        return Ok(keys);
    }
    let KeyLookup { missing, .. } = ledger.look_up(asked).await?;
    let is_known = |key: &str| !missing.iter().any(|missing| missing == key);
    let (mut found, mut unclear) = (Vec::with_capacity(keys.len()), Vec::new());
    for key in keys {
        let bare = unguarded(&key);
        if bare != key && is_known(bare) {
            if is_known(&key) {
                unclear.push(ambiguous(&key, bare));
            }
            found.push(bare.to_owned());
        } else {
            found.push(key);
        }
    }
    if unclear.is_empty() { Ok(found) } else { Err(unclear.into()) }
}

fn ambiguous(key: &str, bare: &str) -> Problem {
    let what = format!("`{key}` is a key, and so is `{bare}`, which a CSV report writes in the same way");
    Problem::error("key-unclear", Place::file("command line"), what)
        .hint(format!("for the first write it as the report does, `'{key}`; for the other leave the apostrophe out"))
}

/// Puts the selected keys as the ledger has them, and says how many of them are pending; `None` where everybody is
/// selected. Each must be somebody's: a slip would send to nobody and say that all is done.
pub(super) async fn select(ledger: &impl Inspect, selection: &mut Selection) -> Result<Option<u64>, CampaignError> {
    let Some(only) = selection.only.take() else { return Ok(None) };
    let keys = as_in_ledger(ledger, only.into_iter().collect()).await?;
    let pending = pending_of(ledger, &keys).await?;
    selection.only = Some(keys.into_iter().collect());
    Ok(Some(pending))
}

async fn pending_of(ledger: &impl Inspect, keys: &[String]) -> Result<u64, CampaignError> {
    let KeyLookup { pending, missing } = ledger.look_up(keys.to_vec()).await?;
    if missing.is_empty() {
        return Ok(pending);
    }
    let problem = |key: &String| {
        let what = format!("no recipient has the key `{key}`");
        Problem::error("unknown-key", Place::file("--only"), what).hint("the report and a dry run list the keys")
    };
    Err(missing.iter().map(problem).collect::<Vec<_>>().into())
}
