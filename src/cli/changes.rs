//! What has changed in the spec since the last run, and whether it may go on with that.

use indexmap::IndexMap;

use super::exit::CliError;
use super::flags::RunArgs;
use super::output::{Output, counted, grouped};
use super::prompt;
use crate::attachment::{Contents, Folder};
use crate::ledger::{Frozen, Sqlite, Totals};
use crate::problem::{Place, Problem};
use crate::specification::{Difference, List, Source, Spec};
use crate::state::State;

/// Longer values are cut where they are shown.
const LONGEST: usize = 60;

/// What has changed since the list was last taken in.
#[derive(Debug, Default)]
pub(super) struct Changes {
    differences: Vec<Difference>,
    /// Whether anything was sent before.
    begun: bool,
    /// Who would get the new version without having got one before.
    others: u64,
}

/// Compares a spec with the one that the ledger knows.
pub(super) async fn since_last(spec: &Spec, ledger: &Sqlite) -> Result<Changes, CliError> {
    let Some(frozen) = ledger.frozen().await? else { return Ok(Changes::default()) };
    let totals = ledger.totals().await?;
    same_people(spec, &frozen, &totals)?;
    let mut differences = spec.differences(&frozen.spec);
    // The constants in force are those of the command line, whatever stands in the file.
    differences.retain(|difference| !difference.key.starts_with("vars."));
    let vars: IndexMap<String, String> = serde_json::from_str(&frozen.vars).unwrap_or_default();
    let names: Vec<&String> = vars.keys().chain(spec.vars.keys().filter(|name| !vars.contains_key(*name))).collect();
    differences.extend(names.into_iter().filter(|name| vars.get(*name) != spec.vars.get(*name)).map(|name| {
        Difference { key: format!("vars.{name}"), was: vars.get(name).cloned(), now: spec.vars.get(name).cloned() }
    }));
    let (was, now) = (ledger.attachments().await?, attachments_now(spec, ledger).await?);
    for (path, was) in was {
        // One that is not there any more is a problem of the rows that need it.
        if let Some(now) = now.get(&path).filter(|now| **now != was) {
            let short = |hash: String| hash.get(..8).map(|hash| format!("content {hash}"));
            differences.push(Difference {
                key: format!("message.attachments, {path}"),
                was: short(was),
                now: short(now.clone()),
            });
        }
    }
    Ok(Changes { differences, begun: totals.settled() > 0, others: totals.of(State::Pending) })
}

/// What the attachments that the ledger knows hold now.
pub(super) async fn attachments_now(spec: &Spec, ledger: &Sqlite) -> Result<Contents, CliError> {
    let folder = Folder::new(&spec.folder);
    let now = |path: String| Some((folder.content(&path)?, path)).map(|(content, path)| (path, content));
    Ok(ledger.attachments().await?.into_keys().filter_map(now).collect())
}

impl Changes {
    /// Whether some have got one text already and others would get another.
    fn of_message(&self) -> bool {
        let is_message =
            |difference: &Difference| ["message", "to", "vars"].iter().any(|part| difference.key.starts_with(part));
        self.begun && self.differences.iter().any(is_message)
    }

    /// A changed message is never sent to the second half of a list unless somebody wants that: not to `others` who have
    /// got none yet, whether they were on the list before or are new on it. (To those who failed it is sent on
    /// `--retry-failed`, which is what that is for.) Gives whether the new version counts from now on. It does not while
    /// there is nobody to decide about: who comes later would get it unasked.
    pub(super) async fn may_go_on(
        &mut self,
        others: u64,
        args: &RunArgs,
        list: &List,
        output: &Output,
    ) -> Result<bool, CliError> {
        self.others = others;
        if !self.of_message() || args.accept_changes || args.dry_run {
            return Ok(true);
        }
        if others == 0 {
            return Ok(false);
        }
        if prompt::is_possible(list, output) && !args.yes {
            for line in self.lines(others) {
                output.say(&line);
            }
            // The plan need not say again what was just read.
            self.differences.clear();
            let yes = prompt::yes("Go on with the new version?", output).await;
            return if yes { Ok(true) } else { Err(CliError::Declined) };
        }
        let what = format!("the message has changed since the last run, and {} are still pending", grouped(others));
        let keys: Vec<&str> = self.differences.iter().map(|difference| difference.key.as_str()).collect();
        let problem = Problem::error("message-changed", Place::file(args.list.file.display().to_string()), what)
            .detail(keys.join(", "))
            .hint("look at it with `--dry-run`; `--accept-changes` sends them the new version");
        Err(vec![problem].into())
    }

    /// The changes as lines of the plan.
    pub(super) fn lines(&self, pending: u64) -> Vec<String> {
        if !self.begun {
            return Vec::new();
        }
        let mut lines: Vec<String> = self
            .differences
            .iter()
            .map(|Difference { key, was, now }| {
                format!("  changed  {key}: {}, {}", said("was", was.as_deref()), said("now", now.as_deref()))
            })
            .collect();
        if !lines.is_empty() && pending > 0 {
            let needs = if self.of_message() && self.others > 0 {
                "; where nobody is asked that needs `--accept-changes`"
            } else {
                ""
            };
            let pending = counted(pending, "message");
            lines.push(format!("           the new version is for {pending} still pending{needs}"));
        }
        lines
    }
}

fn said(when: &str, value: Option<&str>) -> String {
    match value.map(|text| (text, text.char_indices().nth(LONGEST))) {
        None => format!("{when} not there"),
        Some((text, Some((end, _)))) => format!("{when} {:?}...", &text[..end]),
        Some((text, None)) => format!("{when} {text:?}"),
    }
}

/// Once messages are settled, the keys must go on meaning the same people: by another rule everybody would be new, and
/// get it twice.
fn same_people(spec: &Spec, frozen: &Frozen, totals: &Totals) -> Result<(), CliError> {
    let source = Source { name: spec.source.name.clone(), text: frozen.spec.clone() };
    let Ok(earlier) = Spec::parse(&source, spec.folder.clone(), &[]) else { return Ok(()) };
    let (old, new) = (earlier.key_rule(), spec.key_rule());
    if totals.settled() == 0 || old.starts_with(&new) || new.starts_with(&old) {
        return Ok(());
    }
    let what = format!("recipients were known by `{old}` and would now be known by `{new}`: all would get it again");
    let problem = Problem::error("key-rule-changed", Place::file(&spec.source.name), what);
    Err(vec![problem.hint("set `recipients.key` to what it was, or give a new campaign a new name")].into())
}
