//! What failures mean: WhatsApp's error codes and our own words, who has to act, whom each concerns, and whether
//! sending again can help. The meanings are those of Meta's error code page (support/error-codes, May 2026);
//! responsibility, scope and remedy are our judgement on top of it. Titles change, so nothing looks at them.
//!
//! One table for all who need to know: what stops a run, what `--retry-failed` takes up, what summary and report say.

use std::time::Duration;

use crate::state::Failure;

/// Whom a failure concerns: a failure that is not the recipient's own may well hit everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This recipient alone.
    Recipient,
    /// Everybody who gets this template or message.
    Template,
    /// Everybody who is sent to from this number or account.
    Number,
    /// Everybody in this run.
    Run,
}

/// Who has to act, if anybody can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Responsibility {
    /// Nobody here: it lies with the recipient, their phone or their wish.
    Recipient,
    /// Spec, list or template.
    Campaign,
    /// The WhatsApp account, its number, its limits or its standing.
    Account,
    /// WhatsApp or LiveDesk.
    Service,
}

impl Responsibility {
    /// In a word or two.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Recipient => "cause: the recipient",
            Self::Campaign => "fix: spec, list or template",
            Self::Account => "fix: the WhatsApp account",
            Self::Service => "cause: WhatsApp or LiveDesk",
        }
    }
}

/// Whether sending again can help, after a failure that is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It never can.
    Never,
    /// The same message, but not before so much time has passed.
    Later(Duration),
    /// The same message, once somebody has mended what was wrong outside of it.
    AfterFix,
    /// Only another message: a corrected row, spec or template.
    ChangeMessage,
}

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// In plain words.
    pub words: &'static str,
    /// Who has to act.
    pub responsibility: Responsibility,
    /// Whom it concerns.
    pub scope: Scope,
    /// Whether sending again can help.
    pub remedy: Remedy,
}

const fn seconds(seconds: u64) -> Remedy {
    Remedy::Later(Duration::from_secs(seconds))
}

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// The code of a recipient who has stopped marketing from this business: they must not be messaged again.
pub const OPTED_OUT: &str = "131050";

/// A contact that the server gives belongs to somebody else than the row says.
pub const CONTACT_CONFLICT: &str = "contact-conflict";
/// The server says that somebody has the row's attributes, and does not find them.
pub const CONTACT_NOT_FOUND: &str = "contact-not-found";
/// A message would not reach the recipient, and `checks.unreachable` refuses to send it.
pub const UNREACHABLE: &str = "unreachable";
/// A conversation that the server gives belongs to somebody else than the row says.
pub const CONVERSATION_CONFLICT: &str = "conversation-conflict";
/// The answer to a message is about another one, or contradicts itself.
pub const MISMATCH: &str = "answer-mismatch";

/// Failures of our own naming that lie with one recipient and say nothing about the others.
const RECIPIENTS_OWN: &[&str] = &[CONTACT_CONFLICT, CONTACT_NOT_FOUND, CONVERSATION_CONFLICT, UNREACHABLE];

const LACKS_PERMISSION: Meaning = Meaning {
    words: "the channel lacks a permission",
    responsibility: Responsibility::Account,
    scope: Scope::Run,
    remedy: Remedy::AfterFix,
};

#[rustfmt::skip]
const CATALOGUE: &[(&[u32], &str, Responsibility, Scope, Remedy)] = &[
    (&[130_472], "the recipient is in a WhatsApp experiment and gets no marketing", Responsibility::Recipient, Scope::Recipient, Remedy::Never),
    (&[131_021], "sender and recipient are the same number", Responsibility::Recipient, Scope::Recipient, Remedy::Never),
    (&[131_026], "the number is not on WhatsApp, or cannot receive this message", Responsibility::Recipient, Scope::Recipient, Remedy::Never),
    (&[131_047], "more than 24 hours since the customer wrote: only a template may be sent", Responsibility::Campaign, Scope::Recipient, Remedy::ChangeMessage),
    (&[131_049], "held back by WhatsApp: this recipient got too many marketing messages recently", Responsibility::Recipient, Scope::Recipient, seconds(DAY)),
    (&[131_050], "the recipient opted out of marketing from this business", Responsibility::Recipient, Scope::Recipient, Remedy::Never),
    (&[131_056], "too many messages to this recipient in a short time", Responsibility::Campaign, Scope::Recipient, seconds(60)),
    (&[132_005], "the text is too long once its values are filled in", Responsibility::Campaign, Scope::Recipient, Remedy::ChangeMessage),
    (&[33, 100, 131_008, 131_009, 135_000], "a parameter is missing or not valid", Responsibility::Campaign, Scope::Template, Remedy::ChangeMessage),
    (&[131_051], "this type of message is not supported", Responsibility::Campaign, Scope::Template, Remedy::ChangeMessage),
    (&[131_053], "the media file could not be fetched, or has the wrong type or size", Responsibility::Campaign, Scope::Template, Remedy::AfterFix),
    (&[132_000], "the number of parameters does not match the template", Responsibility::Campaign, Scope::Template, Remedy::ChangeMessage),
    (&[132_001], "no approved template of that name in that language", Responsibility::Campaign, Scope::Template, Remedy::AfterFix),
    (&[132_007], "the template violates WhatsApp's content policy", Responsibility::Campaign, Scope::Template, Remedy::AfterFix),
    (&[132_012], "the format of a parameter does not match the template", Responsibility::Campaign, Scope::Template, Remedy::ChangeMessage),
    (&[132_015], "the template is paused for low quality", Responsibility::Campaign, Scope::Template, Remedy::AfterFix),
    (&[132_016], "the template is permanently disabled", Responsibility::Campaign, Scope::Template, Remedy::ChangeMessage),
    (&[132_068], "the template's flow is blocked", Responsibility::Campaign, Scope::Template, Remedy::AfterFix),
    (&[132_069], "the template's flow is throttled to 10 messages an hour", Responsibility::Campaign, Scope::Template, seconds(HOUR)),
    (&[0, 190], "the channel's access token is not valid", Responsibility::Account, Scope::Run, Remedy::AfterFix),
    (&[3, 10, 131_005], LACKS_PERMISSION.words, LACKS_PERMISSION.responsibility, LACKS_PERMISSION.scope, LACKS_PERMISSION.remedy),
    (&[4, 80_007], "too many requests to WhatsApp from this account", Responsibility::Account, Scope::Run, seconds(HOUR)),
    (&[130_429], "more messages per second than WhatsApp allows for this number", Responsibility::Account, Scope::Number, seconds(60)),
    (&[131_030], "a test number can only message its own list of recipients", Responsibility::Account, Scope::Run, Remedy::AfterFix),
    (&[131_048], "WhatsApp restricts the number because too many messages were reported", Responsibility::Account, Scope::Number, seconds(DAY)),
    (&[368, 131_031], "the WhatsApp account is blocked or locked", Responsibility::Account, Scope::Run, Remedy::AfterFix),
    (&[131_042], "the WhatsApp account has a payment problem", Responsibility::Account, Scope::Run, Remedy::AfterFix),
    (&[131_045, 133_000, 133_005, 133_006, 133_008, 133_009, 133_010], "the number is not registered with WhatsApp", Responsibility::Account, Scope::Number, Remedy::AfterFix),
    (&[133_015, 133_016], "the number was registered or deleted too often recently", Responsibility::Account, Scope::Number, seconds(HOUR)),
    (&[131_057], "the account is being moved to a higher throughput", Responsibility::Service, Scope::Run, seconds(60)),
    (&[1, 2, 131_000, 131_016, 133_004], "WhatsApp had an internal error", Responsibility::Service, Scope::Run, seconds(60)),
];

/// What a failure's code means; `None` for codes that are not in the catalogue.
pub fn meaning(code: &str) -> Option<Meaning> {
    let number: u32 = code.parse().ok()?;
    if (200..=299).contains(&number) {
        return Some(LACKS_PERMISSION);
    }
    CATALOGUE
        .iter()
        .find(|(codes, ..)| codes.contains(&number))
        .map(|&(_, words, responsibility, scope, remedy)| Meaning { words, responsibility, scope, remedy })
}

/// A failure with what its code means and who can fix it, where that is known, and else with the server's own words.
pub fn explain(failure: &Failure) -> String {
    match meaning(&failure.code) {
        Some(Meaning { words, responsibility, .. }) => {
            format!("{}: {words} ({})", failure.code, responsibility.words())
        }
        None => failure.to_string(),
    }
}

/// The same with how often it came: `132001 ×9: ...`.
pub fn explain_counted(failure: &Failure, count: u64) -> String {
    let Failure { code, .. } = failure;
    let text = explain(failure);
    text.strip_prefix(code.as_str()).map_or_else(|| text.clone(), |rest| format!("{code} ×{count}{rest}"))
}

/// Whom a failure concerns. A code that nobody knows is taken for the recipient's trouble when WhatsApp gave it, and
/// for everybody's when it is LiveDesk's own answer to the request.
pub fn scope(code: &str) -> Scope {
    match meaning(code) {
        Some(meaning) => meaning.scope,
        None if is_whatsapps(code) || RECIPIENTS_OWN.contains(&code) => Scope::Recipient,
        None => Scope::Run,
    }
}

/// Whether sending again can help. A code of WhatsApp's that nobody knows is left alone; what LiveDesk refused, or what
/// went wrong on the way to it, may be mended.
pub fn remedy(code: &str) -> Remedy {
    match meaning(code) {
        Some(meaning) => meaning.remedy,
        None if is_whatsapps(code) => Remedy::Never,
        None => Remedy::AfterFix,
    }
}

/// Whether an answer was about something else than was asked for.
pub fn is_conflict(code: &str) -> bool {
    [CONTACT_CONFLICT, CONVERSATION_CONFLICT, MISMATCH].contains(&code)
}

/// Whether the server does not have what an id names, or not any more.
pub fn is_not_found(code: &str) -> bool {
    ["http-404", "http-410", "livedesk-404"].contains(&code)
}

fn is_whatsapps(code: &str) -> bool {
    code.parse::<u32>().is_ok()
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
        assert_eq!(scope("132000"), Scope::Template);
        assert_eq!(scope("131026"), Scope::Recipient);
        assert_eq!(scope("131042"), Scope::Run);
        assert_eq!(scope("999999"), Scope::Recipient);
        assert_eq!(scope("http-404"), Scope::Run);
    }

    #[test]
    fn one_recipients_contact_says_nothing_about_the_others() {
        for code in RECIPIENTS_OWN {
            assert_eq!((scope(code), remedy(code)), (Scope::Recipient, Remedy::AfterFix), "{code}");
        }
    }

    #[test]
    fn what_only_repeats_itself_is_not_sent_again() {
        assert_eq!(remedy(OPTED_OUT), Remedy::Never);
        assert_eq!(remedy("132000"), Remedy::ChangeMessage);
        assert!(matches!(remedy("131049"), Remedy::Later(wait) if wait >= Duration::from_secs(DAY)));
        assert_eq!((remedy("999999"), remedy("http-404")), (Remedy::Never, Remedy::AfterFix));
    }
}
