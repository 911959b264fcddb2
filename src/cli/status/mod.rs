//! `campaign status`: how far a campaign is, who runs it, and what a run would do next.

mod single;
mod table;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use super::args::StatusArgs;
use super::credentials::with_base_url;
use super::error::CliError;
use super::exit::Exit;
use super::ledger_address::ledger_address;
use super::output::Output;
use super::spec_files;
use crate::campaign::{self, read_spec};

/// Between two looks of `--watch`.
const INTERVAL: Duration = Duration::from_secs(2);

/// A look at a large ledger takes a while, and most of the time the disk is the run's.
const REST: u32 = 9;

/// Puts the cursor into the upper left corner of a terminal that is empty from there on.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J\u{1b}[3J";

pub(super) async fn status(args: &StatusArgs, output: &Output) -> Result<Exit, CliError> {
    let ledger = ledger_address(args.ledger.as_deref())?;
    let files = if args.file.is_dir() { spec_files::find(std::slice::from_ref(&args.file))? } else { Vec::new() };
    loop {
        let began = Instant::now();
        let (exit, is_running) = if args.file.is_dir() {
            let campaigns = table::read_status(&files, ledger.as_deref(), output).await;
            clear(args, output);
            table::show(campaigns, output)
        } else {
            let spec = with_base_url(read_spec(&args.file, &[])?, false, output)?;
            let status = campaign::status(&spec, ledger.as_deref()).await?;
            clear(args, output);
            single::show(&spec, status, output)
        };
        if !(args.watch && is_running) {
            return Ok(exit);
        }
        tokio::time::sleep(INTERVAL.max(began.elapsed() * REST)).await;
    }
}

/// Makes room for the next look.
fn clear(args: &StatusArgs, output: &Output) {
    if args.watch && !output.is_json() && std::io::stdout().is_terminal() {
        output.result(CLEAR);
    }
}
