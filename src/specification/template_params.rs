//! `message.template_params`: a WhatsApp template and the values of its variables.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Template;
use super::checker::{Checker, optional, template};
use super::schema_patterns;
use super::span::{Spanned, Text};

/// A WhatsApp template and the values of its variables.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TemplateParams")]
pub(super) struct RawTemplateParams {
    /// The template's name.
    #[schemars(with = "Text")]
    pub(super) name: Spanned<Text>,
    /// The template's namespace, if the provider requires one.
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
    /// The header's variable, media file or location.
    #[serde(default)]
    #[schemars(with = "Option<RawHeader>")]
    pub(super) header_params: Option<Spanned<RawHeader>>,
    /// The footer's variables.
    #[serde(default)]
    pub(super) footer_params: Option<RawFooter>,
    /// The variables of the buttons.
    #[serde(default)]
    #[schemars(with = "Option<Vec<RawButton>>", length(max = 10))]
    pub(super) button_params: Option<Vec<Spanned<RawButton>>>,
}

/// The header's variable, media file or location.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HeaderParams")]
#[schemars(extend("allOf" = schema_patterns::header()))]
pub(super) struct RawHeader {
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
    /// With `location`: the location.
    #[serde(default)]
    pub(super) location: Option<RawLocation>,
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
#[schemars(rename = "Location")]
pub(super) struct RawLocation {
    /// Degrees, -90 to 90.
    #[schemars(with = "Text")]
    pub(super) latitude: Spanned<Text>,
    /// Degrees, -180 to 180.
    #[schemars(with = "Text")]
    pub(super) longitude: Spanned<Text>,
    /// The name of the location.
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
#[schemars(rename = "FooterParams")]
pub(super) struct RawFooter {
    /// By position or name.
    #[schemars(with = "std::collections::BTreeMap<String, Text>")]
    pub(super) text_variables: IndexMap<String, Spanned<Text>>,
}

/// The variable of one button.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ButtonParams")]
#[schemars(extend("allOf" = schema_patterns::button()))]
pub(super) struct RawButton {
    /// Which button, counted from 0.
    #[schemars(with = "Text")]
    pub(super) index: Spanned<Text>,
    /// What the button does.
    #[schemars(with = "ButtonType")]
    pub(super) sub_type: Spanned<ButtonType>,
    /// With `url`: the text appended to the template's URL.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) text: Option<Spanned<Text>>,
    /// With `quick_reply`: the payload returned when it is pressed.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) payload: Option<Spanned<Text>>,
}

/// The kinds of button that take a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ButtonType {
    /// Opens a URL.
    Url,
    /// Sends a payload back.
    QuickReply,
}

/// A WhatsApp template and the templates of its variables.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "LiveDesk's own names")]
pub struct TemplateParams {
    pub name: Template,
    pub namespace: Option<Template>,
    pub language: Template,
    pub category: Option<Template>,
    pub processed_params: Option<Variables>,
    pub header_params: Option<Header>,
    pub footer_params: Option<Variables>,
    pub button_params: Option<Vec<Button>>,
}

/// Variables by position or name, positions in numeric order as they go out.
pub type Variables = Vec<(String, Template)>;

/// A header: what it may hold depends on its kind.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "LiveDesk's own names")]
pub enum Header {
    Text { text_variables: Variables },
    Media { kind: HeaderType, media_url: Template, filename: Option<Template> },
    Location { latitude: Template, longitude: Template, name: Option<Template>, address: Option<Template> },
}

/// A button with a variable.
#[derive(Debug, Clone)]
pub struct Button {
    /// Which one, counted from 0.
    pub index: Template,
    /// What it does.
    pub sub_type: ButtonType,
    /// The suffix of a `url` button.
    pub text: Option<Template>,
    /// The payload of a `quick_reply` button.
    pub payload: Option<Template>,
}

impl Checker<'_> {
    pub(super) fn template_params(&mut self, raw: RawTemplateParams) -> Option<TemplateParams> {
        const KEY: &str = "message.template_params";
        let header_params = raw.header_params.map(|header| self.header(header));
        let button_params = raw
            .button_params
            .map(|buttons| buttons.into_iter().enumerate().map(|(n, raw)| self.button(n, raw)).collect());
        Some(TemplateParams {
            name: template(&format!("{KEY}.name"), raw.name),
            namespace: optional(&format!("{KEY}.namespace"), raw.namespace),
            language: template(&format!("{KEY}.language"), raw.language),
            category: optional(&format!("{KEY}.category"), raw.category),
            processed_params: raw.processed_params.map(|raw| variables(&format!("{KEY}.processed_params"), raw)),
            header_params: match header_params {
                Some(header) => Some(header?),
                None => None,
            },
            footer_params: raw
                .footer_params
                .map(|footer| variables(&format!("{KEY}.footer_params.text_variables"), footer.text_variables)),
            button_params,
        })
    }

    fn header(&mut self, raw: Spanned<RawHeader>) -> Option<Header> {
        const KEY: &str = "message.template_params.header_params";
        let Spanned { value: raw, span } = raw;
        let kind = raw.r#type.value;
        let media = matches!(kind, HeaderType::Image | HeaderType::Video | HeaderType::Document);
        let stray = [
            ("text_variables", raw.text_variables.is_some() && kind != HeaderType::Text),
            ("media_url", raw.media_url.is_some() && !media),
            ("filename", raw.filename.is_some() && kind != HeaderType::Document),
            ("location", raw.location.is_some() && kind != HeaderType::Location),
        ];
        for (name, _) in stray.iter().filter(|(_, stray)| *stray) {
            self.problem(
                "header-mismatch",
                self.source.key_in(span, name),
                format!("this type of header does not take `{name}`"),
                "`text` takes `text_variables`; `image`, `video` and `document` take `media_url`; `document` also \
                 `filename`; `location` takes `location`",
            );
        }
        let header = match kind {
            HeaderType::Text => raw
                .text_variables
                .map(|raw| Header::Text { text_variables: variables(&format!("{KEY}.text_variables"), raw) }),
            HeaderType::Location => raw.location.map(|location| Header::Location {
                latitude: template(&format!("{KEY}.location.latitude"), location.latitude),
                longitude: template(&format!("{KEY}.location.longitude"), location.longitude),
                name: optional(&format!("{KEY}.location.name"), location.name),
                address: optional(&format!("{KEY}.location.address"), location.address),
            }),
            HeaderType::Image | HeaderType::Video | HeaderType::Document => raw.media_url.map(|url| Header::Media {
                kind,
                media_url: template(&format!("{KEY}.media_url"), url),
                filename: optional(&format!("{KEY}.filename"), raw.filename),
            }),
        };
        if header.is_none() {
            let needed = match kind {
                HeaderType::Text => "text_variables",
                HeaderType::Location => "location",
                HeaderType::Image | HeaderType::Video | HeaderType::Document => "media_url",
            };
            self.problem(
                "header-without-value",
                span,
                format!("`{needed}` is missing in this header"),
                "`text` needs `text_variables`; `image`, `video` and `document` need `media_url`; `location` needs \
                 `location`",
            );
        }
        header
    }

    fn button(&mut self, position: usize, raw: Spanned<RawButton>) -> Button {
        let key = format!("message.template_params.button_params.{position}");
        let Spanned { value: raw, span } = raw;
        let sub_type = raw.sub_type.value;
        let fits = match sub_type {
            ButtonType::Url => raw.text.is_some() && raw.payload.is_none(),
            ButtonType::QuickReply => raw.payload.is_some() && raw.text.is_none(),
        };
        if !fits {
            self.problem(
                "button-mismatch",
                span,
                "the button's value does not fit its `sub_type`",
                "a `url` button takes `text`, a `quick_reply` button takes `payload`",
            );
        }
        Button {
            index: template(&format!("{key}.index"), raw.index),
            sub_type,
            text: optional(&format!("{key}.text"), raw.text),
            payload: optional(&format!("{key}.payload"), raw.payload),
        }
    }
}

/// Variables with positions in numeric order: the server fills them in the order of the object's keys, and as text
/// "10" would come before "2".
fn variables(key: &str, raw: IndexMap<String, Spanned<Text>>) -> Variables {
    let mut sorted: Variables = raw
        .into_iter()
        .map(|(name, text)| {
            let template = template(&format!("{key}.{name}"), text);
            (name, template)
        })
        .collect();
    sorted.sort_by_key(|(name, _)| name.parse::<u32>().unwrap_or(u32::MAX));
    sorted
}
