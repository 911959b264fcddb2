//! `campaign sandbox`, and the sandbox inside `campaign run --sandbox`.

use std::fs::OpenOptions;
use std::path::Path;
use std::thread;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::exit::{CliError, Exit};
use super::flags::SandboxArgs;
use super::output::Output;
use crate::problem::{Place, Problem};
use crate::sandbox::{Sandbox, Script};

pub(super) async fn serve(args: &SandboxArgs, output: &Output) -> Result<Exit, CliError> {
    let script = args.script.as_deref().map_or_else(|| Ok(Script::default()), read_script)?;
    let mut sandbox = Sandbox::new(script);
    if let Some(path) = &args.journal {
        let file = own_file().open(path).map_err(|error| CliError::file(path, error))?;
        sandbox = sandbox.with_journal(Box::new(file));
    }
    let cannot_listen = |error: std::io::Error| CliError::caused(format!("cannot listen on {}", args.listen), error);
    let listener = TcpListener::bind(args.listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    // On standard output: a script that starts the sandbox on port 0 reads the address there.
    output.result(&format!("http://{address}"));
    output.say("a sandbox of LiveDesk; set `livedesk.base_url` to this address. Ctrl-C ends it");
    sandbox
        .serve(listener, async {
            // Without a signal handler the process ends all the same, only less politely.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await
        .map_err(|error| CliError::caused("the sandbox failed", error))?;
    Ok(Exit::Done)
}

/// Appends to a file that, where it is new, only its owner can read: what arrives has people's numbers in it.
fn own_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn read_script(path: &Path) -> Result<Script, CliError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| CliError::file(path, error))?;
    Script::parse(&text).map_err(|error| {
        let place = Place::line(name, error.line).at_column(error.column);
        CliError::from(vec![Problem::error("sandbox-script", place, error.what)])
    })
}

/// A sandbox inside this process, on a thread of its own so that it does not slow the run down.
#[derive(Debug)]
pub(super) struct Inside {
    /// Where it is.
    pub(super) base_url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Inside {
    pub(super) fn start() -> Result<Self, CliError> {
        let fail = |error: std::io::Error| CliError::caused("the sandbox cannot be started", error);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let base_url = format!("http://{}", listener.local_addr().map_err(fail)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                let stopped = async {
                    let _ = stopped.await;
                };
                // A failure shows as an unreachable server on the other side.
                let _ = Sandbox::new(Script::default()).serve(listener, stopped).await;
            });
        };
        let thread = thread::Builder::new().name("sandbox".to_owned()).spawn(serve).map_err(fail)?;
        Ok(Self { base_url, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
