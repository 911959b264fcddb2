//! `mobile|phone('DE')`: a phone number as `+` and digits, in the country that is named or that the row names.

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind};

use crate::recipients::{is_region, normalise};

/// What an error begins with that is about a number.
pub(super) const NO_PHONE: &str = "no phone number: ";

/// Marks the error of what is no country.
pub(super) const NO_COUNTRY: &str = "no country";

/// Adds the filter.
pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("phone", |number: &Value, region: Option<Value>| {
        if number.is_undefined() || region.as_ref().is_some_and(Value::is_undefined) {
            return Err(Error::from(ErrorKind::UndefinedError));
        }
        let text = number.as_str().map_or_else(|| number.to_string(), str::to_owned);
        let region = region.map(|region| region.to_string().trim().to_uppercase()).filter(|region| !region.is_empty());
        if region.as_deref().is_some_and(|region| !is_region(region)) {
            return Err(Error::new(ErrorKind::InvalidOperation, NO_COUNTRY));
        }
        let phone = normalise(&text, region.as_deref());
        phone
            .map(|phone| phone.e164)
            .map_err(|what| Error::new(ErrorKind::InvalidOperation, format!("{NO_PHONE}{what}")))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_gets_the_country_that_is_named() {
        let mut environment = Environment::new();
        add(&mut environment);
        let render = |source: &str| environment.render_str(source, ()).ok();
        for (source, text) in [
            ("{{ '0171 3920055'|phone('DE') }}", Some("+491713920055")),
            ("{{ '06 12 34 56 78'|phone('fr') }}", Some("+33612345678")),
            ("{{ '+49 171 3920055'|phone }}", Some("+491713920055")),
            ("{{ '0171 3920055'|phone }}", None),
            ("{{ '0171 3920055'|phone('Germany') }}", None),
            ("{{ missing|phone('DE') }}", None),
        ] {
            assert_eq!(render(source).as_deref(), text, "{source}");
        }
    }
}
