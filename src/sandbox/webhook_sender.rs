//! Tells a webhook of what happens. Nothing is sent twice, and nobody waits for an answer.

use std::sync::Arc;
use std::time::Duration;

use super::handler::Handler;
use super::webhook::Webhook;

/// How often what is due is looked for. Without a webhook it happens when somebody asks.
const TICK: Duration = Duration::from_millis(20);
/// The real service does not wait for longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends what happens, for as long as the server runs.
pub(super) async fn run(webhook: Webhook, handler: Arc<Handler>) {
    // An error only says that somebody installed a provider before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build() else { return };
    loop {
        tokio::select! {
            () = handler.closed() => return,
            () = tokio::time::sleep(TICK) => {}
        }
        for event in handler.take_events() {
            let body = handler.webhook_body(event).to_string();
            for _ in 0..webhook.times {
                // It is lost, then: the real service does not try again either.
                let _ = webhook.request(&client, &body).send().await;
            }
        }
    }
}
