//! The tests of `campaign`, one binary, a module per topic.

mod harness;

mod addressing;
mod answers;
mod guards;
mod pacing;
mod resuming;
mod sandbox;
