//! Deliveries that are claimed and settled in a second, each step on disk before the next: the ledger against the same two
//! statements in a bare `rusqlite` loop, on the same file, with as many in a transaction as the ledger has in flight.

mod common;

use std::cell::Cell;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use campaign::ledger::{self, Acknowledged, Deliver, Enroll, Entry, Ledger, Location, Purpose};
use campaign::recipients::{Columns, Row};
use campaign::state::{ConversationId, MessageId, Outcome};
use common::{Contest, ROUNDS, Result};
use futures_util::TryStreamExt;
use futures_util::stream;
use rusqlite::{Connection, params};
use serde_json::json;

/// A round ends after this time or this many deliveries: disks differ by a factor of a hundred.
const TIME: Duration = Duration::from_millis(400);
const MAX_LEASES: usize = 40_000;

const CLAIM: &str = "UPDATE delivery SET state = 'claimed', run = 1, attempts = 1, claimed_at = ?2,
    first_attempt_at = coalesce(first_attempt_at, ?2), conversation_id = ?3 WHERE id = ?1 AND state = 'pending'";
const SETTLE: &str =
    "UPDATE delivery SET state = 'accepted', message_id = ?2, livedesk_status = 'sent', settled_at = ?3
    WHERE id = ?1 AND state = 'claimed' AND run = 1";

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Not the system's temporary folder, which may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    for concurrency in [1, 16, 256] {
        let path = |name: &str| folder.path().join(format!("{name}-{concurrency}.sqlite"));
        let ledger = runtime.block_on(enrolled(&path("ledger")))?;
        drop(runtime.block_on(enrolled(&path("bare")))?);
        let bare = connection(&path("bare"))?;
        let title = format!("deliveries a second, claimed and settled, {concurrency} in flight");
        let mut contest = Contest::new(title)
            .entrant("rusqlite, bare", || transactions(&bare, concurrency))
            .entrant("the ledger", || runtime.block_on(deliveries(&ledger, concurrency)));
        if concurrency == 1 {
            contest = contest.entrant("two writes of 4 KiB, each with fdatasync", || writes(&folder.path().join("f")));
        }
        contest.run()?;
    }
    Ok(())
}

/// A ledger with enough pending deliveries for all rounds.
async fn enrolled(path: &Path) -> Result<impl Ledger + use<>> {
    let names = ["conversation_id", "name", "order", "status", "city", "amount", "due", "note"];
    let columns = Arc::new(Columns::new(names.map(str::to_owned).to_vec()));
    let ledger = ledger::open(&Location::File(path.to_owned()), Purpose::Run, Acknowledged::default()).await?;
    ledger.begin_enrolment("benchmark", None).await?;
    let entry = |line: usize| {
        let cells = names.map(|_| json!("a cell of twelve")).into();
        Entry::Delivery { key: line.to_string(), row: Row::new(line as u64, columns.clone(), cells), message: None }
    };
    ledger.enroll((0..MAX_LEASES * ROUNDS).map(entry).collect()).await?;
    ledger.finish_enrolment().await?;
    ledger.keep_enrolment(None).await?;
    ledger.begin_run().await?;
    Ok(ledger)
}

async fn deliveries(ledger: &impl Ledger, concurrency: usize) -> Result<f64> {
    let leases = ledger.lease(None, MAX_LEASES).await?;
    let done = Cell::new(0_u32);
    let begun = Instant::now();
    stream::iter(leases.into_iter().take_while(|_| begun.elapsed() < TIME).map(Ok))
        .try_for_each_concurrent(concurrency, async |lease| {
            let claim = ledger.claim(lease, ConversationId(1)).await?;
            let outcome = Outcome::Accepted { message_id: MessageId(1), livedesk_status: "sent".to_owned() };
            done.set(done.get() + 1);
            ledger.settle(claim, outcome).await
        })
        .await?;
    Ok(f64::from(done.get()) / begun.elapsed().as_secs_f64())
}

/// With the ledger's own settings.
fn connection(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16000")?;
    Ok(connection)
}

fn transactions(connection: &Connection, together: usize) -> Result<f64> {
    let mut pending = connection.prepare("SELECT id FROM delivery WHERE state = 'pending' ORDER BY id LIMIT ?1")?;
    let ids = pending.query_map([i64::try_from(MAX_LEASES)?], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    let mut claim = connection.prepare(CLAIM)?;
    let mut settle = connection.prepare(SETTLE)?;
    let mut done = 0_u32;
    let begun = Instant::now();
    for group in ids.chunks(together).take_while(|_| begun.elapsed() < TIME) {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for id in group {
            claim.execute(params![id, 1_800_000_000_000_i64, 1])?;
        }
        connection.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        for id in group {
            settle.execute(params![id, 1, 1_800_000_000_000_i64])?;
            done += 1;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

/// What the disk takes at most, whatever is written.
fn writes(path: &Path) -> Result<f64> {
    let mut file = File::create(path)?;
    let mut done = 0_u32;
    let begun = Instant::now();
    while begun.elapsed() < TIME {
        for _ in 0..2 {
            file.rewind()?;
            file.write_all(&[0; 4096])?;
            file.sync_data()?;
        }
        done += 1;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}
