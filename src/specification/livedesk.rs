//! `livedesk`: the project to send through.

use schemars::JsonSchema;
use serde::Deserialize;

use super::checker::Checker;
use super::schema_patterns;
use super::span::Spanned;
use crate::problem::Problem;

/// Where LiveDesk's API is when a spec does not say.
pub const DEFAULT_BASE_URL: &str = "https://livedesk-api.engagelab.com";

/// The LiveDesk project to send through.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Livedesk")]
pub(super) struct RawLivedesk {
    /// Where the API is, default `https://livedesk-api.engagelab.com`. Plain http only to this machine.
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
    /// Without a trailing slash.
    pub base_url: String,
    /// The environment variable that holds the API key.
    pub api_key: String,
    /// The environment variable that holds the API secret.
    pub api_secret: String,
}

impl Checker<'_> {
    pub(super) fn livedesk(&mut self, raw: RawLivedesk) -> Option<Livedesk> {
        let base_url = match raw.base_url {
            Some(url) => self.base_url(&url),
            None => Some(DEFAULT_BASE_URL.to_owned()),
        };
        let api_key = self.variable("api_key", raw.api_key, "LIVEDESK_API_KEY");
        let api_secret = self.variable("api_secret", raw.api_secret, "LIVEDESK_API_SECRET");
        Some(Livedesk { base_url: base_url?, api_key: api_key?, api_secret: api_secret? })
    }

    fn base_url(&mut self, url: &Spanned<String>) -> Option<String> {
        let parsed = url::Url::parse(&url.value).ok().filter(url::Url::has_host);
        let Some(parsed) = parsed else {
            self.problem("base-url", url.span, "not an address", format!("such as `{DEFAULT_BASE_URL}`"));
            return None;
        };
        let loopback = match parsed.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match parsed.scheme() {
            "https" => {}
            "http" if loopback => {}
            _ => {
                self.problem(
                    "plain-http",
                    url.span,
                    "credentials may only go over https",
                    "plain http is for this machine alone",
                );
                return None;
            }
        }
        if !parsed.username().is_empty()
            || parsed.password().is_some()
            || parsed.query().is_some()
            || parsed.fragment().is_some()
        {
            self.problem(
                "base-url",
                url.span,
                "an address with credentials or a query",
                "give the scheme, host and path alone",
            );
            return None;
        }
        Some(parsed.as_str().trim_end_matches('/').to_owned())
    }

    /// The name inside `${NAME}`. A literal is refused: specs live in git.
    fn variable(&mut self, key: &str, value: Option<Spanned<String>>, default: &str) -> Option<String> {
        let Some(value) = value else { return Some(default.to_owned()) };
        let name = value
            .value
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        if name.is_none() {
            let place = self.source.place_of_key(value.span, key);
            self.problems.push(
                Problem::error("literal-secret", place, "a credential stands in the spec")
                    .hint(format!("write `${{{default}}}` and put the value into the environment or a `.env` file")),
            );
        }
        name.map(str::to_owned)
    }
}
