//! `campaign sandbox`.

use std::path::Path;

use tokio::net::TcpListener;

use super::args::SandboxArgs;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use crate::private_file;
use crate::problem::{Place, Problem};
use crate::sandbox::{Sandbox, Script};

pub(super) async fn serve(args: &SandboxArgs, output: &Output) -> Result<Exit, CliError> {
    let script = args.script.as_deref().map_or_else(|| Ok(Script::default()), read_script)?;
    let mut sandbox = Sandbox::new(script);
    if let Some(path) = &args.journal {
        let file = private_file::options()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|error| CliError::file(path, error))?;
        sandbox = sandbox.with_journal(Box::new(file));
    }
    let cannot_listen = |error: std::io::Error| CliError::caused(format!("cannot listen on {}", args.listen), error);
    let listener = TcpListener::bind(args.listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    // On standard output: a script that starts the sandbox on port 0 reads the address there.
    output.result(&format!("http://{address}"));
    output.say("LiveDesk sandbox; set `livedesk.base_url` to this address. Press Ctrl-C to stop");
    sandbox
        .serve(listener, async {
            // Without a signal handler the process ends all the same, only less politely.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await
        .map_err(|error| CliError::caused("the sandbox failed", error))?;
    Ok(Exit::Done)
}

pub(super) fn read_script(path: &Path) -> Result<Script, CliError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| CliError::file(path, error))?;
    Script::parse(&text).map_err(|error| {
        let place = Place::line(name, error.line).at_column(error.column);
        CliError::from(vec![Problem::error("sandbox-script", place, error.what)])
    })
}
