//! The spec: read from YAML, checked, and from then on free of invalid values.
//!
//! `tree` takes in whatever is YAML, and `syntax` explains what is not. `raw` mirrors the file and is the source of the JSON
//! Schema, which `shape` holds the tree against (`spelling` is for editors alone); `read` makes the one of the other. `check` turns it into the types below
//! or into problems that name their place. This room reads text, never files, and knows nothing of rows.

mod units;
mod check;
mod diff;
mod one_or_many;
mod span;
mod templates;
mod raw;
mod deserialize;
mod schema_check;
mod schema_patterns;
mod yaml_errors;
mod yaml_tree;

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::json_schema;
use crate::problem::{Place, Problem};
use crate::window::Window;
pub use diff::Difference;
pub use raw::{
    ButtonType, Duplicates, Format, HeaderType, LiquidCheck, MessageType, PhoneCheck, StrippedCheck, UnreachableCheck,
};
pub use span::{Source, Span};
pub use units::{Rate, Speed};

/// Where LiveDesk's API is when a spec does not say.
pub const DEFAULT_BASE_URL: &str = "https://livedesk-api.engagelab.com";

/// Problems of one spec at most. Whatever has more than this is no spec, and nobody reads on.
const MOST_PROBLEMS: usize = 1_000;

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
    /// Constants of the templates, with the command line's overrides applied.
    pub vars: IndexMap<String, String>,
    /// Where their names stand.
    pub vars_at: IndexMap<String, Span>,
    /// Whom a message goes to.
    pub to: To,
    /// The message.
    pub message: Message,
    /// How strict the checks are.
    pub checks: Checks,
    /// Speed, limits, guards.
    pub send: Send,
    /// Report files as written in the spec, relative to its folder.
    pub report: Vec<ReportFile>,
    /// What its author should know before the first send.
    pub warnings: Vec<Problem>,
}

/// A report as the spec names it.
#[derive(Debug, Clone)]
pub struct ReportFile {
    /// Relative to the spec's folder.
    pub path: PathBuf,
    /// Where it is named, unless it is the default.
    pub span: Option<Span>,
}

impl Spec {
    /// Reads and checks a spec. Its paths are relative to `folder`; `vars` override those of the spec.
    ///
    /// # Errors
    /// All problems that were found, each with its place.
    pub fn parse(source: &Source, folder: PathBuf, vars: &[(String, String)]) -> Result<Self, Vec<Problem>> {
        match check::draft(source, folder, vars) {
            (Some(spec), problems) if problems.is_empty() => Ok(spec),
            (_, problems) => Err(problems),
        }
    }

    /// The same, with what can be made of a spec that has problems: what cannot be used in it is as if it were not
    /// there. It is good for finding the problems of templates and rows at the same time, and for nothing else.
    pub fn draft(source: &Source, folder: PathBuf, vars: &[(String, String)]) -> (Option<Self>, Vec<Problem>) {
        check::draft(source, folder, vars)
    }

    /// The same without its hours and dates, for a rehearsal at any time.
    #[must_use]
    pub fn at_any_time(&self) -> Self {
        let send = Send { window: None, not_before: None, not_after: None, ..self.send.clone() };
        Self { send, ..self.clone() }
    }

    /// The keys that say something else than they did in an earlier text of this spec.
    pub fn differences(&self, earlier: &str) -> Vec<Difference> {
        diff::differences(earlier, &self.source.text)
    }

    /// The rule by which rows have their keys, for comparing it with an earlier one: the templates that may give the key,
    /// in the order in which they are asked.
    pub fn key_rule(&self) -> String {
        let templates: Vec<&Template> = match (&self.recipients.key, &self.to) {
            (Some(key), _) => vec![key],
            (None, To::Conversation { conversation_id }) => vec![conversation_id],
            (None, To::Sender { contact_id, source_id, .. }) => [contact_id, source_id].into_iter().flatten().collect(),
            (None, To::Contact { contact, .. }) => {
                [&contact.identifier, &contact.phone_number, &contact.email].into_iter().flatten().collect()
            }
        };
        let texts = templates.iter().map(|template| template.text.split_whitespace().collect::<String>());
        texts.collect::<Vec<_>>().join(" ")
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

/// The project to send through.
#[derive(Debug, Clone)]
pub struct Livedesk {
    /// Without a trailing slash.
    pub base_url: String,
    /// The environment variable that holds the API key.
    pub api_key: String,
    /// The environment variable that holds the API secret.
    pub api_secret: String,
}

/// The list and what is said about it.
#[derive(Debug, Clone)]
pub struct Recipients {
    /// Where it is.
    pub file: List,
    /// What it is written in; by file ending if `None`.
    pub format: Option<Format>,
    /// The byte between fields; detected if `None`.
    pub delimiter: Option<u8>,
    /// The declared encoding; UTF-8 or the byte order mark's if `None`.
    pub encoding: Option<String>,
    /// What makes two rows the same delivery; whom `to` addresses if `None`.
    pub key: Option<Template>,
    /// The expression that a row must satisfy.
    pub condition: Option<Template>,
    /// Where the list is named.
    pub file_at: Span,
    /// Files of people who must never be messaged.
    pub suppress: Vec<SuppressionFile>,
    /// The country of national phone numbers: two capital letters.
    pub default_region: Option<String>,
    /// What a second row for a key means.
    pub on_duplicate: Duplicates,
}

/// A suppression list as the spec names it.
#[derive(Debug, Clone)]
pub struct SuppressionFile {
    /// Relative to the spec's folder.
    pub path: PathBuf,
    /// Where it is named.
    pub span: Span,
}

/// Where the list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum List {
    /// A file, as written in the spec.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// A template of the spec, with its name and place.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its key in the spec, such as `message.template_params.processed_params.1`.
    pub key: String,
    /// Its source.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Template {
    /// Whether it says the same for every row: it has nothing in braces.
    pub fn is_constant(&self) -> bool {
        !self.text.contains('{')
    }
}

/// Whom a message goes to.
#[derive(Debug, Clone)]
pub enum To {
    /// A known conversation: one request.
    Conversation {
        /// Its id.
        conversation_id: Template,
    },
    /// A known contact, or a known source of an inbox: the conversation is made first, two requests.
    Sender {
        /// The channel.
        inbox_id: Template,
        /// The contact. At least one of this and `source_id` is there.
        contact_id: Option<Template>,
        /// Its id in the channel.
        source_id: Option<Template>,
    },
    /// A contact to make or to find: three requests.
    Contact {
        /// The channel.
        inbox_id: Template,
        /// The person.
        contact: Box<Contact>,
    },
}

/// A contact to make or to find.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "LiveDesk's own names")]
pub struct Contact {
    pub name: Option<Template>,
    pub email: Option<Template>,
    pub phone_number: Option<Template>,
    pub avatar_url: Option<Template>,
    pub identifier: Option<Template>,
}

/// The message, as templates.
#[derive(Debug, Clone)]
pub struct Message {
    /// The text.
    pub content: Option<Template>,
    /// Whether only agents see it.
    pub private: Option<Template>,
    /// Who speaks.
    pub message_type: Option<MessageType>,
    /// The id of the message that it answers.
    pub in_reply_to: Option<Template>,
    /// The WhatsApp template.
    pub template_params: Option<Box<TemplateParams>>,
    /// Files to send along.
    pub attachments: Vec<Template>,
}

/// A WhatsApp template and the templates of its variables.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "LiveDesk's own names")]
pub struct TemplateParams {
    pub name: Template,
    pub namespace: Option<Template>,
    pub language: Template,
    pub category: Option<Template>,
    pub processed_params: Option<Variables>,
    pub header_params: Option<Header>,
    pub footer_params: Option<Variables>,
    pub button_params: Option<Vec<Button>>,
}

/// Variables by position or name, positions in numeric order as they go out.
pub type Variables = Vec<(String, Template)>;

/// A header: what it may hold depends on its kind.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "LiveDesk's own names")]
pub enum Header {
    Text { text_variables: Variables },
    Media { kind: HeaderType, media_url: Template, filename: Option<Template> },
    Location { latitude: Template, longitude: Template, name: Option<Template>, address: Option<Template> },
}

/// A button with a variable.
#[derive(Debug, Clone)]
pub struct Button {
    /// Which one, counted from 0.
    pub index: Template,
    /// What it does.
    pub sub_type: ButtonType,
    /// The suffix of a `url` button.
    pub text: Option<Template>,
    /// The payload of a `quick_reply` button.
    pub payload: Option<Template>,
}

/// How strict the checks are.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each type says what it means")]
pub struct Checks {
    pub phones: PhoneCheck,
    pub liquid: LiquidCheck,
    pub stripped: StrippedCheck,
    pub unreachable: UnreachableCheck,
}

/// Speed, limits, guards.
#[derive(Debug, Clone)]
pub struct Send {
    /// Messages.
    pub rate: Speed,
    /// Messages in rolling windows.
    pub quota: Vec<Rate>,
    /// Requests of any kind.
    pub requests: Speed,
    /// How many may leave back to back.
    pub burst: std::num::NonZeroU32,
    /// Requests in flight.
    pub concurrency: usize,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long the server may be away, or serve nobody, before that ends the run.
    pub outage: Duration,
    /// After what is certain not to have been accepted.
    pub retry: Retry,
    /// When to stop.
    pub stop_when: StopWhen,
    /// How many to send before asking.
    pub canary: Option<u64>,
    /// The hours in which messages leave.
    pub window: Option<SendWindow>,
    /// Nothing leaves before.
    pub not_before: Option<jiff::Timestamp>,
    /// Nothing leaves after.
    pub not_after: Option<jiff::Timestamp>,
}

/// The hours in which messages leave, by each recipient's own clock.
#[derive(Debug, Clone)]
pub struct SendWindow {
    /// From when to when, on which days.
    pub hours: Window,
    /// By whose clock.
    pub timezone: Timezone,
    /// The zone of those whose own is missing or unknown; without it they are a problem.
    pub fallback: Option<TimeZone>,
}

/// By whose clock the hours count.
#[derive(Debug, Clone)]
pub enum Timezone {
    /// One zone for everybody.
    OfAll(TimeZone),
    /// The name of the recipient's own.
    OfRow(Template),
}

/// After what is certain not to have been accepted.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Tries in all, 1 or more.
    pub attempts: u32,
    /// The first wait.
    pub backoff: Duration,
    /// The longest wait.
    pub max_backoff: Duration,
}

/// When to stop the whole run.
#[derive(Debug, Clone, Copy)]
pub struct StopWhen {
    /// Share of failures that are not the recipient's own, as a fraction of one.
    pub failed: f64,
    /// How many must be settled before the share counts.
    pub after: u64,
    /// How often the same run-wide error may come in a row.
    pub same_error: u32,
}
