//! `campaign status`: how far a campaign is, and what a run would do next.

use serde_json::json;

use super::exit::{CliError, Exit};
use super::flags::StatusArgs;
use super::output::Output;
use super::plan::Plan;
use super::reports::Targets;
use super::{changes, earlier_runs, summary, workspace};
use crate::ledger::Sqlite;
use crate::pending_scan::pending_scan;
use crate::run::Selection;
use crate::state::State;

pub(super) async fn status(args: &StatusArgs, output: &Output) -> Result<Exit, CliError> {
    let spec = workspace::spec(&args.file, &[])?;
    let path = workspace::ledger(&spec, args.ledger.as_deref())?;
    let Some(ledger) = Sqlite::open_read_only(&path)? else {
        earlier_runs::no_earlier_run(&spec, &path, args.ledger.is_none(), &Targets::of_spec(&spec))?;
        if output.is_json() {
            output.json(&json!({ "campaign": spec.name, "begun": false }));
        } else {
            output.result(&format!("{}: not begun; there is no ledger at {}", spec.name, path.display()));
        }
        return Ok(Exit::Done);
    };
    ledger.belongs_to(&spec.name).await?;
    earlier_runs::nobody_again(&ledger, &Targets::of_spec(&spec)).await?;
    let totals = ledger.totals().await?;
    if output.is_json() {
        output.json(&summary::data(&spec.name, &totals));
        return Ok(summary::exit(&totals));
    }
    output.result(&summary::text(&spec.name, &totals));
    let pending = totals.of(State::Pending);
    if pending == 0 {
        output.result("next run: nothing to send");
        return Ok(summary::exit(&totals));
    }
    let zones = match &spec.send.window {
        Some(_) => {
            pending_scan(&ledger, &workspace::evaluator(&spec, None)?, &Selection::default(), false).await?.zones
        }
        None => Vec::new(),
    };
    let plan = Plan { spec: &spec, messages: pending, zones };
    output.result("next run:");
    for line in changes::since_last(&spec, &ledger).await?.lines(pending) {
        output.result(&line);
    }
    output.result(&plan.to(&spec.livedesk.base_url));
    for line in plan.limits(&ledger).await? {
        output.result(&line);
    }
    Ok(summary::exit(&totals))
}
