//! Checks before the engine's own filters and tests, where they would go on with what is not there or of another kind and
//! a message would be wrong without a word. Jinja2 fails at most of these.

use minijinja::value::{Kwargs, Rest, Value, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, filters, tests};

use super::mixed_kinds::are_in_another_order;
use super::text_limits;

/// Marks the error of a filter or a test that is given nothing.
pub(super) const NOTHING_GIVEN: &str = "nothing given";

/// Marks the error of a text and a number that are compared.
pub(super) const MIXED_KINDS: &str = "a text and a number";

/// Marks the error of texts that are numbers and are put in the order of their letters.
pub(super) const ORDER_OF_LETTERS: &str = "order of letters";

/// What an error begins with that is about an item without an attribute.
pub(super) const NO_ATTRIBUTE: &str = "no attribute ";

/// Compares two values.
type Comparison = fn(&Value, &Value) -> bool;

/// Puts the checks in place.
pub(super) fn tighten(environment: &mut Environment<'_>) {
    tighten_filters(environment);
    tighten_tests(environment);
}

fn tighten_filters(environment: &mut Environment<'_>) {
    let lenient = [
        ("chain", Value::from_function(filters::chain)),
        ("e", Value::from_function(filters::escape)),
        ("escape", Value::from_function(filters::escape)),
        ("pprint", Value::from_function(filters::pprint)),
        ("urlencode", Value::from_function(filters::urlencode)),
        ("zip", Value::from_function(filters::zip)),
    ];
    for (name, filter) in lenient {
        environment.add_filter(name, move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
            let arguments = arguments.into_values();
            check_given(&arguments)?;
            filter.call(state, &arguments)
        });
    }
    let of_attributes = [
        ("groupby", Value::from_function(filters::groupby), false),
        ("join", Value::from_function(filters::join), false),
        ("map", Value::from_function(filters::map), false),
        ("max", Value::from_function(filters::max), true),
        ("min", Value::from_function(filters::min), true),
        ("rejectattr", Value::from_function(filters::rejectattr), false),
        ("selectattr", Value::from_function(filters::selectattr), false),
        ("sort", Value::from_function(filters::sort), true),
        ("sum", Value::from_function(filters::sum), false),
        ("unique", Value::from_function(filters::unique), false),
    ];
    for (name, filter, puts_in_order) in of_attributes {
        environment.add_filter(name, move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
            let arguments = arguments.into_values();
            check_given(&arguments)?;
            check_items(name, &arguments, puts_in_order)?;
            if let ("join", [items, rest @ ..]) = (name, arguments.as_slice()) {
                text_limits::check_join(items, rest.first())?;
            }
            filter.call(state, &arguments)
        });
    }
}

fn tighten_tests(environment: &mut Environment<'_>) {
    let comparisons: [(&[&str], Comparison); 6] = [
        (&["eq", "equalto", "=="], |one, other| one == other),
        (&["ne", "!="], |one, other| one != other),
        (&["lt", "lessthan", "<"], |one, other| one < other),
        (&["le", "<="], |one, other| one <= other),
        (&["gt", "greaterthan", ">"], |one, other| one > other),
        (&["ge", ">="], |one, other| one >= other),
    ];
    for (names, comparison) in comparisons {
        for name in names {
            let orders = !matches!(*name, "eq" | "equalto" | "==" | "ne" | "!=");
            environment.add_test(*name, move |one: &Value, other: &Value| {
                check_given(&[one.clone(), other.clone()])?;
                check_kinds([one, other].into_iter(), orders)?;
                Ok::<_, Error>(comparison(one, other))
            });
        }
    }
    environment.add_test("in", |state: &State, one: &Value, other: &Value| {
        check_given(&[one.clone(), other.clone()])?;
        match (one.is_number(), other.as_str()) {
            (true, Some(_)) => Err(mixed()),
            _ => tests::is_in(state, one, other),
        }
    });
    environment.add_test("lower", |text: &Value| given(text).map(tests::is_lower));
    environment.add_test("upper", |text: &Value| given(text).map(tests::is_upper));
}

/// Whether there is something that a filter can be applied to.
pub(super) fn check_given(arguments: &[Value]) -> Result<(), Error> {
    arguments.first().map_or(Ok(()), |value| given(value).map(|_| ()))
}

fn given(value: &Value) -> Result<&Value, Error> {
    if value.is_undefined() { Err(Error::new(ErrorKind::UndefinedError, NOTHING_GIVEN)) } else { Ok(value) }
}

fn mixed() -> Error {
    Error::new(ErrorKind::InvalidOperation, MIXED_KINDS)
}

/// Looks at each item, or at the attribute that the filter asks each for.
fn check_items(filter: &str, arguments: &[Value], puts_in_order: bool) -> Result<(), Error> {
    let Some((list, options)) = arguments.split_first() else { return Ok(()) };
    // What cannot be iterated, the filter says itself.
    let Ok(items) = list.try_iter() else { return Ok(()) };
    let named = options.last().filter(|last| last.is_kwargs()).and_then(|last| Kwargs::try_from(last.clone()).ok());
    let option = |name: &str| named.as_ref().and_then(|named| named.peek::<Value>(name).ok());
    let is_first = matches!(filter, "groupby" | "rejectattr" | "selectattr");
    let attribute = option("attribute").or_else(|| options.first().filter(|_| is_first).cloned());
    let has_default = option("default").is_some();
    let mut values = Vec::new();
    for item in items {
        let value = match attribute.as_ref().and_then(Value::as_str) {
            Some(path) => match at_path(&item, path) {
                Some(value) => value,
                None if has_default => continue,
                None => return Err(Error::new(ErrorKind::InvalidOperation, format!("{NO_ATTRIBUTE}{path}"))),
            },
            None => item,
        };
        if puts_in_order {
            values.push(value);
        }
    }
    check_kinds(values.iter(), true)
}

fn at_path(item: &Value, path: &str) -> Option<Value> {
    path.split('.').try_fold(item.clone(), |value, part| {
        let found = match part.parse::<usize>() {
            Ok(at) => value.get_item_by_index(at),
            Err(_) => value.get_attr(part),
        };
        found.ok().filter(|value| !value.is_undefined())
    })
}

/// Texts and numbers have no order, and nothing of the one is equal to anything of the other.
fn check_kinds<'v>(values: impl Iterator<Item = &'v Value> + Clone, orders: bool) -> Result<(), Error> {
    let has_number = values.clone().any(Value::is_number);
    let texts: Vec<&str> = values.filter_map(Value::as_str).collect();
    if has_number && texts.iter().any(|text| orders || !text.is_empty()) {
        return Err(mixed());
    }
    if !orders || has_number {
        return Ok(());
    }
    let mut sorted = texts;
    sorted.sort_unstable();
    // The first text that is a number and comes before a smaller one.
    let is_wrong = sorted.windows(2).any(|pair| matches!(pair, [one, other] if are_in_another_order(one, other)));
    if is_wrong { Err(Error::new(ErrorKind::InvalidOperation, ORDER_OF_LETTERS)) } else { Ok(()) }
}

#[cfg(test)]
mod engine_tests {
    use minijinja::{UndefinedBehavior, context};

    use super::*;

    fn render(source: &str) -> Result<String, Option<String>> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        tighten(&mut environment);
        let variables = context! {
            items => [context! { name => "Tea", price => 4.5, n => "9" }, context! { name => "cup", price => 12, n => "10" }],
            none_there => context! {},
            texts => ["9", "10"],
        };
        environment.render_str(source, variables).map_err(|error| error.detail().map(str::to_owned))
    }

    #[test]
    fn nothing_is_no_empty_text() {
        for source in [
            "{{ none_there.x|urlencode }}",
            "{{ none_there.x|e }}",
            "{{ none_there.x|join }}",
            "{{ none_there.x is lower }}",
            "{{ none_there.x is not gt(2) }}",
            "{{ none_there.x is in [1] }}",
        ] {
            assert_eq!(render(source), Err(Some(NOTHING_GIVEN.to_owned())), "{source}");
        }
    }

    #[test]
    fn an_item_has_the_attribute_that_it_is_asked_for() {
        for source in [
            "{{ items|selectattr('prize', 'gt', 5)|list|length }}",
            "{{ items|map(attribute='prize')|join }}",
            "{{ items|sort(attribute='prize')|length }}",
            "{{ items|groupby('prize')|length }}",
            "{{ items|sum(attribute='prize') }}",
        ] {
            assert_eq!(render(source), Err(Some(format!("{NO_ATTRIBUTE}prize"))), "{source}");
        }
        assert_eq!(render("{{ items|map(attribute='prize', default='-')|join }}").as_deref(), Ok("--"));
        assert_eq!(render("{{ items|selectattr('price', 'gt', 5)|map(attribute='name')|join }}").as_deref(), Ok("cup"));
    }

    #[test]
    fn texts_and_numbers_do_not_mix() {
        for source in [
            "{{ '5' is gt(3) }}",
            "{{ 5 is eq('5') }}",
            "{{ items|selectattr('n', '>', 5)|list|length }}",
            "{{ ['3', 2]|max }}",
            "{{ 3 is in '123' }}",
        ] {
            assert_eq!(render(source), Err(Some(MIXED_KINDS.to_owned())), "{source}");
        }
        for source in ["{{ texts|max }}", "{{ texts|sort|join }}", "{{ '9' is lt('10') }}"] {
            assert_eq!(render(source), Err(Some(ORDER_OF_LETTERS.to_owned())), "{source}");
        }
        for (source, text) in [
            ("{{ ['b', 'a']|sort|join }}", "ab"),
            ("{{ [3, 10]|max }}", "10"),
            ("{{ 5 is eq(5.0) }}", "True"),
            ("{{ 3 is ne('') }}", "True"),
            ("{{ '2026-12-01' is gt('2026-11-30') }}", "True"),
        ] {
            assert_eq!(render(source).as_deref(), Ok(text), "{source}");
        }
    }
}
