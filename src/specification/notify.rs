//! `notify`: who is to hear how a run ends, and of long outages.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checker::Checker;
use super::livedesk::variable;
use super::schema_patterns;
use super::span::Spanned;
use super::units::duration;
use crate::problem::Problem;

/// An outage that is shorter is nobody's business.
const OUTAGE: &str = "10min";

/// A notification that takes longer is given up.
const TIMEOUT: &str = "10s";

/// Who is told how a run ends.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Notify")]
pub(super) struct RawNotify {
    /// When to notify: `finish` (the run did all that it could), `failure` (exit code 1 or 2), `guard` (stopped, and a
    /// person must look: exit code 5), `outage` (LiveDesk has been away for longer than `outage`). Default all of them.
    #[serde(default)]
    on: Option<Vec<NotifyEvent>>,
    /// How long LiveDesk must be away to notify of it. Default `10min`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    outage: Option<Spanned<String>>,
    /// A command and its arguments. It runs in this file's folder and gets the notification as JSON on standard input.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Command>")]
    exec: Option<Spanned<Vec<String>>>,
    /// An address to send the notification to.
    #[serde(default)]
    webhook: Option<RawNotifyWebhook>,
    /// How long the command or the webhook may take. It is tried once. Default `10s`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    timeout: Option<Spanned<String>>,
}

/// An address to send the notification to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NotifyWebhook")]
struct RawNotifyWebhook {
    /// `${NAME}`: the environment variable (or line of `.env`) that holds the address, for whoever knows it can post
    /// there. Plain http is allowed only to this machine.
    #[schemars(with = "schema_patterns::EnvironmentVariable")]
    url: Spanned<String>,
    /// What is posted: the notification as JSON (`json`, default), or a message for Slack or Teams.
    #[serde(default)]
    format: NotifyFormat,
}

/// What somebody is notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NotifyEvent {
    /// The run did all that it could.
    Finish,
    /// The run failed: its environment, or its spec or list.
    Failure,
    /// A guard stopped the run, and a person must look.
    Guard,
    /// LiveDesk has been away for long.
    Outage,
}

/// What is posted to a webhook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NotifyFormat {
    /// The notification as it is.
    #[default]
    Json,
    /// A message for an incoming webhook of Slack.
    Slack,
    /// An adaptive card for a workflow of Teams.
    Teams,
}

/// Who is told how a run ends.
#[derive(Debug, Clone)]
pub struct Notify {
    /// Of what.
    pub on: Vec<NotifyEvent>,
    /// How long LiveDesk must be away.
    pub outage: Duration,
    /// A command and its arguments; empty for none.
    pub exec: Vec<String>,
    /// The environment variable that holds the webhook's address, and what is posted there.
    pub webhook: Option<(String, NotifyFormat)>,
    /// How long each may take.
    pub timeout: Duration,
}

impl Checker<'_> {
    pub(super) fn notify(&mut self, raw: Option<Spanned<RawNotify>>) -> Option<Notify> {
        let Spanned { value: raw, span } = raw?;
        if raw.exec.is_none() && raw.webhook.is_none() {
            let hint = "add `exec: [command, argument]` or `webhook: { url: \"${NOTIFY_URL}\" }`";
            self.problem("nobody-to-notify", span, "`notify` needs `exec` or `webhook`", hint);
        }
        let outage = self.parsed(raw.outage.as_ref(), OUTAGE, duration);
        let timeout = self.parsed(raw.timeout.as_ref(), TIMEOUT, duration);
        let exec = raw.exec.map(|exec| {
            if exec.value.first().is_none_or(|command| command.trim().is_empty()) {
                self.problem(
                    "no-command",
                    exec.span,
                    "`exec` has no command",
                    "such as `exec: [./page.sh, --team, crm]`",
                );
            }
            exec.value
        });
        let webhook = match raw.webhook {
            Some(webhook) => Some((self.webhook_url(&webhook.url)?, webhook.format)),
            None => None,
        };
        let all = || vec![NotifyEvent::Finish, NotifyEvent::Failure, NotifyEvent::Guard, NotifyEvent::Outage];
        Some(Notify {
            on: raw.on.unwrap_or_else(all),
            outage: outage?,
            exec: exec.unwrap_or_default(),
            webhook,
            timeout: timeout?,
        })
    }

    /// A literal is refused: whoever knows the address can post there, and specs live in git.
    fn webhook_url(&mut self, value: &Spanned<String>) -> Option<String> {
        let name = variable(&value.value);
        if name.is_none() {
            let place = self.source.place_of_key(value.span, "url");
            let hint = "write `${NOTIFY_URL}` and put the address in the environment or a `.env` file";
            let what = "the spec contains the address of a webhook, which is a credential";
            self.problems.push(Problem::error("literal-secret", place, what).hint(hint));
        }
        name.map(str::to_owned)
    }
}
