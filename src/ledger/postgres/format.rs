//! The tables: made on first use, those of an older format brought up by a run, and those of a newer one refused.

use tokio_postgres::Client;

use crate::ledger::LedgerError;

/// The format that this program writes.
const FORMAT: i64 = 8;

const SCHEMA: &str = concat!(include_str!("schema.sql"), include_str!("transfer.sql"));

/// What several workers need.
const WORKERS: &str = include_str!("workers.sql");

/// What each format after the first one adds.
const LATER: [&str; 7] = [
    include_str!("proofs.sql"),
    include_str!("groups.sql"),
    include_str!("canary.sql"),
    include_str!("shared_state.sql"),
    include_str!("quotas.sql"),
    include_str!("canary_turn.sql"),
    include_str!("project.sql"),
];

/// Advisory locks with this number are ours; the second number is the ledger's, and 0 for making the tables.
pub(super) const LOCKS: i32 = 0x6361_6d70;

/// What a database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// No ledger has ever been made in it.
    Nothing,
    /// Tables of an older format.
    Older(i64),
    /// Tables of this format.
    Tables,
}

/// Looks for our tables.
pub(super) async fn find(client: &Client) -> Result<Found, LedgerError> {
    let sql = "SELECT to_regnamespace('campaign') IS NOT NULL, to_regclass('campaign.format') IS NOT NULL,
        EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('campaign'))";
    let row = client.query_one(sql, &[]).await?;
    let (schema, format, occupied): (bool, bool, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    match (schema, format, occupied) {
        (true, false, true) => Err(LedgerError::not_usable(
            "the schema `campaign` of this database holds tables of another program",
            "give the ledgers a database of their own",
        )),
        (_, false, _) => Ok(Found::Nothing),
        (_, true, _) => {
            let found: Option<i64> = client
                .query_opt("SELECT format FROM campaign.format", &[])
                .await?
                .map(|row| row.try_get(0))
                .transpose()?;
            match found {
                Some(FORMAT) => Ok(Found::Tables),
                Some(found) if found > FORMAT => Err(LedgerError::Newer { path: None, found, known: FORMAT }),
                Some(found @ 1..FORMAT) => Ok(Found::Older(found)),
                Some(found) => Err(LedgerError::not_usable(
                    format!("the ledgers of this database have format {found}, which no program has ever written"),
                    "restore the database from a backup",
                )),
                None => Err(LedgerError::damaged("the schema `campaign` does not say its format")),
            }
        }
    }
}

/// Why a ledger that is only looked at cannot be: its tables are of an older format.
pub(super) fn is_older(found: i64) -> LedgerError {
    LedgerError::not_usable(
        format!("the ledgers of this database have format {found}, and this program needs {FORMAT}"),
        "the next `campaign run` with one of them brings all of them up",
    )
}

/// Makes the tables where there are none, and brings older ones up. Of several that try at once, one does.
pub(super) async fn ensure(client: &Client) -> Result<(), LedgerError> {
    if find(client).await? == Found::Tables {
        return Ok(());
    }
    client.batch_execute("BEGIN").await?;
    let made = make(client).await;
    let end = if made.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = client.batch_execute(end).await;
    made?;
    Ok(ended?)
}

async fn make(client: &Client) -> Result<(), LedgerError> {
    client.execute("SELECT pg_advisory_xact_lock($1, 0)", &[&LOCKS]).await?;
    match find(client).await? {
        Found::Nothing => {}
        Found::Older(found) => {
            for (_, step) in (2..).zip(LATER).filter(|(format, _)| *format > found) {
                client.batch_execute(step).await?;
            }
            client.execute("UPDATE campaign.format SET format = $1", &[&FORMAT]).await?;
            return Ok(());
        }
        Found::Tables => return Ok(()),
    }
    // A schema that an administrator has made for us needs no right to make one.
    let exists: bool = client.query_one("SELECT to_regnamespace('campaign') IS NOT NULL", &[]).await?.try_get(0)?;
    if !exists {
        client.batch_execute("CREATE SCHEMA campaign").await?;
    }
    client.batch_execute(SCHEMA).await?;
    client.batch_execute(WORKERS).await?;
    for step in LATER {
        client.batch_execute(step).await?;
    }
    client.execute("INSERT INTO campaign.format (format) VALUES ($1)", &[&FORMAT]).await?;
    Ok(())
}
