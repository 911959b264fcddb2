//! The client for the LiveDesk of a spec, or for another server in its place.

use super::credentials::credentials;
use super::error::CliError;
use super::output::Output;
use crate::livedesk::{Client, Credentials, Timeouts};
use crate::specification::Spec;

/// For the server that the spec names, with the credentials of the environment.
pub(super) fn client(spec: &Spec, output: &Output) -> Result<Client, CliError> {
    client_for(&spec.livedesk.base_url, credentials(spec, output)?, spec)
}

/// For another server, with the timeouts of the spec.
pub(super) fn client_for(base_url: &str, credentials: Credentials, spec: &Spec) -> Result<Client, CliError> {
    let timeouts = Timeouts { answer: spec.send.timeout, connect: spec.send.connect_timeout };
    Client::new(base_url, credentials, timeouts)
        .map_err(|error| CliError::caused("the HTTP client cannot be set up", error))
}
