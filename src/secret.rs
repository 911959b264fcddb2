//! Values that must not be shown, and what takes them out of texts that others have written.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Holds a value which every kind of printing replaces by `***`. Only [`Secret::expose`] gives it out, so each use can
/// be found by that name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that must put it on the wire.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// So many characters in a row of a secret give it away: shorter pieces are words like any other.
const MIN_PIECE_LENGTH: usize = 8;

/// Secrets of fewer characters cannot be told from words, and guard nothing.
const MIN_SECRET_LENGTH: usize = 4;

/// As much of a text is looked through: more of it is never kept.
const MAX_TEXT_LENGTH: usize = 4096;

/// Takes secrets out of texts that others have written, such as a server's answer that repeats the request. It finds them as
/// they are, in base64, percent-encoded and escaped, and also pieces of them.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Vec<Vec<char>>>);

impl Redactor {
    /// One that knows the user and the password of a basic `Authorization`.
    pub fn of_basic_auth(user: &Secret<String>, password: &Secret<String>) -> Self {
        let (user, password) = (user.expose(), password.expose());
        let mut forms: Vec<String> = Vec::new();
        for secret in [user.clone(), password.clone(), format!("{user}:{password}")] {
            if secret.chars().count() >= MIN_SECRET_LENGTH {
                forms.extend(spellings(&secret));
            }
        }
        forms.sort_unstable();
        forms.dedup();
        Self(Arc::new(forms.iter().map(|form| form.chars().collect()).collect()))
    }

    /// The text with `***` where a secret or a piece of one was. A text beyond 4096 characters is cut there.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.0.is_empty() || text.len() < MIN_SECRET_LENGTH {
            return Cow::Borrowed(text);
        }
        let text: Vec<char> = text.chars().take(MAX_TEXT_LENGTH).collect();
        let mut result = String::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            match self.0.iter().map(|secret| piece_at(&text, at, secret)).max().unwrap_or(0) {
                0 => {
                    result.push(text[at]);
                    at += 1;
                }
                length => {
                    result.push_str("***");
                    at += length;
                }
            }
        }
        Cow::Owned(result)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(***)")
    }
}

/// How long the piece of a secret is that begins at a place of a text; 0 if there is none. Whoever repeats a secret may
/// change its case.
fn piece_at(text: &[char], at: usize, secret: &[char]) -> usize {
    let same = |(a, b): &(&char, &char)| a.eq_ignore_ascii_case(b);
    let piece = |from: usize| text[at..].iter().zip(&secret[from..]).take_while(same).count();
    if secret.len() < MIN_PIECE_LENGTH {
        // A short one only as a whole word: its pieces are in everything.
        let after = text.get(at + secret.len());
        let is_word = (at == 0 || !text[at - 1].is_alphanumeric()) && after.is_none_or(|c| !c.is_alphanumeric());
        return if is_word && piece(0) == secret.len() { secret.len() } else { 0 };
    }
    let longest = (0..=secret.len() - MIN_PIECE_LENGTH).map(piece).max().unwrap_or(0);
    if longest >= MIN_PIECE_LENGTH { longest } else { 0 }
}

/// A secret in the ways in which a text may have it.
fn spellings(secret: &str) -> Vec<String> {
    let percent: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let json = serde_json::Value::from(secret).to_string();
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut forms = vec![
        percent.replace('+', "%20"),
        percent,
        json.trim_matches('"').to_owned(),
        html.replace('\'', "&#39;"),
        html,
        secret.to_owned(),
    ];
    // What comes before it in what was encoded moves it by none, one or two bytes; the characters at either end depend on
    // its neighbours.
    for before in 0..3 {
        let shifted = [vec![0; before], secret.as_bytes().to_vec()].concat();
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&shifted);
            let first = (before * 8).div_ceil(6);
            let last = shifted.len() * 8 / 6;
            forms.push(encoded[first.min(last)..last].to_owned());
        }
    }
    forms.retain(|form| form.chars().count() >= MIN_SECRET_LENGTH);
    forms
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::{Redactor, Secret};

    #[test]
    fn printing_never_shows_the_value() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:#?}", Some(&secret)), "*** *** Some(\n    ***,\n)");
        assert_eq!(*secret.expose(), "hunter2");
    }

    fn redactor(user: &str, password: &str) -> Redactor {
        Redactor::of_basic_auth(&Secret::new(user.to_owned()), &Secret::new(password.to_owned()))
    }

    const KEY: &str = "ak_7Fh2+kL/9q";
    const SECRET: &str = "s3cr3t&\"Zx81<Qw>mN0'pP";

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let redactor = redactor(KEY, SECRET);
        let header = STANDARD.encode(format!("{KEY}:{SECRET}"));
        let quoted = serde_json::Value::from(SECRET).to_string();
        for (written, left) in [
            (format!("key {KEY} is wrong"), "key *** is wrong"),
            (format!("Authorization: Basic {header}"), "Authorization: Basic ***"),
            (format!("q={}", url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect::<String>()), "q=***"),
            (format!("body was {quoted}"), "body was \"***\""),
            (format!("got {}", &SECRET[..SECRET.len() / 2]), "got ***"),
            (format!("got …{}", &SECRET[SECRET.len() / 2..]), "got …***"),
            (format!("got {}…", &header[..header.len() - 5]), "got ***…"),
            (format!("got {}", KEY.to_uppercase()), "got ***"),
            ("all is well, nothing is said".to_owned(), "all is well, nothing is said"),
        ] {
            assert_eq!(redactor.redact(&written), left, "{written}");
        }
        for before in ["", "x", "xy", "xyz"] {
            let inner = STANDARD.encode(format!("{before}{SECRET}!"));
            let left = redactor.redact(&inner).into_owned();
            assert!(left.contains("***") && left.len() < 14, "{left}");
        }
    }

    #[test]
    fn short_secrets_are_found_as_words_and_leave_words_alone() {
        let redactor = redactor("a", "secret");
        assert_eq!(redactor.redact("a secret, all secretaries: secret"), "a ***, all secretaries: ***");
        assert_eq!(Redactor::default().redact("a secret"), "a secret");
    }

    proptest! {
        #[test]
        fn no_piece_of_eight_characters_is_left(
            secret in "[a-zA-Z0-9+/=_.-]{12,40}", from in 0usize..12, length in 8usize..40, around in "[ a-z]{0,5}",
        ) {
            let chars: Vec<char> = secret.chars().skip(from).take(length).collect();
            prop_assume!(chars.len() >= 8);
            let piece: String = chars.into_iter().collect();
            let redactor = redactor("another-key", &secret);
            let left = redactor.redact(&format!("{around}{piece}{around}")).into_owned();
            prop_assert!(!left.contains(&piece), "{}", left);
        }
    }
}
