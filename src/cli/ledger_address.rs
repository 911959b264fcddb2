//! Where the ledger is: the flag, or else `CAMPAIGN_LEDGER`; with what a service file says of it, and the
//! password that the environment or `~/.pgpass` has for it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::environment;
use super::error::CliError;
use super::ledger_service::{entry, service};

/// The address of the ledger, if somebody says where it is. With a password in it: it must not be shown.
pub(super) fn ledger_address(flag: Option<&str>) -> Result<Option<String>, CliError> {
    let address = match flag {
        Some(address) => address.to_owned(),
        None => match text("CAMPAIGN_LEDGER")? {
            Some(address) => address,
            None => return Ok(None),
        },
    };
    if !address.starts_with("postgres://") && !address.starts_with("postgresql://") {
        return Ok(Some(address));
    }
    let address = with_service(address)?;
    let Ok(config) = known_to_driver(&address).parse::<Config>() else { return Ok(Some(address)) };
    if config.get_password().is_some() {
        return Ok(Some(address));
    }
    let password = match text("PGPASSWORD")? {
        Some(password) => Some(password),
        None => password_file()?.and_then(|path| in_file(&path, &config)),
    };
    Ok(Some(match password {
        None => address,
        Some(password) => with_value(&address, "password", &password),
    }))
}

/// The part of an address that says whose password is wanted. What else there may be, the driver does not know all of.
fn known_to_driver(address: &str) -> String {
    const NAMES: [&str; 6] = ["host", "hostaddr", "port", "user", "dbname", "password"];
    let (base, query) = address.split_once('?').unwrap_or((address, ""));
    let is_known = |pair: &&str| pair.split_once('=').is_some_and(|(name, _)| NAMES.contains(&name));
    let known: Vec<&str> = query.split('&').filter(is_known).collect();
    format!("{base}?{}", known.join("&"))
}

/// The address with what its service says beyond it.
fn with_service(address: String) -> Result<String, CliError> {
    let (base, query) = address.split_once('?').unwrap_or((&address, ""));
    let Some((name, query)) = service(query) else { return Ok(address) };
    let file = match text("PGSERVICEFILE")? {
        Some(path) => path.into(),
        None => environment::variable("HOME").map(|home| Path::new(&home).join(".pg_service.conf")).unwrap_or_default(),
    };
    let mut address = format!("{base}?{query}");
    let Ok(config) = known_to_driver(&address).parse::<Config>() else { return Ok(address) };
    let given: HashSet<String> = query.split('&').filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect();
    for (name, value) in entry(&file, &name)? {
        let is_given = match name.as_str() {
            "host" | "hostaddr" => !config.get_hosts().is_empty() || !config.get_hostaddrs().is_empty(),
            "port" => !config.get_ports().is_empty(),
            "user" => config.get_user().is_some(),
            "dbname" => config.get_dbname().is_some(),
            "password" => config.get_password().is_some(),
            other => given.contains(other),
        };
        if !is_given {
            address = with_value(&address, &name, &value);
        }
    }
    Ok(address)
}

fn with_value(address: &str, name: &str, value: &str) -> String {
    let mark = match address.chars().last() {
        Some('?' | '&') => "",
        _ if address.contains('?') => "&",
        _ => "?",
    };
    format!("{address}{mark}{name}={}", percent_encoded(value))
}

/// As the driver reads it back, which does not take `+` for a space.
fn percent_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

fn text(name: &str) -> Result<Option<String>, CliError> {
    let not_utf8 = |_| CliError::environment(format!("the value of `{name}` in the environment is not UTF-8"));
    environment::variable(name).map(|value| value.into_string().map_err(not_utf8)).transpose()
}

fn password_file() -> Result<Option<PathBuf>, CliError> {
    Ok(match text("PGPASSFILE")? {
        Some(path) => Some(path.into()),
        None => environment::variable("HOME").map(|home| Path::new(&home).join(".pgpass")),
    })
}

/// The password of the first line that fits, as every program that uses PostgreSQL reads this file: not where others may
/// read it.
fn in_file(path: &Path, config: &Config) -> Option<String> {
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).ok()?) & 0o077 != 0 {
        return None;
    }
    let host = match config.get_hosts().first()? {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(_) => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let user = config.get_user().unwrap_or_default();
    let database = config.get_dbname().unwrap_or(user);
    let wanted = [host.as_str(), &port, database, user];
    let text = fs::read_to_string(path).ok()?;
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| password(line, wanted))
}

/// The password of a line, if its other fields fit. `\` makes the character after it an ordinary one.
fn password(line: &str, wanted: [&str; 4]) -> Option<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, fields.len()) {
            ('\\', _) => fields.last_mut()?.extend(characters.next()),
            (':', 1..=4) => fields.push(String::new()),
            _ => fields.last_mut()?.push(character),
        }
    }
    let fits = |(field, wanted): (&String, &str)| field == "*" || field == wanted;
    (fields.len() == 5 && fields.iter().zip(wanted).all(fits)).then(|| fields.swap_remove(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_password_file_is_for_those_whom_it_names() {
        let wanted = ["db.example.com", "5432", "sales", "me"];
        let found = |line| password(line, wanted);
        assert_eq!(found(r"db.example.com:5432:sales:me:a\:b\\c").as_deref(), Some(r"a:b\c"));
        assert_eq!(found("*:*:*:me:secret:with:colons").as_deref(), Some("secret:with:colons"));
        assert_eq!(found("db.example.com:5433:*:me:x"), None);
        assert_eq!(found("db.example.com:5432:sales:me"), None);
    }

    #[test]
    fn a_password_survives_the_address() {
        let address = format!("postgres://me@db/sales?password={}", percent_encoded("a b+c&d%e@f"));
        assert_eq!(address.parse::<Config>().unwrap().get_password(), Some("a b+c&d%e@f".as_bytes()));
    }
}
