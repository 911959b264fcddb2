//! What ends a run before all is sent, other than a person and the environment: for exit codes, for data and in words.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// What stopped a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// The canary waits for approval, or has failed.
    Canary,
    /// `send.stop_when`.
    StopWhen,
    /// An attachment changed during the run.
    Attachment,
    /// `send.not_after`.
    NotAfter,
    /// `send.not_before`.
    NotBefore,
    /// `send.quota`.
    Quota,
    /// `send.window`.
    Window,
}

/// Why a run was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// What stopped it.
    pub by: StoppedBy,
    /// When it can continue, if time alone helps.
    pub until: Option<Timestamp>,
    /// The same in words.
    pub why: String,
}

impl Stopped {
    /// A person has to look.
    pub fn by(by: StoppedBy, why: impl Into<String>) -> Self {
        Self { by, until: None, why: why.into() }
    }
}

impl StoppedBy {
    /// The key of the spec that holds messages until a time.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Canary => "send.canary",
            Self::StopWhen => "send.stop_when",
            Self::Attachment => "message.attachments",
            Self::NotAfter => "send.not_after",
            Self::NotBefore => "send.not_before",
            Self::Quota => "send.quota",
            Self::Window => "send.window",
        }
    }
}
