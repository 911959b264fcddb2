//! Moving a campaign from one ledger to another, of the same kind or of the other one.
//!
//! The order is what keeps the campaign from being in use at both places, whatever ends the process: the rows arrive with a
//! mark, then the original gets one, and only then the copy loses its own. An interrupted copy is finished by another one.

use std::path::Path;

use data_encoding::HEXLOWER;
use futures_util::future::join;
use tokio::sync::mpsc::channel;

use super::backend::Backend;
use super::contract::{Enroll, Inspect};
use super::error::LedgerError;
use super::holder::this_host;
use super::location::Location;
use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::tables::BATCHES_ON_THE_WAY;
use super::totals::Totals;
use super::transfer::{Transfer, TransferKind};

/// The campaigns whose ledgers are at a place: one in a file, any number in a database.
///
/// # Errors
/// The place cannot be read.
pub async fn campaigns(location: &Location) -> Result<Vec<String>, LedgerError> {
    match location {
        Location::File(path) => Ok(Sqlite::campaign(path)?.into_iter().collect()),
        Location::Postgres(address) => Postgres::campaigns(address).await,
    }
}

/// Moves the campaign `name` from one ledger to another, whole. The original keeps everything and is marked: it is not used
/// any more. Gives how many rows of the copy are where; `None` where there certainly is no ledger.
///
/// # Errors
/// A run holds one of them, the other one has a campaign already, or one of them cannot be used.
pub async fn copy(from: &Location, to: &Location, name: &str) -> Result<Option<Totals>, LedgerError> {
    if from == to {
        return Err(same_place(from));
    }
    let Some(source) = open_source(from).await? else { return Ok(None) };
    if source.owner().await?.is_none() {
        return Ok(None);
    }
    source.belongs_to(name).await?;
    let target = open_target(to).await?;
    match move_over((&source, from), (&target, to)).await {
        Ok(()) => Ok(Some(target.totals().await?)),
        Err(error) => {
            // What has arrived stays, also when a later step failed.
            if matches!(target.owner().await, Ok(None)) {
                target.discard_if_new().await;
            }
            Err(error)
        }
    }
}

async fn open_source(location: &Location) -> Result<Option<Backend>, LedgerError> {
    Ok(match location {
        Location::File(path) => Sqlite::open_source(path)?.map(Backend::Sqlite),
        Location::Postgres(address) => Postgres::open_source(address).await?.map(Backend::postgres),
    })
}

async fn open_target(location: &Location) -> Result<Backend, LedgerError> {
    match location {
        Location::File(path) => Sqlite::open_target(path).map(Backend::Sqlite),
        Location::Postgres(address) => Postgres::open_target(address).await.map(Backend::postgres),
    }
}

async fn move_over(
    (source, from): (&Backend, &Location),
    (target, to): (&Backend, &Location),
) -> Result<(), LedgerError> {
    let from_place = place(from);
    let arriving = target.transfer().await?;
    match source.transfer().await? {
        None => {}
        // The last step of an interrupted copy is left.
        Some(Transfer { id, kind: TransferKind::Moved, .. })
            if arriving.as_ref().is_some_and(|mark| mark.kind == TransferKind::Arriving && mark.id == id) =>
        {
            return target.set_transfer(None).await;
        }
        Some(mark) => return Err(mark.refusal().at(Path::new(&from.to_string()))),
    }
    match arriving {
        None if target.owner().await?.is_some() => return Err(occupied(to)),
        Some(mark) if mark.kind == TransferKind::Arriving && mark.place != from_place => {
            return Err(mark.refusal().at(Path::new(&to.to_string())));
        }
        // Unused, moved elsewhere, or part of an interrupted copy from this place.
        _ => {}
    }
    let id = new_id()?;
    let mark = Transfer { id: id.clone(), kind: TransferKind::Arriving, place: from_place };
    let (send, receive) = channel(BATCHES_ON_THE_WAY);
    let (exported, imported) = join(source.export(send), target.import(receive, Some(mark))).await;
    exported.and(imported)?;
    source.set_transfer(Some(Transfer { id, kind: TransferKind::Moved, place: place(to) })).await?;
    target.set_transfer(None).await
}

/// Where a ledger is, for people on other machines too.
fn place(location: &Location) -> String {
    match location {
        Location::File(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            format!("{} on {}", path.display(), this_host())
        }
        Location::Postgres(_) => location.to_string(),
    }
}

fn new_id() -> Result<String, LedgerError> {
    let mut bytes = [0_u8; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| LedgerError::database("the system gives no random numbers"))?;
    Ok(HEXLOWER.encode(&bytes))
}

fn same_place(location: &Location) -> LedgerError {
    LedgerError::not_usable("this is where the campaign is", "name another place").at(Path::new(&location.to_string()))
}

fn occupied(location: &Location) -> LedgerError {
    LedgerError::not_usable("there is a ledger of this campaign already", "nothing was copied; name another place")
        .at(Path::new(&location.to_string()))
}
