//! What a webhook is told, and where: as the real service's ancestor does. A message event has no status.

use data_encoding::HEXLOWER;
use ring::hmac;
use serde::Deserialize;
use serde_json::{Value, json};

/// Where events go.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    url: String,
    /// With a secret they are signed.
    #[serde(default)]
    secret: Option<String>,
    /// How often each is sent.
    #[serde(default = "once")]
    pub(super) times: usize,
}

const fn once() -> usize {
    1
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WebhookEvent {
    pub(super) event: &'static str,
    pub(super) conversation: u64,
    pub(super) message: u64,
}

impl Webhook {
    pub(super) fn check(&self) -> Result<(), String> {
        let is_address = self.url.parse::<url::Url>().is_ok_and(|url| url.scheme() == "http" && url.has_host());
        if is_address { Ok(()) } else { Err(format!("`{}` is not an http address", self.url)) }
    }

    /// The request that tells it.
    pub(super) fn request(&self, client: &reqwest::Client, body: &str) -> reqwest::RequestBuilder {
        let request = client.post(&self.url).header("content-type", "application/json").body(body.to_owned());
        let Some(secret) = &self.secret else { return request };
        let timestamp = jiff::Timestamp::now().as_second().to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{timestamp}.{body}").as_bytes());
        let digest = HEXLOWER.encode(tag.as_ref());
        request.header("x-chatwoot-timestamp", timestamp).header("x-chatwoot-signature", format!("sha256={digest}"))
    }
}

/// The body of a message event: `message_type` is a word here, and there is no status.
pub(super) fn body(event: WebhookEvent, content: Option<&str>, is_incoming: bool) -> Value {
    json!({
        "event": event.event,
        "id": event.message,
        "content": content,
        "message_type": if is_incoming { "incoming" } else { "outgoing" },
        "content_type": "text",
        "content_attributes": {},
        "private": false,
        "conversation": { "id": event.conversation },
    })
}
