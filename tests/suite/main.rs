//! The tests of `campaign`, one binary, a module per topic.

mod harness;

mod addressing;
mod again;
mod answers;
#[cfg(target_os = "linux")]
mod bounds;
mod checking;
mod commands;
mod connections;
mod corrections;
mod damage;
mod disk;
mod dying;
mod fuzz;
mod guards;
mod histories;
mod jinja;
mod key_files;
mod killed;
mod ledger_contract;
mod ledgers;
mod library;
mod lists;
mod machine;
mod memory_ledger;
mod one_of_many;
mod outages;
mod outputs;
mod pacing;
mod preview;
mod problems;
mod promises;
mod readme;
mod reading;
mod remaining;
mod resuming;
mod rooms;
mod safekeeping;
mod samples;
mod sandbox;
mod specs;
#[cfg(unix)]
mod terminal;
mod timeouts;
mod trace;
mod windows;
mod wire;
