//! Whatever a server answers has a meaning, and only what it says clearly counts as sent.
#![no_main]

use campaign::livedesk::{Answer, Attribute, Exchange, Reply};
use libfuzzer_sys::fuzz_target;

const STATUSES: [u16; 8] = [200, 201, 302, 401, 404, 422, 429, 503];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else { return };
    let status = STATUSES[usize::from(choice & 7)];
    let answer = Answer { status, body: String::from_utf8_lossy(body).into_owned(), ..Answer::default() };
    let exchange = || Exchange::Answered(answer.clone());
    let sent = matches!(exchange().message(), Reply::Done(_));
    assert!(!sent || (200..300).contains(&status) && answer.body.contains("id"), "{answer:?}");
    let _ = exchange().conversation();
    let _ = exchange().contact();
    let _ = exchange().matches(Attribute::Email, "ada@example.com");
});
