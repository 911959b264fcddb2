//! Dates in templates: `day|date('%d.%m.%Y')` writes one, `day|todate('%d.%m.%Y')` reads one.
//!
//! The formats are those of `strftime`. One without a `%` says nothing of the date, so it is a mistake and never a text.

use std::ops::Range;

use jiff::fmt::strtime;
use jiff::{Zoned, civil};
use minijinja::machinery::Token;
use minijinja::value::{Kwargs, Rest, Value, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State};
use minijinja_contrib::filters;

use super::references::tokens;

/// Marks the error of a text that is no date.
pub(super) const NOT_A_DATE: &str = "not a date";

/// What the engine's own filters say of such a text.
const NOT_A_DATE_OF_ENGINE: [&str; 2] = ["not a valid date or timestamp", "value is not a datetime"];

/// Marks the error of a format that cannot be used.
pub(super) const FORMAT: &str = "not a date format";

/// The code of such a format.
pub(super) const FORMAT_CODE: &str = "date-format";

/// How a format is written.
pub(super) const FORMAT_HINT: &str =
    "a format is written with `%`: `%d.%m.%Y` gives 01.12.2026, and `%B` the month's English name";

/// The filters that take a format, and the names of formats that each knows.
const FORMATTED: [(&str, &[&str]); 5] = [
    ("date", &[]),
    ("todate", &[]),
    ("dateformat", &["short", "medium", "long", "full"]),
    ("datetimeformat", &["short", "medium", "long", "full", "iso", "unix"]),
    ("timeformat", &["short", "medium", "long", "full", "iso", "unix"]),
];

/// Adds the filters, and checks before those of the engine.
pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("date", |state: &State, value: Value, format: String, options: Kwargs| {
        check_format("date", &format)?;
        let zone = options.get::<Option<String>>("tz")?;
        options.assert_all_used()?;
        let options = [Some(("format", Value::from(format))), zone.map(|zone| ("tz", Value::from(zone)))];
        filters::dateformat(state, value, options.into_iter().flatten().collect()).map_err(own)
    });
    environment.add_filter("todate", |value: &Value, format: String| {
        check_format("todate", &format)?;
        // A number is a date as well: `20261201`.
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        read(&format, text.trim()).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, NOT_A_DATE))
    });
    let engines_own = [
        ("dateformat", Value::from_function(filters::dateformat)),
        ("datetimeformat", Value::from_function(filters::datetimeformat)),
        ("timeformat", Value::from_function(filters::timeformat)),
    ];
    for (name, filter) in engines_own {
        environment.add_filter(name, move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
            let arguments = arguments.into_values();
            let options = arguments.last().and_then(|last| Kwargs::try_from(last.clone()).ok());
            if let Some(format) = options.and_then(|options| options.peek::<String>("format").ok()) {
                check_format(name, &format)?;
            }
            filter.call(state, &arguments).map_err(own)
        });
    }
}

/// A date or a time in ISO 8601, read by a format.
fn read(format: &str, text: &str) -> Option<String> {
    let parsed = strtime::parse(format, text).ok()?;
    match parsed.to_datetime() {
        Ok(time) if parsed.hour().is_some() => Some(time.to_string()),
        _ => parsed.to_date().ok().map(|date| date.to_string()),
    }
}

fn own(error: Error) -> Error {
    match error.detail() {
        Some(detail) if NOT_A_DATE_OF_ENGINE.contains(&detail) => Error::new(ErrorKind::InvalidOperation, NOT_A_DATE),
        Some("invalid format string") => Error::new(ErrorKind::InvalidOperation, FORMAT),
        _ => error,
    }
}

fn check_format(filter: &str, format: &str) -> Result<(), Error> {
    if is_format(filter, format) { Ok(()) } else { Err(Error::new(ErrorKind::InvalidOperation, FORMAT)) }
}

fn is_format(filter: &str, format: &str) -> bool {
    let names = FORMATTED.iter().find(|(name, _)| *name == filter).map_or(&[][..], |(_, names)| names);
    let is_known = || format.contains('%') && strtime::format(format, &sample()).is_ok();
    names.contains(&format) || is_known()
}

/// Any time: whether a format can be used is the same for all.
fn sample() -> Zoned {
    civil::date(2026, 12, 1).at(9, 30, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap_or_default()
}

/// Formats in a template that are written out and cannot be used.
pub(super) fn wrong_formats(source: &str, is_expression: bool) -> Vec<Range<usize>> {
    let tokens = tokens(source, is_expression);
    let mut wrong = Vec::new();
    for (at, window) in tokens.windows(4).enumerate() {
        let [(Token::Pipe, _), (Token::Ident(filter), _), (Token::ParenOpen, _), _] = window else { continue };
        if !FORMATTED.iter().any(|(name, _)| name == filter) {
            continue;
        }
        let arguments = tokens.get(at + 3..).unwrap_or_default();
        let format = match arguments {
            [(Token::Str(format), range), ..]
            | [(Token::Ident("format"), _), (Token::Assign, _), (Token::Str(format), range), ..] => {
                Some((format.to_string(), range))
            }
            [(Token::String(format), range), ..]
            | [(Token::Ident("format"), _), (Token::Assign, _), (Token::String(format), range), ..] => {
                Some((format.to_string(), range))
            }
            _ => None,
        };
        wrong.extend(format.filter(|(format, _)| !is_format(filter, format)).map(|(_, range)| range.clone()));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str) -> Result<String, Option<String>> {
        let mut environment = Environment::new();
        minijinja_contrib::add_to_environment(&mut environment);
        add(&mut environment);
        environment.render_str(source, ()).map_err(|error| error.detail().map(str::to_owned))
    }

    #[test]
    fn a_date_is_written_and_read_by_a_format() {
        for (source, text) in [
            ("{{ '2026-12-01'|date('%d.%m.%Y') }}", "01.12.2026"),
            ("{{ '2026-12-01T09:30:00'|date('%H:%M') }}", "09:30"),
            ("{{ '2026-12-01T23:30:00Z'|date('%d. %H:%M', tz='Europe/Berlin') }}", "02. 00:30"),
            ("{{ '01.12.2026'|todate('%d.%m.%Y') }}", "2026-12-01"),
            ("{{ '12/1/26 9:30'|todate('%m/%d/%y %H:%M') }}", "2026-12-01T09:30:00"),
            ("{{ 20261201|todate('%Y%m%d')|date('%A') }}", "Tuesday"),
            ("{{ '2026-12-01'|dateformat(format='short') }}", "2026-12-01"),
            ("{{ '2026-12-01'|dateformat }}", "Dec 1 2026"),
        ] {
            assert_eq!(render(source).as_deref(), Ok(text), "{source}");
        }
    }

    #[test]
    fn what_is_no_date_or_no_format_is_told_apart() {
        for source in ["{{ '01.12.2026'|date('%d') }}", "{{ '2026-12-01'|todate('%d.%m.%Y') }}", "{{ 'x'|dateformat }}"]
        {
            assert_eq!(render(source), Err(Some(NOT_A_DATE.to_owned())), "{source}");
        }
        for source in [
            "{{ '2026-12-01'|date('dd.mm.yyyy') }}",
            "{{ '2026-12-01'|date('%d %') }}",
            "{{ '2026-12-01'|dateformat(format='DD.MM.') }}",
        ] {
            assert_eq!(render(source), Err(Some(FORMAT.to_owned())), "{source}");
        }
    }

    #[test]
    fn a_format_that_is_written_out_is_found_before_any_row_is_read() {
        for (source, format) in [
            ("Due {{ day|date('dd.mm.yyyy') }}", "'dd.mm.yyyy'"),
            ("{{ day|todate(\"DD.MM.\")|date('%d') }}", "\"DD.MM.\""),
            ("{{ day|dateformat(format='iso') }}", "'iso'"),
        ] {
            let found = wrong_formats(source, false);
            assert_eq!(found.iter().map(|range| &source[range.clone()]).collect::<Vec<_>>(), [format], "{source}");
        }
        assert!(
            wrong_formats("{{ day|date('%d') }}{{ day|timeformat(format='iso') }}{{ day|date(form) }}", false)
                .is_empty()
        );
    }
}
