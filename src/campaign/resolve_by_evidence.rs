//! `campaign resolve --by-evidence`: looks for messages whose outcome is unknown in their conversations, and settles what is
//! evident. It only reads; what is found is shown before anything is settled.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::CampaignError;
use super::first_records::first_records;
use crate::ledger::{Ledger, LedgerError, Operate, Position, RecordQuery, Resolution, UnknownDelivery};
use crate::livedesk::{Client, ReadError};
use crate::message::Templates;
use crate::report::Record;
use crate::specification::{MessageType, Spec};
use crate::state::{ConversationId, MessageId, State};
use crate::track::{Baseline, Doubt, Finding, Reader, Wanted, find_all, is_shown};

/// Accepted messages that are looked for at most, to see whether they are found.
const CONTROLS: usize = 3;
/// Two ways to measure how far the clocks are apart may differ by so much, in seconds.
const CLOCK_TOLERANCE: i64 = 60;
/// What errors about rows are said to be about.
const LEDGER: &str = "the ledger";

/// Unknown deliveries, and what was found of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// In the order of enrolment.
    pub cases: Vec<UnknownCase>,
}

/// An unknown delivery, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCase {
    position: Position,
    /// What makes it this delivery.
    pub key: String,
    /// The conversation that it was sent into.
    pub conversation_id: Option<ConversationId>,
    /// What was found.
    pub finding: Finding,
}

/// Why conversations could not be looked into.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The campaign's.
    #[error(transparent)]
    Campaign(#[from] CampaignError),
    /// The server does not have the read, does not allow it, or did not answer.
    #[error("conversations cannot be read here: {0}")]
    Unavailable(ReadError),
}

impl From<LedgerError> for EvidenceError {
    fn from(error: LedgerError) -> Self {
        Self::Campaign(error.into())
    }
}

impl Evidence {
    /// Looks for the unknown deliveries; with `keys` only for these. `tell` gets how many of how many are done.
    ///
    /// # Errors
    /// See [`EvidenceError`]. Nothing was changed.
    pub async fn gather(
        ledger: &impl Ledger,
        spec: &Arc<Spec>,
        client: &Client,
        keys: Option<&[String]>,
        tell: impl Fn(u64, u64),
    ) -> Result<Self, EvidenceError> {
        let mut unknown = ledger.unknown_deliveries().await?;
        unknown.retain(|delivery| keys.is_none_or(|keys| keys.contains(&delivery.lease.key)));
        if unknown.is_empty() {
            return Ok(Self::default());
        }
        let templates = Templates::compile(Arc::clone(spec), None, LEDGER).map_err(CampaignError::from)?;
        let mut search = Search { ledger, reader: Reader::new(client, spec.track.requests), templates: &templates };
        let baseline = search.baseline(client).await?;
        search.cases(unknown, &baseline, tell).await.map(|cases| Self { cases })
    }

    /// How many are evident: sent, and not sent.
    pub fn evident(&self) -> (u64, u64) {
        let count = |is: fn(&Finding) -> bool| self.cases.iter().filter(|case| is(&case.finding)).count() as u64;
        let sent = count(|finding| matches!(finding, Finding::Sent { .. }));
        (sent, count(|finding| matches!(finding, Finding::NotSent { .. })))
    }

    /// Settles what is evident, and records what was seen. Gives how many were settled: those that are no longer unknown are
    /// left.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn settle(&self, ledger: &impl Operate) -> Result<u64, LedgerError> {
        ledger.settle_by_evidence(self.cases.iter().filter_map(UnknownCase::resolution).collect()).await
    }
}

impl UnknownCase {
    fn resolution(&self) -> Option<Resolution> {
        let message_id = match self.finding {
            Finding::Sent { message_id, .. } => Some(message_id),
            Finding::NotSent { .. } => None,
            Finding::Unclear(_) => return None,
        };
        let place = self.conversation_id.map_or_else(String::new, |id| format!("conversation {id}: "));
        Some(Resolution { position: self.position, message_id, note: format!("{place}{}", self.finding) })
    }
}

struct Search<'a, L> {
    ledger: &'a L,
    reader: Reader<'a>,
    templates: &'a Templates,
}

impl<L: Ledger> Search<'_, L> {
    /// Whether accepted messages are found again, and how far the clocks are apart.
    async fn baseline(&mut self, client: &Client) -> Result<Baseline, EvidenceError> {
        let measured = client.server_info().await.clock_ahead;
        let (mut is_proven, mut by_message) = (false, None);
        for (conversation, message, text, settled_at) in self.controls().await? {
            let page = match self.reader.messages_from(conversation, message).await {
                Ok(page) => page,
                Err(ReadError::Gone { .. }) => continue,
                Err(error) => return Err(EvidenceError::Unavailable(error)),
            };
            if is_shown(&page, message, &text) {
                is_proven = true;
                let made = page.iter().find(|shown| shown.id == message).and_then(|shown| shown.created_at);
                by_message = made.zip(settled_at).map(|(made, settled)| made.duration_since(settled));
                break;
            }
        }
        Ok(Baseline { clock_ahead: clock_ahead(measured, by_message), is_proven, now: Timestamp::now() })
    }

    /// A few accepted messages with their texts.
    async fn controls(&self) -> Result<Vec<(ConversationId, MessageId, String, Option<Timestamp>)>, EvidenceError> {
        let query = RecordQuery { only: vec![State::Accepted], with_rows: true };
        let pick = |record: Record| {
            let delivery = self.templates.render(record.row.as_ref()?, LEDGER).ok()?;
            let (conversation, message) = (record.conversation_id?, record.message_id?);
            let text = delivery.message.content?;
            Some((ConversationId(conversation), MessageId(message), text, record.settled_at))
        };
        Ok(first_records(self.ledger, &query, CONTROLS, pick).await?)
    }

    /// Each conversation is read once.
    async fn cases(
        &mut self,
        unknown: Vec<UnknownDelivery>,
        baseline: &Baseline,
        tell: impl Fn(u64, u64),
    ) -> Result<Vec<UnknownCase>, EvidenceError> {
        let total = unknown.len() as u64;
        let all: Vec<Result<Wanted, Doubt>> = unknown.iter().map(|delivery| self.wanted(delivery)).collect();
        let mut found: Vec<Option<Finding>> = vec![None; all.len()];
        let mut by_conversation: HashMap<ConversationId, Vec<usize>> = HashMap::new();
        for (at, wanted) in all.iter().enumerate() {
            match wanted {
                Ok(wanted) => by_conversation.entry(wanted.conversation_id).or_default().push(at),
                Err(doubt) => found[at] = Some(Finding::Unclear(*doubt)),
            }
        }
        let mut done = 0;
        for wanted in all.iter().flatten() {
            let Some(group) = by_conversation.remove(&wanted.conversation_id) else { continue };
            for (at, finding) in self.group(&all, &group, baseline).await? {
                found[at] = Some(finding);
                done += 1;
            }
            tell(done, total);
        }
        let case = |(UnknownDelivery { lease, .. }, finding): (UnknownDelivery, Option<Finding>)| UnknownCase {
            position: lease.position(),
            conversation_id: lease.conversation_id,
            key: lease.key,
            finding: finding.unwrap_or(Finding::Unclear(Doubt::NoConversation)),
        };
        Ok(unknown.into_iter().zip(found).map(case).collect())
    }

    /// Those that were sent into one conversation.
    async fn group(
        &mut self,
        all: &[Result<Wanted, Doubt>],
        group: &[usize],
        baseline: &Baseline,
    ) -> Result<Vec<(usize, Finding)>, EvidenceError> {
        let wanted: Vec<(usize, &Wanted)> =
            group.iter().filter_map(|at| Some((*at, all.get(*at)?.as_ref().ok()?))).collect();
        let Some((_, first)) = wanted.first() else { return Ok(Vec::new()) };
        let conversation = first.conversation_id;
        let doubt = |doubt: Doubt| wanted.iter().map(|(at, _)| (*at, Finding::Unclear(doubt))).collect();
        let thread = match self.reader.thread(conversation).await {
            Ok(thread) => thread,
            Err(ReadError::Gone { .. }) => return Ok(doubt(Doubt::Deleted)),
            Err(ReadError::Unavailable { .. } | ReadError::TooLarge) if baseline.is_proven => {
                return Ok(doubt(Doubt::Refused));
            }
            Err(error) => return Err(EvidenceError::Unavailable(error)),
        };
        let tracked = self.ledger.tracked_in(vec![conversation], Vec::new()).await?;
        let taken: BTreeSet<MessageId> = tracked.into_iter().map(|message| message.message_id).collect();
        let mut found = Vec::new();
        let texts: BTreeSet<&str> = wanted.iter().map(|(_, wanted)| wanted.text.as_str()).collect();
        for text in texts {
            let (at, same): (Vec<usize>, Vec<&Wanted>) =
                wanted.iter().copied().filter(|(_, wanted)| wanted.text == text).unzip();
            found.extend(at.into_iter().zip(find_all(&thread, &same, &taken, baseline)));
        }
        Ok(found)
    }

    /// What to look for; or why it cannot be found.
    fn wanted(&self, UnknownDelivery { lease, claimed_at }: &UnknownDelivery) -> Result<Wanted, Doubt> {
        let conversation_id = lease.conversation_id.ok_or(Doubt::NoConversation)?;
        if lease.failed_message.is_some() {
            return Err(Doubt::SentAgain);
        }
        let delivery = self.templates.render(&lease.row, LEDGER).map_err(|_| Doubt::Changed)?;
        let message = delivery.message;
        if lease.message() != Some(message.fingerprint().as_str()) {
            return Err(Doubt::Changed);
        }
        if message.private == Some(true) || message.message_type == Some(MessageType::Incoming) {
            return Err(Doubt::NotShown);
        }
        let text = message.content.filter(|text| !text.trim().is_empty()).ok_or(Doubt::NoText)?;
        Ok(Wanted { conversation_id, text, claimed_at: *claimed_at })
    }
}

/// How far the server's clock is ahead: as its answers say now and as a message said when it was made. Where these disagree a
/// clock was set since, and nobody knows.
fn clock_ahead(now: Option<SignedDuration>, then: Option<SignedDuration>) -> Option<SignedDuration> {
    match (now, then) {
        (Some(now), Some(then)) if (now.as_secs() - then.as_secs()).abs() > CLOCK_TOLERANCE => None,
        (now, then) => now.or(then),
    }
}
