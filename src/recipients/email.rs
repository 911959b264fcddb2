//! E-mail addresses to which a campaign may send: an unquoted name and a registered kind of domain, and nothing else.
//!
//! That is narrower than RFC 5322: quoted names, comments, IP addresses and names for display are refused, because
//! in a list they are mistakes. This file knows neither lists nor templates.

use email_address::{EmailAddress, Options};

const OPTIONS: Options = Options { minimum_sub_domains: 2, allow_domain_literal: false, allow_display_text: false };

/// RFC 5321 allows no longer address.
const MAX_LENGTH: usize = 254;

/// Top-level domains that no mail can reach (RFC 2606, 6761, 7686).
const UNREACHABLE: [&str; 5] = ["invalid", "localhost", "local", "onion", "arpa"];

/// Checks an address.
///
/// # Errors
/// What is wrong with it, without repeating it.
pub fn check(text: &str) -> Result<(), &'static str> {
    parts(text).map(|_| ())
}

/// The form by which addresses are compared: small letters, an international domain in ASCII. `a+b@` stays another
/// address than `a@`.
///
/// # Errors
/// What is wrong with it, without repeating it.
pub fn normalise(text: &str) -> Result<String, &'static str> {
    parts(text).map(|(name, domain)| format!("{}@{domain}", name.to_lowercase()))
}

fn parts(text: &str) -> Result<(&str, String), &'static str> {
    const WRONG: &str = "not an e-mail address";
    if text.contains(['<', '>']) {
        return Err("an e-mail address with a name or brackets around it: write the address alone");
    }
    if text.contains([',', ';']) {
        return Err("more than one e-mail address, or a comma or semicolon in one");
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || super::is_invisible(c)) {
        return Err("an e-mail address with white space or an invisible character in it");
    }
    EmailAddress::parse_with_options(text, OPTIONS).map_err(|_| WRONG)?;
    let (name, domain) = text.rsplit_once('@').ok_or(WRONG)?;
    if name.starts_with('"') {
        return Err("an e-mail address with a quoted name, which most servers refuse");
    }
    // The parser takes any sign in a domain; what domains may hold is IDNA's to say.
    let domain = idna::domain_to_ascii_strict(domain).map_err(|_| "an e-mail address with an invalid domain")?;
    let top = domain.rsplit('.').next().unwrap_or_default();
    let is_of_letters = top.bytes().all(|byte| byte.is_ascii_alphabetic()) || top.starts_with("xn--");
    if UNREACHABLE.contains(&top) || !is_of_letters {
        return Err("an e-mail address with a domain that cannot receive mail");
    }
    if name.len() + 1 + domain.len() > MAX_LENGTH {
        return Err("an e-mail address of more than 254 characters");
    }
    Ok((name, domain))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_addresses() {
        for text in
            ["a@x.de", "ada.lovelace+news@mail.example.com", "o'brien@x.ie", "a@bücher.de", "用户@例子.公司", "1@2.co"]
        {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "@",
            "a",
            "a@",
            "@x.de",
            "a@x",
            "a@x.de;",
            "<c@x.de>",
            "f@x,de",
            "a@@x.de",
            "a@x..de",
            ".a@x.de",
            "a.@x.de",
            "a..b@x.de",
            "a b@x.de",
            "a@x.de ",
            "Ada <a@x.de>",
            "mailto:a@x.de",
            "\"a b\"@x.de",
            "a(c)@x.de",
            "a@[10.0.0.1]",
            "a@10.0.0.1",
            "a@-x.de",
            "a@x-.de",
            "a@x_y.de",
            "a@x!.de",
            "a@x.de.",
            "a@x.de/",
            "a@x.invalid",
            "a@x.123",
            "a@x.com0",
            "a@b@x.de",
            "a:b@x.de",
            "a\u{200b}@x.de",
            "a@x.de>",
            "a[1]@x.de",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
        assert!(check(&format!("{}@x.de", "a".repeat(65))).is_err());
    }

    #[test]
    fn one_address_has_one_form() {
        assert_eq!(normalise("Ada@Bücher.DE"), Ok("ada@xn--bcher-kva.de".to_owned()));
        assert_eq!(normalise("ada@xn--bcher-kva.de"), Ok("ada@xn--bcher-kva.de".to_owned()));
        assert_ne!(normalise("ada+a@x.de"), normalise("ada@x.de"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,40}") {
            let _ = check(&text);
        }

        #[test]
        fn the_form_of_a_form_is_itself(name in "[A-Za-z][A-Za-z0-9.+_-]{0,20}[a-z]", domain in "[A-Za-zäß]{1,12}\\.(de|com)") {
            if let Ok(form) = normalise(&format!("{name}@{domain}")) {
                prop_assert_eq!(normalise(&form), Ok(form.clone()));
            }
        }
    }
}
