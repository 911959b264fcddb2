//! Notifications: tells people or programs outside how a run ends, by a command or a webhook.
//!
//! Each is tried once, within a bounded time, and a failure is a sentence for whoever reads the log: no run waits long for
//! a notification, and none fails because of one. What is in it is decided by the caller.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use url::Url;

use crate::humanize::duration;
use crate::problem::with_causes;
use crate::secret::Secret;
use crate::specification::{NotifyEvent, NotifyFormat};

/// What happened.
#[derive(Debug, Clone, Serialize)]
pub struct Notification {
    /// Of what kind it is.
    pub event: NotifyEvent,
    /// The campaign.
    pub campaign: String,
    /// The same in one sentence.
    pub text: String,
    /// Counts and codes.
    #[serde(flatten)]
    pub data: serde_json::Map<String, Value>,
}

/// Where notifications go.
#[derive(Debug, Clone)]
pub struct Notifier {
    /// A command and its arguments; empty for none.
    pub exec: Vec<String>,
    /// Where the command runs.
    pub folder: PathBuf,
    /// Environment variables with credentials, which the command does not get.
    pub hidden: Vec<String>,
    /// A webhook, and what is posted there.
    pub webhook: Option<(WebhookUrl, NotifyFormat)>,
    /// How long each may take.
    pub timeout: Duration,
}

/// The address of a webhook. Whoever knows it can post there, so it is never shown.
#[derive(Debug, Clone)]
pub struct WebhookUrl(Arc<Secret<Url>>);

impl WebhookUrl {
    /// Reads an address: https, or plain http to this machine.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).ok().filter(Url::has_host).ok_or("it is not an address")?;
        let is_local = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match url.scheme() {
            "https" => Ok(Self(Arc::new(Secret::new(url)))),
            "http" if is_local => Ok(Self(Arc::new(Secret::new(url)))),
            _ => Err("it must begin with `https://`"),
        }
    }
}

/// Why a notification did not get through.
#[derive(Debug, thiserror::Error)]
enum NotifyError {
    #[error("the command cannot be run")]
    Exec(#[source] io::Error),
    #[error("the command ended with {0}")]
    Failed(std::process::ExitStatus),
    #[error("the webhook cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the webhook answered {0}")]
    Refused(reqwest::StatusCode),
    #[error("no end after {}", duration(*.0))]
    Timeout(Duration),
}

impl Notifier {
    /// Notifies everybody, at the same time and once. Gives a sentence for each that did not get it.
    pub async fn send(&self, notification: &Notification) -> Vec<String> {
        let exec = async {
            match self.exec.split_first() {
                Some((command, arguments)) => self.in_time(self.run(command, arguments, notification)).await,
                None => Ok(()),
            }
        };
        let webhook = async {
            match &self.webhook {
                Some((url, format)) => self.in_time(self.post(url, *format, notification)).await,
                None => Ok(()),
            }
        };
        let (exec, webhook) = tokio::join!(exec, webhook);
        let failed = [("exec", exec.err()), ("webhook", webhook.err())];
        let failed = failed.into_iter().filter_map(|(key, error)| Some((key, error?)));
        failed.map(|(key, error)| format!("notify.{key}: {}", with_causes(&error))).collect()
    }

    async fn in_time(&self, sent: impl Future<Output = Result<(), NotifyError>>) -> Result<(), NotifyError> {
        tokio::time::timeout(self.timeout, sent).await.unwrap_or(Err(NotifyError::Timeout(self.timeout)))
    }

    async fn run(&self, command: &str, arguments: &[String], notification: &Notification) -> Result<(), NotifyError> {
        let mut process = Command::new(command);
        process.args(arguments).current_dir(&self.folder).stdin(Stdio::piped());
        // What it prints would get between the lines of the run.
        process.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        for name in &self.hidden {
            process.env_remove(name);
        }
        let mut child = process.spawn().map_err(NotifyError::Exec)?;
        if let Some(mut input) = child.stdin.take() {
            let text = json!(notification).to_string();
            // One that does not read has ended or does not want to: its exit status says which.
            let _ = input.write_all(text.as_bytes()).await;
        }
        let status = child.wait().await.map_err(NotifyError::Exec)?;
        if status.success() { Ok(()) } else { Err(NotifyError::Failed(status)) }
    }

    async fn post(
        &self,
        url: &WebhookUrl,
        format: NotifyFormat,
        notification: &Notification,
    ) -> Result<(), NotifyError> {
        // Whoever else has set it has set the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("campaign/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(NotifyError::Unreachable)?;
        let request = client.post(url.0.expose().clone()).json(&body(format, notification));
        // The error would repeat the address.
        let answer = request.send().await.map_err(|error| NotifyError::Unreachable(error.without_url()))?;
        if answer.status().is_success() { Ok(()) } else { Err(NotifyError::Refused(answer.status())) }
    }
}

/// What is posted: the formats are those of Slack's "incoming webhooks" and of Teams' "post to a channel when a webhook
/// request is received", as their documentation had them in 2026.
fn body(format: NotifyFormat, notification: &Notification) -> Value {
    match format {
        NotifyFormat::Json => json!(notification),
        NotifyFormat::Slack => json!({ "text": notification.text }),
        NotifyFormat::Teams => json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.2",
                    "body": [{ "type": "TextBlock", "text": notification.text, "wrap": true }],
                },
            }],
        }),
    }
}
