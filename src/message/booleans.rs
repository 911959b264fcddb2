//! Words for yes and no, as people, spreadsheets and databases write them. Blanks around them and upper case do not count.

/// A cell of more bytes is no such word.
const MAX_WORD_LENGTH: usize = 24;

const YES: &[&str] = &[
    "yes",
    "y",
    "true",
    "t",
    "1",
    "1.0",
    "on", // English, databases, pandas
    "ja",
    "j",
    "wahr",
    "oui",
    "vrai",
    "si",
    "sí",
    "sì",
    "verdadero",
    "vero",
    "sim",
    "verdadeiro",
    "tak",
    "prawda",
    "да",
    "истина",
    "evet",
    "doğru",
    "waar",
    "sant",
    "sand",
    "tosi",
    "kyllä",
    "是",
    "真",
    "はい",
    "예",
    "네",
];

const NO: &[&str] = &[
    "no",
    "n",
    "false",
    "f",
    "0",
    "0.0",
    "off", // English, databases, pandas
    "nein",
    "falsch",
    "non",
    "faux",
    "falso",
    "não",
    "nao",
    "nie",
    "fałsz",
    "нет",
    "ложь",
    "hayır",
    "hayir",
    "yanlış",
    "nee",
    "onwaar",
    "nej",
    "falskt",
    "falsk",
    "nei",
    "ei",
    "epätosi",
    "否",
    "不",
    "假",
    "いいえ",
    "아니요",
    "아니오",
];

/// What a text says, if it is a word for yes or no. An empty text says no.
pub(super) fn read(text: &str) -> Option<bool> {
    let word = text.trim();
    if word.len() > MAX_WORD_LENGTH {
        return None;
    }
    if word.is_empty() {
        return Some(false);
    }
    let word = word.to_lowercase();
    if NO.contains(&word.as_str()) { Some(false) } else { YES.contains(&word.as_str()).then_some(true) }
}

/// Whether a text says no by a word, and not by being empty.
pub(super) fn is_no(text: &str) -> bool {
    !text.trim().is_empty() && read(text) == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_however_they_are_written() {
        for text in ["yes", " YES ", "True", "1", "1.0", "On", "Ja", "OUI", "Sí", "WAHR", "是"] {
            assert_eq!(read(text), Some(true), "{text}");
        }
        for text in ["no", "No ", "FALSE", "0", "off", "Nein", "NON", "NÃO", "ЛОЖЬ", "否"] {
            assert_eq!((read(text), is_no(text)), (Some(false), true), "{text}");
        }
        for text in ["", " ", "\u{a0}"] {
            assert_eq!((read(text), is_no(text)), (Some(false), false), "{text:?}");
        }
        for text in ["maybe", "x", "2", "opted out", "none", "-", "no thanks, I would rather not"] {
            assert_eq!((read(text), is_no(text)), (None, false), "{text}");
        }
    }

    #[test]
    fn no_word_says_both() {
        assert!(YES.iter().all(|word| !NO.contains(word)));
        assert!(YES.iter().chain(NO).all(|word| word.len() <= MAX_WORD_LENGTH && word.to_lowercase() == **word));
    }
}
