//! Standard output and standard error, each written by a thread of its own.
//!
//! A terminal that was stopped with Ctrl-S and a pipe that nobody reads block whoever writes to them. Here only the
//! writing thread is blocked: what is written waits in a bounded buffer, and its author decides whether to wait for
//! room or to have it dropped and counted. This module knows nothing of what is written.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::TermLike;
use parking_lot::{Condvar, Mutex, MutexGuard};

/// Bytes that wait to be written at most, beside the piece that is being written.
const CAPACITY: usize = 256 * 1024;

/// A frame of a moving bar is drawn while no more than this waits.
const FRAMES: usize = 4096;

/// Between two tries at a stream that somebody else has made non-blocking, and that is full.
const RETRY: Duration = Duration::from_millis(10);

/// What to do when there is no room in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// Wait for the reader, however long that takes.
    Wait,
    /// Drop the text and count its lines.
    Drop,
}

/// One of the streams of this process. Clones write to the same one.
#[derive(Debug, Clone)]
pub struct Stream(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    buffer: Mutex<Buffer>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Buffer {
    waiting: Vec<u8>,
    /// Whether the thread has a piece in hand.
    writing: bool,
    /// Whether somebody has waited for the reader in vain since the last piece was written.
    stuck: bool,
    /// Lines that were dropped and not yet mentioned.
    dropped: u64,
    /// The first error; nothing is written after it.
    error: Option<io::Error>,
}

impl Stream {
    /// Standard output.
    pub fn stdout() -> Self {
        Self::of("stdout", file_of(io::stdout()))
    }

    /// Standard error.
    pub fn stderr() -> Self {
        Self::of("stderr", file_of(io::stderr()))
    }

    fn of(name: &str, output: io::Result<Box<dyn Write + Send>>) -> Self {
        let shared = Arc::new(Shared { buffer: Mutex::default(), changed: Condvar::new() });
        let served = Arc::clone(&shared);
        let started = output.and_then(|output| {
            thread::Builder::new().name(name.to_owned()).spawn(move || served.write_all_that_comes(output))
        });
        if let Err(error) = started {
            shared.lock().error = Some(error);
        }
        Self(shared)
    }

    /// Writes a text as soon as the ones before it are written.
    pub fn write(&self, text: &str, on_full: OnFull) {
        let mut buffer = self.0.lock();
        while on_full == OnFull::Wait && buffer.error.is_none() && buffer.waiting.len() >= CAPACITY {
            self.0.changed.wait(&mut buffer);
        }
        if buffer.waiting.len() >= CAPACITY {
            buffer.dropped += text.lines().count() as u64;
            return;
        }
        buffer.mention_dropped();
        buffer.waiting.extend_from_slice(text.as_bytes());
        self.0.changed.notify_all();
    }

    /// Waits until everything is written, at most so long if `timeout` is given, and not a second time in a row for a
    /// reader who does not read. `false` if something still waits then.
    pub fn flush(&self, timeout: Option<Duration>) -> bool {
        let began = Instant::now();
        let mut buffer = self.0.lock();
        buffer.mention_dropped();
        self.0.changed.notify_all();
        while buffer.is_busy() {
            let left = timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
            match left {
                Some(_) if buffer.stuck => return false,
                Some(Duration::ZERO) => {
                    buffer.stuck = true;
                    return false;
                }
                Some(left) => {
                    self.0.changed.wait_for(&mut buffer, left);
                }
                None => self.0.changed.wait(&mut buffer),
            }
        }
        true
    }

    /// Why this stream could not be written. A reader that has gone away, as in `| head`, is no reason.
    pub fn failure(&self) -> Option<String> {
        let buffer = self.0.lock();
        buffer.error.as_ref().filter(|error| error.kind() != ErrorKind::BrokenPipe).map(io::Error::to_string)
    }

    /// Writes a frame of a moving bar, unless the reader is behind.
    fn draw(&self, frame: &str) {
        if self.0.lock().waiting.len() < FRAMES {
            self.write(frame, OnFull::Drop);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock()
    }

    /// The writing thread. It ends with the process.
    fn write_all_that_comes(&self, mut output: Box<dyn Write + Send>) {
        loop {
            let mut buffer = self.lock();
            buffer.writing = false;
            self.changed.notify_all();
            while buffer.waiting.is_empty() {
                self.changed.wait(&mut buffer);
            }
            let piece = std::mem::take(&mut buffer.waiting);
            let failed = buffer.error.is_some();
            buffer.writing = true;
            drop(buffer);
            if !failed && let Err(error) = write_whole(output.as_mut(), &piece) {
                self.lock().error = Some(error);
            }
            self.lock().stuck = false;
        }
    }
}

impl Buffer {
    const fn is_busy(&self) -> bool {
        (self.writing || !self.waiting.is_empty()) && self.error.is_none()
    }

    /// Says how many lines are missing, where the ones after them follow.
    fn mention_dropped(&mut self) {
        if self.dropped > 0 && self.waiting.len() < CAPACITY {
            let ending = if self.dropped == 1 { " was" } else { "s were" };
            let text = format!("... {} line{ending} not shown: nobody was reading the output\n", self.dropped);
            self.waiting.extend_from_slice(text.as_bytes());
            self.dropped = 0;
        }
    }
}

/// Writes all of it, also to a stream that another process has made non-blocking.
fn write_whole(output: &mut dyn Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) => return Err(error),
        }
    }
    output.flush()
}

/// The stream itself: the standard library's handle has a buffer of its own and passes over some errors.
#[cfg(unix)]
fn file_of(stream: impl std::os::fd::AsFd) -> io::Result<Box<dyn Write + Send>> {
    let descriptor = stream.as_fd().try_clone_to_owned()?;
    Ok(Box::new(std::fs::File::from(descriptor)))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
fn file_of(stream: impl Write + Send + 'static) -> io::Result<Box<dyn Write + Send>> {
    Ok(Box::new(stream))
}

/// For results that are written piece by piece: waits for the reader, and fails as soon as the stream has.
impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(error) = &self.0.lock().error {
            return Err(io::Error::new(error.kind(), error.to_string()));
        }
        // Pieces are cut anywhere, so this goes by the bytes, not by the text.
        let mut buffer = self.0.lock();
        while buffer.error.is_none() && buffer.waiting.len() >= CAPACITY {
            self.0.changed.wait(&mut buffer);
        }
        buffer.waiting.extend_from_slice(bytes);
        self.0.changed.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::flush(self, None);
        match &self.0.lock().error {
            Some(error) => Err(io::Error::new(error.kind(), error.to_string())),
            None => Ok(()),
        }
    }
}

/// A terminal at the end of a stream, for a bar that moves. Frames are left out while the terminal is stopped: whoever
/// comes back does not want to see them all.
#[derive(Debug)]
pub struct Terminal {
    stream: Stream,
    frame: Mutex<String>,
}

impl Terminal {
    /// Draws on this stream.
    pub fn new(stream: Stream) -> Self {
        Self { stream, frame: Mutex::default() }
    }

    #[expect(clippy::unnecessary_wraps, reason = "what the trait asks for")]
    fn draw(&self, text: &str) -> io::Result<()> {
        self.frame.lock().push_str(text);
        Ok(())
    }

    fn moved(&self, by: usize, direction: char) -> io::Result<()> {
        if by == 0 { Ok(()) } else { self.draw(&format!("\u{1b}[{by}{direction}")) }
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        console::Term::stderr().size().1
    }

    fn move_cursor_up(&self, by: usize) -> io::Result<()> {
        self.moved(by, 'A')
    }

    fn move_cursor_down(&self, by: usize) -> io::Result<()> {
        self.moved(by, 'B')
    }

    fn move_cursor_right(&self, by: usize) -> io::Result<()> {
        self.moved(by, 'C')
    }

    fn move_cursor_left(&self, by: usize) -> io::Result<()> {
        self.moved(by, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.draw(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let frame = std::mem::take(&mut *self.frame.lock());
        if !frame.is_empty() {
            self.stream.draw(&frame);
        }
        Ok(())
    }
}
