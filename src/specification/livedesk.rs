//! `livedesk`: the project to send through.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Spec;
use super::checker::Checker;
use super::schema_patterns;
use super::span::{Span, Spanned};
use crate::problem::Problem;

/// Where LiveDesk's API is when a spec does not say.
pub const DEFAULT_BASE_URL: &str = "https://livedesk-api.engagelab.com";

/// The LiveDesk project to send through.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Livedesk")]
pub(super) struct RawLivedesk {
    /// Address of the API, or `${NAME}`: the environment variable (or line of `.env`) that contains it. Default
    /// `https://livedesk-api.engagelab.com`. Plain http is allowed only to this machine.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) base_url: Option<Spanned<String>>,
    /// `${NAME}`: the environment variable (or line of `.env`) that holds the API key, default `${LIVEDESK_API_KEY}`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::EnvironmentVariable>")]
    pub(super) api_key: Option<Spanned<String>>,
    /// `${NAME}`: the environment variable (or line of `.env`) that holds the API secret, default
    /// `${LIVEDESK_API_SECRET}`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::EnvironmentVariable>")]
    pub(super) api_secret: Option<Spanned<String>>,
}

/// The project to send through.
#[derive(Debug, Clone)]
pub struct Livedesk {
    /// Without a trailing slash. `${NAME}` until [`Spec::with_base_url`] gives the address.
    pub base_url: String,
    /// The environment variable that holds the address, and where it is named.
    pub base_url_variable: Option<(String, Span)>,
    /// The environment variable that holds the API key.
    pub api_key: String,
    /// The environment variable that holds the API secret.
    pub api_secret: String,
}

impl Checker<'_> {
    pub(super) fn livedesk(&mut self, raw: RawLivedesk) -> Option<Livedesk> {
        let base_url_variable =
            raw.base_url.as_ref().and_then(|url| Some((variable(&url.value)?.to_owned(), url.span)));
        let base_url = match raw.base_url {
            Some(url) if base_url_variable.is_some() => Some(url.value),
            Some(url) => self.base_url(&url),
            None => Some(DEFAULT_BASE_URL.to_owned()),
        };
        let api_key = self.variable("api_key", raw.api_key, "LIVEDESK_API_KEY");
        let api_secret = self.variable("api_secret", raw.api_secret, "LIVEDESK_API_SECRET");
        Some(Livedesk { base_url: base_url?, base_url_variable, api_key: api_key?, api_secret: api_secret? })
    }

    fn base_url(&mut self, url: &Spanned<String>) -> Option<String> {
        match checked(&url.value) {
            Ok(url) => Some(url),
            Err(NoBaseUrl { code, what, hint }) => {
                self.problem(code, url.span, what, hint);
                None
            }
        }
    }

    /// The name inside `${NAME}`. A literal is refused: specs live in git.
    fn variable(&mut self, key: &str, value: Option<Spanned<String>>, default: &str) -> Option<String> {
        let Some(value) = value else { return Some(default.to_owned()) };
        let name = variable(&value.value);
        if name.is_none() {
            let place = self.source.place_of_key(value.span, key);
            self.problems.push(
                Problem::error("literal-secret", place, "the spec contains a credential")
                    .hint(format!("write `${{{default}}}` and put the value in the environment or a `.env` file")),
            );
        }
        name.map(str::to_owned)
    }
}

impl Spec {
    /// The same spec with the address that the environment gives for `livedesk.base_url`.
    ///
    /// # Errors
    /// It is no address to send to. The problem does not repeat it.
    pub fn with_base_url(&self, url: &str) -> Result<Self, Problem> {
        let base_url = checked(url).map_err(|NoBaseUrl { code, what, hint }| {
            let (name, span) = self.livedesk.base_url_variable.clone().unwrap_or_default();
            Problem::error(code, self.source.place(span), format!("the value of `{name}`: {what}")).hint(hint)
        })?;
        Ok(Self { livedesk: Livedesk { base_url, ..self.livedesk.clone() }, ..self.clone() })
    }
}

/// The name inside `${NAME}`.
pub(super) fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    (!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then_some(name)
}

/// Why an address cannot be sent to.
struct NoBaseUrl {
    code: &'static str,
    what: &'static str,
    hint: String,
}

/// The address without a trailing slash.
fn checked(url: &str) -> Result<String, NoBaseUrl> {
    let no = |code, what, hint: &str| Err(NoBaseUrl { code, what, hint: hint.to_owned() });
    let Some(parsed) = url::Url::parse(url).ok().filter(url::Url::has_host) else {
        return no("base-url", "not an address", &format!("such as `{DEFAULT_BASE_URL}`, or `${{LIVEDESK_BASE_URL}}`"));
    };
    let loopback = match parsed.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if parsed.scheme() != "https" && !(parsed.scheme() == "http" && loopback) {
        return no("plain-http", "credentials are sent only over https", "plain http is allowed only to this machine");
    }
    let has_credentials = !parsed.username().is_empty() || parsed.password().is_some();
    if has_credentials || parsed.query().is_some() || parsed.fragment().is_some() {
        return no("base-url", "an address with credentials or a query", "give only the scheme, host and path");
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}
