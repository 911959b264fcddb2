//! One run holds a ledger in a file, and shares it with nobody.

use super::handle::Sqlite;
use super::lock::Lock;
use crate::ledger::{Inspect, LedgerError, Share, StopRequest, Worker};

impl Share for Sqlite {
    async fn workers(&self) -> Result<Vec<Worker>, LedgerError> {
        Ok(self.holder().await?.map(Worker::of).into_iter().collect())
    }

    async fn request_stop(&self) -> Result<Vec<StopRequest>, LedgerError> {
        let Some(holder) = self.holder().await? else { return Ok(Vec::new()) };
        let is_sent = self.kept.path.as_deref().is_some_and(|path| Lock::terminate(path, &holder));
        Ok(vec![StopRequest { worker: Worker::of(holder), is_sent }])
    }
}
