//! How complex a template may be, told from its tokens before anything parses it.
//!
//! The engine's parser bounds how deep brackets and blocks may nest, but not chains: each `~`, `|upper`, `not` or
//! `elif` makes the syntax tree one level deeper, and whatever walks or drops the tree needs stack for each level. What
//! is let through here fits into [`STACK`](super::STACK).

use std::ops::Range;

use minijinja::machinery::Token;

use super::references::tokens;

/// Tokens of one expression that may depend on each other: everything between two commas, and what is around the
/// brackets.
const MAX_CHAIN_LENGTH: usize = 1_000;

/// Tokens inside the braces of one template.
const MAX_TOKENS: usize = 10_000;

/// `elif` branches of one template: each is nested in the one before.
const MAX_BRANCHES: usize = 500;

/// Why a template is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TooComplex {
    /// What there is too much of.
    pub(super) what: String,
    /// Where in the template the bound is passed.
    pub(super) range: Range<usize>,
}

/// Holds a template (or an expression) against the bounds.
pub(super) fn check(source: &str, is_expression: bool) -> Result<(), TooComplex> {
    let (mut total, mut branches) = (0, 0);
    // How long the chain is at each level of brackets that is open.
    let mut chains = vec![0];
    for (token, range) in tokens(source, is_expression) {
        let refuse = |what| Err(TooComplex { what, range: range.clone() });
        match token {
            Token::TemplateData(_) => continue,
            Token::VariableStart | Token::BlockStart => chains = vec![0],
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => chains.push(0),
            // The brackets are one link in the chain around them.
            Token::ParenClose | Token::BracketClose | Token::BraceClose if chains.len() > 1 => _ = chains.pop(),
            Token::Ident("elif") => branches += 1,
            _ => {}
        }
        total += 1;
        if let Some(chain) = chains.last_mut() {
            *chain = if matches!(token, Token::Comma) { 0 } else { *chain + 1 };
        }
        if chains.iter().sum::<usize>() > MAX_CHAIN_LENGTH {
            return refuse(format!("an expression with more than {MAX_CHAIN_LENGTH} parts that depend on each other"));
        }
        if branches > MAX_BRANCHES {
            return refuse(format!("more than {MAX_BRANCHES} `elif`"));
        }
        if total > MAX_TOKENS {
            return refuse(format!("more than {MAX_TOKENS} tokens inside its braces"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_has_an_end() {
        let many = |part: &str| part.repeat(20_000);
        for source in [
            format!("{{{{ a{} }}}}", many(" ~ a")),
            format!("{{{{ a{} }}}}", many("|upper")),
            format!("{{{{ {} a }}}}", many("not ")),
            format!("{{{{ {}1 }}}}", many("-")),
            format!("{{{{ a{} }}}}", many(".a")),
            format!("{{{{ a{} }}}}", many("[0]")),
            format!("{{{{ a{} }}}}", many("()")),
            format!("{{{{ {}a{} }}}}", many("["), many("]")),
            format!("{{{{ a{} }}}}", many(" if a else a")),
            format!("{{{{ [{}] }}}}", many("a ~ [b, ")),
            format!("{{% if a %}}{}{{% endif %}}", many("{% elif a %}")),
            many("{% if a %}"),
            many("{{ a }}"),
        ] {
            assert!(check(&source, false).is_err(), "{}", &source[..40]);
        }
    }

    #[test]
    fn what_people_write_is_let_through() {
        let languages = "{% elif language == 'xx' %}Hello {{ name }}, {{ total|float|round(2) }}".repeat(300);
        for source in [
            format!("{{% if language == 'en' %}}Hello{languages}{{% endif %}}"),
            format!("{{{{ [{}]|random }}}}", "name ~ 'a', ".repeat(1_500)),
            format!("{{{{ {{{}}}[country] }}}}", "'DE': 'Germany', ".repeat(1_500)),
            "text ".repeat(100_000),
        ] {
            assert_eq!(check(&source, false), Ok(()), "{}", &source[..40]);
        }
    }
}
