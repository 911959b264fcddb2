//! `campaign status`: how far a campaign is, and what a run would do next.

use serde_json::json;

use super::exit::{Exit, Fault};
use super::flags::StatusArgs;
use super::output::{Output, counted};
use super::{summary, workspace};
use crate::ledger::Sqlite;
use crate::plan::{forecast, in_words, requests_each};
use crate::state::State;

pub(super) async fn status(args: &StatusArgs, output: &Output) -> Result<Exit, Fault> {
    let spec = workspace::spec(&args.file, &[])?;
    let path = workspace::ledger(&spec, args.ledger.as_deref())?;
    let Some(ledger) = Sqlite::look(&path)? else {
        if output.is_json() {
            output.json(&json!({ "campaign": spec.name, "begun": false }));
        } else {
            output.result(&format!("{}: not begun; there is no ledger at {}", spec.name, path.display()));
        }
        return Ok(Exit::Done);
    };
    ledger.belongs_to(&spec.name).await?;
    let totals = ledger.totals().await?;
    if output.is_json() {
        output.json(&summary::data(&spec.name, &totals));
        return Ok(summary::exit(&totals));
    }
    output.result(&summary::text(&spec.name, &totals));
    let pending = totals.of(State::Pending);
    let next = if pending > 0 {
        let forecast = forecast(&spec.send, pending, requests_each(&spec));
        format!("next run: {} to send, at least {}", counted(pending, "message"), in_words(forecast.duration))
    } else {
        "next run: nothing to send".to_owned()
    };
    output.result(&next);
    Ok(summary::exit(&totals))
}
