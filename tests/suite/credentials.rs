//! The key pair: from the environment, from `.env`, or from the files that `LIVEDESK_API_KEY_FILE` and
//! `LIVEDESK_API_SECRET_FILE` name, as systemd, Kubernetes and Docker mount them.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::harness::{Desk, Project, Ran, mkfifo};

const SCRIPT: &str = "credentials: { api_key: 'k#1$x', api_secret: 'se cr$et' }";

/// A project whose key pair is in files, and nowhere else.
fn with_files(desk: &Desk, key: impl AsRef<[u8]>, secret: impl AsRef<[u8]>) -> Project {
    let project = Project::at(desk).people(1).file("key", key).file("secret", secret);
    for name in ["key", "secret"] {
        chmod(&project, name, 0o400);
    }
    let project = project.environment("LIVEDESK_API_KEY", None).environment("LIVEDESK_API_SECRET", None);
    let secret = project.path("secret").display().to_string();
    project.environment("LIVEDESK_API_KEY_FILE", Some("key")).environment("LIVEDESK_API_SECRET_FILE", Some(&secret))
}

fn chmod(project: &Project, name: &str, mode: u32) {
    fs::set_permissions(project.path(name), Permissions::from_mode(mode)).unwrap();
}

fn silent_about_keys(ran: &Ran) {
    for secret in ["k#1", "cr$et"] {
        assert!(!ran.stderr.contains(secret) && !ran.stdout.contains(secret), "{}", ran.stderr);
    }
}

#[test]
fn the_key_pair_is_read_from_files_whatever_ends_their_line() {
    let desk = Desk::start(SCRIPT);
    for end in ["", "\n", "\r\n", "\n\n"] {
        let ran = with_files(&desk, format!("k#1$x{end}"), format!("\u{feff}se cr$et{end}")).run(&[]).exits(0);
        assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
        silent_about_keys(&ran);
    }
}

/// Kubernetes mounts a secret as links to links, and lets the group of the pod read it.
#[test]
fn a_mounted_secret_is_read() {
    let desk = Desk::start(SCRIPT);
    let project = with_files(&desk, "k#1$x", "se cr$et");
    fs::create_dir(project.path("..data")).unwrap();
    fs::rename(project.path("key"), project.path("..data/key")).unwrap();
    symlink("..data/key", project.path("key")).unwrap();
    chmod(&project, "..data/key", 0o440);
    let ran = project.run(&[]).exits(0);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
}

#[test]
fn files_win_over_a_file_of_keys_and_one_may_be_given_by_the_environment() {
    let desk = Desk::start(SCRIPT);
    let keys = "LIVEDESK_API_KEY=old\nLIVEDESK_API_SECRET=old\n";
    with_files(&desk, "k#1$x", "se cr$et").file(".env", keys).run(&[]).exits(0);
    let project = with_files(&desk, "k#1$x", "").environment("LIVEDESK_API_SECRET_FILE", None);
    project.environment("LIVEDESK_API_SECRET", Some("se cr$et")).run(&[]).exits(0);
}

#[test]
fn a_spec_that_names_its_own_variables_names_their_files() {
    let desk = Desk::start(SCRIPT);
    let project = with_files(&desk, "k#1$x", "se cr$et").environment("LIVEDESK_API_KEY_FILE", None);
    let spec = fs::read_to_string(project.path("campaign.yaml")).unwrap();
    let project = project.spec(&spec.replace("' }\nto:", "', api_key: '${SECOND_KEY}' }\nto:"));
    project.run(&[]).exits(1).says("`SECOND_KEY` is not set").says("`SECOND_KEY_FILE`");
    project.environment("SECOND_KEY_FILE", Some("key")).run(&[]).exits(0);
}

#[test]
fn files_that_are_not_one_value_are_refused_and_never_repeated() {
    let desk = Desk::start(SCRIPT);
    for (text, words) in [
        (&b""[..], "it is empty"),
        (b"k#1$x\nse cr$et\n", "more than one line"),
        (b"k#1$x ", "spaces before or after the value"),
        (b"k#1$x\0", "control characters"),
        (b"LIVEDESK_API_KEY=k#1$x\n", "without `LIVEDESK_API_KEY=`"),
        (b"\xff\xfek\0", "not UTF-8"),
    ] {
        let ran = with_files(&desk, text, "se cr$et").run(&[]).exits(1).says(words).says("key");
        silent_about_keys(&ran);
    }
    let project = with_files(&desk, "k#1$x", "se cr$et").environment("LIVEDESK_API_KEY", Some("k#1$x"));
    let ran = project.run(&[]).exits(1).says("`LIVEDESK_API_KEY` and `LIVEDESK_API_KEY_FILE` are both set");
    silent_about_keys(&ran);
    assert_eq!(desk.journal().len(), 0);
}

#[test]
fn files_that_are_missing_or_that_others_may_change_are_refused() {
    let desk = Desk::start(SCRIPT);
    let project = with_files(&desk, "k#1$x", "se cr$et");
    fs::remove_file(project.path("key")).unwrap();
    project.run(&[]).exits(1).says("key (named by `LIVEDESK_API_KEY_FILE`): there is no such file");
    fs::create_dir(project.path("key")).unwrap();
    project.run(&[]).exits(1).says("not a regular file");
    let project = with_files(&desk, "k#1$x", "se cr$et");
    chmod(&project, "key", 0o602);
    project.run(&[]).exits(1).says("every user of this machine can change it");
    assert_eq!(desk.journal().len(), 0);
    chmod(&project, "key", 0o644);
    project.run(&[]).exits(0).says("warning").says("other users can read the keys in it");
}

#[test]
fn what_a_file_holds_is_cut_out_of_what_the_server_says() {
    let desk = Desk::start(
        "faults: [{ on: message, status: 422, body: { error: 'key k3y-0f-thr33 with s3cr3t-0f-thr33 may not' } }]",
    );
    let project = with_files(&desk, "k3y-0f-thr33\n", "s3cr3t-0f-thr33\n");
    let ran = project.run(&["--verbose"]).exits(3);
    let report = fs::read_to_string(project.path("reports/c.csv")).unwrap();
    assert!(report.contains("key *** with *** may not"), "{report}");
    assert!(!report.contains("0f-thr33") && !ran.stderr.contains("0f-thr33") && !ran.stdout.contains("0f-thr33"));
}

#[test]
fn what_needs_no_keys_reads_no_files() {
    let desk = Desk::start(SCRIPT);
    let project = with_files(&desk, "", "").environment("LIVEDESK_API_KEY_FILE", Some("nowhere"));
    project.campaign(&["check", "campaign.yaml"]).exits(0);
    project.run(&["--dry-run"]).exits(0);
    project.run(&["--sandbox"]).exits(0);
}

#[test]
fn a_secret_is_taken_from_the_file_as_it_stands() {
    let desk = Desk::start("credentials: { api_key: key, api_secret: 'pa$word#1' }");
    let project = Project::at(&desk).people(1).file(".env", "LIVEDESK_API_KEY=key\nLIVEDESK_API_SECRET=pa$word#1\n");
    let project = project.environment("LIVEDESK_API_KEY", None).environment("LIVEDESK_API_SECRET", None);
    project.run(&[]).exits(0);
}

/// A project whose keys are in `.env` alone.
fn with_dotenv(desk: &Desk, text: impl AsRef<[u8]>) -> Project {
    let project = Project::at(desk).people(1).environment("LIVEDESK_API_KEY", None);
    let project = project.environment("LIVEDESK_API_SECRET", None).file(".env", text);
    fs::set_permissions(project.path(".env"), Permissions::from_mode(0o600)).unwrap();
    project
}

const KEYS: &str = "LIVEDESK_API_KEY=k#1$x\nLIVEDESK_API_SECRET=s\n";

fn desk_with_keys() -> Desk {
    Desk::start("credentials: { api_key: 'k#1$x', api_secret: s }")
}

#[test]
fn a_file_of_keys_is_read_as_editors_and_systems_write_it() {
    let desk = desk_with_keys();
    for text in [
        KEYS,
        "\u{feff}LIVEDESK_API_KEY=\"k#1$x\" # the new one\r\nexport LIVEDESK_API_SECRET='s'\r\n",
        "export\tLIVEDESK_API_KEY = k#1$x\nLIVEDESK_API_SECRET=s\nLIVEDESK_API_SECRET=s",
    ] {
        with_dotenv(&desk, text).run(&[]).exits(0);
    }
    let project = with_dotenv(&desk, "");
    fs::remove_file(project.path(".env")).unwrap();
    fs::write(project.path("keys"), KEYS).unwrap();
    fs::set_permissions(project.path("keys"), Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("keys", project.path(".env")).unwrap();
    project.run(&[]).exits(0);
}

#[test]
fn a_file_of_keys_that_can_be_read_in_two_ways_is_refused() {
    let desk = desk_with_keys();
    for (text, words) in [
        ("LIVEDESK_API_KEY=old\nLIVEDESK_API_KEY=k#1$x\n", "set twice"),
        ("LIVEDESK_API_KEY=k#1$x # new\n", "put the value in quotes"),
        ("LIVEDESK_API_KEY=\"k#1$x\n", "not closed"),
    ] {
        let ran = with_dotenv(&desk, text).run(&[]).exits(1).says(words).says(".env:");
        assert!(!ran.stderr.contains("k#1"), "{}", ran.stderr);
    }
    with_dotenv(&desk, [0xff, 0xfe, b'L', 0]).run(&[]).exits(1).says("save it as UTF-8");
    assert_eq!(desk.journal().len(), 0);
}

#[test]
fn a_file_of_keys_that_is_none_or_that_others_may_change_is_refused() {
    let desk = desk_with_keys();
    let project = with_dotenv(&desk, KEYS);
    fs::set_permissions(project.path(".env"), Permissions::from_mode(0o622)).unwrap();
    project.run(&[]).exits(1).says("can change it: run `chmod 600");
    fs::set_permissions(project.path(".env"), Permissions::from_mode(0o644)).unwrap();
    project.run(&[]).exits(0).says("other users can read the keys in it");
    for make in [(|path: &Path| fs::create_dir(path)) as fn(&Path) -> io::Result<()>, mkfifo, |path| {
        std::os::unix::fs::symlink("nowhere", path)
    }] {
        let project = with_dotenv(&desk, "");
        fs::remove_file(project.path(".env")).unwrap();
        make(&project.path(".env")).unwrap();
        project.run(&[]).exits(1).says(".env: ");
    }
}

#[test]
fn credentials_are_read_from_a_file_beside_the_spec() {
    let desk = Desk::start("credentials: { api_key: key-in-file, api_secret: secret-in-file }");
    let project = Project::at(&desk).people(1);
    let project = project.environment("LIVEDESK_API_KEY", None).environment("LIVEDESK_API_SECRET", None);
    let project = project.file(".env", "LIVEDESK_API_KEY=key-in-file\nexport LIVEDESK_API_SECRET='secret-in-file'\n");
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 1);
}

#[test]
fn the_environment_wins_over_the_file() {
    let desk = Desk::start("credentials: { api_key: test-key, api_secret: test-secret }");
    let project = Project::at(&desk).people(1).file(".env", "LIVEDESK_API_KEY=old\nLIVEDESK_API_SECRET=old\n");
    project.run(&[]).exits(0);
}

#[test]
fn a_spec_may_name_other_variables() {
    let desk = Desk::start("credentials: { api_key: two, api_secret: test-secret }");
    let livedesk = format!("livedesk: {{ base_url: '{}', api_key: '${{SECOND_KEY}}' }}", desk.base_url);
    let project = Project::at(&desk).people(1).environment("SECOND_KEY", Some("two"));
    let spec = fs::read_to_string(project.path("campaign.yaml")).unwrap();
    let first = spec.lines().find(|line| line.starts_with("livedesk:")).unwrap().to_owned();
    project.spec(&spec.replace(&first, &livedesk)).run(&[]).exits(0);
}

#[test]
fn missing_credentials_are_named() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2).environment("LIVEDESK_API_SECRET", None);
    project.run(&[]).exits(1).says("`LIVEDESK_API_SECRET` is not set");
    let project = project.environment("LIVEDESK_API_KEY", Some(""));
    project.run(&[]).exits(1).says("`LIVEDESK_API_KEY` and `LIVEDESK_API_SECRET` are not set");
    assert_eq!(desk.journal().len(), 0);
}
