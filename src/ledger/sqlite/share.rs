//! One run holds a ledger in a file, and shares it with nobody.

use super::handle::Sqlite;
use crate::ledger::{Inspect, LedgerError, Share, Worker};

impl Share for Sqlite {
    async fn workers(&self) -> Result<Vec<Worker>, LedgerError> {
        Ok(self.holder().await?.map(Worker::of).into_iter().collect())
    }
}
