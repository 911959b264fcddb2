//! `campaign resolve --by-evidence`: shows what conversations say of unknown deliveries, asks, and settles what is evident.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::args::ResolveArgs;
use super::super::client::client;
use super::super::credentials::with_base_url;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::ledger_address::ledger_address;
use super::super::output::Output;
use super::super::prompt::Prompt;
use super::not_unknown;
use crate::campaign::{Answer, Evidence, EvidenceError, UnknownCase, as_in_ledger, open_existing, read_spec};
use crate::humanize::{counted, grouped};
use crate::ledger::{Ledger, Totals};
use crate::progress::draw_target;
use crate::state::State;
use crate::track::Finding;

/// Cases that are shown of each kind; the report shows all once they are settled.
const MAX_SHOWN: usize = 50;

pub(super) async fn resolve(args: &ResolveArgs, output: &Output) -> Result<Exit, CliError> {
    let spec = with_base_url(read_spec(&args.file, &[])?, true, output)?;
    let ledger = open_existing(&spec, ledger_address(args.ledger.as_deref())?.as_deref()).await?;
    let client = client(&spec, output)?;
    let named = as_in_ledger(&ledger, args.key.clone()).await?;
    let keys = (!named.is_empty()).then_some(named.as_slice());
    let bar = bar(output);
    let tell = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let evidence = Evidence::gather(&ledger, &spec, &client, keys, tell).await;
    bar.finish_and_clear();
    let evidence = evidence.map_err(|error| match error {
        EvidenceError::Campaign(error) => error.into(),
        error @ EvidenceError::Unavailable(_) => CliError::environment(format!("{error}; nothing was resolved")),
    })?;
    let is_missing = |key: &String| !evidence.cases.iter().any(|case| case.key == *key);
    let missing: Vec<String> = named.into_iter().filter(is_missing).collect();
    if !missing.is_empty() {
        return Err(not_unknown(&missing));
    }
    show(&evidence, &spec.name, output);
    let (sent, not_sent) = evidence.evident();
    if sent + not_sent > 0 && is_confirmed(args, &Prompt::new(&spec.recipients.file, output), sent + not_sent).await {
        let settled = evidence.settle(&ledger).await?;
        let next = if not_sent > 0 { "; the next run sends those that were not sent" } else { "" };
        output.result(&format!("{} resolved{next}", counted(settled, "delivery")));
    } else if sent + not_sent > 0 {
        output.result("nothing was resolved; `--yes` confirms without asking");
    }
    exit(&ledger).await
}

async fn exit(ledger: &impl Ledger) -> Result<Exit, CliError> {
    let totals: Totals = ledger.totals().await?;
    Ok(if totals.of(State::Unknown) == 0 { Exit::Done } else { Exit::SomeUnknown })
}

/// Somebody who cannot be asked has not said yes: a wrong word here messages people twice.
async fn is_confirmed(args: &ResolveArgs, prompt: &Prompt<'_>, evident: u64) -> bool {
    if args.yes {
        return true;
    }
    let question = format!("Resolve {} this way?", counted(evident, "delivery"));
    prompt.is_possible() && prompt.yes(&question, &[]).await == Answer::Yes
}

fn bar(output: &Output) -> ProgressBar {
    let target = if output.moving { draw_target(&output.messages()) } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} looked for  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

const fn word(finding: &Finding) -> &'static str {
    match finding {
        Finding::Sent { .. } => "sent",
        Finding::NotSent { .. } => "not sent",
        Finding::Unclear(_) => "unclear",
    }
}

/// The cases, those that are alike together, and how many of each there are.
fn show(evidence: &Evidence, name: &str, output: &Output) {
    output.result(&format!("{name}: {} with an unknown outcome", counted(evidence.cases.len() as u64, "delivery")));
    let longest = |text: fn(&UnknownCase) -> String| evidence.cases.iter().map(|case| text(case).chars().count()).max();
    let key = |case: &UnknownCase| case.key.clone();
    let place = |case: &UnknownCase| case.conversation_id.map_or_else(String::new, |id| id.to_string());
    let key_width = longest(key).unwrap_or_default().clamp(3, 30);
    let place_width = longest(place).unwrap_or_default().max("conversation".len());
    let mut counts = Vec::new();
    for kind in ["sent", "not sent", "unclear"] {
        let cases: Vec<&UnknownCase> = evidence.cases.iter().filter(|case| word(&case.finding) == kind).collect();
        if !cases.is_empty() {
            if counts.is_empty() {
                output.result(&format!(
                    "  {:<8}  {:<key_width$}  {:<place_width$}  what was seen",
                    "found", "key", "conversation"
                ));
            }
            for case in cases.iter().take(MAX_SHOWN) {
                let key = output.masked(&case.key).into_owned();
                let (place, seen) = (place(case), &case.finding);
                output.result(&format!("  {kind:<8}  {key:<key_width$}  {place:<place_width$}  {seen}"));
            }
            if let Some(more) = cases.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
                output.result(&format!("  {kind:<8}  and {} more", grouped(more as u64)));
            }
            counts.push(format!("{} {kind}", grouped(cases.len() as u64)));
        }
    }
    if !counts.is_empty() {
        output.result(&counts.join(", "));
    }
}
