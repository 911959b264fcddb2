//! Whether a server keeps what it has said that it keeps.

use tokio_postgres::Client;

use crate::ledger::LedgerError;

/// Settings without which a commit may be forgotten.
const DURABLE: [&str; 3] = ["fsync", "full_page_writes", "synchronous_commit"];

/// Makes sure that a run can write, and that what it writes stays.
pub(super) async fn check_primary(client: &Client) -> Result<(), LedgerError> {
    let row = client
        .query_one(
            "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
                current_setting('server_encoding'), current_setting('server_version_num')::bigint",
            &[],
        )
        .await?;
    let (standby, read_only, encoding): (bool, bool, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let version: i64 = row.try_get(3)?;
    if version < 120_000 {
        return Err(LedgerError::not_usable("this PostgreSQL is older than 12", "use a newer one"));
    }
    if standby {
        return Err(LedgerError::not_usable(
            "this server is a read-only standby",
            "give the address of the primary server",
        ));
    }
    if read_only {
        let advice = "take `default_transaction_read_only` back for this user or database";
        return Err(LedgerError::not_usable("this database is read-only", advice));
    }
    if encoding != "UTF8" {
        let advice = "create one with ENCODING 'UTF8'";
        return Err(LedgerError::not_usable(format!("the encoding of this database is {encoding}"), advice));
    }
    Ok(())
}

/// Makes sure that a commit survives a power cut.
pub(super) async fn check_durable(client: &Client) -> Result<(), LedgerError> {
    let names: Vec<&str> = DURABLE.to_vec();
    let off = client
        .query("SELECT name FROM pg_settings WHERE name = ANY($1) AND setting = 'off' ORDER BY name", &[&names])
        .await?;
    let off: Vec<String> = off.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if off.is_empty() {
        return Ok(());
    }
    let what = format!("this server may forget who was sent to when it fails: {} is off", off.join(" and "));
    Err(LedgerError::not_usable(
        what,
        "switch it on. For a trial with messages that may be sent twice, say `--unsafe-ledger`",
    ))
}

/// What a failover would forget, if there are standbys that no commit waits for.
pub(super) async fn failover_risk(client: &Client) -> Result<Option<String>, LedgerError> {
    // Neither a base backup nor logical replication takes over in a failover. A slot tells what a user without the right to see
    // the state of a connection is not reported.
    let sql = "SELECT (SELECT count(*) FROM pg_stat_replication r WHERE coalesce(r.state, '') <> 'backup'
                AND r.application_name <> 'pg_basebackup'
                AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')),
            current_setting('synchronous_standby_names')";
    let row = client.query_one(sql, &[]).await?;
    let (standbys, synchronous): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
    Ok((standbys > 0 && synchronous.is_empty()).then(|| {
        "no commit waits for the standbys of this server (`synchronous_standby_names` is empty): after a failover, whoever \
         was sent to in the last moments before it may be messaged again"
            .to_owned()
    }))
}
