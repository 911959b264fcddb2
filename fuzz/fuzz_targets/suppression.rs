//! A suppression list is understood or refused, and whoever is listed alone in a plain file is found.
#![no_main]

use std::io::Cursor;

use campaign::problem::Keep;
use campaign::recipients::{Country, Suppression};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut list = Suppression::default();
    let input = Cursor::new(text.to_owned().into_bytes());
    if list.add("stop.txt", input, Country::OfAll(Some("DE")), Keep::First(3)).is_err() {
        return;
    }
    let listed = list.find([text], &[], Some("DE")).is_some();
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    assert!(listed || !plain, "{text} was taken and is not listed");
});
