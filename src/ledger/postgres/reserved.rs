//! Moments that a worker has reserved for its messages.

use std::collections::VecDeque;
use std::sync::Weak;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_postgres::Client;

/// Moments that were reserved for messages and have not come.
#[derive(Debug, Default)]
pub(super) struct Reserved(Mutex<VecDeque<Moment>>);

impl Reserved {
    /// The next one that is not over for longer than this.
    pub(super) fn next(&self, max_lateness: Duration) -> Option<Moment> {
        let mut moments = self.0.lock();
        std::iter::from_fn(|| moments.pop_front())
            .find(|moment| moment.at.elapsed() <= max_lateness && moment.is_connected())
    }

    /// Adds later ones.
    pub(super) fn add(&self, moments: impl Iterator<Item = Moment>) {
        self.0.lock().extend(moments);
    }
}

/// A moment, and the connection on which it was reserved.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) reserved_on: Weak<Client>,
}

impl Moment {
    /// A server that has crashed meanwhile may have forgotten the moment, and give it to somebody else.
    pub(super) fn is_connected(&self) -> bool {
        self.reserved_on.upgrade().is_some_and(|client| !client.is_closed())
    }
}
