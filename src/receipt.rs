//! What became of an accepted message: the statuses that WhatsApp reports afterwards, and how several looks at the same
//! message become one receipt.
//!
//! `accepted` says that LiveDesk has queued a message. Receipts say whether it arrived. They come in any order, more than
//! once, and from several readers at a time, so merging two receipts is commutative, associative and idempotent.
//! Knows nothing of storage, network or time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codes;

/// When an accepted message is first looked at, counted from when it was accepted.
pub const FIRST_LOOK: Duration = Duration::from_mins(15);

/// What LiveDesk says of a message.
///
/// The order is the order in which one replaces another. `read` without `delivered` is normal. With several devices,
/// `failed` of one of them can come before or after `delivered` of another: the message did arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageStatus {
    /// Queued, or on its way.
    Sent,
    /// WhatsApp could not deliver it.
    Failed,
    /// It is on the recipient's phone.
    Delivered,
    /// The recipient has opened it.
    Read,
}

impl MessageStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sent, Self::Failed, Self::Delivered, Self::Read];

    /// LiveDesk's word for it, which the ledger and the report use as well.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }

    /// Whether the message is on the recipient's phone.
    pub const fn has_arrived(self) -> bool {
        matches!(self, Self::Delivered | Self::Read)
    }
}

impl fmt::Display for MessageStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for MessageStatus {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|status| status.word() == word).ok_or(UnknownWord)
    }
}

/// A word that means no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no known status")]
pub struct UnknownWord;

/// Whether a recipient wants no more messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptOut {
    /// A reply reads like an opt-out, but says more than that: a person should read it.
    Maybe,
    /// The whole reply is an opt-out, or WhatsApp says that the recipient has stopped marketing.
    Yes,
}

impl OptOut {
    /// The word in the ledger and the report.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Maybe => "maybe",
            Self::Yes => "yes",
        }
    }
}

impl FromStr for OptOut {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::Maybe, Self::Yes].into_iter().find(|opt_out| opt_out.word() == word).ok_or(UnknownWord)
    }
}

/// A status with when it was first seen and, of a failed message, why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusUpdate {
    /// The status.
    pub status: MessageStatus,
    /// When it was first seen, by our clock.
    pub at: Timestamp,
    /// WhatsApp's code, of a failed message.
    pub code: Option<String>,
    /// The reason in words, of a failed message.
    pub error: Option<String>,
}

impl StatusUpdate {
    /// A status without a reason.
    pub const fn new(status: MessageStatus, at: Timestamp) -> Self {
        Self { status, at, code: None, error: None }
    }

    /// The one that counts: the higher status, and of equal ones the one that was seen first.
    fn merge(self, other: Self) -> Self {
        match self.status.cmp(&other.status) {
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Equal => self.min(other),
        }
    }
}

/// Everything that was seen of an accepted message and of its recipient since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Its status; `None` if no look has shown one.
    pub seen: Option<StatusUpdate>,
    /// When the recipient first replied, by LiveDesk's clock.
    pub replied_at: Option<Timestamp>,
    /// Whether the recipient wants no more messages.
    pub opted_out: Option<OptOut>,
    /// When somebody last looked, by our clock; `None` if nobody has.
    pub checked_at: Option<Timestamp>,
    /// Whether LiveDesk has the message no more, so that no look will show anything new.
    pub is_gone: bool,
}

impl Receipt {
    /// What two looks at one message show together, whichever came first.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        // Before a later arrival hides the code.
        let (one, other) = (self.with_opt_out_by_code(), other.with_opt_out_by_code());
        Self {
            seen: one_or_both(one.seen, other.seen, StatusUpdate::merge),
            replied_at: one_or_both(one.replied_at, other.replied_at, Ord::min),
            opted_out: one.opted_out.max(other.opted_out),
            checked_at: one.checked_at.max(other.checked_at),
            is_gone: one.is_gone || other.is_gone,
        }
    }

    /// Its status.
    pub fn status(&self) -> Option<MessageStatus> {
        self.seen.as_ref().map(|seen| seen.status)
    }

    /// WhatsApp's own word that the recipient has stopped marketing is an opt-out.
    #[must_use]
    pub fn with_opt_out_by_code(mut self) -> Self {
        if self.seen.as_ref().is_some_and(|seen| seen.code.as_deref() == Some(codes::OPTED_OUT)) {
            self.opted_out = Some(OptOut::Yes);
        }
        self
    }

    /// The receipt in one word. `is_closed`: nobody will look again.
    pub fn state(&self, is_closed: bool) -> Option<ReceiptState> {
        match self.status() {
            Some(MessageStatus::Delivered) => Some(ReceiptState::Delivered),
            Some(MessageStatus::Read) => Some(ReceiptState::Read),
            Some(MessageStatus::Failed) => Some(ReceiptState::Failed),
            _ if is_closed => Some(ReceiptState::None),
            Some(MessageStatus::Sent) => Some(ReceiptState::Sent),
            // Looked at, and nothing was found that is known.
            None if self.checked_at.is_some() => Some(ReceiptState::Sent),
            None => None,
        }
    }
}

/// What is known of a message's arrival, as the report prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptState {
    /// Not delivered yet.
    Sent,
    /// It is on the recipient's phone.
    Delivered,
    /// The recipient has opened it.
    Read,
    /// WhatsApp could not deliver it.
    Failed,
    /// There was no receipt until `track.until`, or there can be none.
    None,
}

impl ReceiptState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sent, Self::Delivered, Self::Read, Self::Failed, Self::None];

    /// The word in the report.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::None => "none",
        }
    }
}

/// How many accepted messages are where. Each accepted message is in one of the first five.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceiptTotals {
    /// On the recipient's phone, and not opened as far as is known.
    pub delivered: u64,
    /// Opened.
    pub read: u64,
    /// Not delivered, and it will not be.
    pub undelivered: u64,
    /// No receipt until `track.until`, or there can be none.
    pub no_receipt: u64,
    /// Nothing known yet.
    pub open: u64,
    /// Recipients who replied.
    pub replied: u64,
    /// Recipients who want no more messages.
    pub opted_out: u64,
    /// Recipients whose reply a person should read, because it may be an opt-out.
    pub maybe_opted_out: u64,
    /// When somebody last looked at any of them.
    pub checked_at: Option<Timestamp>,
}

impl ReceiptTotals {
    /// Adds an accepted message.
    pub fn add(&mut self, receipt: &Receipt, is_closed: bool) {
        self.add_many(receipt, is_closed, 1);
    }

    /// Adds so many accepted messages with the same receipt.
    pub fn add_many(&mut self, receipt: &Receipt, is_closed: bool, count: u64) {
        *match receipt.state(is_closed) {
            None | Some(ReceiptState::Sent) => &mut self.open,
            Some(ReceiptState::Delivered) => &mut self.delivered,
            Some(ReceiptState::Read) => &mut self.read,
            Some(ReceiptState::Failed) => &mut self.undelivered,
            Some(ReceiptState::None) => &mut self.no_receipt,
        } += count;
        self.replied += count * u64::from(receipt.replied_at.is_some());
        self.opted_out += count * u64::from(receipt.opted_out == Some(OptOut::Yes));
        self.maybe_opted_out += count * u64::from(receipt.opted_out == Some(OptOut::Maybe));
        self.checked_at = self.checked_at.max(receipt.checked_at);
    }

    /// All accepted messages.
    pub const fn accepted(&self) -> u64 {
        self.delivered + self.read + self.undelivered + self.no_receipt + self.open
    }

    /// Whether anything is known of any of them.
    pub const fn is_tracked(&self) -> bool {
        self.checked_at.is_some()
    }
}

fn one_or_both<T>(one: Option<T>, other: Option<T>, merge: impl FnOnce(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(merge(one, other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seen() -> impl Strategy<Value = StatusUpdate> {
        let status = prop::sample::select(MessageStatus::ALL.to_vec());
        let code = prop::sample::select(vec!["131026", codes::OPTED_OUT]);
        (status, 0..5_i64, code).prop_map(|(status, at, code)| {
            let is_failed = status == MessageStatus::Failed;
            StatusUpdate {
                status,
                at: time(at),
                code: is_failed.then(|| code.to_owned()),
                error: is_failed.then(|| format!("{code}: no")),
            }
        })
    }

    prop_compose! {
        fn receipt()(
            seen in prop::option::of(seen()),
            replied_at in prop::option::of((0..5_i64).prop_map(time)),
            opted_out in prop::sample::select(vec![None, Some(OptOut::Maybe), Some(OptOut::Yes)]),
            checked_at in prop::option::of((0..5_i64).prop_map(time)),
            is_gone: bool,
        ) -> Receipt {
            Receipt { seen, replied_at, opted_out, checked_at, is_gone }.with_opt_out_by_code()
        }
    }

    /// The rules again, as dull as they can be: all looks at once, each rule a search through all of them.
    fn oracle(looks: &[Receipt]) -> Receipt {
        let has =
            |word: &str| looks.iter().any(|look| look.seen.as_ref().is_some_and(|seen| seen.status.word() == word));
        let word = ["read", "delivered", "failed", "sent"].into_iter().find(|word| has(word));
        let mut of_word: Vec<StatusUpdate> = Vec::new();
        for look in looks {
            if let Some(seen) = &look.seen
                && Some(seen.status.word()) == word
            {
                of_word.push(seen.clone());
            }
        }
        of_word.sort_by(|a, b| (a.at, &a.code, &a.error).cmp(&(b.at, &b.code, &b.error)));
        let mut replies: Vec<Timestamp> = looks.iter().filter_map(|look| look.replied_at).collect();
        replies.sort();
        let mut checks: Vec<Timestamp> = looks.iter().filter_map(|look| look.checked_at).collect();
        checks.sort();
        let said = |opt_out: OptOut| looks.iter().any(|look| look.opted_out == Some(opt_out));
        Receipt {
            seen: of_word.first().cloned(),
            replied_at: replies.first().copied(),
            opted_out: if said(OptOut::Yes) {
                Some(OptOut::Yes)
            } else if said(OptOut::Maybe) {
                Some(OptOut::Maybe)
            } else {
                None
            },
            checked_at: checks.last().copied(),
            is_gone: looks.iter().any(|look| look.is_gone),
        }
    }

    proptest! {
        #[test]
        fn looks_come_to_the_same_in_any_order_and_any_number(
            (looks, shuffled) in prop::collection::vec(receipt(), 0..8)
                .prop_flat_map(|looks| (Just(looks.clone()), Just(looks).prop_shuffle()))
        ) {
            let merged = looks.iter().cloned().fold(Receipt::default(), Receipt::merge);
            prop_assert_eq!(&merged, &oracle(&looks));
            let other_order = shuffled.into_iter().rev().fold(Receipt::default(), |all, look| look.merge(all));
            prop_assert_eq!(&merged, &other_order);
            let twice = looks.into_iter().fold(merged.clone(), Receipt::merge);
            prop_assert_eq!(merged, twice);
        }

        #[test]
        fn grouping_makes_no_difference(a in receipt(), b in receipt(), c in receipt()) {
            prop_assert_eq!(
                a.clone().merge(b.clone()).merge(c.clone()),
                a.merge(b.merge(c))
            );
        }

        #[test]
        fn every_accepted_message_is_counted_once(looks in prop::collection::vec((receipt(), any::<bool>()), 0..20)) {
            let mut totals = ReceiptTotals::default();
            for (look, is_closed) in &looks {
                totals.add(look, *is_closed);
            }
            prop_assert_eq!(totals.accepted(), looks.len() as u64);
        }
    }

    fn after(words: &[&str]) -> Option<MessageStatus> {
        let look = |(word, second): (&&str, i64)| Receipt {
            seen: Some(StatusUpdate::new(word.parse().unwrap(), time(second))),
            ..Receipt::default()
        };
        words.iter().zip(0..).map(look).fold(Receipt::default(), Receipt::merge).status()
    }

    #[test]
    fn a_failure_replaces_only_sent_and_is_replaced_by_an_arrival() {
        assert_eq!(after(&["sent", "failed"]), Some(MessageStatus::Failed));
        assert_eq!(after(&["failed", "sent"]), Some(MessageStatus::Failed));
        assert_eq!(after(&["failed", "delivered"]), Some(MessageStatus::Delivered));
        assert_eq!(after(&["delivered", "failed"]), Some(MessageStatus::Delivered));
        assert_eq!(after(&["read", "delivered", "failed", "sent"]), Some(MessageStatus::Read));
    }

    #[test]
    fn an_opt_out_stays_when_the_message_arrives_later() {
        let failed = Receipt {
            seen: Some(StatusUpdate {
                code: Some(codes::OPTED_OUT.to_owned()),
                ..StatusUpdate::new(MessageStatus::Failed, time(1))
            }),
            ..Receipt::default()
        };
        let read = Receipt { seen: Some(StatusUpdate::new(MessageStatus::Read, time(2))), ..Receipt::default() };
        let merged = failed.merge(read);
        assert_eq!((merged.status(), merged.opted_out), (Some(MessageStatus::Read), Some(OptOut::Yes)));
        assert_eq!(merged.seen.and_then(|seen| seen.code), None);
    }

    #[test]
    fn what_nobody_knows_is_said_to_be_not_known() {
        let never = Receipt::default();
        assert_eq!(never.state(false), None);
        assert_eq!(never.state(true), Some(ReceiptState::None));
        let nothing_found = Receipt { checked_at: Some(time(1)), ..Receipt::default() };
        assert_eq!(nothing_found.state(false), Some(ReceiptState::Sent));
        assert_eq!(nothing_found.state(true), Some(ReceiptState::None));
    }
}
