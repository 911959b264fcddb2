//! `campaign doctor`: what this account can do for this campaign, before anybody relies on it. It only reads, and sends
//! nothing.
//!
//! LiveDesk documents none of these reads but the search for contacts, so an answer that says no is no fault of anybody:
//! what cannot be read is said to be not known. What follows from a check is decided in `checks`; how it is printed is `cli`'s.

mod checks;
mod needs;
mod templates;

use schemars::JsonSchema;
use serde::Serialize;

use super::{CampaignError, Inputs, Operator};
use crate::livedesk::Client;
use needs::Needs;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// It works, and somebody should know this.
    Warning,
    /// The campaign would fail.
    Failed,
    /// This server does not say.
    Unknown,
}

impl CheckStatus {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Check {
    /// What: `credentials`, `clock`, `limits`, `changes`, `list`, `messages`, `inbox`, `template`.
    pub check: &'static str,
    /// How it ended.
    pub verdict: CheckStatus,
    /// What was found, in words.
    pub text: String,
}

/// How receipts are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tracking {
    /// `track --follow` by the conversations that changed; one round as by `sweep` or `single`.
    Delta,
    /// By looking through all conversations of the inbox.
    Sweep,
    /// Conversation by conversation.
    Single,
}

/// All that was found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "campaign doctor", description = "What `campaign doctor --format json` prints.")]
pub struct Diagnosis {
    /// The campaign's name.
    pub campaign: String,
    /// The server that was asked.
    pub base_url: String,
    /// What was looked at, in this order.
    pub checks: Vec<Check>,
    /// How `campaign track` would read receipts; `None` if it cannot.
    pub tracking: Option<Tracking>,
    /// By how many seconds the server's clock is ahead of ours.
    pub clock_ahead_seconds: Option<i64>,
    /// Headers of its answers that name limits.
    pub limits: Vec<(String, String)>,
    /// What nobody can find out without sending.
    pub not_known: Vec<&'static str>,
}

impl Diagnosis {
    /// Whether the campaign would fail.
    pub fn fails(&self) -> bool {
        self.checks.iter().any(|check| check.verdict == CheckStatus::Failed)
    }

    fn add(&mut self, check: &'static str, verdict: CheckStatus, text: impl Into<String>) {
        self.checks.push(Check { check, verdict, text: text.into() });
    }
}

/// What no read shows.
const NOT_KNOWN: &[&str] = &[
    "whether a recipient is on WhatsApp and gets marketing: only a receipt shows it",
    "how many people the WhatsApp number may message in a day, and its quality",
    "whether the key pair may send: it is not tried",
];

/// Looks at what the account can do for a campaign.
///
/// # Errors
/// What is wrong with the spec or its list.
pub async fn doctor(inputs: Inputs, client: &Client, operator: &impl Operator) -> Result<Diagnosis, CampaignError> {
    let spec = std::sync::Arc::clone(&inputs.spec);
    let needs = Needs::of(inputs, operator).await?;
    let mut diagnosis = Diagnosis {
        campaign: spec.name.clone(),
        base_url: spec.livedesk.base_url.clone(),
        checks: Vec::new(),
        tracking: None,
        clock_ahead_seconds: None,
        limits: Vec::new(),
        not_known: NOT_KNOWN.to_vec(),
    };
    if !diagnosis.server_info(client.server_info().await) {
        return Ok(diagnosis);
    }
    diagnosis.reads(client, &needs, &spec).await;
    diagnosis.inboxes(client, &needs, &spec).await;
    Ok(diagnosis)
}
