//! The script: how the sandbox differs from a friendly LiveDesk.
//!
//! Every key is optional, and an empty script accepts everything. A whole one:
//!
//! ```yaml
#![doc = include_str!("example.yaml")]
//! ```
//!
//! This module knows YAML and turns it into [`Script`]; `faults` picks the fault
//! for a request, and `handler` applies it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use serde_yaml::Spanned;

use super::faults::{Action, Canned, InjectedFault, Kind, Match, duration};
use super::receipts::{self, RawReceipt, Receipt};
use super::templates::{Failure, Template};
use super::webhook::Webhook;

/// How the sandbox is to behave. [`Script::default`] is a friendly LiveDesk which accepts everything.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub(super) credentials: Option<Credentials>,
    pub(super) strict: bool,
    pub(super) templates: Option<Vec<Template>>,
    pub(super) late_templates: bool,
    pub(super) receipts: Vec<Receipt>,
    pub(super) webhook: Option<Webhook>,
    pub(super) faults: Vec<InjectedFault>,
}

/// The only key pair that is let in.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    pub(super) api_key: String,
    pub(super) api_secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(***)")
    }
}

/// Why a script cannot be used, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct ScriptError {
    /// Line in the script, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What is wrong there, in one sentence.
    pub what: String,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    ///
    /// The first thing that is not YAML, not a key or value that a script knows, or a fault that cannot be played.
    pub fn parse(yaml: &str) -> Result<Self, ScriptError> {
        let options = serde_yaml::options! { strict_booleans: true };
        let raw: Option<RawScript> = serde_yaml::from_str_with_options(yaml, options).map_err(|error| {
            let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
            ScriptError { line, column, what: plain(&error) }
        })?;
        let raw = raw.unwrap_or_default();
        let faults = raw.faults.into_iter().map(|fault| {
            let (line, column) = (fault.referenced.line(), fault.referenced.column());
            fault.value.check().map_err(|what| ScriptError { line, column, what })
        });
        let receipts = raw.receipts.into_iter().map(|rule| {
            let (line, column) = (rule.referenced.line(), rule.referenced.column());
            rule.value.check().map_err(|what| ScriptError { line, column, what })
        });
        if let Some(webhook) = &raw.webhook {
            let (line, column) = (webhook.referenced.line(), webhook.referenced.column());
            webhook.value.check().map_err(|what| ScriptError { line, column, what })?;
        }
        Ok(Self {
            webhook: raw.webhook.map(|webhook| webhook.value),
            late_templates: raw.late_templates,
            receipts: receipts.collect::<Result<_, _>>()?,
            credentials: raw.credentials,
            strict: raw.strict,
            templates: raw.templates,
            faults: faults.collect::<Result<_, _>>()?,
        })
    }
}

impl Script {
    /// How long after a message was accepted nothing more happens to it.
    pub fn receipts_end_after(&self) -> Duration {
        receipts::end_after(&self.receipts)
    }
}

/// The parser's own sentence, without the place (which is in front of ours) and the excerpt.
fn plain(error: &serde_yaml::Error) -> String {
    let text = error.without_snippet().to_string();
    let text = text.lines().next().unwrap_or_default();
    text.split(" at line ").next().unwrap_or(text).trim_start_matches("error: ").to_owned()
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawScript {
    credentials: Option<Credentials>,
    strict: bool,
    templates: Option<Vec<Template>>,
    late_templates: bool,
    webhook: Option<Spanned<Webhook>>,
    receipts: Vec<Spanned<RawReceipt>>,
    faults: Vec<Spanned<RawInjectedFault>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawInjectedFault {
    #[serde(rename = "match")]
    matches: Match,
    on: Kind,
    times: Option<u64>,
    status: Option<u16>,
    body: Option<Value>,
    pad: Option<usize>,
    headers: BTreeMap<String, String>,
    accept: Option<bool>,
    delay: Option<String>,
    drop: Option<Drop>,
    fail: Option<Failure>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Drop {
    AfterAccepting,
    BeforeAccepting,
}

impl RawInjectedFault {
    fn check(self) -> Result<InjectedFault, String> {
        let delay = self.delay.as_deref().map(duration).transpose()?;
        let answers = self.status.is_some() || self.body.is_some() || self.pad.is_some() || !self.headers.is_empty();
        let actions = [answers, self.drop.is_some(), self.fail.is_some()].into_iter().filter(|given| *given).count();
        if actions > 1 {
            return Err("a fault has one action: an answer (status, body, pad, headers), `drop` or `fail`".to_owned());
        }
        if self.accept.is_some() && !answers {
            return Err("`accept` belongs to an answer (status, body, pad, headers)".to_owned());
        }
        if actions == 0 && delay.is_none() {
            return Err("this fault does nothing: give it a `status`, `body`, `delay`, `drop` or `fail`".to_owned());
        }
        if self.fail.is_some() && !matches!(self.on, Kind::Message | Kind::Retry | Kind::Any) {
            return Err("only messages can `fail`: set `on: message` or `on: retry`".to_owned());
        }
        if !self.matches.is_possible() {
            return Err("`until` is not after `from`: this fault would never apply".to_owned());
        }
        let action = match (self.drop, self.fail) {
            (Some(Drop::AfterAccepting), _) => Action::Hangup { accept: true },
            (Some(Drop::BeforeAccepting), _) => Action::Hangup { accept: false },
            (None, Some(failure)) => Action::Fail(failure),
            (None, None) if answers => {
                let mut canned = canned(self.status, self.body, &self.headers, self.accept)?;
                canned.body.insert_str(0, &" ".repeat(self.pad.unwrap_or_default()));
                Action::Answer(canned)
            }
            (None, None) => Action::None,
        };
        Ok(InjectedFault {
            matches: self.matches,
            on: self.on,
            times: self.times,
            delay: delay.unwrap_or_default(),
            action,
        })
    }
}

fn canned(
    status: Option<u16>,
    body: Option<Value>,
    headers: &BTreeMap<String, String>,
    accept: Option<bool>,
) -> Result<Canned, String> {
    let status = status.unwrap_or(200);
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or_else(|| format!("{status} is not a valid status: use 200 to 999"))?;
    let (media, body) = match body {
        None => default_body(status),
        Some(Value::String(text)) => ("text/plain; charset=utf-8", text),
        Some(value) => ("application/json; charset=utf-8", value.to_string()),
    };
    let mut map = HeaderMap::new();
    map.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(|_| format!("`{name}` is not a valid header name"))?;
        let value =
            HeaderValue::try_from(value).map_err(|_| format!("the value of `{name}` is not a valid header value"))?;
        map.insert(name, value);
    }
    let accept = accept.unwrap_or_else(|| status.is_success());
    Ok(Canned { status, headers: map, body, accept })
}

/// What follows a status when the script gives no body: as the real service and what is in front of it do.
fn default_body(status: StatusCode) -> (&'static str, String) {
    let reason = status.canonical_reason().unwrap_or("Error");
    match status.as_u16() {
        429 => ("text/plain", "Retry later\n".to_owned()),
        403 => ("text/plain", "Forbidden\n".to_owned()),
        code @ (413 | 502..=504) => {
            ("text/html", format!("<html><head><title>{code} {reason}</title></head><body></body></html>\n"))
        }
        code if status.is_client_error() || status.is_server_error() => {
            ("application/json; charset=utf-8", serde_json::json!({ "status": code, "error": reason }).to_string())
        }
        _ => ("text/plain", String::new()),
    }
}
