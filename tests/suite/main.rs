//! The tests of `campaign`, one binary, a module per topic.

mod harness;

mod addressing;
mod answers;
mod commands;
mod corrections;
mod fuzz;
mod guards;
mod lists;
mod pacing;
mod problems;
mod promises;
mod readme;
mod remaining;
mod resuming;
mod rooms;
mod samples;
mod sandbox;
mod wire;
