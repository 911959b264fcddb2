//! The question before the first send.

use std::io::{self, BufRead, Write};

use super::output::counted;

/// Asks for the number of recipients, so that nobody sends to a million by pressing Enter. `true` if it was given.
pub(super) fn for_the_number(messages: u64) -> bool {
    let mut error = io::stderr().lock();
    let _ = write!(error, "Send {}? Type {messages} to go on: ", counted(messages, "message"));
    let _ = error.flush();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim().replace([',', '_'], "") == messages.to_string()
}

/// Asks a yes-or-no question; anything but yes is no. Waits on a thread of its own, so that Ctrl-C is heard meanwhile.
pub(super) async fn yes(question: String) -> bool {
    let ask = move || {
        let mut error = io::stderr().lock();
        let _ = write!(error, "{question} [y/N] ");
        let _ = error.flush();
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    };
    tokio::task::spawn_blocking(ask).await.unwrap_or(false)
}
