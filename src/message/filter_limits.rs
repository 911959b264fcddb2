//! Filters and functions that make as much as a number asks for: `indent(2000000000)`, `"%1000000000d"|format(1)`.
//!
//! Such a request fails at once where the memory cannot be had, so it must be refused before it is made. What grows bit by
//! bit is stopped from outside; see [`evaluation`](super::evaluation).

use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, filters, functions};

use super::{strictness, text_limits};

/// The largest amount that may be asked for: as much as a template may write at all.
const MAX_SIZE: u64 = 1 << 20;

/// Puts checks before the filters and functions that take an amount.
pub(super) fn bound(environment: &mut Environment<'_>) {
    let takers = [
        ("batch", Value::from_function(filters::batch)),
        ("indent", Value::from_function(filters::indent)),
        ("round", Value::from_function(filters::round)),
        ("slice", Value::from_function(filters::slice)),
        ("tojson", Value::from_function(filters::tojson)),
        ("truncate", Value::from_function(minijinja_contrib::filters::truncate)),
    ];
    for (name, filter) in takers {
        environment.add_filter(name, move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
            let arguments = arguments.into_values();
            strictness::check_given(&arguments)?;
            // The first is what the filter is applied to.
            check_all(arguments.get(1..).unwrap_or_default())?;
            filter.call(state, &arguments)
        });
    }
    let replace = Value::from_function(filters::replace);
    environment.add_filter("replace", move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
        let arguments = arguments.into_values();
        strictness::check_given(&arguments)?;
        text_limits::check_replace(&arguments)?;
        replace.call(state, &arguments)
    });
    let format = Value::from_function(filters::format);
    environment.add_filter("format", move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
        let arguments = arguments.into_values();
        check_format(&arguments)?;
        format.call(state, &arguments)
    });
    let range = Value::from_function(functions::range);
    environment.add_function("range", move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
        let arguments = arguments.into_values();
        check_all(&arguments)?;
        range.call(state, &arguments)
    });
}

/// A format, and what it is to be filled with: `"%9d"|format(1)`, `"{:9}".format(1)`.
pub(super) fn check_format(arguments: &[Value]) -> Result<(), Error> {
    let Some((format, values)) = arguments.split_first() else { return Ok(()) };
    let text = format.as_str().unwrap_or_default();
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    if numbers.any(|digits| digits.trim_start_matches('0').len() > 6) {
        return Err(text_limits::too_large());
    }
    // `*` takes a width from among the values.
    if text.contains('*') { check_all(values) } else { Ok(()) }
}

fn check_all(arguments: &[Value]) -> Result<(), Error> {
    arguments.iter().try_for_each(check)
}

fn check(argument: &Value) -> Result<(), Error> {
    if let Ok(named) = Kwargs::try_from(argument.clone())
        && argument.is_kwargs()
    {
        return named.args().try_for_each(|name| check(&named.peek::<Value>(name)?));
    }
    let is_amount = argument.kind() == ValueKind::Number;
    let fits = i64::try_from(argument.clone()).is_ok_and(|number| number.unsigned_abs() <= MAX_SIZE);
    if is_amount && !fits && argument.is_integer() { Err(text_limits::too_large()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str) -> Result<String, Option<String>> {
        let mut environment = Environment::new();
        minijinja_contrib::add_to_environment(&mut environment);
        super::super::jinja_compat::correct(&mut environment);
        bound(&mut environment);
        environment.render_str(source, ()).map_err(|error| error.detail().map(str::to_owned))
    }

    #[test]
    fn amounts_that_no_machine_has_are_refused() {
        for source in [
            "{{ 'a\nb'|indent(2000000000) }}",
            "{{ 'a\nb'|indent(width=9223372036854775807) }}",
            "{{ [1]|tojson(indent=2000000000) }}",
            "{{ '%1000000000d'|format(1) }}",
            "{{ '%.1000000000f'|format(1.5) }}",
            "{{ '%*d'|format(1000000000, 1) }}",
            "{{ '{:1000000000}'.format(1) }}",
            "{{ '{:>{}}'.format(1, 1000000000) }}",
            "{{ [1]|batch(1000000000000, 'x') }}",
            "{{ [1]|slice(1000000000000) }}",
            "{{ 'a b'|truncate(length=9223372036854775807) }}",
            "{{ range(-9223372036854775807, 9223372036854775807, 2) }}",
            "{{ range(9223372036854775807, -9223372036854775807, -2) }}",
            "{{ ('a' * 100000)|replace('a', 'b' * 1000)|length }}",
            "{{ ('a' * 100000).replace('a', 'b' * 1000)|length }}",
            "{{ ('b' * 1000).join(range(100000))|length }}",
        ] {
            assert!(render(source).is_err(), "{source}");
        }
    }

    #[test]
    fn all_other_amounts_are_as_the_engine_has_them() {
        for (source, text) in [
            ("{{ 'a\nb'|indent(2) }}", "a\n  b"),
            ("{{ [1, 2, 3]|batch(2)|list|length }}", "2"),
            ("{{ '%05d of %s'|format(7, 123456789012) }}", "00007 of 123456789012"),
            ("{{ '{:>4}|{}'.format(7, 123456789012) }}", "   7|123456789012"),
            ("{{ 19.556|round(2) }}", "19.56"),
            ("{{ 123456789012|round }}", "123456789012"),
            ("{{ 'Good morning'|truncate(length=8, killwords=true, leeway=0) }}", "Good ..."),
            ("{{ range(1, 4)|join(',') }}", "1,2,3"),
            ("{{ 'a-b-c'|replace('-', ' and ') }}", "a and b and c"),
            ("{{ 'a-b'.replace('-', '+') }}", "a+b"),
            ("{{ 15|replace(5, 6) }}", "16"),
            ("{{ ', '.join(['a', 'b']) }}", "a, b"),
        ] {
            assert_eq!(render(source).as_deref(), Ok(text), "{source}");
        }
    }
}
