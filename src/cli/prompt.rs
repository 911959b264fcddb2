//! The question before the first send.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};

use super::output::{Output, counted};
use crate::campaign::Answer;
use crate::specification::List;

/// Whether there is somebody to answer: at standard input, or at the terminal where that brings the list.
pub(super) fn is_possible(list: &List, output: &Output) -> bool {
    output.moving && (io::stdin().is_terminal() || *list == List::Stdin && terminal().is_some())
}

/// What a person types; nothing where nobody does.
fn answer() -> String {
    let mut answer = String::new();
    let read = match terminal().filter(|_| !io::stdin().is_terminal()) {
        Some(terminal) => BufReader::new(terminal).read_line(&mut answer),
        None => io::stdin().lock().read_line(&mut answer),
    };
    if read.is_ok() { answer.trim().to_owned() } else { String::new() }
}

/// The terminal of this process, whatever its standard input is.
fn terminal() -> Option<File> {
    if cfg!(unix) { File::open("/dev/tty").ok() } else { None }
}

/// Asks for the number of recipients, so that nobody sends to a million by pressing Enter.
pub(super) fn for_the_number(messages: u64, output: &Output) -> Answer {
    output.prompt(&format!("Send {}? Type {messages} to go on: ", counted(messages, "message")));
    if answer().replace([',', '_'], "") == messages.to_string() { Answer::Yes } else { Answer::No }
}

/// Asks a yes-or-no question; anything but yes is no. Waits on a thread of its own, so that Ctrl-C is heard meanwhile.
pub(super) async fn yes(question: &str, output: &Output) -> Answer {
    output.prompt(&format!("{question} [y/N] "));
    let ask = || matches!(answer().to_lowercase().as_str(), "y" | "yes");
    if tokio::task::spawn_blocking(ask).await.unwrap_or(false) { Answer::Yes } else { Answer::No }
}
