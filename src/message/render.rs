//! One row through all templates: the delivery, or everything that is wrong with the row at once.

use std::path::{Component, Path, PathBuf};

use minijinja::Value;

use super::{
    Address, ButtonParams, Contact, ContentAttributes, Delivery, FooterParams, HeaderParams, Location, Message,
    TemplateParams, Templates, Variables, template,
};
use crate::problem::{Place, Problem};
use crate::recipients::{Row, normalise};
use crate::spec::{self, HeaderType, LiquidCheck, PhoneCheck, StrippedCheck, Template, To};
use crate::state::{ContactId, ConversationId, InboxId, MessageId};

/// LiveDesk's ancestor refuses longer texts.
const LONGEST_CONTENT: usize = 150_000;
/// LiveDesk's ancestor cuts longer template values without a word.
const LONGEST_PARAMETER: usize = 1_000;
/// LiveDesk's ancestor keeps these contact fields in columns of this size.
const LONGEST_CONTACT_FIELD: usize = 255;

impl Templates {
    /// Whether the row is wanted at all (`recipients.where`).
    ///
    /// # Errors
    /// Why that cannot be said.
    pub fn is_wanted(&self, row: &Row, list: &str) -> Result<bool, Box<Problem>> {
        self.wanted(&template::context(row)).map_err(|what| {
            Box::new(Problem::error(Place::line(list, row.line), format!("`recipients.where`: {what}")))
        })
    }

    /// What the row gets.
    ///
    /// # Errors
    /// Everything that is wrong with it, by line and key.
    pub fn render(&self, row: &Row, list: &str) -> Result<Delivery, Vec<Problem>> {
        let mut renderer = Renderer {
            templates: self,
            context: template::context(row),
            list,
            line: row.line,
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        let address = renderer.address();
        let message = renderer.message();
        let key = match (&self.spec.recipients.key, &address) {
            (Some(key), _) => renderer.required(key),
            (None, Some(address)) => Some(default_key(address)),
            (None, None) => None,
        };
        match (key, address, message, renderer.problems.is_empty()) {
            (Some(key), Some(address), Some(message), true) => {
                Ok(Delivery { key, address, message, warnings: renderer.warnings })
            }
            _ => Err(renderer.problems),
        }
    }
}

/// Whom the message goes to is what makes two rows the same delivery.
fn default_key(address: &Address) -> String {
    match address {
        Address::Conversation(id) => id.to_string(),
        Address::Sender { contact_id, source_id, .. } => {
            contact_id.map(|id| id.to_string()).or_else(|| source_id.clone()).unwrap_or_default()
        }
        Address::Contact { contact, .. } => contact
            .identifier
            .clone()
            .or_else(|| contact.phone_number.clone())
            .or_else(|| contact.email.as_deref().map(str::to_lowercase))
            .unwrap_or_default(),
    }
}

/// Where a value goes, which decides what it may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goes {
    ToText,
    ToTemplate,
}

struct Renderer<'a> {
    templates: &'a Templates,
    context: Value,
    list: &'a str,
    line: u64,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Renderer<'_> {
    fn problem(&mut self, template: &Template, what: impl std::fmt::Display) {
        let place = Place::line(self.list, self.line);
        self.problems.push(Problem::error(place, format!("`{}`: {what}", template.key)));
    }

    fn warning(&mut self, template: &Template, what: impl std::fmt::Display) {
        let place = Place::line(self.list, self.line);
        self.warnings.push(Problem::warning(place, format!("`{}`: {what}", template.key)));
    }

    /// The rendered text, whatever it is.
    fn text(&mut self, template: &Template) -> Option<String> {
        match self.templates.text(template, &self.context) {
            Ok(text) => Some(text),
            Err(what) => {
                self.problem(template, what);
                None
            }
        }
    }

    /// A text that must not be empty, without outer white space.
    fn required(&mut self, template: &Template) -> Option<String> {
        let text = self.text(template)?;
        let text = text.trim();
        if text.is_empty() {
            self.problem(template, "empty");
            return None;
        }
        Some(text.to_owned())
    }

    /// A text that is left out of the request when the row has none.
    fn if_any(&mut self, template: Option<&Template>) -> Option<String> {
        let text = self.text(template?)?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn number(&mut self, template: &Template) -> Option<u64> {
        let text = self.required(template)?;
        let number = text.parse().ok();
        if number.is_none() {
            self.problem(template, "a whole number is expected");
        }
        number
    }

    fn address(&mut self) -> Option<Address> {
        let templates = self.templates;
        match &templates.spec.to {
            To::Conversation { conversation_id } => {
                self.number(conversation_id).map(|id| Address::Conversation(ConversationId(id)))
            }
            To::Sender { inbox_id, contact_id, source_id } => {
                let inbox_id = self.number(inbox_id).map(InboxId);
                let contact_id = contact_id.as_ref().map(|id| self.number(id).map(ContactId));
                let source_id = source_id.as_ref().map(|id| self.required(id));
                Some(Address::Sender {
                    inbox_id: inbox_id?,
                    contact_id: all_or_nothing(contact_id)?,
                    source_id: all_or_nothing(source_id)?,
                })
            }
            To::Contact { inbox_id, contact } => {
                let inbox_id = self.number(inbox_id).map(InboxId);
                let contact = self.contact(contact);
                Some(Address::Contact { inbox_id: inbox_id?, contact: contact? })
            }
        }
    }

    fn contact(&mut self, templates: &spec::Contact) -> Option<Contact> {
        let before = self.problems.len();
        let contact = Contact {
            name: self.contact_field(templates.name.as_ref()),
            email: self.contact_field(templates.email.as_ref()),
            phone_number: templates.phone_number.as_ref().and_then(|template| self.phone(template)),
            avatar_url: self.if_any(templates.avatar_url.as_ref()),
            identifier: self.contact_field(templates.identifier.as_ref()),
        };
        if let (Some(template), Some(email)) = (&templates.email, &contact.email) {
            if !looks_like_an_address(email) {
                self.problem(template, "not an e-mail address");
            }
        }
        let findable = contact.email.is_some() || contact.phone_number.is_some() || contact.identifier.is_some();
        if !findable && self.problems.len() == before {
            let fields = [&templates.identifier, &templates.phone_number, &templates.email];
            if let Some(template) = fields.into_iter().flatten().next() {
                self.problem(template, "empty, and nothing else says who this is");
            }
        }
        (self.problems.len() == before).then_some(contact)
    }

    fn contact_field(&mut self, template: Option<&Template>) -> Option<String> {
        let text = self.if_any(template)?;
        if let Some(template) = template.filter(|_| text.chars().count() > LONGEST_CONTACT_FIELD) {
            self.problem(template, format!("longer than {LONGEST_CONTACT_FIELD} characters"));
        }
        Some(text)
    }

    fn phone(&mut self, template: &Template) -> Option<String> {
        let text = self.if_any(Some(template))?;
        let spec = &self.templates.spec;
        let strict = spec.checks.phones == PhoneCheck::Strict;
        match normalise(&text, spec.recipients.default_region.as_deref()) {
            Err(what) => {
                self.problem(template, what);
                None
            }
            Ok(phone) => {
                if phone.doubtful && strict {
                    self.problem(template, "no numbering plan knows this number");
                } else if phone.doubtful {
                    self.warning(template, "no numbering plan knows this number");
                }
                Some(phone.e164)
            }
        }
    }

    fn message(&mut self) -> Option<Message> {
        let templates = self.templates;
        let spec::Message { content, private, message_type, in_reply_to, template_params, attachments } =
            &templates.spec.message;
        let content = content.as_ref().map(|content| self.content(content));
        let private = private.as_ref().map(|private| self.boolean(private));
        let in_reply_to = in_reply_to.as_ref().map(|id| self.number(id));
        let template_params = template_params.as_ref().map(|params| self.template_params(params));
        let attachments = attachments.iter().map(|path| self.attachment(path)).collect::<Vec<_>>();
        Some(Message {
            content: all_or_nothing(content)?,
            private: all_or_nothing(private)?,
            message_type: *message_type,
            content_attributes: all_or_nothing(in_reply_to)?.map(|id| ContentAttributes { in_reply_to: MessageId(id) }),
            template_params: all_or_nothing(template_params)?,
            attachments: attachments.into_iter().collect::<Option<_>>()?,
        })
    }

    fn content(&mut self, template: &Template) -> Option<String> {
        let text = self.text(template)?;
        if text.trim().is_empty() {
            self.problem(template, "empty");
        } else if text.chars().count() > LONGEST_CONTENT {
            self.problem(template, format!("longer than {LONGEST_CONTENT} characters"));
        }
        self.check_value(template, &text, Goes::ToText);
        Some(text)
    }

    fn boolean(&mut self, template: &Template) -> Option<bool> {
        let text = self.required(template)?;
        match text.to_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.problem(template, "`true` or `false` is expected");
                None
            }
        }
    }

    /// A path that stays inside the spec's folder by its own words; links are checked where files are opened.
    fn attachment(&mut self, template: &Template) -> Option<PathBuf> {
        let path = PathBuf::from(self.required(template)?);
        let inside =
            |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside(&path) {
            self.problem(template, "leads out of the spec's folder");
            return None;
        }
        Some(path)
    }

    fn template_params(&mut self, params: &spec::TemplateParams) -> Option<TemplateParams> {
        let name = self.required(&params.name);
        let language = self.required(&params.language);
        let namespace = params.namespace.as_ref().map(|template| self.required(template));
        let category = params.category.as_ref().map(|template| self.required(template));
        let body = params.processed_params.as_ref().map(|variables| self.variables(variables));
        let header = params.header_params.as_ref().map(|header| self.header(header));
        let footer = params.footer_params.as_ref().map(|variables| self.variables(variables));
        let buttons = params
            .button_params
            .as_ref()
            .map(|buttons| buttons.iter().map(|button| self.button(button)).collect::<Vec<_>>());
        Some(TemplateParams {
            name: name?,
            namespace: all_or_nothing(namespace)?,
            language: language?,
            category: all_or_nothing(category)?,
            processed_params: all_or_nothing(body)?,
            header_params: all_or_nothing(header)?,
            footer_params: all_or_nothing(footer)?.map(|text_variables| FooterParams { text_variables }),
            button_params: all_or_nothing(buttons.map(|buttons| buttons.into_iter().collect()))?,
        })
    }

    fn variables(&mut self, variables: &spec::Variables) -> Option<Variables> {
        let values: Vec<Option<(String, String)>> = variables
            .iter()
            .map(|(name, template)| self.parameter(template).map(|value| (name.clone(), value)))
            .collect();
        values.into_iter().collect::<Option<_>>().map(Variables)
    }

    /// A value of a template's variable: never blank, because LiveDesk's ancestor drops a blank one and so shifts all
    /// that follow.
    fn parameter(&mut self, template: &Template) -> Option<String> {
        let value = self.required(template)?;
        self.check_value(template, &value, Goes::ToTemplate);
        Some(value)
    }

    fn header(&mut self, header: &spec::Header) -> Option<HeaderParams> {
        let empty =
            |r#type| HeaderParams { r#type, text_variables: None, media_url: None, filename: None, location: None };
        Some(match header {
            spec::Header::Text { text_variables } => {
                HeaderParams { text_variables: Some(self.variables(text_variables)?), ..empty(HeaderType::Text) }
            }
            spec::Header::Media { kind, media_url, filename } => {
                let media_url = self.media_url(media_url);
                let filename = filename.as_ref().map(|name| self.required(name));
                HeaderParams { media_url: Some(media_url?), filename: all_or_nothing(filename)?, ..empty(*kind) }
            }
            spec::Header::Location { latitude, longitude, name, address } => {
                let latitude = self.degrees(latitude, 90.0);
                let longitude = self.degrees(longitude, 180.0);
                let name = name.as_ref().map(|name| self.parameter(name));
                let address = address.as_ref().map(|address| self.parameter(address));
                let location = Location {
                    latitude: latitude?,
                    longitude: longitude?,
                    name: all_or_nothing(name)?,
                    address: all_or_nothing(address)?,
                };
                HeaderParams { location: Some(location), ..empty(HeaderType::Location) }
            }
        })
    }

    fn media_url(&mut self, template: &Template) -> Option<String> {
        let url = self.required(template)?;
        if url::Url::parse(&url).is_ok_and(|url| url.scheme() == "https" && url.has_host()) {
            Some(url)
        } else {
            self.problem(template, "a public https address is expected");
            None
        }
    }

    fn degrees(&mut self, template: &Template, most: f64) -> Option<serde_json::Number> {
        let text = self.required(template)?;
        let number: Option<serde_json::Number> = text.trim_start_matches('+').parse().ok();
        match number.filter(|number| number.as_f64().is_some_and(|degrees| degrees.abs() <= most)) {
            Some(number) => Some(number),
            None => {
                self.problem(template, format!("degrees from -{most} to {most} are expected, such as `52.5200`"));
                None
            }
        }
    }

    fn button(&mut self, button: &spec::Button) -> Option<ButtonParams> {
        let index = self.number(&button.index);
        let text = button.text.as_ref().map(|text| self.parameter(text));
        let payload = button.payload.as_ref().map(|payload| self.parameter(payload));
        Some(ButtonParams {
            index: index?,
            sub_type: button.sub_type,
            text: all_or_nothing(text)?,
            payload: all_or_nothing(payload)?,
        })
    }

    /// What WhatsApp refuses in a template's value, and what the server would evaluate or take away.
    fn check_value(&mut self, template: &Template, value: &str, kind: Goes) {
        let checks = self.templates.spec.checks;
        if checks.liquid == LiquidCheck::Refuse && (value.contains("{{") || value.contains("{%")) {
            self.problem(
                template,
                "holds `{{` or `{%`, which the server would evaluate (`checks.liquid: allow` sends it)",
            );
        }
        if kind == Goes::ToText {
            return;
        }
        if value.contains(['\n', '\r', '\t']) {
            self.problem(template, "WhatsApp takes no line breaks and no tabs in a template's value");
        }
        if value.contains("     ") {
            self.problem(template, "WhatsApp takes at most four spaces in a row in a template's value");
        }
        if value.chars().count() > LONGEST_PARAMETER {
            self.problem(template, format!("longer than {LONGEST_PARAMETER} characters, which the server would cut"));
        }
        if checks.stripped != StrippedCheck::Allow && value.contains(['<', '>', '"', '\'']) {
            let what = "holds one of `< > \" '`, which the server takes away";
            match checks.stripped {
                StrippedCheck::Refuse => self.problem(template, what),
                _ => self.warning(template, what),
            }
        }
    }
}

/// `None` only when a value was wanted and could not be had.
#[expect(clippy::option_option, reason = "the outer one is a problem, the inner one a key that the spec leaves out")]
fn all_or_nothing<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        Some(None) => None,
        Some(Some(value)) => Some(Some(value)),
        None => Some(None),
    }
}

/// As LiveDesk's ancestor checks it: something, one `@`, something, and no white space.
fn looks_like_an_address(email: &str) -> bool {
    let mut parts = email.split('@');
    let filled = |part: Option<&str>| part.is_some_and(|part| !part.is_empty());
    filled(parts.next()) && filled(parts.next()) && parts.next().is_none() && !email.contains(char::is_whitespace)
}
