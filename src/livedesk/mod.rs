//! The LiveDesk API: what is asked (`request`, pure), how it is asked (`client`), how long that may take (`deadline`), and
//! what the answer means (`answer`, pure). What is read back later, which LiveDesk does not document, is `reads`'.
//!
//! This module decides what an answer *means*; what follows from it (again, wait, give up) is `retry`'s and `run`'s.

mod answer;
mod client;
mod deadline;
mod reads;
mod recent_ids;
mod request_ids;
pub mod request;
pub mod webhook;

pub use answer::{
    Answer, Attribute, ContactReply, Conversation, ConversationRequest, Exchange, MessageRequest, Obstacle, Owner,
    Reply, RetryReason, Sent,
};
pub use client::{Client, Credentials, RequestObserver, Timeouts};
pub use reads::{
    ConversationPage, Direction, Inbox, InboxButton, InboxTemplate, MESSAGES_PER_READ, MessagePage,
    ObservedConversation, ObservedMessage, ReadError, Sender, ServerInfo,
};
