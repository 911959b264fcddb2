//! The durable record of who gets what, and of what became of it.
//!
//! The API has no idempotency key and no documented way to read a message back, so this record is the only guard
//! against sending twice. Its one rule is in the types: a message is sent with a [`Claim`], and a claim exists only
//! after the intent is on disk. What was claimed and not settled is `unknown` for the next run, never `pending`.

mod lock;
mod sqlite;

use std::future::Future;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::message::Delivery;
use crate::recipients::Row;
use crate::state::{ContactId, ConversationId, Failure, LeftOut, MessageId, Outcome};
pub use lock::{Holder, Lock};
pub use sqlite::{
    Acknowledged, Backup, Enrolled, Enrolment, Frozen, Records, Recovered, Recovery, RetryFailed, Sqlite, Totals,
    frozen_in, is_first_run, register_checksum,
};

/// What went wrong with the record itself. A recipient's failure is never one of these.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The file or its folder.
    #[error("{path}: {why}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's word.
        why: String,
    },
    /// The database.
    #[error("{}the ledger cannot be used: {why}{advice}", place(path.as_deref()))]
    Database {
        /// The file, where there is one.
        path: Option<PathBuf>,
        /// SQLite's word.
        why: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// There is a file, and nothing in it.
    #[error("the ledger is empty; restore it from a backup: without it everyone would be messaged again")]
    Emptied,
    /// There is no ledger, but there was one.
    #[error(
        "{path}: the ledger is missing, but {why}. Move it back or restore it from a backup, with all files of its folder: \
         without it everyone would be messaged again", path = path.display()
    )]
    Missing {
        /// Where it was.
        path: PathBuf,
        /// What says so.
        why: String,
    },
    /// Parts of the file cannot be read, or contradict each other.
    #[error(
        "{}the ledger is damaged ({why}); restore it from a backup, with all files of its folder: without it everyone would \
         be messaged again. Without a backup, `campaign ledger recover` saves what can be read", place(path.as_deref())
    )]
    Damaged {
        /// The file, where it is known.
        path: Option<PathBuf>,
        /// SQLite's word.
        why: String,
    },
    /// The log of a run that was killed cannot be read.
    #[error(
        "{path}: this log of a run that was killed is damaged, and with it the record of who was sent to; restore the ledger \
         from a backup, with all files of its folder. Without a backup, `campaign ledger recover` saves what can be read", path = .0.display()
    )]
    DamagedLog(PathBuf),
    /// It cannot be shown that the ledger knows everyone who was sent to.
    #[error(
        "{path}: {why}. Whoever it does not know of would be messaged again. Restore the newest copy, with all files of its \
         folder. If there is none, `campaign ledger recover` makes one in which everyone whom it may have missed is `unknown`, and \
         `campaign run --accept-older-ledger` goes on with this one", path = path.display()
    )]
    NotCurrent {
        /// The ledger.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The files were taken away while they were in use.
    #[error(
        "{path} was {what} while it was in use: nothing more is sent. Messages in flight whose outcome could not be \
         recorded: {unrecorded}{}", rescue(rescued.as_deref()), path = path.display()
    )]
    Replaced {
        /// The file that is not what it was.
        path: PathBuf,
        /// What happened to it.
        what: &'static str,
        /// Messages that may have left and whose outcome is not recorded.
        unrecorded: usize,
        /// Where a copy of what the ledger held was saved.
        rescued: Option<PathBuf>,
    },
    /// Written by a newer version of this program.
    #[error("the ledger has format {found}, this program knows up to {known}: use the newer program")]
    Newer {
        /// The file's format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The ledger is another campaign's.
    #[error("this is the ledger of the campaign `{0}`: give each campaign its own")]
    OtherCampaign(String),
    /// The delivery is not in the state that the caller believed: somebody else has changed the file.
    #[error("delivery `{0}` was changed by somebody else while this run held it")]
    Conflict(String),
    /// The campaign is being run already.
    #[error("this campaign is being run by {0}")]
    Held(Holder),
    /// The thread that writes has ended, which an earlier error explains.
    #[error("the ledger is closed")]
    Closed,
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        // What we wrote does not come back as it was.
        let is_changed = matches!(
            error,
            rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
        );
        if is_changed {
            return Self::damaged(&error.to_string());
        }
        let advice = match error.sqlite_error_code() {
            Some(Code::DiskFull | Code::SystemIoFailure) => {
                "; make room on the disk or mend it and run again: what is recorded stays, and nobody gets it twice"
            }
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => return Self::damaged(&error.to_string()),
            Some(Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied) => {
                "; it and its folder must be writable for whoever runs the campaign"
            }
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => "; another program has it open: close it there",
            _ => "",
        };
        Self::Database { path: None, why: error.to_string(), advice }
    }
}

fn place(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| format!("{}: ", path.display()))
}

fn rescue(copy: Option<&Path>) -> String {
    copy.map_or_else(String::new, |copy| {
        format!(". What the ledger held was saved as {0}; if it is gone, go on with `--ledger {0}`", copy.display())
    })
}

impl LedgerError {
    /// Parts of the file cannot be read, or contradict each other.
    fn damaged(why: &str) -> Self {
        Self::Damaged { path: None, why: why.to_owned() }
    }

    /// Something in the file that cannot be understood.
    #[expect(clippy::needless_pass_by_value, reason = "errors are handed over whole by `map_err`")]
    fn unreadable(why: impl ToString) -> Self {
        Self::Database { path: None, why: why.to_string(), advice: "" }
    }

    /// The same with the name of the file.
    fn at(self, file: &Path) -> Self {
        match self {
            Self::Database { path: None, why, advice } => Self::Database { path: Some(file.to_owned()), why, advice },
            Self::Damaged { path: None, why } => Self::Damaged { path: Some(file.to_owned()), why },
            Self::Emptied | Self::Newer { .. } => Self::File { path: file.to_owned(), why: self.to_string() },
            other => other,
        }
    }
}

/// A row of the list on its way into the ledger.
#[derive(Debug)]
pub enum Entry {
    /// Somebody to send to.
    Delivery {
        /// What makes it the same delivery in every run.
        key: String,
        /// The recipient's row.
        row: Row,
        /// The fingerprint of their message, where it is asked whether it has changed.
        message: Option<String>,
    },
    /// Somebody who is left out; kept for the report.
    LeftOut {
        /// The row's line.
        line: u64,
        /// Its key, where it has one.
        key: String,
        /// Why.
        reason: LeftOut,
    },
}

/// The place of a delivery in the order of enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(i64);

#[cfg(test)]
impl Position {
    pub(crate) const fn at(id: i64) -> Self {
        Self(id)
    }
}

/// A pending delivery in the hands of this run. Nothing is at stake yet: dropping it leaves it pending.
#[derive(Debug)]
pub struct Lease {
    id: i64,
    /// What makes it this delivery.
    pub key: String,
    /// The recipient's row, as enrolled.
    pub row: Row,
    /// How often it has been tried, the try under way included.
    pub attempts: u32,
    /// The contact, if it is known.
    pub contact_id: Option<ContactId>,
    /// The conversation, if one was made by an earlier attempt.
    pub conversation_id: Option<ConversationId>,
    /// Whether the contact's id comes from an earlier attempt, and may be dead by now.
    contact_is_kept: bool,
    /// The same for the conversation's.
    conversation_is_kept: bool,
    address_hash: Option<String>,
    /// The fingerprint of the message.
    message_hash: Option<String>,
    /// The message that LiveDesk has of it, and that failed at once: it can be asked to send that one again.
    pub failed_message: Option<MessageId>,
}

impl Lease {
    /// From now on for this address and with this message. Ids that an earlier attempt has made for another one (the row
    /// or the spec has been corrected since) are forgotten: they would lead to the wrong person, or send the old text.
    pub fn retarget(&mut self, delivery: &Delivery) {
        let (address, message) = (delivery.address.fingerprint(), delivery.message.fingerprint());
        let same_address = self.address_hash.as_ref() == Some(&address);
        if !same_address {
            self.forget(Gone::Contact);
        }
        if !same_address || self.message_hash.as_ref() != Some(&message) {
            self.failed_message = None;
        }
        self.address_hash = Some(address);
        self.message_hash = Some(message);
    }

    /// Whether the contact was found or made by an earlier attempt, so that LiveDesk may have lost it since.
    pub const fn has_kept_contact(&self) -> bool {
        self.contact_is_kept && self.contact_id.is_some()
    }

    /// The same for the conversation.
    pub const fn has_kept_conversation(&self) -> bool {
        self.conversation_is_kept && self.conversation_id.is_some()
    }

    /// What was found or made just now is not kept from an earlier attempt.
    const fn learn(&mut self, found: Found) {
        match found {
            Found::Contact(id) => (self.contact_id, self.contact_is_kept) = (Some(id), false),
            Found::Conversation(id) => (self.conversation_id, self.conversation_is_kept) = (Some(id), false),
        }
    }

    /// Forgets an id, and those that depend on it.
    const fn forget(&mut self, gone: Gone) {
        self.failed_message = None;
        if matches!(gone, Gone::Contact | Gone::Conversation) {
            (self.conversation_id, self.conversation_is_kept) = (None, false);
        }
        if matches!(gone, Gone::Contact) {
            (self.contact_id, self.contact_is_kept) = (None, false);
        }
    }

    /// Where it stands, for asking what comes behind it.
    pub const fn position(&self) -> Position {
        Position(self.id)
    }
}

/// The right to send one message once: the intent is on disk. Only [`Ledger::claim`] makes one.
///
/// ```compile_fail
/// let claim = campaign::ledger::Claim { lease: todo!(), conversation_id: todo!() };
/// ```
#[derive(Debug)]
#[must_use = "a claim that is not settled is `unknown` for the next run"]
pub struct Claim {
    lease: Lease,
    conversation_id: ConversationId,
    left_at: Option<Timestamp>,
}

impl Claim {
    /// The message leaves now: limits count from then on.
    pub const fn leaves(&mut self, at: Timestamp) {
        self.left_at = Some(at);
    }

    /// The delivery that is claimed.
    pub const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The conversation that the message goes to.
    pub const fn conversation_id(&self) -> ConversationId {
        self.conversation_id
    }
}

/// An id that was found on the way to a message, worth keeping for the next attempt.
#[derive(Debug, Clone, Copy)]
pub enum Found {
    /// The contact was made or found.
    Contact(ContactId),
    /// The conversation was made.
    Conversation(ConversationId),
}

/// What LiveDesk does not know any more, though an earlier attempt found or made it. A conversation goes with its contact,
/// and a message with its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The contact: deleted, or merged into another one.
    Contact,
    /// The conversation.
    Conversation,
    /// The message that failed.
    Message,
}

/// What the sending pipeline needs of a ledger. Each future ends when its own change is on disk.
pub trait Ledger {
    /// Pending deliveries in the order in which they were enrolled, at most `limit`, behind the one at `after`.
    fn lease(&self, after: Option<Position>, limit: usize) -> impl Future<Output = Result<Vec<Lease>, LedgerError>>;

    /// Records the intent to send into a conversation. From here on the message may have left.
    fn claim(&self, lease: Lease, conversation_id: ConversationId) -> impl Future<Output = Result<Claim, LedgerError>>;

    /// Keeps an id that was found on the way.
    fn note(&self, lease: &mut Lease, found: Found) -> impl Future<Output = Result<(), LedgerError>>;

    /// Forgets an id that leads nowhere any more, so that no later attempt asks for it either.
    fn forget(&self, lease: &mut Lease, gone: Gone) -> impl Future<Output = Result<(), LedgerError>>;

    /// Takes the intent back: the request was never made, so it was no attempt.
    fn withdraw(&self, claim: Claim) -> impl Future<Output = Result<Lease, LedgerError>>;

    /// Takes the intent back: it is certain that the message was not taken.
    fn release(&self, claim: Claim) -> impl Future<Output = Result<Lease, LedgerError>>;

    /// Records how it ended.
    fn settle(&self, claim: Claim, outcome: Outcome) -> impl Future<Output = Result<(), LedgerError>>;

    /// Records that a pending delivery was refused for good, by the answer to its message or on the way to it.
    fn refuse(&self, lease: Lease, failure: Failure) -> impl Future<Output = Result<(), LedgerError>>;
}
