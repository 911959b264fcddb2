//! What a database server says, in words for whoever must act.

use std::error::Error;
use std::io::{self, ErrorKind};

use tokio_postgres::error::SqlState;

use crate::ledger::LedgerError;

impl From<tokio_postgres::Error> for LedgerError {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some((what, advice)) = certificate_refused(&error) {
            return Self::not_usable(what, advice);
        }
        let Some(state) = error.code().cloned() else {
            let closed = if error.is_closed() { "; the connection was lost" } else { "" };
            return if is_disconnected(&error) {
                Self::disconnected(Whole(error), closed)
            } else {
                Self::database(Whole(error))
            };
        };
        if is_shutdown(&state) {
            return Self::disconnected(Whole(error), "; the server is starting or stopping: run again when it is up");
        }
        let message = error.as_db_error().map_or_else(String::new, |error| error.message().to_owned());
        match advice(&state) {
            Some(advice) => Self::not_usable(message, advice),
            None => Self::database(Whole(error)),
        }
    }
}

/// What is wrong with TLS, and what to do about it.
fn certificate_refused(error: &tokio_postgres::Error) -> Option<(String, &'static str)> {
    let mut cause = error.source();
    while let Some(error) = cause {
        // What an `io::Error` wraps is not its source.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()).or_else(|| error.downcast_ref());
        if let Some(tls) = tls {
            return Some((format!("no encrypted connection: {tls}"), advice_on_tls(tls)));
        }
        cause = error.source();
    }
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    text.contains("server does not support TLS").then(|| {
        let advice = "switch `ssl` on in the server, or say `sslmode=disable` in the address";
        ("this server does not encrypt connections".to_owned(), advice)
    })
}

fn advice_on_tls(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        UnknownIssuer,
    };
    let rustls::Error::InvalidCertificate(why) = error else {
        return "see which TLS versions the server has: 1.2 or 1.3 is needed";
    };
    match why {
        NotValidForName | NotValidForNameContext { .. } => {
            "the certificate is for another name: give the address that name for the server, or the server a certificate for \
             this one"
        }
        UnknownIssuer => {
            "the certificate is from an authority that is not trusted: name the file with the right one with `sslrootcert=PATH` \
             in the address"
        }
        Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
            "renew the server's certificate, or set the clock"
        }
        _ => "give the server a certificate that is valid for its name, from an authority in `sslrootcert=PATH`",
    }
}

/// Whether the error is the connection's: one that the driver makes of values and rows has other causes.
fn is_disconnected(error: &tokio_postgres::Error) -> bool {
    let io = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    error.is_closed() || io.is_some_and(|io| !matches!(io.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData))
}

/// Whether the server ends the connection: class 08 is about connections.
fn is_shutdown(state: &SqlState) -> bool {
    [SqlState::CANNOT_CONNECT_NOW, SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN].contains(state)
        || state.code().starts_with("08")
}

fn advice(state: &SqlState) -> Option<&'static str> {
    Some(match *state {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "give the right user in the address and the password in PGPASSWORD or in ~/.pgpass"
        }
        SqlState::INVALID_CATALOG_NAME => "create the database, or correct the address",
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "the ledger is in the schema `campaign`: let this user create it (GRANT CREATE ON DATABASE ... TO ...), or own it"
        }
        SqlState::TOO_MANY_CONNECTIONS => {
            "each run needs a connection of its own: raise `max_connections`, or stop other programs"
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => "give the address of the primary server",
        SqlState::DISK_FULL => "make room on the server's disk: what is recorded stays, and nobody gets it twice",
        SqlState::PROGRAM_LIMIT_EXCEEDED => {
            "a key of the list may be too long for the database: shorten `recipients.key`"
        }
        _ => return None,
    })
}

/// An error that says what its causes say: the driver's own words are "db error" and "error connecting to server".
#[derive(Debug)]
struct Whole(tokio_postgres::Error);

impl std::fmt::Display for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(error) = self.0.as_db_error() {
            return write!(f, "{} (SQLSTATE {})", error.message(), error.code().code());
        }
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for Whole {}
