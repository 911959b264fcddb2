//! Proofs: rows of a table of their own.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use super::handle::Sqlite;
use crate::ledger::values::{state, stored, time, unstored};
use crate::ledger::{LedgerError, Proof, ProofNumber, Proofs, Prove};
use crate::state::{ConversationId, MessageId};

impl Prove for Sqlite {
    async fn begin_proofs(&self, campaign: &str) -> Result<(), LedgerError> {
        let name = campaign.to_owned();
        self.alone(move |connection| {
            let sql = "INSERT OR IGNORE INTO campaign (one, name, spec, vars) VALUES (1, ?1, '', '{}')";
            connection.execute(sql, [name])?;
            Ok(())
        })
        .await
    }

    async fn record_proof(&self, number: Option<ProofNumber>, proof: &Proof) -> Result<ProofNumber, LedgerError> {
        let proof = proof.clone();
        self.change(false, move |connection| record(connection, number, &proof)).await
    }

    async fn proofs(&self) -> Result<Proofs, LedgerError> {
        self.alone(|connection| {
            let count = "SELECT count(*) FROM proof WHERE left_at IS NOT NULL AND state <> 'pending'";
            let last = "SELECT at, sent_by, line, key, address, state, left_at, conversation_id, message_id,
                    livedesk_status, error_code, error
                 FROM proof WHERE left_at IS NOT NULL AND state <> 'pending' ORDER BY id DESC LIMIT 1";
            let last = connection.query_row(last, [], |row| Ok(proof(row))).optional()?.transpose()?;
            Ok(Proofs { count: unstored(connection.query_row(count, [], |row| row.get(0))?), last })
        })
        .await
    }
}

fn record(connection: &Connection, number: Option<ProofNumber>, proof: &Proof) -> Result<ProofNumber, LedgerError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO proof (id, at, sent_by, line, key, address, state, left_at, conversation_id,
                message_id, livedesk_status, error_code, error)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            number.map(|number| number.0),
            proof.at.as_millisecond(),
            proof.by,
            stored(proof.line),
            proof.key,
            proof.to,
            proof.state.word(),
            proof.left_at.map(jiff::Timestamp::as_millisecond),
            proof.conversation_id.map(|id| stored(id.0)),
            proof.message_id.map(|id| stored(id.0)),
            proof.livedesk_status,
            proof.error_code,
            proof.error
        ])?;
    Ok(ProofNumber(connection.last_insert_rowid()))
}

fn proof(row: &SqlRow<'_>) -> Result<Proof, LedgerError> {
    let id = |at: usize| row.get::<_, Option<i64>>(at).map(|id| id.map(unstored));
    Ok(Proof {
        at: time(row.get(0)?).unwrap_or_default(),
        by: row.get(1)?,
        line: unstored(row.get(2)?),
        key: row.get(3)?,
        to: row.get(4)?,
        state: state(&row.get::<_, String>(5)?)?,
        left_at: row.get::<_, Option<i64>>(6)?.and_then(time),
        conversation_id: id(7)?.map(ConversationId),
        message_id: id(8)?.map(MessageId),
        livedesk_status: row.get(9)?,
        error_code: row.get(10)?,
        error: row.get(11)?,
    })
}
