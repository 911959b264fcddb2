//! `campaign run --dry-run`: real rows exactly as they would leave.

use serde::Serialize;

use super::exit::Fault;
use super::flags::{Preview, RunArgs};
use super::output::{Output, counted};
use crate::ledger::{Ledger, Sqlite};
use crate::livedesk::request::{self, Request};
use crate::message::Delivery;
use crate::plan::Judge;

/// What a dry run prints for one recipient with `--format json`.
#[derive(Debug, Serialize)]
struct Rehearsed<'a> {
    line: u64,
    key: &'a str,
    requests: Vec<Request>,
}

/// Shows the deliveries that a run would make, from a rehearsed ledger: the same rows in the same order.
pub(super) async fn show(ledger: &Sqlite, judge: &Judge, args: &RunArgs, output: &Output) -> Result<(), Fault> {
    let most = match args.preview {
        Some(Preview::Some(count)) => count,
        Some(Preview::All) => u64::MAX,
        None if output.is_json() => u64::MAX,
        None => 3,
    };
    let mut left = most.min(args.list.limit.unwrap_or(u64::MAX));
    let mut after = None;
    while left > 0 {
        let page = ledger.lease(after, 256).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.position());
        for lease in page {
            if left == 0 || !(args.list.only.is_empty() || args.list.only.contains(&lease.key)) {
                continue;
            }
            left -= 1;
            let delivery = judge.templates.render(&lease.row, &judge.list)?;
            if output.is_json() {
                output.json(&Rehearsed { line: lease.row.line, key: &lease.key, requests: request::all(&delivery) });
            } else {
                output.result(&drawn(lease.row.line, &delivery));
            }
        }
    }
    Ok(())
}

/// A delivery as people read it.
fn drawn(line: u64, delivery: &Delivery) -> String {
    use std::fmt::Write;

    let mut text = format!("line {line}, key {}\n", delivery.key);
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

/// The last words of a dry run.
pub(super) fn closing(pending: u64) -> String {
    format!("dry run: nothing was sent and nothing was written; {} would leave", counted(pending, "message"))
}
