//! A declarative campaign runner for the EngageLab LiveDesk API.
