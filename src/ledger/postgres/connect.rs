//! Connections to the server.

use std::fs;
use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, Tls};
use crate::humanize;
use crate::ledger::LedgerError;

/// A server that does not accept and authenticate a connection for so long is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection on which nothing was heard for so long is probed.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);

/// What was sent and not acknowledged for so long was lost, and the connection with it.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(20);

/// What drives a connection, to its end.
pub(super) type Driver = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

/// A connection that is being driven: until it ends, or this is dropped.
#[derive(Debug)]
pub(super) struct Driving(AbortHandle);

impl Driving {
    /// Drives a connection on a task of its own.
    pub(super) fn spawn<D: Future<Output: Send> + Send + 'static>(driver: D) -> Self {
        Self(tokio::spawn(driver).abort_handle())
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What every session needs: nothing of it ends by itself, and names are those of our schema.
const SETTINGS: &str = "SET search_path TO campaign; SET client_min_messages TO warning;
    SET default_transaction_isolation TO 'read committed';
    SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN ('statement_timeout', 'lock_timeout',
        'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout');
    SELECT set_config(name, '10', false) FROM pg_catalog.pg_settings WHERE name IN ('tcp_keepalives_idle',
        'tcp_keepalives_interval')";

/// Connects. Whoever gets the driver must run it; it wakes `woken` when a notification comes.
pub(super) async fn connect(address: &Address, woken: Option<Arc<Notify>>) -> Result<(Client, Driver), LedgerError> {
    let timeout = address.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
    // The driver's own bound ends with the TCP handshake: a server that is frozen accepts, and says nothing.
    match tokio::time::timeout(timeout, attempt(address, timeout, woken)).await {
        Ok(connected) => connected,
        Err(_) => Err(no_answer(timeout)),
    }
}

/// The server did not answer for so long, though the connection to it seems to be whole.
pub(super) fn no_answer(after: Duration) -> LedgerError {
    LedgerError::disconnected(
        format!("the server did not answer for {}", humanize::duration(after)),
        "; see whether it is up and reachable, and run again",
    )
}

async fn attempt(
    address: &Address,
    timeout: Duration,
    woken: Option<Arc<Notify>>,
) -> Result<(Client, Driver), LedgerError> {
    let mut config = address.config.clone();
    config.application_name("campaign").keepalives_idle(KEEPALIVE_IDLE).keepalives_interval(Duration::from_secs(5));
    config.keepalives_retries(3).tcp_user_timeout(UNACKNOWLEDGED_TIMEOUT).connect_timeout(timeout);
    let (client, driver): (Client, Driver) = match &address.tls {
        Tls::Off => {
            let (client, connection) = config.connect(NoTls).await?;
            (client, driver(connection, woken))
        }
        Tls::On { authorities } => {
            let tls = MakeRustlsConnect::new(tls(authorities.as_deref())?);
            let (client, connection) = config.connect(tls).await?;
            (client, driver(connection, woken))
        }
    };
    Ok((client, driver))
}

fn driver<S, T>(mut connection: Connection<S, T>, woken: Option<Arc<Notify>>) -> Driver
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut drive = move |context: &mut Context<'_>| {
        loop {
            match ready!(connection.poll_message(context)) {
                Some(Ok(AsyncMessage::Notification(_))) => woken.iter().for_each(|woken| woken.notify_one()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
    };
    Box::pin(async move { poll_fn(&mut drive).await })
}

/// Makes a session that was just connected ours.
pub(super) async fn settle_in(client: &Client) -> Result<(), LedgerError> {
    Ok(client.batch_execute(SETTINGS).await?)
}

fn tls(authorities: Option<&Path>) -> Result<ClientConfig, LedgerError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(LedgerError::database)?;
    let Some(path) = authorities else {
        return Ok(builder.with_platform_verifier().map_err(LedgerError::database)?.with_no_client_auth());
    };
    let bytes = fs::read(path).map_err(LedgerError::with_file(path))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| LedgerError::unsuitable(path, error.to_string()))?;
        roots.add(certificate).map_err(|error| LedgerError::unsuitable(path, error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(LedgerError::unsuitable(path, "there is no certificate in it"));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
