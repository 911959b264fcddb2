//! The spec as it is written, section by section. Doc comments of these types are the descriptions in the JSON Schema,
//! so they speak to the author of a spec. Nothing is checked here beyond its shape.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::checks::RawChecks;
use super::livedesk::RawLivedesk;
use super::message::RawMessage;
use super::notify::RawNotify;
use super::recipients::RawRecipients;
use super::report::RawReports;
use super::send::RawSend;
use super::span::{Constant, Spanned};
use super::to::RawTo;
use super::track::RawTrack;

/// A campaign: a list of recipients and the message that each of them gets once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "campaign spec")]
pub(super) struct Raw {
    /// The campaign's identity: each recipient key gets one message per campaign name, for ever. Lower-case letters,
    /// digits, `.`, `_` and `-`, at most 64 characters.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9._-]{0,63}$"))]
    pub(super) name: Spanned<String>,
    /// What the campaign is for; shown in previews and reports.
    #[serde(default)]
    pub(super) description: Option<String>,
    /// The LiveDesk project to send through.
    #[serde(default)]
    pub(super) livedesk: RawLivedesk,
    /// The list: a path relative to this file, `"-"` for standard input, or a map with more settings.
    pub(super) recipients: RawRecipients,
    /// Constants for the templates: texts, or lists and maps of them. `--var NAME=VALUE` overrides a text.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, Constant>")]
    pub(super) vars: IndexMap<String, Spanned<Constant>>,
    /// How to address recipients, in one of three ways: `conversation_id`; `inbox_id` with `contact_id` or `source_id`;
    /// `inbox_id` with `contact`.
    pub(super) to: Spanned<RawTo>,
    /// LiveDesk's request body. Every string is a Jinja template with the row's columns as variables.
    pub(super) message: Spanned<RawMessage>,
    /// How strict the checks before sending are.
    #[serde(default)]
    pub(super) checks: RawChecks,
    /// Speed, limits, retries and guards.
    #[serde(default)]
    pub(super) send: RawSend,
    /// `campaign track`: how long and how fast to look for receipts and replies.
    #[serde(default)]
    pub(super) track: RawTrack,
    /// Who is told how a run ends, and of long outages. Counts and codes only: never personal data.
    #[serde(default)]
    pub(super) notify: Option<Spanned<RawNotify>>,
    /// Report files, relative to this file: a path that ends in `.csv`, `.jsonl` or `.html`, a map with `file` and the
    /// `columns` of the list to show, or a list of these. Default `reports/<name>.csv`.
    #[serde(default)]
    pub(super) report: Option<RawReports>,
}
