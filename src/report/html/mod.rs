//! One self-contained page for people: who got it, who did not, why, and did anybody get it twice?
//!
//! The page holds its own data, style and script and may open no connection: its content security policy forbids
//! everything but the one style and the one script below, by their hashes, so that a value which slipped through the
//! escaping could still run nothing.
//!
//! A list may have millions of rows, so records are written as they come and only sums of bounded size are kept: the
//! data comes first in the page, what is said about it after that.

mod rows;
mod totals;
mod throughput;
mod view;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, context};
use ring::digest::{SHA256, digest};

use super::list_columns::ListColumns;
use super::{About, Record, Writer};
use rows::Rows;
use throughput::Throughput;
use totals::Totals;
use view::Page;
pub use view::visible;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("table.js");

pub(super) struct Html<W> {
    output: W,
    /// The templates' names end in `.html`, which is what makes the engine escape every value.
    templates: Environment<'static>,
    rows: Rows,
    sums: Totals,
    throughput: Throughput,
}

impl<W: Write> Html<W> {
    pub(super) fn new(mut output: W, about: About) -> io::Result<Self> {
        let templates = templates().map_err(io::Error::other)?;
        let head = context! {
            name => about.name,
            description => about.description,
            written_at => about.written_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            style => STYLE,
            style_hash => hash(STYLE),
            script_hash => hash(SCRIPT),
        };
        render(&templates, "head.html", head, &mut output)?;
        Ok(Self {
            output,
            templates,
            rows: Rows::of(ListColumns::new(about.list_columns)),
            sums: Totals::default(),
            throughput: Throughput::default(),
        })
    }
}

impl<W: Write> Writer for Html<W> {
    fn add(&mut self, record: &Record) -> io::Result<()> {
        let record = &*record.shown();
        self.sums.add(record);
        self.throughput.add(record);
        self.rows.add(record, &mut self.output)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.rows.finish(&mut self.output)?;
        let page = Page::new(&self.sums, &self.throughput, &self.rows).map_err(io::Error::other)?;
        let page = context! { page => minijinja::value::Serde(page), script => SCRIPT };
        render(&self.templates, "page.html", page, &mut self.output)?;
        self.output.flush()
    }
}

fn templates() -> Result<Environment<'static>, minijinja::Error> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    templates.add_filter("number", crate::humanize::grouped);
    templates.add_filter("visible", view::visible);
    templates.add_template("head.html", include_str!("head.html"))?;
    templates.add_template("page.html", include_str!("page.html"))?;
    Ok(templates)
}

fn render(
    templates: &Environment<'_>,
    name: &str,
    context: minijinja::Value,
    output: &mut impl Write,
) -> io::Result<()> {
    let text = templates.get_template(name).and_then(|page| page.render(context)).map_err(io::Error::other)?;
    output.write_all(text.as_bytes())
}

/// A source expression of a content security policy that allows exactly this text.
pub fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}
