//! What has changed in the spec since the last run, and whether that needs somebody's word.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use indicatif::HumanCount;
use serde_json::Value;

use super::CampaignError;
use super::pending_scan::each_pending;
use crate::attachment::{Contents, Folder};
use crate::ledger::{Deliver, Inspect, Totals, Version};
use crate::message::{Delivery, Templates};
use crate::plan::RowEvaluator;
use crate::problem::{Place, Problem};
use crate::run::Selection;
use crate::specification::{Difference, Source, Spec};

/// What has changed since the list was last taken in.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The keys of the spec that say something else.
    pub differences: Vec<Difference>,
    /// Whether anything was sent before.
    pub begun: bool,
    /// Deliveries that are pending.
    pub pending: u64,
    /// Those of them that would get the new version without having got one before.
    pub others: u64,
    /// Pending deliveries whose message or address is another one than before; `None` where nobody has asked.
    pub affected: Option<u64>,
    /// The spec as it was, if it can still be read.
    earlier: Option<Arc<Spec>>,
    /// Attachments that hold something else.
    attachments: HashSet<PathBuf>,
}

/// Whether some have got one message already and others would get another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageChange {
    /// It is the same message.
    None,
    /// It is another one, and there is nobody to send it to.
    NobodyPending,
    /// It is another one for those who are pending.
    AffectsPending,
}

impl Changes {
    /// Compares a spec with the one that the ledger knows.
    ///
    /// # Errors
    /// Recipients would be known by another key; or the ledger's.
    pub(super) async fn since_last_run(spec: &Spec, ledger: &impl Inspect) -> Result<Self, CampaignError> {
        let Some(version) = ledger.version().await? else { return Ok(Self::default()) };
        let totals = ledger.totals().await?;
        let earlier = earlier_spec(spec, &version);
        refuse_other_keys(spec, earlier.as_deref(), &totals)?;
        let mut differences = spec.differences(&version.spec);
        // The constants in force are those of the command line, whatever the file says.
        differences.retain(|difference| !difference.key.starts_with("vars."));
        differences.extend(changed_vars(spec, &version));
        let attachments = changed_attachments(spec, &version);
        let paths = attachments.iter().map(|(path, _)| PathBuf::from(path)).collect();
        differences.extend(attachments.into_iter().map(|(_, difference)| difference));
        Ok(Self { differences, begun: totals.settled() > 0, earlier, attachments: paths, ..Self::default() })
    }

    /// The same with how many are pending, and how many of them are not sent to because they failed before: that is
    /// what a changed message is for.
    pub(super) fn for_pending(self, pending: u64, others: u64) -> Self {
        Self { pending, others, ..self }
    }

    /// Counts those who are pending and whose message or address is another one than before. It takes a pass over them, so
    /// it is asked for only where somebody must approve the change.
    pub(super) async fn count_affected(
        &mut self,
        ledger: &impl Deliver,
        evaluator: &RowEvaluator,
    ) -> Result<(), CampaignError> {
        let (true, Some(earlier)) = (self.needs_approval(), &self.earlier) else { return Ok(()) };
        let (now, list) = (&evaluator.templates, &evaluator.list);
        let Ok(before) = Templates::compile(Arc::clone(earlier), None, list) else { return Ok(()) };
        let mut affected = 0;
        each_pending(ledger, &Selection::default(), |lease| {
            let stays = match (before.render(&lease.row, list), now.render(&lease.row, list)) {
                (Ok(before), Ok(now)) => self.is_same(&before, &now),
                _ => false,
            };
            affected += u64::from(!stays);
            Ok::<_, CampaignError>(())
        })
        .await?;
        self.affected = Some(affected);
        Ok(())
    }

    fn is_same(&self, before: &Delivery, now: &Delivery) -> bool {
        let changed = |path: &PathBuf| self.attachments.contains(path);
        before.message.fingerprint() == now.message.fingerprint()
            && before.address.fingerprint() == now.address.fingerprint()
            && !now.message.attachments.iter().any(changed)
    }

    /// Whether some have got one message already and others would get another. To those who failed it is sent on
    /// `--retry-failed`, which is what that is for.
    pub(super) fn message_change(&self) -> MessageChange {
        match (self.is_of_message(), self.others) {
            (false, _) => MessageChange::None,
            (true, 0) => MessageChange::NobodyPending,
            (true, _) => MessageChange::AffectsPending,
        }
    }

    fn is_of_message(&self) -> bool {
        let is_message =
            |difference: &Difference| ["message", "to", "vars"].iter().any(|part| difference.key.starts_with(part));
        self.begun && self.differences.iter().any(is_message)
    }

    /// Whether somebody must approve a changed message.
    pub fn needs_approval(&self) -> bool {
        self.message_change() == MessageChange::AffectsPending
    }

    /// A changed message is never sent to the second half of a list unless somebody wants that.
    pub(super) fn need_approval(&self, spec: &Spec) -> CampaignError {
        let pending = HumanCount(self.others);
        let what = format!("the message has changed since the last run, and {pending} are still pending");
        let keys: Vec<&str> = self.differences.iter().map(|difference| difference.key.as_str()).collect();
        let problem = Problem::error("message-changed", Place::file(&spec.source.name), what)
            .detail(keys.join(", "))
            .hint("review it with `--dry-run`; send it with `--accept-changes`");
        vec![problem].into()
    }
}

/// A constant as people compare it.
fn as_text(constant: &Value) -> String {
    match constant {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[ {} ]", items.iter().map(as_text).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}: {}", as_text(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn changed_vars(spec: &Spec, version: &Version) -> Vec<Difference> {
    let vars: IndexMap<String, Value> = serde_json::from_str(&version.vars).unwrap_or_default();
    let names = vars.keys().chain(spec.vars.keys().filter(|name| !vars.contains_key(*name)));
    let changed = names.filter(|name| vars.get(*name) != spec.vars.get(*name));
    let difference = |name: &String| Difference {
        key: format!("vars.{name}"),
        was: vars.get(name).map(as_text),
        now: spec.vars.get(name).map(as_text),
    };
    changed.map(difference).collect()
}

/// Attachments whose content is another one. One that is not there any more is a problem of the rows that need it.
fn changed_attachments(spec: &Spec, version: &Version) -> Vec<(String, Difference)> {
    let (was, now) = (&version.attachments, attachments_now(spec, version));
    let short = |hash: &String| hash.get(..8).map(|hash| format!("content {hash}"));
    let changed = was.iter().filter_map(|(path, was)| Some((path, was, now.get(path).filter(|now| *now != was)?)));
    let difference = |(path, was, now): (&String, &String, &String)| {
        let key = format!("message.attachments, {path}");
        (path.clone(), Difference { key, was: short(was), now: short(now) })
    };
    changed.map(difference).collect()
}

/// What the attachments that the ledger knows hold now.
pub(super) fn attachments_now(spec: &Spec, version: &Version) -> Contents {
    let folder = Folder::new(&spec.folder);
    version.attachments.keys().filter_map(|path| Some((path.clone(), folder.content(path)?))).collect()
}

/// The spec that the ledger knows, with the constants that were in force.
fn earlier_spec(spec: &Spec, version: &Version) -> Option<Arc<Spec>> {
    let source = Source { name: spec.source.name.clone(), text: version.spec.clone() };
    let vars: IndexMap<String, String> = serde_json::from_str(&version.vars).unwrap_or_default();
    let vars: Vec<(String, String)> = vars.into_iter().collect();
    Spec::parse(&source, spec.folder.clone(), &vars).ok().map(Arc::new)
}

/// Once messages are settled, the keys must go on meaning the same people: by another rule everybody would be new, and
/// get it twice.
fn refuse_other_keys(spec: &Spec, earlier: Option<&Spec>, totals: &Totals) -> Result<(), CampaignError> {
    let Some(earlier) = earlier else { return Ok(()) };
    let (old, new) = (earlier.key_rule(), spec.key_rule());
    if totals.settled() == 0 || old.starts_with(&new) || new.starts_with(&old) {
        return Ok(());
    }
    let what = format!(
        "recipients were identified by `{old}` and would now be identified by `{new}`: everyone would be messaged again"
    );
    let problem = Problem::error("key-rule-changed", Place::file(&spec.source.name), what);
    Err(vec![problem.hint("restore `recipients.key`, or give the new campaign a new name")].into())
}
