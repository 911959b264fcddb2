//! A local LiveDesk on a real socket: it keeps state, checks what it is sent, plays faults from a script, and journals
//! what arrived. The tests talk to it, the benchmarks do, and so can anybody who wants to see a campaign leave without
//! reaching a customer.
//!
//! LiveDesk descends from the open-source Chatwoot. Replies are those that LiveDesk documents; where it documents nothing
//! (refusals, uniqueness, how a search matches, the limit of 200 messages per conversation and minute), the sandbox does
//! what its ancestor does.
//!
//! It must not know the client: it shares no type with it, so that both can be wrong only in different ways. What binds
//! them is the documented replies in `tests/wire/replies`.
//!
//! The way of one request: `connection` accepts it, `routes` says which endpoint it is for, `request` reads it, `handler`
//! decides (with `faults` from the `script`, the rules for `templates`, and the account in `state`, which `search` and
//! `reads` look through), `journal` writes it down, `responses` has the words. What becomes of a message afterwards is
//! planned by `receipts` and happens in `history`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use campaign::sandbox::{Sandbox, Script};
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let script = Script::parse("faults: [{ on: message, match: { nth: 3 }, drop: after_accepting }]")?;
//! let journal = std::fs::File::create("journal.jsonl")?;
//! let ctrl_c = async { drop(tokio::signal::ctrl_c().await) };
//! Sandbox::new(script).with_journal(Box::new(journal)).serve(listener, ctrl_c).await?;
//! # Ok(())
//! # }
//! ```

use std::io;
use std::sync::Arc;

mod responses;
mod request;
mod account_history;
mod handler;
mod history;
mod faults;
mod journal;
mod local;
mod reads;
mod receipts;
mod connection;
mod routes;
pub mod script;
mod search;
mod state;
mod templates;
mod webhook;
mod webhook_sender;

pub use local::LocalSandbox;
pub use script::{Script, ScriptError};

use connection::{Connection, ConnectionListener};
use handler::Handler;

/// The configured server, before it is bound.
pub struct Sandbox {
    script: Script,
    journal: Option<Box<dyn io::Write + Send>>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let journal = self.journal.is_some();
        f.debug_struct("Sandbox").field("script", &self.script).field("journal", &journal).finish()
    }
}

impl Sandbox {
    /// A sandbox that behaves as the script says.
    pub fn new(script: Script) -> Self {
        Self { script, journal: None }
    }

    /// Writes one JSON line per request, and flushes it before the answer leaves, so that what a client was answered can
    /// always be found. No header is written, so no credentials are. The keys of a line:
    ///
    /// - `seq`: from 1, in the order of the answers; `at`: when the request arrived (RFC 3339, UTC, microseconds);
    ///   `t_us`: the same in microseconds since the server started, by a clock that never goes back
    /// - `kind` (`contact`, `search`, `conversation`, `message`, `retry`, `read_messages`, `list_conversations`,
    ///   `list_updated`, `read_inbox`, or null), `method`, `path`, `query` (still encoded)
    /// - `body`: JSON as sent; for a form `{fields, attachments: [{name, filename, content_type, size}]}`; other text
    ///   as a string
    /// - `accepted`: whether what was asked for was done; `status`: what is about to be answered, null when the
    ///   connection is closed instead
    /// - `answer`: the ids it is about, as far as there are: `contact_id`, `conversation_id`, `message_id`
    /// - `fault`: which fault of the script was played, from 0, or null; `warning`: only when there is one
    #[must_use]
    pub fn with_journal(mut self, journal: Box<dyn io::Write + Send>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Answers on `listener` until `shutdown` comes back; requests that are being answered then are finished, except
    /// those that a fault's delay holds back: their connections are closed.
    ///
    /// # Errors
    ///
    /// The journal could not be written. The request that met this was answered with 500, and the server is down.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let webhook = self.script.webhook.clone();
        let handler = Arc::new(Handler::new(self.script, self.journal));
        if let Some(webhook) = webhook {
            tokio::spawn(webhook_sender::run(webhook, Arc::clone(&handler)));
        }
        let service = routes::router(Arc::clone(&handler)).into_make_service_with_connect_info::<Connection>();
        let end = {
            let handler = Arc::clone(&handler);
            async move {
                tokio::select! {
                    () = shutdown => handler.close(),
                    () = handler.closed() => {}
                }
            }
        };
        axum::serve(ConnectionListener(listener), service).with_graceful_shutdown(end).await?;
        handler.journal_error().map_or(Ok(()), Err)
    }
}
