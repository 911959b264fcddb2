//! Limits that count for all workers: moments are reserved in the database, by its clock, and used when they come. A moment
//! that is missed lapses, so whatever dies or stalls, nobody is faster than the limit.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_postgres::Client;

use super::heartbeat::{Heartbeat, RETRY_AFTER};
use super::reserved::Moment;
use crate::ledger::{LedgerError, Limits, RequestKind};
use crate::specification::Speed;

/// By so much all limits are slower than configured: workers are late by different times, on a busy machine by ten milliseconds and
/// more, and the server must not see one too many in a second.
const MARGIN: f64 = 1.02;

/// A moment is missed when it is over for this share of the limit's unit of time: less than what the margin makes up for.
const MAX_LATENESS: f64 = 0.005;

/// So many moments are missed one after the other at most: then a late one is used, and a later one is not.
const MAX_MISSED: u32 = 5;

/// Moments for so long are reserved in one go.
const BLOCK: Duration = Duration::from_millis(50);
const MAX_BLOCK: u128 = 64;

/// Moments further apart than this are on disk before they are used: a server that crashed and is back sooner than the next one
/// comes must not give it away again.
const DURABLE_FROM: Duration = Duration::from_millis(50);

/// What is reserved for one request.
#[derive(Debug, Clone, Copy)]
struct Reservation {
    /// Messages that are reserved together; none for a request that is no message.
    messages: i64,
    /// Between two messages, and between two requests, in microseconds; 0 is no limit.
    spacing: i64,
    gap: i64,
    /// From one moment of a block to the next.
    step: Duration,
    max_lateness: Duration,
}

impl Reservation {
    /// What a request needs; `None` where it needs none.
    fn of(kind: RequestKind, limits: Limits) -> Option<Self> {
        let (spacing, gap) = (interval(limits.messages), interval(limits.requests));
        let has_others = limits.requests_each > 1;
        // Where nothing but messages leaves, both limits are one.
        let spacing = if spacing.is_zero() || has_others { spacing } else { spacing.max(gap) };
        let is_message = kind == RequestKind::Message && !spacing.is_zero();
        let step = if is_message { spacing } else { gap };
        if step.is_zero() {
            return None;
        }
        // Where requests are what there is too little of, they leave one after the other, and none keeps room free for later.
        let are_scarce = has_others && gap * u32::try_from(limits.requests_each).unwrap_or(u32::MAX) > spacing;
        let block = BLOCK.as_nanos().div_ceil(step.as_nanos()).min(MAX_BLOCK);
        let block = if are_scarce { 1 } else { i64::try_from(block).unwrap_or(1) };
        Some(Self {
            messages: if is_message { block } else { 0 },
            spacing: microseconds(spacing),
            gap: microseconds(gap),
            step,
            max_lateness: unit(if is_message { limits.messages } else { limits.requests }).mul_f64(MAX_LATENESS),
        })
    }
}

impl Heartbeat {
    /// Waits until the limits of all workers together let something leave.
    pub(super) async fn wait_for_limits(&self, kind: RequestKind, limits: Limits) -> Result<(), LedgerError> {
        let Some(reservation) = Reservation::of(kind, limits) else { return Ok(()) };
        let mut missed = 0;
        loop {
            let moment = self.next_moment(&reservation).await?;
            sleep_until(moment.at).await;
            let is_late = moment.at.elapsed() > reservation.max_lateness;
            if is_late && missed < MAX_MISSED {
                missed += 1;
                continue;
            }
            // A server that has crashed meanwhile may have forgotten the moment, and give it to somebody else.
            if !moment.is_connected() {
                continue;
            }
            if is_late {
                // A later moment stays unused for it, so that the time from now on has no more of them than it should.
                drop(self.next_moment(&reservation).await?);
            }
            return Ok(());
        }
    }

    /// The next moment that is reserved for this worker and not over.
    async fn next_moment(&self, reservation: &Reservation) -> Result<Moment, LedgerError> {
        if reservation.messages > 0
            && let Some(moment) = self.reserved.next(reservation.max_lateness)
        {
            return Ok(moment);
        }
        let project = self.project.lock().clone();
        let (moments, reserved_on) = loop {
            let client = self.client().await?;
            match self.answered(reserve(&client, self.ledger, &project, reservation)).await {
                Ok(moments) => break (moments, Arc::downgrade(&client)),
                // It is about to be made anew; nothing was reserved, or it lapses.
                Err(LedgerError::Disconnected { .. }) => tokio::time::sleep(RETRY_AFTER).await,
                Err(error) => return Err(error),
            }
        };
        let mut moments = moments.into_iter().map(|at| Moment { at, reserved_on: Weak::clone(&reserved_on) });
        let first = moments.next().ok_or_else(|| LedgerError::damaged("no moment was reserved"))?;
        self.reserved.add(moments);
        Ok(first)
    }
}

/// Reserves; gives the moments by our clock.
async fn reserve(
    client: &Client,
    ledger: i32,
    project: &str,
    reservation: &Reservation,
) -> Result<Vec<Instant>, LedgerError> {
    let Reservation { messages, spacing, gap, step, .. } = reservation;
    let durable = if *step >= DURABLE_FROM { "on" } else { "off" };
    let sql = "SELECT reserved, now FROM set_config('synchronous_commit', $6, true), reserve($1, $2, $3, $4, $5)";
    let row = client.query_one(sql, &[&ledger, &project, messages, spacing, gap, &durable]).await?;
    let (moments, now): (Vec<i64>, i64) = (row.try_get(0)?, row.try_get(1)?);
    // The server looked at its clock before this answer came: by ours a moment may be sooner, and is never later.
    let base = Instant::now();
    let by_ours = |moment: i64| base + Duration::from_micros(u64::try_from(moment - now).unwrap_or_default());
    Ok(moments.into_iter().map(by_ours).collect())
}

fn interval(speed: Speed) -> Duration {
    speed.interval().unwrap_or_default().mul_f64(MARGIN)
}

fn unit(speed: Speed) -> Duration {
    match speed {
        Speed::Unlimited => Duration::from_secs(1),
        Speed::Limited(rate) => rate.per,
    }
}

fn microseconds(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
