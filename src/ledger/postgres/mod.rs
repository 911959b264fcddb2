//! The ledger in a PostgreSQL database, for whoever outgrows one machine: a database holds the ledgers of many campaigns.
//!
//! One connection does the work, driven by a thread of its own. Changes of many deliveries are committed together: while
//! one group is being flushed the next gathers. What a commit has said survives a power cut of the server, which its settings
//! are checked for.
//!
//! From the bottom up: where it is (`address`), how it is reached (`connect`, `errors`), whether it can be trusted (`checks`,
//! `format`), who works on it (`workers`, `news`, `heartbeat`, `pace`, `quotas`), the connection in use (`session`,
//! `reconnect`, `groups`, `handle`), and then the contract, a file for each of its traits.

mod address;
mod canary;
mod checks;
mod connect;
mod heartbeat;
mod deliver;
mod enroll;
mod errors;
mod export;
mod format;
mod groups;
mod handle;
mod id_map;
mod import;
mod inspect;
mod news;
mod open;
mod operate;
mod pace;
mod prove;
mod quotas;
mod reconnect;
mod records;
mod reserved;
mod retry_failed;
mod session;
mod share;
mod track;
mod transfer;
mod transfer_mark;
mod workers;

pub use address::Address;
pub(super) use handle::Postgres;
