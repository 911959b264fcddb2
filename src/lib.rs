//! A declarative campaign runner for the EngageLab LiveDesk API.

/// A local LiveDesk with a script of faults and a journal, for tests, benchmarks and rehearsals.
pub mod sandbox;
