//! The spec: read from YAML, checked, and from then on free of invalid values.
//!
//! Each section of the file has a module of its own name, with the section as it is written (`Raw...`, the source of
//! the JSON Schema), as it is used, and the checks between the two: a new key goes there and nowhere else. A text takes
//! this path: `yaml_tree` reads the YAML, and `yaml_errors` explains what is none; `schema_check` compares the tree with
//! the JSON Schema; `deserialize` makes `raw` of it; `draft` asks each section for its part of the [`Spec`].
//!
//! This module reads text, never files, and knows nothing of rows.

mod canary;
mod checker;
mod checks;
mod fixed_values;
mod contradictions;
mod deserialize;
mod diff;
mod draft;
mod livedesk;
mod message;
mod notify;
mod one_or_many;
mod raw;
mod recipients;
mod report;
mod schema_check;
mod schema_patterns;
mod send;
mod span;
mod template_params;
mod template_rules;
mod templates;
mod to;
mod track;
mod units;
mod window;
mod yaml_errors;
mod yaml_tree;

use std::ops::Range;
use std::path::PathBuf;

use indexmap::IndexMap;
use serde_json::Value;

use crate::json_schema;
use crate::problem::{Place, Problem};
pub use checks::{Checks, InvalidCheck, LiquidCheck, PhoneCheck, StrippedCheck, UnreachableCheck};
pub use diff::Difference;
pub use livedesk::{DEFAULT_BASE_URL, Livedesk};
pub use message::{Message, MessageType};
pub use notify::{Notify, NotifyEvent, NotifyFormat};
pub use recipients::{DeclaredColumn, Duplicates, Format, List, Recipients, SuppressionFile};
pub use report::{ReportFile, ReportFormat};
pub use send::{CanaryConfirmation, Retry, Send, StopWhen};
pub use span::{Source, Span};
pub use template_params::{Button, ButtonType, Header, HeaderType, TemplateParams, Variables};
pub use to::{Contact, To};
pub use track::{OptOutRules, Track};
pub(crate) use units::duration;
pub use units::{Rate, Speed};
pub use window::{SendWindow, Timezone};

/// Problems of one spec at most. Whatever has more than this is no spec, and nobody reads on.
const MAX_PROBLEMS: usize = 1_000;

/// A campaign, checked.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The text it was read from; kept in the ledger and used to show places.
    pub source: Source,
    /// The spec's folder: paths in the spec are relative to it.
    pub folder: PathBuf,
    /// The campaign's identity.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The project to send through.
    pub livedesk: Livedesk,
    /// The list.
    pub recipients: Recipients,
    /// Constants of the templates, with the command line's overrides applied: texts, and lists and maps of them.
    pub vars: IndexMap<String, Value>,
    /// Where their names are.
    pub vars_at: IndexMap<String, Span>,
    /// Whom a message goes to.
    pub to: To,
    /// The message.
    pub message: Message,
    /// How strict the checks are.
    pub checks: Checks,
    /// Speed, limits, guards.
    pub send: Send,
    /// Receipts and replies.
    pub track: Track,
    /// Who is told how a run ends, if anybody.
    pub notify: Option<Notify>,
    /// Report files as written in the spec, relative to its folder.
    pub report: Vec<ReportFile>,
    /// What its author should know before the first send.
    pub warnings: Vec<Problem>,
}

impl Spec {
    /// Reads and checks a spec. Its paths are relative to `folder`; `vars` override those of the spec.
    ///
    /// # Errors
    /// All problems that were found, each with its place.
    pub fn parse(source: &Source, folder: PathBuf, vars: &[(String, String)]) -> Result<Self, Vec<Problem>> {
        match draft::draft(source, folder, vars) {
            (Some(spec), problems) if problems.is_empty() => Ok(spec),
            (_, problems) => Err(problems),
        }
    }

    /// The same, with what can be made of a spec that has problems: what cannot be used in it is as if it were not
    /// there. It is good for finding the problems of templates and rows at the same time, and for nothing else.
    pub fn draft(source: &Source, folder: PathBuf, vars: &[(String, String)]) -> (Option<Self>, Vec<Problem>) {
        draft::draft(source, folder, vars)
    }

    /// The same without its hours and dates, for `run --sandbox` at any time.
    #[must_use]
    pub fn at_any_time(&self) -> Self {
        let send = Send { window: None, not_before: None, not_after: None, ..self.send.clone() };
        Self { send, ..self.clone() }
    }

    /// The keys that say something else than they did in an earlier text of this spec.
    pub fn differences(&self, earlier: &str) -> Vec<Difference> {
        diff::differences(earlier, &self.source.text)
    }

    /// The rule by which rows have their keys, for comparing it with an earlier one: the templates that may give the
    /// key, in the order in which they are asked.
    pub fn key_rule(&self) -> String {
        let templates: Vec<&Template> = match (&self.recipients.key, &self.to) {
            (Some(key), _) => vec![key],
            (None, To::Conversation { conversation_id }) => vec![conversation_id],
            (None, To::Sender { contact_id, source_id, .. }) => [contact_id, source_id].into_iter().flatten().collect(),
            (None, To::Contact { contact, .. }) => {
                [&contact.identifier, &contact.phone_number, &contact.email].into_iter().flatten().collect()
            }
        };
        // The country is part of the numbers that it completes.
        let region = self.recipients.default_region.as_ref();
        let templates = templates.into_iter().chain(region.filter(|_| self.has_numbers_as_keys()));
        let texts = templates.map(|template| template.text.split_whitespace().collect::<String>());
        texts.collect::<Vec<_>>().join(" ")
    }

    /// Whether phone numbers may be the keys of rows.
    const fn has_numbers_as_keys(&self) -> bool {
        let is_number = match &self.to {
            To::Conversation { .. } => false,
            To::Sender { contact_id, source_id, .. } => contact_id.is_none() && source_id.is_some(),
            To::Contact { contact, .. } => contact.identifier.is_none() && contact.phone_number.is_some(),
        };
        self.recipients.key.is_none() && is_number
    }

    /// The place of a part of a template, by its bytes in the template's text.
    pub fn place_in(&self, template: &Template, part: &Range<usize>) -> Place {
        self.source.place_inside(template.span, &template.text, part.start, part.len())
    }

    /// The JSON Schema of the spec's file format.
    pub fn json_schema() -> Value {
        json_schema::of::<raw::Raw>(json_schema::Null::Never)
    }
}

/// A template of the spec, with its name and place.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its key in the spec, such as `message.template_params.processed_params.1`.
    pub key: String,
    /// Its source.
    pub text: String,
    /// Where it is.
    pub span: Span,
}

impl Template {
    /// Whether it says the same for every row: it has nothing in braces.
    pub fn is_constant(&self) -> bool {
        !self.text.contains('{')
    }
}
