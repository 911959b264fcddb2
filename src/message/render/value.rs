//! One value: rendered, and held against what may be in its place.

use indicatif::HumanCount;

use super::Renderer;
use super::hints::hint;
use crate::message::render_errors::NoText;
use crate::problem::{Place, Problem, Severity};
use crate::recipients::is_invisible;
use crate::recipients::spreadsheet_artifacts::{looks_like_a_date, looks_rounded};
use crate::specification::{LiquidCheck, StrippedCheck, Template};
use crate::whatsapp::{self, Breach};

/// LiveDesk's ancestor takes these out of template values.
const STRIPPED: [char; 4] = ['<', '>', '"', '\''];

/// Bytes that a key or an id may have. Every ledger looks keys up by an index, and that of PostgreSQL takes 2,700 bytes
/// at most. Other parts of an address are shorter than this anyway.
const LONGEST_KEY: usize = 1_024;

const ROUNDED: &str = "a number that a spreadsheet rounded (`E+`): its last digits are lost";

/// What a value must be like.
pub(super) type Rule = fn(&str) -> Result<(), Breach>;

/// Where a value goes, which decides what it may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    ToText,
    ToTemplate,
}

impl Renderer<'_> {
    pub(super) fn problem(&mut self, code: &'static str, template: &Template, what: impl std::fmt::Display) {
        let problem = self.found(code, template, what);
        self.problems.push(problem);
    }

    pub(super) fn warning(&mut self, code: &'static str, template: &Template, what: impl std::fmt::Display) {
        let problem = self.found(code, template, what);
        self.warnings.push(problem.severity(Severity::Warning));
    }

    /// A warning that shows the text which it is about.
    pub(super) fn warning_about(
        &mut self,
        code: &'static str,
        template: &Template,
        what: impl std::fmt::Display,
        text: &str,
    ) {
        let problem = self.found(code, template, what).value(text);
        self.warnings.push(problem.severity(Severity::Warning));
    }

    /// Why a template gave no text.
    pub(super) fn no_text(&mut self, template: &Template, NoText { code, what, value, hint }: NoText) {
        let mut problem = self.found(code, template, what).value(value.as_deref().unwrap_or_default());
        problem.hint = hint.map(str::to_owned).or(problem.hint);
        self.problems.push(problem);
    }

    /// The same, with the text that was given and not understood.
    pub(super) fn misread(
        &mut self,
        code: &'static str,
        template: &Template,
        what: impl std::fmt::Display,
        text: &str,
    ) {
        let problem = self.found(code, template, what).value(text);
        self.problems.push(problem);
    }

    /// What is in the spec word for word is wrong there, whatever the row.
    fn found(&self, code: &'static str, template: &Template, what: impl std::fmt::Display) -> Problem {
        let row = || Place::line(self.list, self.line);
        let problem = match self.templates.origin(template) {
            _ if template.is_constant() => {
                Problem::error(code, self.templates.spec.source.place(template.span), what.to_string())
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
    pub(super) fn text(&mut self, template: &Template) -> Option<String> {
        self.templates.text(template, &self.context).map_err(|error| self.no_text(template, error)).ok()
    }

    /// A text that must not be empty, without outer white space.
    pub(super) fn required(&mut self, template: &Template) -> String {
        let Some(text) = self.text(template) else { return String::new() };
        if text.trim_matches(is_invisible).is_empty() {
            self.empty(template);
        }
        trimmed(text)
    }

    /// Nothing where something must be: most often an empty cell.
    pub(super) fn empty(&mut self, template: &Template) {
        let is_cell = self.templates.origin(template).is_some_and(|origin| origin.field.is_some());
        self.problem("empty", template, if is_cell { "the cell is empty" } else { "empty" });
    }

    /// A text that is left out of the request when the row has none.
    pub(super) fn if_any(&mut self, template: Option<&Template>) -> Option<String> {
        let text = self.text(template?)?;
        Some(text.trim_matches(is_invisible).to_owned()).filter(|text| !text.is_empty())
    }

    pub(super) fn number(&mut self, template: &Template) -> u64 {
        let text = self.required(template);
        let number = text.parse().ok().filter(|id| *id > 0 && text.bytes().all(|byte| byte.is_ascii_digit()));
        number.unwrap_or_else(|| {
            if !text.is_empty() {
                let (code, what) = no_number(&text);
                self.misread(code, template, what, &text);
            }
            0
        })
    }

    /// Jinja writes `True` where YAML writes `true`.
    pub(super) fn boolean(&mut self, template: &Template) -> bool {
        let text = self.required(template);
        match text.to_lowercase().as_str() {
            "true" => true,
            "false" | "" => false,
            _ => {
                self.misread("not-a-boolean", template, "`true` or `false` is expected", &text);
                false
            }
        }
    }

    /// Somebody's id, which a spreadsheet may have made something else of.
    pub(super) fn id(&mut self, template: &Template) -> String {
        let id = self.required(template);
        self.check_damage(template, &id);
        if id.len() > LONGEST_KEY {
            let what = format!("longer than {} bytes, the limit of a key or an id", HumanCount(LONGEST_KEY as u64));
            let length = format!("{} bytes", HumanCount(id.len() as u64));
            let problem = self.found("key-too-long", template, what).detail(length);
            self.problems.push(problem);
        }
        id
    }

    pub(super) fn check_damage(&mut self, template: &Template, id: &str) {
        if looks_rounded(id) {
            self.misread("rounded-number", template, ROUNDED, id);
        } else if looks_like_a_date(id) {
            self.warning_about("date-for-id", template, "a date, but an id is expected", id);
        }
    }

    /// A text that must not be empty and follows a rule of WhatsApp.
    pub(super) fn text_by_rule(&mut self, template: &Template, rule: Rule) -> String {
        let value = self.required(template);
        self.check_rule(template, &value, rule);
        value
    }

    /// What is in the spec word for word was held against the rule there; that something is empty is already reported.
    pub(super) fn check_rule(&mut self, template: &Template, value: &str, rule: Rule) {
        if template.is_constant() {
            return;
        }
        let Err(breach) = rule(value) else { return };
        match breach.severity {
            _ if value.is_empty() => {}
            Severity::Error => self.misread(breach.code, template, breach.what, value),
            Severity::Warning => self.warning(breach.code, template, breach.what),
        }
    }

    /// What WhatsApp refuses in a template's value, and what the server would evaluate or take away. All of it is
    /// ASCII, so bytes are looked at, which takes a tenth of the time of looking for texts.
    pub(super) fn check_value(&mut self, template: &Template, value: &str, kind: Destination) {
        let checks = self.templates.spec.checks;
        let bytes = value.as_bytes();
        if checks.liquid == LiquidCheck::Refuse && bytes.array_windows().any(|pair| matches!(pair, b"{{" | b"{%")) {
            self.problem("liquid", template, "contains `{{` or `{%`, which LiveDesk would evaluate");
        }
        if kind == Destination::ToText {
            return;
        }
        self.check_rule(template, value, whatsapp::parameter);
        if looks_rounded(value) {
            self.warning("rounded-number", template, ROUNDED);
        }
        if checks.stripped != StrippedCheck::Allow
            && bytes.iter().any(|byte| matches!(byte, b'<' | b'>' | b'"' | b'\''))
        {
            let which: String = STRIPPED.into_iter().filter(|c| value.contains(*c)).collect();
            let found = self.found("stripped", template, "contains characters that LiveDesk removes").detail(which);
            match checks.stripped {
                StrippedCheck::Refuse => self.problems.push(found),
                _ => self.warnings.push(found.severity(Severity::Warning)),
            }
        }
    }
}

/// Why a text is no whole number: most often because of what a spreadsheet made of it.
fn no_number(text: &str) -> (&'static str, &'static str) {
    if looks_rounded(text) {
        ("rounded-number", ROUNDED)
    } else if looks_like_a_date(text) {
        ("date-for-number", "a date, but a whole number is expected")
    } else if text.bytes().all(|byte| byte == b'0') {
        ("zero-id", "0 is not an id; spreadsheets write it when a lookup finds nothing")
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
pub(super) fn is_longer(text: &str, most: usize) -> bool {
    text.len() > most && text.chars().count() > most
}
