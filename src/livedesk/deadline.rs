//! How long an answer may take: counted from when the request may have left, and only while this process runs.
//!
//! The timeout of reqwest counts from the call. It cannot tell a connection that does not come about, when nothing has
//! left, from an answer that does not come; and after a stall (SIGSTOP, a frozen container) it fires before anybody has
//! read the answer that has long been there. Knows nothing of what is asked and answered.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// The time is counted in steps of this length, so that a stall costs no more than one of them.
const STEP: Duration = Duration::from_millis(500);

/// A step that ends later than this was a stall. Timers of a busy machine are late by some milliseconds.
const STALL: Duration = Duration::from_millis(100);

/// After a stall there is this much time to read what has come meanwhile.
const GRACE: Duration = Duration::from_secs(1);

/// A process that is stalled again in each grace has no more than so many: every wait ends.
const MAX_GRACES: usize = 5;

/// Why an exchange has no whole answer.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// The request may have left, and the time for its answer is over.
    TimedOut,
    /// The transport failed.
    Transport(reqwest::Error),
    /// The answer is another request's.
    OfAnother,
}

impl From<reqwest::Error> for ExchangeError {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error)
    }
}

/// The end of the time for one answer.
pub(super) struct Deadline {
    departed: Arc<Notify>,
    passed: Pin<Box<dyn Future<Output = ()>>>,
}

impl Deadline {
    /// `limit` after `request` may have left. Until then the wait is bounded by the timeout for connections.
    pub(super) fn watch(request: &mut reqwest::Request, limit: Duration) -> Self {
        let departed = Arc::new(Notify::new());
        let body = request.body_mut().take().unwrap_or_default();
        *request.body_mut() = Some(reqwest::Body::wrap(WatchedBody { body, departed: Arc::clone(&departed) }));
        let watched = Arc::clone(&departed);
        let passed = Box::pin(async move {
            watched.notified().await;
            run_for(limit).await;
        });
        Self { departed, passed }
    }

    /// What `io` gives, if it does so in time. What has come is looked at before the time is.
    pub(super) async fn before<T>(
        &mut self,
        io: impl Future<Output = Result<T, reqwest::Error>>,
    ) -> Result<T, ExchangeError> {
        tokio::select! {
            biased;
            result = io => Ok(result?),
            () = &mut self.passed => Err(ExchangeError::TimedOut),
        }
    }
}

impl std::fmt::Debug for Deadline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deadline").field("departed", &self.departed).finish_non_exhaustive()
    }
}

/// Ends when this process has been running for `limit`, and not in the moment in which a stall ends.
async fn run_for(limit: Duration) {
    let mut left = limit;
    let mut stalled = false;
    while !left.is_zero() {
        let step = left.min(STEP);
        stalled = stalls_in(step).await;
        left -= step;
    }
    for _ in 0..MAX_GRACES {
        if !stalled {
            return;
        }
        stalled = stalls_in(GRACE).await;
    }
}

/// Whether the process was stalled in the next `step`.
async fn stalls_in(step: Duration) -> bool {
    let due = Instant::now() + step;
    sleep(step).await;
    due.elapsed() > STALL
}

/// A body that tells when a connection takes it: the head of the request is written in the same moment. Before that,
/// nothing of the request has left.
struct WatchedBody {
    body: reqwest::Body,
    departed: Arc<Notify>,
}

impl Body for WatchedBody {
    type Data = <reqwest::Body as Body>::Data;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.departed.notify_one();
        Pin::new(&mut self.body).poll_frame(context)
    }

    /// hyper asks this when it has the connection, and before it writes: all that it does with an empty body.
    fn is_end_stream(&self) -> bool {
        self.departed.notify_one();
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whatever else becomes of a body, the time runs from then on.
impl Drop for WatchedBody {
    fn drop(&mut self) {
        self.departed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ran_for(limit: u64) -> u128 {
        let began = Instant::now();
        run_for(Duration::from_millis(limit)).await;
        began.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_is_the_limit() {
        for limit in [1, 499, 500, 1_000, 1_200, 30_000] {
            let ran = ran_for(limit).await;
            assert!((u128::from(limit)..=u128::from(limit) + 80).contains(&ran), "{ran} for {limit}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_does_not_count_and_its_end_is_not_the_end() {
        let (ran, ()) = tokio::join!(ran_for(2_000), async {
            sleep(Duration::from_millis(1_600)).await;
            tokio::time::advance(Duration::from_mins(10)).await;
        });
        assert!((601_500..=603_500).contains(&ran), "{ran}");
    }
}
