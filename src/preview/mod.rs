//! Messages as chat bubbles on one self-contained page: for the people who must approve a campaign and read no JSON.
//!
//! The page opens no connection, loads no picture and runs no script: its content security policy forbids everything
//! but the one style, by its hash, so that a value which slipped through the escaping could still do nothing. Every
//! value is written by the template engine, which escapes it.

mod bubble;
mod formatting;

use std::path::Path;

use jiff::Timestamp;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior, context};

use crate::humanize;
use crate::plan::Sample;
use crate::report::{hash, visible};
use bubble::Column;

const STYLE: &str = include_str!("page.css");

/// What the page says around the messages.
#[derive(Debug, Clone)]
pub struct About<'a> {
    /// The campaign's name.
    pub name: &'a str,
    /// Its description.
    pub description: Option<&'a str>,
    /// When the page was made.
    pub made_at: Timestamp,
    /// How many messages would leave.
    pub messages: u64,
    /// The lines of the plan, as the terminal shows them.
    pub plan: &'a [String],
    /// Which of the messages are shown, in one sentence.
    pub which: &'a str,
}

/// A file that a message carries.
#[derive(Debug, Clone, serde::Serialize)]
pub struct File {
    /// Its name without folders.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// How many bytes it has, where that is known.
    pub bytes: Option<u64>,
}

/// The page. `file` tells about the attachments.
///
/// # Errors
/// The template engine's: none that a message could bring about.
pub fn page(about: &About<'_>, shown: &[Sample], file: &dyn Fn(&Path) -> File) -> Result<String, Error> {
    let columns: Vec<Column> = shown.iter().map(|shown| Column::new(shown, file)).collect();
    let plan: Vec<_> = about.plan.iter().map(|line| labelled(line)).collect();
    let templates = templates()?;
    templates.get_template("page.html")?.render(context! {
        name => about.name,
        description => about.description,
        made_at => about.made_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        messages => about.messages,
        plan => Serde(plan),
        which => about.which,
        with_template => columns.iter().any(Column::has_template),
        columns => Serde(columns),
        style => STYLE,
        style_hash => hash(STYLE),
    })
}

/// A line of the plan as its label and its text: labels fill eleven letters, and a line without one goes on with the
/// text before.
fn labelled(line: &str) -> (&str, &str) {
    let (label, text) = line.split_at_checked(11).unwrap_or(("", line));
    (label.trim(), text.trim())
}

fn templates() -> Result<Environment<'static>, Error> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    templates.add_filter("number", humanize::grouped);
    templates.add_filter("visible", visible);
    templates.add_filter("lines", |text: &str| visible(&text.replace("\r\n", "\n")));
    templates.add_filter("size", humanize::bytes);
    // Its name ends in `.html`, which is what makes the engine escape every value.
    templates.add_template("page.html", include_str!("page.html"))?;
    Ok(templates)
}

#[cfg(test)]
mod tests {
    use super::labelled;

    #[test]
    fn a_line_of_the_plan_has_its_label_apart() {
        assert_eq!(labelled("  to send  6 messages"), ("to send", "6 messages"));
        assert_eq!(labelled("           and more"), ("", "and more"));
        assert_eq!(labelled("short"), ("", "short"));
        assert_eq!(labelled("aaaaaaaaaaé"), ("", "aaaaaaaaaaé"), "a label never ends inside of a letter");
    }
}
