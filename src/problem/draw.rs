//! Problems as people see them.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Kind, Place, Problem, Severity};
use crate::mask::outline;

/// How problems are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrawOptions {
    /// With the colours of a terminal.
    pub coloured: bool,
    /// How many characters fit into a line, where that is known: sentences are wrapped, and a longer line of a file is
    /// cut on both sides of what is meant.
    pub width: Option<usize>,
    /// What is shown of what was written.
    pub values: Values,
}

/// What is shown of a cell or another value that is itself what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Its outline: the first two characters and the signs, `01·· ····`.
    Masked,
    /// All of it.
    Whole,
}

impl Values {
    /// A value in one line.
    pub(super) fn shown(self, value: &str) -> String {
        let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let value: String = match self {
            Self::Masked => outline(value).chars().take(MAX_VALUE_LENGTH).map(clean).collect(),
            Self::Whole => value.chars().take(MAX_VALUE_LENGTH).map(clean).collect(),
        };
        if value.chars().count() == MAX_VALUE_LENGTH { value + "…" } else { value }
    }
}

/// Characters of a value that are shown.
const MAX_VALUE_LENGTH: usize = 60;

/// A longer line of a file is cut also where nobody knows how much fits.
const MAX_LINE_LENGTH: usize = 140;

/// The prefix of a sentence in the drawing: `  = hint: `.
const BEFORE: usize = 14;

impl DrawOptions {
    /// For pipes, logs and tests.
    pub const PLAIN: Self = Self { coloured: false, width: None, values: Values::Masked };

    const fn renderer(self) -> Renderer {
        let renderer = if self.coloured { Renderer::styled() } else { Renderer::plain() };
        renderer.term_width(match self.width {
            Some(width) => width,
            None => MAX_LINE_LENGTH,
        })
    }

    /// A sentence in lines that fit.
    fn wrapped(self, text: &str) -> String {
        match self.width {
            Some(width) => textwrap::fill(text, width.saturating_sub(BEFORE).max(2 * BEFORE)),
            None => text.to_owned(),
        }
    }
}

/// A problem: message, place, the line with a caret where its text may be shown, hint.
pub(super) fn one(problem: &Problem, draw: DrawOptions) -> String {
    let message = match &problem.value {
        Some(value) => draw.wrapped(&format!("{}: \"{}\"", problem.message(), draw.values.shown(value))),
        None => draw.wrapped(&problem.message()),
    };
    let advice = problem.hint.as_deref().map(|hint| draw.wrapped(hint));
    let group = place(title(problem.severity, &message), &problem.place);
    draw.renderer().render(&[hint(group, advice.as_deref())])
}

/// Problems that are alike: the message once, the first places, how many there are, hint.
pub(super) fn kind(kind: &Kind, shown: usize, draw: DrawOptions) -> String {
    let first = &kind.first;
    let sites = kind.sites();
    if sites.len() == 1 || first.place.line.is_none() {
        return one(first, draw);
    }
    let message = draw.wrapped(&first.what);
    let advice = first.hint.as_deref().map(|hint| draw.wrapped(hint));
    let mut group = title(first.severity, &message);
    for site in sites.iter().take(shown) {
        let value = site.value.as_deref().map(|value| format!("\"{}\"", draw.values.shown(value)));
        let about: Vec<String> = site.detail.as_deref().map(str::to_owned).into_iter().chain(value).collect();
        let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(": ")) };
        let path = format!("{}:{}{about}", first.place.file, site.line);
        group = group.element(Origin::path(path));
    }
    if kind.count > sites.len().min(shown) as u64 {
        let all = if sites.len() > shown || (sites.len() as u64) < kind.count && shown != usize::MAX {
            "; `--all` shows each"
        } else {
            ""
        };
        let rows = format!("{} in all{all}", indicatif::HumanCount(kind.count));
        group = group.element(Level::NOTE.message(rows));
    }
    draw.renderer().render(&[hint(group, advice.as_deref())])
}

fn title(severity: Severity, text: &str) -> Group<'_> {
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    level.primary_title(text).elements(Vec::<Origin<'_>>::new())
}

fn place<'a>(group: Group<'a>, place: &'a Place) -> Group<'a> {
    let number = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok());
    if let Some(excerpt) = &place.excerpt {
        let snippet = Snippet::source(excerpt.text.as_str())
            .line_start(number(place.line).unwrap_or(1))
            .path(place.file.as_str())
            .annotation(AnnotationKind::Primary.span(excerpt.start..excerpt.end));
        return group.element(snippet);
    }
    let mut origin = Origin::path(place.file.as_str());
    if let Some(line) = number(place.line) {
        origin = origin.line(line);
        if let Some(column) = number(place.column) {
            origin = origin.char_column(column);
        }
    }
    group.element(origin)
}

fn hint<'a>(group: Group<'a>, hint: Option<&'a str>) -> Group<'a> {
    match hint {
        Some(hint) => group.element(Level::HELP.with_name("hint").message(hint)),
        None => group,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Keep, Problems};
    use super::*;

    #[test]
    fn a_problem_in_a_file_shows_its_line_with_a_caret() {
        let text = "name: x\nmessage:\n  content: \"你好 {{ nmae }}\"\n";
        let start = text.find("nmae").unwrap();
        let place = Place::in_text("c.yaml", text, start, 4);
        let problem = Problem::error("unknown-column", place, "unknown column `nmae`").hint("the list has name");
        insta::assert_snapshot!(problem.render(DrawOptions::PLAIN), @r#"
        error: unknown column `nmae`
         --> c.yaml:3:19
          |
        3 |   content: "你好 {{ nmae }}"
          |                     ^^^^
          |
          = hint: the list has name
        "#);
        assert_eq!(problem.place.to_string(), "c.yaml:3:19");
    }

    #[test]
    fn a_long_line_is_cut_on_a_narrow_terminal_and_what_is_meant_stays() {
        let text = format!("content: \"{}{{{{ nmae }}}}{}\"", "before ".repeat(20), " after".repeat(20));
        let place = Place::in_text("c.yaml", &text, text.find("nmae").unwrap(), 4);
        let problem = Problem::error("unknown-column", place, "unknown column `nmae`")
            .hint("did you mean `name`? the list has name, city, order and many other columns");
        insta::assert_snapshot!(problem.render(DrawOptions { width: Some(40), ..DrawOptions::PLAIN }));
    }

    #[test]
    fn a_problem_in_a_list_shows_the_line_number_only() {
        let problem = Problem::error("empty", Place::line("list.csv", 7), "`phone` is empty");
        insta::assert_snapshot!(problem.render(DrawOptions::PLAIN), @r"
        error: `phone` is empty
        --> list.csv:7
        ");
    }

    #[test]
    fn problems_that_are_alike_are_drawn_once_with_their_first_places_and_their_number() {
        let mut problems = Problems::new(Keep::First(3));
        for line in 2..1_502 {
            let place = Place::line("list.csv", line);
            let problem = Problem::error("ragged-row", place, "not the 4 fields of the header").hint("quote it");
            problems.extend([problem.detail(format!("{} fields", line % 3))]);
        }
        let drawn: Vec<String> = problems.kinds().map(|kind| kind.render(3, DrawOptions::PLAIN)).collect();
        insta::assert_snapshot!(drawn.join("\n"));
    }
}
