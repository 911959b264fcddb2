//! `campaign stop`: ends the runs of a campaign in good order, on every machine.

use super::args::StopArgs;
use super::error::CliError;
use super::exit::Exit;
use super::ledger_address::ledger_address;
use super::output::Output;
use super::signals::{Signals, cannot_listen};
use crate::campaign::{self, read_spec};
use crate::ledger::StopRequest;

pub(super) async fn stop(args: &StopArgs, output: &Output) -> Result<Exit, CliError> {
    let spec = read_spec(&args.file, &[])?;
    let ledger = ledger_address(args.ledger.as_deref())?;
    let stopping = campaign::request_stop(&spec, ledger.as_deref()).await?;
    let Some(stopping) = stopping.filter(|stopping| !stopping.requests.is_empty()) else {
        output.result(&format!("{}: no run is under way", spec.name));
        return Ok(Exit::Done);
    };
    for StopRequest { worker, is_sent } in &stopping.requests {
        if *is_sent {
            output.say(&format!("asked {} to stop; it finishes the messages that are in flight", worker.holder));
        } else {
            output.error(&format!("{} cannot be reached from here; stop it where it runs", worker.holder));
        }
    }
    if !args.no_wait {
        let mut signals = Signals::listen().map_err(cannot_listen)?;
        tokio::select! {
            ended = stopping.wait() => ended?,
            () = signals.next() => return Ok(Exit::Interrupted),
        }
    }
    if stopping.requests.iter().any(|request| !request.is_sent) {
        return Ok(Exit::Environment);
    }
    if !args.no_wait {
        output.result(&format!("{}: stopped; `campaign run` continues it", spec.name));
    }
    Ok(Exit::Done)
}
