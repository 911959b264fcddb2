//! Exit codes.

use std::process::ExitCode;

/// What a finished process says of the campaign. The numbers are a promise to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All done; also when nothing was left to do.
    Done = 0,
    /// The environment failed: a file, the ledger, the server, the credentials.
    Environment = 1,
    /// The spec, the list or the command line is wrong; nothing was sent.
    InvalidInput = 2,
    /// Finished, some failed.
    SomeFailed = 3,
    /// Finished, some unknown (whether or not some failed).
    SomeUnknown = 4,
    /// Stopped by a guard, for a person to look at: canary, `stop_when`, `not_after`.
    Stopped = 5,
    /// Another process is running this campaign.
    InUse = 6,
    /// Nothing is wrong, run it again later: a quota, a window or `not_before` holds, with `--no-wait`.
    Paused = 7,
    /// `status`: nothing was run yet.
    NotBegun = 8,
    /// Interrupted; can be continued.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
