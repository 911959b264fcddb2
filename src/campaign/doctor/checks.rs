//! The checks of `campaign doctor`: what each asks LiveDesk, and what its answer means for the campaign.

use std::time::Duration;

use super::needs::Needs;
use super::templates;
use super::{CheckStatus, Diagnosis, Tracking};
use crate::humanize::{counted, duration};
use crate::livedesk::{Client, Inbox, ReadError, ServerInfo};
use crate::opt_out::OptOutWords;
use crate::specification::{Send, Spec, Speed};
use crate::state::{ConversationId, InboxId, MessageId};

/// A clock that is off by more than this is worth a warning.
const CLOCK_TOLERANCE: i64 = 30;

/// Changes of the last minute: a small answer that shows whether there is one.
const CHANGED_WITHIN: Duration = Duration::from_secs(60);

/// More inboxes than this are not looked at.
const MAX_INBOXES: usize = 20;

impl Diagnosis {
    /// Credentials, clock and limits. `false` if nothing more can be asked.
    pub(super) fn server_info(&mut self, server_info: ServerInfo) -> bool {
        match &server_info.access {
            Ok(()) => self.add("credentials", CheckStatus::Ok, "LiveDesk accepts the key pair"),
            Err(ReadError::Unavailable { status: 401 | 403, text }) => {
                self.add("credentials", CheckStatus::Failed, format!("LiveDesk refuses the key pair ({text})"));
            }
            Err(error) => self.add("credentials", CheckStatus::Failed, format!("LiveDesk cannot be asked: {error}")),
        }
        match server_info.clock_ahead.map(|ahead| ahead.as_secs()) {
            None => self.add("clock", CheckStatus::Unknown, "the server does not say what time it is"),
            Some(ahead) if ahead.abs() <= CLOCK_TOLERANCE => {
                self.add("clock", CheckStatus::Ok, "the server's clock and this machine's agree");
            }
            Some(ahead) => {
                let by = duration(Duration::from_secs(ahead.unsigned_abs()));
                let which = if ahead > 0 { "ahead of" } else { "behind" };
                let text = format!("the server's clock is {by} {which} this machine's: set the clock of this machine");
                self.add("clock", CheckStatus::Warning, text);
            }
        }
        self.clock_ahead_seconds = server_info.clock_ahead.map(|ahead| ahead.as_secs());
        let named: Vec<String> = server_info.limits.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        if named.is_empty() {
            self.add("limits", CheckStatus::Unknown, "the server's answers name no limit");
        } else {
            self.add("limits", CheckStatus::Ok, named.join(", "));
        }
        self.limits = server_info.limits;
        server_info.access.is_ok()
    }

    /// The three ways of reading receipts, the cheapest first.
    pub(super) async fn reads(&mut self, client: &Client, needs: &Needs, spec: &Spec) {
        let delta = client.conversations_updated_within(CHANGED_WITHIN, None).await;
        let inbox = needs.inboxes.keys().next().copied();
        let sweep = match inbox {
            Some(inbox) => Some(client.conversations_page(inbox, 1).await),
            None => None,
        };
        let known = delta.iter().flatten().chain(sweep.iter().flatten().flat_map(|page| &page.conversations));
        let conversation = known.map(|found| found.id).next().or(needs.conversation);
        let is_delta = self.read("changes", "conversations that changed", delta.err().as_ref());
        let is_sweep = match sweep {
            Some(sweep) => self.read("list", "the inbox's list of conversations", sweep.err().as_ref()),
            None => {
                self.add("list", CheckStatus::Unknown, "not tried: the list names conversations, not inboxes");
                false
            }
        };
        let is_single = self.messages(client, conversation).await;
        self.tracking = match (is_delta, is_sweep, is_single) {
            (true, true, _) | (true, _, true) => Some(Tracking::Delta),
            (_, true, _) => Some(Tracking::Sweep),
            (_, _, true) => Some(Tracking::Single),
            (_, false, false) => None,
        };
        self.tracked(spec, conversation.is_some(), is_sweep);
    }

    async fn messages(&mut self, client: &Client, conversation: Option<ConversationId>) -> bool {
        let Some(id) = conversation else {
            let text = "not tried: there is no conversation to try it with";
            self.add("messages", CheckStatus::Unknown, text);
            return false;
        };
        match client.messages_from(id, MessageId(1)).await {
            Err(ReadError::Gone { .. }) => {
                self.add("messages", CheckStatus::Unknown, format!("conversation {id} does not exist"));
                false
            }
            result => self.read("messages", "a conversation's messages", result.err().as_ref()),
        }
    }

    /// Whether a read can be used.
    fn read(&mut self, check: &'static str, what: &str, error: Option<&ReadError>) -> bool {
        let (verdict, text) = match error {
            None => (CheckStatus::Ok, format!("{what} can be read")),
            Some(error) if error.may_pass() => (CheckStatus::Unknown, format!("{what} could not be read now: {error}")),
            Some(error) => (CheckStatus::Warning, format!("{what} cannot be read here: {error}")),
        };
        self.add(check, verdict, text);
        error.is_none()
    }

    /// What follows for receipts.
    fn tracked(&mut self, spec: &Spec, had_conversation: bool, is_sweep: bool) {
        let rate = spec.track.requests;
        let (verdict, text) = match self.tracking {
            Some(Tracking::Delta) if is_sweep => {
                let text = "receipts are read from the inbox's list of conversations, and with `track --follow` from \
                            the conversations that changed";
                (CheckStatus::Ok, text.to_owned())
            }
            Some(Tracking::Delta) => {
                let text = format!(
                    "`track --follow` reads receipts from the conversations that changed; a single round needs a request \
                     for each message, at {rate}{}",
                    hours(rate)
                );
                (CheckStatus::Ok, text)
            }
            Some(Tracking::Sweep) => {
                (CheckStatus::Ok, "receipts are read from the inbox's list of conversations".to_owned())
            }
            Some(Tracking::Single) => {
                let text = format!("receipts need a request for each message, at {rate}{}", hours(rate));
                (CheckStatus::Warning, text)
            }
            None if needs_receipts(&spec.send) => {
                (CheckStatus::Failed, "receipts cannot be read, and `send.canary.confirmed` waits for them".to_owned())
            }
            None if had_conversation => {
                (CheckStatus::Warning, "receipts cannot be read: reports will only say what was accepted".to_owned())
            }
            None => {
                (CheckStatus::Unknown, "whether receipts can be read shows once there is a conversation".to_owned())
            }
        };
        self.add("tracking", verdict, text);
    }

    pub(super) async fn inboxes(&mut self, client: &Client, needs: &Needs, spec: &Spec) {
        if needs.inboxes.is_empty() && !needs.templates.is_empty() {
            let text = "templates cannot be compared: the list names conversations, not inboxes";
            self.add("template", CheckStatus::Unknown, text);
        }
        let mut words: Vec<&str> = spec.track.opt_out.words.iter().map(String::as_str).collect();
        words.dedup();
        let words = OptOutWords::new(words);
        for (id, messages) in needs.inboxes.iter().take(MAX_INBOXES) {
            match client.inbox(*id).await {
                Ok(inbox) => self.inbox(*id, &inbox, needs, &words),
                Err(ReadError::Gone { text }) => {
                    let text = format!("LiveDesk finds no inbox {id} for {} ({text})", counted(*messages, "message"));
                    self.add("inbox", CheckStatus::Warning, text);
                }
                Err(error) => {
                    self.add("inbox", CheckStatus::Unknown, format!("inbox {id} cannot be read here: {error}"));
                    if needs.templates.keys().any(|(inbox, _)| inbox == id) {
                        let text = "whether the templates are approved in these languages cannot be read";
                        self.add("template", CheckStatus::Unknown, text);
                    }
                }
            }
        }
        if needs.inboxes.len() > MAX_INBOXES {
            let text = format!("only the first {MAX_INBOXES} of {} inboxes were looked at", needs.inboxes.len());
            self.add("inbox", CheckStatus::Warning, text);
        }
    }

    fn inbox(&mut self, id: InboxId, inbox: &Inbox, needs: &Needs, words: &OptOutWords) {
        let name = inbox.name.as_deref().unwrap_or("without a name");
        let kind = inbox.channel_type.as_deref().map_or_else(String::new, |kind| format!(" ({kind})"));
        self.add("inbox", CheckStatus::Ok, format!("inbox {id}: {name}{kind}"));
        for ((_, wanted), messages) in needs.templates.iter().filter(|((inbox, _), _)| *inbox == id) {
            let title = format!("{} ({}) for {}", wanted.name, wanted.language, counted(*messages, "message"));
            let Some(known) = &inbox.templates else {
                self.add("template", CheckStatus::Unknown, format!("{title}: the inbox shows no templates"));
                continue;
            };
            let faults = templates::template_problems(wanted, known);
            if faults.is_empty() {
                self.add("template", CheckStatus::Ok, format!("{title}: approved, with these parameters"));
            } else {
                self.add("template", CheckStatus::Failed, format!("{title}: {}", faults.join("; ")));
            }
            for text in templates::unknown_opt_outs(wanted, known, words) {
                self.add("template", CheckStatus::Warning, format!("{}: {text}", wanted.name));
            }
        }
    }
}

const fn needs_receipts(send: &Send) -> bool {
    send.canary_confirmation.is_some()
}

/// How long 100,000 messages take, one request each.
fn hours(rate: Speed) -> String {
    let Speed::Limited(rate) = rate else { return String::new() };
    format!(": 100,000 messages take {}", duration(rate.interval() * 100_000))
}
