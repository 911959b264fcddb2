//! A PostgreSQL server of the tests' own: on a free port, in a temporary folder, for as long as this process lives. Where
//! there is none on the machine, tests that need one say that they are left out; with `CAMPAIGN_TEST_POSTGRES=required` they
//! fail.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]
#![expect(clippy::panic, reason = "a server that must be there and is not")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A server that runs.
pub(super) struct Server {
    binaries: PathBuf,
    folder: PathBuf,
    port: u16,
}

/// Ends the server when this process does, however it ends: then its standard input is closed.
const UNTIL_WE_END: &str = "cat >/dev/null; \"$0\" -D \"$1\" -m immediate stop >/dev/null 2>&1; rm -rf \"$1\"";

const SETTINGS: &str = "listen_addresses = '127.0.0.1'\nmax_connections = 60\nunix_socket_directories = ''\n";

impl Server {
    /// The server of all tests of this process; `None`, said on standard error, where there is no PostgreSQL.
    pub(super) fn shared(test: &str) -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        let server = SHARED.get_or_init(|| binaries().map(|binaries| Self::start(binaries, "")));
        if server.is_none() {
            assert!(std::env::var_os("CAMPAIGN_TEST_POSTGRES").is_none(), "there must be a PostgreSQL server here");
            // Not by a macro, which would be shown for failed tests only.
            let _ = writeln!(std::io::stderr(), "LEFT OUT, for there is no PostgreSQL on this machine: {test}");
        }
        server.as_ref()
    }

    /// One of a test's own, with settings of its own; the same where there is none.
    pub(super) fn with(test: &str, settings: &str) -> Option<Self> {
        Self::shared(test)?;
        binaries().map(|binaries| Self::start(binaries, settings))
    }

    fn start(binaries: PathBuf, settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("campaign-pg-").tempdir().unwrap().keep();
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(&folder).status().unwrap();
            assert!(owned.success(), "there is no user `postgres` to run the server");
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { binaries, folder, port };
        let data = server.folder.display().to_string();
        let password = server.folder.join("../").join(format!("campaign-pg-{port}.password"));
        fs::write(&password, "pass:word@1").unwrap();
        let auth = ["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "-N", "--pwfile"];
        server.run("initdb", &[&auth[..], &[&password.display().to_string(), "-D", &data]].concat());
        fs::remove_file(password).unwrap();
        let mut file = fs::File::options().append(true).open(server.folder.join("postgresql.conf")).unwrap();
        file.write_all(format!("port = {port}\n{SETTINGS}{settings}\n").as_bytes()).unwrap();
        server.control(&["start"]);
        let mut end = unprivileged("sh");
        end.args(["-c", UNTIL_WE_END]).arg(server.binaries.join("pg_ctl")).arg(&server.folder);
        let child = end.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Its standard input stays open until this process ends.
        std::mem::forget(child);
        server
    }

    /// `pg_ctl` for this server.
    pub(super) fn control(&self, words: &[&str]) {
        let folder = self.folder.display().to_string();
        let log = self.folder.join("log").display().to_string();
        self.run("pg_ctl", &[&["-D", &folder, "-w", "-t", "60", "-l", &log], words].concat());
    }

    /// Makes a standby of it, which is told of nothing any more.
    pub(super) fn become_standby(&self) {
        let made = unprivileged("touch").arg(self.folder.join("standby.signal")).status().unwrap();
        assert!(made.success());
        self.control(&["-m", "fast", "restart"]);
    }

    /// Something that is sent all that is committed, as a standby is; for as long as it is kept.
    pub(super) fn follow(&self) -> Follower {
        self.receive("pg_receivewal", &["-D", "."])
    }

    /// A program that is sent what the server has, in a folder of its own, for as long as it is kept.
    pub(super) fn receive(&self, program: &str, words: &[&str]) -> Follower {
        let folder = tempfile::tempdir().unwrap();
        let mut receive = Command::new(self.binaries.join(program));
        receive.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"]).args(words);
        receive.current_dir(folder.path());
        receive.env("PGPASSWORD", "pass:word@1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let follower = Follower { process: receive.spawn().unwrap(), _folder: folder };
        for _ in 0..600 {
            if self.sql("postgres", "SELECT count(*) FROM pg_stat_replication").trim() != "0" {
                return follower;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("nothing follows the server");
    }

    fn run(&self, program: &str, words: &[&str]) {
        let path = self.binaries.join(program);
        // A server that goes on must not hold our pipes open, so what is said goes to a file.
        let mut said = tempfile::tempfile().unwrap();
        let output = said.try_clone().unwrap();
        let mut command = unprivileged(path.to_str().unwrap());
        command.args(words).stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        if !command.status().unwrap().success() {
            let mut text = String::new();
            std::io::Seek::rewind(&mut said).unwrap();
            said.read_to_string(&mut text).unwrap();
            panic!("{program} {words:?}: {text}");
        }
    }

    /// Where it listens, on this machine.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The address of a new, empty database; with the password, as the user who may do everything.
    pub(super) fn database(&self) -> String {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.address("postgres:pass%3Aword%401", &name)
    }

    /// The address of a database, for a user with a password.
    pub(super) fn address(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a statement; gives what `psql` prints.
    pub(super) fn sql(&self, database: &str, sql: &str) -> String {
        let output = Command::new(self.binaries.join("psql"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", "-d", database, "-X", "-q"])
            .args(["-v", "ON_ERROR_STOP=1", "-At", "-c", sql])
            .env("PGPASSWORD", "pass:word@1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// See [`Server::follow`].
pub(super) struct Follower {
    process: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let folder = self.folder.display().to_string();
        self.run("pg_ctl", &["-D", &folder, "-m", "immediate", "stop"]);
    }
}

/// The name of the database in an address.
pub(super) fn database_of(address: &str) -> &str {
    address.rsplit('/').next().unwrap()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0)
}

/// A program run by somebody who is not root: a server refuses to be.
fn unprivileged(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", program]).current_dir("/");
    command
}

/// Where the programs of the server are.
fn binaries() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let has_all = |folder: &Path| ["initdb", "pg_ctl", "psql"].iter().all(|name| folder.join(name).is_file());
    folders.into_iter().find(|folder| has_all(folder))
}
