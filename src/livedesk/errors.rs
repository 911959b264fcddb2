//! WhatsApp's error codes: what each means, and whom it concerns. The meanings are those of Meta's error code page
//! (support/error-codes, May 2026); the scopes are our judgement on top of it. Titles change, so nothing looks at them.

/// Whom a failure concerns: a failure that is not the recipient's own may well hit everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This recipient alone.
    Recipient,
    /// Everybody who gets this message.
    Campaign,
    /// Everybody who is sent to from this number or account.
    Sender,
}

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// In plain words.
    pub words: &'static str,
    /// Whom it concerns.
    pub scope: Scope,
}

const CATALOGUE: &[(&[u32], &str, Scope)] = &[
    (&[130_472], "the recipient is in a WhatsApp experiment and gets no marketing", Scope::Recipient),
    (&[131_021], "sender and recipient are the same number", Scope::Recipient),
    (&[131_026], "the number is not on WhatsApp, or cannot receive this message", Scope::Recipient),
    (&[131_047], "more than 24 hours since the customer wrote: only a template may be sent", Scope::Recipient),
    (&[131_049], "WhatsApp held it back: this recipient has had enough marketing for now", Scope::Recipient),
    (&[131_050], "the recipient has stopped marketing from this business", Scope::Recipient),
    (&[131_056], "too many messages to this recipient in a short time", Scope::Recipient),
    (&[132_005], "the text is too long once its values are filled in", Scope::Recipient),
    (&[33, 100, 131_008, 131_009, 135_000], "a parameter is missing or not valid", Scope::Campaign),
    (&[131_051], "this type of message is not supported", Scope::Campaign),
    (&[131_053], "the medium could not be fetched or has the wrong type or size", Scope::Campaign),
    (&[132_000], "the template expects another number of parameters", Scope::Campaign),
    (&[132_001], "no approved template of that name in that language", Scope::Campaign),
    (&[132_007], "the template violates WhatsApp's content policy", Scope::Campaign),
    (&[132_012], "a parameter has another format than the template expects", Scope::Campaign),
    (&[132_015], "the template is paused for low quality", Scope::Campaign),
    (&[132_016], "the template is disabled for good", Scope::Campaign),
    (&[132_068, 132_069], "the template's flow is blocked or throttled", Scope::Campaign),
    (&[0, 190], "the channel's access token is not valid", Scope::Sender),
    (&[3, 10, 131_005], "the channel lacks a permission", Scope::Sender),
    (&[4, 80_007, 130_429], "too many requests to WhatsApp", Scope::Sender),
    (&[131_030], "a test number may only write to its own list of recipients", Scope::Sender),
    (&[131_048], "WhatsApp restricts the number because too many messages were reported", Scope::Sender),
    (&[368, 131_031], "the WhatsApp account is blocked or locked", Scope::Sender),
    (&[131_042], "the WhatsApp account has a payment problem", Scope::Sender),
    (
        &[131_045, 133_000, 133_005, 133_006, 133_008, 133_009, 133_010, 133_015, 133_016],
        "the number is not registered with WhatsApp",
        Scope::Sender,
    ),
    (&[1, 2, 131_000, 131_016, 131_057, 133_004], "WhatsApp itself has a problem", Scope::Sender),
];

/// What a failure's code means; `None` for codes that are not in the catalogue.
pub fn meaning(code: &str) -> Option<Meaning> {
    let number: u32 = code.parse().ok()?;
    if (200..=299).contains(&number) {
        return Some(Meaning { words: "the channel lacks a permission", scope: Scope::Sender });
    }
    CATALOGUE
        .iter()
        .find(|(codes, ..)| codes.contains(&number))
        .map(|(_, words, scope)| Meaning { words, scope: *scope })
}

/// Whom a failure concerns. A code that nobody knows is taken for the recipient's trouble when WhatsApp gave it, and for
/// everybody's when it is LiveDesk's own answer to the request.
pub fn scope(code: &str) -> Scope {
    match meaning(code) {
        Some(meaning) => meaning.scope,
        None if code.parse::<u32>().is_ok() => Scope::Recipient,
        None => Scope::Campaign,
    }
}

/// The code at the head of a text: `131047: …` as a status webhook leaves it, `(#132000) …` as the Graph API does.
pub fn code_in(text: &str) -> Option<u32> {
    let text = text.trim_start();
    let (rest, closing) = match text.strip_prefix('(') {
        Some(rest) => (rest, &[')'][..]),
        None => (text, &[':', ')'][..]),
    };
    let rest = rest.strip_prefix('#').unwrap_or(rest);
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    let closed = rest[end..].trim_start().starts_with(closing);
    (closed && (1..=6).contains(&end)).then(|| rest[..end].parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_both_forms_and_nowhere_else() {
        assert_eq!(code_in("131047: Re-engagement message"), Some(131_047));
        assert_eq!(code_in("  (#132000) Number of parameters"), Some(132_000));
        assert_eq!(code_in("(100) Invalid parameter"), Some(100));
        for text in ["", "500 Internal Server Error", "Timed out", "1234567: too long", "(#132000 open", "#: x"] {
            assert_eq!(code_in(text), None, "{text}");
        }
    }

    #[test]
    fn a_code_stands_in_the_catalogue_once() {
        let mut codes: Vec<u32> = CATALOGUE.iter().flat_map(|(codes, ..)| codes.iter().copied()).collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }

    #[test]
    fn a_wrong_template_is_everybodys_trouble_and_a_missing_number_is_not() {
        assert_eq!(scope("132000"), Scope::Campaign);
        assert_eq!(scope("131026"), Scope::Recipient);
        assert_eq!(scope("131042"), Scope::Sender);
        assert_eq!(scope("999999"), Scope::Recipient);
        assert_eq!(scope("http-404"), Scope::Campaign);
    }
}
