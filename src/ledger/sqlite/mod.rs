//! The ledger in an SQLite file: one thread writes, and commits the changes of many deliveries together.
//!
//! `synchronous = FULL` with a write-ahead log: a commit survives a power cut. While one group is being flushed the
//! next gathers, so durability costs a delivery one flush of waiting and the disk far less than one flush a delivery.
//!
//! From the bottom up, each file using only those before it: the files (`file`, `lock`, `counter`, `watch`), SQLite
//! (`connect`, `errors`, `checksum`, `format`), the thread that writes (`writer`, `handle`), opening, copies (`backup`,
//! `recover`), and then the contract, a file for each of its traits.

mod backup;
mod canary;
mod checksum;
mod completeness;
mod connect;
mod counter;
mod create;
mod deliver;
mod enroll;
mod errors;
mod export;
mod file;
mod format;
mod handle;
mod import;
mod index_space;
mod inspect;
mod lock;
mod open;
mod operate;
mod prove;
mod records;
mod recover;
mod retry_failed;
mod share;
mod track;
mod transfer;
mod transfer_mark;
mod watch;
mod writer;

pub use backup::Backup;
pub use checksum::register as register_checksum;
pub(super) use handle::Sqlite;
pub(super) use inspect::peek;
pub(super) use open::is_first_run;
pub use recover::{Recovered, Recovery};
