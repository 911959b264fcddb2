//! One row through all templates: the delivery, or everything that is wrong with the row at once.
//!
//! `address` says whom it goes to, `key` identifies the recipient, `phone` reads phone numbers; `value` renders one value and
//! checks it against the rules; `hints` says how to fix what is wrong.

mod address;
mod hints;
mod key;
mod phone;
mod value;

use std::path::{Component, PathBuf};

use jiff::tz::TimeZone;
use serde_json::Number;

use self::value::{Destination, Rule, is_longer};
use super::context::Context;
use super::render_errors::NoText;
use super::{
    ButtonParams, ContentAttributes, Delivery, FooterParams, HeaderParams, Location, Message, RewrittenPhone,
    TemplateParams, Templates, Variables,
};
use crate::problem::{Place, Problem};
use crate::recipients::{Row, is_invisible};
use crate::specification::{self, HeaderType, Template, Timezone};
use crate::state::MessageId;
use crate::whatsapp::{self, MAX_CONTENT_LENGTH};

impl Templates {
    /// Whether the row is wanted at all (`recipients.where`).
    ///
    /// # Errors
    /// Why that cannot be said.
    pub fn is_wanted(&self, row: &Row, list: &str) -> Result<bool, Box<Problem>> {
        self.wanted(row).map_err(|NoText { code, what, value, hint }| {
            let problem = Problem::error(code, Place::line(list, row.line), format!("`recipients.where`: {what}"));
            let problem = problem.value(value.as_deref().unwrap_or_default());
            Box::new(match hint.or_else(|| hints::hint(code)) {
                Some(hint) => problem.hint(hint),
                None => problem,
            })
        })
    }

    /// The zone whose hours count for the row; `None` if any hour is right, or if the row has something wrong there.
    pub fn zone(&self, row: &Row, list: &str) -> Option<TimeZone> {
        match &self.spec.send.window.as_ref()?.timezone {
            Timezone::Fixed(zone) => Some(zone.clone()),
            Timezone::PerRow(_) => Renderer::new(self, row, list).zone(),
        }
    }

    /// What the row gets.
    ///
    /// # Errors
    /// Everything that is wrong with it, by line and key.
    pub fn render(&self, row: &Row, list: &str) -> Result<Delivery, Vec<Problem>> {
        let mut renderer = Renderer::new(self, row, list);
        let address = renderer.address();
        let message = renderer.message();
        let key = renderer.key(Some(&address));
        let zone = renderer.zone();
        if renderer.problems.is_empty() {
            Ok(Delivery { key, address, message, zone, rewritten: renderer.rewritten, warnings: renderer.warnings })
        } else {
            Err(renderer.problems)
        }
    }
}

/// Renders value after value. Where there is none, it records a problem and goes on with a stand-in, so that all
/// problems of a row are found at once; with any problem nothing of it is used.
struct Renderer<'a> {
    templates: &'a Templates,
    context: Context<'a>,
    list: &'a str,
    line: u64,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    rewritten: Option<RewrittenPhone>,
}

impl<'a> Renderer<'a> {
    fn new(templates: &'a Templates, row: &'a Row, list: &'a str) -> Self {
        Self {
            templates,
            context: Context::new(row),
            list,
            line: row.line,
            problems: Vec::new(),
            warnings: Vec::new(),
            rewritten: None,
        }
    }

    fn message(&mut self) -> Message {
        let message = &self.templates.spec.message;
        Message {
            content: message.content.as_ref().map(|content| self.content(content)),
            private: message.private.as_ref().map(|private| self.boolean(private)),
            message_type: message.message_type,
            content_attributes: message
                .in_reply_to
                .as_ref()
                .map(|id| ContentAttributes { in_reply_to: MessageId(self.number(id)) }),
            template_params: message.template_params.as_ref().map(|params| self.template_params(params)),
            attachments: message.attachments.iter().map(|path| self.attachment(path)).collect(),
        }
    }

    fn content(&mut self, template: &Template) -> String {
        let Some(text) = self.text(template) else { return String::new() };
        if text.trim_matches(is_invisible).is_empty() {
            self.empty(template);
        } else if is_longer(&text, MAX_CONTENT_LENGTH) {
            self.problem("too-long", template, format!("longer than {MAX_CONTENT_LENGTH} characters"));
        }
        self.check_value(template, &text, Destination::ToText);
        text
    }

    /// A path that stays inside the spec's folder by its own words; links are checked where files are opened.
    fn attachment(&mut self, template: &Template) -> PathBuf {
        let path = PathBuf::from(self.required(template));
        if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            self.problem("attachment-outside", template, "outside the spec's folder");
        }
        if path.to_string_lossy().contains(char::is_control) {
            let what = "the file's name contains a control character, such as a line feed";
            self.problem("attachment-name", template, what);
        }
        if crate::message::is_hidden(&path) {
            self.problem(
                "attachment-hidden",
                template,
                "hidden files are never sent: they may be credentials or the ledger",
            );
        }
        path
    }

    fn template_params(&mut self, params: &specification::TemplateParams) -> TemplateParams {
        TemplateParams {
            name: self.text_by_rule(&params.name, whatsapp::template_name),
            namespace: params.namespace.as_ref().map(|template| self.required(template)),
            language: self.text_by_rule(&params.language, whatsapp::language),
            category: params.category.as_ref().map(|template| self.text_by_rule(template, whatsapp::category)),
            processed_params: params.processed_params.as_ref().map(|variables| self.variables(variables)),
            header_params: params.header_params.as_ref().map(|header| self.header(header)),
            footer_params: params
                .footer_params
                .as_ref()
                .map(|variables| FooterParams { text_variables: self.variables(variables) }),
            button_params: params
                .button_params
                .as_ref()
                .map(|buttons| buttons.iter().map(|button| self.button(button)).collect()),
        }
    }

    fn variables(&mut self, variables: &specification::Variables) -> Variables {
        Variables(variables.iter().map(|(name, template)| (name.clone(), self.parameter(template))).collect())
    }

    /// A value of a template's variable: never blank, because LiveDesk's ancestor drops a blank one and so shifts all
    /// that follow.
    fn parameter(&mut self, template: &Template) -> String {
        let value = self.required(template);
        self.check_value(template, &value, Destination::ToTemplate);
        value
    }

    fn header(&mut self, header: &specification::Header) -> HeaderParams {
        let empty =
            |r#type| HeaderParams { r#type, text_variables: None, media_url: None, filename: None, location: None };
        match header {
            specification::Header::Text { text_variables } => {
                HeaderParams { text_variables: Some(self.variables(text_variables)), ..empty(HeaderType::Text) }
            }
            specification::Header::Media { kind, media_url, filename } => HeaderParams {
                media_url: Some(self.text_by_rule(media_url, whatsapp::media_url)),
                filename: filename.as_ref().map(|name| self.required(name)),
                ..empty(*kind)
            },
            specification::Header::Location { latitude, longitude, name, address } => {
                let location = Location {
                    latitude: self.degrees(latitude, whatsapp::latitude),
                    longitude: self.degrees(longitude, whatsapp::longitude),
                    name: name.as_ref().map(|name| self.parameter(name)),
                    address: address.as_ref().map(|address| self.parameter(address)),
                };
                HeaderParams { location: Some(location), ..empty(HeaderType::Location) }
            }
        }
    }

    /// Degrees, which go out as a number.
    fn degrees(&mut self, template: &Template, rule: Rule) -> Number {
        let text = self.text_by_rule(template, rule);
        text.trim_start_matches('+').parse().unwrap_or_else(|_| Number::from(0))
    }

    fn button(&mut self, button: &specification::Button) -> ButtonParams {
        ButtonParams {
            index: self.text_by_rule(&button.index, whatsapp::button_index).parse().unwrap_or_default(),
            sub_type: button.sub_type,
            text: button.text.as_ref().map(|text| self.button_value(text, whatsapp::url_suffix)),
            payload: button.payload.as_ref().map(|payload| self.button_value(payload, whatsapp::payload)),
        }
    }

    fn button_value(&mut self, template: &Template, rule: Rule) -> String {
        let value = self.parameter(template);
        self.check_rule(template, &value, rule);
        value
    }
}
