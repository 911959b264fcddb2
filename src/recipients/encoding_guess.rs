//! What a list is written in that is not what it was taken for: a suggestion, which a person confirms by one letter.

use std::fmt;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, Encoding, UTF_8};

/// Characters of the word that are hinted at on each side.
const BESIDE: usize = 8;

/// An encoding in which the bytes would make sense.
#[derive(Debug)]
pub(super) struct Guess {
    encoding: &'static str,
    /// The word with the byte that was wrong: that one letter, and a dot for every other one, which is a customer's.
    word: Option<String>,
    /// What is before is not in this encoding.
    mixed: bool,
}

impl fmt::Display for Guess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.encoding.to_lowercase();
        if let Some(word) = &self.word {
            write!(f, "if the word here is `{word}` (dots are its other letters), ")?;
        }
        if self.mixed {
            return write!(f, "this line is {name}, unlike the lines before it: save all parts of the list as UTF-8");
        }
        write!(f, "set `recipients.encoding: {name}`; or save the list as UTF-8")
    }
}

/// What `raw` is probably written in, whose byte at `wrong` is none of `encoding`'s. `wide` says whether other letters
/// than ASCII's came before, and were right.
pub(super) fn guess(encoding: &'static Encoding, raw: &[u8], wrong: usize, wide: bool) -> Option<Guess> {
    if !encoding.is_ascii_compatible() {
        return None;
    }
    let begin = memchr::memrchr2(b'\n', b'\r', &raw[..wrong]).map_or(0, |at| at + 1);
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    // Lines before may have been right, so they say nothing about what is wrong here.
    detector.feed(&raw[begin..], false);
    let allowed = if encoding == UTF_8 { Utf8Detection::Deny } else { Utf8Detection::Allow };
    let guessed = detector.guess(None, allowed);
    let before = decoded(guessed, &raw[begin..wrong])?;
    let text = decoded(guessed, &raw[begin..])?;
    let at = before.chars().count();
    let makes_sense = guessed != encoding && text.chars().nth(at).is_some_and(|c| !c.is_control());
    makes_sense.then(|| Guess { encoding: guessed.name(), word: word(&text, at), mixed: wide })
}

/// All of the bytes but a character that is cut at their end; `None` if they are not in this encoding.
fn decoded(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length_without_replacement(bytes.len())?);
    let (result, _) = decoder.decode_to_string_without_replacement(bytes, &mut text, false);
    (result == DecoderResult::InputEmpty).then_some(text)
}

/// The word around a character, all others masked.
fn word(text: &str, at: usize) -> Option<String> {
    let letter = text.chars().nth(at).filter(|letter| letter.is_alphanumeric())?;
    let behind = text.chars().skip(at + 1).take(BESIDE).take_while(|c| c.is_alphanumeric()).count();
    let beginning: Vec<char> = text.chars().take(at).collect();
    let before = beginning.iter().rev().take(BESIDE).take_while(|c| c.is_alphanumeric()).count();
    Some(format!("{}{letter}{}", "·".repeat(before), "·".repeat(behind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(written: &'static Encoding, text: &str) -> String {
        let (bytes, _, _) = written.encode(text);
        let wrong = bytes.iter().position(|byte| !byte.is_ascii()).unwrap();
        guess(UTF_8, &bytes, wrong, false).map_or_else(|| "nothing".to_owned(), |guess| guess.to_string())
    }

    #[test]
    fn the_encoding_of_a_few_words_is_found_and_one_letter_is_shown() {
        for (written, text, word) in [
            (encoding_rs::WINDOWS_1252, "101,Müller,Straße\n", "·ü····"),
            (encoding_rs::WINDOWS_1251, "101,Иванов,Москва\n", "И·····"),
            (encoding_rs::GB18030, "101,王小明,上海市浦东新区\n", "王··"),
            (encoding_rs::BIG5, "101,王小明,臺北市信義區\n", "王··"),
            (encoding_rs::SHIFT_JIS, "101,田中さくら,東京都\n", "田····"),
            (encoding_rs::EUC_KR, "101,김철수,서울특별시 강남구\n", "김··"),
        ] {
            let hint = guessed(written, text);
            let name = written.name().to_lowercase();
            let name = if name == "gb18030" { "gb" } else { &name };
            assert!(hint.contains(&format!("`{word}`")), "{text}: {hint}");
            assert!(hint.contains(&format!("encoding: {name}")), "{text}: {hint}");
        }
    }
}
