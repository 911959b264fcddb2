//! The LiveDesk API: what is asked (`request`, pure), how it is asked (`client`), what the answer means (`answer`, pure), and
//! what WhatsApp's codes mean (`errors`).
//!
//! This room decides what an answer *means*; what follows from it (again, wait, give up) is `retry`'s and `run`'s.

mod answer;
mod client;
pub mod errors;
pub mod request;

pub use answer::{Answer, ContactReply, Exchange, Hindrance, Reply, Sent};
pub use client::{Client, Credentials, Timeouts};
