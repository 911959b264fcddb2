//! A declarative campaign runner for the EngageLab LiveDesk API.

pub mod problem;
pub mod secret;
pub mod state;

pub mod retry;

pub mod spec;

pub mod recipients;

pub mod message;

pub mod plan;

pub mod report;

pub mod ledger;

pub mod attachment;

pub mod livedesk;

pub mod pace;

pub mod enroll;

pub mod run;

pub mod progress;

pub mod cli;

pub mod sandbox;
