//! Where the database is, and which of its ledgers is meant. The password is in it, and never shown.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::workers::WORKER_TIMEOUT;
use crate::specification::duration;

/// The address of a ledger in a PostgreSQL database.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) config: Config,
    pub(super) tls: Tls,
    /// The name of the ledger: that of its campaign.
    pub(super) ledger: String,
    /// How long a worker may be silent before the others take over what it has.
    pub(super) worker_timeout: Duration,
    /// How long a run waits for a database that went away.
    pub(super) reconnect_timeout: Duration,
}

/// How long a run waits for a database that went away, unless somebody says otherwise.
const RECONNECT_TIMEOUT: Duration = Duration::from_mins(10);

/// Whether the connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tls {
    Off,
    /// The server must have a certificate for its name: by these authorities, or else by those that the system trusts.
    On {
        authorities: Option<PathBuf>,
    },
}

impl Address {
    /// Reads `postgres://USER@HOST:PORT/DATABASE?sslmode=...&sslrootcert=...&worker_timeout=...&reconnect_timeout=...`.
    pub(in crate::ledger) fn parse(url: &str, ledger: &str) -> Result<Self, String> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut kept, mut mode, mut authorities) = (Vec::new(), None, None);
        let (mut worker_timeout, mut reconnect_timeout) = (WORKER_TIMEOUT, RECONNECT_TIMEOUT);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let decoded = form_urlencoded::parse(pair.as_bytes()).next();
            match decoded.as_ref().map(|(name, value)| (name.as_ref(), value.as_ref())) {
                Some(("sslmode", value)) => mode = Some(value.to_owned()),
                Some(("worker_timeout", value)) => worker_timeout = time("worker_timeout", value)?,
                Some(("reconnect_timeout", value)) => reconnect_timeout = time("reconnect_timeout", value)?,
                // As other programs say that the system's are meant, which they are anyway.
                Some(("sslrootcert", "system")) => mode = mode.or_else(|| Some("verify-full".to_owned())),
                Some(("sslrootcert", value)) => authorities = Some(PathBuf::from(value)),
                Some((name @ ("sslcert" | "sslkey" | "sslpassword" | "sslcrl" | "sslcrldir"), _)) => {
                    return Err(format!("`{name}` is not supported: only the server shows a certificate"));
                }
                _ => kept.push(pair),
            }
        }
        let mut config = Config::from_str(&format!("{base}?{}", kept.join("&"))).map_err(|error| reason(&error))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err("it names no host".to_owned());
        }
        if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if name.contains('@'))) {
            return Err("write `%40` for an `@` in the user or the password".to_owned());
        }
        let tls = match mode.as_deref() {
            None if is_local(&config) && authorities.is_none() => Tls::Off,
            Some("disable") if authorities.is_some() => {
                return Err("`sslmode=disable` and `sslrootcert` contradict each other: leave one out".to_owned());
            }
            Some("disable") => Tls::Off,
            None | Some("require" | "verify-ca" | "verify-full") => Tls::On { authorities },
            Some(other) => {
                return Err(format!(
                    "`sslmode={other}`: write `verify-full`, or `disable` for a connection that is not encrypted"
                ));
            }
        };
        config.ssl_mode(if tls == Tls::Off { SslMode::Disable } else { SslMode::Require });
        Ok(Self { config, tls, ledger: ledger.to_owned(), worker_timeout, reconnect_timeout })
    }
}

fn time(name: &str, value: &str) -> Result<Duration, String> {
    duration(value).map_err(|error| format!("`{name}={value}`: {error}"))
}

/// Why an address cannot be read. What it says of values is only their names.
fn reason(error: &tokio_postgres::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Whether every host is this machine.
fn is_local(config: &Config) -> bool {
    let is_local = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    config.get_hosts().iter().all(is_local) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// Without the user, whose name would be taken for an e-mail address, and without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        let hosts: Vec<String> = self.config.get_hosts().iter().map(host).collect();
        let ports = self.config.get_ports();
        for (at, host) in hosts.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{host}")?;
            if let Some(port) = ports.get(at).or(ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().or(self.config.get_user()).unwrap_or_default())
    }
}

fn host(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Address {
        Address::parse(url, "c").unwrap()
    }

    #[test]
    fn a_password_is_never_shown() {
        let address = parsed("postgres://me:s3cret%40@db.example.com:5433/sales?password=an0ther");
        for shown in [address.to_string(), format!("{address:?}"), format!("{:?}", address.config)] {
            assert!(!shown.contains("s3cret") && !shown.contains("an0ther"), "{shown}");
        }
        assert_eq!(address.to_string(), "postgres://db.example.com:5433/sales");
        let error = Address::parse("postgres://me:a@b@db.example.com/sales", "c").unwrap_err();
        assert!(error.contains("%40") && !error.contains("a@b"), "{error}");
    }

    #[test]
    fn a_connection_to_another_machine_is_encrypted_and_verified_unless_somebody_says_otherwise() {
        let verified = Tls::On { authorities: None };
        assert_eq!(parsed("postgres://db.example.com/x").tls, verified);
        assert_eq!(parsed("postgres://db.example.com/x?sslmode=require").tls, verified);
        assert_eq!(parsed("postgres://db.example.com/x?sslmode=disable").tls, Tls::Off);
        for local in ["localhost", "127.0.0.1", "%2Fvar%2Frun%2Fpostgresql"] {
            assert_eq!(parsed(&format!("postgres://{local}/x")).tls, Tls::Off);
        }
        let own = parsed("postgres://db.example.com/x?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem").tls;
        assert_eq!(own, Tls::On { authorities: Some("/etc/ca.pem".into()) });
        let error = Address::parse("postgres://db.example.com/x?sslmode=prefer", "c").unwrap_err();
        assert!(error.contains("verify-full"), "{error}");
        assert!(Address::parse("postgres:///x", "c").is_err());
    }
}
