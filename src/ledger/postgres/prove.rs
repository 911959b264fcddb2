//! Proofs: rows of a table of their own.

use tokio_postgres::Row as SqlRow;
use tokio_postgres::types::ToSql;

use super::handle::Postgres;
use super::session::Session;
use crate::ledger::values::{state, stored, time, unstored};
use crate::ledger::{LedgerError, Proof, ProofNumber, Proofs, Prove};
use crate::state::{ConversationId, MessageId};

const INSERT: &str = "INSERT INTO proof (ledger, at, sent_by, line, key, address, state, left_at, conversation_id,
        message_id, livedesk_status, error_code, error)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id";

const UPDATE: &str =
    "UPDATE proof SET at = $2, sent_by = $3, line = $4, key = $5, address = $6, state = $7, left_at = $8,
        conversation_id = $9, message_id = $10, livedesk_status = $11, error_code = $12, error = $13
     WHERE ledger = $1 AND id = $14 RETURNING id";

const LAST: &str =
    "SELECT at, sent_by, line, key, address, state, left_at, conversation_id, message_id, livedesk_status,
        error_code, error
     FROM proof WHERE ledger = $1 AND left_at IS NOT NULL AND state <> 'pending' ORDER BY id DESC LIMIT 1";

impl Prove for Postgres {
    async fn begin_proofs(&self, campaign: &str) -> Result<(), LedgerError> {
        let name = campaign.to_owned();
        self.alone(|session| async move {
            let sql = "UPDATE ledger SET campaign = coalesce(campaign, $2) WHERE id = $1";
            session.client.execute(sql, &[&session.ledger, &name]).await?;
            Ok(())
        })
        .await
    }

    async fn record_proof(&self, number: Option<ProofNumber>, proof: &Proof) -> Result<ProofNumber, LedgerError> {
        let proof = proof.clone();
        self.alone(move |session| async move { record(&session, number, &proof).await }).await
    }

    async fn proofs(&self) -> Result<Proofs, LedgerError> {
        self.alone(|session| async move {
            let count = "SELECT count(*) FROM proof WHERE ledger = $1 AND left_at IS NOT NULL AND state <> 'pending'";
            let count = unstored(session.client.query_one(count, &[&session.ledger]).await?.try_get(0)?);
            let last = session.client.query_opt(LAST, &[&session.ledger]).await?;
            Ok(Proofs { count, last: last.as_ref().map(proof).transpose()? })
        })
        .await
    }
}

async fn record(session: &Session, number: Option<ProofNumber>, proof: &Proof) -> Result<ProofNumber, LedgerError> {
    let (at, left_at) = (proof.at.as_millisecond(), proof.left_at.map(jiff::Timestamp::as_millisecond));
    let (line, state) = (stored(proof.line), proof.state.word());
    let conversation_id = proof.conversation_id.map(|id| stored(id.0));
    let message_id = proof.message_id.map(|id| stored(id.0));
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![
        &session.ledger,
        &at,
        &proof.by,
        &line,
        &proof.key,
        &proof.to,
        &state,
        &left_at,
        &conversation_id,
        &message_id,
        &proof.livedesk_status,
        &proof.error_code,
        &proof.error,
    ];
    let known = number.map(|number| number.0);
    if let Some(known) = &known {
        values.push(known);
    }
    let sql = if known.is_some() { UPDATE } else { INSERT };
    Ok(ProofNumber(session.client.query_one(sql, &values).await?.try_get(0)?))
}

fn proof(row: &SqlRow) -> Result<Proof, LedgerError> {
    let id = |at: usize| row.try_get::<_, Option<i64>>(at).map(|id| id.map(unstored));
    Ok(Proof {
        at: time(row.try_get(0)?).unwrap_or_default(),
        by: row.try_get(1)?,
        line: unstored(row.try_get(2)?),
        key: row.try_get(3)?,
        to: row.try_get(4)?,
        state: state(row.try_get(5)?)?,
        left_at: row.try_get::<_, Option<i64>>(6)?.and_then(time),
        conversation_id: id(7)?.map(ConversationId),
        message_id: id(8)?.map(MessageId),
        livedesk_status: row.try_get(9)?,
        error_code: row.try_get(10)?,
        error: row.try_get(11)?,
    })
}
