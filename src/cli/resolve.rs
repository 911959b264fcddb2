//! `campaign resolve`: the operator's word on deliveries in doubt.

use super::error::CliError;
use super::exit::Exit;
use super::flags::ResolveArgs;
use super::output::Output;
use crate::campaign::{open_existing, read_spec};
use crate::humanize::counted;

pub(super) async fn resolve(args: &ResolveArgs, output: &Output) -> Result<Exit, CliError> {
    let spec = read_spec(&args.file, &[])?;
    let ledger = open_existing(&spec, args.ledger.as_deref()).await?;
    let keys = (!args.all).then(|| args.key.clone());
    let asked = args.key.len();
    let resolved = ledger.resolve(keys, args.sent, args.note.clone()).await?;
    let word = if args.sent { "sent: they will never be sent again" } else { "not sent: the next run sends them" };
    output.result(&format!(
        "{} resolved as {word}",
        counted(resolved as u64, "delivery").replace("deliverys", "deliveries")
    ));
    if !args.all && resolved < asked {
        let left = counted((asked - resolved) as u64, "key");
        return Err(CliError::environment(format!("{left} named no delivery whose outcome is unknown")));
    }
    Ok(Exit::Done)
}
