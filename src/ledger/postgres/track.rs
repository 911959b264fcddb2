//! Receipts: which messages to look at, and what was seen. Uses the table `receipt`, and never writes deliveries.

use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::deliver::leases;
use super::handle::Postgres;
use super::session::Session;
use crate::ledger::values::{stored, time, unstored};
use crate::ledger::{LedgerError, Observation, Position, Track, TrackQuery, TrackedMessage, UnknownDelivery};
use crate::receipt::{MessageStatus, OptOut, Receipt, ReceiptTotals, StatusUpdate};
use crate::state::{ContactId, ConversationId, MessageId};

/// What can be looked at.
const TRACKED: &str = "SELECT status, status_at, code, error, replied_at, opted_out, checked_at, is_gone,
        delivery, conversation_id, message_id, contact_id, accepted_at, look_at
    FROM receipt WHERE ledger = $1 AND conversation_id IS NOT NULL AND message_id IS NOT NULL";

/// What the canary has sent.
const OF_CANARY: &str = "delivery IN (SELECT id FROM delivery WHERE ledger = $1
    AND run > greatest($4, (SELECT after_run FROM canary WHERE ledger = $1)))";

impl Track for Postgres {
    async fn tracked(
        &self,
        which: TrackQuery,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<TrackedMessage>, LedgerError> {
        let after = after.map_or(0, Position::number);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (condition, by) = match which {
            TrackQuery::DueBy(time) => ("look_at <= $4", time.as_millisecond()),
            TrackQuery::Open => ("(look_at <= $4 OR (status = 'failed' AND is_gone = 0))", i64::MAX),
            TrackQuery::Canary => (OF_CANARY, 0),
        };
        self.alone(move |session| async move {
            let sql = format!("{TRACKED} AND delivery > $2 AND {condition} ORDER BY delivery LIMIT $3");
            collect(&session, &sql, &[&session.ledger, &after, &limit, &by]).await
        })
        .await
    }

    async fn tracked_in(
        &self,
        conversations: Vec<ConversationId>,
        contacts: Vec<ContactId>,
    ) -> Result<Vec<TrackedMessage>, LedgerError> {
        let conversations: Vec<i64> = conversations.iter().map(|id| stored(id.0)).collect();
        let contacts: Vec<i64> = contacts.iter().map(|id| stored(id.0)).collect();
        self.alone(move |session| async move {
            let sql = format!("{TRACKED} AND (conversation_id = ANY($2) OR contact_id = ANY($3)) ORDER BY delivery");
            collect(&session, &sql, &[&session.ledger, &conversations, &contacts]).await
        })
        .await
    }

    async fn observe(&self, observations: Vec<Observation>) -> Result<(), LedgerError> {
        let observations = Arc::new(observations);
        // What was merged already is merged again without any change.
        self.retried(move |session| {
            let observations = Arc::clone(&observations);
            async move {
                session.begin().await?;
                let mut merged = Ok(());
                for observation in &*observations {
                    merged = match merged {
                        Ok(()) => merge(&session, observation.clone()).await,
                        error => error,
                    };
                }
                session.end(merged).await
            }
        })
        .await
    }

    async fn unknown_deliveries(&self) -> Result<Vec<UnknownDelivery>, LedgerError> {
        self.alone(|session| async move {
            let condition =
                format!("d.id IN (SELECT id FROM {} WHERE state = 'unknown') ORDER BY d.id", session.deliveries());
            let leases = leases(&session, &condition, &[&session.ledger]).await?;
            let ids: Vec<i64> = leases.iter().map(|lease| lease.position().number()).collect();
            let sql = "SELECT coalesce(left_at, claimed_at, 0) FROM delivery WHERE id = ANY($1) ORDER BY id";
            let times = session.client.query(sql, &[&ids]).await?;
            let unknown_deliveries = leases
                .into_iter()
                .zip(&times)
                .map(|(lease, at)| Ok(UnknownDelivery { lease, claimed_at: time(at.try_get(0)?).unwrap_or_default() }));
            unknown_deliveries.collect()
        })
        .await
    }

    async fn complete_until(&self) -> Result<Option<Timestamp>, LedgerError> {
        self.alone(|session| async move {
            let sql = "SELECT complete_until FROM ledger WHERE id = $1";
            let at: Option<i64> = session.client.query_one(sql, &[&session.ledger]).await?.try_get(0)?;
            Ok(at.and_then(time))
        })
        .await
    }

    async fn set_complete_until(&self, until: Timestamp) -> Result<(), LedgerError> {
        self.alone(move |session| async move {
            let sql = "UPDATE ledger SET complete_until = greatest(complete_until, $2) WHERE id = $1";
            session.client.execute(sql, &[&session.ledger, &until.as_millisecond()]).await?;
            Ok(())
        })
        .await
    }
}

async fn collect(
    session: &Session,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<TrackedMessage>, LedgerError> {
    let tracked = |row: &Row| {
        let id = |at: usize| row.try_get::<_, i64>(at).map(unstored);
        Ok(TrackedMessage {
            position: Position::new(row.try_get(8)?),
            conversation_id: ConversationId(id(9)?),
            message_id: MessageId(id(10)?),
            contact_id: row.try_get::<_, Option<i64>>(11)?.map(|id| ContactId(unstored(id))),
            accepted_at: time(row.try_get(12)?).unwrap_or_default(),
            next_look: row.try_get::<_, Option<i64>>(13)?.and_then(time),
            receipt: receipt(row, 0)?,
        })
    };
    session.client.query(sql, values).await?.iter().map(tracked).collect()
}

/// Reads a receipt from eight columns in the order of [`TRACKED`], the first of which is the one at `at`.
pub(super) fn receipt(row: &Row, at: usize) -> Result<Receipt, LedgerError> {
    let moment = |at: usize| row.try_get::<_, Option<i64>>(at).map(|at| at.and_then(time));
    let damaged = |word: &str| LedgerError::damaged(format!("`{word}` is no word of a receipt"));
    let status: Option<&str> = row.try_get(at)?;
    let status: Option<MessageStatus> = status.map(|word| word.parse().map_err(|_| damaged(word))).transpose()?;
    let opted_out: Option<&str> = row.try_get(at + 5)?;
    let opted_out: Option<OptOut> = opted_out.map(|word| word.parse().map_err(|_| damaged(word))).transpose()?;
    let seen = match status {
        Some(status) => Some(StatusUpdate {
            status,
            at: moment(at + 1)?.unwrap_or_default(),
            code: row.try_get(at + 2)?,
            error: row.try_get(at + 3)?,
        }),
        None => None,
    };
    Ok(Receipt {
        seen,
        replied_at: moment(at + 4)?,
        opted_out,
        checked_at: moment(at + 6)?,
        is_gone: row.try_get::<_, Option<i64>>(at + 7)?.unwrap_or_default() != 0,
    })
}

async fn merge(session: &Session, observation: Observation) -> Result<(), LedgerError> {
    let Observation { position, message_id, receipt: seen, next_look, contact_id } = observation;
    let (id, message_id) = (position.number(), stored(message_id.0));
    let sql = "SELECT status, status_at, code, error, replied_at, opted_out, checked_at, is_gone
         FROM receipt WHERE ledger = $1 AND delivery = $2 AND message_id = $3 FOR UPDATE";
    let known = session.client.query_opt(sql, &[&session.ledger, &id, &message_id]).await?;
    // Sent again meanwhile, or no longer accepted: this look was at a message that counts no more.
    let Some(row) = known else { return Ok(()) };
    let merged = receipt(&row, 0)?.merge(seen);
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let seen = merged.seen.as_ref();
    let sql = "UPDATE receipt SET status = $2, status_at = $3, code = $4, error = $5, replied_at = $6, opted_out = $7,
            checked_at = $8, is_gone = $9, look_at = $10, contact_id = coalesce($11, contact_id)
         WHERE delivery = $1";
    let values: [&(dyn ToSql + Sync); 11] = [
        &id,
        &seen.map(|seen| seen.status.word()),
        &seen.map(|seen| seen.at.as_millisecond()),
        &seen.and_then(|seen| seen.code.as_deref()),
        &seen.and_then(|seen| seen.error.as_deref()),
        &millis(merged.replied_at),
        &merged.opted_out.map(OptOut::word),
        &millis(merged.checked_at),
        &i64::from(merged.is_gone),
        &millis(next_look),
        &contact_id.map(|id| stored(id.0)),
    ];
    session.client.execute(sql, &values).await?;
    Ok(())
}

/// How many of the accepted messages that fulfil a condition are where.
pub(super) async fn totals(session: &Session, condition: &str) -> Result<ReceiptTotals, LedgerError> {
    // What is the same for many is counted by the server; the rules are those of `ReceiptTotals`.
    let sql = format!(
        "SELECT status, 0::bigint, NULL::text, NULL::text, CASE WHEN replied_at IS NOT NULL THEN 0::bigint END,
            opted_out, max(checked_at), 0::bigint, look_at IS NULL, count(*)
        FROM receipt WHERE ledger = $1 AND {condition}
        GROUP BY status, replied_at IS NULL, CASE WHEN replied_at IS NOT NULL THEN 0::bigint END, opted_out,
            checked_at IS NULL, look_at IS NULL"
    );
    let mut totals = ReceiptTotals::default();
    for row in session.client.query(&sql, &[&session.ledger]).await? {
        totals.add_many(&receipt(&row, 0)?, row.try_get(8)?, unstored(row.try_get(9)?));
    }
    Ok(totals)
}
