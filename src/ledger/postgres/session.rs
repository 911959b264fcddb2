//! The connection that does the work, used by one at a time.

use std::collections::HashMap;

use tokio_postgres::{Client, Statement};

use super::connect::Driving;
use crate::ledger::LedgerError;

/// A connection, and which ledger it is for.
#[derive(Debug)]
pub(super) struct Session {
    /// How many connections there were before this one.
    pub(super) generation: u64,
    /// Statements that the server knows on this connection.
    pub(super) prepared: HashMap<&'static str, Statement>,
    /// What drives a connection that was made again.
    driving: Option<Driving>,
    pub(super) client: Client,
    /// The ledger's number in this database.
    pub(super) ledger: i32,
    /// Whether a transaction is under way that keeps or forgets an enrolment.
    pub(super) enrolling: bool,
    /// Whether no run holds the ledger: what is claimed then was in flight when its run died.
    pub(super) dead: bool,
}

impl Session {
    /// The first connection.
    pub(super) fn new(client: Client, ledger: i32) -> Self {
        let prepared = HashMap::new();
        Self { client, ledger, enrolling: false, dead: false, generation: 0, prepared, driving: None }
    }

    /// Leaves a connection that is lost, though it may seem to be whole.
    pub(super) fn abandon(&mut self) {
        self.driving = None;
    }

    /// Continues with a new connection.
    pub(super) fn replace(&mut self, client: Client, driving: Driving) {
        self.client = client;
        self.prepared.clear();
        self.generation += 1;
        self.driving = Some(driving);
    }

    /// Begins what is done whole or not at all, within an enrolment or by itself.
    pub(super) async fn begin(&self) -> Result<(), LedgerError> {
        Ok(self.client.batch_execute(if self.enrolling { "SAVEPOINT step" } else { "BEGIN" }).await?)
    }

    /// Keeps what was done since, or takes it back if it failed.
    pub(super) async fn end<T>(&self, result: Result<T, LedgerError>) -> Result<T, LedgerError> {
        let sql = match (&result, self.enrolling) {
            (Ok(_), false) => "COMMIT",
            (Ok(_), true) => "RELEASE step",
            (Err(_), false) => "ROLLBACK",
            (Err(_), true) => "ROLLBACK TO step",
        };
        let ended = self.client.batch_execute(sql).await;
        let value = result?;
        ended?;
        Ok(value)
    }

    /// The deliveries of this ledger as they are to be seen: a query for a `FROM`. A pending one that the list has no more
    /// is left out: nothing is sent to it.
    pub(super) fn deliveries(&self) -> String {
        let (ledger, dead) = (self.ledger, self.dead);
        let gone = format!("state = 'pending' AND enrolment < (SELECT enrolment FROM ledger WHERE id = {ledger})");
        format!(
            "(SELECT id, key, line,
                CASE WHEN state = 'claimed' AND {dead} THEN 'unknown' WHEN {gone} THEN 'skipped' ELSE state END AS state,
                nullif(line, 0) AS line_on_list, columns, cells, attempts, contact_id, conversation_id, message_id,
                livedesk_status,
                CASE WHEN state = 'claimed' AND {dead} THEN 'cut-off' WHEN {gone} THEN 'gone'
                     ELSE error_code END AS error_code,
                CASE WHEN state = 'claimed' AND {dead} THEN 'the run ended before the answer came'
                     WHEN {gone} THEN 'no longer on the list' ELSE error END AS error,
                first_attempt_at, settled_at, run
             FROM delivery WHERE ledger = {ledger}) AS seen"
        )
    }
}
