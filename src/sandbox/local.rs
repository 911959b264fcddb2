//! A sandbox inside this process, for `run --sandbox` and for tests.

use std::io;
use std::net;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Sandbox, Script};

/// A sandbox inside this process, on a thread of its own so that it does not slow the run down.
#[derive(Debug)]
pub struct LocalSandbox {
    /// Its address.
    pub base_url: String,
    /// How long after a message was accepted nothing more happens to it.
    pub receipts_end_after: Duration,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl LocalSandbox {
    /// Starts one that accepts everything, on a port that is free. It ends when it is dropped.
    ///
    /// # Errors
    /// The system has no port or no thread for it.
    pub fn start() -> io::Result<Self> {
        Self::play(Script::default())
    }

    /// The same, playing a script. Whatever key pair that wants is not asked for: nobody else knows the address.
    ///
    /// # Errors
    /// The system has no port or no thread for it.
    pub fn play(script: Script) -> io::Result<Self> {
        let script = Script { credentials: None, ..script };
        let receipts_end_after = script.receipts_end_after();
        let listener = net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                let stopped = async {
                    let _ = stopped.await;
                };
                // A failure shows as an unreachable server on the other side.
                let _ = Sandbox::new(script).serve(listener, stopped).await;
            });
        };
        let thread = thread::Builder::new().name("sandbox".to_owned()).spawn(serve)?;
        Ok(Self { base_url, receipts_end_after, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for LocalSandbox {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
