//! `campaign run --dry-run --html PATH`: a page of chat bubbles, written whole or not at all, for its owner only.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::args::{Preview, RunArgs};
use super::error::CliError;
use super::plan;
use crate::attachment;
use crate::campaign::{Campaign, input_files, is_one_of, write_whole};
use crate::humanize::grouped;
use crate::ledger::{Lease, Ledger};
use crate::plan::Sample;
use crate::preview::{About, File, page};
use crate::problem::{Place, Problem};
use crate::specification::Spec;

/// Messages on a page at most: nobody looks at more of them.
const MAX_MESSAGES: u64 = 200;

/// Makes sure that the page would not replace a file that the campaign reads.
pub(super) fn check_not_inputs(args: &RunArgs, spec: &Spec) -> Result<(), CliError> {
    match &args.html {
        Some(path) if is_one_of(path, &input_files(spec)) => Err(would_replace(path, "reads")),
        _ => Ok(()),
    }
}

fn would_replace(path: &Path, does: &str) -> CliError {
    let what = format!("the preview would overwrite {}, which the campaign {does}", path.display());
    let problem = Problem::error("preview-replaces-input", Place::file("--html"), what);
    vec![problem.hint("give the preview another name")].into()
}

/// Writes the page: the samples, or the messages that were asked for.
pub(super) async fn write(
    campaign: &Campaign<impl Ledger>,
    asked: Option<Preview>,
    path: &Path,
) -> Result<(), CliError> {
    let shown = match asked {
        None => campaign.samples().to_vec(),
        Some(Preview::Some(most)) => first(campaign, most).await?,
        Some(Preview::All) => first(campaign, u64::MAX).await?,
    };
    let folder = campaign.folder();
    let sent = shown.iter().flat_map(|sample| &sample.delivery.message.attachments);
    let sent: Vec<_> = sent.map(|path| folder.join(path)).collect();
    if is_one_of(path, &sent) {
        return Err(would_replace(path, "sends"));
    }
    let plan = campaign.plan();
    let messages = plan.next.messages;
    let about = About {
        name: &plan.name,
        description: plan.description.as_deref(),
        made_at: Timestamp::now(),
        messages,
        plan: &plan::lines(plan),
        which: &which(asked, shown.len() as u64, messages),
    };
    let page = page(&about, &shown, &|path| about_file(path, folder))
        .map_err(|error| CliError::caused("the preview cannot be made", error))?;
    Ok(write_whole(path, page.as_bytes())?)
}

async fn first(campaign: &Campaign<impl Ledger>, most: u64) -> Result<Vec<Sample>, CliError> {
    let mut shown = Vec::new();
    let show = |lease: Lease, delivery| shown.push(Sample { row: lease.row, delivery, why: Vec::new() });
    campaign.each_message(most.min(MAX_MESSAGES), show).await?;
    Ok(shown)
}

/// Which messages the page shows, in words.
fn which(asked: Option<Preview>, shown: u64, messages: u64) -> String {
    let wanted = match asked {
        Some(Preview::All) => messages,
        Some(Preview::Some(most)) => most.min(messages),
        None => shown,
    };
    match shown {
        0 => "No messages".to_owned(),
        1 if messages == 1 => "The message".to_owned(),
        _ if shown == messages => "All messages".to_owned(),
        1 if asked.is_none() => "1 example".to_owned(),
        1 => "The first message".to_owned(),
        _ if wanted > shown => format!("The first {} messages: a page shows no more", grouped(shown)),
        _ if asked.is_some() => format!("The first {} messages", grouped(shown)),
        _ => format!("{} examples", grouped(shown)),
    }
}

fn about_file(path: &Path, folder: &Path) -> File {
    File {
        name: attachment::name(path),
        media_type: attachment::media_type(path),
        bytes: fs::metadata(folder.join(path)).ok().map(|about| about.len()),
    }
}
