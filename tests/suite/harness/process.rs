//! Processes of the program, what they said.

use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::Instant;

use serde_json::Value;
use tempfile::NamedTempFile;

use super::{DEADLINE, LOOK, signal};

/// A process in the background; it ends with the test.
pub(crate) struct Running {
    process: Child,
    stdout: NamedTempFile,
    stderr: NamedTempFile,
}

impl Running {
    pub(crate) fn launch(mut command: Command) -> Self {
        let (stdout, stderr) = (NamedTempFile::new().unwrap(), NamedTempFile::new().unwrap());
        let process = command.stdout(stdout.reopen().unwrap()).stderr(stderr.reopen().unwrap()).spawn().unwrap();
        Self { process, stdout, stderr }
    }

    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        signal(self.process(), "-INT");
    }

    /// What service managers send.
    pub(crate) fn terminate(&self) {
        signal(self.process(), "-TERM");
    }

    /// Waits until standard error has these words.
    pub(crate) fn wait_for(&self, words: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !fs::read_to_string(&self.stderr).unwrap().contains(words) {
            assert!(Instant::now() < deadline, "{words:?} was never said");
            thread::sleep(LOOK);
        }
    }

    /// Ends it without a word. Gives whether it was still running.
    pub(crate) fn kill(mut self) -> bool {
        self.process.kill().unwrap();
        self.process.wait().unwrap().code().is_none()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    #[track_caller]
    pub(crate) fn finish(mut self) -> Ran {
        let deadline = Instant::now() + DEADLINE;
        let text = |file: &NamedTempFile| fs::read_to_string(file).unwrap();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return Ran { code: status.code(), stdout: text(&self.stdout), stderr: text(&self.stderr) };
            }
            assert!(Instant::now() < deadline, "it hangs, having said:\n{}", text(&self.stderr));
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What came of a process.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// It ended with this exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard error has these words.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "{words:?} is not in stderr:\n{}", self.stderr);
        self
    }

    /// Standard output as one JSON value a line.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
