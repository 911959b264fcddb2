//! What SQLite's errors mean, in words for whoever must act.

use rusqlite::ErrorCode;

use crate::ledger::LedgerError;

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        // What we wrote does not come back as it was.
        let is_changed = matches!(
            error,
            rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
        );
        if is_changed {
            return Self::damaged(error);
        }
        let advice = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
                "; free disk space or repair the disk, then run again: everything recorded is safe, and nobody is \
                 messaged twice"
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => return Self::damaged(error),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                "; the file and its folder must be writable by the user who runs the campaign"
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "; another program has it open: close it there"
            }
            _ => "",
        };
        Self::Database { path: None, source: std::sync::Arc::new(error), advice }
    }
}
