//! The tests of `campaign`, one binary, a module per topic.

mod doctor;
mod harness;

mod addressing;
mod answers;
mod attachments;
mod changed_lists;
mod changed_messages;
mod checking;
mod commands;
mod crash_boundaries;
mod credentials;
mod database_outages;
mod deploy;
mod disk_faults;
mod documentation;
mod documented_requests;
mod evidence;
mod following;
mod frozen_proxy;
mod fuzz;
mod guards;
mod hostile_reads;
mod jinja;
mod json_output;
mod keep_alive;
mod kill_signals;
mod layers;
mod ledger_command;
mod ledger_contract;
#[cfg(unix)]
mod ledger_copy;
mod ledger_files;
#[cfg(unix)]
mod ledger_in_use;
mod ledger_model;
mod library;
mod list_formats;
mod memory_ledger;
mod metrics;
mod next_steps;
mod notify;
mod outages;
mod output_streams;
mod pacing;
mod packaging;
mod plan_files;
#[cfg(unix)]
mod postgres_ledger;
#[cfg(unix)]
mod postgres_server;
mod postgres_tls;
mod preview;
mod privileged;
mod proofs;
mod random;
mod random_damage;
mod random_histories;

mod receipts;
mod reference_lists;
mod replies;
mod report_files;
mod reports;
mod resolve;
mod resuming;
mod retry_failed;
mod run_log;
mod samples;
mod sandbox;
mod sandbox_run;
mod send_windows;
mod shared_limits;
mod shared_workers;
mod spec_rules;
mod status;
mod stop;
#[cfg(target_os = "linux")]
mod template_limits;
#[cfg(unix)]
mod terminal;
mod timeouts;
mod tracking;
mod validation;
#[cfg(unix)]
mod workers;
mod write_ordering;
