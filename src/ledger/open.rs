//! Where ledgers come from. Which implementation keeps a ledger is decided here and nowhere else: whoever is handed one
//! knows only that it is a [`Ledger`]. Whoever opens one waits, for a database may be on another machine.

use std::fs;
use std::path::Path;

use futures_util::future::join;
use tokio::sync::mpsc::channel;

use super::backend::Backend;
use super::contract::Ledger;
use super::error::LedgerError;
use super::location::{Acknowledged, Location};
use super::postgres::{Address, Postgres};
use super::sqlite::{self, Backup, Recovery, Sqlite};
use super::tables::BATCHES_ON_THE_WAY;

/// What a ledger is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A run: nobody else can run the campaign meanwhile. It is made where there is certainly none.
    Run,
    /// A run beside others, where the ledger can be shared: see [`Share`](super::Share). Otherwise the same.
    SharedRun,
    /// A dry run: a copy in memory, so that it says what a run would do.
    DryRun,
    /// A run in the sandbox: an empty ledger that goes with the process.
    Sandbox,
}

/// Opens a ledger to be written.
///
/// # Errors
/// It is held by another run, cannot be used, or it cannot be shown that it knows everyone who was sent to.
pub async fn open(
    location: &Location,
    purpose: Purpose,
    acknowledged: Acknowledged,
) -> Result<impl Ledger + use<>, LedgerError> {
    match (purpose, location) {
        (Purpose::Run | Purpose::SharedRun, Location::File(path)) => {
            Sqlite::open(path, acknowledged).map(Backend::Sqlite)
        }
        (Purpose::Run, Location::Postgres(address)) => {
            Ok(Backend::postgres(Postgres::open(address, acknowledged).await?))
        }
        (Purpose::SharedRun, Location::Postgres(address)) => {
            Ok(Backend::postgres(Postgres::open_shared(address, acknowledged).await?))
        }
        (Purpose::DryRun, Location::File(path)) => Sqlite::scratch_copy(path, acknowledged).map(Backend::Sqlite),
        (Purpose::DryRun, Location::Postgres(address)) => scratch_copy(address).await.map(Backend::Sqlite),
        (Purpose::Sandbox, _) => Sqlite::temporary().map(Backend::Sqlite),
    }
}

/// A copy in memory of a ledger in PostgreSQL: rows that a dry run changes there would hold up those who run.
async fn scratch_copy(address: &Address) -> Result<Sqlite, LedgerError> {
    let copy = Sqlite::scratch()?;
    if let Some(source) = Postgres::open_read_only(address).await? {
        let (send, receive) = channel(BATCHES_ON_THE_WAY);
        let (exported, imported) = join(source.export(send), copy.import(receive, None)).await;
        exported.and(imported)?;
    }
    Ok(copy)
}

/// Opens an existing ledger for looking only, beside a run that may be under way. `None` where there certainly is
/// none.
///
/// # Errors
/// It cannot be used, or it cannot be shown that it knows everyone who was sent to.
pub async fn open_read_only(location: &Location) -> Result<Option<impl Ledger + use<>>, LedgerError> {
    Ok(match location {
        Location::File(path) => Sqlite::open_read_only(path)?.map(Backend::Sqlite),
        Location::Postgres(address) => Postgres::open_read_only(address).await?.map(Backend::postgres),
    })
}

/// Opens an existing ledger to follow its messages, beside a run that may be under way: for the methods of
/// [`Track`](super::Track) and [`Inspect`](super::Inspect). `None` where there certainly is none.
///
/// # Errors
/// As [`open_read_only`]; or it has an older format and is held by a run.
pub async fn open_to_track(location: &Location) -> Result<Option<impl Ledger + use<>>, LedgerError> {
    Ok(match location {
        Location::File(path) => Sqlite::open_to_track(path)?.map(Backend::Sqlite),
        Location::Postgres(address) => Postgres::open_to_track(address).await?.map(Backend::postgres),
    })
}

/// An empty ledger in memory (and in a nameless temporary file when it grows).
///
/// # Errors
/// The system has no room for it.
pub fn scratch() -> Result<impl Ledger, LedgerError> {
    Sqlite::scratch()
}

/// Whether there is certainly no ledger, nor anything that one has left.
///
/// # Errors
/// It cannot be told, or there was a ledger.
pub async fn is_first_run(location: &Location, acknowledged: Acknowledged) -> Result<bool, LedgerError> {
    match location {
        Location::File(path) => sqlite::is_first_run(path, acknowledged),
        Location::Postgres(address) => Postgres::is_first_run(address).await,
    }
}

/// A campaign whose ledger is beside those of the other specs of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its name.
    pub campaign: String,
    /// The text of its spec as it was last enrolled.
    pub spec: String,
    /// Where its ledger is.
    pub ledger: Location,
}

/// All campaigns of the specs of a folder that have begun and whose ledgers can be read.
pub fn neighbours(folder: &Path) -> impl Iterator<Item = Neighbour> {
    // Where there is no folder there is no ledger.
    let entries = fs::read_dir(Location::folder_beside(folder)).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "sqlite")).filter_map(|path| {
        let (campaign, spec) = sqlite::peek(&path)?;
        Some(Neighbour { campaign, spec, ledger: Location::File(path) })
    })
}

/// Copies a ledger to a new file, also while a run writes it: the copy is the ledger as it was at one moment. `None` where
/// there certainly is no ledger.
///
/// # Errors
/// The ledger cannot be read, the copy cannot be written, or there is a file of that name.
pub async fn backup(location: &Location, target: &Path) -> Result<Option<Backup>, LedgerError> {
    match location {
        Location::File(path) => Sqlite::backup(path, target),
        Location::Postgres(_) => Err(only_of_files(
            location,
            "back it up together with its database, for example with `pg_dump --schema=campaign`",
        )),
    }
}

/// Begins a new ledger, for `target`, with what can be read of a damaged one of this campaign. `None` where there certainly
/// is no ledger.
///
/// # Errors
/// A run holds the ledger, there is a file at `target`, or the new ledger cannot be written.
pub async fn recover(location: &Location, target: &Path, campaign: &str) -> Result<Option<Recovery>, LedgerError> {
    match location {
        Location::File(path) => Recovery::begin(path, target, campaign),
        Location::Postgres(_) => Err(only_of_files(location, "restore its database from a backup")),
    }
}

/// The answer to a command that is for ledgers in files.
fn only_of_files(location: &Location, advice: &str) -> LedgerError {
    LedgerError::not_usable("this command is for ledgers in files", advice).at(Path::new(&location.to_string()))
}
