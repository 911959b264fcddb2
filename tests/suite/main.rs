//! The tests of `campaign`, one binary, a module per topic.

mod rooms;
mod sandbox;
