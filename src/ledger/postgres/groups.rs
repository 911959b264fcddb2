//! Changes of many deliveries in one commit: takes what has gathered, commits it as one, tells everybody, and again.

use std::collections::HashSet;
use std::iter;
use std::sync::Arc;

use futures_util::future::{join_all, join3};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Mutex, oneshot, watch};
use tokio_postgres::types::ToSql;

use super::reconnect::{Part, Reconnect};
use super::session::Session;
use crate::ledger::LedgerError;

/// Changes in one commit at most: more would make the first of them wait for no gain.
const MAX_GROUP: usize = 512;

/// Values of a statement on their way to the thread of the connection.
pub(super) type Values = Vec<Box<dyn ToSql + Sync + Send>>;

/// One statement on one delivery.
pub(super) struct Step {
    /// Its first two values are the name of the group, which it writes on the delivery, and the delivery.
    pub(super) sql: &'static str,
    pub(super) id: i64,
    /// The other values.
    pub(super) values: Values,
    /// The delivery's key.
    pub(super) key: String,
    /// Told once the change is on disk.
    pub(super) tell: oneshot::Sender<Result<(), LedgerError>>,
}

/// Serves until nobody can send steps any more.
pub(super) async fn serve(session: Arc<Mutex<Session>>, mut queue: UnboundedReceiver<Step>, reconnect: Arc<Reconnect>) {
    let mut number = 0;
    while let Some(first) = queue.recv().await {
        let mut session = session.lock().await;
        let mut group = vec![first];
        while group.len() < MAX_GROUP
            && let Ok(step) = queue.try_recv()
        {
            group.push(step);
        }
        number += 1;
        let lost = reconnect.lost();
        let known = lost.borrow().clone();
        let changed = match known {
            Some(error) => Err(error),
            None => unless_lost(lost, Box::pin(record(&mut session, &reconnect, &group, number))).await,
        };
        if let Err(error) = &changed {
            lost.send_if_modified(|known| known.is_none().then(|| *known = Some(error.clone())).is_some());
        }
        for (at, step) in group.into_iter().enumerate() {
            let result = match &changed {
                Ok(changed) if changed[at] => Ok(()),
                Ok(_) => Err(LedgerError::Conflict(step.key)),
                Err(error) => Err(error.clone()),
            };
            // Nobody waits any more only when the run is being torn down.
            let _ = step.tell.send(result);
        }
    }
}

/// Commits a group, on as many connections as it takes. Gives which steps have changed their delivery.
async fn record(
    session: &mut Session,
    reconnect: &Arc<Reconnect>,
    group: &[Step],
    number: i64,
) -> Result<Vec<bool>, LedgerError> {
    // No other group of this ledger has this number: a run's number is its own.
    let name = reconnect.run() << 32 | number;
    let mut was_lost = false;
    loop {
        let recorded = reconnect.answered(async {
            let changed = commit(session, group, name).await?;
            if was_lost { or_before(session, group, name, changed).await } else { Ok(changed) }
        });
        match recorded.await {
            Ok(changed) => {
                reconnect.is_back(Part::Records);
                return Ok(changed);
            }
            Err(error @ LedgerError::Disconnected { .. }) => reconnect.recover(session, error).await?,
            Err(error) => return Err(error),
        }
        was_lost = true;
    }
}

/// Whether the steps of a group that is committed again have changed their deliveries, now or before: the connection was lost
/// before the answer came. What changed a delivery is written on it.
async fn or_before(
    session: &Session,
    group: &[Step],
    name: i64,
    mut changed: Vec<bool>,
) -> Result<Vec<bool>, LedgerError> {
    // This waits for what the earlier commit did not wait for: the server's disk, and its standbys.
    session.client.execute("UPDATE ledger SET name = name WHERE id = $1", &[&session.ledger]).await?;
    let ids: Vec<i64> = group.iter().map(|step| step.id).collect();
    let sql = "SELECT id FROM delivery WHERE id = ANY($1) AND changed_by = $2";
    let rows = session.client.query(sql, &[&ids, &name]).await?;
    let before: HashSet<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    for (changed, id) in changed.iter_mut().zip(&ids) {
        *changed |= before.contains(id);
    }
    Ok(changed)
}

/// What comes of some work on the connection, unless the server is given up before: then nobody waits for it any more.
pub(super) async fn unless_lost<T>(
    lost: &watch::Sender<Option<LedgerError>>,
    work: impl Future<Output = Result<T, LedgerError>>,
) -> Result<T, LedgerError> {
    let mut given_up = lost.subscribe();
    tokio::select! {
        biased;
        result = work => result,
        Ok(error) = given_up.wait_for(Option::is_some) => Err(error.clone().unwrap_or(LedgerError::Closed)),
    }
}

/// Commits a group; gives which steps have changed their delivery.
async fn commit(session: &mut Session, group: &[Step], name: i64) -> Result<Vec<bool>, LedgerError> {
    let Session { client, prepared, .. } = session;
    for step in group {
        if !prepared.contains_key(step.sql) {
            prepared.insert(step.sql, client.prepare(step.sql).await?);
        }
    }
    let execute = async |step: &Step| {
        let values = step.values.iter().map(|value| value.as_ref() as &(dyn ToSql + Sync));
        let values: Vec<_> =
            iter::once(&name as &(dyn ToSql + Sync)).chain(iter::once(&step.id as _)).chain(values).collect();
        client.execute(&prepared[step.sql], &values).await
    };
    // All are on their way together, so that no transaction stays open, with what it has locked, when this process is stopped.
    // The first one polled is the first one sent; after an error, nothing of the group is committed.
    let (begun, changed, committed) =
        join3(client.batch_execute("BEGIN"), join_all(group.iter().map(execute)), client.batch_execute("COMMIT")).await;
    begun?;
    let changed = changed.into_iter().map(|count| Ok(count? == 1)).collect::<Result<_, LedgerError>>()?;
    committed?;
    Ok(changed)
}
