//! Changes of many deliveries in one commit: takes what has gathered, commits it as one, tells everybody, and again.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::{join_all, join3};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Mutex, oneshot, watch};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::session::Session;
use crate::ledger::LedgerError;

/// Changes in one commit at most: more would make the first of them wait for no gain.
const MAX_GROUP: usize = 512;

/// Values of a statement on their way to the thread of the connection.
pub(super) type Values = Vec<Box<dyn ToSql + Sync + Send>>;

/// One statement on one delivery.
pub(super) struct Step {
    pub(super) sql: &'static str,
    pub(super) values: Values,
    /// The delivery's key.
    pub(super) key: String,
    /// Told once the change is on disk.
    pub(super) tell: oneshot::Sender<Result<(), LedgerError>>,
}

/// Serves until nobody can send steps any more.
pub(super) async fn serve(
    session: Arc<Mutex<Session>>,
    mut queue: UnboundedReceiver<Step>,
    lost: watch::Sender<Option<LedgerError>>,
) {
    let mut prepared = HashMap::new();
    while let Some(first) = queue.recv().await {
        let session = session.lock().await;
        let mut group = vec![first];
        while group.len() < MAX_GROUP
            && let Ok(step) = queue.try_recv()
        {
            group.push(step);
        }
        let known = lost.borrow().clone();
        let changed = match known {
            Some(error) => Err(error),
            None => unless_lost(&lost, commit(&session.client, &mut prepared, &group)).await,
        };
        if let Err(error) = &changed {
            lost.send_if_modified(|known| known.is_none().then(|| *known = Some(error.clone())).is_some());
        }
        for (at, step) in group.into_iter().enumerate() {
            let result = match &changed {
                Ok(counts) if counts[at] == 1 => Ok(()),
                Ok(_) => Err(LedgerError::Conflict(step.key)),
                Err(error) => Err(error.clone()),
            };
            // Nobody waits any more only when the run is being torn down.
            let _ = step.tell.send(result);
        }
    }
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

/// Commits a group; gives how many deliveries each step has changed.
async fn commit(
    client: &Client,
    prepared: &mut HashMap<&'static str, Statement>,
    group: &[Step],
) -> Result<Vec<u64>, LedgerError> {
    for step in group {
        if !prepared.contains_key(step.sql) {
            prepared.insert(step.sql, client.prepare(step.sql).await?);
        }
    }
    let execute = async |step: &Step| {
        let values: Vec<_> = step.values.iter().map(|value| value.as_ref() as &(dyn ToSql + Sync)).collect();
        client.execute(&prepared[step.sql], &values).await
    };
    // All are on their way together, so that no transaction stays open, with what it has locked, when this process is stopped.
    // The first one polled is the first one sent; after an error, nothing of the group is committed.
    let (begun, changed, committed) =
        join3(client.batch_execute("BEGIN"), join_all(group.iter().map(execute)), client.batch_execute("COMMIT")).await;
    begun?;
    let changed = changed.into_iter().collect::<Result<_, _>>()?;
    committed?;
    Ok(changed)
}
