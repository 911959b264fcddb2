//! The spec as it is written. Its doc comments are the descriptions in the JSON Schema, so they speak to the author of
//! a spec. Nothing here is checked beyond its shape: `check` turns it into a [`super::Spec`].

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::schema_patterns;
use super::span::{Spanned, Text};

/// A campaign: a list of recipients and the message that each of them gets once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "campaign spec")]
pub(super) struct Raw {
    /// The campaign's identity: name and recipient key are one delivery, for ever. Lower-case letters, digits, `.`, `_`
    /// and `-`, at most 64 characters.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9._-]{0,63}$"))]
    pub(super) name: Spanned<String>,
    /// What the campaign is for; shown in previews and reports.
    #[serde(default)]
    pub(super) description: Option<String>,
    /// The LiveDesk project to send through.
    #[serde(default)]
    pub(super) livedesk: Livedesk,
    /// The list: a path relative to this file, `"-"` for standard input, or a map with more settings.
    pub(super) recipients: Recipients,
    /// Constants for the templates; `--var NAME=VALUE` overrides them.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, Text>")]
    pub(super) vars: IndexMap<String, Spanned<Text>>,
    /// Whom a message goes to, in one of three ways: `conversation_id`; `inbox_id` with `contact_id` or `source_id`;
    /// `inbox_id` with `contact`.
    pub(super) to: Spanned<To>,
    /// LiveDesk's request body. Every string is a minijinja template with the row's columns as variables.
    pub(super) message: Spanned<Message>,
    /// How strict the checks before sending are.
    #[serde(default)]
    pub(super) checks: Checks,
    /// Speed, limits, retries and guards.
    #[serde(default)]
    pub(super) send: Send,
    /// Where the result goes: a path or a list of paths, relative to this file; `.csv`, `.jsonl` or `.html` by ending.
    /// Default `reports/<name>.csv`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::OneOrMany<schema_patterns::Report>>")]
    pub(super) report: Option<OneOrMany>,
}

/// The LiveDesk project to send through.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Livedesk {
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

/// A path, or a map: told apart by hand, because serde's untagged enums lose place and message of an error.
#[derive(Debug)]
pub(super) enum Recipients {
    Path(Spanned<String>),
    Map(Box<RecipientsMap>),
}

/// The list of recipients with its settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecipientsMap {
    /// The list's path, relative to this file; `"-"`, in quotes, is standard input.
    #[schemars(with = "schema_patterns::InputFile")]
    pub(super) file: Spanned<String>,
    /// What the list is written in; by file ending if absent.
    #[serde(default)]
    pub(super) format: Option<Format>,
    /// One character between the fields of a CSV list; detected if absent.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Delimiter>")]
    pub(super) delimiter: Option<Spanned<String>>,
    /// The list's encoding, such as `utf-8`, `windows-1252` or `gb18030`; UTF-8 or what its byte order mark says if
    /// absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) encoding: Option<Spanned<String>>,
    /// A template that says what makes two rows the same delivery. Default: whom `to` addresses.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) key: Option<Spanned<Text>>,
    /// A minijinja expression; rows for which it is false are skipped.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) r#where: Option<Spanned<Text>>,
    /// Files of keys, phone numbers or e-mail addresses that must never be messaged.
    #[serde(default)]
    #[schemars(with = "Vec<schema_patterns::SuppressionList>")]
    pub(super) suppress: Vec<Spanned<String>>,
    /// The country of phone numbers that are written without one, such as `DE`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Region>")]
    pub(super) default_region: Option<Spanned<String>>,
    /// What to do with a second row for the same key: `skip` it (default) or `stop` before anything is sent.
    #[serde(default)]
    pub(super) on_duplicate: Duplicates,
}

/// The formats of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated (or `;`, tab, `|`: detected).
    Csv,
    /// Tab-separated.
    Tsv,
    /// One JSON object on each line.
    Jsonl,
    /// The first sheet of an Excel workbook.
    Xlsx,
}

/// What a second row for the same key means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// The first row wins, the second is reported as skipped.
    #[default]
    Skip,
    /// A problem: nothing is sent.
    Stop,
}

/// Whom a message goes to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = schema_patterns::one_way_to_address()))]
pub(super) struct To {
    /// A conversation that exists: one request for each recipient.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) conversation_id: Option<Spanned<Text>>,
    /// The channel in which a conversation is made first. "Channel ID" in the project's settings.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) inbox_id: Option<Spanned<Text>>,
    /// A contact that exists.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) contact_id: Option<Spanned<Text>>,
    /// The contact's id in the channel; for WhatsApp the digits of the phone number.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) source_id: Option<Spanned<Text>>,
    /// A contact to make, or to find when its e-mail, phone number or identifier is taken.
    #[serde(default)]
    #[schemars(with = "Option<Contact>")]
    pub(super) contact: Option<Spanned<Contact>>,
}

/// A contact to make or to find.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = schema_patterns::findable()))]
pub(super) struct Contact {
    /// The name shown to agents.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) name: Option<Spanned<Text>>,
    /// E-mail address; no two contacts share one.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) email: Option<Spanned<Text>>,
    /// Phone number; sent as `+` and digits. No two contacts share one.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) phone_number: Option<Spanned<Text>>,
    /// Address of a picture.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) avatar_url: Option<Spanned<Text>>,
    /// Your own id for the person; no two contacts share one.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) identifier: Option<Spanned<Text>>,
}

/// LiveDesk's request body for a message. Keys that are absent here are absent in the request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = schema_patterns::content()))]
pub(super) struct Message {
    /// The text; for a template message the text that agents see.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) content: Option<Spanned<Text>>,
    /// `true` makes a note that only agents see.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) private: Option<Spanned<Text>>,
    /// `outgoing` (LiveDesk's default) or `incoming`: as if the customer had written.
    #[serde(default)]
    #[schemars(with = "Option<MessageType>")]
    pub(super) message_type: Option<Spanned<MessageType>>,
    /// More about the message.
    #[serde(default)]
    pub(super) content_attributes: Option<ContentAttributes>,
    /// A WhatsApp template message.
    #[serde(default)]
    #[schemars(with = "Option<TemplateParams>")]
    pub(super) template_params: Option<Spanned<TemplateParams>>,
    /// Files to send along: path templates, relative to this file and inside its folder.
    #[serde(default)]
    #[schemars(with = "Vec<Text>", length(max = 15))]
    pub(super) attachments: Vec<Spanned<Text>>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageType {
    /// We write to the customer.
    Outgoing,
    /// As if the customer had written to us (API channels).
    Incoming,
}

/// More about the message.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContentAttributes {
    /// The id of the message that this one answers.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) in_reply_to: Option<Spanned<Text>>,
}

/// A WhatsApp template and the values of its variables.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateParams {
    /// The template's name.
    #[schemars(with = "Text")]
    pub(super) name: Spanned<Text>,
    /// The template's namespace, where the provider wants one.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) namespace: Option<Spanned<Text>>,
    /// The code of an approved translation, such as `en_US`.
    #[schemars(with = "Text")]
    pub(super) language: Spanned<Text>,
    /// MARKETING, UTILITY or AUTHENTICATION.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) category: Option<Spanned<Text>>,
    /// The body's variables: by position ("1", "2", ...) or by name.
    #[serde(default)]
    #[schemars(with = "Option<std::collections::BTreeMap<String, Text>>")]
    pub(super) processed_params: Option<IndexMap<String, Spanned<Text>>>,
    /// The header's variable, medium or place.
    #[serde(default)]
    #[schemars(with = "Option<HeaderParams>")]
    pub(super) header_params: Option<Spanned<HeaderParams>>,
    /// The footer's variables.
    #[serde(default)]
    pub(super) footer_params: Option<FooterParams>,
    /// The variables of the buttons.
    #[serde(default)]
    #[schemars(with = "Option<Vec<ButtonParams>>", length(max = 10))]
    pub(super) button_params: Option<Vec<Spanned<ButtonParams>>>,
}

/// The header's variable, medium or place.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = schema_patterns::header()))]
pub(super) struct HeaderParams {
    /// What kind of header the template has.
    #[schemars(with = "HeaderType")]
    pub(super) r#type: Spanned<HeaderType>,
    /// With `text`: the variable, by position or name.
    #[serde(default)]
    #[schemars(with = "Option<std::collections::BTreeMap<String, Text>>", extend("maxProperties" = 1))]
    pub(super) text_variables: Option<IndexMap<String, Spanned<Text>>>,
    /// With `image`, `video` and `document`: the public https address of the file.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) media_url: Option<Spanned<Text>>,
    /// With `document`: the name shown to the recipient.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) filename: Option<Spanned<Text>>,
    /// With `location`: the place.
    #[serde(default)]
    pub(super) location: Option<Location>,
}

/// The kinds of header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HeaderType {
    /// A line of text with at most one variable.
    Text,
    /// A JPEG or PNG.
    Image,
    /// An MP4 or 3GP.
    Video,
    /// A file, usually a PDF.
    Document,
    /// A pin on a map.
    Location,
}

/// A pin on a map.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Location {
    /// Degrees, -90 to 90.
    #[schemars(with = "Text")]
    pub(super) latitude: Spanned<Text>,
    /// Degrees, -180 to 180.
    #[schemars(with = "Text")]
    pub(super) longitude: Spanned<Text>,
    /// The name of the place.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) name: Option<Spanned<Text>>,
    /// Its address.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) address: Option<Spanned<Text>>,
}

/// The footer's variables.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FooterParams {
    /// By position or name.
    #[schemars(with = "std::collections::BTreeMap<String, Text>")]
    pub(super) text_variables: IndexMap<String, Spanned<Text>>,
}

/// The variable of one button.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = schema_patterns::button()))]
pub(super) struct ButtonParams {
    /// Which button, counted from 0.
    #[schemars(with = "Text")]
    pub(super) index: Spanned<Text>,
    /// What the button does.
    #[schemars(with = "ButtonType")]
    pub(super) sub_type: Spanned<ButtonType>,
    /// With `url`: what is appended to the template's address.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) text: Option<Spanned<Text>>,
    /// With `quick_reply`: what comes back when it is pressed.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) payload: Option<Spanned<Text>>,
}

/// The kinds of button that take a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ButtonType {
    /// Opens an address.
    Url,
    /// Answers with a payload.
    QuickReply,
}

/// How strict the checks before sending are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Checks {
    /// Phone numbers that only the numbering plans doubt: a warning (`lenient`, default) or a problem (`strict`).
    #[serde(default)]
    pub(super) phones: PhoneCheck,
    /// Rendered values with `{{` or `{%`, which the server would evaluate: a problem of that row (`refuse`, default)
    /// or sent as they are (`allow`).
    #[serde(default)]
    pub(super) liquid: LiquidCheck,
    /// Template values with characters that the server strips (`< > " '`): counted as a warning (`warn`, default), a
    /// problem (`refuse`), or passed over (`allow`).
    #[serde(default)]
    pub(super) stripped: StrippedCheck,
    /// Recipients whom a message may not reach: blocked contacts, muted or closed conversations, and conversations in which
    /// the channel takes only templates now (`can_reply: false`). Named in a warning (`warn`, default), failed before any
    /// message leaves (`refuse`), or passed over (`allow`). Known from the answers to making contact and conversation; of a
    /// `conversation_id` LiveDesk is asked nothing.
    #[serde(default)]
    #[schemars(with = "UnreachableCheck")]
    pub(super) unreachable: Option<Spanned<UnreachableCheck>>,
}

/// What a doubtful phone number is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PhoneCheck {
    /// A warning.
    #[default]
    Lenient,
    /// A problem.
    Strict,
}

/// What a value is that the server would evaluate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LiquidCheck {
    /// A problem.
    #[default]
    Refuse,
    /// As wanted.
    Allow,
}

/// What a value is that the server would change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StrippedCheck {
    /// A warning.
    #[default]
    Warn,
    /// A problem.
    Refuse,
    /// As wanted.
    Allow,
}

/// What a recipient is whom a message may not reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnreachableCheck {
    /// A warning.
    #[default]
    Warn,
    /// A failure: no message leaves.
    Refuse,
    /// As wanted.
    Allow,
}

/// Speed, limits, retries and guards.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    /// Messages, evenly paced: `N/s`, `N/min`, `N/h` or `unlimited`. Default `20/s`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Speed>")]
    pub(super) rate: Option<Spanned<String>>,
    /// Messages in any rolling window, such as `1000/day` or `600/h`; one or a list. Counted over all runs.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::OneOrMany<schema_patterns::Quota>>")]
    pub(super) quota: Option<OneOrMany>,
    /// API requests of all kinds, evenly paced. Default `50/s`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Speed>")]
    pub(super) requests: Option<Spanned<String>>,
    /// How many may leave back to back. Default 1.
    #[serde(default)]
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) burst: Option<Spanned<u32>>,
    /// Requests in flight. Default 16.
    #[serde(default)]
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) concurrency: Option<Spanned<u32>>,
    /// How long an answer may take, from when the request leaves. Default `30s`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    pub(super) timeout: Option<Spanned<String>>,
    /// How long a connection may take. Default `10s`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    pub(super) connect_timeout: Option<Spanned<String>>,
    /// How long a server that has stopped answering, or that answers nothing but 429, is waited for before the run ends
    /// (exit 1). A `Retry-After` is waited for as told, up to `not_after`. Default `5m`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    pub(super) outage: Option<Spanned<String>>,
    /// What happens after a request that is certain not to have been accepted.
    #[serde(default)]
    pub(super) retry: Retry,
    /// When to stop the whole run.
    #[serde(default)]
    pub(super) stop_when: StopWhen,
    /// Send to the first N, then stop and ask.
    #[serde(default)]
    #[schemars(with = "Option<u64>", range(min = 1))]
    pub(super) canary: Option<Spanned<u64>>,
    /// The hours in which messages leave, by each recipient's own clock. Whoever is outside of them is held, not dropped.
    #[serde(default)]
    #[schemars(with = "Option<Window>")]
    pub(super) window: Option<Spanned<Window>>,
    /// Nothing leaves before this time (RFC 3339).
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Time>")]
    pub(super) not_before: Option<Spanned<String>>,
    /// Nothing leaves after this time (RFC 3339); what is left stays pending.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Time>")]
    pub(super) not_after: Option<Spanned<String>>,
}

/// The hours in which messages leave, by each recipient's own clock. Whoever is outside of them is held, not dropped. A
/// time that the clock skips in spring is the first moment after the gap; of one that comes twice in autumn the first
/// opens and the second closes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    /// When it opens: `HH:MM` or `HH:MM:SS`, local time.
    #[schemars(with = "schema_patterns::TimeOfDay")]
    pub(super) from: Spanned<String>,
    /// When it closes: `HH:MM` or `HH:MM:SS`, local time, at most `24:00`. Before `from` it is a time of the next day.
    #[schemars(with = "schema_patterns::EndOfDay")]
    pub(super) to: Spanned<String>,
    /// The recipient's time zone: a template such as `{{ timezone }}`, or one zone for everybody, such as
    /// `Europe/Berlin`.
    #[schemars(with = "String")]
    pub(super) timezone: Spanned<Text>,
    /// The time zone of those whose own is missing or unknown. Without it they are a problem.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) fallback: Option<Spanned<String>>,
    /// The days on which it opens, default all: `mon-fri`, or a list such as `[mon, wed, fri]`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Days>")]
    pub(super) days: Option<OneOrMany>,
}

/// What happens after a request that is certain not to have been accepted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    /// How often it is tried in all. Default 5.
    #[serde(default)]
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) attempts: Option<Spanned<u32>>,
    /// The first wait; it doubles, with jitter. Default `500ms`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    pub(super) backoff: Option<Spanned<String>>,
    /// The longest wait. Default `60s`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Duration>")]
    pub(super) max_backoff: Option<Spanned<String>>,
}

/// When to stop the whole run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StopWhen {
    /// The share of failures that are not the recipient's own, such as `10%`. Default `10%`.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Share>")]
    pub(super) failed: Option<Spanned<String>>,
    /// How many must be settled before the share counts. Default 50.
    #[serde(default)]
    #[schemars(with = "Option<u64>")]
    pub(super) after: Option<Spanned<u64>>,
    /// How often the same run-wide error may come in a row. Default 20.
    #[serde(default)]
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) same_error: Option<Spanned<u32>>,
}

/// One string or a list of them.
#[derive(Debug, Clone)]
pub(super) struct OneOrMany(pub(super) Vec<Spanned<String>>);
