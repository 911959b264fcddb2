//! A declarative campaign runner for the EngageLab LiveDesk API.

pub mod message;
pub mod problem;
pub mod recipients;
pub mod secret;
pub mod spec;
pub mod state;
