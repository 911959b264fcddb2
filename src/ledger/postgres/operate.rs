//! An operator's word. How a delivery had ended before is kept in `history`.

use super::handle::Postgres;
use super::retry_failed;
use super::session::Session;
use crate::ledger::values::{now, stored};
use crate::ledger::{LedgerError, Operate, Resolution, Resolved, RetryRules};
use crate::state::{OperatorAction, RESOLVED, State};

impl Operate for Postgres {
    async fn resolve(
        &self,
        keys: Option<Vec<String>>,
        sent: bool,
        note: Option<String>,
    ) -> Result<Resolved, LedgerError> {
        self.alone(move |session| async move {
            session.begin().await?;
            let resolved = match not_unknown(&session, keys.as_deref()).await {
                Ok(others) if others.is_empty() => {
                    resolve(&session, keys.as_deref(), sent, note.as_deref()).await.map(Resolved::All)
                }
                others => others.map(Resolved::NotUnknown),
            };
            session.end(resolved).await
        })
        .await
    }

    async fn settle_by_evidence(&self, resolutions: Vec<Resolution>) -> Result<u64, LedgerError> {
        self.alone(move |session| async move {
            session.begin().await?;
            let mut settled = Ok(0);
            for resolution in resolutions {
                settled = match (settled, settle_one(&session, &resolution).await) {
                    (Ok(before), Ok(one)) => Ok(before + one),
                    (Err(error), _) | (_, Err(error)) => Err(error),
                };
            }
            session.end(settled).await
        })
        .await
    }

    async fn retry_failed(&self, retry: RetryRules) -> Result<u64, LedgerError> {
        self.alone(move |session| async move {
            session.begin().await?;
            let taken = retry_now(&session, &retry).await;
            session.end(taken).await
        })
        .await
    }
}

async fn retry_now(session: &Session, retry: &RetryRules) -> Result<u64, LedgerError> {
    let (client, ledger) = (&session.client, session.ledger);
    retry_failed::mark(client, ledger, retry).await?;
    let enrolment = client.query_one("SELECT enrolment FROM ledger WHERE id = $1", &[&ledger]).await?.try_get(0)?;
    retry_failed::take_up(client, ledger, enrolment).await
}

/// Those of the keys that have no unknown delivery.
async fn not_unknown(session: &Session, keys: Option<&[String]>) -> Result<Vec<String>, LedgerError> {
    let Some(keys) = keys else { return Ok(Vec::new()) };
    let sql = "SELECT row.key FROM unnest($2::text[]) WITH ORDINALITY AS row (key, place)
         WHERE NOT EXISTS (SELECT FROM delivery d WHERE d.ledger = $1 AND d.key = row.key AND d.state = 'unknown')
         ORDER BY place";
    let others = session.client.query(sql, &[&session.ledger, &keys]).await?;
    Ok(others.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

async fn resolve(
    session: &Session,
    keys: Option<&[String]>,
    sent: bool,
    note: Option<&str>,
) -> Result<u64, LedgerError> {
    const { assert!(State::Unknown.can_become(State::Accepted) && State::Unknown.can_become(State::Pending)) };
    let (client, ledger, now) = (&session.client, session.ledger, now());
    let action = if sent { OperatorAction::ResolvedAsSent } else { OperatorAction::ResolvedAsNotSent };
    client
        .execute(
            "INSERT INTO history (ledger, delivery, at, outcome, error_code, error, message_id, claimed_at, word, note)
             SELECT ledger, id, $2, state, error_code, error, message_id,
                CASE WHEN $6 THEN NULL ELSE coalesce(left_at, claimed_at) END, $3, $4
             FROM delivery
             WHERE ledger = $1 AND state = 'unknown' AND ($5::text[] IS NULL OR key = ANY($5)) ORDER BY id",
            &[&ledger, &now, &action.word(), &note, &keys, &sent],
        )
        .await?;
    let changed = client
        .execute(
            "UPDATE delivery SET state = CASE WHEN $2 THEN 'accepted' ELSE 'pending' END,
                settled_at = CASE WHEN $2 THEN $3::bigint END, error_code = CASE WHEN $2 THEN $5::text END, error = NULL,
                message_id = CASE WHEN $2 THEN message_id END
             WHERE ledger = $1 AND state = 'unknown' AND ($4::text[] IS NULL OR key = ANY($4))",
            &[&ledger, &sent, &now, &keys, &RESOLVED],
        )
        .await?;
    Ok(changed)
}

async fn settle_one(session: &Session, resolution: &Resolution) -> Result<u64, LedgerError> {
    const { assert!(State::Unknown.can_become(State::Accepted) && State::Unknown.can_become(State::Pending)) };
    let (client, ledger, now) = (&session.client, session.ledger, now());
    let Resolution { position, message_id, note } = resolution;
    let (id, sent) = (position.number(), message_id.is_some());
    let action = if sent { OperatorAction::ResolvedAsSent } else { OperatorAction::ResolvedAsNotSent };
    let sql =
        "INSERT INTO history (ledger, delivery, at, outcome, error_code, error, message_id, claimed_at, word, note)
         SELECT ledger, id, $3, state, error_code, error, message_id,
            CASE WHEN $6 THEN NULL ELSE coalesce(left_at, claimed_at) END, $4, $5
         FROM delivery WHERE ledger = $1 AND id = $2 AND state = 'unknown'";
    client.execute(sql, &[&ledger, &id, &now, &action.word(), note, &sent]).await?;
    let sql = "UPDATE delivery SET state = CASE WHEN $3 THEN 'accepted' ELSE 'pending' END,
            settled_at = CASE WHEN $3 THEN $4::bigint END, error_code = CASE WHEN $3 THEN $5::text END, error = NULL,
            message_id = $6
         WHERE ledger = $1 AND id = $2 AND state = 'unknown'";
    let message_id = message_id.map(|id| stored(id.0));
    Ok(client.execute(sql, &[&ledger, &id, &sent, &now, &RESOLVED, &message_id]).await?)
}
