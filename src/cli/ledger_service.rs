//! An address that names an entry of a service file, `postgres:///?service=sales`, as every program that uses PostgreSQL reads it:
//! what the address does not say itself is taken from there.

use std::fs;
use std::path::Path;

use super::error::CliError;

/// The name of the service in a query, if there is one, and the rest of the query.
pub(super) fn service(query: &str) -> Option<(String, String)> {
    let (of_service, others): (Vec<&str>, Vec<&str>) = query.split('&').partition(|pair| pair.starts_with("service="));
    let (_, name) = form_urlencoded::parse(of_service.first()?.as_bytes()).next()?;
    Some((name.into_owned(), others.join("&")))
}

/// What a service file says of a service: names and values.
pub(super) fn entry(path: &Path, name: &str) -> Result<Vec<(String, String)>, CliError> {
    let text = fs::read_to_string(path)
        .map_err(|error| CliError::environment(format!("{}: {error}: needed for `service={name}`", path.display())))?;
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != format!("[{name}]"));
    if lines.next().is_none() {
        let text = format!("{}: there is no entry `[{name}]` for `service={name}`", path.display());
        return Err(CliError::environment(text));
    }
    let lines =
        lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    Ok(lines.filter_map(pair).collect())
}
