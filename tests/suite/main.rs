//! The tests of `campaign`, one binary, a module per topic.

mod readme;
mod rooms;
mod sandbox;
