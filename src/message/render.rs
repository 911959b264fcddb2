//! One row through all templates: the delivery, or everything that is wrong with the row at once.

use std::path::{Component, PathBuf};

use jiff::tz::TimeZone;
use serde_json::Number;

use super::template::Context;
use super::{
    Address, ButtonParams, Contact, ContentAttributes, Delivery, FooterParams, HeaderParams, Location, Message,
    TemplateParams, Templates, Variables,
};
use crate::problem::{Place, Problem, Severity};
use crate::recipients::damage::{looks_like_a_date, looks_rounded};
use crate::recipients::{Row, is_invisible, normalise};
use crate::spec::{self, HeaderType, LiquidCheck, PhoneCheck, StrippedCheck, Template, Timezone, To};
use crate::state::{ContactId, ConversationId, InboxId, MessageId};
use crate::whatsapp::{self, Breach, LONGEST_CONTENT};
use crate::window::zone;

/// LiveDesk's ancestor takes these out of template values.
const STRIPPED: [char; 4] = ['<', '>', '"', '\''];
/// LiveDesk's ancestor keeps these contact fields in columns of this size.
const LONGEST_CONTACT_FIELD: usize = 255;

impl Templates {
    /// Whether the row is wanted at all (`recipients.where`).
    ///
    /// # Errors
    /// Why that cannot be said.
    pub fn is_wanted(&self, row: &Row, list: &str) -> Result<bool, Box<Problem>> {
        self.wanted(row).map_err(|what| {
            Box::new(Problem::error(
                "template-failed",
                Place::line(list, row.line),
                format!("`recipients.where`: {what}"),
            ))
        })
    }

    /// What makes the row the same delivery in every run, as far as that can be told of a row that is not sent to.
    pub fn key(&self, row: &Row, list: &str) -> Option<String> {
        let mut renderer = Renderer::new(self, row, list);
        let key = renderer.key(None);
        renderer.problems.is_empty().then_some(key)
    }

    /// The zone whose hours count for the row; `None` if any hour is right, or if the row has something wrong there.
    pub fn zone(&self, row: &Row, list: &str) -> Option<TimeZone> {
        match &self.spec.send.window.as_ref()?.timezone {
            Timezone::OfAll(zone) => Some(zone.clone()),
            Timezone::OfRow(_) => Renderer::new(self, row, list).zone(),
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

/// Whom the message goes to is what makes two rows the same delivery.
fn default_key(address: &Address) -> String {
    match address {
        Address::Conversation(id) => id.to_string(),
        Address::Sender { contact_id, source_id, .. } => {
            contact_id.map(|id| id.to_string()).or_else(|| source_id.as_deref().map(same_source)).unwrap_or_default()
        }
        Address::Contact { contact, .. } => contact
            .identifier
            .clone()
            .or_else(|| contact.phone_number.clone())
            .or_else(|| contact.email.as_deref().map(str::to_lowercase))
            .unwrap_or_default(),
    }
}

/// The ids of WhatsApp's sources are phone numbers in digits: one person, however the number is spaced out.
fn same_source(id: &str) -> String {
    let digits: String = id.chars().filter(char::is_ascii_digit).collect();
    let is_number = digits.len() >= 7 && id.chars().all(|c| c.is_ascii_digit() || "+ -().".contains(c));
    if is_number { digits } else { id.to_owned() }
}

const ROUNDED: &str = "a number that a spreadsheet has rounded (`E+`), so its last digits are lost";

/// What a value must be like.
type Rule = fn(&str) -> Result<(), Breach>;

/// Where a value goes, which decides what it may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goes {
    ToText,
    ToTemplate,
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
    rewritten: Option<(String, String)>,
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

    /// The key by the spec's own rule, or else by the address, which is rendered if nobody has done so.
    fn key(&mut self, address: Option<&Address>) -> String {
        match (&self.templates.spec.recipients.key, address) {
            (Some(key), _) => self.id(key),
            (None, Some(address)) => default_key(address),
            (None, None) => default_key(&self.address()),
        }
    }

    fn problem(&mut self, code: &'static str, template: &Template, what: impl std::fmt::Display) {
        let problem = self.found(code, template, what);
        self.problems.push(problem);
    }

    fn warning(&mut self, code: &'static str, template: &Template, what: impl std::fmt::Display) {
        let problem = self.found(code, template, what);
        self.warnings.push(problem.severity(Severity::Warning));
    }

    /// What stands in the spec word for word is wrong there, whatever the row.
    fn found(&self, code: &'static str, template: &Template, what: impl std::fmt::Display) -> Problem {
        let row = || Place::line(self.list, self.line);
        let problem = match self.templates.origin(template) {
            _ if template.is_constant() => {
                Problem::error(code, self.templates.spec.source.place(template.mark), what.to_string())
            }
            Some(origin) => {
                Problem::error(code, row().in_field(origin.field.clone()), format!("{}: {what}", origin.subject))
            }
            None => Problem::error(code, row(), format!("`{}`: {what}", template.key)),
        };
        match hint(code) {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }

    /// The rendered text, whatever it is.
    fn text(&mut self, template: &Template) -> Option<String> {
        self.templates
            .text(template, &self.context)
            .map_err(|what| self.problem("template-failed", template, what))
            .ok()
    }

    /// A text that must not be empty, without outer white space.
    fn required(&mut self, template: &Template) -> String {
        let Some(text) = self.text(template) else { return String::new() };
        if text.trim_matches(is_invisible).is_empty() {
            self.problem("empty", template, "empty");
        }
        trimmed(text)
    }

    /// A text that is left out of the request when the row has none.
    fn if_any(&mut self, template: Option<&Template>) -> Option<String> {
        let text = self.text(template?)?;
        Some(text.trim_matches(is_invisible).to_owned()).filter(|text| !text.is_empty())
    }

    fn number(&mut self, template: &Template) -> u64 {
        let text = self.required(template);
        let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        number.unwrap_or_else(|| {
            if !text.is_empty() {
                let (code, what) = no_number(&text);
                self.problem(code, template, what);
            }
            0
        })
    }

    /// Jinja writes `True` where YAML writes `true`.
    fn boolean(&mut self, template: &Template) -> bool {
        match self.required(template).to_lowercase().as_str() {
            "true" => true,
            "false" | "" => false,
            _ => {
                self.problem("not-a-boolean", template, "`true` or `false` is expected");
                false
            }
        }
    }

    fn address(&mut self) -> Address {
        match &self.templates.spec.to {
            To::Conversation { conversation_id } => Address::Conversation(ConversationId(self.number(conversation_id))),
            To::Sender { inbox_id, contact_id, source_id } => Address::Sender {
                inbox_id: InboxId(self.number(inbox_id)),
                contact_id: contact_id.as_ref().map(|id| ContactId(self.number(id))),
                source_id: source_id.as_ref().map(|id| self.id(id)),
            },
            To::Contact { inbox_id, contact } => {
                Address::Contact { inbox_id: InboxId(self.number(inbox_id)), contact: self.contact(contact) }
            }
        }
    }

    fn contact(&mut self, templates: &spec::Contact) -> Contact {
        let before = self.problems.len();
        let contact = Contact {
            name: self.contact_field(templates.name.as_ref()),
            email: self.contact_field(templates.email.as_ref()),
            phone_number: templates.phone_number.as_ref().and_then(|template| self.phone(template)),
            avatar_url: self.if_any(templates.avatar_url.as_ref()),
            identifier: self.identifier(templates.identifier.as_ref()),
        };
        if let (Some(template), Some(email)) = (&templates.email, &contact.email)
            && !looks_like_an_address(email)
        {
            self.problem("not-an-email", template, "not an e-mail address");
        }
        let findable = contact.email.is_some() || contact.phone_number.is_some() || contact.identifier.is_some();
        let fields = [&templates.identifier, &templates.phone_number, &templates.email];
        if let Some(template) = fields.into_iter().flatten().next()
            && !findable
            && self.problems.len() == before
        {
            self.problem("nobody-named", template, "empty, and nothing else says who this is");
        }
        contact
    }

    /// Somebody's id, which a spreadsheet may have made something else of.
    fn id(&mut self, template: &Template) -> String {
        let id = self.required(template);
        self.check_damage(template, &id);
        id
    }

    fn check_damage(&mut self, template: &Template, id: &str) {
        if looks_rounded(id) {
            self.problem("rounded-number", template, ROUNDED);
        } else if looks_like_a_date(id) {
            self.warning("date-for-id", template, "a date, where somebody's id is expected");
        }
    }

    fn identifier(&mut self, template: Option<&Template>) -> Option<String> {
        let id = self.contact_field(template)?;
        self.check_damage(template?, &id);
        Some(id)
    }

    fn contact_field(&mut self, template: Option<&Template>) -> Option<String> {
        let text = self.if_any(template)?;
        if let Some(template) = template.filter(|_| is_longer(&text, LONGEST_CONTACT_FIELD)) {
            self.problem("too-long", template, format!("longer than {LONGEST_CONTACT_FIELD} characters"));
        }
        Some(text)
    }

    fn phone(&mut self, template: &Template) -> Option<String> {
        const DOUBTFUL: &str = "no numbering plan knows this number";
        let text = self.if_any(Some(template))?;
        let spec = &self.templates.spec;
        let phone = match normalise(&text, spec.recipients.default_region.as_deref()) {
            Ok(phone) => phone,
            Err(what) => {
                self.problem("phone", template, what);
                return None;
            }
        };
        match (phone.doubtful, spec.checks.phones) {
            (true, PhoneCheck::Strict) => self.problem("phone-doubtful", template, DOUBTFUL),
            (true, PhoneCheck::Lenient) => self.warning("phone-doubtful", template, DOUBTFUL),
            (false, _) => {}
        }
        let written: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        if written != phone.e164 {
            self.rewritten = Some((written, phone.e164.clone()));
        }
        Some(phone.e164)
    }

    /// The zone of the recipient, or else the spec's fallback.
    fn zone(&mut self) -> Option<TimeZone> {
        let window = self.templates.spec.send.window.as_ref()?;
        let template = match &window.timezone {
            Timezone::OfAll(zone) => return Some(zone.clone()),
            Timezone::OfRow(template) => template,
        };
        let name = match self.templates.text(template, &self.context) {
            Err(_) if window.fallback.is_some() => String::new(),
            Err(what) => {
                self.problem("template-failed", template, what);
                return None;
            }
            Ok(name) => name,
        };
        let found = zone(name.trim()).or_else(|| window.fallback.clone());
        if found.is_none() && name.trim().is_empty() {
            self.problem(
                "timezone-missing",
                template,
                "empty (`send.window.fallback` names the zone of those who have none)",
            );
        } else if found.is_none() {
            self.problem("timezone-unknown", template, "not the name of a time zone, such as `Europe/Berlin`");
        }
        found
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
            self.problem("empty", template, "empty");
        } else if is_longer(&text, LONGEST_CONTENT) {
            self.problem("too-long", template, format!("longer than {LONGEST_CONTENT} characters"));
        }
        self.check_value(template, &text, Goes::ToText);
        text
    }

    /// A path that stays inside the spec's folder by its own words; links are checked where files are opened.
    fn attachment(&mut self, template: &Template) -> PathBuf {
        let path = PathBuf::from(self.required(template));
        if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            self.problem("attachment-outside", template, "leads out of the spec's folder");
        }
        if crate::message::is_hidden(&path) {
            self.problem(
                "attachment-hidden",
                template,
                "a hidden file, such as credentials or the ledger, is never sent",
            );
        }
        path
    }

    fn template_params(&mut self, params: &spec::TemplateParams) -> TemplateParams {
        TemplateParams {
            name: self.ruled(&params.name, whatsapp::template_name),
            namespace: params.namespace.as_ref().map(|template| self.required(template)),
            language: self.ruled(&params.language, whatsapp::language),
            category: params.category.as_ref().map(|template| self.ruled(template, whatsapp::category)),
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

    fn variables(&mut self, variables: &spec::Variables) -> Variables {
        Variables(variables.iter().map(|(name, template)| (name.clone(), self.parameter(template))).collect())
    }

    /// A value of a template's variable: never blank, because LiveDesk's ancestor drops a blank one and so shifts all
    /// that follow.
    fn parameter(&mut self, template: &Template) -> String {
        let value = self.required(template);
        self.check_value(template, &value, Goes::ToTemplate);
        value
    }

    fn header(&mut self, header: &spec::Header) -> HeaderParams {
        let empty =
            |r#type| HeaderParams { r#type, text_variables: None, media_url: None, filename: None, location: None };
        match header {
            spec::Header::Text { text_variables } => {
                HeaderParams { text_variables: Some(self.variables(text_variables)), ..empty(HeaderType::Text) }
            }
            spec::Header::Media { kind, media_url, filename } => HeaderParams {
                media_url: Some(self.ruled(media_url, whatsapp::media_url)),
                filename: filename.as_ref().map(|name| self.required(name)),
                ..empty(*kind)
            },
            spec::Header::Location { latitude, longitude, name, address } => {
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
        let text = self.ruled(template, rule);
        text.trim_start_matches('+').parse().unwrap_or_else(|_| Number::from(0))
    }

    fn button(&mut self, button: &spec::Button) -> ButtonParams {
        ButtonParams {
            index: self.ruled(&button.index, whatsapp::button_index).parse().unwrap_or_default(),
            sub_type: button.sub_type,
            text: button.text.as_ref().map(|text| self.button_value(text, whatsapp::url_suffix)),
            payload: button.payload.as_ref().map(|payload| self.button_value(payload, whatsapp::payload)),
        }
    }

    fn button_value(&mut self, template: &Template, rule: Rule) -> String {
        let value = self.parameter(template);
        self.obey(template, &value, rule);
        value
    }

    /// A text that must not be empty and follows a rule of WhatsApp.
    fn ruled(&mut self, template: &Template, rule: Rule) -> String {
        let value = self.required(template);
        self.obey(template, &value, rule);
        value
    }

    /// What stands in the spec word for word was held against the rule there; that something is empty is told already.
    fn obey(&mut self, template: &Template, value: &str, rule: Rule) {
        if template.is_constant() {
            return;
        }
        let Err(breach) = rule(value) else { return };
        match breach.severity {
            _ if value.is_empty() => {}
            Severity::Error => self.problem(breach.code, template, breach.what),
            Severity::Warning => self.warning(breach.code, template, breach.what),
        }
    }

    /// What WhatsApp refuses in a template's value, and what the server would evaluate or take away. All of it is ASCII,
    /// so bytes are looked at, which takes a tenth of the time of looking for texts.
    fn check_value(&mut self, template: &Template, value: &str, kind: Goes) {
        let checks = self.templates.spec.checks;
        let bytes = value.as_bytes();
        if checks.liquid == LiquidCheck::Refuse && bytes.array_windows().any(|pair| matches!(pair, b"{{" | b"{%")) {
            self.problem("liquid", template, "holds `{{` or `{%`, which the server would evaluate");
        }
        if kind == Goes::ToText {
            return;
        }
        self.obey(template, value, whatsapp::parameter);
        if looks_rounded(value) {
            self.warning("rounded-number", template, ROUNDED);
        }
        if checks.stripped != StrippedCheck::Allow
            && bytes.iter().any(|byte| matches!(byte, b'<' | b'>' | b'"' | b'\''))
        {
            let what = "holds characters that the server takes away";
            match checks.stripped {
                StrippedCheck::Refuse => self.problem("stripped", template, what),
                _ => self.warning("stripped", template, what),
            }
            let which: String = STRIPPED.into_iter().filter(|c| value.contains(*c)).collect();
            let found = if checks.stripped == StrippedCheck::Refuse { &mut self.problems } else { &mut self.warnings };
            if let Some(problem) = found.last_mut() {
                problem.detail = Some(which);
            }
        }
    }
}

/// Why a text is no whole number: most often because of what a spreadsheet made of it.
fn no_number(text: &str) -> (&'static str, &'static str) {
    if looks_rounded(text) {
        ("rounded-number", ROUNDED)
    } else if looks_like_a_date(text) {
        ("date-for-number", "a date, where a whole number is expected")
    } else {
        ("not-a-number", "a whole number is expected")
    }
}

/// The text without outer white space; most have none.
fn trimmed(text: String) -> String {
    let inner = text.trim();
    if inner.len() == text.len() { text } else { inner.to_owned() }
}

/// Whether a text has more characters than `most`; it never has more than bytes.
fn is_longer(text: &str, most: usize) -> bool {
    text.len() > most && text.chars().count() > most
}

/// How to mend what is wrong with a row.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "empty" | "nobody-named" => {
            "fill the cell, or leave such rows out: with `recipients.where`, or with `--skip-invalid`"
        }
        "phone" => "write numbers as `+` and digits, or say with `recipients.default_region` where they are from",
        "phone-doubtful" => {
            "look it up; numbering plans age, so this alone stops nothing (`checks.phones: strict` does)"
        }
        "rounded-number" => "format the column as text in the spreadsheet, fill it again, and export again",
        "date-for-number" | "date-for-id" => {
            "spreadsheets make dates of numbers with a point, a dash or a slash: format the column as text"
        }
        "not-a-number" => "digits alone; is it the right column?",
        "liquid" => "take it out of the list, or set `checks.liquid: allow` if it is meant to be evaluated",
        "line-break-or-tab" => "the filter `replace('\\n', ' ')` makes one line of several",
        "template-language" => "the code of an approved translation, such as `en`, `en_US` or `zh_CN`",
        "url-not-a-suffix" => "give only what follows the fixed part of the address in the template",
        "url-with-spaces" => "write `{{ column | urlencode }}`",
        "media-url" => "such as `https://shop.example/picture.png`",
        "media-url-private" => "WhatsApp fetches the file itself: put it where everybody can reach it",
        "stripped" => "reword it, or set `checks.stripped: allow` once you know that it does no harm",
        _ => return None,
    })
}

/// As LiveDesk's ancestor checks it: something, one `@`, something, and no white space.
fn looks_like_an_address(email: &str) -> bool {
    let mut parts = email.split('@');
    let filled = |part: Option<&str>| part.is_some_and(|part| !part.is_empty());
    filled(parts.next()) && filled(parts.next()) && parts.next().is_none() && !email.contains(char::is_whitespace)
}
