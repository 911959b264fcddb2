//! A declarative campaign runner for the EngageLab LiveDesk API.

pub mod problem;
pub mod secret;
pub mod state;

pub mod spec;

pub mod recipients;

pub mod message;

pub mod report;

pub mod ledger;
