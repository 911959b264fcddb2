//! `campaign run --dry-run`: real rows exactly as they would leave.

use serde::Serialize;

use super::args::{Preview, RunArgs};
use super::error::CliError;
use super::exit::Exit;
use super::operator::plan_written;
use super::output::Output;
use super::{plan, preview};
use crate::campaign::Campaign;
use crate::humanize::counted;
use crate::ledger::{Lease, Ledger};
use crate::livedesk::request::{self, Request};
use crate::message::Delivery;
use crate::plan::Sample;

/// What a dry run prints for one recipient with `--format json`.
#[derive(Debug, Serialize)]
struct DryRunMessage<'a> {
    line: u64,
    key: &'a str,
    requests: Vec<Request>,
}

/// Shows messages as they would leave: those that were asked for in the order of the list, or else samples that show
/// what all are like.
pub(super) async fn show(campaign: &Campaign<impl Ledger>, args: &RunArgs, output: &Output) -> Result<Exit, CliError> {
    let most = match args.preview {
        Some(Preview::Some(most)) => Some(most),
        Some(Preview::All) => Some(u64::MAX),
        None => output.is_json().then_some(u64::MAX),
    };
    let show = |Lease { key, row, .. }: Lease, delivery: Delivery| print(row.line, &key, &delivery, output);
    match most {
        Some(most) => campaign.each_message(most, show).await?,
        None => {
            for Sample { row, delivery, why } in campaign.samples() {
                output.result(&drawn(row.line, delivery, &why.join("; ")));
            }
        }
    }
    let mut written = Vec::new();
    if let Some(path) = &args.html {
        preview::write(campaign, args.preview, path).await?;
        written.push(format!("preview written to {}", path.display()));
    }
    campaign.write_plan().await?;
    if campaign.plan_files().next().is_some() {
        written.push(plan_written(campaign.plan_files()));
    }
    let written = match written.as_slice() {
        [] => "nothing was sent and nothing was written".to_owned(),
        written => format!("nothing was sent; {}", written.join("; ")),
    };
    // Last, so that it is on the screen: of the messages there may be many.
    plan::show(campaign.plan(), output);
    let messages = counted(campaign.plan().next.messages, "message");
    output.say(&format!("dry run: {written}; {messages} would be sent"));
    Ok(Exit::Done)
}

/// A message as it would leave.
pub(super) fn print(line: u64, key: &str, delivery: &Delivery, output: &Output) {
    if output.is_json() {
        output.json(&DryRunMessage { line, key, requests: request::all(delivery) });
    } else {
        output.result(&drawn(line, delivery, ""));
    }
}

/// A delivery as people read it.
fn drawn(line: u64, delivery: &Delivery, why: &str) -> String {
    use std::fmt::Write;

    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    let mut text = format!("line {line}, key {}{why}\n", delivery.key);
    for request in request::all(delivery) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {} {}", request.method, request.path);
        let body = request.body.and_then(|body| serde_json::to_string_pretty(&body).ok()).unwrap_or_default();
        for line in body.lines() {
            let _ = writeln!(text, "  {line}");
        }
        for path in &request.attachments {
            let media_type = crate::attachment::media_type(path);
            let _ = writeln!(text, "  attachments[] = {} ({media_type})", path.display());
        }
    }
    text
}
