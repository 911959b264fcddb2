//! The rules of WhatsApp and LiveDesk for what stands in the spec itself: what is the same for every row and wrong is one
//! problem at its place, not one in each row.

use indexmap::IndexMap;

use super::Checker;
use crate::problem::Severity;
use crate::specification::raw::{self, ButtonType, HeaderType};
use crate::specification::span::{Span, Spanned, Text};
use crate::whatsapp::{self, Breach, LONGEST_CONTENT};

/// LiveDesk's ancestor takes a map with one of these keys for another form of parameters, whose sections they are.
const RESERVED: [&str; 4] = ["body", "header", "footer", "buttons"];

impl Checker<'_> {
    /// A rule for a value that has no template in it.
    pub(super) fn constant(&mut self, text: &Spanned<Text>, rule: fn(&str) -> Result<(), Breach>) {
        if is_constant(text)
            && let Err(breach) = rule(text.value.0.trim())
        {
            self.breach(text.span, breach);
        }
    }

    fn constant_if_any(&mut self, text: Option<&Spanned<Text>>, rule: fn(&str) -> Result<(), Breach>) {
        if let Some(text) = text {
            self.constant(text, rule);
        }
    }

    /// A rule for an address, as far as it is the same for every row: up to the end of its host, or whole.
    fn beginning(&mut self, text: Option<&Spanned<Text>>, rule: fn(&str) -> Result<(), Breach>) {
        let Some(text) = text else { return };
        let same = text.value.0.split('{').next().unwrap_or_default().trim_start();
        let has_host = same.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        if is_constant(text) {
            self.constant(text, rule);
        } else if let Some(Err(breach)) = has_host.then(|| rule(same.trim_end())) {
            self.breach(text.span, breach);
        }
    }

    fn breach(&mut self, span: Span, breach: Breach) {
        match breach.severity {
            Severity::Error => self.problem(breach.code, span, breach.what, breach.hint),
            Severity::Warning => self.warning(breach.code, span, breach.what, breach.hint),
        }
    }

    /// Ids that are the same for every row.
    pub(super) fn ids(&mut self, to: &raw::To) {
        for id in [&to.conversation_id, &to.inbox_id, &to.contact_id] {
            self.constant_if_any(id.as_ref(), whatsapp::whole_number);
        }
    }

    /// The keys of a message beside the template.
    pub(super) fn plain_values(&mut self, message: &raw::Message) {
        if let Some(content) = message.content.as_ref().filter(|content| is_constant(content)) {
            let text = content.value.0.trim();
            if text.is_empty() {
                self.problem(
                    "empty",
                    content.span,
                    "an empty text",
                    "say something, or leave the key out and send `attachments`",
                );
            } else if text.chars().count() > LONGEST_CONTENT {
                self.problem(
                    "too-long",
                    content.span,
                    format!("longer than {LONGEST_CONTENT} characters"),
                    "shorten it",
                );
            }
        }
        self.constant_if_any(message.private.as_ref(), boolean);
        let in_reply_to = message.content_attributes.as_ref().and_then(|attributes| attributes.in_reply_to.as_ref());
        self.constant_if_any(in_reply_to, whatsapp::whole_number);
        for path in &message.attachments {
            self.constant(path, attachment);
        }
        let note = message.private.as_ref().filter(|private| private.value.0.trim().eq_ignore_ascii_case("true"));
        if let (Some(private), Some(_)) = (note, &message.template_params) {
            self.warning(
                "private-template",
                private.span,
                "a private message is never sent to the customer, so its template is of no use",
                "remove `private` to send the template, or `template_params` to leave a note",
            );
        }
    }

    /// All of a WhatsApp template.
    pub(super) fn whatsapp(&mut self, params: &raw::TemplateParams) {
        self.constant(&params.name, whatsapp::template_name);
        self.constant(&params.language, whatsapp::language);
        self.constant_if_any(params.category.as_ref(), whatsapp::category);
        self.constant_if_any(params.namespace.as_ref(), filled);
        if let Some(body) = &params.processed_params {
            self.variables(body);
        }
        if let Some(header) = &params.header_params {
            self.header_values(&header.value);
        }
        if let Some(footer) = &params.footer_params {
            self.variables(&footer.text_variables);
            if let Some((name, text)) = footer.text_variables.first() {
                self.warning(
                    "footer-variables",
                    self.source.key_before(text.span, name),
                    "a footer of WhatsApp has no variables, so its template would not fit",
                    "remove `footer_params`, unless your provider says otherwise",
                );
            }
        }
        if let Some(buttons) = &params.button_params {
            self.buttons(buttons);
        }
    }

    /// Positions from 1 without a gap, or names, but not both; and what is in them.
    fn variables(&mut self, variables: &IndexMap<String, Spanned<Text>>) {
        let position = |name: &str| name.parse::<u64>().ok().filter(|_| name.bytes().all(|byte| byte.is_ascii_digit()));
        let missing = (1..=u64::MAX).find(|number| !variables.contains_key(&number.to_string())).unwrap_or(1);
        let source = self.source;
        let key = |name: &str, text: &Spanned<Text>| source.key_before(text.span, name);
        for (name, text) in variables {
            self.constant(text, whatsapp::parameter);
            if RESERVED.contains(&name.as_str()) {
                let what = format!("`{name}` cannot be the name of a variable: LiveDesk takes it for a section");
                self.problem("reserved-name", key(name, text), what, "rename the variable in the template, and here");
            } else if let Some(number) = position(name) {
                self.position(name, number, missing, text.span);
            } else if !is_variable(name) {
                let what = "a variable is a position, or a name of lower-case letters, digits and `_`";
                self.problem("variable-name", key(name, text), what, "such as `\"1\"` or `first_name`");
            }
        }
        let named = variables.iter().find(|(name, _)| position(name).is_none());
        if let Some((name, text)) = named.filter(|_| variables.keys().any(|name| position(name).is_some())) {
            self.problem(
                "positions-and-names",
                key(name, text),
                "positions and names in one template",
                "a template has either `{{1}}`, `{{2}}` or names",
            );
        }
    }

    /// `missing` is the first position that no variable has.
    fn position(&mut self, name: &str, number: u64, missing: u64, value: Span) {
        let key = self.source.key_before(value, name);
        if number == 0 || name.starts_with('0') {
            self.problem("positions", key, "positions count from 1", "the first variable is `\"1\"`");
        } else if number > missing {
            let what = format!("`{name}` without `{missing}`");
            self.problem("positions", key, what, "positions go up from `\"1\"` without a gap");
        }
    }

    fn header_values(&mut self, header: &raw::HeaderParams) {
        if let Some(variables) = &header.text_variables {
            self.variables(variables);
            if let Some((name, text)) = variables.get_index(1) {
                self.problem(
                    "header-variables",
                    self.source.key_before(text.span, name),
                    "a header has one variable at most",
                    "put the others into the body",
                );
            }
        }
        self.beginning(header.media_url.as_ref(), whatsapp::media_url);
        self.constant_if_any(header.filename.as_ref(), filled);
        let kind = &header.r#type;
        if kind.value == HeaderType::Document && header.filename.is_none() {
            self.warning(
                "untitled-document",
                kind.span,
                "without `filename` the document is shown as \"Untitled\"",
                "such as `filename: invoice.pdf`",
            );
        }
        let Some(location) = &header.location else { return };
        self.constant(&location.latitude, whatsapp::latitude);
        self.constant(&location.longitude, whatsapp::longitude);
        for (name, value) in [("name", &location.name), ("address", &location.address)] {
            self.constant_if_any(value.as_ref(), whatsapp::parameter);
            if value.is_none() {
                self.warning(
                    "location-incomplete",
                    location.latitude.span,
                    format!("a place without `{name}`, which WhatsApp expects to be filled"),
                    format!("add `{name}`"),
                );
            }
        }
    }

    fn buttons(&mut self, buttons: &[Spanned<raw::ButtonParams>]) {
        let mut seen: Vec<(u64, ButtonType, Span)> = Vec::new();
        for Spanned { value: button, .. } in buttons {
            self.constant(&button.index, whatsapp::button_index);
            self.beginning(button.text.as_ref(), whatsapp::url_suffix);
            self.constant_if_any(button.text.as_ref(), whatsapp::parameter);
            self.constant_if_any(button.payload.as_ref(), whatsapp::payload);
            self.constant_if_any(button.payload.as_ref(), whatsapp::parameter);
            let index = button.index.value.0.trim().parse().ok().filter(|index| *index <= whatsapp::LAST_BUTTON);
            let Some(index) = index else { continue };
            if let Some((_, _, first)) = seen.iter().find(|(other, ..)| *other == index) {
                let what = format!("button {index} has its value in line {} already", self.source.line(*first));
                self.problem(
                    "button-twice",
                    button.index.span,
                    what,
                    "each button has one entry; the first is `index: 0`",
                );
            } else {
                seen.push((index, button.sub_type.value, button.index.span));
            }
        }
        if let Some(extra) = buttons.get(10) {
            self.problem("too-many-buttons", extra.span, "more than ten buttons", "a template has at most ten");
        }
        self.grouped(seen);
    }

    /// Quick replies stand together in a template, before or behind the other buttons.
    fn grouped(&mut self, mut buttons: Vec<(u64, ButtonType, Span)>) {
        buttons.sort_by_key(|(index, ..)| *index);
        let is_quick = |at: usize| buttons[at].1 == ButtonType::QuickReply;
        let changes: Vec<usize> = (1..buttons.len()).filter(|at| is_quick(*at) != is_quick(at - 1)).collect();
        if let Some(second) = changes.get(1) {
            self.problem(
                "buttons-mixed",
                buttons[*second].2,
                "quick replies stand between other buttons",
                "in a template they stand together: look up the `index` of each button again",
            );
        }
    }
}

/// Whether a text is the same for every row.
pub(super) fn is_constant(text: &Spanned<Text>) -> bool {
    !text.value.0.contains('{')
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn breach(code: &'static str, what: &str, hint: &str) -> Breach {
    Breach { code, severity: Severity::Error, what: what.to_owned(), hint: hint.to_owned() }
}

fn filled(text: &str) -> Result<(), Breach> {
    if text.is_empty() { Err(breach("empty", "an empty value", "give it a value, or remove the key")) } else { Ok(()) }
}

fn boolean(text: &str) -> Result<(), Breach> {
    if ["true", "false"].contains(&text.to_lowercase().as_str()) {
        return Ok(());
    }
    let hint = match text.to_lowercase().as_str() {
        "no" | "off" | "n" => "did you mean `false`?",
        "yes" | "on" | "y" => "did you mean `true`?",
        _ => "a template must give one of the two as well",
    };
    Err(breach("not-a-boolean", "`true` or `false` is expected", hint))
}

/// A path that stays inside the spec's folder by its own words; links are checked where files are opened.
fn attachment(path: &str) -> Result<(), Breach> {
    use std::path::{Component, Path};
    filled(path)?;
    if path.contains(char::is_control) {
        let what = "the attachment's name has a control character in it, such as a line feed";
        return Err(breach("attachment-name", what, "write the name on one line, without escapes"));
    }
    if Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Ok(());
    }
    Err(breach("attachment-outside", "leads out of the spec's folder", "put the file beside the spec or below it"))
}
