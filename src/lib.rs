//! A declarative campaign runner for the EngageLab LiveDesk API.

pub mod problem;
pub mod secret;
pub mod spec;
pub mod state;
