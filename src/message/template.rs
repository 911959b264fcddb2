//! The spec's templates, compiled once, strictly: what is not defined is an error, not an empty string.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use foldhash::HashMap;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

use super::complexity;
use super::context::{Context, WHOLE_ROW};
use super::dataflow::{Flow, Source};
use super::date_filters;
use super::evaluation::Running;
use super::filter_limits;
use super::interpolate::Interpolation;
use super::jinja_compat;
use super::mixed_kinds::{Mismatch, letters, mismatch};
use super::phone_filter;
use super::reference_checks::{MAX_COMPARISONS, ReferenceChecker, as_expression, column_with_blanks};
use super::references::{Reference, ReferenceKind, backward_slices, conditions, uses_whole_row};
use super::render_errors::{NULL, NoText, explain};
use super::strictness;
use super::truthiness::{TEXT_FOR_TRUTH, misled, shortened};
use crate::problem::{Place, Problem, Severity};
use crate::recipients::{Columns, Row};
use crate::specification::{Spec, Template};

/// Steps of the template engine that one value may take: far more than any message needs, and an end to every loop. A
/// step puts a list into another one at most, so this also bounds how deep values nest, for which there must be stack.
const FUEL: u64 = 25_000;

/// Calls of macros inside each other, times four: none needs as many, and each takes stack.
const CALLS: usize = 200;

/// Bytes that a template may write: more than LiveDesk takes, whatever the letters.
const MAX_TEXT_LENGTH: usize = 1 << 20;

/// The compiled templates of a campaign.
#[derive(Debug)]
pub struct Templates {
    pub(super) spec: Arc<Spec>,
    environment: Environment<'static>,
    /// Those that need no engine, by their keys.
    plain: HashMap<String, Interpolation>,
    /// Where each template's value comes from, by its key.
    sources: HashMap<String, Origin>,
    /// What they do with values that may be of the wrong kind, by the template's key.
    flows: HashMap<String, Flow>,
    /// The columns that messages and their addresses are made from.
    pub(super) columns: Vec<Arc<str>>,
    /// The columns that `recipients.where` is made from.
    condition: Uses,
    /// The columns that anything else is made from.
    delivery: Uses,
    /// What a person should know about them.
    warnings: Vec<Problem>,
    /// The conditions on which they branch, as templates of their own.
    branches: Vec<String>,
}

/// Columns that are used.
#[derive(Debug, Default)]
struct Uses {
    columns: BTreeSet<Arc<str>>,
    /// Whether the row is used as a whole, and so all of them.
    whole_row: bool,
}

impl Uses {
    fn contains(&self, column: &str) -> bool {
        self.whole_row || self.columns.contains(column)
    }
}

/// Where a template's value comes from, for problems with it.
#[derive(Debug, Default)]
pub(super) struct Origin {
    /// The template's key, and the columns that it is made from.
    pub(super) subject: String,
    /// The column, if it is made from one alone.
    pub(super) field: Option<Arc<str>>,
}

impl Templates {
    /// Compiles the templates. Where the list's columns are known, every variable is checked against them.
    ///
    /// # Errors
    /// Each template that cannot be read and each variable that no column and no constant has, at its place.
    pub fn compile(spec: Arc<Spec>, columns: Option<&Columns>, list: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = clashes(&spec, columns, list);
        let mut environment = environment(&spec);
        let mut sources = HashMap::default();
        let mut flows = HashMap::default();
        let (mut condition, mut delivery) = (Uses::default(), Uses::default());
        let (readable, too_complex) = by_complexity(&spec);
        problems.extend(too_complex);
        // One evaluation for all: what the engine works out beforehand is kept with the template.
        let compiling = Running::begin(&spec, None, None);
        for template in &readable {
            compiling.turn_to(template.span);
            if let Err(error) = environment.add_template_owned(template.key.clone(), source(&spec, template)) {
                problems.push(broken(&spec, template, &error, columns));
            }
        }
        let branches = branches(&spec, &readable, &mut environment);
        drop(compiling);
        let plain = interpolations(&spec, &readable);
        let comparisons = Cell::new(MAX_COMPARISONS);
        let checker = ReferenceChecker { spec: &spec, environment: &environment, columns, list, comparisons };
        for template in readable.iter().copied() {
            let names = checker.names(template);
            problems.extend(checker.problems(template, &names));
            problems.extend(backward_steps(&spec, template));
            problems.extend(wrong_formats(&spec, template));
            let flow = flow(&spec, template);
            problems.extend(checker.texts_as_conditions(template, &flow.decisions));
            problems.extend(checker.mixed_kinds(template, &flow));
            if !flow.is_empty() {
                flows.insert(template.key.clone(), flow);
            }
            let columns_of = columns_of(&names, &environment);
            let is_condition = spec.is_condition(template);
            let used = if is_condition { &mut condition } else { &mut delivery };
            used.columns.extend(columns_of.iter().map(|column| Arc::from(*column)));
            used.whole_row |= uses_whole_row(&template.text, is_condition);
            if !is_condition {
                problems.extend(checker.unfilled_placeholders(template));
            }
            sources.insert(template.key.clone(), origin(template, &columns_of));
        }
        let (warnings, problems): (Vec<_>, Vec<_>) =
            problems.into_iter().partition(|problem| problem.severity == Severity::Warning);
        if problems.is_empty() {
            let columns = delivery.columns.iter().cloned().collect();
            Ok(Self { spec, environment, plain, sources, flows, columns, condition, delivery, warnings, branches })
        } else {
            Err(problems)
        }
    }

    /// What a person should know about the templates.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Whether `recipients.where` uses a column.
    pub fn condition_uses(&self, column: &str) -> bool {
        self.condition.contains(column)
    }

    /// Whether anything that a delivery is made from uses a column: message, address, key, window.
    pub fn delivery_uses(&self, column: &str) -> bool {
        self.delivery.contains(column)
    }

    /// Where a template's value comes from.
    pub(super) fn origin(&self, template: &Template) -> Option<&Origin> {
        self.sources.get(&template.key)
    }

    /// Whether the text of the message holds the cells of a column as they are, whatever they hold.
    pub(super) fn is_put_into_content(&self, column: &str) -> bool {
        let content = self.spec.message.content.as_ref().and_then(|content| self.plain.get(&content.key));
        content.is_some_and(|plain| plain.columns().any(|name| name == column))
    }

    /// Whether any text holds the cells of a column as they are.
    pub(super) fn is_put_into_a_text(&self, column: &str) -> bool {
        self.plain.values().any(|plain| plain.columns().any(|name| name == column))
    }

    /// Which way the row goes wherever the templates branch: rows of one kind give the same text.
    pub fn branches_taken(&self, row: &Row) -> String {
        let context = Context::new(row);
        let takes = |name: &String| {
            let _running = Running::begin(&self.spec, None, Some(row.line));
            let rendered = self.environment.get_template(name).and_then(|branch| branch.render(context.variables()));
            // A condition on something of the template's own, such as a loop's variable, cannot be asked from outside.
            rendered.unwrap_or_default()
        };
        self.branches.iter().map(takes).collect()
    }

    /// The spec that they belong to.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The text that a template gives for a row.
    ///
    /// # Errors
    /// Why it gives none, naming the expression of the template and never its value.
    pub(super) fn text(&self, template: &Template, context: &Context<'_>) -> Result<String, NoText> {
        if let Some(text) = self.plain.get(&template.key).and_then(|plain| plain.text(context.row)) {
            return Ok(text);
        }
        if let Some(flow) = self.flows.get(&template.key) {
            self.check_kinds(flow, template, context.row)?;
        }
        let compiled = self.environment.get_template(&template.key);
        let _running = Running::begin(&self.spec, Some(template.span), Some(context.row.line));
        let mut text = Bounded::default();
        let rendered = compiled.and_then(|compiled| compiled.render_captured_to(context.variables(), &mut text));
        let finished = rendered.and_then(|_| text.finished());
        finished.map_err(|error| explain(&error, &source(&self.spec, template), context.row))
    }

    /// Whether each value of a row is of the kind that a template takes it for.
    fn check_kinds(&self, flow: &Flow, template: &Template, row: &Row) -> Result<(), NoText> {
        let expression = |range: &Range<usize>| shortened(template.text.get(range.clone()).unwrap_or_default());
        if let Some(decision) = flow.decisions.iter().find(|decision| decision.is_misled_by_row(row)) {
            let what = misled(&expression(&decision.range), decision.is_written);
            let values = decision.source.values(|name| row.get(name));
            let value = values.into_iter().find_map(|value| value.as_str()).map(str::to_owned);
            return Err(NoText { value, ..NoText::new(TEXT_FOR_TRUTH, what) });
        }
        let values = |source: &Source| source.values(|name| row.get(name).or_else(|| self.spec.vars.get(name)));
        let of_operations = flow.operations.iter().find_map(|operation| mismatch(operation, values));
        let found = of_operations.or_else(|| flow.loops.iter().find_map(|operand| letters(operand, values)));
        match found {
            Some(Mismatch { range, kind, value }) => {
                Err(NoText { value, ..NoText::new(kind.code(), kind.explain(&expression(&range))) })
            }
            None => Ok(()),
        }
    }

    /// Whether the row satisfies `recipients.where`.
    pub(super) fn wanted(&self, row: &Row) -> Result<bool, NoText> {
        let Some(condition) = &self.spec.recipients.condition else { return Ok(true) };
        self.text(condition, &Context::new(row)).map(|text| !text.is_empty())
    }
}

/// What a template does with values.
fn flow(spec: &Spec, template: &Template) -> Flow {
    let flow = Flow::of(&source(spec, template));
    if spec.is_condition(template) { flow.without_first(TEST.len()) } else { flow }
}

/// A text that is being rendered. A loop over long cells ends here: fuel bounds steps, not what they write.
#[derive(Default)]
struct Bounded(Vec<u8>);

impl Bounded {
    fn finished(self) -> Result<String, Error> {
        String::from_utf8(self.0).map_err(|error| Error::new(ErrorKind::WriteFailure, error.to_string()))
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_TEXT_LENGTH {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn environment(spec: &Spec) -> Environment<'static> {
    let mut environment = Environment::new();
    minijinja_contrib::add_to_environment(&mut environment);
    strictness::tighten(&mut environment);
    jinja_compat::correct(&mut environment);
    date_filters::add(&mut environment);
    phone_filter::add(&mut environment);
    filter_limits::bound(&mut environment);
    // What a row gives must be the same whenever it is rendered: the dry run's text is what is sent.
    environment.remove_global("now");
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(CALLS);
    // Its default writes `None` into the message of somebody in whose cell there is a null.
    environment.set_formatter(|output, state, value| {
        if value.is_none() {
            return Err(Error::new(ErrorKind::UndefinedError, NULL));
        }
        // A list would be written with the word `undefined` in it.
        if value.kind() == ValueKind::Seq && value.try_iter()?.any(|item| item.is_undefined()) {
            return Err(Error::new(ErrorKind::UndefinedError, strictness::NOTHING_GIVEN));
        }
        minijinja::escape_formatter(output, state, value)
    });
    for (name, value) in &spec.vars {
        environment.add_global(name.clone(), Value::from(Serde(value)));
    }
    environment
}

/// The templates that may be parsed, and what is wrong with the others.
fn by_complexity(spec: &Spec) -> (Vec<&Template>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut readable = spec.templates();
    readable.retain(|template| match complexity::check(&template.text, spec.is_condition(template)) {
        Ok(()) => true,
        Err(found) => {
            let place = spec.place_in(template, &found.range);
            let what = format!("`{}` is too complex: it has {}", template.key, found.what);
            let problem = Problem::error("template-too-complex", place, what);
            problems.push(problem.hint("compute the value beforehand, in a column of the list"));
            false
        }
    });
    (readable, problems)
}

/// Constants that hide, or are hidden by, something else.
fn clashes(spec: &Spec, columns: Option<&Columns>, list: &str) -> Vec<Problem> {
    let place = |name: &str| match spec.vars_at.get(name) {
        Some(span) => spec.source.place(*span),
        None => Place::file("--var"),
    };
    let clash = |name: &String| {
        if name == WHOLE_ROW {
            let problem = Problem::error("constant-hides-row", place(name), "`vars.row` hides the row");
            Some(problem.hint("give the constant another name"))
        } else if columns.is_some_and(|columns| columns.position(name).is_some()) {
            let what = format!("`{name}` is both a constant in `vars` and a column of {list}");
            let problem = Problem::error("constant-hides-column", place(name), what);
            Some(problem.hint("rename the constant: a template could mean either"))
        } else {
            None
        }
    };
    spec.vars.keys().filter_map(clash).collect()
}

/// Compiles the conditions of the templates, each under a name of its own.
fn branches(spec: &Spec, readable: &[&Template], environment: &mut Environment<'static>) -> Vec<String> {
    let mut all: Vec<&str> = readable
        .iter()
        .filter(|template| !spec.is_condition(template))
        .flat_map(|template| conditions(&template.text))
        .collect();
    all.sort_unstable();
    all.dedup();
    let compiled = all.into_iter().enumerate().filter_map(|(at, condition)| {
        let name = format!("branch {at}");
        let source = format!("{TEST}{condition}) %}}1{{% else %}}0{{% endif %}}");
        environment.add_template_owned(name.clone(), source).ok().map(|()| name)
    });
    compiled.collect()
}

/// The templates that need no engine.
fn interpolations(spec: &Spec, readable: &[&Template]) -> HashMap<String, Interpolation> {
    let texts = readable.iter().filter(|template| !spec.is_condition(template));
    texts.filter_map(|template| Some((template.key.clone(), Interpolation::of(&template.text)?))).collect()
}

/// What is before the expression of `recipients.where`, to make it a template that gives a text or none.
const TEST: &str = "{% if (";

/// What the engine is given for a template.
fn source(spec: &Spec, template: &Template) -> String {
    let text = &template.text;
    if spec.is_condition(template) { format!("{TEST}{text}) %}}yes{{% endif %}}") } else { text.clone() }
}

fn broken(spec: &Spec, template: &Template, error: &Error, columns: Option<&Columns>) -> Problem {
    let shift = if spec.is_condition(template) { TEST.len() } else { 0 };
    let range = error.range().unwrap_or(0..0);
    let at = range.start.saturating_sub(shift).min(template.text.len());
    let len = range.len().min(template.text.len() - at);
    let place = spec.place_in(template, &(at..at + len));
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    // The bracket is that of the test around it, not the person's.
    let detail = if shift > 0 { detail.replace(", expected `)`", " here") } else { detail };
    let hint = if shift > 0 && template.text.get(at..).is_some_and(|text| text.starts_with('=')) {
        "`==` compares: `country == \"DE\"`"
    } else if shift > 0 {
        "`where` is an expression without braces, such as `country == \"DE\"`"
    } else {
        "templates are written in Jinja: `{{ column }}`"
    };
    let hint = column_with_blanks(columns, &template.text, at)
        .map_or_else(|| hint.to_owned(), |column| format!("write `{}`", as_expression(column)));
    Problem::error("template-syntax", place, format!("`{}`: {detail}", template.key)).hint(hint)
}

fn wrong_formats(spec: &Spec, template: &Template) -> Vec<Problem> {
    let told = |range: Range<usize>| {
        let format = template.text.get(range.clone()).unwrap_or_default();
        let what = format!("{format} is not a date format");
        Problem::error(date_filters::FORMAT_CODE, spec.place_in(template, &range), what).hint(date_filters::FORMAT_HINT)
    };
    date_filters::wrong_formats(&template.text, spec.is_condition(template)).into_iter().map(told).collect()
}

fn backward_steps(spec: &Spec, template: &Template) -> Vec<Problem> {
    let told = |range: Range<usize>| {
        let place = spec.place_in(template, &range);
        Problem::error("backward-slice", place, "slice steps must be positive literals")
            .hint("`|reverse` reverses a text or a list")
    };
    backward_slices(&template.text, spec.is_condition(template)).into_iter().map(told).collect()
}

fn columns_of<'a>(names: &'a [Reference], environment: &Environment<'_>) -> Vec<&'a str> {
    // Constants and the engine's own functions are no columns.
    let is_column = |name: &&Reference| match name.of {
        ReferenceKind::Variable { .. } => environment.globals().all(|(global, _)| global != name.text),
        ReferenceKind::Cell => true,
        ReferenceKind::Filter | ReferenceKind::Test => false,
    };
    let mut columns: Vec<&str> = names.iter().filter(is_column).map(|name| name.text.as_str()).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

fn origin(template: &Template, columns: &[&str]) -> Origin {
    let key = &template.key;
    match columns {
        [] => Origin { subject: format!("`{key}`"), field: None },
        [column] => Origin { subject: format!("`{key}` (column `{column}`)"), field: Some((*column).into()) },
        many => Origin { subject: format!("`{key}` (columns `{}`)", many.join("`, `")), field: None },
    }
}
