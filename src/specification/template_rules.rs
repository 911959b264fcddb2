//! The rules of WhatsApp for the values of a template that are the same for every row.

use indexmap::IndexMap;

use super::checker::Checker;
use super::fixed_values::filled;
use super::span::{Span, Spanned, Text};
use super::template_params::{ButtonType, HeaderType, RawButton, RawHeader, RawTemplateParams};
use crate::whatsapp;

/// LiveDesk's ancestor takes a map with one of these keys for another form of parameters, whose sections they are.
const RESERVED: [&str; 4] = ["body", "header", "footer", "buttons"];

impl Checker<'_> {
    /// All of a WhatsApp template.
    pub(super) fn whatsapp(&mut self, params: &RawTemplateParams) {
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
                    "WhatsApp footers have no variables, so the message would not match its template",
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
                let what = format!("`{name}` cannot be the name of a variable: LiveDesk reads it as a section");
                self.problem("reserved-name", key(name, text), what, "rename the variable in the template, and here");
            } else if let Some(number) = position(name) {
                self.position(name, number, missing, text.span);
            } else if !is_variable(name) {
                let what = "a variable is a position (`1`), or a name of lower-case letters, digits and `_`";
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
            self.problem("positions", key, what, "number the positions from `\"1\"` without gaps");
        }
    }

    fn header_values(&mut self, header: &RawHeader) {
        if let Some(variables) = &header.text_variables {
            self.variables(variables);
            if let Some((name, text)) = variables.get_index(1) {
                self.problem(
                    "header-variables",
                    self.source.key_before(text.span, name),
                    "a header has one variable at most",
                    "put the others in the body",
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
                    format!("a location without `{name}`, which WhatsApp requires"),
                    format!("add `{name}`"),
                );
            }
        }
    }

    fn buttons(&mut self, buttons: &[Spanned<RawButton>]) {
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
                let what = format!("button {index} already has a value on line {}", self.source.line(*first));
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

    /// Quick replies are grouped in a template, before or after the other buttons.
    fn grouped(&mut self, mut buttons: Vec<(u64, ButtonType, Span)>) {
        buttons.sort_by_key(|(index, ..)| *index);
        let is_quick = |at: usize| buttons[at].1 == ButtonType::QuickReply;
        let changes: Vec<usize> = (1..buttons.len()).filter(|at| is_quick(*at) != is_quick(at - 1)).collect();
        if let Some(second) = changes.get(1) {
            self.problem(
                "buttons-mixed",
                buttons[*second].2,
                "quick replies and other buttons are mixed",
                "WhatsApp groups quick replies: check the `index` of each button",
            );
        }
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
