//! What the page shows of one message.

use std::path::Path;

use serde::Serialize;

use super::File;
use super::formatting::{self, Piece};
use crate::message::{Address, ButtonParams, HeaderParams, Location, Message, TemplateParams, Variables};
use crate::plan::Sample;
use crate::problem::Problem;
use crate::specification::{ButtonType, HeaderType, MessageType};

/// One message with what is said about it.
#[derive(Debug, Serialize)]
pub(super) struct Column<'a> {
    line: u64,
    key: &'a str,
    to: Vec<String>,
    why: Vec<&'a str>,
    side: Side,
    in_reply_to: Option<String>,
    header: Option<Header<'a>>,
    files: Vec<File>,
    text: Option<Vec<Piece<'a>>>,
    footer: Vec<&'a str>,
    buttons: Vec<Button<'a>>,
    template: Option<Template<'a>>,
    warnings: Vec<Warning<'a>>,
}

/// Whose message it is.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Outgoing,
    Incoming,
    /// A note among agents.
    Note,
}

/// What is above the text.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Header<'a> {
    Text { values: Vec<&'a str> },
    Image { address: &'a str },
    Video { address: &'a str },
    Document { address: &'a str, filename: Option<&'a str> },
    Location { latitude: String, longitude: String, name: Option<&'a str>, address: Option<&'a str> },
}

/// A button, as far as it is known: its label is in the approved template.
#[derive(Debug, Serialize)]
struct Button<'a> {
    kind: ButtonType,
    value: &'a str,
}

/// The approved template and what is filled into its text.
#[derive(Debug, Serialize)]
struct Template<'a> {
    name: &'a str,
    language: &'a str,
    category: Option<&'a str>,
    filled: Vec<(&'a str, &'a str)>,
}

#[derive(Debug, Serialize)]
struct Warning<'a> {
    message: String,
    hint: Option<&'a str>,
}

impl<'a> Column<'a> {
    pub(super) fn new(shown: &'a Sample, file: &dyn Fn(&Path) -> File) -> Self {
        let delivery = &shown.delivery;
        let message = &delivery.message;
        let params = message.template_params.as_ref();
        let footer = params.and_then(|params| params.footer_params.as_ref());
        let buttons = params.and_then(|params| params.button_params.as_deref()).unwrap_or_default();
        Self {
            line: shown.row.line,
            key: &delivery.key,
            to: to(&delivery.address),
            why: shown.why.iter().map(|why| in_short(why)).collect(),
            side: side(message),
            in_reply_to: message.content_attributes.as_ref().map(|about| about.in_reply_to.to_string()),
            header: params.and_then(|params| params.header_params.as_ref()).and_then(header),
            files: message.attachments.iter().map(|path| file(path)).collect(),
            text: message.content.as_deref().map(formatting::pieces),
            footer: footer.map(|footer| values(&footer.text_variables)).unwrap_or_default(),
            buttons: buttons.iter().map(button).collect(),
            template: params.map(template),
            warnings: delivery.warnings.iter().map(warning).collect(),
        }
    }

    pub(super) fn has_template(&self) -> bool {
        self.template.is_some()
    }
}

/// Whom the message goes to, in words.
fn to(address: &Address) -> Vec<String> {
    match address {
        Address::Conversation(id) => vec![format!("conversation {id}")],
        Address::Sender { inbox_id, contact_id, source_id } => {
            let contact = contact_id.map(|id| format!("contact {id}"));
            contact.into_iter().chain(source_id.clone()).chain([format!("inbox {inbox_id}")]).collect()
        }
        Address::Contact { inbox_id, contact } => {
            let known = [&contact.name, &contact.phone_number, &contact.email, &contact.identifier];
            known.into_iter().flatten().cloned().chain([format!("inbox {inbox_id}")]).collect()
        }
    }
}

/// The warnings themselves are below the message.
fn in_short(why: &str) -> &str {
    if why.starts_with("with a warning") { "with a warning" } else { why }
}

fn side(message: &Message) -> Side {
    match (message.private, message.message_type) {
        (Some(true), _) => Side::Note,
        (_, Some(MessageType::Incoming)) => Side::Incoming,
        _ => Side::Outgoing,
    }
}

fn values(variables: &Variables) -> Vec<&str> {
    variables.0.iter().map(|(_, value)| value.as_str()).collect()
}

/// `None` where nothing is filled in.
fn header(params: &HeaderParams) -> Option<Header<'_>> {
    let address = params.media_url.as_deref();
    match params.r#type {
        HeaderType::Text => Some(Header::Text { values: values(params.text_variables.as_ref()?) }),
        HeaderType::Image => Some(Header::Image { address: address? }),
        HeaderType::Video => Some(Header::Video { address: address? }),
        HeaderType::Document => Some(Header::Document { address: address?, filename: params.filename.as_deref() }),
        HeaderType::Location => params.location.as_ref().map(location),
    }
}

fn location(location: &Location) -> Header<'_> {
    Header::Location {
        latitude: location.latitude.to_string(),
        longitude: location.longitude.to_string(),
        name: location.name.as_deref(),
        address: location.address.as_deref(),
    }
}

fn button(params: &ButtonParams) -> Button<'_> {
    let value = match params.sub_type {
        ButtonType::Url => &params.text,
        ButtonType::QuickReply => &params.payload,
    };
    Button { kind: params.sub_type, value: value.as_deref().unwrap_or_default() }
}

fn template(params: &TemplateParams) -> Template<'_> {
    let filled = params.processed_params.iter().flat_map(|variables| &variables.0);
    Template {
        name: &params.name,
        language: &params.language,
        category: params.category.as_deref(),
        filled: filled.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
    }
}

fn warning(problem: &Problem) -> Warning<'_> {
    Warning { message: problem.message(), hint: problem.hint.as_deref() }
}
