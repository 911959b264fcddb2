//! What a list comes to, in one hash: workers that join compare theirs.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};

use crate::ledger::Entry;
use crate::recipients::{Columns, Row};

/// The hash of what a list comes to, row by row.
pub(super) struct ListFingerprint {
    context: Context,
    columns: Option<Arc<Columns>>,
}

impl ListFingerprint {
    pub(super) fn new() -> Self {
        Self { context: Context::new(&SHA256), columns: None }
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        match entry {
            Entry::Delivery { key, row, .. } => self.add_row(key, "", row.line, Some(row)),
            Entry::Skipped { key, reason, line, row } => self.add_row(key, reason.word(), *line, row.as_ref()),
        }
    }

    fn add_row(&mut self, key: &str, reason: &str, line: u64, row: Option<&Row>) {
        if let Some(row) = row
            && self.columns.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &row.columns))
        {
            self.add_json(row.columns.names());
            self.columns = Some(Arc::clone(&row.columns));
        }
        self.add_json(&(line, key, reason, row.map(|row| &*row.cells)));
    }

    fn add_json(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        // What a list holds can always be written.
        self.context.update(&serde_json::to_vec(value).unwrap_or_default());
    }

    pub(super) fn finish(self) -> String {
        HEXLOWER.encode(self.context.finish().as_ref())
    }
}
