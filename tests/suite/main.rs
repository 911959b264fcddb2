//! The tests of `campaign`, one binary, a module per topic.

mod harness;

mod addressing;
mod answers;
mod commands;
mod guards;
mod pacing;
mod problems;
mod promises;
mod resuming;
mod sandbox;
