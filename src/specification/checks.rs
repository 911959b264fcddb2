//! `checks`: how strict the checks before sending are.

use schemars::JsonSchema;
use serde::Deserialize;

use super::span::Spanned;

/// How strict the checks before sending are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Checks")]
pub(super) struct RawChecks {
    /// Rows with problems: they stop the run (`stop`, default), or are recorded as skipped and the others go on (`skip`, as
    /// `--skip-invalid` does).
    #[serde(default)]
    pub(super) invalid: InvalidCheck,
    /// Phone numbers that are in no numbering plan: a warning (`lenient`, default) or a problem (`strict`).
    #[serde(default)]
    pub(super) phones: PhoneCheck,
    /// Rendered values with `{{` or `{%`, which LiveDesk would evaluate: a problem of that row (`refuse`, default), or
    /// sent as they are (`allow`).
    #[serde(default)]
    pub(super) liquid: LiquidCheck,
    /// Template values with characters that LiveDesk removes (`< > " '`): a warning (`warn`, default), a problem
    /// (`refuse`), or ignored (`allow`).
    #[serde(default)]
    pub(super) stripped: StrippedCheck,
    /// Recipients whom a message may not reach: blocked contacts, muted or closed conversations, and conversations in
    /// which the channel accepts only templates now (`can_reply: false`). Named in a warning (`warn`, default), failed
    /// before any message leaves (`refuse`), or passed over (`allow`). Known from the answers to making contact and
    /// conversation; of a `conversation_id` LiveDesk is asked nothing.
    #[serde(default)]
    #[schemars(with = "UnreachableCheck")]
    pub(super) unreachable: Option<Spanned<UnreachableCheck>>,
}

/// What a row with problems means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InvalidCheck {
    /// Nothing is sent.
    #[default]
    Stop,
    /// The row is skipped.
    Skip,
}

/// How to treat a phone number in no numbering plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PhoneCheck {
    /// A warning.
    #[default]
    Lenient,
    /// A problem.
    Strict,
}

/// How to treat a value that LiveDesk would evaluate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LiquidCheck {
    /// A problem.
    #[default]
    Refuse,
    /// Allowed.
    Allow,
}

/// How to treat a value that LiveDesk would change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StrippedCheck {
    /// A warning.
    #[default]
    Warn,
    /// A problem.
    Refuse,
    /// Allowed.
    Allow,
}

/// How to treat a recipient whom a message may not reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnreachableCheck {
    /// A warning.
    #[default]
    Warn,
    /// A failure: no message is sent.
    Refuse,
    /// Allowed.
    Allow,
}

/// How strict the checks are.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each type says what it means")]
pub struct Checks {
    pub invalid: InvalidCheck,
    pub phones: PhoneCheck,
    pub liquid: LiquidCheck,
    pub stripped: StrippedCheck,
    pub unreachable: UnreachableCheck,
}

impl From<RawChecks> for Checks {
    fn from(raw: RawChecks) -> Self {
        Self {
            invalid: raw.invalid,
            phones: raw.phones,
            liquid: raw.liquid,
            stripped: raw.stripped,
            unreachable: raw.unreachable.map(|check| check.value).unwrap_or_default(),
        }
    }
}
