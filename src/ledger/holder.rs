//! Who runs a campaign.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A process that holds a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process id on that host; 0 where nobody has written it down.
    pub process: u32,
    /// The host's name.
    pub host: String,
    /// When they began.
    pub since: jiff::Timestamp,
}

impl Holder {
    /// This process, from now on.
    pub(super) fn this_process() -> Self {
        Self { process: std::process::id(), host: this_host(), since: jiff::Timestamp::now() }
    }

    /// Somebody who has not said who they are.
    pub(super) fn unnamed() -> Self {
        Self { process: 0, host: "an unknown host".to_owned(), since: jiff::Timestamp::now() }
    }
}

/// The name of this machine.
pub(super) fn this_host() -> String {
    hostname::get().map_or_else(|_| "this host".to_owned(), |name| name.to_string_lossy().into_owned())
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.process == 0 {
            return f.write_str("another process");
        }
        write!(f, "process {} on {} since {:.0}", self.process, self.host, self.since)
    }
}
