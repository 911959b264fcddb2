//! An error with its causes, on one line.

use std::error::Error;

/// The texts of an error and of everything that caused it, joined by colons. A cause that the text before it repeats is
/// left out.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !text.is_empty() && !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::with_causes;

    #[derive(Debug, thiserror::Error)]
    #[error("{what}")]
    struct Level {
        what: &'static str,
        source: io::Error,
    }

    #[test]
    fn each_cause_is_said_once() {
        let source = || io::Error::other("disk full");
        assert_eq!(with_causes(&Level { what: "no report", source: source() }), "no report: disk full");
        assert_eq!(with_causes(&Level { what: "no report: disk full", source: source() }), "no report: disk full");
    }
}
