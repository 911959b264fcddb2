//! The client for the LiveDesk of a spec, or for another server in its place: a sandbox.

use std::path::{Path, PathBuf};

use super::credentials::credentials;
use super::error::CliError;
use super::output::Output;
use super::sandbox::read_script;
use crate::livedesk::{Client, Credentials, Timeouts};
use crate::sandbox::{LocalSandbox, Script};
use crate::secret::Secret;
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

/// What the sandbox plays: the script beside the spec, `NAME.sandbox.yaml`, if there is one.
pub(super) fn sandbox_script(spec: &Path) -> Result<Option<(PathBuf, Script)>, CliError> {
    let path = spec.with_extension("sandbox.yaml");
    if !path.exists() {
        return Ok(None);
    }
    let script = read_script(&path)?;
    Ok(Some((path, script)))
}

/// A sandbox in this process, which ends with what this gives.
pub(super) fn start_sandbox(script: Option<Script>) -> Result<LocalSandbox, CliError> {
    LocalSandbox::play(script.unwrap_or_default())
        .map_err(|error| CliError::caused("the sandbox cannot be started", error))
}

/// For the sandbox, if there is one; otherwise for the server that the spec names.
pub(super) fn client_of_run(spec: &Spec, sandbox: Option<&LocalSandbox>, output: &Output) -> Result<Client, CliError> {
    let Some(sandbox) = sandbox else { return client(spec, output) };
    let any = || Secret::new("sandbox".to_owned());
    client_for(&sandbox.base_url, Credentials { key: any(), secret: any() }, spec)
}
