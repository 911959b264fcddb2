//! From the raw shape to a [`Spec`], collecting every problem on the way.

mod contradictions;
mod message;
mod send;
mod whatsapp;
mod window;

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::raw::{self, Raw};
use super::schema_check::SchemaCheck;
use super::span::{Span, Spanned, Text};
use super::{
    Checks, DEFAULT_BASE_URL, List, Livedesk, MOST_PROBLEMS, Recipients, ReportFile, Source, Spec, SuppressionFile,
    Template, deserialize, yaml_tree,
};
use crate::problem::{Place, Problem, Severity, did_you_mean};

/// Collects problems while values are taken over.
pub(super) struct Checker<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
    /// Maps that lack what was taken out of them because it was wrong: what they lack is no second problem.
    spoiled: Vec<Span>,
}

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
    (spec, errors.into_iter().take(MOST_PROBLEMS).collect())
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

fn template(key: &str, text: Spanned<Text>) -> Template {
    Template { key: key.to_owned(), text: text.value.0, span: text.span }
}

fn optional(key: &str, text: Option<Spanned<Text>>) -> Option<Template> {
    text.map(|text| template(key, text))
}

impl Checker<'_> {
    fn spec(&mut self, raw: Raw, folder: PathBuf, overrides: &[(String, String)]) -> Option<Spec> {
        self.contradictions(&raw);
        let name = self.name(&raw.name);
        let livedesk = self.livedesk(raw.livedesk).or_else(|| self.livedesk(raw::Livedesk::default()));
        let recipients = self.recipients(raw.recipients);
        let vars = self.vars(&raw.vars, overrides);
        let at = |(name, text): (&String, &Spanned<Text>)| (name.clone(), self.source.key_before(text.span, name));
        let vars_at = raw.vars.iter().map(at).collect();
        let to = self.to(raw.to);
        let message = self.message(raw.message);
        // Where a value cannot be used the default stands in for it, to check the rest by.
        let send = self.send(&raw.send).or_else(|| self.send(&raw::Send::default()));
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
            checks: Checks {
                phones: raw.checks.phones,
                liquid: raw.checks.liquid,
                stripped: raw.checks.stripped,
                unreachable: raw.checks.unreachable.map(|check| check.value).unwrap_or_default(),
            },
            send: send?,
            report,
            warnings: Vec::new(),
        })
    }

    /// Records a problem at a value.
    fn problem(&mut self, code: &'static str, span: Span, what: impl Into<String>, hint: impl Into<String>) {
        if self.is_worth_saying(span) {
            self.problems.push(Problem::error(code, self.source.place(span), what).hint(hint));
        }
    }

    /// Records what is worth knowing about a value.
    fn warning(&mut self, code: &'static str, span: Span, what: impl Into<String>, hint: impl Into<String>) {
        if self.is_worth_saying(span) {
            self.problems.push(Problem::warning(code, self.source.place(span), what).hint(hint));
        }
    }

    fn is_worth_saying(&self, span: Span) -> bool {
        self.problems.len() < MOST_PROBLEMS && !self.spoiled.contains(&span)
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

    fn livedesk(&mut self, raw: raw::Livedesk) -> Option<Livedesk> {
        let base_url = match raw.base_url {
            Some(url) => self.base_url(&url),
            None => Some(DEFAULT_BASE_URL.to_owned()),
        };
        let api_key = self.variable("api_key", raw.api_key, "LIVEDESK_API_KEY");
        let api_secret = self.variable("api_secret", raw.api_secret, "LIVEDESK_API_SECRET");
        Some(Livedesk { base_url: base_url?, api_key: api_key?, api_secret: api_secret? })
    }

    fn base_url(&mut self, url: &Spanned<String>) -> Option<String> {
        let parsed = url::Url::parse(&url.value).ok().filter(url::Url::has_host);
        let Some(parsed) = parsed else {
            self.problem("base-url", url.span, "not an address", format!("such as `{DEFAULT_BASE_URL}`"));
            return None;
        };
        let loopback = match parsed.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match parsed.scheme() {
            "https" => {}
            "http" if loopback => {}
            _ => {
                self.problem(
                    "plain-http",
                    url.span,
                    "credentials may only go over https",
                    "plain http is for this machine alone",
                );
                return None;
            }
        }
        if !parsed.username().is_empty()
            || parsed.password().is_some()
            || parsed.query().is_some()
            || parsed.fragment().is_some()
        {
            self.problem(
                "base-url",
                url.span,
                "an address with credentials or a query",
                "give the scheme, host and path alone",
            );
            return None;
        }
        Some(parsed.as_str().trim_end_matches('/').to_owned())
    }

    /// The name inside `${NAME}`. A literal is refused: specs live in git.
    fn variable(&mut self, key: &str, value: Option<Spanned<String>>, default: &str) -> Option<String> {
        let Some(value) = value else { return Some(default.to_owned()) };
        let name = value
            .value
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        if name.is_none() {
            let place = self.source.place_of_key(value.span, key);
            self.problems.push(
                Problem::error("literal-secret", place, "a credential stands in the spec")
                    .hint(format!("write `${{{default}}}` and put the value into the environment or a `.env` file")),
            );
        }
        name.map(str::to_owned)
    }

    fn recipients(&mut self, raw: raw::Recipients) -> Recipients {
        let map = match raw {
            raw::Recipients::Map(map) => *map,
            raw::Recipients::Path(file) => raw::RecipientsMap {
                file,
                format: None,
                delimiter: None,
                encoding: None,
                key: None,
                r#where: None,
                suppress: Vec::new(),
                default_region: None,
                on_duplicate: raw::Duplicates::default(),
            },
        };
        let delimiter = self.delimiter(map.delimiter.as_ref());
        let encoding = self.encoding(map.encoding.as_ref());
        let default_region = self.region(map.default_region);
        let file = if map.file.value == "-" { List::Stdin } else { List::File(PathBuf::from(&map.file.value)) };
        if map.file.value.is_empty() {
            self.problem("empty-path", map.file.span, "an empty path", "name the list, or `\"-\"` for standard input");
        }
        self.file_name("list-name", "the list's name", &map.file);
        for path in &map.suppress {
            self.file_name("suppress-name", "the suppression list's name", path);
        }
        Recipients {
            file,
            format: map.format,
            delimiter,
            encoding,
            key: optional("recipients.key", map.key),
            condition: optional("recipients.where", map.r#where),
            file_at: map.file.span,
            suppress: map
                .suppress
                .into_iter()
                .map(|path| SuppressionFile { path: path.value.into(), span: path.span })
                .collect(),
            default_region,
            on_duplicate: map.on_duplicate,
        }
    }

    /// Nobody means a file whose name has a line feed in it: it came in with a block of text or an escape.
    fn file_name(&mut self, code: &'static str, whose: &str, path: &Spanned<String>) {
        if path.value.contains(char::is_control) {
            let what = format!("{whose} has a control character in it, such as a line feed");
            self.problem(code, path.span, what, "write the name on one line, without escapes");
        }
    }

    fn delimiter(&mut self, raw: Option<&Spanned<String>>) -> Option<u8> {
        let raw = raw?;
        match raw.value.as_bytes() {
            b"\\t" => Some(b'\t'),
            [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && *byte != b'"' => Some(*byte),
            _ => {
                self.problem("delimiter", raw.span, "a delimiter is one character", "such as `;` or `\\t`");
                None
            }
        }
    }

    fn encoding(&mut self, raw: Option<&Spanned<String>>) -> Option<String> {
        let raw = raw?;
        if encoding_rs::Encoding::for_label(raw.value.as_bytes()).is_none() {
            self.problem(
                "unknown-encoding",
                raw.span,
                format!("`{}` is not a known encoding", raw.value),
                "such as `utf-8`, `utf-16le`, `windows-1252`, `gb18030`, `big5` or `shift_jis`",
            );
            return None;
        }
        Some(raw.value.clone())
    }

    fn region(&mut self, raw: Option<Spanned<String>>) -> Option<String> {
        let raw = raw?;
        if raw.value.parse::<phonenumber::country::Id>().is_err() {
            self.problem(
                "unknown-region",
                raw.span,
                format!("`{}` is not a country code", raw.value),
                "two capital letters, such as `DE`",
            );
            return None;
        }
        Some(raw.value)
    }

    fn vars(
        &mut self,
        raw: &IndexMap<String, Spanned<Text>>,
        overrides: &[(String, String)],
    ) -> IndexMap<String, String> {
        let mut vars: IndexMap<String, String> =
            raw.iter().map(|(name, text)| (name.clone(), text.value.0.clone())).collect();
        for (name, value) in overrides {
            if !vars.contains_key(name) {
                let hint = did_you_mean(name, raw.keys().map(String::as_str)).map_or_else(
                    || "`--var` overrides what stands under `vars`: add it there first".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                let what = format!("the spec has no variable `{name}`");
                self.problems.push(Problem::error("unknown-variable", Place::file("--var"), what).hint(hint));
            }
            vars.insert(name.clone(), value.clone());
        }
        vars
    }

    fn report(&mut self, raw: Option<raw::OneOrMany>, name: &str) -> Vec<ReportFile> {
        let Some(raw::OneOrMany(paths)) = raw else {
            return vec![ReportFile { path: PathBuf::from(format!("reports/{name}.csv")), span: None }];
        };
        for path in &paths {
            let ending = Path::new(&path.value).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if !matches!(ending, "csv" | "jsonl" | "html") {
                self.problem(
                    "report-ending",
                    path.span,
                    format!("`{}` is not a kind of report", path.value),
                    "the ending says what is written: `.csv`, `.jsonl` or `.html`",
                );
            }
        }
        for path in &paths {
            self.file_name("report-name", "the report's name", path);
        }
        paths.into_iter().map(|path| ReportFile { path: path.value.into(), span: Some(path.span) }).collect()
    }
}
