//! An international phone number keeps its digits, or is refused.
#![no_main]

use campaign::recipients::normalise;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for region in [None, Some("DE"), Some("IT"), Some("US")] {
        let Ok(phone) = normalise(text, region) else { continue };
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        assert!(phone.e164.starts_with('+') && phone.e164.len() <= 16, "{text} became {}", phone.e164);
        if text.trim_start().starts_with('+') && text.is_ascii() {
            assert_eq!(digits(text), digits(&phone.e164), "the digits of {text} changed");
        }
    }
});
