//! Where a ledger is, by the word of the command line or by default. Looks at nothing.

use std::fmt;
use std::path::{Path, PathBuf};

use super::postgres::Address;

/// Where the ledger of a campaign is, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// An SQLite file.
    File(PathBuf),
    /// A ledger in a PostgreSQL database, which holds those of many campaigns.
    Postgres(Box<Address>),
}

/// An address of something that is no ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Its scheme is none of ours.
    #[error("`{0}` is not a kind of ledger")]
    UnknownKind(String),
    /// It is an address of a PostgreSQL database that cannot be used.
    #[error("the address of the PostgreSQL database cannot be used: {0}")]
    Postgres(String),
}

impl Location {
    /// Where it is unless somebody says otherwise: in the folder `.campaign` beside the spec.
    pub fn beside(folder: &Path, campaign: &str) -> Self {
        Self::File(Self::folder_beside(folder).join(format!("{campaign}.sqlite")))
    }

    /// The folder of the ledgers of all specs in a folder, unless somebody says otherwise.
    pub(super) fn folder_beside(folder: &Path) -> PathBuf {
        folder.join(".campaign")
    }

    /// By an address: a path, `sqlite:PATH` or `postgres://...`. A database has a ledger for each campaign by its name.
    ///
    /// # Errors
    /// The address has a scheme that is none of ours, or cannot be read.
    pub fn parse(address: &str, campaign: &str) -> Result<Self, LocationError> {
        match address.split_once(':') {
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                let address = Address::parse(address, campaign).map_err(LocationError::Postgres)?;
                Ok(Self::Postgres(Box::new(address)))
            }
            Some(("sqlite", path)) => Ok(Self::File(path.strip_prefix("//").unwrap_or(path).into())),
            Some((scheme, _)) if address.contains("://") => Err(LocationError::UnknownKind(scheme.to_owned())),
            _ => Ok(Self::File(address.into())),
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

/// What an operator takes responsibility for where the files cannot tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Nothing was sent before, whatever an earlier ledger has left.
    pub first_run: bool,
    /// This ledger counts, although it may be an older copy.
    pub older: bool,
    /// The database may forget what it has said it keeps: a trial, not a campaign.
    pub not_durable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_path_unless_it_names_another_kind() {
        let file = |path: &str| Ok(Location::File(path.into()));
        assert_eq!(Location::parse("c.sqlite", "c"), file("c.sqlite"));
        assert_eq!(Location::parse("sqlite:c.sqlite", "c"), file("c.sqlite"));
        assert_eq!(Location::parse("sqlite:///var/c.sqlite", "c"), file("/var/c.sqlite"));
        assert_eq!(Location::parse("a:b", "c"), file("a:b"));
        assert_eq!(Location::parse("redis://host", "c"), Err(LocationError::UnknownKind("redis".to_owned())));
    }
}
