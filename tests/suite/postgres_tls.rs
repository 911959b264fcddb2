//! Encrypted connections to a ledger's database, with a certificate of an authority of the test's own; and service files.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use crate::harness::{Desk, Project, Ran};
use crate::postgres_server::{Server, database_of};

const KEY: [&str; 6] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-batch"];

fn openssl(folder: &Path, words: &[&str]) {
    let output = Command::new("openssl").args(words).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority `ca.pem`, a certificate of it for `localhost`, and another authority `other.pem`.
fn certificates(folder: &Path) {
    for (name, subject) in [("ca", "/CN=authority"), ("other", "/CN=other")] {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let words = ["req", "-x509", "-keyout", &key, "-out", &certificate, "-subj", subject, "-days", "30"];
        openssl(folder, &[&words[..], &KEY].concat());
    }
    let words = ["req", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"];
    openssl(folder, &[&words[..], &KEY].concat());
    fs::write(folder.join("names"), "subjectAltName = DNS:localhost\n").unwrap();
    let words = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(folder, &[&words[..], &["-out", "server.pem", "-days", "30", "-extfile", "names"]].concat());
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(folder.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
    // As root, the server is run by `postgres`.
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let user = passwd.lines().find_map(|line| line.strip_prefix("postgres:x:")?.split(':').next()?.parse().ok());
    let _ = chown(folder.join("server.key"), user, None);
}

fn run(address: &str) -> Ran {
    let desk = Desk::friendly();
    Project::at(&desk).people(1).environment("CAMPAIGN_LEDGER", Some(address)).run(&[])
}

#[test]
fn a_connection_is_encrypted_and_the_certificate_is_checked() {
    let test = "postgres_tls::a_connection_is_encrypted_and_the_certificate_is_checked";
    if Server::shared(test).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let settings =
        format!("ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'", file("server.pem"), file("server.key"));
    let Some(server) = Server::with(test, &settings) else { return };
    let (by_number, ca, other) = (server.database(), file("ca.pem"), file("other.pem"));
    let address = by_number.replace("@127.0.0.1:", "@localhost:");
    for mode in ["sslmode=verify-full&", "sslmode=verify-ca&", "sslmode=require&", ""] {
        run(&format!("{address}?{mode}sslrootcert={ca}")).exits(0);
    }
    let name = database_of(&address);
    server.sql(
        name,
        "CREATE TABLE public.seen (ssl boolean);
         CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO public.seen SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid(); RETURN NULL; END $$;
         CREATE TRIGGER see AFTER UPDATE ON campaign.ledger EXECUTE FUNCTION public.see()",
    );
    run(&format!("{address}?sslrootcert={ca}")).exits(0);
    assert_eq!(server.sql(name, "SELECT bool_and(ssl) FROM public.seen").trim(), "t");
    run(&format!("{address}?sslmode=disable")).exits(0);
    assert_eq!(server.sql(name, "SELECT bool_and(ssl) FROM public.seen").trim(), "f");

    run(&format!("{address}?sslrootcert={other}")).exits(1).says("not trusted").says("`sslrootcert=PATH`");
    run(&format!("{address}?sslmode=require")).exits(1).says("not trusted");
    run(&format!("{by_number}?sslrootcert={ca}")).exits(1).says("the certificate is for another name");
    run(&format!("{address}?sslrootcert={}", file("missing.pem"))).exits(1).says("missing.pem");
    run(&format!("{address}?sslrootcert={}", file("server.key"))).exits(1).says("there is no certificate in it");
}

#[test]
fn what_is_not_supported_is_said() {
    let test = "postgres_tls::what_is_not_supported_is_said";
    let Some(server) = Server::shared(test) else { return };
    let address = server.database();
    run(&format!("{address}?sslmode=require")).exits(1).says("does not encrypt connections").says("sslmode=disable");
    for (query, words) in [
        ("sslmode=prefer", "write `verify-full`, or `disable`"),
        ("sslcert=client.pem", "`sslcert` is not supported"),
        ("sslmode=disable&sslrootcert=ca.pem", "contradict each other"),
        ("gssencmode=require", "gssencmode"),
    ] {
        let ran = run(&format!("{address}?{query}")).says(words);
        assert!([Some(1), Some(2)].contains(&ran.code), "{query}: {ran:?}");
    }
}

#[test]
fn a_service_file_says_what_the_address_does_not() {
    let test = "postgres_tls::a_service_file_says_what_the_address_does_not";
    let Some(server) = Server::shared(test) else { return };
    let address = server.database();
    let (port, name) = (server.port(), database_of(&address));
    let desk = Desk::friendly();
    let services = format!(
        "# Ours.\n[other]\nhost=192.0.2.1\n\n[sales]\nhost=127.0.0.1\nport={port}\nuser=postgres\ndbname=nowhere\n\
         password=pass:word@1\n"
    );
    let project = Project::at(&desk).people(1).file("services", &services);
    let file = project.path("services").display().to_string();
    let project = project.environment("PGSERVICEFILE", Some(&file));
    let at = |project: Project, address: &str| project.environment("CAMPAIGN_LEDGER", Some(address));
    let project = at(project, "postgres:///?service=sales");
    project.run(&[]).exits(1).says("\"nowhere\" does not exist");
    let project = at(project, &format!("postgres:///{name}?service=sales"));
    project.run(&[]).exits(0);
    let project = at(project, "postgres:///?service=missing");
    project.run(&[]).exits(1).says("there is no entry `[missing]`");
    let project = project.environment("PGSERVICEFILE", Some("/nowhere/services"));
    project.run(&[]).exits(1).says("/nowhere/services").says("`service=missing`");
}
