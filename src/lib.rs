//! A declarative campaign runner for the EngageLab LiveDesk API: one spec, one list, one message for each recipient,
//! sent once.
//!
//! # One recipient's path
//!
//! Line 42 of `orders.csv` becomes a [`recipients::Row`] that knows its line. [`plan::RowEvaluator`] decides whether it is
//! sent to, and [`message`] renders it strictly. [`campaign::enroll`] hands it to the [`ledger`], which stores key, line
//! and data once, however often the campaign is run. Once the plan is confirmed, [`run`] leases it when its [`window`] is
//! open, makes the contact and the conversation where the spec asks for them, and waits for its turn in [`pace`].
//! [`ledger::Deliver::claim`] puts the intent on disk, and only the [`ledger::Claim`] that comes back lets
//! [`livedesk::Client::send`] send the message. What the answer means is said in one place, [`livedesk::Exchange`];
//! how often and after what wait it is tried again, in [`retry`]. The outcome is settled on disk, told to
//! [`progress`], and at the end [`report`] writes a line about it. [`preview`] shows it as a chat bubble before all that.
//!
//! # One run's path
//!
//! [`campaign`] is the use case, without a command line: [`campaign::Inputs`] reads and checks spec and list,
//! [`campaign::open`] takes the list in and plans, `confirm` asks, `send` sends, `report` reports. [`cli`] turns
//! arguments into its options, and what it tells into words.
//!
//! # The rooms
//!
//! Each module is a room, and a room uses only rooms above it; a test holds that. The first ones are the core: they
//! know no network, no clock, no files, and no event loop.

// The core.
pub mod humanize;
pub mod mask;
pub mod problem;
pub mod secret;
pub mod json_schema;
pub mod state;
pub mod codes;
pub mod receipt;
pub mod opt_out;
pub mod window;
pub mod whatsapp;
pub mod specification;
pub mod retry;
pub mod recipients;
pub mod message;
pub mod plan;
pub mod report;
pub mod preview;

// The edges: each talks to one thing outside.
pub mod clock;
pub mod local_time;
pub mod private_file;
pub mod ledger;
pub mod attachment;
pub mod livedesk;
pub mod pace;
pub mod run;
pub mod track;
pub mod sandbox;

// The use case.
pub mod campaign;

// Outside: what people see.
pub mod stdio;
pub mod progress;
pub mod cli;
