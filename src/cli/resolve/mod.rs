//! `campaign resolve`: the operator's word on deliveries that are unknown.

mod by_evidence;

use super::args::ResolveArgs;
use super::error::CliError;
use super::exit::Exit;
use super::ledger_address::ledger_address;
use super::output::Output;
use crate::campaign::{CampaignError, as_in_ledger, open_existing, read_spec};
use crate::humanize::counted;
use crate::ledger::{Operate, Resolved};
use crate::problem::{Place, Problem};

pub(super) async fn resolve(args: &ResolveArgs, output: &Output) -> Result<Exit, CliError> {
    if args.by_evidence {
        return by_evidence::resolve(args, output).await;
    }
    let spec = read_spec(&args.file, &[])?;
    let ledger = open_existing(&spec, ledger_address(args.ledger.as_deref())?.as_deref()).await?;
    let keys = if args.all { None } else { Some(as_in_ledger(&ledger, args.key.clone()).await?) };
    match ledger.resolve(keys, args.sent, args.note.clone()).await? {
        Resolved::All(count) => {
            let word = if args.sent { "sent: never sent again" } else { "not sent: sent by the next run" };
            output.result(&format!("{} resolved as {word}", counted(count, "delivery")));
            Ok(Exit::Done)
        }
        Resolved::NotUnknown(keys) => Err(not_unknown(&keys)),
    }
}

fn not_unknown(keys: &[String]) -> CliError {
    let problem = |key: &String| {
        let what = format!("no delivery with the key `{key}` is unknown; nothing was resolved");
        Problem::error("not-unknown", Place::file("--key"), what)
            .hint("`campaign report FILE -o - --only unknown` lists those that are")
    };
    CampaignError::Unusable(keys.iter().map(problem).collect::<Vec<_>>().into()).into()
}
