//! The signals that ask a run to end: Ctrl-C, and what service managers, closed terminals and Ctrl-\ send.

use std::io;

use tokio::signal;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind};

use super::error::CliError;
use crate::progress::Progress;
use crate::run::{End, Stop};

/// A system that lets nobody listen to signals.
pub(super) fn cannot_listen(error: io::Error) -> CliError {
    CliError::caused("cannot listen for signals", error)
}

/// The first signal asks the run to end in good order; at the second this ends, and with it the run.
pub(super) async fn interrupted_twice(mut signals: Signals, stop: &Stop, progress: &Progress) {
    signals.next().await;
    progress.line("stopping: finishing requests in flight (interrupt again to stop at once)");
    stop.because(End::Interrupted);
    signals.next().await;
}

/// Heard from the moment it is made. Until then a signal ends the process at once, as is right while nothing is sent.
pub(super) struct Signals {
    #[cfg(unix)]
    heard: Vec<Signal>,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        {
            let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit()];
            if !is_hangup_ignored() {
                kinds.push(SignalKind::hangup());
            }
            Ok(Self { heard: kinds.into_iter().map(signal::unix::signal).collect::<io::Result<_>>()? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Ends when the next one comes.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        {
            use futures_util::future::select_all;

            select_all(self.heard.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
        }
        #[cfg(not(unix))]
        if signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Whether this process was started so that a closed terminal does not end it, as `nohup` does. Where the system does
/// not say, it is taken for granted: the signal is left to do what it does.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Signal 1 is the lowest bit.
    ignored.is_none_or(|mask| mask & 1 == 1)
}
