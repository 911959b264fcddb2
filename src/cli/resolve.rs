//! `campaign resolve`: the operator's word on deliveries in doubt.

use super::exit::{CliError, Exit};
use super::flags::ResolveArgs;
use super::output::{Output, counted};
use super::{earlier_runs, workspace};
use crate::ledger::{Acknowledged, Sqlite, is_first_run};

pub(super) async fn resolve(args: &ResolveArgs, output: &Output) -> Result<Exit, CliError> {
    let spec = workspace::spec(&args.file, &[])?;
    let path = workspace::ledger(&spec, args.ledger.as_deref())?;
    let acknowledged = Acknowledged::default();
    if is_first_run(&path, acknowledged)? {
        return Err(earlier_runs::not_begun(&spec, &path, args.ledger.is_none()));
    }
    let ledger = Sqlite::open(&path, acknowledged)?;
    ledger.belongs_to(&spec.name).await?;
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
