//! `track`: how long and how fast receipts and replies are looked for, and what a reply must say to be an opt-out.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::checker::Checker;
use super::livedesk::variable;
use super::schema_patterns;
use super::send::Send;
use super::span::{Spanned, Text};
use super::units::{Speed, duration};
use crate::opt_out;
use crate::problem::Problem;

/// How long nothing is a receipt that is still awaited; afterwards it is a message without one.
const UNTIL: &str = "72h";

/// `campaign track`: how long and how fast to look for receipts and replies.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Track")]
pub(super) struct RawTrack {
    /// How long to look for a receipt after a message was accepted, at most a week. Default `72h`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    pub(super) until: Option<Spanned<String>>,
    /// Rate of read requests: `N/s`, `N/min`, `N/h` or `unlimited`. Default a tenth of `send.requests`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Speed>")]
    pub(super) requests: Option<Spanned<String>>,
    /// Recipients who reply that they want no more messages.
    #[serde(default)]
    pub(super) opt_out: RawOptOut,
    /// `${NAME}`: the environment variable (or line of `.env`) that holds the secret of LiveDesk's webhook. With it,
    /// `campaign track --listen` ignores events that are not signed.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::EnvironmentVariable>")]
    pub(super) webhook_secret: Option<Spanned<String>>,
}

/// Recipients who reply that they want no more messages.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OptOut")]
pub(super) struct RawOptOut {
    /// Replies that are an opt-out, such as the label of the template's opt-out button. Words such as STOP and ABMELDEN
    /// are known in many languages; case and punctuation do not matter.
    #[serde(default)]
    #[schemars(with = "Vec<Text>")]
    pub(super) words: Vec<Spanned<Text>>,
    /// The file that `campaign track` writes the recipients who opted out to, relative to this file; it ends in `.csv`
    /// and can be listed in `recipients.suppress`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::CsvFile>")]
    pub(super) file: Option<Spanned<String>>,
}

/// How long and how fast receipts and replies are looked for.
#[derive(Debug, Clone)]
pub struct Track {
    /// How long after it was accepted a message is looked at.
    pub until: Duration,
    /// The rate of reads.
    pub requests: Speed,
    /// What is an opt-out, and where it is written.
    pub opt_out: OptOutRules,
    /// The environment variable that holds the secret of webhooks.
    pub webhook_secret: Option<String>,
}

/// What is an opt-out, and where it is written.
#[derive(Debug, Clone, Default)]
pub struct OptOutRules {
    /// Replies that are an opt-out, beside the known ones.
    pub words: Vec<String>,
    /// Relative to the spec's folder.
    pub file: Option<PathBuf>,
}

impl Checker<'_> {
    /// `send` is what the rest of the spec says of speeds.
    pub(super) fn track(&mut self, raw: RawTrack, send: &Send) -> Option<Track> {
        let until = self.parsed(raw.until.as_ref(), UNTIL, duration);
        let requests = match &raw.requests {
            Some(_) => self.parsed(raw.requests.as_ref(), "", str::parse),
            None => Some(send.requests.tenth()),
        };
        let opt_out = self.opt_out(raw.opt_out);
        let webhook_secret = match raw.webhook_secret {
            Some(value) => Some(self.webhook_secret(&value)?),
            None => None,
        };
        Some(Track { until: until?, requests: requests?, opt_out, webhook_secret })
    }

    fn opt_out(&mut self, raw: RawOptOut) -> OptOutRules {
        for word in &raw.words {
            if opt_out::normalized(&word.value.0).is_empty() {
                let hint = "write a word or a sentence that a recipient replies, such as `no thanks`";
                self.problem("empty", word.span, "an opt-out without letters or digits", hint);
            }
        }
        if let Some(file) = &raw.file {
            if !file.value.to_ascii_lowercase().ends_with(".csv") {
                let what = format!("`{}` is not a CSV file", file.value);
                self.problem("opt-out-file", file.span, what, "use a name that ends in `.csv`");
            }
            self.file_name("opt-out-file", "the opt-out file's name", file);
        }
        OptOutRules {
            words: raw.words.into_iter().map(|word| word.value.0).collect(),
            file: raw.file.map(|file| file.value.into()),
        }
    }

    /// A literal is refused: specs live in git.
    fn webhook_secret(&mut self, value: &Spanned<String>) -> Option<String> {
        let name = variable(&value.value);
        if name.is_none() {
            let place = self.source.place_of_key(value.span, "webhook_secret");
            let hint = "write `${LIVEDESK_WEBHOOK_SECRET}` and put the value in the environment or a `.env` file";
            self.problems.push(Problem::error("literal-secret", place, "the spec contains a credential").hint(hint));
        }
        name.map(str::to_owned)
    }
}
