//! `--metrics`: the file that a Prometheus node exporter reads. It is written on a thread of its own, so that a slow disk
//! never holds a message up; a file that cannot be written is a warning and nothing more.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::args::WantedMetrics;
use super::exit::Exit;
use super::output::Output;
use crate::campaign::{CampaignError, write_public};
use crate::metrics::{Earlier, Metrics};
use crate::problem::with_causes;

/// Between two writes: as often as Prometheus usually reads.
const INTERVAL: Duration = Duration::from_secs(15);

/// How long the command waits for the first and for the last write.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// An earlier file is read up to here.
const MAX_EARLIER: u64 = 1024 * 1024;

/// Metrics that are written to a file until the command ends.
pub(super) struct MetricsFile {
    path: PathBuf,
    metrics: Arc<Metrics>,
    /// Dropped when everything is counted.
    goes_on: Sender<()>,
    written: Receiver<Result<(), CampaignError>>,
}

impl MetricsFile {
    /// Begins to write the metrics that are wanted. `None`, with a warning, where that is not possible.
    pub(super) fn start(wanted: WantedMetrics<'_>, output: &Output) -> Option<Self> {
        let path = wanted.path;
        match Self::begin(wanted) {
            Ok(file) => {
                warn(path, file.written.recv_timeout(MAX_WAIT), output);
                Some(file)
            }
            Err(error) => {
                output.say(&format!("warning: metrics cannot be written to {}: {error}", path.display()));
                None
            }
        }
    }

    fn begin(WantedMetrics { command, path, spec }: WantedMetrics<'_>) -> io::Result<Self> {
        let earlier = earlier(path).unwrap_or_default();
        let metrics = Arc::new(Metrics::new(command, Timestamp::now(), &earlier).map_err(io::Error::other)?);
        let named = spec.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let fallback = earlier.campaign.unwrap_or(named);
        let (goes_on, ends) = mpsc::channel();
        let (results, written) = mpsc::channel();
        let (path, counted) = (path.to_owned(), Arc::clone(&metrics));
        let target = path.clone();
        thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            loop {
                // Nobody waits for most of them.
                let _ = results.send(write(&target, &counted, &fallback));
                match ends.recv_timeout(INTERVAL) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            let _ = results.send(write(&target, &counted, &fallback));
        })?;
        Ok(Self { path, metrics, goes_on, written })
    }

    /// Where to count.
    pub(super) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Writes the file for the last time.
    pub(super) fn finish(self, exit: Exit, output: &Output) {
        let Self { path, metrics, goes_on, written } = self;
        metrics.ended(exit as u8, Timestamp::now());
        drop(goes_on);
        // The last of the results is that of the last write; the thread then ends, and with it the results.
        let mut last = Err(RecvTimeoutError::Timeout);
        loop {
            match written.recv_timeout(MAX_WAIT) {
                Ok(result) => last = Ok(result),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    last = Err(RecvTimeoutError::Timeout);
                    break;
                }
            }
        }
        warn(&path, last, output);
    }
}

/// Says why a file was not written, if so.
fn warn(path: &Path, result: Result<Result<(), CampaignError>, RecvTimeoutError>, output: &Output) {
    let why = match result {
        Ok(Ok(())) => return,
        Ok(Err(error)) => with_causes(&error),
        Err(_) => format!("{}: writing takes too long", path.display()),
    };
    output.say(&format!("warning: metrics: {why}"));
}

/// What an earlier file says. A pipe or a device is not read: that might never end.
fn earlier(path: &Path) -> io::Result<Earlier> {
    if !path.metadata()?.is_file() {
        return Ok(Earlier::default());
    }
    let mut text = String::new();
    File::open(path)?.take(MAX_EARLIER).read_to_string(&mut text)?;
    Ok(Earlier::read(&text))
}

fn write(path: &Path, metrics: &Metrics, fallback: &str) -> Result<(), CampaignError> {
    let text = metrics.text(fallback, Timestamp::now()).unwrap_or_default();
    write_public(path, text.as_bytes())
}
