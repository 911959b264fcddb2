//! `campaign status`: how far a campaign is, and what a run would do next.

use serde_json::json;

use super::credentials::with_base_url;
use super::error::CliError;
use super::exit::Exit;
use super::flags::StatusArgs;
use super::output::Output;
use super::{plan, summary};
use crate::campaign::{self, Progress, Status, read_spec};

pub(super) async fn status(args: &StatusArgs, output: &Output) -> Result<Exit, CliError> {
    let spec = with_base_url(read_spec(&args.file, &[])?, false, output)?;
    let Progress { totals, changes, next } = match campaign::status(&spec, args.ledger.as_deref()).await? {
        Status::Begun(progress) => *progress,
        Status::NotBegun { .. } if output.is_json() => {
            output.json(&json!({ "campaign": spec.name, "begun": false }));
            return Ok(Exit::Done);
        }
        Status::NotBegun { ledger } => {
            output.result(&format!("{}: not begun; there is no ledger at {}", spec.name, ledger.display()));
            return Ok(Exit::Done);
        }
    };
    if output.is_json() {
        output.json(&summary::data(&spec.name, &totals));
        return Ok(summary::exit(&totals));
    }
    output.result(&summary::text(&spec.name, &totals));
    let Some(next) = next else {
        output.result("next run: nothing to send");
        return Ok(summary::exit(&totals));
    };
    output.result("next run:");
    for line in plan::changed(&changes).into_iter().chain(plan::next(&next, Some(&spec.livedesk.base_url))) {
        output.result(&line);
    }
    Ok(summary::exit(&totals))
}
