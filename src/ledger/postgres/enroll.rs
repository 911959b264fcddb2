//! Taking a list in: every reading of the list is one transaction, so a list with problems changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::Client;

use super::handle::Postgres;
use super::session::Session;
use super::{canary, retry_failed, workers};
use crate::ledger::values::{stored, unstored};
use crate::ledger::{Duplicate, EXAMPLES, Enroll, Enrolment, Entry, Examples, Lease, LedgerError, RetryRules, Version};
use crate::recipients::{Columns, Row};
use crate::state::SkipReason;

/// What the list no longer has: whoever was tried stays on record, although nothing is sent to them any more.
const IS_GONE: &str = "ledger = $1 AND state = 'pending' AND enrolment < $2 AND attempts = 0
    AND NOT EXISTS (SELECT FROM history WHERE history.delivery = delivery.id)";

impl Enroll for Postgres {
    async fn begin_enrolment(&self, campaign: &str, retry: Option<RetryRules>) -> Result<(), LedgerError> {
        let name = campaign.to_owned();
        self.alone(|mut session| async move {
            session.client.batch_execute("BEGIN").await?;
            session.enrolling = true;
            let (client, ledger) = (&session.client, session.ledger);
            client
                .execute(
                    "UPDATE ledger SET campaign = coalesce(campaign, $2), enrolment = enrolment + 1 WHERE id = $1",
                    &[&ledger, &name],
                )
                .await?;
            client.execute("DELETE FROM left_out WHERE ledger = $1", &[&ledger]).await?;
            match retry {
                Some(retry) => retry_failed::mark(client, ledger, &retry).await,
                None => Ok(()),
            }
        })
        .await
    }

    async fn begin_without_list(&self) -> Result<(), LedgerError> {
        self.alone(|mut session| async move {
            session.client.batch_execute("BEGIN").await?;
            session.enrolling = true;
            Ok(())
        })
        .await
    }

    async fn enroll(&self, batch: Vec<Entry>) -> Result<Vec<Duplicate>, LedgerError> {
        self.alone(move |session| async move {
            let now = enrolment(&session).await?;
            let mut reading = Reading::new(&session, now);
            let deliveries = reading.sort(&batch).await?;
            let earlier = reading.insert(&deliveries).await?;
            let mut left_out = SkippedRows::default();
            let mut duplicates = Vec::new();
            for entry in &batch {
                match entry {
                    Entry::Skipped { line, key, reason, row } => {
                        left_out.add(&mut reading, (*line, key), reason, row.as_ref()).await?;
                    }
                    Entry::Delivery { key, row, .. } => {
                        let first_line = deliveries.first_line(key, row.line).or(earlier.get(key.as_str()).copied());
                        if let Some(first_line) = first_line {
                            duplicates.push(Duplicate { line: row.line, first_line });
                            let reason = SkipReason::Duplicate { first_line };
                            left_out.add(&mut reading, (row.line, key), &reason, Some(row)).await?;
                        }
                    }
                }
            }
            left_out.insert(&session).await?;
            Ok(duplicates)
        })
        .await
    }

    async fn skip(&self, people: Vec<(Lease, SkipReason)>) -> Result<(), LedgerError> {
        self.alone(|session| async move {
            let (mut reading, mut left_out) = (Reading::new(&session, 0), SkippedRows::default());
            let mut ids = Vec::with_capacity(people.len());
            for (lease, reason) in people {
                ids.push(lease.position().number());
                left_out.add(&mut reading, (lease.row.line, &lease.key), &reason, Some(&lease.row)).await?;
            }
            let sql = "DELETE FROM delivery WHERE ledger = $1 AND id = ANY($2) AND state = 'pending'";
            session.client.execute(sql, &[&session.ledger, &ids]).await?;
            left_out.insert(&session).await
        })
        .await
    }

    async fn finish_enrolment(&self) -> Result<Enrolment, LedgerError> {
        self.alone(|session| async move {
            let (client, ledger) = (&session.client, session.ledger);
            let now = enrolment(&session).await?;
            let read = Read::count(&session, now).await?;
            let first = if now > 1 { examples(&session, now, &read).await? } else { Examples::default() };
            let gone = if read.earlier > 0 { forget(&session, now).await? } else { 0 };
            let retried = if read.retried > 0 { retry_failed::take_up(client, ledger, now).await? } else { 0 };
            Ok(Enrolment {
                new: unstored(read.new),
                known: unstored(read.known),
                changed: unstored(read.changed),
                gone,
                retried,
                is_reenrolment: now > 1,
                first,
            })
        })
        .await
    }

    async fn keep_enrolment(&self, version: Option<Version>) -> Result<(), LedgerError> {
        let is_shared = self.heartbeat.is_some();
        self.alone(move |mut session| async move {
            if let Some(version) = version {
                keep_version(&session.client, session.ledger, &version).await?;
            }
            session.client.batch_execute("COMMIT").await?;
            session.enrolling = false;
            if is_shared {
                workers::unlock(&session.client, session.ledger).await?;
            }
            Ok(())
        })
        .await
    }

    async fn restart_canary(&self) -> Result<(), LedgerError> {
        self.alone(|session| async move { canary::restart(&session).await }).await
    }

    async fn abandon_enrolment(&self) -> Result<(), LedgerError> {
        self.alone(|mut session| async move {
            session.client.batch_execute("ROLLBACK").await?;
            session.enrolling = false;
            Ok(())
        })
        .await
    }

    async fn discard_if_new(self) {
        if self.kept.is_new {
            // What is left is a name, which is no harm.
            let _ = self
                .alone(|session| async move {
                    let sql = "DELETE FROM ledger WHERE id = $1 AND campaign IS NULL";
                    Ok(session.client.execute(sql, &[&session.ledger]).await?)
                })
                .await;
        }
    }
}

async fn keep_version(client: &Client, ledger: i32, version: &Version) -> Result<(), LedgerError> {
    let Version { spec, vars, attachments } = version;
    client.execute("UPDATE ledger SET spec = $2, vars = $3 WHERE id = $1", &[&ledger, spec, vars]).await?;
    client.execute("DELETE FROM attachment WHERE ledger = $1", &[&ledger]).await?;
    for (path, hash) in attachments {
        client
            .execute("INSERT INTO attachment (ledger, path, hash) VALUES ($1, $2, $3)", &[&ledger, path, hash])
            .await?;
    }
    Ok(())
}

/// The first few of what has changed. They are looked up before those that are gone are forgotten.
async fn examples(session: &Session, now: i64, read: &Read) -> Result<Examples, LedgerError> {
    let lines = async |count: i64, column: &str| -> Result<Vec<u64>, LedgerError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT line FROM delivery WHERE ledger = $1 AND {column} = $2 AND enrolment = $2 ORDER BY id LIMIT {EXAMPLES}"
        );
        let rows = session.client.query(&sql, &[&session.ledger, &now]).await?;
        rows.iter().map(|row| Ok(unstored(row.try_get(0)?))).collect()
    };
    let gone = format!("SELECT key FROM delivery WHERE {IS_GONE} ORDER BY id LIMIT {EXAMPLES}");
    let gone = session.client.query(&gone, &[&session.ledger, &now]).await?;
    Ok(Examples {
        new: lines(read.new, "first_enrolment").await?,
        changed: lines(read.changed, "changed_in").await?,
        gone: gone.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?,
    })
}

async fn enrolment(session: &Session) -> Result<i64, LedgerError> {
    let sql = "SELECT enrolment FROM ledger WHERE id = $1";
    Ok(session.client.query_one(sql, &[&session.ledger]).await?.try_get(0)?)
}

/// What a reading of the list has left in the ledger: counted in one go, for each look at all deliveries takes a while.
struct Read {
    new: i64,
    known: i64,
    changed: i64,
    /// Deliveries that only earlier readings saw.
    earlier: i64,
    /// Failed ones that are marked to be retried.
    retried: i64,
}

impl Read {
    async fn count(session: &Session, now: i64) -> Result<Self, LedgerError> {
        let sql = "SELECT count(*) FILTER (WHERE enrolment = $2 AND first_enrolment = $2),
                count(*) FILTER (WHERE enrolment = $2 AND first_enrolment < $2),
                count(*) FILTER (WHERE enrolment = $2 AND changed_in = $2),
                count(*) FILTER (WHERE enrolment < $2), count(*) FILTER (WHERE again > 0)
             FROM delivery WHERE ledger = $1";
        let row = session.client.query_one(sql, &[&session.ledger, &now]).await?;
        let (new, known, changed) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok(Self { new, known, changed, earlier: row.try_get(3)?, retried: row.try_get(4)? })
    }
}

/// Forgets deliveries that the list no longer has and that nothing was tried for; gives how many those were.
async fn forget(session: &Session, now: i64) -> Result<u64, LedgerError> {
    let (client, ledger) = (&session.client, session.ledger);
    let gone = client.execute(&format!("DELETE FROM delivery WHERE {IS_GONE}"), &[&ledger, &now]).await?;
    follow_rows(session, now).await?;
    // A delivery that was tried speaks for its row, whatever the list says of the row today; a row that cannot be read any
    // more has no key, and is known by its line.
    client
        .execute(
            "DELETE FROM left_out WHERE ledger = $1 AND key = '' AND line IN (
                SELECT line FROM delivery d WHERE d.ledger = $1 AND d.enrolment < $2 AND NOT EXISTS (
                    SELECT FROM left_out l WHERE l.ledger = $1 AND l.key = d.key AND l.reason <> 'duplicate'))",
            &[&ledger, &now],
        )
        .await?;
    client
        .execute(
            "DELETE FROM left_out WHERE id IN (
                SELECT min(l.id) FROM left_out l JOIN delivery d ON d.ledger = $1 AND d.key = l.key
                WHERE l.ledger = $1 AND l.reason <> 'duplicate' AND d.enrolment < $2 GROUP BY l.key)",
            &[&ledger, &now],
        )
        .await?;
    Ok(gone)
}

/// Gives the deliveries that this reading did not see the line of the row that leaves them out; or none, which is 0.
async fn follow_rows(session: &Session, now: i64) -> Result<(), LedgerError> {
    let sql = "UPDATE delivery d SET line = coalesce(
            (SELECT min(line) FROM left_out l WHERE l.ledger = $1 AND l.key = d.key AND l.reason <> 'duplicate'),
            (SELECT min(line) FROM left_out l WHERE l.ledger = $1 AND l.key = '' AND l.line = d.line), 0)
         WHERE d.ledger = $1 AND d.enrolment < $2";
    session.client.execute(sql, &[&session.ledger, &now]).await?;
    Ok(())
}

/// Deliveries of a batch, each key once, column by column.
#[derive(Default)]
struct Deliveries<'b> {
    first_lines: HashMap<&'b str, u64>,
    keys: Vec<&'b str>,
    lines: Vec<i64>,
    columns: Vec<i64>,
    cells: Vec<String>,
    messages: Vec<Option<&'b str>>,
}

impl Deliveries<'_> {
    /// The line of the first row of the batch that has this key, if that is another one.
    fn first_line(&self, key: &str, line: u64) -> Option<u64> {
        self.first_lines.get(key).copied().filter(|first| *first != line)
    }
}

/// A batch on its way into the ledger.
struct Reading<'s> {
    session: &'s Session,
    /// Sets of columns and their ids; almost always there is one.
    columns: Vec<(Arc<Columns>, i64)>,
    enrolment: i64,
}

impl<'s> Reading<'s> {
    const fn new(session: &'s Session, enrolment: i64) -> Self {
        Self { session, columns: Vec::new(), enrolment }
    }

    async fn sort<'b>(&mut self, batch: &'b [Entry]) -> Result<Deliveries<'b>, LedgerError> {
        let mut deliveries = Deliveries::default();
        for entry in batch {
            let Entry::Delivery { key, row, message } = entry else { continue };
            if deliveries.first_lines.contains_key(key.as_str()) {
                continue;
            }
            deliveries.first_lines.insert(key, row.line);
            deliveries.keys.push(key);
            deliveries.lines.push(stored(row.line));
            deliveries.columns.push(self.columns_id(row).await?);
            deliveries.cells.push(serde_json::to_string(&*row.cells).map_err(LedgerError::database)?);
            deliveries.messages.push(message.as_deref());
        }
        Ok(deliveries)
    }

    /// Adds deliveries or recognises them. A known delivery takes over the row while it is pending or will be again; once
    /// it is settled, the row stays what it was then. Gives the lines of those that an earlier batch of this reading has.
    async fn insert(&self, deliveries: &Deliveries<'_>) -> Result<HashMap<String, u64>, LedgerError> {
        let (client, ledger) = (&self.session.client, self.session.ledger);
        let Deliveries { keys, lines, columns, cells, messages, .. } = deliveries;
        let sql = "INSERT INTO delivery AS d (ledger, key, line, enrolment, first_enrolment, columns, cells)
             SELECT $1, key, line, $2, $2, columns, cells
             FROM unnest($3::text[], $4::bigint[], $5::bigint[], $6::text[])
                WITH ORDINALITY AS row (key, line, columns, cells, place) ORDER BY place
             ON CONFLICT (ledger, key) DO UPDATE SET
                line = excluded.line,
                enrolment = excluded.enrolment,
                changed_in = CASE WHEN d.state = 'pending' AND (d.cells <> excluded.cells OR d.columns <> excluded.columns)
                                  THEN excluded.enrolment ELSE d.changed_in END,
                columns = CASE WHEN d.state = 'pending' OR d.again > 0 THEN excluded.columns ELSE d.columns END,
                cells = CASE WHEN d.state = 'pending' OR d.again > 0 THEN excluded.cells ELSE d.cells END
             WHERE d.enrolment < excluded.enrolment";
        let taken = client.execute(sql, &[&ledger, &self.enrolment, keys, lines, columns, cells]).await?;
        if messages.iter().any(Option::is_some) {
            let sql = "UPDATE delivery d SET again = CASE WHEN row.message IS DISTINCT FROM d.sent_as THEN 1 ELSE 0 END
                 FROM unnest($2::text[], $3::text[]) AS row (key, message)
                 WHERE d.ledger = $1 AND d.key = row.key AND d.again = 2";
            client.execute(sql, &[&ledger, keys, messages]).await?;
        }
        if taken == keys.len() as u64 {
            return Ok(HashMap::new());
        }
        // Some were in an earlier batch: their lines are not those of this one.
        let sql = "SELECT d.key, d.line FROM delivery d JOIN unnest($2::text[], $3::bigint[]) AS row (key, line)
             ON d.key = row.key WHERE d.ledger = $1 AND d.line <> row.line";
        let rows = client.query(sql, &[&ledger, keys, lines]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, unstored(row.try_get(1)?)))).collect()
    }

    /// The id of a row's set of columns, known or new.
    async fn columns_id(&mut self, row: &Row) -> Result<i64, LedgerError> {
        if let Some((_, id)) = self.columns.iter().rev().find(|(known, _)| Arc::ptr_eq(known, &row.columns)) {
            return Ok(*id);
        }
        let (client, ledger) = (&self.session.client, self.session.ledger);
        let names = serde_json::to_string(row.columns.names()).map_err(LedgerError::database)?;
        let known =
            client.query_opt("SELECT id FROM columns WHERE ledger = $1 AND names = $2", &[&ledger, &names]).await?;
        let found = match known {
            Some(found) => found,
            None => {
                let sql = "INSERT INTO columns (ledger, names) VALUES ($1, $2) RETURNING id";
                client.query_one(sql, &[&ledger, &names]).await?
            }
        };
        let id = found.try_get(0)?;
        self.columns.push((Arc::clone(&row.columns), id));
        Ok(id)
    }
}

/// Rows that are left out, column by column.
#[derive(Default)]
struct SkippedRows {
    lines: Vec<i64>,
    keys: Vec<String>,
    reasons: Vec<&'static str>,
    details: Vec<String>,
    columns: Vec<Option<i64>>,
    cells: Vec<Option<String>>,
}

impl SkippedRows {
    async fn add(
        &mut self,
        reading: &mut Reading<'_>,
        (line, key): (u64, &str),
        reason: &SkipReason,
        row: Option<&Row>,
    ) -> Result<(), LedgerError> {
        let (mut columns, mut cells) = (None, None);
        if let Some(row) = row {
            columns = Some(reading.columns_id(row).await?);
            cells = Some(serde_json::to_string(&*row.cells).map_err(LedgerError::database)?);
        }
        self.lines.push(stored(line));
        self.keys.push(key.to_owned());
        self.reasons.push(reason.word());
        self.details.push(reason.to_string());
        self.columns.push(columns);
        self.cells.push(cells);
        Ok(())
    }

    async fn insert(&self, session: &Session) -> Result<(), LedgerError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO left_out (ledger, line, key, reason, detail, columns, cells)
             SELECT $1, line, key, reason, detail, columns, cells
             FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[])
                WITH ORDINALITY AS row (line, key, reason, detail, columns, cells, place) ORDER BY place";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
            [&session.ledger, &self.lines, &self.keys, &self.reasons, &self.details, &self.columns, &self.cells];
        session.client.execute(sql, &values).await?;
        Ok(())
    }
}
