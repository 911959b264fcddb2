//! Turns a spec as it is written into a [`Spec`]: asks each section for its part, and collects every problem on the way.

use std::path::PathBuf;

use indexmap::IndexMap;
use serde_json::Value;

use super::checker::Checker;
use super::livedesk::RawLivedesk;
use super::raw::Raw;
use super::schema_check::SchemaCheck;
use super::send::RawSend;
use super::span::{Constant, Span, Spanned};
use super::track::RawTrack;
use super::{MAX_PROBLEMS, Source, Spec, deserialize, yaml_tree};
use crate::problem::{Place, Problem, Severity, did_you_mean};

pub(super) fn draft(source: &Source, folder: PathBuf, vars: &[(String, String)]) -> (Option<Spec>, Vec<Problem>) {
    let mut problems = Vec::new();
    let (raw, spoiled) = raw(source, &mut problems);
    let mut checker = Checker { source, problems, spoiled };
    let spec = raw.and_then(|raw| checker.spec(raw, folder, vars));
    let mut problems = checker.problems;
    problems.sort_by_key(|problem| (problem.place.line.unwrap_or(u64::MAX), problem.place.column.unwrap_or(u64::MAX)));
    problems.dedup();
    let (errors, warnings): (Vec<_>, Vec<_>) =
        problems.into_iter().partition(|problem| problem.severity == Severity::Error);
    let spec = spec.map(|spec| Spec { warnings, ..spec });
    (spec, errors.into_iter().take(MAX_PROBLEMS).collect())
}

/// The raw shape, if enough of it is there, and the maps that lack something.
fn raw(source: &Source, problems: &mut Vec<Problem>) -> (Option<Raw>, Vec<Span>) {
    let Some(mut root) = yaml_tree::read(source, problems) else { return (None, Vec::new()) };
    let schema = Spec::json_schema();
    let mut shape = SchemaCheck::new(source, &schema, problems);
    let holds = shape.holds(&mut root);
    let spoiled = shape.spoiled;
    if !holds {
        return (None, spoiled);
    }
    match deserialize::read(&root) {
        Ok(raw) => (Some(raw), spoiled),
        Err(error) => {
            problems.push(source.problem("yaml", Span::default(), error.to_string()));
            (None, spoiled)
        }
    }
}

impl Checker<'_> {
    fn spec(&mut self, raw: Raw, folder: PathBuf, overrides: &[(String, String)]) -> Option<Spec> {
        self.contradictions(&raw);
        let name = self.name(&raw.name);
        let livedesk = self.livedesk(raw.livedesk).or_else(|| self.livedesk(RawLivedesk::default()));
        let recipients = self.recipients(raw.recipients);
        let vars = self.vars(&raw.vars, overrides);
        let at = |(name, constant): (&String, &Spanned<Constant>)| {
            (name.clone(), self.source.key_before(constant.span, name))
        };
        let vars_at = raw.vars.iter().map(at).collect();
        let to = self.to(raw.to);
        let message = self.message(raw.message);
        // Where a value cannot be used the default stands in for it, to check the rest by.
        let send = self.send(&raw.send).or_else(|| self.send(&RawSend::default()));
        let track = send
            .as_ref()
            .and_then(|send| self.track(raw.track, send).or_else(|| self.track(RawTrack::default(), send)));
        let notify = self.notify(raw.notify);
        let report = self.report(raw.report, &raw.name.value);
        Some(Spec {
            source: self.source.clone(),
            folder,
            name: name.unwrap_or_default(),
            description: raw.description,
            livedesk: livedesk?,
            recipients,
            vars,
            vars_at,
            to: to?,
            message: message?,
            checks: raw.checks.into(),
            send: send?,
            track: track?,
            notify,
            report,
            warnings: Vec::new(),
        })
    }

    fn name(&mut self, name: &Spanned<String>) -> Option<String> {
        let head = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let ok = name.value.len() <= 64
            && name.value.starts_with(head)
            && name.value.chars().all(|c| head(c) || matches!(c, '.' | '_' | '-'));
        if !ok {
            self.problem(
                "campaign-name",
                name.span,
                format!("`{}` cannot be a campaign's name", name.value),
                "use lower-case letters, digits, `.`, `_` and `-`, at most 64, beginning with a letter or digit",
            );
        }
        ok.then(|| name.value.clone())
    }

    fn vars(
        &mut self,
        raw: &IndexMap<String, Spanned<Constant>>,
        overrides: &[(String, String)],
    ) -> IndexMap<String, Value> {
        let constant = |(name, constant): (&String, &Spanned<Constant>)| (name.clone(), constant.value.0.clone());
        let mut vars: IndexMap<String, Value> = raw.iter().map(constant).collect();
        for (name, value) in overrides {
            match vars.get(name) {
                None => {
                    let hint = did_you_mean(name, raw.keys().map(String::as_str)).map_or_else(
                        || "`--var` overrides constants in `vars`: add it there first".to_owned(),
                        |near| format!("did you mean `{near}`?"),
                    );
                    let what = format!("the spec has no variable `{name}`");
                    self.problems.push(Problem::error("unknown-variable", Place::file("--var"), what).hint(hint));
                }
                Some(Value::Array(_) | Value::Object(_)) => {
                    let what = format!("the variable `{name}` is a list or a map, and `--var` gives a text");
                    let problem = Problem::error("variable-is-no-text", Place::file("--var"), what);
                    self.problems.push(problem.hint("change it in the spec"));
                }
                Some(_) => {}
            }
            vars.insert(name.clone(), Value::from(value.as_str()));
        }
        vars
    }
}
